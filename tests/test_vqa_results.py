import json
from io import StringIO
from pathlib import Path

import pytest

from shared.errors import AppError
from vqa.data import Record
from vqa.files.formats import FORMATS
from vqa.files.results import match_results, read_results


def ask(id_, name, question, *answers):
    return Record(name, Path(name), question, answers or ("red",), "dev", id_)


RECORDS = [
    ask("42000", "val2014/COCO_val2014_000000000042.jpg", "What colour is it?"),
    ask("42001", "val2014/COCO_val2014_000000000042.jpg", "Is it a bus?"),
    ask("7", "a/dog.jpg", "Where is the dog?"),
    ask("8", "b/dog.jpg", "Where is the dog?"),
    ask("9", "b/cat.png", "What's the cat doing"),
]


def write(tmp_path, content, name="results.json"):
    path = tmp_path / name
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def matched(tmp_path, content, name="results.json", records=RECORDS):
    return match_results(read_results(write(tmp_path, content, name)), records)


def lines(*items):
    return "".join(f"{json.dumps(item)}\n" for item in items)


@pytest.mark.parametrize("id_", [0, "0", -3, "x", 10**25, 7.0])
def test_any_number_or_text_is_an_id(tmp_path, id_):
    name = str(int(id_) if isinstance(id_, float) else id_)
    records = [ask(name, "a.jpg", "What?"), ask("1", "b.jpg", "Who?")]
    entry = {"question_id": id_, "answer": "red"}
    assert matched(tmp_path, [entry], records=records) == ({name: "red"}, [])


def test_written_results_have_the_ids_that_were_read(tmp_path):
    """Evaluation servers want numbers where the questions have numbers."""
    names = ["0", "458752000", "-3", "007", "x", "1" * 5000, "\u0663"]
    records = [
        {"id": name, "answers": [{"answer": "red"}]} | {"image": "a"} for name in names
    ]
    file = StringIO()
    FORMATS[".json"](records, file, Path())
    ids = [entry["question_id"] for entry in json.loads(file.getvalue())]
    assert ids == [0, 458752000, -3, *names[3:]]


def test_official_results_are_matched_by_id(tmp_path):
    entries = [
        {"question_id": 42001, "answer": "yes"},
        {"question_id": 42000, "answer": "red, white"},
    ]
    assert matched(tmp_path, entries) == ({"42001": "yes", "42000": "red, white"}, [])


def test_our_lines_are_matched_by_photo_and_question(tmp_path):
    content = lines(
        {"image": "a/dog.jpg", "question": "Where is the dog?", "answer": "grass"},
        {"image": r"b\dog.jpg", "question": "where is the dog", "answer": "beach"},
        {"image": "cat.png", "question": "What's the cat doing?", "answer": 2},
        {"image": "42", "question": "Is it a bus?", "error": "cannot be read."},
    )
    answers, failed = matched(tmp_path, f"\n{content}\n", "results.jsonl")
    assert answers == {"7": "grass", "8": "beach", "9": "2"}
    assert failed == ["42001"]


@pytest.mark.parametrize(
    "name",
    [
        "val2014/COCO_val2014_000000000042.jpg",
        "COCO_val2014_000000000042.jpg",
        "COCO_val2014_000000000042",
        "000000000042.jpg",
        "42",
    ],
)
def test_ways_to_name_a_photo(tmp_path, name):
    item = {"image": name, "question": "is it a bus?", "answer": "no"}
    assert matched(tmp_path, [item]) == ({"42001": "no"}, [])


@pytest.mark.parametrize("delimiter", ",;\t")
def test_csv(tmp_path, delimiter):
    rows = [
        ["image", "question", "Answer", "error"],
        ["a/dog.jpg", '"Where is the ""dog""?"', '"on grass, or\nsand"', ""],
        ["b/dog.jpg", "Where is the dog?", "", "it is damaged"],
        ["", "", "", ""],
    ]
    content = "\ufeff" + "".join(f"{delimiter.join(row)}\r\n" for row in rows)
    answers, failed = matched(tmp_path, content, "results.csv")
    assert answers == {"7": "on grass, or\nsand"}
    assert failed == ["8"]
    content = f"question_id{delimiter}answer\n9{delimiter}sleeping\n"
    assert matched(tmp_path, content, "results.CSV") == ({"9": "sleeping"}, [])


def test_an_id_of_another_numbering_gives_way_to_the_question(tmp_path):
    item = {"id": 7, "image": "cat.png", "question": "What's the cat doing?"}
    assert matched(tmp_path, [{**item, "answer": "nap"}]) == ({"9": "nap"}, [])
    same = {"id": "7", "image": "x.jpg", "question": "where is the dog"}
    assert matched(tmp_path, [{**same, "answer": "mud"}]) == ({"7": "mud"}, [])


def test_the_same_question_twice_gets_the_same_answer(tmp_path):
    records = [ask("1", "a.jpg", "What?"), ask("2", "a.jpg", "what")]
    item = {"image": "a.jpg", "question": "What?", "answer": "cup"}
    answers = matched(tmp_path, [item, item], records=records)
    assert answers == ({"1": "cup", "2": "cup"}, [])


def test_an_answer_makes_up_for_an_error(tmp_path):
    items = [
        {"id": "7", "error": "x"},
        {"id": "7", "answer": ""},
        {"id": 8, "error": 1},
    ]
    assert matched(tmp_path, items) == ({"7": ""}, ["8"])


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (
            "[{",
            "r.json",
            r"r.json is not valid JSON: .*one object a line; CSV",
        ),
        ('{"id": 1, "answer": "x"}\n{', "r.jsonl", "line 2 is not valid JSON"),
        ("[1]", "r.json", r"entry 1: expected .*Received: 1$"),
        ([{"answer": "x"}], "r.json", 'entry 1: expected "question_id", or "image"'),
        (
            [{"question": "Is it?", "answer": "x"}],
            "r.json",
            'or "image" and "question"',
        ),
        ([{"question_id": True, "answer": "x"}], "r.json", "needs 'question_id': text"),
        ([{"question_id": 1}], "r.json", 'expected "answer" with a word'),
        ([{"question_id": 1, "answer": ["x"]}], "r.json", r'Received: .*\["x"\]'),
        ([{"question_id": 1, "answer": True}], "r.json", 'expected "answer"'),
        ([], "r.json", r"holds no answers \(0 records with errors\)"),
        ([{"id": 1, "error": "x"}], "r.json", r"\(1 records with errors\)"),
        ("", "r.csv", "r.csv is empty. It should hold answers"),
        ("id\n", "r.csv", "line 1 should name the columns question_id and answer"),
        ("image,answer\n", "r.csv", "Received: 'image, answer'"),
        ("id,answer,answer\n1,red,blue\n", "r.csv", "the column 'answer' 2 times"),
        ("[" * 100_000, "r.json", "not valid JSON: nested too deeply"),
        ('{"id": ' + "9" * 5000 + "}", "r.jsonl", "not valid JSON"),
        ("id,answer\n1,red,blue\n", "r.csv", "line 2 has 3 columns, line 1 has 2"),
        ('id,answer\n1,"red\n', "r.csv", "line 2 is not valid CSV"),
    ],
)
def test_bad_files(tmp_path, content, name, message):
    path = write(tmp_path, content, name)
    with pytest.raises(AppError, match=message):
        read_results(path)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(AppError, match=r"none.json cannot be read: No such file"):
        read_results(tmp_path / "none.json")
    path = tmp_path / "latin.csv"
    path.write_bytes(b"id,answer\n1,caf\xe9\n")
    with pytest.raises(AppError, match=r"latin.csv, line 2 is not UTF-8 text"):
        read_results(path)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"question_id": 5}, "entry 1: question 5 fits 0 of the 5 questions"),
        (
            {"image": "dog.jpg", "question": "Where is the dog?"},
            r"'Where is the dog\?' about dog.jpg fits 2 of the 5 .*such as 42000",
        ),
        ({"image": "a/dog.jpg", "question": "Why?"}, "fits 0 of the 5"),
        ({"image": "emu.jpg", "question": "Is it a bus?"}, "fits 0 of the 5"),
    ],
)
def test_answers_that_fit_no_question(tmp_path, item, message):
    with pytest.raises(AppError, match=message):
        matched(tmp_path, [{**item, "answer": "x"}])


def test_two_answers_to_a_question(tmp_path):
    items = [{"question_id": 7, "answer": "grass"}, {"question_id": 7, "answer": "mud"}]
    with pytest.raises(
        AppError, match="entry 2: question 7 has another answer already"
    ):
        matched(tmp_path, items)


def test_no_questions(tmp_path):
    with pytest.raises(AppError, match=r"fits 0 of the 0 questions.* such as none"):
        matched(tmp_path, [{"question_id": 7, "answer": "grass"}], records=[])
