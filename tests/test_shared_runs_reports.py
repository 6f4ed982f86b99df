"""What a finished run leaves, whatever was learnt."""

import json

import keras
import pytest
from PIL import Image

from shared.config import parse_config
from shared.errors import AppError
from shared.runs.checkpoints import Progress
from shared.runs.figures import draw_curves
from shared.runs.recipes import RecipeConfig, StageConfig
from shared.runs.reports import (
    _version,
    describe_data,
    describe_run,
    warn_boldly,
    write_reports,
)

TEXT = '[[stages]]\nname = "a"\nepochs = 1\nlearning_rate = 0.1\n'
RECIPE = parse_config(TEXT, RecipeConfig[StageConfig], "recipe")


def test_a_run_is_described_so_that_it_can_be_repeated(tmp_path):
    progress = Progress(history=[{"seconds": 1.4}, {"seconds": 1.3}], before={"a": 1})
    sources = ["here/mine", "yours"]
    run = describe_run(RECIPE, sources, {"texts": 3}, "x/y", progress, {"loss": 2.0})
    assert run["data"] == {"source": "mine, yours", "texts": 3}
    assert (run["started_from"], run["seconds"]) == ("y", 3)
    assert (run["scores"], run["scores_before"]) == ({"loss": 2.0}, {"a": 1})
    assert run["versions"]["keras"] == keras.__version__
    assert run["recipe"]["stages"][0]["name"] == "a"
    write_reports(tmp_path, run, {"a.png": lambda path: path.write_bytes(b"drawn")})
    assert json.loads((tmp_path / "run.json").read_text()) == run
    assert (tmp_path / "a.png").read_bytes() == b"drawn"


def test_a_picture_that_is_not_finished_leaves_the_old_one(tmp_path):
    (tmp_path / "a.png").write_bytes(b"old")

    def draw_half(path):
        path.write_bytes(b"ha")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_reports(tmp_path, {}, {"a.png": draw_half})
    assert (tmp_path / "a.png").read_bytes() == b"old"
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "run.json"}


def test_figures_are_pictures_by_whatever_name(tmp_path):
    history = [{"stage": "a", "loss": 1.0, "score": 2.0}]

    def draw(path):
        draw_curves(history, path, "loss", "score", {"score": ""})

    write_reports(tmp_path, {}, {"curves.png": draw})
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.format == "PNG"


def test_a_missing_package_does_not_lose_the_report():
    assert _version("surely-not-installed") == "unknown"


def test_reports_that_cannot_be_written_are_named(tmp_path):
    with pytest.raises(AppError, match=r"reports in .* cannot be written.*is safe"):
        write_reports(tmp_path / "missing", {}, {})


def test_a_card_says_what_is_not_known():
    assert describe_data(" Mine. \n") == "Mine."
    assert describe_data("").startswith("Nobody has described")
    assert warn_boldly(29).startswith("**29 photos are too few")
    assert warn_boldly(30) == ""
