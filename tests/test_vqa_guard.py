import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import AppError
from shared.text import SPECIAL_WORDS, Vocabulary
from vqa.guard import (
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
        ("What colour is the dog?", ["'colour'; it knows color."]),
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


def test_near_words_are_spelt_alike():
    assert nearest("dogss", WORDS) == ["dogs", "dog"]
    assert nearest("dgo", WORDS)[0] == "dog"
    assert nearest("do", WORDS) == []  # too short to tell
    assert nearest("elephant", WORDS) == []
    assert nearest("unk", WORDS) == []
    assert nearest("pad", WORDS) == []
    many = Vocabulary([*SPECIAL_WORDS, *(f"helmet{c}" for c in "abcdef")])
    assert len(nearest("helmet", many)) == 3


@given(st.text(max_size=60))
def test_any_text_is_answered_or_refused(text):
    try:
        words = check_question(text)
    except AppError:
        return
    for sentence in warnings(words, WORDS, OPENINGS, 5):
        assert isinstance(sentence, str)


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("wave", "waves"),  # another form is known
        ("waved", "waves"),
        ("dogs", "dog"),
        ("dog", "dog"),
        ("as", "as"),  # too short to be a form of "a"
        ("zebra", "zebra"),
    ],
)
def test_an_unknown_word_is_read_in_a_form_that_is_known(word, known):
    vocabulary = Vocabulary([*SPECIAL_WORDS, "a", "dog", "waves"])
    assert known_form(word, vocabulary) == known
