"""The precision that a command names, where a model is trained further."""

import importlib

import pytest

from captioner.describing.predict import SHIPPED
from shared.concepts.starting import Named
from shared.included import included_model

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHIPPED.exists(), reason="no model is shipped"),
]


@pytest.mark.parametrize(("task", "files"), [("captioner", ()), ("vqa", {})])
def test_a_named_precision_holds_for_a_model_trained_further(task, files):
    module = importlib.import_module(f"{task}.training.train")
    named = Named(from_bundle=included_model(task))
    start = module._read_start(named, files, 1, "mixed_bfloat16")
    assert start.recipe.precision == "mixed_bfloat16"
    plain = module._read_start(named, files, 1, None)
    assert plain.recipe.precision == "float32"
    if task == "vqa":
        assert module._suit(start).recipe.precision == "mixed_bfloat16"
    else:
        recipe, *_ = module._suit(start, [], [], print)
        assert recipe.precision == "mixed_bfloat16"
