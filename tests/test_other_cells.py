"""Other cells, and hard attention, from the recipe to the exported model."""

from importlib.util import find_spec

import pytest
from conftest import photo, write_shapes
from short_runs import ENCODER, Run, add_patches, leave_out_pictures

import captioner.jobs.export
import captioner.training.finish
import captioner.training.train
import vqa.jobs.export
import vqa.training.finish
import vqa.training.train
from captioner.describing.predict import load_captioner
from vqa.answering.predict import load_vqa
from vqa.training.shapes import write_asked_shapes

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not find_spec("ai_edge_litert"), reason="LiteRT is missing"),
]
CAPTIONER = f"""{ENCODER}
[decoder]
HEAD
layers = 2
units = 16
embed_dim = 12
region_units = 16
attention_units = 8

[decoding]
beam_size = 2
max_words = 5
"""
VQA = f"""{ENCODER}
[net]
HEAD
layers = 2
units = 12
embed_dim = 10
attention_units = 8
hops = 1
question_units = 16
joint_units = 16
"""
STAGE = {"name": "frozen", "epochs": 1, "batch_size": 27, "learning_rate": 0.01}


@pytest.fixture(autouse=True)
def small_net(monkeypatch):
    add_patches(monkeypatch)
    for module in (captioner.training.finish, vqa.training.finish):
        leave_out_pictures(monkeypatch, module)


def test_a_captioner_trains_and_says_the_same_when_exported(tmp_path):
    data = write_shapes(tmp_path / "shapes", 60)
    run = Run(captioner.training.train.train, tmp_path, data, CAPTIONER)
    # Of a net that knows nothing, any region may be the likeliest.
    stage = {**STAGE, "epochs": 8, "patience": 8, "batch_size": 10}
    bundle = run(stage, head='attention = "hard"')
    found = captioner.jobs.export.export(bundle, "litert", str(data), max_loss=100)
    assert found.same == 1
    keras, litert = (load_captioner(bundle, runtime=n) for n in ("keras", "litert"))
    assert keras.config.decoder.attention == "hard"
    for path in sorted(data.rglob("*.png"))[:3]:
        first, second = (
            dict(model.alternatives(path, "a")) for model in (keras, litert)
        )
        assert first == pytest.approx(second, abs=0.02)
        for model in (keras, litert):
            assert (model.describe(path).attention.max(-1) == 1).all()


def test_a_vqa_model_trains_and_answers_the_same_when_exported(tmp_path):
    cell = "cifg"
    data = write_asked_shapes(tmp_path / "shapes", 20)
    run = Run(vqa.training.train.train, tmp_path, data, VQA)
    bundle = run({**STAGE, "batch_size": 9}, head=f'cell = "{cell}"')
    vqa.jobs.export.export(bundle, str(data), max_loss=100)
    keras, litert = (load_vqa(bundle, runtime=n) for n in ("keras", "litert"))
    assert keras.config.net.cell == cell
    for seed in range(3):
        first, second = (
            {
                answer.text: answer.confidence
                for answer in model.ask(photo(seed), "is it red?").answers
            }
            for model in (keras, litert)
        )
        assert first == pytest.approx(second, abs=0.02)
