"""Comparisons of cells, mostly of tasks that take no time."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure

from captioner.config import CaptionerConfig, find_contradictions
from rnn.cli import main
from rnn.comparing import comparison as compare_module
from rnn.comparing import reports as compare_reports
from rnn.comparing.captions import caption_task
from rnn.comparing.comparison import compare, draw_rates
from rnn.comparing.config import (
    CaptionsConfig,
    CompareConfig,
    CopyingConfig,
    TextConfig,
    count_weights,
    solve_units,
)
from rnn.comparing.copying import draw_sequences, train_copier
from rnn.comparing.reports import PUBLISHED, scores_of
from rnn.comparing.tasks import Task, estimate_seconds, make_tasks
from rnn.config import NetConfig
from rnn.net.model import LanguageModel
from rnn.training.texts import Text
from shared.config import parse_config, read_config
from shared.data.captioned import Record
from shared.errors import AppError
from shared.nets.names import CELLS
from shared.runs.training import BrokeDown


@pytest.mark.parametrize("name", CELLS)
def test_units_are_the_most_that_the_budget_allows(name):
    for budget in (1000, 9999, 10_000, 123_456):
        units = solve_units(budget, 17, name)
        assert count_weights(name, units, 17) <= budget
        assert count_weights(name, units + 1, 17) > budget
    with pytest.raises(AppError, match=f"too small for the cell '{name}'.*`weights`"):
        solve_units(5, 17, name)


@pytest.mark.parametrize("name", ["lstm", "fgr", "mut2"])
def test_a_net_has_the_weights_that_the_budget_counts(name):
    net = LanguageModel(NetConfig(cell=name, units=5), 9)
    matrices = sum(w.size for w in net.get_weights() if w.ndim == 2)
    assert matrices == count_weights(name, 5, 9)


def test_a_sequence_holds_its_symbol_at_its_distance():
    rng, distances = np.random.default_rng(0), np.array([1, 2, 5, 5, 3])
    ids, answers = draw_sequences(rng, distances, longest=5, symbols=4)
    assert ids.shape == (6, 5)
    assert (ids[-1] == 8).all()  # the mark
    for column, distance in enumerate(distances):
        assert ids[5 - distance, column] == answers[column]
        rest = np.delete(ids[:-1, column], 5 - distance)
        assert ((rest >= 4) & (rest < 8)).all()  # noise, never a symbol
    with_many, _ = draw_sequences(rng, np.full(400, 5), longest=5, symbols=4)
    assert set(with_many[0]) == {0, 1, 2, 3}


def test_a_cell_learns_to_copy_over_a_short_distance():
    config = CopyingConfig(symbols=2, steps=120, batch_size=32)
    assert train_copier(config, 3, "gru", 8, rate=0.05, seed=1) > 0.95


def test_a_training_that_breaks_down_has_no_score(monkeypatch):
    def break_down(*args):
        raise BrokeDown("its loss is not a number")

    monkeypatch.setattr("rnn.comparing.copying.take_step", break_down)
    monkeypatch.setattr("rnn.comparing.tasks.take_step", break_down)
    text = TextConfig(weights=1000, steps=2, batch_size=2, chunk=4)
    config = CompareConfig(copying=CopyingConfig(distances=(2,)), text=text)
    for task in make_tasks(config, Text("abc " * 20, "abc", "")):
        assert task.train("vanilla", 4, 0.01, 1, lambda: None) is None


def test_a_text_is_learnt_and_measured():
    text = TextConfig(weights=4000, steps=60, batch_size=2, chunk=16, judged=50)
    config = CompareConfig(text=text)
    part = "so it goes, and so on. " * 20
    (task,) = make_tasks(config, Text(part, part, ""))
    units = task.units("gru")
    ticks = []
    nats = task.train("gru", units, 0.03, 1, lambda: ticks.append(1))
    assert len(ticks) == 60
    assert 0 < nats < np.log(14) / 2
    assert estimate_seconds(task, "gru", units) > 0


# The loop, of tasks that only remember what they were asked.


class Fakes:
    """Two tasks whose scores are known; `stop` trainings later they are interrupted."""

    def __init__(self, monkeypatch):
        self.asked, self.stop = [], None
        monkeypatch.setattr(compare_module, "make_tasks", lambda *_: self.tasks())
        monkeypatch.setattr(compare_module, "estimate_seconds", lambda *_: 90.0)

    def tasks(self):
        return [self.task("copy 5", True), self.task("text", False)]

    def task(self, name, more):
        def train(cell, units, rate, seed, tick):
            if self.stop is not None and len(self.asked) == self.stop:
                raise KeyboardInterrupt
            self.asked.append((name, cell, rate, seed))
            if rate > 0.01 and cell == "gru":
                return None  # it breaks down
            return round(rate * (10 if cell == "lstm" else 9) + seed / 1000, 6)

        highest = 1.0 if more else None
        return Task(name, f"score of {name}", more, highest, lambda _: 7, 10, train)


@pytest.fixture
def fakes(monkeypatch):
    return Fakes(monkeypatch)


RECIPE = """
cells = ["lstm", "gru"]
tries = 3
seeds = 2
rates = [0.001, 0.03]
[copying]
"""


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text(RECIPE)
    return str(path)


def test_every_cell_gets_the_same_tries_and_the_best_gets_more_seeds(
    fakes, recipe, tmp_path
):
    said = []
    table = compare(recipe, tmp_path / "out", announce=said.append)
    rates = draw_rates(parse_config(RECIPE, CompareConfig, "recipe"))
    assert len(set(rates)) == 3
    assert all(0.001 <= rate <= 0.03 for rate in rates)
    for task, better in (("copy 5", max), ("text", min)):
        for cell in ("lstm", "gru"):
            asked = [(r, s) for t, c, r, s in fakes.asked if (t, c) == (task, cell)]
            assert asked[:3] == [(rate, 1) for rate in rates]
            usable = [r for r in rates if cell == "lstm" or r <= 0.01]
            assert asked[3:] == [(better(usable), 2)]
    assert said[0] == "16 trainings, 0 of them done. About 24 min to go."
    assert len(said) == 17
    assert said[-1].startswith("16 of 16: text, gru, rate ")
    assert "0 s left" in said[-1]
    assert any("broke down" in line for line in said)
    rows = table.read_text().splitlines()
    assert rows[0] == "| cell | copy 5 | text | published |"
    assert [row.split("|")[1].strip() for row in rows[2:4]] == ["lstm", "gru"]
    assert PUBLISHED["gru"] in rows[3]
    best = max(rates) * 10
    assert (
        f"{best + 0.0015:.3f} ({best + 0.001:.3f} to {best + 0.002:.3f}), 7 units"
        in rows[2]
    )
    assert "copy 5: score of copy 5, more is better" in table.read_text()
    numbers = json.loads((tmp_path / "out" / "numbers.json").read_text())
    assert len(numbers) == 16
    assert len(scores_of(numbers, "text", "gru")) == 2
    assert (tmp_path / "out" / "boxes.png").stat().st_size > 1000


@pytest.mark.parametrize("stop", [0, 3, 9, 15])
def test_an_interrupted_comparison_goes_on(stop, fakes, recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(compare_reports, "draw_boxes", lambda *_: Figure((1, 1)))
    compare(recipe, tmp_path / "whole", announce=lambda _: None)
    whole = fakes.asked.copy()
    fakes.asked.clear()
    fakes.stop = stop
    said = []
    with pytest.raises(KeyboardInterrupt):
        compare(recipe, tmp_path / "out", announce=said.append)
    assert said[-1].startswith("Interrupted. The same command goes on")
    table = tmp_path / "out" / "table.md"
    rows = table.read_text().splitlines()[2:4] if table.exists() else []
    told = [row.count(", 7 units") for row in rows]  # of cells that are done
    assert told == {0: [], 3: [], 9: [1, 1], 15: [2, 1]}[stop]
    fakes.stop = None
    said.clear()
    compare(recipe, tmp_path / "out", announce=said.append)
    assert fakes.asked == whole  # each once
    assert said[0].startswith(f"16 trainings, {stop} of them done.")
    first, second = (
        json.loads((tmp_path / name / "numbers.json").read_text())
        for name in ("whole", "out")
    )
    for record in (*first, *second):
        del record["seconds"]
    assert first == second
    said.clear()
    fakes.asked.clear()
    compare(recipe, tmp_path / "out", announce=said.append)
    assert (said, fakes.asked) == ([], [])  # it only writes the table


def test_another_comparison_or_something_else_is_left_alone(
    fakes, recipe, tmp_path, monkeypatch
):
    monkeypatch.setattr(compare_reports, "draw_boxes", lambda *_: Figure((1, 1)))
    out = tmp_path / "out"
    compare(recipe, out, announce=lambda _: None)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    other = tmp_path / "other.toml"
    other.write_text(RECIPE.replace("tries = 3", "tries = 4"))
    with pytest.raises(AppError, match=r"another recipe or other data.*--out"):
        compare(str(other), out)
    assert before == {path.name: path.read_bytes() for path in out.iterdir()}
    full = tmp_path / "full"
    full.mkdir()
    (full / "novel.txt").write_text("It was a dark night.")
    with pytest.raises(AppError, match="is not empty, and no comparison"):
        compare(recipe, full)
    (out / "results.jsonl").write_bytes(b"\x00\x01 no journal\n")
    with pytest.raises(AppError, match=r"results\.jsonl was not written by"):
        compare(recipe, out)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("[copying]", "", "there is no task: add"),
        ('["lstm", "gru"]', '["lstm", "LSTM"]', "no cell 'LSTM'. There are lstm"),
        ('["lstm", "gru"]', '["gru", "gru"]', "`cells` differ"),
        ("[0.001, 0.03]", "[0.03, 0.001]", "the lowest and the highest"),
        ("[0.001, 0.03]", "[0.0, 0.03]", r"rates\.0: .*greater than 0"),
        ("[copying]", "[copying]\ndistances = []", r"copying\.distances: "),
        ("[copying]", "[copying]\nweights = 1", r"copying\.weights: "),
        ("seeds = 2", "seeds = 0", "seeds: "),
    ],
)
def test_what_cannot_be_compared_is_refused(old, new, match):
    with pytest.raises(AppError, match=match):
        parse_config(RECIPE.replace(old, new), CompareConfig, "recipe")


def test_a_recipe_with_a_text_needs_one(tmp_path, capsys):
    status = main(["compare", "--out", str(tmp_path / "out")])
    assert status == 1
    assert "Say which with --text" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("cell", ["lstm", "vanilla", "fgr"])
def test_captions_are_learnt_by_the_recipe_of_the_included_model(
    cell, tmp_path, monkeypatch
):
    """Here with a training that only looks at its recipe."""
    seen = []

    def train(config, data, out, *, cache, announce, tick):
        recipe = read_config(config, CaptionerConfig, "captioner-")
        assert find_contradictions(recipe, whole=True) == []
        seen.append((recipe, data, cache))
        out.mkdir()
        (out / "run.json").write_text('{"scores": {"scores": {"CIDEr-D": 31.5}}}')
        tick("words", 0, 1, 2, 3.0)

    monkeypatch.setattr("captioner.training.train.train", train)
    config, ticks = CaptionsConfig(epochs=2, batch_size=3), []
    records = [Record(f"{i}", tmp_path, ("a dog",), "train") for i in range(7)]
    task = caption_task(config, ["photos"], records, tmp_path)
    assert task.steps == 2 * 3
    units = task.units(cell)
    assert task.train(cell, units, 0.002, 4, lambda: ticks.append(1)) == 31.5
    ((recipe, data, cache),) = seen
    assert (data, cache, len(ticks)) == (["photos"], tmp_path / "features", 1)
    assert (recipe.decoder.cell, recipe.decoder.units, recipe.seed) == (cell, units, 4)
    assert recipe.decoder.least_weights(0) <= config.weights
    more = recipe.decoder.model_copy(update={"units": units + 1})
    assert more.least_weights(0) > config.weights
    (stage,) = recipe.stages
    assert (stage.epochs, stage.learning_rate, stage.encoder_rate) == (2, 0.002, 0.0)
    assert (recipe.concepts, recipe.texts) == (None, ())
    assert [*(tmp_path / "runs").iterdir()] == []  # features are kept, runs are not


def test_all_findings_are_of_cells():
    assert PUBLISHED.keys() <= CELLS.keys()
    task = SimpleNamespace(name="a")
    assert scores_of([], task.name, "lstm") == []
