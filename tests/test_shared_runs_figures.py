import warnings

import pytest
from matplotlib.figure import Figure
from PIL import Image

from shared.runs.figures import save_figure


@pytest.mark.parametrize("title", ["a dog", "狗 \U0001f415 한국", "\ue000"])
def test_letters_that_the_font_lacks_are_drawn_quietly(tmp_path, title):
    figure = Figure(figsize=(2, 2), layout="constrained")
    figure.subplots().set_title(title)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_figure(figure, tmp_path / "a.png", dpi=50)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (100, 100)


def test_what_else_is_wrong_is_heard(tmp_path, monkeypatch):
    def savefig(path, dpi):
        warnings.warn("it is full", stacklevel=2)

    figure = Figure()
    monkeypatch.setattr(figure, "savefig", savefig)
    with pytest.warns(UserWarning, match="it is full"):
        save_figure(figure, tmp_path / "a.png", dpi=50)
