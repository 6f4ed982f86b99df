import warnings

import pytest
from matplotlib.figure import Figure
from PIL import Image

from shared.runs import figures
from shared.runs.figures import draw_curves, save_figure


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
    def savefig(path, **_):
        warnings.warn("it is full", stacklevel=2)

    figure = Figure()
    monkeypatch.setattr(figure, "savefig", savefig)
    with pytest.warns(UserWarning, match="it is full"):
        save_figure(figure, tmp_path / "a.png", dpi=50)


FLOW = {"gradient_norm": 2.0, "gradient_norm_most": 30.0, "clipped": 0.25}


@pytest.mark.parametrize("flows", [0, 1, 2])
def test_curves_show_what_flowed_if_that_is_known(flows, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        figures, "save_figure", lambda figure, *_, **__: drawn.append(figure)
    )
    epoch = {"stage": "a", "epoch": 1, "loss": 3.0, "dev_x": 1.0}
    # Of a run of version 0.1 that was resumed, the first epoch has no such figures.
    history = [epoch | (FLOW if flows > 1 else {}), epoch | (FLOW if flows else {})]
    draw_curves(history, tmp_path / "a.png", "loss", "x", {"dev_x": ""})
    (figure,) = drawn
    if not flows:
        assert len(figure.axes) == 2
        return
    assert len(figure.axes) == 4  # the share has an axis of its own
    norms, shares = figure.axes[2:]
    assert [line.get_ydata()[1] for line in norms.lines] == [2.0, 30.0]
    assert [bar.get_height() for bar in shares.patches] == [25 * (flows > 1), 25]
    figure.savefig(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.width > 2.5 * image.height
