"""The words that a photo shows, from Python and on the command line."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import concept_captioner, photo
from PIL import Image

from captioner.cli import main
from captioner.describing import predict
from captioner.describing.concepts import rank
from captioner.search.config import DecodingConfig
from shared.concepts.config import ConceptsConfig
from shared.concepts.table import ConceptProbs
from shared.errors import AppError

WORDS = ("cat", "dog", "red", "sit", "tree")
THERE = [0.1, 0.9, 0.5, 0.50001, 0.5]
SAID = [0.05, 0.3, 0.2, 0.1, 0.3]


@pytest.fixture
def captioner():
    there, said = (dict(zip(WORDS, p, strict=True)) for p in (THERE, SAID))
    return concept_captioner({"a dog": 0.9}, there, said)


def test_concepts_come_in_order_and_equal_ones_by_what_captions_mention():
    where = np.arange(60, dtype=np.float64).reshape(3, 4, 5)
    found = rank(WORDS, ConceptProbs(np.array(SAID), np.array(THERE)), where)
    assert [one.word for one in found] == ["dog", "tree", "red", "sit", "cat"]
    assert [one.there for one in found] == [0.9, 0.5, 0.5, 0.50001, 0.1]
    assert [one.said for one in found] == [0.3, 0.3, 0.2, 0.1, 0.05]
    for one in found:
        assert one.where.dtype == np.float32
        column = WORDS.index(one.word)
        np.testing.assert_array_equal(one.where, where[:, :, column])


def test_as_many_are_given_as_are_wanted_and_likely():
    seen = ConceptProbs(np.float32(SAID), np.float32(THERE))
    assert [one.word for one in rank(WORDS, seen, top=2)] == ["dog", "tree"]
    assert [one.word for one in rank(WORDS, seen, top=9, least=0.6)] == ["dog"]
    assert rank(WORDS, seen, least=0.95) == []
    assert rank(WORDS, seen, top=1)[0].where is None
    with pytest.raises(ValueError, match="top=0"):
        rank(WORDS, seen, top=0)


def test_a_captioner_tells_the_concepts_of_a_photo_and_where_they_are(captioner):
    found = captioner.concepts(photo(0), top=3)
    assert [(one.word, round(one.there, 4), round(one.said, 4)) for one in found] == [
        ("dog", 0.9, 0.3),
        ("tree", 0.5, 0.3),
        ("red", 0.5, 0.2),
    ]
    # The runtime of tests sees each concept most surely in the region of its number.
    assert [one.where.shape for one in found] == [(2, 2)] * 3
    assert [int(one.where.argmax()) for one in found] == [1, 0, 2]
    assert len(captioner.concepts(photo(0))) == len(WORDS)
    with pytest.raises(ValueError, match="top=-1"):
        captioner.concepts(photo(0), top=-1)
    with pytest.raises(AppError, match="not an image"):
        captioner.concepts(b"notes")


def test_many_photos_are_told_of_and_one_that_cannot_be_read_is_an_error(captioner):
    sources = [photo(0), b"notes", photo(1)]
    batches = captioner.tell_all(sources, lambda looked: captioner.see(looked, top=1))
    (_, first), (_, bad), (_, last) = [one for batch in batches for one in batch]
    assert [one.word for one in first + last] == ["dog", "dog"]
    assert first[0].where is None
    assert isinstance(bad, AppError)


def test_a_runtime_that_does_not_tell_where_gives_none(captioner, monkeypatch):
    monkeypatch.setattr(captioner.runtime, "where", lambda looked: None)
    assert [one.where for one in captioner.concepts(photo(0), top=2)] == [None, None]


def test_a_model_without_concepts_says_so(captioner):
    plain = concept_captioner({"a dog": 0.9}, {})
    with pytest.raises(AppError, match=r"no concepts.*--model.*\[concepts\]"):
        plain.concepts(photo(0))
    plain.runtime.seen = lambda looked: None
    assert plain.see(plain.look(plain.read(photo(0))[None])) == [[]]
    assert plain.caption(photo(0))
    assert captioner.config.decoding == DecodingConfig(max_words=6, bad_endings=())


@pytest.fixture
def command(captioner, tmp_path, monkeypatch, capsys):
    """Run `captioner` in a folder with two photos and one that is none."""
    config = captioner.config.model_copy(update={"concepts": ConceptsConfig()})
    captioner.config = config
    monkeypatch.setattr(predict, "load_captioner", lambda *_, **__: captioner)
    monkeypatch.setattr(predict, "read_config", lambda folder: captioner.config)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    for name in ("img2.png", "img10.png"):
        Image.fromarray(photo(0)).save(tmp_path / "in" / name)
    (tmp_path / "in" / "img3.png").write_bytes(b"")

    def run(*words):
        status = main([*words])
        out, err = capsys.readouterr()
        return status, out.splitlines(), err.splitlines()

    return run


BEST = [
    {"word": "dog", "there": 0.9, "said": 0.3},
    {"word": "tree", "there": 0.5, "said": 0.3},
]
BAD = "in/img3.png: the file is empty."


def test_a_line_is_printed_for_each_concept_and_a_message_for_a_bad_photo(command):
    status, out, err = command("concepts", "in", "--top", "2")
    assert (status, err) == (1, [f"error: {BAD}", "2 photos, 1 error"])
    assert out == [
        f"in/{name}\t{line}"
        for name in ("img2.png", "img10.png")
        for line in ("dog\t0.90\t0.30", "tree\t0.50\t0.30")
    ]
    status, out, _ = command("concepts", "in/img2.png", "--format", "jsonl", "--top=2")
    assert (status, len(out)) == (0, 1)
    assert json.loads(out[0]) == {"image": "in/img2.png", "concepts": BEST}


def test_a_terminal_shows_a_table(command, monkeypatch):
    assert command("concepts", "in/img2.png", "--top=2", "--format=table")[1] == [
        "in/img2.png",
        "        there  said",
        "  dog    0.90  0.30",
        "  tree   0.50  0.30",
        "",
    ]
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True, raising=False)
    assert "        there  said" in command("concepts", "in/img2.png", "--top=2")[1]


def test_concepts_are_written_and_gone_on_with(command):
    assert command("concepts", "in", "-o", "out.jsonl", "--top=2")[0] == 1
    records = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert records == [
        {"image": "in/img2.png", "concepts": BEST},
        {"image": "in/img3.png", "error": "the file is empty."},
        {"image": "in/img10.png", "concepts": BEST},
    ]
    assert "exists" in command("concepts", "in", "-o", "out.jsonl")[2][0]
    Image.fromarray(photo(1)).save("in/img3.png")
    again = ["concepts", "in", "-o", "out.jsonl", "--top=2", "--resume"]
    assert command(*again)[0] == 0
    records = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [record["concepts"] for record in records] == [BEST] * 3
    _, _, err = command("concepts", "in", "-o", "out.jsonl", "--top=3", "--resume")
    assert "--top 2, now --top 3" in err[0]
    _, _, err = command("caption", "in", "-o", "out.jsonl", "--resume")
    assert "was begun by `captioner concepts`" in err[0]
    assert command("concepts", "in", "-o", "out.csv", "--top=1")[0] == 0
    with Path("out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[:2] == [
        ["image", "word", "there", "said", "error"],
        ["in/img2.png", "dog", "0.9", "0.3", ""],
    ]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--resume --overwrite", "--resume keeps"),
        ("--resume", "needs the --output"),
        ("--format tsv -o out.csv", "--format is about printing"),
        ("--top 0", "--top"),
        ("--format xml", "--format"),
    ],
)
def test_options_that_do_not_fit_are_refused(command, words, reason):
    status, out, err = command("concepts", "in", *words.split())
    assert (status, out) == (2, [])
    assert reason in " ".join(err)


def test_a_model_without_concepts_is_refused_before_it_is_loaded(command, captioner):
    captioner.config = captioner.config.model_copy(update={"concepts": None})
    predict.load_captioner = None
    for options in ([], ["-o", "out.jsonl"]):
        status, out, err = command("concepts", "in", *options)
        assert (status, out) == (1, [])
        assert "This model has no concepts" in err[-1]
    assert not Path("out.jsonl").exists()
    assert "no output format" in command("concepts", "in", "-o", "out.json")[2][0]


def test_details_of_captions_have_what_is_likely(command, captioner):
    assert command("caption", "in", "-o", "out.jsonl", "--details")[0] == 1
    first, bad, _ = map(json.loads, Path("out.jsonl").read_text().splitlines())
    assert bad == {"image": "in/img3.png", "error": "the file is empty."}
    assert first["caption"] == "A dog."
    assert [one["word"] for one in first["concepts"]] == ["dog", "tree", "red", "sit"]
    assert first["concepts"][:2] == BEST
    assert first["captions"][0]["words"]
    assert command("caption", "in", "-o", "plain.jsonl")[0] == 1
    assert "concepts" not in json.loads(Path("plain.jsonl").read_text().splitlines()[0])
