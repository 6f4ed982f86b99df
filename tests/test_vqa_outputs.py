import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from shared.errors import AppError
from shared.files.atomic import check_target
from shared.files.outputs import write_file
from vqa.answering.overlay import draw_attention
from vqa.answering.replies import Answer, Reply
from vqa.files.formats import FORMATS, WITH_IDS, to_record
from vqa.files.inputs import Question
from vqa.files.outputs import open_output
from vqa.jobs.evaluate import read_results

REPLY = Reply(
    "not sure",
    0.123456,
    (Answer("red", 0.123456), Answer("dark blue", 0.1)),
    (Answer("blue", 0.5),),
    np.zeros((1, 4)),
    ("A note.",),
)
FULL = {
    "image": "ü/狗.png",
    "question": 'is it "red", or\nblue?',
    "id": 42,
    "answer": "not sure",
    "confidence": 0.1235,
    "answers": [
        {"answer": "red", "confidence": 0.1235},
        {"answer": "dark blue", "confidence": 0.1},
    ],
    "notes": ["A note."],
    "blind": [{"answer": "blue", "confidence": 0.5}],
}
FAILED = {"image": "b.png", "question": "is it?", "id": 7, "error": "gone."}


def questions(*records):
    return [
        Question(r["image"], Path(r["image"]), r["question"], (), r.get("id"))
        for r in records
    ]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name, *records):
    with open_output(Path(name), questions(*records), dict) as output:
        for place, record in enumerate(records):
            output.append([(place, record)])
        output.finish()
    return Path(name).read_bytes().decode()


def test_a_record_holds_all_that_is_known():
    full = to_record(FULL["image"], FULL["question"], 42, REPLY, "in/ü/狗.png")
    assert full == FULL
    assert list(full) == list(FULL)
    bare = REPLY._replace(guesses=(), notes=())
    assert "id" not in to_record("a", "b", None, bare, "a")
    assert not {"notes", "blind"} & set(to_record("a", "b", None, bare, "a"))
    error = AppError("in/b.png: gone.")
    assert to_record("b.png", "is it?", 7, error, "in/b.png") == FAILED


def test_jsonl_is_a_record_a_line():
    lines = write("a.jsonl", FULL, FAILED).splitlines()
    assert [json.loads(line) for line in lines] == [FULL, FAILED]
    assert "狗" in lines[0]


def test_csv_has_a_row_for_each_question():
    write("a.csv", FULL, FAILED)
    with Path("a.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["image", "question", "answer", "confidence", "error", "id"],
        ["ü/狗.png", 'is it "red", or\nblue?', "not sure", "0.1235", "", "42"],
        ["b.png", "is it?", "", "", "gone.", "7"],
    ]
    bare = {key: value for key, value in FULL.items() if key != "id"}
    assert write("b.csv", bare).startswith("image,question,answer,confidence,error\n")


@pytest.mark.parametrize("odd", ["a\rb?", "\r", "a\r\nb", 'a "b"', "a,b;c\td", "a\nb"])
def test_no_character_tears_a_row_of_csv(odd):
    text = write("a.csv", FULL | {"question": odd})
    _, row = csv.reader(io.StringIO(text, newline=""))
    assert row[1:3] == [odd, "not sure"]
    with Path("a.csv").open(newline=None, encoding="utf-8") as file:  # as many open it
        assert len(list(csv.reader(file))) == 2
    assert len(list(read_results(Path("a.csv")))) == 1


def test_json_is_vqas_format_with_the_likeliest_answer():
    text = write("a.json", FULL, FAILED, FULL | {"id": "train-8"})
    assert json.loads(text) == [
        {"question_id": 42, "answer": "red"},
        {"question_id": "train-8", "answer": "red"},
    ]
    assert write("none.json", FAILED) == "[]\n"
    bare = {key: value for key, value in FULL.items() if key != "id"}
    for records, reason in (([FULL, bare], "has no id"), ([FULL, FULL], "repeats 42")):
        with pytest.raises(AppError, match=reason):
            open_output(Path("b.json"), questions(*records), dict)


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv", "a.json"])
def test_what_is_written_can_be_scored(name):
    write(name, FULL, FAILED)
    found = {result.id: result.answer for result in read_results(Path(name))}
    assert found["42"] == ("red" if name == "a.json" else "not sure")
    assert found.get("7") is None


def left(name, asked):
    with open_output(Path(name), asked, dict, resume=True) as output:
        return output.todo


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_questions_are_known_by_all_that_is_asked(name):
    for path in ("ü", "b.png"):
        Path(path).mkdir() if path == "ü" else Path(path).touch()
    asked = questions(FULL, FAILED)
    with open_output(Path(name), asked, dict) as output:
        for place, record in enumerate((FULL, FAILED)):
            output.note(place)
            output.append([(place, record)])
    assert left(name, asked) == []
    assert left(name, asked[::-1]) == []
    assert left(name, [asked[0], asked[1]._replace(id=8)]) == [1]
    assert left(name, [asked[0], asked[1]._replace(question="is it not?")]) == [1]
    assert left(name, [asked[0], asked[1]._replace(choices=("a", "b"))]) == [1]
    Path("b.png").write_text("another photo")
    assert left(name, asked) == [1]
    with pytest.raises(AppError, match="belongs to other questions"):
        left(name, [asked[1]._replace(id=8)])


def test_targets_are_checked():
    Path("folder.csv").mkdir()
    for name, message in (
        ("a.html", "no output format goes by '.html'. Accepted are .jsonl, .csv, .js"),
        ("a", "no output format goes by 'no ending'"),
        ("no/a.csv", "there is no folder no"),
        ("folder.csv", "is a folder"),
    ):
        with pytest.raises(AppError, match=message):
            check_target(Path(name), FORMATS)


def test_a_failed_write_leaves_nothing():
    def fail(*_):
        raise OSError(28, "No space left on device")

    with pytest.raises(AppError, match=r"a.csv cannot be written: No space left"):
        write_file(Path("a.csv"), [FULL], {**WITH_IDS, ".csv": fail})
    assert not list(Path().iterdir())


def test_attention_is_hot_where_the_model_looked():
    photo = np.full((60, 90, 3), 128, np.uint8)
    attention = np.zeros((1, 3, 3), np.float32)
    attention[0, 0, 0] = 1  # the first row, the first column
    picture = draw_attention(photo, attention, "squash", "is it " * 200, "red")
    seen = np.asarray(picture, np.int32)[-294:-14, -434:-14]  # the second panel
    red, blue = seen[..., 0], seen[..., 2]
    assert (red - blue)[20:60, 20:60].min() > 60
    assert (red - blue)[150:, 200:].max() < 10


def test_what_the_model_does_not_see_stays_cold():
    photo = np.full((60, 120, 3), 128, np.uint8)
    even = np.full((2, 2, 2), 0.25, np.float32)
    whole = draw_attention(photo, even, "squash", "is it?", "red")
    middle = draw_attention(photo, even, "crop", "is it?", "red")
    assert whole.size == middle.size
    last_row = np.asarray(middle, np.int32)[-100, -434:-14].sum(axis=1)
    assert last_row[:100].max() < last_row[160:260].min()
    assert last_row[320:].max() < last_row[160:260].min()
    assert len(set(np.asarray(whole, np.int32)[-100, -430:-20].sum(axis=1))) == 1


def test_attention_has_hops_rows_and_columns():
    photo = np.zeros((4, 4, 3), np.uint8)
    for shape in ((1, 8), (0, 4, 4)):
        with pytest.raises(ValueError, match=r"rows, columns\). Received"):
            draw_attention(photo, np.ones(shape), "squash", "", "")
