"""Describe photos in a sentence: CNN encoder, LSTM decoder, beam search."""

from pathlib import Path
from runpy import run_path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from captioner.describing.photo_captioner import PhotoCaptioner

# By its path: what Python finds by the name `shared` may be another package.
_packages = run_path(str(Path(__file__).parents[1] / "shared/console/packages.py"))
_packages["check_shared"](__name__)


def load_model(
    model: "str | Path | Sequence[str | Path] | None" = None, **options: Any
) -> "PhotoCaptioner":
    """Load a trained model that describes photos.

    >>> from captioner import load_model
    >>> print(load_model().describe("examples/cat.jpg"))
    A cat laying on top of a tree.

    Args:
        model: folder of a bundle, or several, which vote; None is the model that
            comes with the package.
        options: see `captioner.describing.predict.load_captioner`.

    Raises:
        AppError: see there.
    """
    from captioner.describing.predict import load_captioner

    return load_captioner(model, **options)
