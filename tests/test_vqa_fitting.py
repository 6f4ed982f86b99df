"""Which answers fit a question, and what it takes for granted."""

from pathlib import Path

import numpy as np
import pytest

from shared.concepts.words import coco_words
from shared.vision.detector import Things
from vqa.answering.detected import missing, taken_for_granted
from vqa.answering.fitting import Fitting, FittingAnswers, asked_kind
from vqa.answering.predict import load_vqa
from vqa.answering.replies import NOT_SURE
from vqa.text.answers import AnswerSpace

EXAMPLES = Path(__file__).parents[1] / "examples"
ANSWERS = (
    *("yes", "no", "2", "cat", "dogs", "penguin", "teddy bear", "man", "kitchen"),
    *("pizza", "apple", "carrot", "orange", "red", "black and white", "bus", "shirt"),
    *(
        "office",
        "baseball",
        "skateboarding",
        "riding bike",
        "hot dog",
        "bed",
        "frisbee",
    ),
)


def fitting(question, answers=ANSWERS):
    fits = FittingAnswers(AnswerSpace(answers)).find(question.split())
    return (
        None
        if fits is None
        else {a for a, fit in zip(answers, fits.answers, strict=True) if fit}
    )


UNKNOWN = {
    "yes",
    "no",
    "2",
    "red",
    "black and white",
    "shirt",
    "skateboarding",
    "riding bike",
}
"""What `words.tsv` does not have: these fit any kind of things."""


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("what animal is this", {"cat", "dogs", "penguin", "teddy bear"}),
        ("what kinds of animals are these", {"cat", "dogs", "penguin", "teddy bear"}),
        ("what wild animal can you see", {"cat", "dogs", "penguin", "teddy bear"}),
        ("which bird is on the roof", {"penguin"}),
        (
            "what food is on the table",
            {"pizza", "apple", "carrot", "orange", "hot dog"},
        ),
        ("what fruit is this", {"pizza", "apple", "carrot", "orange", "hot dog"}),
        ("what vehicle is it", {"bus"}),
        ("what type of furniture is this", {"bed"}),
        ("what room is this", {"kitchen", "office"}),
        ("what sport is this", {"baseball"}),
        ("what color is the cat", {"orange"}),
        ("what colors", {"orange"}),
        ("who is in it", {"cat", "dogs", "penguin", "teddy bear", "man"}),
        ("what is the man doing", set()),
        ("what are they doing in the picture", set()),
    ],
)
def test_things_of_other_kinds_do_not_fit(question, wanted):
    assert fitting(question) == wanted | UNKNOWN


@pytest.mark.parametrize(
    "question",
    [
        "what is this",
        "what animal print is that",
        "what food truck is this",
        "what is the animal on",
        "where is the dog",
        "who or what is in the water",
        "how many dogs are there",
        "what",
        "which of them",
        "what kind of",
    ],
)
def test_a_question_for_anything_rules_out_nothing(question):
    assert asked_kind(question.split()) == ""
    assert fitting(question) is None


@pytest.mark.parametrize(
    ("question", "wanted"),
    [
        ("is it a cat or the bus", {"cat", "bus"}),
        ("are these cats or apples", {"cat", "apple"}),
        ("is it a kitten or a bus", {"cat", "bus"}),
        ("are these dogs or hammers", None),  # no answer of this model
        ("is the man riding a bike or a bus on the street", {"riding bike", "bus"}),
        ("is this a hot dog or pizza", {"hot dog", "pizza"}),
        ("is there a cat or a man", None),  # "yes" may be meant
        ("is the sky red or", None),
        ("or", None),
        ("is the cat black", None),
        ("does it look red or orange", None),
    ],
)
def test_what_a_question_offers_fits_alone(question, wanted):
    assert fitting(question) == wanted


@pytest.mark.parametrize(
    ("question", "opened", "offered"),
    [
        ("is it a cat or a dog", "what animal is it", "cat dog"),
        ("is this a cat a dog or a horse", "what animal is this", "cat dog horse"),
        ("is the cat a dog or a horse", "what is the cat", "dog horse"),
        ("is it a teddy bear or a dog", "what animal is it", "teddy_bear dog"),
        ("is the bus red green or white", "what color is the bus", "red green white"),
        ("is it black and white or red", "what color is it", "black_and_white red"),
        ("is it an orange or a pizza", "what food is it", "orange pizza"),
        ("is the cat red or orange", "what color is the cat", "red orange"),
        ("was he riding a horse or a bus", "what was he riding", "horse bus"),
        ("are they sitting or eating", "what are they doing", "sitting eating"),
        ("is this a man or a woman", "who is this", "man woman"),
        ("is it indoors or outdoors", "is it indoors or outdoors", "indoors outdoors"),
        ("is it 1 or 2", "is it 1 or 2", None),
        ("is it a cat", "is it a cat", None),
        ("what is it", "what is it", None),
    ],
)
def test_a_net_is_asked_what_offers_no_answers(question, opened, offered):
    named = "bear teddy_bear riding_horse sitting eating indoors outdoors woman cat dog"
    named += " man horse bus red green white black_and_white orange pizza"
    answers = AnswerSpace([name.replace("_", " ") for name in named.split()])
    fits = FittingAnswers(answers)
    assert " ".join(fits.open_question(question.split())) == opened
    offer = fits.offer(question.split())
    found = offer and [answers.answers[number] for number in offer.answers]
    assert found == (offered and [name.replace("_", " ") for name in offered.split()])


def test_what_is_offered_counts_ten_times():
    offered = Fitting(np.array([True, True, False]), offered=True)
    confidence = np.array([0.06, 0.04, 0.9])
    odds = 10 * 0.1 / 0.9
    among = odds / (1 + odds)
    judged = offered.judge(confidence)
    np.testing.assert_allclose(judged[:2], [0.6 * among, 0.4 * among])
    others = Fitting(offered.answers, offered=False)
    np.testing.assert_array_equal(others.judge(confidence), confidence)


def test_where_nothing_fits_nothing_is_ruled_out():
    assert fitting("what animal is this", ("kitchen", "bus")) is None


@pytest.mark.parametrize(
    ("question", "kinds"),
    [
        ("what is the dog doing", ["dog"]),
        ("what color is the black cat", ["cat"]),
        ("where are the kittens", ["cat"]),
        ("what is on her lap next to that big dog", ["dog"]),
        ("what is the girl holding", ["person"]),
        ("who is this", ["person"]),
        ("who or what is this", []),
        ("is the dog asleep", []),  # may be denied
        ("what is a dog", []),
        ("what animal is this", []),
        ("what are the animals doing", []),  # there are others than it knows
        ("what is on the table", []),  # it is not found well enough
    ],
)
def test_what_a_question_takes_for_granted(question, kinds):
    found = taken_for_granted(question.split())
    assert [coco_words()[kind] for kind in found] == kinds


def test_only_what_is_surely_not_there_is_missing():
    scores = np.zeros((1, 80), np.float32)
    scores[0, coco_words().index("dog")] = 0.15  # log odds -2.2
    things = Things(np.array([[0, 0, 1, 1]], np.float32), scores, np.zeros((4, 4, 3)))
    kinds = [coco_words().index(word) for word in ("dog", "person")]
    assert missing(kinds, things) == [
        "No person was found on the photo; the question takes one for granted."
    ]


def test_the_included_model_does_not_answer_with_what_does_not_fit():
    vqa = load_vqa()
    coffee = EXAMPLES / "coffee.jpg"
    assert vqa.ask(coffee, "what is on the table?").answer == "coffee"
    for question in ("what animal is this?", "what vehicle is this?"):
        reply = vqa.ask(coffee, question)
        assert reply.answer == NOT_SURE
        assert "coffee" not in [answer.text for answer in reply.answers]
    assert vqa.ask(EXAMPLES / "cat.jpg", "what animal is this?").answer == "cat"


def test_the_included_model_answers_with_what_is_offered():
    vqa = load_vqa()
    cat, dog = vqa.ask(EXAMPLES / "cat.jpg", "Is it a cat or a dog?").answers
    assert (cat.text, dog.text) == ("cat", "dog")
    assert cat.confidence > 0.9
    neither = vqa.ask(EXAMPLES / "coffee.jpg", "Is it a cat or a dog?")
    assert neither.answer == NOT_SURE
    assert len(neither.answers) == 2
    coat = vqa.ask(EXAMPLES / "photographer.jpg", "Is his coat black or white?")
    assert coat.answer == "black"


def test_the_included_model_says_what_it_does_not_find():
    vqa = load_vqa()
    (note,) = vqa.ask(EXAMPLES / "coffee.jpg", "what is the dog doing?").notes
    assert note.startswith("No dog was found")
    nobody = vqa.ask(EXAMPLES / "coffee.jpg", "who is in the picture?")
    assert nobody.answer == NOT_SURE
    assert nobody.confidence < 0.05
    assert "No person was found" in nobody.notes[0]
    choices = ["man", "woman"]  # one of these it has to be
    chosen = vqa.ask(EXAMPLES / "coffee.jpg", "who is this?", choices=choices)
    assert chosen.answer in choices
    somebody = vqa.ask(EXAMPLES / "photographer.jpg", "who is in the picture?")
    assert (somebody.answer, somebody.notes) == ("man", ())
