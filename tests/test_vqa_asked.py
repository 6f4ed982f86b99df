"""Which concepts questions and answers mention."""

import numpy as np
import pytest

from shared.text.vocabulary import split_words
from vqa.text.asked import MOST, Concepts

WORDS = ("animal", "cat", "dog", "hot dog", "person", "fire hydrant", "table", "run")


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("is there a cat?", ["cat"]),
        ("are there any kittens?", ["cat"]),
        ("are people eating hot dogs?", ["person", "hot dog"]),
        ("what animal is this?", ["animal"]),
        ("is the cat on the table or is the cat under it?", ["cat", "table"]),
        ("is there a fire hydrant?", ["fire hydrant"]),
        ("what color is it?", []),
        ("", []),
    ],
)
def test_concepts_of_a_question_stand_in_its_order(question, words):
    found = Concepts(WORDS).find(split_words(question))
    expected = [1 + WORDS.index(word) for word in words]
    assert found.tolist() == expected + [0] * (MOST - len(expected))
    assert found.dtype == np.int32


def test_no_more_are_kept_than_there_is_place_for():
    asked = ["cat", "dog", "person", "table", "hot", "dog", "animal"]
    found = Concepts(WORDS).find(asked)
    assert found.tolist() == [1 + WORDS.index(w) for w in ("cat", "dog", "person")] + [
        1 + WORDS.index("table")
    ]


def test_all_questions_are_as_each_alone():
    concepts = Concepts(WORDS)
    questions = ["a dog?", "a cat?", "a dog?"]
    expected = [concepts.find(split_words(question)) for question in questions]
    np.testing.assert_array_equal(concepts.find_all(questions), expected)


def test_answers_name_a_concept_if_they_say_nothing_else():
    answers = ["dogs", "kitten", "playing with a dog", "yes", "fire_hydrant", "hot dog"]
    found = [WORDS[i] if i >= 0 else "" for i in Concepts(WORDS).name(answers)]
    assert Concepts(WORDS).names(answers) == found
    assert found == ["dog", "cat", "", "", "fire hydrant", "hot dog"]
    assert Concepts(WORDS).name([]).shape == (0,)


def test_captions_mention_wider_words_too():
    concepts = Concepts(WORDS)
    found = concepts.mention(split_words("A puppy with two people."))
    assert {WORDS[i] for i in found} == {"dog", "animal", "person"}
