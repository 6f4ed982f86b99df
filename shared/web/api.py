"""What other programs use: functions with a schema, by HTTP and as MCP's tools."""

import asyncio
import inspect
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import Field, ValidationError, validate_call
from typing_extensions import TypedDict  # Pydantic wants this one before Python 3.12

from shared.errors import AppError
from shared.web.wording import problem

if TYPE_CHECKING:
    from fastapi import Request, Response

AT_ONCE = 2  # calls that are worked on; the others wait
MOST_WAITING = 200
BUSY = "Too many requests are waiting. Try again in a moment."
UPLOAD_FIRST = (
    "The photo is not a file that was uploaded here. Send it to /gradio_api/upload "
    "first, and then what that answers as `path`."
)
WRONG_CALL = (
    "This call is not as it should be: /gradio_api/openapi.json says what each takes."
)
FILES = "/gradio_api/file="
CALLS = "/gradio_api/call/v2/"

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
    turns = Turns()
    for function in functions:
        # MCP would call what is queued by way of an address that its caller names.
        endpoint = api(_guarded(function, turns), queue=False)
        _, notes, _ = get_function_description(function)
        for number, note in zip(endpoint["inputs"], notes.values(), strict=True):
            page.blocks[number].api_info()["description"] = note  # type: ignore


class Turns:
    """Calls that are worked on, a few at once; of those that wait, visitors take turns.

    If too many wait, the last one of whoever has most of them is refused.
    """

    def __init__(self) -> None:
        self._free = AT_ONCE
        self._lines: dict[Hashable, deque[asyncio.Future[None]]] = {}  # in their order

    @asynccontextmanager
    async def turn(self, visitor: Hashable) -> AsyncIterator[None]:
        """Wait until it is a visitor's turn.

        Raises:
            AppError: if too many wait.
        """
        if self._free:
            self._free -= 1
        else:
            await self._wait(visitor)
        try:
            yield
        finally:
            self._free += 1
            self._call_next()

    async def _wait(self, visitor: Hashable) -> None:
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(visitor, deque()).append(called)
        if sum(map(len, self._lines.values())) > MOST_WAITING:
            max(self._lines.values(), key=len).pop().set_exception(AppError(BUSY))
        try:
            await called
        except asyncio.CancelledError:
            if called.done() and not called.cancelled():  # nobody comes for this turn
                self._free += 1
                self._call_next()
            raise

    def _call_next(self) -> None:
        while self._free and self._lines:
            visitor = next(iter(self._lines))
            line = self._lines.pop(visitor)
            called = line.popleft() if line else None
            if line:
                self._lines[visitor] = line  # behind all others
            if called and not called.done():
                self._free -= 1
                called.set_result(None)


def _visitor() -> Hashable:
    """Who calls, of the request that Gradio works on: a name or an address."""
    from gradio.context import LocalContext

    from shared.vision.photo_cache import owner_of

    request = LocalContext.request.get(None)
    return owner_of(request)[1] if request else None


def _guarded(function: Callable[..., Any], turns: Turns) -> Callable[..., Any]:
    import gradio as gr
    from anyio import to_thread

    checked = validate_call(function)
    signature = inspect.signature(function)

    @wraps(function)
    async def guarded(*given: Any) -> Any:
        arguments = signature.bind(*given).arguments
        try:
            async with turns.turn(_visitor()):
                return await to_thread.run_sync(lambda: checked(**arguments))
        except ValidationError as error:
            reason = "\n".join(map(_reason, error.errors()))
        except Exception as error:
            reason = problem(error)["problem"]
        raise gr.Error(reason, print_exception=False)

    return guarded


def _reason(error: Any) -> str:
    place = ".".join(map(str, error["loc"]))
    if error["loc"] and error["loc"][0] == "photo":
        return UPLOAD_FIRST
    return f"{place}: {error['msg']}. Received: {error['input']!r:.100}."


async def explain_call(request: "Request", error: Exception) -> "Response":
    """Tell whoever calls an endpoint wrongly what is wrong; Gradio would not."""
    from fastapi.responses import JSONResponse

    if CALLS not in request.url.path:
        raise error
    reason = str(error).partition(" Please")[0]
    if isinstance(error, KeyError):
        reason = f"There is no endpoint {reason}."
    return JSONResponse({"error": reason}, status_code=400)


def explain_failures() -> None:
    """Have Gradio say a sentence where it would send `{"error": null}`.

    What its own code raises, for too few arguments or an address of another server, is
    hidden from callers; what `_guarded` raises says what is wrong.
    """
    from gradio import queueing, utils

    write = utils.error_payload

    def explain(error: BaseException | None, show_error: bool) -> dict[str, Any]:
        written = write(error, show_error)
        return written if written["error"] else {**written, "error": WRONG_CALL}

    for module in (queueing, utils):
        vars(module)["error_payload"] = explain


def refuse_downloads() -> None:
    """Keep Gradio from fetching what a visitor names, which it does without limit.

    Photos are uploaded. The address of one that was uploaded here stands for it: so
    MCP's clients name photos.
    """
    import gradio as gr
    from gradio import processing_utils

    async def find(url: str, cache_dir: str) -> str:
        path = Path(unquote(urlsplit(url).path.partition(FILES)[2]))
        if not is_upload(path):
            raise gr.Error(UPLOAD_FIRST, print_exception=False)
        return str(path)

    async def refuse(url: str) -> Any:
        raise gr.Error(UPLOAD_FIRST, print_exception=False)

    processing_utils.async_ssrf_protected_download = find
    processing_utils.async_ssrf_protected_get = refuse
