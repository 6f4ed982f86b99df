"""Answer questions about photos."""

from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vqa.answering.photo_answerer import PhotoAnswerer

# By its path: what Python finds by the name `shared` may be another package.
_packages = run_path(str(Path(__file__).parents[1] / "shared/console/packages.py"))
_packages["check_shared"](__name__)


def load_model(model: "str | Path | None" = None, **options: Any) -> "PhotoAnswerer":
    """Load a trained model that answers questions about photos.

    >>> from vqa import load_model
    >>> print(load_model().ask("examples/cat.jpg", "what animal is this?"))
    cat

    Args:
        model: folder of a bundle; None is the model that comes with the package.
        options: see `vqa.answering.predict.load_vqa`.

    Raises:
        AppError: see there.
    """
    from vqa.answering.predict import load_vqa

    return load_vqa(model, **options)
