import math
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from shared.errors import AppError
from shared.runs import training
from shared.runs.checkpoints import Progress, load_arrays, load_progress, save_arrays
from shared.runs.clipping import lasting_variables, read_flow
from shared.runs.photos import check_blocks
from shared.runs.recipes import StageConfig
from shared.runs.training import (
    Scalars,
    build_optimizer,
    compile_model,
    interrupts_wait,
    run_epoch,
    take_step,
)
from shared.vision.encoders import Encoder
from shared.vision.features import PhotosLost

ADAM = {"learning_rate": 0.01, "clip_norm": 1e9}


def build(slow_rate=0.0, **options):
    """Two layers, "low" and "high", with known weights, and their optimizer."""
    low, high = keras.layers.Dense(4, name="low"), keras.layers.Dense(2, name="high")
    low.build((None, 3))
    high.build((None, 4))
    model = keras.Sequential([keras.Input((3,)), low, high])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.weights])
    if slow_rate:
        options |= {"slow_rate": slow_rate, "slow": low.trainable_variables}
    optimizer = build_optimizer(model, **{"steps": 20, **ADAM, **options})
    return model, optimizer


def step(model, optimizer, gradients):
    optimizer.apply(
        [ops.convert_to_tensor(g, "float32") for g in gradients],
        model.trainable_variables,
    )


def ones(model):
    return [np.ones(v.shape) for v in model.trainable_variables]


def values(variables):
    return [ops.convert_to_numpy(v).copy() for v in variables]


def moves(model, optimizer, steps=1):
    """What each variable changes by in the last of some steps, all gradients 1."""
    for _ in range(steps):
        before = values(model.trainable_variables)
        step(model, optimizer, ones(model))
    after = values(model.trainable_variables)
    return [b - a for a, b in zip(before, after, strict=True)]


def test_the_rate_rises_in_a_line_and_falls_along_a_cosine():
    _, optimizer = build(steps=100, warmup=0.2, final_rate=0.1, learning_rate=2.0)
    rate = optimizer._learning_rate
    for t in range(0, 120, 5):
        done = min(1, (t - 20) / 80)
        falling = 2 * (0.1 + 0.9 * (1 + math.cos(math.pi * done)) / 2)
        expected = 2 * t / 20 if t < 20 else falling
        assert float(rate(t)) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("steps", [1, 2])
def test_a_run_of_hardly_any_steps_has_a_rate(steps):
    _, optimizer = build(steps=steps)
    assert all(0 <= float(optimizer._learning_rate(t)) <= 0.01 for t in range(3))


def test_only_the_slow_variables_are_slow():
    model, optimizer = build(slow_rate=0.001)
    change = moves(model, optimizer, steps=2)
    # With gradients that are all alike, Adam moves by the rate.
    for delta, rate in zip(change, (0.001, 0.001, 0.01, 0.01), strict=True):
        np.testing.assert_allclose(delta, -rate, rtol=1e-3)


def test_without_a_slow_rate_all_variables_move_alike():
    model, optimizer = build()
    for delta in moves(model, optimizer, steps=2):
        np.testing.assert_allclose(delta, -0.01, rtol=1e-3)


def test_weight_decay_spares_vectors_and_slow_variables():
    model, optimizer = build(weight_decay=0.5, slow_rate=0.01)
    step(model, optimizer, ones(model))  # at rate 0
    before = values(model.trainable_variables)
    step(model, optimizer, ones(model))
    after = values(model.trainable_variables)
    for old, new, decays in zip(before, after, (0, 0, 1, 0), strict=True):
        np.testing.assert_allclose(new, old * (1 - 0.005 * decays) - 0.01, atol=1e-4)


def test_gradients_are_clipped_by_their_norm_together():
    clipped, plain = build(clip_norm=1.0), build()
    for scale in (1, 100, 1):  # Adam remembers the large one, unless it is clipped
        for model, optimizer in (clipped, plain):
            gradients = [scale * g for g in ones(model)]
            if model is plain[0]:
                norm = math.sqrt(sum((g**2).sum() for g in gradients))
                gradients = [g / max(norm, 1.0) for g in gradients]
            step(model, optimizer, gradients)
    for a, b in zip(clipped[0].weights, plain[0].weights, strict=True):
        np.testing.assert_allclose(values([a])[0], values([b])[0], atol=1e-5)


@pytest.mark.parametrize("slow_rate", [0.0, 0.001])
def test_the_average_is_a_running_mean_of_the_weights(slow_rate):
    model, optimizer = build(average=0.9, slow_rate=slow_rate)
    rng, means = np.random.default_rng(1), None
    for _ in range(5):
        step(model, optimizer, [rng.normal(size=g.shape) for g in ones(model)])
        now = values(model.trainable_variables)
        means = means or now
        means = [0.9 * m + 0.1 * n for m, n in zip(means, now, strict=True)]
    optimizer.finalize_variable_values(model.trainable_variables)
    for value, mean in zip(values(model.trainable_variables), means, strict=True):
        np.testing.assert_allclose(value, mean, atol=1e-5)


def test_frozen_variables_have_no_optimizer_state():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    model.trainable = False
    optimizer = build_optimizer(model, steps=2, learning_rate=0.1)
    assert all(v.shape == () for v in lasting_variables(optimizer))


@pytest.mark.parametrize("options", [{}, {"average": 0.9}, {"slow_rate": 0.001}])
def test_a_run_goes_on_from_a_checkpoint_as_if_never_stopped(tmp_path, options):
    def run(model, optimizer, start, stop):
        for t in range(start, stop):
            rng = np.random.default_rng(t)
            step(model, optimizer, [rng.normal(size=g.shape) for g in ones(model)])
        return [*model.variables, *optimizer.variables]

    path = tmp_path / "checkpoint.npz"
    options = {"weight_decay": 0.1, "warmup": 0.3, **options}
    whole, half, rest = (build(**options) for _ in range(3))
    expected = run(*whole, 0, 8)
    progress = Progress(epoch=2, history=[{"name": "café"}], signature="a")
    save_arrays(path, run(*half, 0, 4), asdict(progress))
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.npz"]

    assert load_progress(path, "a") == progress
    load_arrays(path, [*rest[0].variables, *rest[1].variables])
    for a, b in zip(expected, run(*rest, 4, 8), strict=True):
        np.testing.assert_array_equal(values([a])[0], values([b])[0])


def run_steps(batches, learn=float, progress=None):
    """Run an epoch; give what was saved, told and counted."""
    progress = progress or Progress()
    saved, told = [], []

    def save():
        saved.append(progress.step)

    def tick(step, loss):
        told.append((step, loss))

    try:
        losses = run_epoch(batches, learn, progress, save=save, tick=tick)
    except BaseException as error:
        losses = type(error)
    return losses, saved, told


def test_an_epoch_takes_the_steps_that_are_left():
    progress = Progress(step=2)
    losses, saved, told = run_steps([5, 6], progress=progress)
    assert (losses, saved, told) == ([5.0, 6.0], [], [(3, 5.0), (4, 6.0)])
    assert progress.step == 4


def test_an_epoch_saves_from_time_to_time(monkeypatch):
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)
    assert run_steps([5, 6])[1] == [1, 2]


@pytest.mark.parametrize(
    ("number", "end"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)],
)
def test_an_interrupt_waits_for_the_step_and_saves(number, end):
    before = signal.getsignal(number)

    def learn(batch):
        if batch == 2:
            os.kill(os.getpid(), number)
            time.sleep(0)  # the handler runs here, in the middle of the step
        return float(batch)

    assert run_steps([1, 2, 3], learn) == (end, [2], [(1, 1.0), (2, 2.0)])
    assert signal.getsignal(number) is before


def test_an_interrupt_waits_until_an_epoch_is_saved():
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_wait():
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0)
        done.append("saved")
    assert done == ["saved"]


def test_a_second_interrupt_does_not_wait():
    def learn(batch):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0)
        return float(batch)

    assert run_steps([1, 2], learn) == (KeyboardInterrupt, [], [])


def test_lost_photos_save_what_is_done_and_other_trouble_does_not():
    def batches(error):
        yield 1
        raise error

    lost = PhotosLost(["a.jpg: there is no such file."])
    assert run_steps(batches(lost))[:2] == (PhotosLost, [1])
    assert run_steps(batches(AppError("it broke down")))[:2] == (AppError, [])
    assert "a.jpg" in str(lost)
    assert "same command" in str(lost)


def test_an_epoch_can_run_in_another_thread():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(run_steps, [1]).result()[0] == [1.0]


class FakeModel:
    def __init__(self, outcome):
        self.outcome = outcome

    def train_on_batch(self, x, y, sample_weight):
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return self.outcome


@pytest.mark.parametrize(
    ("outcome", "match"),
    [
        (math.nan, "not a number.*Lower the rates"),
        (math.inf, "not a number"),
        (MemoryError(), "memory is full.*batch_size"),
        (tf.errors.ResourceExhaustedError(None, None, "OOM"), "memory is full"),
    ],
)
def test_a_step_that_goes_wrong_says_what_to_do(outcome, match):
    assert take_step(FakeModel(0.5), 1, 2, None) == 0.5
    with pytest.raises(AppError, match=match):
        take_step(FakeModel(outcome), 1, 2, None)


def test_layers_that_an_encoder_lacks_are_found_before_the_stages():
    encoder = Encoder("small", 32, None)
    check_blocks(encoder, {"a": "none", "b": "block3", "c": "all"})
    assert len(encoder.trainable_variables) == 8
    with pytest.raises(AppError, match=r"stages\.b\.encoder_from: .*'blok'.*block3"):
        check_blocks(encoder, {"a": "all", "b": "blok"})
    with pytest.raises(AppError, match=r"stages\.c\.encoder_from: .*nothing to train"):
        check_blocks(encoder, {"c": "pool4"})


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "logs").write_text("a file")
    Scalars(tmp_path / "logs").write(1, {"loss": 0.5})
    scalars = Scalars(tmp_path / "more")
    for step in range(3):
        scalars.write(step, {"loss": 0.5, "none": None})
    (path,) = (tmp_path / "more").glob("events*")
    events = [*tf.compat.v1.train.summary_iterator(str(path))]
    seen = [
        (event.step, value.tag) for event in events for value in event.summary.value
    ]
    assert seen == [(0, "loss"), (1, "loss"), (2, "loss")]


class Half(keras.Model):
    """A product in float16, whose loss can be made so small, or large, as wanted."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(1, dtype="mixed_float16")
        self.dense.build((None, 2))
        self.built = True
        self.times = 1.0

    def call(self, x):
        return self.dense(x)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        return self.times * ops.mean(ops.cast(y_pred, "float32"))


@pytest.mark.parametrize("times", [1e-8, 1e6])
def test_float16_keeps_small_gradients_and_leaves_out_infinite_ones(times):
    model = Half()
    model.times = times
    stage = StageConfig(name="only", epochs=1, learning_rate=0.1, warmup=0)
    compile_model(model, stage, 10)
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    before = values(model.trainable_variables)
    x = np.ones((2, 2), np.float32)
    for _ in range(3):  # the first is of rate 0
        take_step(model, x, np.zeros(2), None)
    moved = [
        bool((old != new).any())
        for old, new in zip(before, values(model.trainable_variables), strict=True)
    ]
    scale = float(ops.convert_to_numpy(model.optimizer.dynamic_scale))
    if times > 1:
        assert (moved, scale) == ([False, False], 2.0**12)  # halved each time
    else:
        assert (moved, scale) == ([True, True], 2.0**15)
        norm = times * math.sqrt(3)  # by both weights and the bias
        assert read_flow(model.optimizer).norm == pytest.approx(norm, rel=1e-2)


def test_what_a_checkpoint_keeps_has_no_figures_of_a_step():
    _, optimizer = build(slow_rate=0.001)
    kept = lasting_variables(optimizer)
    assert len(optimizer.variables) == len(kept) + 2  # of both rates
    assert not any(one is other.seen for one in kept for other in optimizer.optimizers)
