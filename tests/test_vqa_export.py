"""A VQA bundle as LiteRT graphs: checked before it becomes a part of the bundle."""

import importlib.util

import keras
import pytest
from conftest import tiny_vqa_config, tiny_vqa_model, write_tiny_vqa

from vqa.answering.predict import load_vqa
from vqa.jobs.evaluate import ask_records
from vqa.training.shapes import write_asked_shapes

pytestmark = pytest.mark.usefixtures("small_net")


@pytest.mark.slow
@pytest.mark.skipif(
    importlib.util.find_spec("ai_edge_litert") is None, reason="LiteRT is missing"
)
def test_what_is_exported_is_unsure_as_often_as_is_said(tmp_path):
    """By the threshold that was found with Keras; on the card, for both."""
    from vqa.data import read_dataset, select
    from vqa.jobs.export import export

    data = write_asked_shapes(tmp_path / "data", 20)
    keras.utils.set_random_seed(0)
    config = tiny_vqa_config(answering={"unsure": 0.33})
    bundle = write_tiny_vqa(tmp_path / "bundle", config, tiny_vqa_model(config))
    questions = select(read_dataset(data), "dev")
    check = export(bundle, str(data), max_loss=100)
    for runtime, said in (
        ("keras", check.unsure_before),
        ("litert", check.unsure_after),
    ):
        found = ask_records(load_vqa(bundle, runtime=runtime), questions)
        assert said == sum("unsure" in entry for entry in found) / len(questions)
    card = (bundle / "card.md").read_text()
    assert f"not sure of {check.unsure_after:.1%}, against" in card
