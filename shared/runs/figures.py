"""Pictures that matplotlib draws."""

import warnings
from pathlib import Path

from matplotlib.figure import Figure


def save_figure(figure: Figure, path: Path, dpi: int) -> None:
    """Write a figure; a letter that its font lacks becomes a box, without a word.

    Captions and questions are of any language, and whoever reads the picture sees the
    box.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .*missing from font")
        figure.savefig(path, dpi=dpi)
