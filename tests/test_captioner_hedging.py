"""Saying less of photos whose captions are probably wrong."""

import numpy as np
import pytest
from conftest import concept_captioner, photo

from captioner.config import ConfidenceConfig
from captioner.describing.hedging import SEEN, SETTINGS, Hedging, say
from captioner.files.formats import to_record
from captioner.search.config import DecodingConfig
from shared.concepts.words import read_concepts

WORDS = ("person", "man", "cat", "animal", "furniture", "table", "run", "hot dog")


@pytest.mark.parametrize(
    "word, text",
    [
        ("cat", "Perhaps a cat."),
        ("elephant", "Perhaps an elephant."),
        ("umbrella", "Perhaps an umbrella."),
        ("unicycle", "Perhaps a unicycle."),
        ("uniform", "Perhaps a uniform."),
        ("hourglass", "Perhaps an hourglass."),
        ("traffic light", "Perhaps a traffic light."),
        ("person", "Perhaps a person."),
        ("sheep", "Perhaps a sheep."),
        ("fish", "Perhaps a fish."),
        ("scissors", "Perhaps scissors."),
        ("skis", "Perhaps skis."),
        ("broccoli", "Perhaps broccoli."),
        ("table", "Something on a table."),
        ("water", "Something in the water."),
    ],
)
def test_sentences_are_good_english(word, text):
    assert say(word) == text


def test_settings_are_concepts():
    assert SETTINGS.keys() <= read_concepts().keys()


def hedge(said, there=None, **changes):
    seen = dict.fromkeys(WORDS, 0.9) | (there or {})
    probs = dict.fromkeys(WORDS, 0.0) | said
    rows = (np.float32([row[word] for word in WORDS]) for row in (seen, probs))
    return Hedging(WORDS).hedge(*rows, DecodingConfig(**changes))


def test_the_thing_is_that_which_people_would_mention():
    assert hedge({"cat": 0.6, "table": 0.5}) == ("Perhaps a cat.", pytest.approx(0.6))
    assert hedge({"cat": 0.4, "table": 0.5}).text == "Something on a table."


@pytest.mark.parametrize("word", ["man", "animal", "furniture", "run"])
def test_sex_widest_words_and_deeds_are_not_said(word):
    assert hedge({word: 0.9, "person": 0.4}).text == "Perhaps a person."


def test_nothing_is_said_that_is_hardly_seen_or_banned():
    said = {"cat": 0.6, "hot dog": 0.5, "person": 0.4}
    assert hedge(said, there={"cat": SEEN - 0.01}).text == "Perhaps a hot dog."
    assert hedge(said, ban=("cat", "dog")).text == "Perhaps a person."
    assert hedge(said, there=dict.fromkeys(WORDS, 0.1)) is None


def test_what_the_search_may_not_name_is_not_said_either():
    said = {"cat": 0.6, "person": 0.5, "hot dog": 0.4}
    there = dict.fromkeys(said, 0.5)
    assert hedge(said, there, animals=0.6).text == "Perhaps a person."
    least = {"animals": 0.6, "people": 0.6}
    assert hedge(said, there, **least).text == "Perhaps a hot dog."
    assert hedge(said, there, **least, things=0.6).text == "Something on a table."
    # People in the background, of whom nobody would speak.
    assert hedge({"person": 0.3, "table": 0.1}).text == "Something on a table."
    assert hedge({"person": 0.3, "table": 0.1}, people=0).text == "Perhaps a person."


# A caption's probability is that of the tree or the car that it names.
WEIGHTS = ConfidenceConfig(bias=0, words=0, least=1, most=0, missed=0)
SENTENCES = {"a car on a tree": 0.6, "a tree": 0.4}
PLAIN = "A car on a tree."


def captioner(said, weights=WEIGHTS, **there):
    seen = {"car": 0.05, "tree": 0.9, "cat": 0.9} | there
    told = dict.fromkeys(seen, 0.0) | said
    return concept_captioner(SENTENCES, seen, told, confidence=weights, unsure=0.5)


def test_a_caption_that_is_probably_wrong_gives_way():
    model = captioner({"cat": 0.7})
    first, second = model.caption(photo(1))[:2]
    assert (first.text, first.original.text) == ("Perhaps a cat.", PLAIN)
    plain = model.caption(photo(1), hedge=False)[0]
    assert first.original._replace(attention=None) == plain._replace(attention=None)
    assert first.confidence == pytest.approx(0.7)
    assert first.unsure is True
    assert first.words == ("a", "car", "on", "a", "tree")
    assert (second.text, second.original) == ("A tree.", None)


def test_others_stay_as_they_are():
    unsure = captioner({"cat": 0.7})
    for changes in (
        {"hedge": False},
        {"prefix": "a car"},
        {"must": ["car"]},
        {"method": "sample", "top_k": 1},
        {"ban": ["cat"]},
    ):
        best = unsure.caption(photo(1), **changes)[0]
        assert (best.text, best.original) == (PLAIN, None), changes
    doubtful = captioner({"cat": 0.01})  # less sure than the caption
    sure = captioner({"cat": 0.7}, WEIGHTS.model_copy(update={"bias": 5}))
    unjudged = captioner({"cat": 0.7}, weights=None)
    for model in (doubtful, sure, unjudged):
        assert model.caption(photo(1))[0].text == PLAIN


def test_words_of_ones_own_are_not_hedged_away():
    def best(own):
        there, said = {"miso": 0.4, "cat": 0.9}, {"miso": 0.0, "cat": 0.7}
        weights = WEIGHTS.model_copy(update={"bias": -3})
        changes = {"confidence": weights, "unsure": 0.5}
        sentences = {"miso": 0.6, "a tree": 0.4}
        model = concept_captioner(sentences, there, said, own, **changes)
        return model.caption(photo(1))[0].text

    assert best(own=()) == "Perhaps a cat."
    assert best(own=("miso",)) == "Miso."


def test_each_photo_is_hedged_by_itself():
    model = captioner({"cat": 0.7})
    (batch,) = model.caption_all([photo(1)] * 2)
    assert [found[0].text for _, found in batch] == ["Perhaps a cat."] * 2


def test_details_have_what_the_model_wrote():
    found = captioner({"cat": 0.7}).caption(photo(1))
    record = to_record("a.jpg", found, "", details=True)
    assert record["caption"] == "Perhaps a cat."
    assert record["captions"][0]["original"] == PLAIN
    assert [word["word"] for word in record["captions"][0]["words"]][1] == "car"
    assert "original" not in to_record("a.jpg", found, "")["captions"][0]
    several = to_record("a.jpg", found, "", 2, details=True)
    assert [one["caption"] for one in several["captions"]] == [PLAIN, "A tree."]
    assert several["caption"] == PLAIN
