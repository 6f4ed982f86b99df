"""What a finished run leaves, whatever was learnt."""

import json

import keras
import pytest

from shared.config import parse_config
from shared.errors import AppError
from shared.runs.checkpoints import Progress
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
