"""What a detector finds, brought to bear on answers."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest

from shared.concepts.words import coco_words
from shared.vision.detector import SIZE, Things
from shared.vision.images import read_preview
from vqa.answering.colors import COLORS, color_odds, colored_part
from vqa.answering.confidence import to_confidence
from vqa.answering.detected import (
    Detections,
    asked_of_things,
    count_things,
    kinds_to_count,
    to_be_seen,
)
from vqa.answering.predict import load_vqa
from vqa.answering.replies import Asked
from vqa.text.answers import AnswerSpace
from vqa.text.asked import Concepts

EXAMPLES = Path(__file__).parents[1] / "examples"
PHOTO = np.zeros((4, 4, 3), np.uint8)


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
        ("how many trees are there", []),  # a detector of potted plants knows none
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


@pytest.mark.parametrize(
    ("question", "kind", "speaks_for", "speaks_against"),
    [
        ("is there a dog", "dog", True, True),
        ("are there any puppies in this photo", "dog", True, True),
        ("can you see a traffic light", "traffic light", True, True),
        ("is a person in the photo", "person", True, True),
        ("does the picture show a cat", "cat", True, True),
        ("is there a man", "person", False, True),  # it knows people, not men
        ("is there a dog on the couch", "dog", False, True),
        ("is there a dog next to the man", "dog", False, True),
        ("is there a plant", "plant", True, False),  # in a pot, or in none
        ("is there a tree", None, False, False),
        ("is there a black dog", None, False, False),
        ("is there no dog", None, False, False),
        ("is this a dog or a cat", None, False, False),  # answered by a name
        ("is the dog asleep", None, False, False),
        ("where is the dog", None, False, False),
        ("what is there", None, False, False),
        ("is there an accordion", None, False, False),
        ("", None, False, False),
    ],
)
def test_what_is_to_be_seen(question, kind, speaks_for, speaks_against):
    sought = to_be_seen(question.split())
    if kind is None:
        assert sought is None
    else:
        assert sought == ((coco_words().index(kind),), speaks_for, speaks_against)


def test_any_animal_is_an_animal():
    sought = to_be_seen(["are", "there", "animals"])
    assert sought is not None
    seen = {coco_words()[kind] for kind in sought.kinds}
    assert {"dog", "cat", "bird"} <= seen
    assert "person" not in seen
    assert sought[1:] == (True, False)
    assert to_be_seen(["are", "there", "animals", "on", "the", "street"]) is None


ANSWERS = AnswerSpace(["yes", "no", "dog", "cats", "red", "polar bear"])
DETECTIONS = Detections(ANSWERS, Concepts(["dog", "cat", "bear", "polar bear"]))


def finding(calls, **found):
    """What finds one thing of each kind, and counts how often it is called."""
    scores = np.zeros((1, 80), np.float32)
    for word, score in found.items():
        scores[0, coco_words().index(word)] = score

    def find():
        calls.append(1)
        return Things(np.zeros((1, 4), np.float32), scores, PHOTO)

    return find


def odds(score):
    return 1.5 * np.log(score / (1 - score)) + 0.4


@pytest.mark.parametrize("score", [0.3, 0.9])
def test_that_a_thing_is_found_speaks_for_yes(score):
    scores = np.array([0.2, 0.1, 3, 0, 0, 0], np.float32)
    question = ["is", "there", "a", "dog"]
    calls = []
    weighed = DETECTIONS.weigh(
        scores, asked_of_things(question), finding(calls, dog=score), 1.5
    )
    more = [1.5 * (0.4 * odds(score) + 1), 0, 0, 0, 0, 0]
    np.testing.assert_allclose(weighed - scores, more, atol=1e-5)
    assert calls == [1]
    assert scores[0] == np.float32(0.2)  # what was given is left as it was


@pytest.mark.parametrize(
    ("question", "found", "speaks"),
    [
        ("are there any animals", {"cat": 0.1}, 0.0),
        ("are there any animals", {"cat": 0.1, "dog": 0.9}, 0.4 * odds(0.9)),
        ("is there a dog on the couch", {"dog": 0.9}, 1.0),
        ("is there a dog on the couch", {"dog": 0.1}, 0.4 * odds(0.1) + 1),
        ("is there a person", {"person": 0.9}, 0.8 * odds(0.9)),
        ("is there a man", {"person": 0.9}, 0.0),
        ("is there a man", {"person": 0.1}, 0.8 * odds(0.1)),
    ],
)
def test_what_is_found_may_speak_for_or_against(question, found, speaks):
    scores = np.zeros(6, np.float32)
    weighed = DETECTIONS.weigh(
        scores, asked_of_things(question.split()), finding([], **found), 1.0
    )
    assert weighed[0] == pytest.approx(speaks)


def test_what_is_found_speaks_for_its_name_as_far_as_a_name_is_asked_for():
    scores = np.array([0, 0, 1, 2, 1.5, 0], np.float32)
    question = ["what", "animal", "is", "this"]
    weighed = DETECTIONS.weigh(
        scores, asked_of_things(question), finding([], cat=0.8, dog=0.1), 2.0
    )
    share = to_confidence(scores, 2.0)[[2, 3]].sum()  # no class is called polar bear
    weight = 0.4 * 2 * share
    dog, cat = (weight * (odds(s) - odds(0.01)) for s in (0.1, 0.8))
    np.testing.assert_allclose(weighed - scores, [0, 0, dog, cat, 0, 0], atol=1e-5)


def test_the_color_of_a_thing_speaks_for_its_name():
    scores = np.zeros(6, np.float32)
    found = finding([], dog=0.9)()
    photo = np.broadcast_to(np.array([190, 30, 30], np.uint8), (4, 4, 3))
    red = found._replace(boxes=np.array([[0, 0, 1, 1]], np.float32), photo=photo)
    question = ["what", "color", "is", "the", "dog"]
    weighed = DETECTIONS.weigh(scores, asked_of_things(question), lambda: red, 2.0)
    odds_of_red = color_odds(red, colored_part(question))[[*COLORS].index("red")]
    assert odds_of_red > 2
    wanted = [0, 0, 0, 0, 1.5 * 2 * odds_of_red, 0]
    np.testing.assert_allclose(weighed, wanted, rtol=1e-5)
    question[-1] = "cat"  # there is none
    nothing = DETECTIONS.weigh(scores, asked_of_things(question), lambda: red, 2.0)
    np.testing.assert_array_equal(nothing, scores)


def test_where_no_name_is_asked_for_nobody_looks():
    scores = np.array([0, 0, 0, 0, 9, 0], np.float32)
    calls = []
    find = finding(calls, dog=0.9)
    np.testing.assert_array_equal(DETECTIONS.weigh(scores, None, find, 1.0), scores)
    mute = Detections(AnswerSpace(["dog", "red"]), Concepts(["dog"]))
    there = np.array([0.0, 1.0], np.float32)
    np.testing.assert_array_equal(
        mute.weigh(there, asked_of_things(["is", "there", "a", "dog"]), find, 1.0),
        there,
    )
    assert calls == []


@pytest.mark.parametrize(
    ("question", "answer", "lefts"),
    [
        ("is there a dog", "yes", [0, 0.5]),
        ("is there a dog", "no", []),
        ("is there a dog on the couch", "yes", []),  # which of them is not known
        ("is there a man", "yes", []),
        ("what animal is this", "dog", [0, 0.5]),
        ("what animal is this", "polar bear", []),
        ("what is this", "a dog, as somebody typed it", []),
        ("what color is the dog", "red", [pytest.approx(0.08)]),
        ("what color is the dog", "dog", []),
        ("what color is the cat", "red", []),
    ],
)
def test_the_boxes_of_what_an_answer_is_about(question, answer, lefts):
    found = DETECTIONS.about(
        asked_of_things(question.split()), answer, lambda: two_dogs(None)
    )
    assert [thing.box[0] for thing in found] == lefts


def two_dogs(source):
    boxes = np.array([[0, 0, 0.4, 1], [0.5, 0, 1, 1]], np.float32)
    scores = np.zeros((2, 80), np.float32)
    scores[:, coco_words().index("dog")] = 0.9
    return Things(boxes, scores, PHOTO)


@pytest.fixture(scope="module")
def answerer():
    return load_vqa()


@pytest.mark.slow
def test_questions_that_count_are_answered_by_what_is_found(answerer, monkeypatch):
    calls, preview = [], np.array(read_preview(EXAMPLES / "cat.jpg", SIZE)).shape
    find = lambda seen: calls.append(seen.shape) or two_dogs(seen)  # noqa: E731
    monkeypatch.setattr(answerer, "find", find)
    photo = EXAMPLES / "cat.jpg"
    reply = answerer.ask(photo, "how many dogs are there?")
    assert reply.answers[0].text == "2"
    assert [thing.box[0] for thing in reply.things] == [0, 0.5]
    assert sum(answer.confidence for answer in reply.answers) == pytest.approx(
        1, abs=0.1
    )
    assert calls == [preview]

    reply = answerer.ask(photo, "what color is it?")
    assert reply.things == ()
    choice = answerer.ask(photo, "how many dogs are there?", choices=["1", "3"])
    assert {answer.text for answer in choice.answers} == {"1", "3"}
    assert calls == [preview]

    asked = [Asked("how many dogs are there?"), Asked("how many cats are there?")]
    ((_, (dogs, cats)),) = answerer.ask_all([(photo, asked)])
    assert (dogs.answers[0].text, cats.answers[0].text) == ("2", "0")
    assert calls == [preview, preview]  # once for both


@pytest.mark.slow
def test_a_photo_is_read_once_for_the_model_and_the_detector(answerer):
    class Stored:
        name, reads = "a record", 0

        def read_bytes(self):
            self.reads += 1
            return (EXAMPLES / "cat.jpg").read_bytes()

    photo = Stored()
    ((_, (reply,)),) = answerer.ask_all([(photo, [Asked("is there a cat?")])])
    assert (reply.answer, len(reply.things), photo.reads) == ("yes", 1, 1)


@pytest.mark.slow
def test_answers_follow_what_is_found_and_show_it(answerer, monkeypatch):
    photo = EXAMPLES / "cat.jpg"

    def sure_of(question, answer):
        reply = answerer.ask(photo, question, count=len(answerer.space.answers))
        sure = {one.text: one.confidence for one in reply.answers}[answer]
        return sure, [thing.box[0] for thing in reply.things]

    asked = [("is there a dog?", "yes"), ("what animal is this?", "dog")]
    with monkeypatch.context() as alone:
        alone.setattr(answerer, "find", None)
        before = [sure_of(*one) for one in asked]
    monkeypatch.setattr(answerer, "find", two_dogs)
    after = [sure_of(*one) for one in asked]
    for (less, nothing), (more, _) in zip(before, after, strict=True):
        assert more > 2 * less
        assert nothing == []
    assert after[0][1] == ([0, 0.5] if after[0][0] > 0.5 else [])


@pytest.mark.slow
def test_the_included_model_counts(answerer):
    reply = answerer.ask(EXAMPLES / "cat.jpg", "how many cats are there?")
    assert reply.answer == "1"
    assert len(reply.things) == 1
