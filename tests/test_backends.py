"""The tiny recipes with JAX and PyTorch: trained, saved, and read by TensorFlow."""

import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from captioner.describing.predict import load_captioner
from captioner.training.train import train as train_captioner
from shared.data.shapes import write_captioned_shapes
from vqa.answering.predict import load_vqa
from vqa.training.shapes import write_asked_shapes
from vqa.training.train import train as train_vqa

ROOT = Path(__file__).parents[1]
PHOTOS, EPOCHS = 200, 3  # of drawn shapes: enough to say other than of nothing
QUESTIONS = ("What color is it?", "What shape is it?")
TASKS = {
    "captioner": (train_captioner, write_captioned_shapes),
    "vqa": (train_vqa, write_asked_shapes),
}


def learn(folder):
    """Train both with the backend of this process; write what they say then."""
    for name, (train, draw) in TASKS.items():
        recipe = (ROOT / f"configs/{name}-tiny.toml").read_text()
        # A net of Keras' applications is for Keras to test, and JAX compiles it long.
        recipe = recipe.replace("mobilenet_v3_small", "small")
        path = folder / f"{name}.toml"
        path.write_text(re.sub("(epochs|patience) = .*", rf"\1 = {EPOCHS}", recipe))
        train(str(path), draw(folder / f"{name}-data", PHOTOS), folder / name)
    (folder / "said.json").write_text(json.dumps(say(folder)))


def say(folder):
    """Give captions of some photos, answers about them, and how sure they are."""
    photos = sorted((folder / "vqa-data").rglob("*.png"))[:12]
    captioner = load_captioner(folder / "captioner/bundle", runtime="keras")
    answerer = load_vqa(folder / "vqa/bundle", runtime="keras")
    captions = [captioner.describe(photo) for photo in photos]
    replies = [answerer.ask(photo, asked) for photo in photos for asked in QUESTIONS]
    answers = [reply.answers[0] for reply in replies]
    return (
        [caption.text for caption in captions] + [answer.text for answer in answers],
        [caption.log_prob for caption in captions]
        + [answer.confidence for answer in answers],
    )


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_a_model_of_another_backend_says_the_same(backend, tmp_path):
    if not find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    code = "import pathlib, sys, test_backends; "
    subprocess.run(
        [sys.executable, "-c", f"{code}test_backends.learn(pathlib.Path())"],
        cwd=tmp_path,
        env={
            **os.environ,
            "KERAS_BACKEND": backend,
            "XLA_FLAGS": "--xla_backend_optimization_level=0",  # compiled sooner
            "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
        },
        check=True,
    )
    texts, sure = json.loads((tmp_path / "said.json").read_text())
    own, own_sure = say(tmp_path)
    assert own == texts
    assert len(set(texts)) > 3
    assert own_sure == pytest.approx(sure, abs=1e-4)
    for name in TASKS:
        history = json.loads((tmp_path / name / "run.json").read_text())["history"]
        losses = [epoch["loss"] for epoch in history]
        assert losses[-1] < 0.9 * losses[0]
        assert history[-1]["gradient_norm"] > 0
