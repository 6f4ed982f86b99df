import pytest

from shared.concepts.words import (
    LONGEST,
    Mentions,
    broader_words,
    coco_words,
    imagenet_names,
    imagenet_words,
    read_concepts,
)

CONCEPTS = read_concepts()


def test_every_class_has_a_word_that_is_a_concept():
    assert len(imagenet_words()) == 1000
    assert len(set(coco_words())) == len(coco_words()) == 80
    assert {*imagenet_words(), *coco_words()} <= set(CONCEPTS)
    dogs = [i for i, word in enumerate(imagenet_words()) if word == "dog"]
    assert dogs == list(range(151, 269))
    assert imagenet_words()[281] == "cat"
    assert coco_words()[79] == "toothbrush"


def test_the_table_is_sound():
    names = [name for c in CONCEPTS.values() for name in (c.word, *c.also)]
    assert len(names) == len(set(names))  # one word, one concept
    for concept in CONCEPTS.values():
        assert concept.word == concept.word.strip().lower() != ""
        assert concept.plural
        assert concept.broader in ("", *CONCEPTS)
        assert len(concept.word.split()) <= LONGEST
        assert len(list(broader_words(concept.word))) < 6  # no circle


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("two dogs play with a tabby kitten", {"dog", "cat", "animal"}),
        ("a hot dog on a plate", {"hot dog", "food", "plate", "container"}),
        (
            "women ride their bicycles past a stop sign",
            {"woman", "person", "bike", "vehicle", "stop sign", "sign"},
        ),
        ("a puppy under the stoplight", {"dog", "animal", "traffic light", "light"}),
        ("nothing to see", set()),
        ("", set()),
    ],
)
def test_mentions(sentence, expected):
    assert Mentions(CONCEPTS).find(sentence.split()) == expected


def test_only_what_is_looked_for_is_found_and_unknown_words_have_forms():
    mentions = Mentions(["dog", "jumping", "gizmo"])
    assert mentions.find(["a", "cat", "saw", "gizmos"]) == {"gizmo"}
    assert mentions.find(["the", "dogs", "jumped"]) == {"dog", "jumping"}


def test_verbs_are_no_things_and_what_is_no_thing_has_all_its_forms():
    mentions = Mentions(["watch", "swing", "watching", "run", "person", "child", "boy"])
    assert mentions.find(["boys", "watching", "runners"]) == {
        *("boy", "child", "person", "watching")
    }
    assert mentions.find(["a", "watch", "on", "a", "swing"]) == {"watch", "swing"}
    assert mentions.find(["swinging"]) == set()
    for form in ("run", "runs", "ran", "running"):
        assert mentions.find([form]) == {"run"}
    assert mentions.named(["boy"]) == {"boy"}


def test_imagenet_is_known_by_all_its_names():
    assert imagenet_names()["tabby"] == "cat"
    assert imagenet_names()["grey whale"] == imagenet_words()[147]
    assert {*imagenet_names().values()} <= {*imagenet_words()}
