"""The page's tags: what a photo shows, for models with concepts."""

import io

import numpy as np
import pytest
from conftest import concept_captioner, photo
from PIL import Image

pytest.importorskip("gradio", reason="pip install gradio")

from captioner.page.describe_tab import DescribeTab
from shared.vision.photo_cache import Photos, view_of

THERE = {"dog": 0.9, "tree": 0.5, "cat": 0.1} | {f"x{i}": 0.3 for i in range(12)}


@pytest.fixture
def described():
    """What the page is given of a photo by a model with these concepts."""

    def described(there, where=True):
        captioner = concept_captioner({"a dog": 0.9}, there)
        captioner.runtime.read = lambda looked, tokens, rules: captioner_probs(
            captioner, tokens
        )
        if not there:
            captioner.runtime.seen = lambda looked: None
        if not where:
            captioner.runtime.where = lambda looked: None
        photos = Photos({view_of(captioner)})
        file = io.BytesIO()
        Image.fromarray(photo(0)).save(file, "PNG")
        tab = DescribeTab({"one": captioner}, photos)
        return tab.describe("one", photos.add(file.getvalue()), {})

    return described


def captioner_probs(captioner, tokens):
    return np.zeros((1, len(tokens) + 1, len(captioner.vocabulary)), np.float32)


def test_likely_concepts_are_tags_with_where_they_are(described):
    concepts = described(THERE)["concepts"]
    assert len(concepts) == 12  # no more, and not the cat
    assert [one["word"] for one in concepts[:2]] == ["dog", "tree"]
    assert concepts[0]["there"] == pytest.approx(0.9)
    assert concepts[0]["grid"] == [0.9, 0, 0, 0]
    assert concepts[1]["grid"] == [0, 0.5, 0, 0]


def test_tags_of_which_no_place_is_known_have_no_map(described):
    assert [one["grid"] for one in described(THERE, where=False)["concepts"]] == [
        []
    ] * 12


def test_a_model_without_concepts_has_no_tags(described):
    assert described({})["concepts"] == []
