import random
import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.tokenize import TreebankWordTokenizer

import shared.text.vocabulary
from shared.errors import AppError
from shared.text import scripts
from shared.text.vocabulary import (
    BOS,
    EOS,
    PAD,
    SPECIAL_WORDS,
    UNK,
    Vocabulary,
    go_on,
    join_words,
    split_words,
    starts,
)
from vqa.text.answers import AnswerSpace, normalize


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
        ("the dog's\nhat isn't\tred", "the dog 's hat is n't red"),
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


FLICKR8K = Path(__file__).parents[2] / "shared/data/flickr8k/Flickr8k.token.txt"
CAPTIONS = """
A dog runs.
A dog runs .
A dog runs. It eats grass. It sleeps.
A dog, a cat and a horse.
a dog,a cat
Dogs: two of them; one sleeps!
Is it a dog? Yes!! No?!
A dog ... sleeps...
a dog...sleeps
Well.... no
wait..no
"A dog," says the man.
The sign says "Stop".
The sign says "Stop."
a 'red' dog
the 'red dog'
a man's 'red hat'.
rock 'n' roll
the '80s
``red'' dogs
(A dog) [sleeps] {well} <now>.
A dog (or a cat.)
the dog's hat
the dogs' hat
the dogs'.
This is the dog's.
This is the dog's. He sleeps.
the boss's car
James' hat
michael jackson's' thriller' video
It's a dog that isn't red.
They don't, can't and won't; we'll, you've, they're, I'm, he'd.
couldn't've
DON'T SHE'LL IT'S
n't 's 'll
don't. can't! isn't, it's: he'll; (she's) "we're"
She cannot swim. Cannot!
gonna gotta gimme lemme wanna
He's gonna jump, gotta run, wanna-be, wanna
d'ye see more'n one? 'Tis a dog, 'twas a cat.
'tis 'twas's it'tis
Mr. Smith and Dr. No at 5 p.m. today
the U.S. flag at 10 a.m.
S.C.U.B.A. divers of D.C.
no. 7, No. 7
1,000 dogs run 3.5 miles in 2:30, at 1:0.
100,000.5 and ,3 or :5 or 3, 4
dogs, 12; cats: 3
$5, $1,000 and 50% of #1 @ home
AT&T & co
a black/white dog and/or a cat
a t-shirt, a merry-go-round -- and a tug-of-war
a dog--asleep
a dog - asleep -
--- a dog ---
snow-covered's edge
a dog_cat * + = ~ ^ | \\ `
a (man's) dog's; [dogs'] "dogs'"
o'clock o'neil's rock'n'roll
'hello' 'hello
"'hello'" "it's"
he said:"run!"
e.g. a dog, i.e. a pet, etc.
www.dogs.com and dog@cats.org
4x4, 3rd, K2, mp3, 4-wheeler's
café's crème brûlée isn't naïve
Ένας σκύλος, δύο γάτες.
""".strip().splitlines()


@pytest.fixture
def nltk_split_words(monkeypatch):
    """`split_words` with NLTK's tokeniser in the place of our rules."""
    tokenizer = TreebankWordTokenizer()

    def split(text):
        with monkeypatch.context() as patch:
            patch.setattr(shared.text.vocabulary, "_split_treebank", tokenizer.tokenize)
            patch.setattr(shared.text.vocabulary, "_PLAIN", re.compile("(?!)"))
            return split_words(text)

    return split


@pytest.mark.parametrize("caption", CAPTIONS)
def test_words_are_those_of_nltk(nltk_split_words, caption):
    assert nltk_split_words(caption) == split_words(caption)


def test_words_are_those_of_nltk_whatever_comes_together(nltk_split_words):
    words = ["a", "dog", "dogs", "n't", "isn't", "'s", "'d", "'ll", "cannot", "3.5"]
    words += ["gonna", "wanna", "wannabe", "gimme", "lemme", "gotta", "can", "not"]
    marks = ["", " ", " ", " ", *"'`\"./&%$#;,!?()[]{}<>-_*", "--", "...", "''"]
    draw = random.Random(1)
    for _ in range(5000):
        text = "".join(draw.choice(words) + draw.choice(marks) for _ in range(5))
        text += " ."  # at the very end NLTK leaves "dog's'" whole
        assert nltk_split_words(text) == split_words(text)


@pytest.mark.slow
def test_words_of_flickr8k_are_those_of_nltk(nltk_split_words):
    if not FLICKR8K.is_file():
        pytest.skip(f"Flickr8k's captions are not in {FLICKR8K}")
    lines = FLICKR8K.read_text("utf-8").splitlines()
    captions = [line.partition("\t")[2] for line in lines]
    assert len(captions) > 30000
    # As published, punctuation stands alone; then as people write it.
    for text in captions:
        assert nltk_split_words(text) == split_words(text)
        for mark in ".,'\";?!":
            text = text.replace(f" {mark}", mark)
        assert nltk_split_words(text) == split_words(text)


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


@pytest.mark.parametrize(
    ("prefix", "words", "text"),
    [
        ("In Paris, Anna-Maria O'Neil's", "cat sits", None),
        ("a photo of", "a dog", "A photo of a dog."),  # has no capital: gets one
        ("iPhone 15 (new):", "a phone", None),
        ("Look 👩‍👩‍👧! ", "a family", "Look 👩‍👩‍👧! a family."),
        ("🐶 a dog", "'s hat", "🐶 a dog's hat."),
        ("NASA's", "rocket", None),
        (" The\n man ", "sits", "The man sits."),
        ("e.g. <b>", "a cat", "E.g. <b> a cat."),
        ("Ein Ölbild:", "ein hund", None),
        ("half \ud83d", "a dog", "Half a dog."),
        ("The end", "", "The end."),
    ],
)
def test_a_prefix_is_written_as_it_was_typed(prefix, words, text):
    written = join_words(words.split(), prefix=prefix)
    assert written == (text or f"{prefix} {words}.")


def test_joining_undoes_splitting():
    text = "The dogs don't see what we've hidden under Tom's hat."
    assert join_words(split_words(text)) == text.replace("Tom", "tom")


def test_english_does_not_wait_for_the_patterns_of_other_scripts(monkeypatch):
    monkeypatch.setattr(scripts, "_any_of", None)  # compiling them takes milliseconds
    words = split_words("Two dogs run.", "character")
    assert words == ["two", "dogs", "run"]
    assert join_words(words, "character") == "Two dogs run."


@pytest.mark.parametrize(
    ("text", "words", "written"),
    [
        ("一只狗、在跑。", "一 只 狗 在 跑", "一只狗在跑。"),
        ("2只猫和 iPhone 手机", "2 只 猫 和 iphone 手 机", "2只猫和iphone手机。"),
        ("犬がボールで。", "犬 が ボ ー ル で", "犬がボールで。"),
        ("สุนัขวิ่งที่น้ำ", "สุ นั ข วิ่ ง ที่ น้ำ", "สุนัขวิ่งที่น้ำ"),
        ("𠮷野家", "𠮷 野 家", "𠮷野家。"),
        ("A dog's hat, red", "a dog 's hat red", "A dog's hat red."),
        ("개가 뛰고 있다", "개가 뛰고 있다", "개가 뛰고 있다."),
        ("", "", ""),
    ],
)
def test_scripts_without_spaces_are_split_into_characters(text, words, written):
    found = split_words(text, "character")
    assert found == words.split()
    assert join_words(found, "character") == written


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=20))
def test_characters_of_any_text_are_what_its_words_hold(text):
    characters = split_words(text, "character")
    assert "".join(characters) == "".join(split_words(text))
    written = join_words(characters, "character")
    assert bool(written) == bool(characters)
    vocabulary = Vocabulary.from_sentences([characters]).in_units("character")
    assert vocabulary.split(text) == characters


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
    counts = Counter(word for sentence in SENTENCES for word in sentence)
    assert vocabulary.coverage(counts) == pytest.approx(5 / 7)
    assert vocabulary.coverage({}) == 1.0


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
    path.write_text(vocabulary.to_text(), "utf-8")
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


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a\x1b[2Jb", r"line 6 has a control character: 'a\\x1b\[2Jb'"),
        ("a\x00b", "line 6 has a control character"),
        ("a\u202eb", "line 6 has a control character"),
        ("a\u2066b", "line 6 has a control character"),
        ("a" * 201, "line 6 has 201 characters, more than 200"),
        ("a" * 10**6, "line 6 has 1,000,000 characters"),
        ("\n" * 600_000, "it has more than 500,000 lines"),
    ],
    ids=["colour", "zero", "turn", "isolate", "long", "longer", "many"],
)
@pytest.mark.parametrize("kind", [Vocabulary, AnswerSpace])
def test_lines_that_no_training_writes_are_refused(kind, line, message):
    text = "".join(f"{word}\n" for word in (*SPECIAL_WORDS, "dog", line, "cat"))
    match = rf"x\.txt is not a .*: {message}.*Get it again"
    with pytest.raises(AppError, match=match):
        kind.parse(text, Path("x.txt"))


def test_what_commands_a_terminal_is_not_learnt():
    found = split_words("a \x1b[2Jdog\u202e \x00sat\u2066 \x9bdown")
    assert found == ["a", "2jdog", "sat", "down"]
    persian = "\u0645\u06cc\u200c\u0631\u0648\u062f"  # its words are joined so
    assert split_words(persian) == [persian]
    assert normalize("\x1b]dog\u202e") == "dog"


def test_a_word_too_long_for_a_vocabulary_is_unknown():
    vocabulary = Vocabulary.from_sentences([["dog", "a" * 200, "a" * 201]])
    assert set(vocabulary.words[4:]) == {"dog", "a" * 200}
    assert AnswerSpace.from_answers([["dog"], ["a" * 201]], size=9).answers == ("dog",)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A man's dog can't.", ["", "A", "A man", "A man's", "A man's dog", None]),
        ("In Paris, Anna.", ["", "In", "In Paris,"]),
        ("“Zoë” \N{ROCKET} - she", ["", "“Zoë” \N{ROCKET} -"]),
        ("Gonna cannot", ["", "Gon", "Gonna", "Gonna can"]),
    ],
)
def test_what_stands_before_a_word_stands_as_it_was_typed(text, expected):
    found = starts(text, split_words(text))
    assert [one for one, other in zip(found, expected, strict=False) if other] == [
        other for other in expected if other
    ]
    assert all(text.startswith(one) for one in found)


@given(st.text(max_size=40), st.sampled_from(["word", "character"]))
def test_before_a_word_are_the_words_before_it(text, units):
    words = split_words(text, units)
    found = starts(text, words, units)
    assert [split_words(one, units) for one in found] == [
        words[:place] for place in range(len(words))
    ]


def test_characters_are_cut_apart():
    words = split_words("狗在草地上。", "character")
    assert starts("狗在草地上。", words, "character") == [
        "",
        *("狗在草地"[:i] for i in (1, 2, 3, 4)),
    ]
    assert go_on("狗", ["在"], "character") == "狗在"
