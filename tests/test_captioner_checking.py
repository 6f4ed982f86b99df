"""Asking about captions: what is named and not seen."""

from pathlib import Path

import pytest

from captioner.describing.checking import Checker, load_asker
from shared.errors import AppError

PHOTO = Path("a.jpg")


def answers(**replies):
    """Say "no" as surely as it is given, and "yes" to all else."""
    asked = []

    def ask(photo, questions):
        asked.extend(questions)
        return [replies.get(q.removesuffix("?").split()[-1], 0.1) for q in questions]

    return ask, asked


def record(caption, **more):
    best = {"caption": caption, "log_prob": -1.0, "confidence": 0.8, "unsure": False}
    return {"image": "a.jpg", **best, "captions": [best, {**best, "caption": "b"}]}


def test_each_thing_is_asked_for_once_and_people_as_persons():
    ask, asked = answers()
    assert (
        Checker(ask).doubts(PHOTO, "A man and a woman with scissors, an owl, a man")
        == []
    )
    assert asked == ["Is there a person?", "Is there scissors?", "Is there an owl?"]


def test_what_is_doubted_lowers_the_confidence_of_the_best_caption():
    ask, _ = answers(dog=0.75, cat=0.4)
    before = record("A dog and a cat on a bed.")
    found = Checker(ask).check(PHOTO, before)
    assert found["doubted"] == ["dog"]  # of the cat it is not sure
    assert found["confidence"] == pytest.approx(0.8 * 0.25)
    assert found["unsure"] is True
    assert found["captions"][0] == {
        **before["captions"][0],
        **{key: found[key] for key in ("doubted", "confidence", "unsure")},
    }
    assert found["captions"][1] == before["captions"][1]


def test_a_caption_without_doubt_stays_as_it_is():
    ask, _ = answers()
    before = record("A dog.")
    found = Checker(ask).check(PHOTO, before)
    assert found.pop("doubted") == []
    assert {key: found[key] for key in ("caption", "confidence", "unsure")} == {
        key: before[key] for key in ("caption", "confidence", "unsure")
    }
    failed = {"image": "a.jpg", "error": "the file is empty."}
    assert Checker(ask).check(PHOTO, failed) == failed


def test_a_missing_vqa_model_is_named(tmp_path, monkeypatch):
    from vqa.answering import predict

    monkeypatch.setattr(predict, "SHIPPED", tmp_path / "vqa")
    with pytest.raises(AppError, match="--check asks the VQA model about each caption"):
        load_asker()
