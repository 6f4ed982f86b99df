"""Answer questions about photos."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vqa.photo_answerer import PhotoAnswerer


def load_model(model: "str | Path | None" = None, **options: Any) -> "PhotoAnswerer":
    """Load a trained model that answers questions about photos.

    >>> from vqa import load_model
    >>> print(load_model().ask("examples/cat.jpg", "what animal is this?"))
    cat

    Args:
        model: folder of a bundle; None is the model that comes with the package.
        options: see `vqa.predict.load_vqa`.

    Raises:
        AppError: see there.
    """
    from vqa.predict import load_vqa

    return load_vqa(model, **options)


def _other_package(name: str) -> str:
    """Say what to do if Python finds another package by a name of ours; else nothing.

    Nothing of the other one is executed.
    """
    own = Path(__file__).parents[1] / name
    spec = find_spec(name)
    places = list((spec and spec.submodule_search_locations) or ())
    if spec and [Path(place).resolve() for place in places] == [own.resolve()]:
        return ""
    found = (spec and (spec.origin or places[0])) or "nothing"
    return (
        f"sightread needs its own package {name!r}, {own}, but Python finds {found} by "
        "that name first. Rename that one, or keep its folder out of PYTHONPATH and "
        "out of the folder in which Python is started."
    )


# `shared` itself cannot say that it is not found, so that both siblings do.
if _reason := _other_package("shared"):
    _is_command = Path(*sys.argv[:1]).stem in ("-m", "captioner", "vqa")
    raise SystemExit(f"error: {_reason}") if _is_command else ImportError(_reason)
