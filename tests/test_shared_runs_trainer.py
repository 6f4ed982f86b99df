"""The loop over stages, here of a task without photos: a line through points."""

import json
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from shared.config import parse_config
from shared.errors import AppError
from shared.runs import trainer as trainer_module
from shared.runs import training
from shared.runs.checkpoints import history_key
from shared.runs.folder import BEST, CHECKPOINT, Run
from shared.runs.recipes import RecipeConfig, StageConfig
from shared.runs.trainer import Epochs, Trainer, Validated
from shared.runs.training import compile_model, take_step

PART = "part.npz"
SLOPES = np.array([[2.0], [-3.0]], np.float32)


def recipe(*stages):
    text = "seed = 5\n" + "".join(
        f'[[stages]]\nname = "{name}"\nlearning_rate = 0.1\n{more}\n'
        for name, more in stages
    )
    return parse_config(text, RecipeConfig[StageConfig], "recipe")


ONE = recipe(("first", "epochs = 3\naverage = 0.5"))
TWO = recipe(("first", "epochs = 2"), ("second", "epochs = 2\naverage = 0.9"))


class Line:
    """Learns the slopes of a plane; tells scores that a test wants."""

    def __init__(self, scores=None):
        keras.utils.set_random_seed(1)
        self.model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        self.model.loss = "mse"
        self.scores = scores and iter(scores)
        self.validated = []

    @property
    def kept(self):
        return {BEST: self.model.variables, PART: self.model.variables[1:]}

    def prepare(self, stage):
        compile_model(self.model, stage, 4)
        optimizer = self.model.optimizer
        self.model.compile(optimizer=optimizer, loss="mse", jit_compile=False)

    def begin(self, stage):
        return Epochs(4, self.batches, self.step, partial(self.validate, stage))

    def batches(self, seeds, start):
        for step in range(start, 4):
            yield np.random.default_rng([*seeds, step]).normal(size=(8, 2))

    def step(self, points):
        return take_step(self.model, points, points @ SLOPES, None)

    def validate(self, stage):
        kernel, bias = map(ops.convert_to_numpy, self.model.weights)
        self.validated.append(kernel)
        score = next(self.scores) if self.scores else -float(abs(kernel - SLOPES).sum())
        record = {history_key("Far-off x"): -score / 3, "word": "so"}
        return Validated([score, -float(abs(bias).sum())], record)


class Killed(Exception):
    pass


def run(folder, chosen=ONE, task=None, kill=None, signature="s"):
    """Train, or be killed after so many steps, checkpoint included."""
    task, said, seen = task or Line(), [], []
    folder.mkdir(exist_ok=True)

    def tick(*args):
        seen.append(args)
        if len(seen) == kill:
            raise Killed

    where = Run(folder, [], folder, said.append, tick)
    trainer = Trainer(task, chosen, where, signature)
    progress = trainer.train()
    return task, progress, said, seen


def values(task):
    return [ops.convert_to_numpy(v) for v in task.model.weights]


def test_the_history_tells_of_every_epoch(tmp_path):
    _, progress, said, seen = run(tmp_path, TWO)
    places = [(epoch["stage"], epoch["epoch"]) for epoch in progress.history]
    assert places == [("first", 1), ("first", 2), ("second", 1), ("second", 2)]
    for epoch, line in zip(progress.history, said, strict=True):
        assert json.loads(line) == epoch
        assert epoch.keys() == {
            *("stage", "epoch", "loss", "steps", "seconds", "waited"),
            *("gradient_norm", "gradient_norm_most", "clipped"),
            *("dev_far_off_x", "word"),
        }
        assert epoch["steps"] == 4
        assert 0 <= epoch["waited"] <= 1
        assert round(epoch["dev_far_off_x"], 3) == epoch["dev_far_off_x"]
    assert seen[0][:4] == ("first", 0, 1, 4)
    assert seen[-1][:4] == ("second", 1, 4, 4)
    assert any(path.stat().st_size for path in (tmp_path / "logs").glob("events*"))


def test_the_history_tells_what_flowed_before_it_was_clipped(tmp_path, monkeypatch):
    norms = []

    class Watched(Line):
        def step(self, points):
            kernel, bias = values(self)
            off = 2 * (points @ kernel + bias - points @ SLOPES) / len(points)
            norms.append(np.hypot(np.linalg.norm(points.T @ off), off.sum()))
            return super().step(points)

    monkeypatch.setattr(trainer_module, "EVERY", 3)
    chosen = recipe(("first", "epochs = 2\nclip_norm = 5.0"))
    _, progress, *_ = run(tmp_path, chosen, Watched())
    for epoch, found in zip(progress.history, (norms[:4], norms[4:]), strict=True):
        assert epoch["gradient_norm"] == pytest.approx(np.mean(found), rel=1e-3)
        assert epoch["gradient_norm_most"] == pytest.approx(max(found), rel=1e-3)
        assert epoch["clipped"] == np.mean([norm > 5 for norm in found])
    assert {epoch["clipped"] for epoch in progress.history} - {0, 1}  # some, not all
    (path,) = (tmp_path / "logs").glob("events*")
    told = {
        (value.tag, event.step): tf.make_ndarray(value.tensor).item()
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
    }
    assert told["clipped", 2] == pytest.approx(progress.history[1]["clipped"])
    assert told["gradient_norm", 1] == pytest.approx(np.mean(norms[:4]), rel=1e-3)
    assert told["steps/gradient_norm", 3] == pytest.approx(np.mean(norms[:3]), rel=1e-3)
    # Steps count on from epoch to epoch, what is averaged does not.
    assert told["steps/gradient_norm", 6] == pytest.approx(
        np.mean(norms[4:6]), rel=1e-3
    )


@pytest.mark.parametrize("kill", [1, 3, 5, 8, 9, 10, 13])
def test_a_run_broken_off_ends_as_one_that_was_not(tmp_path, monkeypatch, kill):
    whole, first, *_ = run(tmp_path / "whole", TWO)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)  # after every step
    with pytest.raises(Killed):
        run(tmp_path / "broken", TWO, kill=kill)
    broken, second, said, _ = run(tmp_path / "broken", TWO)
    for one, other in zip(values(whole), values(broken), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    assert second.best == pytest.approx(first.best)
    assert second.taken == first.taken == 16
    if kill > 1:  # the step that it was killed in was not saved
        stage, place = divmod(kill - 1, 8)
        epoch, step = divmod(place, 4)
        name = ("first", "second")[stage]
        where = f"stage {name}, epoch {epoch + 1}, step {step + 1}."
        assert said[0] == f"Going on with {where}"
    for epoch in second.history:
        assert epoch["steps"] <= 4


def test_the_model_ends_as_it_was_when_it_was_best(tmp_path):
    task, progress, *_ = run(tmp_path, task=Line([1.0, 7.0, 3.0]))
    np.testing.assert_array_equal(values(task)[0], task.validated[1])
    assert progress.best[BEST] == 7.0


def test_what_is_validated_is_the_average_and_what_is_trained_goes_on(tmp_path):
    seen = []

    class Watched(Line):
        def step(self, points):
            before = values(self)[0]
            if seen and seen[-1][0] == 4:  # the first step after an epoch
                np.testing.assert_array_equal(before, seen[-1][1])
            loss = super().step(points)
            count = seen[-1][0] % 4 + 1 if seen else 1
            seen.append((count, values(self)[0]))
            return loss

    task, *_ = run(tmp_path, task=Watched())
    ends = [weights for count, weights in seen if count == 4]
    assert len(ends) == len(task.validated) == 3
    for end, validated in zip(ends, task.validated, strict=True):
        assert not np.allclose(end, validated)


def test_a_stage_ends_when_the_first_score_no_longer_rises(tmp_path):
    chosen = recipe(("first", "epochs = 9\npatience = 2"), ("second", "epochs = 1"))
    task = Line([5.0, 6.0, 6.0, 4.0, 9.0])
    _, progress, *_ = run(tmp_path, chosen, task)
    assert [epoch["stage"] for epoch in progress.history] == ["first"] * 4 + ["second"]


def test_nought_is_no_score(tmp_path):
    """Of a photo or two CIDEr-D is always 0: the last epoch is then the best."""
    chosen = recipe(("first", "epochs = 5\npatience = 1"))
    task, progress, *_ = run(tmp_path, chosen, Line([0.0] * 5))
    assert len(progress.history) == 5
    np.testing.assert_array_equal(values(task)[0], task.validated[-1])


def test_parts_are_kept_by_scores_of_their_own(tmp_path):
    task = Line([3.0, 2.0, 1.0])
    bias = []
    validate = task.validate

    def remember(stage):
        bias.append(values(task)[1])
        found = validate(stage)
        return found._replace(scores=[found.scores[0], len(bias)])  # ever better

    task.validate = remember
    run(tmp_path, task=task)
    np.testing.assert_array_equal(values(task)[0], task.validated[0])
    np.testing.assert_array_equal(values(task)[1], bias[-1])


def test_a_finished_run_only_loads_its_best_weights(tmp_path):
    first, *_ = run(tmp_path)
    before = (tmp_path / CHECKPOINT).read_bytes()
    again, _, said, seen = run(tmp_path)
    assert (said, seen) == ([], [])
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    for one, other in zip(values(first), values(again), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_cannot_be_gone_on_with_is_refused(tmp_path):
    run(tmp_path)
    with pytest.raises(AppError, match="learnt from other photos or words"):
        run(tmp_path, signature="other")
    (tmp_path / PART).unlink()
    with pytest.raises(AppError, match=r"part\.npz is missing"):
        run(tmp_path)
