"""Trainings on several devices, which a process of its own makes of the processor."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import short_runs
import tensorflow as tf
from conftest import (
    VOCABULARY,
    VQA_SPACE,
    VQA_VOCABULARY,
    leave_graphs_as_traced,
    tiny_config,
    tiny_vqa_config,
    write_shapes,
)
from keras import ops

from captioner.config import StageConfig
from captioner.describing import predict
from captioner.net.model import build_captioner
from captioner.training.batches import shift
from captioner.training.train import train
from shared.errors import AppError
from shared.runs import training
from shared.runs.clipping import read_flow
from shared.runs.devices import WHOLE, divide, mirrored
from shared.runs.photos import compile_with_encoder
from shared.runs.recipes import check_batches
from shared.runs.training import take_step
from shared.vision import names
from vqa.config import StageConfig as VqaStageConfig
from vqa.net.runtime_keras import build_net

ROOT = Path(__file__).parents[1]
STEPS, PHOTOS, WORDS = 10, 12, len(VOCABULARY)
STAGE = {"name": "only", "epochs": 2, "learning_rate": 0.01, "warmup": 0.1}
STAGE |= {"clip_norm": 0.3, "label_smoothing": 0.1, "average": 0.9}
JOINT = {"encoder_rate": 0.001, "encoder_from": "all"}
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (PHOTOS, 32, 32, 3), np.uint8)


def write_captions():
    """Two captions a photo, of two to six words."""
    captions = RNG.integers(4, WORDS, (PHOTOS, 2, 6)).astype(np.int32)
    for one in captions.reshape(-1, 6):
        one[RNG.integers(2, 7) :] = 0
    return captions


def ask():
    """Three questions a photo with their answers, some of which do not count."""
    tokens = RNG.integers(4, len(VQA_VOCABULARY), (PHOTOS, 3, 5)).astype(np.int32)
    answers = RNG.integers(0, len(VQA_SPACE), (PHOTOS, 3))
    weights = RNG.choice([0.0, 1.0, 0.5], (PHOTOS, 3)).astype(np.float32)
    return tokens, np.eye(len(VQA_SPACE), dtype=np.float32)[answers], weights


CAPTIONS, (QUESTIONS, ANSWERS, ASKED) = write_captions(), ask()
REWARDS = RNG.normal(size=CAPTIONS.shape[:2]).astype(np.float32)
NOISE = RNG.integers(0, 2**24, CAPTIONS.shape).astype(np.int32)


def caption(rows, weights=None):
    targets = CAPTIONS[rows]
    return {"images": IMAGES[rows], "tokens": shift(targets)}, targets, weights


def caption_hard(rows):
    x, targets, _ = caption(rows)
    return {**x, "region_noise": NOISE[rows]}, targets, None


def reward(rows):
    return caption(rows, REWARDS[rows])


def answer(rows):
    x = {"images": IMAGES[rows], "tokens": QUESTIONS[rows]}
    return x, ANSWERS[rows], ASKED[rows]


def build_for_captions(attention="soft", precision="float32"):
    config = tiny_config({"attention": attention})
    config = config.model_copy(update={"precision": precision})
    return build_captioner(config, VOCABULARY, None), StageConfig


def build_for_answers():
    return build_net(tiny_vqa_config(), VQA_VOCABULARY, VQA_SPACE, None), VqaStageConfig


# How to build the model, what it learns from, changes to the stage, and devices.
CASES = {
    "no even parts, clipped by value": (
        build_for_captions,
        reward,
        {"batch_size": 5, "clip_value": 0.01},
        2,
    ),
    "answers": (build_for_answers, answer, {"batch_size": 6, **JOINT}, 2),
    "float16": (
        lambda: build_for_captions(precision="mixed_float16"),
        caption,
        {"batch_size": 8},
        2,
    ),
}


def learn(case, devices):
    """Take some steps; give each one's loss, and the norm of its gradient."""
    build, draw, changes, _ = CASES[case]
    tf.config.run_functions_eagerly(devices == 1)  # sooner done than traced
    keras.utils.set_random_seed(1)
    told = []
    with mirrored(devices):
        model, schema = build()
        if schema is StageConfig:
            model.attention_penalty = 0.3
        compile_with_encoder(model, schema(**STAGE | changes), 20)
        for step in range(STEPS):
            rows = np.random.default_rng(step).permutation(PHOTOS)
            loss = take_step(model, *draw(rows[: changes["batch_size"]]))
            flow = read_flow(model.optimizer)
            told.append((loss, flow.norm, flow.clipped))
        # All but the steps is done once, not once by each device.
        x, targets, _ = draw(np.arange(3))
        assert len(model.predict_on_batch(x)[0]) == len(targets)
    return told


def learn_hard():
    """Let hard attention learn from two devices; give what its baseline became."""
    with mirrored(2):
        model, schema = build_for_captions("hard")
        compile_with_encoder(model, schema(**STAGE), 20)
        for _ in range(3):
            loss = take_step(model, *caption_hard(np.arange(4)))
        copies = model.decoder.baseline.value.values
    return [loss, *(float(copy) for copy in copies)]


def go_on(folder):
    """Train a run whole, and another one that goes on with other devices."""
    shared = {**STAGE, "epochs": 1, "batch_size": 9, "captions": 2}
    critical = {**shared, "name": "reward", "objective": "self_critical"}
    stages = [{**shared, **JOINT}, critical]
    data = write_shapes(folder / "shapes", 40)
    run = short_runs.Run(train, folder, data, TOP)
    training.CHECKPOINT_SECONDS = -1  # after every step
    with pytest.raises(short_runs.Killed):  # in the second stage
        run(*stages, out="broken", tick=short_runs.kill_after(4), devices=2)
    tf.config.run_functions_eagerly(True)
    run(*stages, out="broken")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("captioner.training.train.finish", lambda *_: None)  # takes long
        run(*stages, out="whole")


TOP = f"""
seed = 3
{short_runs.ENCODER}
[decoder]
units = 16
embed_dim = 12
region_units = 16
attention_units = 8

[decoding]
beam_size = 2
max_words = 5
"""


def main(folder):
    """Run all of it on three devices made of the processor, and say what came of it."""
    (processor,) = tf.config.list_physical_devices("CPU")
    logical = [tf.config.LogicalDeviceConfiguration()] * 3
    tf.config.set_logical_device_configuration(processor, logical)
    leave_graphs_as_traced()
    predict.FUSED = False
    names.ENCODERS["patches"] = names.Source(short_runs.patches, "unit")
    found = {name: [learn(name, 1), learn(name, CASES[name][3])] for name in CASES}
    (folder / "told.json").write_text(json.dumps([found, learn_hard()]))
    go_on(folder)


@pytest.mark.slow
def test_several_devices_learn_as_one(tmp_path):
    """All of it in one process; TensorFlow divides processors only at its start."""
    code = "import pathlib, sys, test_shared_runs_devices as own; "
    subprocess.run(
        [sys.executable, "-c", f"{code}own.main(pathlib.Path(sys.argv[1]))", tmp_path],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        check=True,
    )
    curves, hard = json.loads((tmp_path / "told.json").read_text())
    for case in CASES:
        one, several = (np.array(curve) for curve in curves[case])
        most = 0.02 if case == "float16" else 1e-4
        assert np.ptp(one[:, 0]) > 0.1, case  # it learns
        assert one[:, 2].any(), case  # and gradients are clipped
        for column, atol, rtol in ((0, most, 1e-7), (1, 10 * most, 1e-3)):
            np.testing.assert_allclose(
                several[:, column], one[:, column], rtol, atol, err_msg=case
            )
    loss, first, second = hard
    assert np.isfinite(loss)
    assert first == second != -np.log(WORDS)
    check_same_end(tmp_path / "whole", tmp_path / "broken")


def check_same_end(whole, broken):
    """Check that a run ends alike, whatever number of devices it goes on with."""
    for name in ("checkpoint.npz", "best.npz"):
        first, second = (short_runs.arrays(folder / name) for folder in (whole, broken))
        assert first.keys() == second.keys()
        for key in first:
            np.testing.assert_allclose(first[key], second[key], atol=2e-3)
    first, second = (short_runs.progress_of(folder) for folder in (whole, broken))
    assert first["taken"] == second["taken"]
    assert (broken / "bundle").exists()


def test_parts_make_up_the_batch():
    x = {"tokens": np.arange(14).reshape(7, 2), WHOLE: {"words": 9}}
    y, weights = np.arange(7), np.arange(7.0)
    for count in (1, 2, 3, 7, 9):
        parts = divide(x, y, weights, count)
        real = [part for part in parts if float(part[3])]
        assert (len(parts), len(real)) == (count, min(count, 7))
        sizes = [len(part[1]) for part in real]
        assert max(sizes) - min(sizes) <= 1
        whole = (x["tokens"], y, weights)
        own = zip(*((p[0]["tokens"], p[1], *p[2]) for p in real), strict=True)
        for array, found in zip(whole, own, strict=True):
            np.testing.assert_array_equal(np.concatenate(found), array)
        assert all(float(part[0][WHOLE]["words"]) == 9 for part in parts)
        for part in parts[7:]:  # has something to compute, which does not count
            np.testing.assert_array_equal(part[1], [0])
    assert divide(x, y, None, 2)[0][2] == ()


def test_one_device_changes_nothing():
    with mirrored(1):
        variable = keras.Variable(np.ones(2))
    assert not hasattr(variable.value, "values")
    np.testing.assert_array_equal(ops.convert_to_numpy(variable), 1)


@pytest.mark.parametrize(
    ("gpus", "match"),
    [
        (0, r"--devices 3 needs 3 GPUs, and TensorFlow sees none\. Leave it out to"),
        (1, r"--devices 3 asks for more than there are: TensorFlow sees 1 GPU\. Give"),
        (2, r"TensorFlow sees 2 GPUs\. Give no more than that"),
    ],
)
def test_more_devices_than_there_are_are_refused(gpus, match, monkeypatch):
    def count(kind):
        names = [f"/device:{kind}:{i}" for i in range(gpus if kind == "GPU" else 1)]
        return [tf.config.LogicalDevice(name, kind) for name in names]

    monkeypatch.setattr(tf.config, "list_logical_devices", count)
    with pytest.raises(AppError, match=match), mirrored(3):
        pass


def test_another_backend_has_one_device(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    match = "--devices 2 needs TensorFlow, and KERAS_BACKEND is jax"
    with pytest.raises(AppError, match=match), mirrored(2):
        pass


def test_a_batch_that_cannot_be_shared_is_refused():
    stages = [StageConfig(**STAGE | {"batch_size": size}) for size in (2, 3)]
    (problem,) = check_batches(stages, 3)
    assert problem == (
        "stages.only.batch_size: 2 cannot be shared by 3 devices. Raise it, or lower "
        "--devices."
    )
    assert check_batches(stages, 2) == []
