import unicodedata

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import AppError
from shared.text import (
    BOS,
    EOS,
    PAD,
    SPECIAL_WORDS,
    UNK,
    Vocabulary,
    join_words,
    split_words,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("A Dog runs .", "a dog runs"),
        ("the dog's hat", "the dog 's hat"),
        ("They don't, can't; we'll!", "they do n't ca n't we 'll"),
        ("a T-shirt (red) and no. 7", "a t-shirt red and no 7"),
        ("A dog runs. It eats grass.", "a dog runs it eats grass"),
        ("the dog\u2019s hat", "the dog 's hat"),
        ("a \u201cred\u201d dog\u2026 sleeps\u2014well", "a red dog sleeps well"),
        ("a t\u2010shirt", "a t-shirt"),
        ("\u00bfun caf\u00e9?", "un caf\u00e9"),
        ("cafe\u0301", "caf\u00e9"),
        ("Ένας Σκύλος", "ένας σκύλος"),
        ("Собака бежит", "собака бежит"),
        ("一只狗。两只猫", "一只狗 两只猫"),
        ("  \t\n", ""),
        ("... --- !?", ""),
        ("", ""),
    ],
)
def test_words_are_lower_case_without_punctuation(text, words):
    assert split_words(text) == words.split()


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_any_text_gives_composed_words_that_a_vocabulary_takes(text):
    words = split_words(text)
    assert all(word.split() == [word] for word in words)
    assert all(unicodedata.is_normalized("NFC", word) for word in words)
    Vocabulary.from_sentences([words])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("", ""),
        ("dog", "Dog."),
        ("a dog catches the man 's hat", "A dog catches the man's hat."),
        ("they do n't know we 'll go", "They don't know we'll go."),
        ("a car of the '80s", "A car of the '80s."),
        ("élan", "Élan."),
    ],
)
def test_words_are_joined_to_a_sentence(words, text):
    assert join_words(words.split()) == text


def test_joining_undoes_splitting():
    text = "The dogs don't see what we've hidden under Tom's hat."
    assert join_words(split_words(text)) == text.replace("Tom", "tom")


SENTENCES = [s.split() for s in ("b a", "c a", "c a d")]


def test_frequent_words_come_first_and_ties_in_alphabetical_order():
    vocabulary = Vocabulary.from_sentences(SENTENCES)
    assert vocabulary.words == (*SPECIAL_WORDS, "a", "c", "b", "d")
    assert len(vocabulary) == 8
    assert "d" in vocabulary
    assert "e" not in vocabulary


def test_rare_words_are_left_out():
    vocabulary = Vocabulary.from_sentences(SENTENCES, min_count=2)
    assert vocabulary.words == (*SPECIAL_WORDS, "a", "c")


def test_a_vocabulary_that_grows_keeps_its_ids():
    old = Vocabulary.from_sentences([["z", "y"]])
    new = Vocabulary.from_sentences([*SENTENCES, ["z"]], min_count=2, first=old.words)
    assert new.words == (*old.words, "a", "c")


def test_ids_of_a_sentence_are_closed_by_eos_and_padded():
    vocabulary = Vocabulary.from_sentences(SENTENCES)
    row = vocabulary.encode(["a", "x", "c"], 6)
    assert row.dtype == np.int32
    assert row.tolist() == [4, UNK, 5, EOS, PAD, PAD]


@pytest.mark.parametrize(
    ("length", "ids"), [(4, [4, 5, 6, EOS]), (3, [4, 5, 6]), (2, [4, 5])]
)
def test_a_cut_sentence_has_no_eos(length, ids):
    vocabulary = Vocabulary.from_sentences(SENTENCES)
    assert vocabulary.encode(["a", "c", "b"], length).tolist() == ids


def test_ids_are_read_up_to_eos_without_pad_and_bos():
    vocabulary = Vocabulary.from_sentences(SENTENCES)
    ids = np.array([BOS, 4, PAD, UNK, 5, EOS, 6])
    assert vocabulary.decode(ids) == ["a", "<unk>", "c"]
    assert vocabulary.decode([]) == []


def test_coverage_counts_running_words():
    vocabulary = Vocabulary.from_sentences(SENTENCES, min_count=2)
    assert vocabulary.coverage(SENTENCES) == pytest.approx(5 / 7)
    assert vocabulary.coverage([]) == 1.0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a", "b"], "starts with"),
        (["<unk>", "<pad>", "<bos>", "<eos>"], "starts with"),
        ([*SPECIAL_WORDS, "a", "b", "a"], r"Repeated: \['a'\]"),
        *(
            ([*SPECIAL_WORDS, word], "white space")
            for word in ("", " ", "a\nb", "a\r", "\u2028a", "a\x85b", "a\tb")
        ),
    ],
)
def test_what_would_not_survive_its_file_is_refused(words, message):
    with pytest.raises(ValueError, match=message):
        Vocabulary(words)


def test_a_vocabulary_survives_its_file(tmp_path):
    words = split_words("un café Σκύλος 一只狗 the dog's t-shirt")
    vocabulary = Vocabulary.from_sentences([words])
    path = tmp_path / "words.txt"
    vocabulary.save(path)
    assert Vocabulary.load(path).words == vocabulary.words
    assert path.read_bytes().count(b"\n") == len(vocabulary)
    path.write_bytes(path.read_bytes().removesuffix(b"\n"))  # by somebody's editor
    assert Vocabulary.load(path).words == vocabulary.words


@pytest.mark.parametrize(
    "content",
    [None, b"", b"a\nb\n", b"<pad>\n<unk>\n<bos>\n<eos>\na\n\nb\n", b"\xff\xfe\x00a"],
)
def test_a_broken_file_is_named(tmp_path, content):
    path = tmp_path / "words.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AppError, match=r"words\.txt is not a vocabulary"):
        Vocabulary.load(path)
