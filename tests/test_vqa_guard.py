import gzip
import json
import re
from itertools import chain
from pathlib import Path

import pytest
from conftest import MORE
from hypothesis import given
from hypothesis import strategies as st
from lemminflect import getAllLemmas

from shared.errors import AppError
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary
from vqa.answering.guard import (
    MAX_LETTERS,
    check_question,
    known_form,
    nearest,
    opening,
    warnings,
)

WORDS = Vocabulary(
    [
        *SPECIAL_WORDS,
        *("what", "color", "is", "the", "dog", "dogs", "doing", "'s", "helmet", "n't"),
    ]
)
OPENINGS = ("what color", "what is", "is the")


def about(question, openings=OPENINGS, max_words=10):
    return warnings(check_question(question), WORDS, openings, max_words)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What color is the dog?", "what color"),
        ("what colour is it", "what color"),
        ("What colours are there?", "what colors"),
        ("What's that?", "what is"),
        ("WHAT\u2019S that?", "what is"),
        ("Who're they?", "who are"),
        ("Isn't it red?", "is n't"),
        ("Where?", "where"),
        ("", ""),
        ("?!", ""),
    ],
)
def test_the_first_words_say_what_kind_of_question_it_is(question, expected):
    assert opening(question) == expected


@given(st.text(max_size=30))
def test_every_text_has_an_opening(text):
    first = opening(text)
    assert opening(first) in (first, opening(opening(first)))
    assert len(first.split()) <= 2


@pytest.mark.parametrize("question", ["", "   ", "?", "...", "\U0001f415?", "\ud83d"])
def test_a_question_without_a_word_is_refused(question):
    with pytest.raises(AppError, match=r"has no word in it. Ask something such as"):
        check_question(question)


def test_a_whole_book_is_refused():
    check_question("a" * MAX_LETTERS)
    with pytest.raises(AppError, match=r"2001 letters; at most 2000 are read"):
        check_question("a" * (MAX_LETTERS + 1))


def test_a_good_question_needs_no_word_about_it():
    assert about("What color is the dog?") == []
    assert about("Please, what color is the dog?", ()) == []
    assert about("What's the dog doing?") == []


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("What is the dgo?", ["The model does not know the word 'dgo'"]),
        ("What is the halmet?", ["the word 'halmet'; it knows helmet."]),
        ("What is the doggs?", ["'doggs'; it knows dogs, dog."]),
        ("What colour is the dog?", ["'colour'; it reads 'color' instead."]),
        ("What is the zyx zyx?", ["'zyx'."]),
        ("Where is the dog?", ["'where'.", "questions that start with 'where is'."]),
        ("Why is the sky?", ["'why'.", "'sky'.", "start with 'why is'."]),
        ("Dog?", ["never learnt from questions that start with 'dog'."]),
    ],
)
def test_what_the_model_has_not_learnt_is_named(question, said):
    found = about(question)
    assert len(found) == len(said)
    for sentence, part in zip(found, said, strict=True):
        assert part in sentence
        assert sentence[0].isupper()
        assert sentence.endswith(".")


@pytest.mark.parametrize(
    "question",
    ["Blorp?", "Blorp blorp blorp?", "Tell me please", "\u8fd9\u662f\u4ec0?"],
)
def test_a_question_of_unknown_words_means_nothing(question):
    assert about(question)[-1] == (
        "It knows no word of the question, so its answer means nothing."
    )


def test_each_unknown_word_is_named_once():
    found = about("What is the sky, the sky, the blue sky?", ())
    assert [sentence.split("'")[1] for sentence in found] == ["sky", "blue"]


def test_words_that_are_not_read_are_not_judged():
    found = about("what is the dog " + "hm " * 496, max_words=4)
    assert found == ["It reads the first 4 words; the question has 500."]


def test_without_known_openings_none_is_odd():
    assert about("Doing dogs?", ()) == []


def test_near_words_are_words():
    many = Vocabulary([*SPECIAL_WORDS, "flip", "flopses", "t-shirt"])
    assert nearest("unk", many) == nearest("pad", many) == []
    assert nearest("flops", many) == []
    assert nearest("t-shrit", many) == ["t-shirt"]


@given(st.text(max_size=60))
def test_any_text_is_answered_or_refused(text):
    try:
        words = check_question(text)
    except AppError:
        return
    for sentence in warnings(words, WORDS, OPENINGS, 5):
        assert isinstance(sentence, str)


FORMS = Vocabulary(
    [
        *SPECIAL_WORDS,
        *("a", "dog", "waves", "running", "bear", "car", "she", "see", "reading"),
        *("skis", "bald", "are", "is", "building", "park", "carrying", "light", "foot"),
        *("gray", "color", "pajamas"),
    ]
)


@pytest.mark.parametrize(
    ("word", "known"),
    [
        *(("wave", "waves"), ("dogs", "dog"), ("feet", "foot"), ("ran", "running")),
        *(("carries", "carrying"), ("buildings", "building"), ("were", "are")),
        *(("bears", "bear"), ("ski", "skis"), ("dog", "dog")),
        *(("grey", "gray"), ("colours", "color"), ("pyjamas", "pajamas")),
    ],
)
def test_an_unknown_word_is_read_in_a_form_that_is_known(word, known):
    assert known_form(word, FORMS) == known


@pytest.mark.parametrize(
    "word",
    [
        *("as", "zebra", "beard", "card", "shed", "seed", "ready", "skies", "balding"),
        *("saw", "build", "built", "parked", "lights", "lit", "born", "waved", "reads"),
        *("bearing", "cars'", "he", "sheds", "cards", "bearded", "runner", "runny"),
    ],
)
def test_no_word_is_read_as_another(word):
    assert known_form(word, FORMS) == word


def test_a_word_that_is_read_in_another_form_is_named():
    vocabulary = Vocabulary([*SPECIAL_WORDS, *["what", "color", "is", "the", "dog"]])
    words = check_question("What colors are the dogs?")
    assert warnings(words, vocabulary, ("what color",), 9) == [
        "The model does not know the word 'colors'; it reads 'color' instead.",
        "The model does not know the word 'are'; it reads 'is' instead.",
        "The model does not know the word 'dogs'; it reads 'dog' instead.",
    ]


BUNDLE = Path(__file__).parents[1] / "vqa/bundle/vocabulary.txt"
TEXTS = Path(__file__).parents[2] / "shared/data/caption_text"
included = pytest.mark.skipif(not BUNDLE.is_file(), reason="no model comes along")


@included
def test_words_of_everyday_questions_that_are_read_in_another_form():
    vocabulary = Vocabulary.load(BUNDLE)
    file = Path(__file__).parents[1] / "benchmarks/everyday.jsonl"
    questions = [json.loads(line)["question"] for line in file.open(encoding="utf-8")]
    words = {word for question in questions for word in check_question(question)}
    read = {word: known_form(word, vocabulary) for word in sorted(words)}
    changed = {f"{word} {form}" for word, form in read.items() if form != word}
    assert changed == {
        *("arms arm", "blond blonde", "carry carrying", "covers cover", "feet foot"),
        *("cushion cushions", "heads head", "ski skis", "thing things", "wings wing"),
    }


SPELT_OTHERWISE = re.compile(
    "aeroplane|tyre|te?e?-?shirt|oxen|blond|grey|pyjama|ax$|doughnut|theatre"
)


@included
@pytest.mark.slow
@pytest.mark.skipif(not TEXTS.is_dir(), reason="no caption texts")
def test_words_of_captions_are_read_as_themselves_or_in_another_form():
    """Two words of which one is read as the other have a base in common."""
    vocabulary = Vocabulary.load(BUNDLE)
    words = set()
    for path in TEXTS.glob("*.tsv.gz"):
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            words |= {word for line in lines for word in re.findall("[a-z'-]+", line)}
    assert len(words) > 20_000
    crossed = set()
    for word in sorted(words)[:: 1 if MORE else 6]:
        form = known_form(word, vocabulary)
        if form not in (word, word + "s") and word != form + "s":
            bases = [set(chain(*getAllLemmas(w).values())) for w in (word, form)]
            if not bases[0] & bases[1] and not SPELT_OTHERWISE.match(word):
                crossed.add((word, form))
    assert crossed == set()
