"""Texts: found, read, split; as symbols; as streams."""

import numpy as np
import pytest

from rnn.config import VocabularyConfig
from rnn.net.symbols import UNKNOWN, Symbols
from rnn.training.streams import Streams
from rnn.training.texts import read_texts, read_whole
from shared.errors import AppError
from shared.text.vocabulary import BOS, EOS, UNK, Vocabulary

ODD = "a b\n\t\\ \U0001f600é\x00\u2028\ud800\\U0000000a<eos>"


def characters(text, min_count=1):
    return Symbols.of(text, VocabularyConfig(min_count=min_count))


def words(text, min_count=1):
    return Symbols.of(text, VocabularyConfig(units="word", min_count=min_count))


def test_every_character_survives():
    symbols = characters(ODD)
    ids = symbols.encode(ODD)
    assert ids.dtype == np.int32
    assert len(ids) == len(ODD)
    assert symbols.decode(ids) == ODD == symbols.split(ODD)
    assert [symbols.name(index) for index in ids] == list(ODD)
    assert UNK not in ids


def test_characters_survive_a_file(tmp_path):
    symbols = characters(ODD)
    path = tmp_path / "vocabulary.txt"
    path.write_text(symbols.vocabulary.to_text(), "utf-8")
    again = Symbols(Vocabulary.load(path), "character")
    assert again.encode(ODD).tolist() == symbols.encode(ODD).tolist()


def test_frequent_characters_come_first_and_rare_ones_are_unknown():
    symbols = characters("abbccc", min_count=2)
    assert [symbols.name(index) for index in range(4, len(symbols))] == ["c", "b"]
    ids = symbols.encode("cxab")
    assert ids.tolist() == [4, UNK, UNK, 5]
    assert symbols.decode(ids) == f"c{UNKNOWN}{UNKNOWN}b"
    assert symbols.unknown("cxabx") == ["x", "a"]


def test_words_of_lines_end_with_eos():
    symbols = words("The cat's mat.\n\nThe dog\n")
    ids = symbols.encode("the cat's DOG\n\n  \nthe whale")
    names = ["the", "cat", "'s", "dog", "<eos>", "the", "<unk>", "<eos>"]
    assert [symbols.name(index) for index in ids] == names
    assert symbols.decode(ids) == "the cat's dog\nthe <unk>\n"
    split = ["the", "cat", "'s", "dog", "<eos>", "the", "whale", "<eos>"]
    assert symbols.split("the cat's DOG\n\n  \nthe whale") == split
    assert symbols.unknown("the whale's whale") == ["whale"]
    assert ids[-1] == EOS


def test_a_text_starts_as_after_the_end_of_a_line():
    assert characters("a").start.tolist() == [BOS]
    lines = characters("a\nb\n")
    assert lines.start.tolist() == [BOS, lines.encode("\n")[0]]
    assert words("a").start.tolist() == [BOS, EOS]


def test_an_empty_text_has_no_symbols():
    assert characters("a").encode("").tolist() == []
    assert words("a").encode(" \n").tolist() == []


def said():
    lines = []
    return lines, lines.append


def test_a_text_is_split_by_position(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("0123456789" * 10 + "\n")
    text = read_texts([str(file)])
    assert [len(part) for part in text] == [80, 10, 11]
    assert "".join(text) == file.read_text()


def test_files_follow_one_another_in_the_order_of_their_names(tmp_path):
    for name, content in {
        "b": "2",
        "a": "1\r\n",
        "sub/c": "3\n",
        ".hidden": "4",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content.encode())
    assert read_whole([str(tmp_path)]) == "1\n2\n3\n"
    assert read_whole([str(tmp_path / "[ab]")]) == "1\n2\n"
    assert read_whole([str(tmp_path / "b"), str(tmp_path / "a")]) == "2\n1\n"


def test_files_can_be_the_parts(tmp_path):
    for name in ("train.txt", "valid.txt", "test.txt"):
        (tmp_path / name).write_text(f"{name}\n")
    assert read_texts([str(tmp_path)]) == ("train.txt\n", "valid.txt\n", "test.txt\n")
    (tmp_path / "more.txt").write_text("more\n")  # then they are not
    assert "".join(read_texts([str(tmp_path)])).startswith("more\ntest")


def test_a_bad_file_among_others_is_left_out(tmp_path):
    (tmp_path / "good.txt").write_text("good\n")
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff\xe0\x00\x10JFIF")
    (tmp_path / "utf16.txt").write_bytes("hello".encode("utf-16"))
    (tmp_path / "zero.txt").write_bytes(b"a\0b")
    (tmp_path / "empty.txt").touch()
    lines, announce = said()
    assert read_whole([str(tmp_path)], announce) == "good\n"
    assert len(lines) == 4
    assert all(line.endswith("It is left out.") for line in lines)
    assert "it is UTF-16" in "".join(lines)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", "is empty. It should hold a text"),
        (b"caf\xe9\n", "line 1 is not UTF-8 text"),
        ("abc".encode("utf-16"), "it is UTF-16. Save the file as UTF-8"),
        (b"a\n\0", "line 2 is not UTF-8 text: it holds a NUL"),
    ],
)
def test_a_bad_file_alone_is_refused(content, match, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(AppError, match=match):
        read_texts([str(path)])


def test_a_folder_of_bad_files_is_refused(tmp_path):
    (tmp_path / "a.txt").touch()
    (tmp_path / "b.txt").touch()
    with pytest.raises(AppError, match=r"No text can be read\. The first.*a\.txt"):
        read_texts([str(tmp_path)], lambda line: None)


@pytest.mark.parametrize("name", ["missing.txt", "*.md", ""])
def test_nothing_found_is_refused(name, tmp_path):
    with pytest.raises(AppError, match="There is no text in"):
        read_texts([str(tmp_path / name)])


IDS = np.arange(10, 10 + 103)


def test_streams_go_on_from_chunk_to_chunk():
    streams = Streams(IDS, 4, 5)
    chunks = list(streams.chunks([1, 0, 2], 0, before=50))
    assert len(chunks) == streams.steps == 5
    assert [chunk.number for chunk in chunks] == [51, 52, 53, 54, 55]
    assert [chunk.fresh for chunk in chunks] == [True, False, False, False, False]
    targets = np.concatenate([chunk.targets for chunk in chunks])
    inputs = np.concatenate([chunk.inputs for chunk in chunks])
    assert targets.shape == inputs.shape == (25, 4)
    np.testing.assert_array_equal(targets, targets[0] + np.arange(25)[:, None])
    np.testing.assert_array_equal(np.diff(targets[0]), 25)
    np.testing.assert_array_equal(inputs[1:], targets[:-1])
    first = targets[0, 0]
    assert inputs[0, 0] == (BOS if first == IDS[0] else first - 1)


def test_streams_of_other_epochs_begin_elsewhere_and_the_same_ones_do_not():
    streams = Streams(IDS, 4, 5)

    def first(epoch):
        return next(streams.chunks([1, 0, epoch], 0, 0)).targets[0, 0]

    assert len({first(epoch) for epoch in range(20)}) > 1
    assert first(3) == first(3)
    whole = list(streams.chunks([1, 0, 3], 0, 0))
    for before, after in zip(whole[2:], streams.chunks([1, 0, 3], 2, 0), strict=True):
        np.testing.assert_array_equal(before.inputs, after.inputs)
        assert before[2:] == after[2:]


def test_a_text_shorter_than_a_chunk_is_refused():
    with pytest.raises(AppError, match=r"has 103 symbols.*4 streams of 26 at"):
        Streams(IDS, 4, 26)
