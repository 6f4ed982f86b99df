"""Counting things on photos."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from shared.concepts.words import coco_words
from shared.vision.detector import Things
from vqa.answering.counting import count_things, kinds_to_count
from vqa.answering.predict import load_vqa
from vqa.answering.replies import Asked

EXAMPLES = Path(__file__).parents[1] / "examples"


def kinds(question):
    return [coco_words()[i] for i in kinds_to_count(question.split())]


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("how many dogs are there", ["dog"]),
        ("how many black dogs do you see", ["dog"]),
        ("what is the number of cats in the photo", ["cat"]),
        ("how many people are on the bench", ["person"]),
        ("how many women are wearing a scarf", ["person"]),
        ("how many kittens are there", ["cat"]),
        ("how many hot dogs are there", ["hot dog"]),
        ("how many traffic lights are there", ["traffic light"]),
        ("how many wheels does the car have", []),
        ("how many are there", []),
        ("how many", []),
        ("what color is the dog", []),
        ("is there a dog", []),
    ],
)
def test_what_is_to_be_counted(question, wanted):
    assert kinds(question) == wanted


def test_animals_are_all_that_are_animals():
    assert {"dog", "cat", "horse", "bird"} <= set(kinds("how many animals are there"))
    assert not {"person", "car"} & set(kinds("how many animals are there"))


@pytest.mark.parametrize("scores", [[], [0.9], [0.9, 0.4, 0.2, 0.06]])
def test_the_number_of_things_is_that_of_independent_boxes(scores):
    said = {1: 0.5, 6: 0.1}
    odds = 1.5 * np.log(np.array(scores) / (1 - np.array(scores))) + 0.4
    probs = 1 / (1 + np.exp(-odds))
    found = np.zeros(7)
    for there in product([False, True], repeat=len(scores)):
        found[sum(there)] += np.where(there, probs, 1 - probs).prod()
    net = np.array([said.get(number, 0) for number in range(7)])
    wanted = (found + 1e-3) * (net + 1e-3) ** 0.3
    np.testing.assert_allclose(count_things(scores, said), wanted / wanted.sum())


def two_dogs(source):
    boxes = np.array([[0, 0, 0.4, 1], [0.5, 0, 1, 1]], np.float32)
    scores = np.zeros((2, 80), np.float32)
    scores[:, coco_words().index("dog")] = 0.9
    return Things(boxes, scores)


@pytest.fixture(scope="module")
def answerer():
    return load_vqa()


@pytest.mark.slow
def test_questions_that_count_are_answered_by_what_is_found(answerer, monkeypatch):
    calls = []
    monkeypatch.setattr(answerer, "find", lambda s: calls.append(s) or two_dogs(s))
    photo = EXAMPLES / "cat.jpg"
    reply = answerer.ask(photo, "how many dogs are there?")
    assert reply.answers[0].text == "2"
    assert [thing.box[0] for thing in reply.counted] == [0, 0.5]
    assert sum(answer.confidence for answer in reply.answers) == pytest.approx(
        1, abs=0.1
    )
    assert calls == [photo]

    reply = answerer.ask(photo, "what animal is this?")
    assert reply.counted == ()
    choice = answerer.ask(photo, "how many dogs are there?", choices=["1", "3"])
    assert {answer.text for answer in choice.answers} == {"1", "3"}
    assert calls == [photo]

    asked = [Asked("how many dogs are there?"), Asked("how many cats are there?")]
    ((_, (dogs, cats)),) = answerer.ask_all([(photo, asked)])
    assert (dogs.answers[0].text, cats.answers[0].text) == ("2", "0")
    assert calls == [photo, photo]  # once for both


@pytest.mark.slow
def test_the_included_model_counts(answerer):
    reply = answerer.ask(EXAMPLES / "cat.jpg", "how many cats are there?")
    assert reply.answer == "1"
    assert len(reply.counted) == 1
