"""What other programs use: functions with a schema, by HTTP and as MCP's tools."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, ValidationError, validate_call
from typing_extensions import TypedDict  # Pydantic wants this one before Python 3.12

from shared.errors import AppError
from shared.vision.photo_cache import Photos
from shared.web.turns import Turns
from shared.web.wording import problem

AT_ONCE = 2  # calls that are worked on; the others wait
UPLOAD_FIRST = (
    "The photo is not a file that was uploaded here. Send it to /gradio_api/upload "
    "first, and then what that answers as `path`."
)

Line = Annotated[str, Field(max_length=400)]
Words = Annotated[list[Line], Field(max_length=100)]
M = TypeVar("M")


class Meta(TypedDict):
    """What tells Gradio that something is a file."""

    _type: Literal["gradio.FileData"]


class Upload(TypedDict):
    """A photo that was uploaded, as Gradio's clients write it."""

    path: str
    meta: Meta


def sent(photo: Upload) -> Path:
    """Find the file of an upload.

    Raises:
        AppError: if it was not uploaded, or is deleted by now.
    """
    path = Path(photo["path"])
    if not is_upload(path):
        raise AppError(UPLOAD_FIRST)
    return path


def is_upload(path: Path) -> bool:
    """Whether a file is in the folder of uploads."""
    from gradio.utils import get_upload_folder

    try:
        resolved = path.resolve(strict=True)
        return resolved.is_file() and resolved.is_relative_to(
            Path(get_upload_folder()).resolve()
        )
    except (OSError, ValueError):  # a name too long, or with a zero byte
        return False


class Endpoints(Generic[M]):
    """Endpoints whose docstrings other programs are shown.

    Args:
        models: those that can be chosen, by name, at least one.
        photos: by whom photos are read; it keeps none of these.
    """

    def __init__(self, models: Mapping[str, M], photos: Photos):
        self.models, self.photos = models, photos

    @contextmanager
    def using(self, photo: Upload, name: str | None) -> Iterator[tuple[Any, M]]:
        """Give a photo's file, and the model of that name; without one, the first.

        Raises:
            AppError: if there is no such model, or the photo cannot be used.
        """
        model = choose(self.models, name)
        with self.photos.reading(sent(photo)) as file:
            yield file, model


def choose(models: Mapping[str, M], name: str | None) -> M:
    """Find a model by its name; without one, the first.

    Raises:
        AppError: if there is no such model.
    """
    if name is None:
        return next(iter(models.values()))
    if name not in models:
        raise AppError(
            f"There is no model {name!r:.100} here. There is: {', '.join(models)}."
        )
    return models[name]


def publish(*functions: Callable[..., Any]) -> None:
    """Make functions endpoints of the page that is being built, by their names.

    Their type hints and docstrings become the schema; of an argument or a result, one
    line. What is given is checked by the hints; what goes wrong reaches the caller as a
    sentence.

    Args:
        functions: their photos are `Upload`, and they raise `AppError`.
    """
    from gradio.context import get_blocks_context
    from gradio.events import api
    from gradio.utils import get_function_description

    page = get_blocks_context()
    if page is None:
        raise ValueError("`publish` must be called where a page is being built.")
    turns = Turns(AT_ONCE)
    for function in functions:
        # MCP would call what is queued by way of an address that its caller names.
        endpoint = api(_guarded(function, turns), queue=False)
        _, notes, _ = get_function_description(function)
        for number, note in zip(endpoint["inputs"], notes.values(), strict=True):
            page.blocks[number].api_info()["description"] = note  # type: ignore


def _guarded(function: Callable[..., Any], turns: Turns) -> Callable[..., Any]:
    checked = validate_call(function)
    signature = inspect.signature(function)

    @wraps(function)
    def guarded(*given: Any) -> Any:
        try:
            return checked(**signature.bind(*given).arguments)
        except ValidationError as error:
            reason = "\n".join(map(_reason, error.errors()))
        except Exception as error:
            reason = problem(error)["problem"]
        raise AppError(reason)

    return turns.taking(guarded)


def _reason(error: Any) -> str:
    place = ".".join(map(str, error["loc"]))
    if error["loc"] and error["loc"][0] == "photo":
        return UPLOAD_FIRST
    return f"{place}: {error['msg']}. Received: {error['input']!r:.100}."
