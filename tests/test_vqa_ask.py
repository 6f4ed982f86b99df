import json
import random
from pathlib import Path

import pytest
from conftest import fake_answerer
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shared.files.jobs import Job
from vqa.files.inputs import Question, by_photo, read_questions
from vqa.files.outputs import open_output
from vqa.jobs import ask as asking
from vqa.jobs.ask import Asking

ASKED = ["what color is it?", "is it red?", "how many?", "is the hat blue?"]


@pytest.fixture
def answerer(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answerer = fake_answerer()
    monkeypatch.setattr("vqa.answering.predict.load_vqa", lambda *_, **__: answerer)
    return answerer


def output(path, questions, **rules):
    return open_output(Path(path), questions, dict, **rules)


def read_records(name="a.jsonl"):
    lines = Path(name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def draw(count):
    for i in range(count):
        Image.new("L", (16, 12), i).save(f"{i}.png")


def shuffled(photos, each):
    """Questions about photos in any order; the photo 3.png cannot be read."""
    rows = [(i, k) for i in range(photos) for k in range(each)]
    random.Random(0).shuffle(rows)
    Path("q.jsonl").write_text(
        "".join(
            json.dumps({"image": f"{i}.png", "question": ASKED[k % 4], "id": k}) + "\n"
            for i, k in rows
        )
    )
    return read_questions(Path("q.jsonl"))


def test_each_photo_is_looked_at_once_wherever_its_questions_stand(answerer, capsys):
    draw(9)
    questions = shuffled(9, 8)
    job = Job(questions, Asking(), output("a.jsonl", questions))
    job.run()
    assert (job.done, job.errors) == (72, 0)
    assert answerer.runtime.looks == 9
    records = read_records()
    for question, record in zip(questions, records, strict=True):
        alone = answerer.ask(question.path, question.question)
        assert record == {
            "image": question.image,
            "question": question.question,
            "id": question.id,
            "answer": alone.answer,
            "confidence": round(alone.confidence, 4),
            "answers": [
                {"answer": a.text, "confidence": round(a.confidence, 4)}
                for a in alone.answers
            ],
        }
    assert capsys.readouterr() == ("", "")


def test_a_photo_by_two_names_is_looked_at_once(answerer, tmp_path):
    draw(1)
    names = ["0.png", "./0.png", str(tmp_path / "0.png"), "x/../0.png"]
    rows = [Question(name, Path(name), "is it red?") for name in names]
    Path("x").mkdir()
    Job(rows, Asking(), output("a.jsonl", rows)).run()
    assert answerer.runtime.looks == 1
    records = read_records()
    assert [record["image"] for record in records] == names


@pytest.mark.parametrize("target", ["a.jsonl", "a.csv", "a.json"])
@pytest.mark.parametrize("stop", [0, 1, 17, 30, 39])
def test_an_interrupted_run_goes_on(target, stop, answerer, capsys, monkeypatch):
    draw(6)
    Path("3.png").write_bytes(b"")
    questions = shuffled(6, 8)
    questions = [q._replace(id=i) for i, q in enumerate(questions)]

    def job(path, **rules):
        return Job(questions, Asking(blind=True), output(path, questions, **rules))

    whole = job(f"whole_{target}")
    whole.run()
    assert whole.errors == 8
    answerer.runtime.stop, answerer.runtime.error = stop, KeyboardInterrupt()
    capsys.readouterr()
    broken = job(target)
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    err = capsys.readouterr().err
    assert ("are kept in" in err) == bool(broken.done)
    answerer.runtime.stop = None
    again = job(target, resume=True)
    again.run()
    assert (again.done, again.errors) == (48, 8)
    assert Path(target).read_bytes() == Path(f"whole_{target}").read_bytes()
    assert sorted(p.name for p in Path().glob("[!.]*") if "a." in p.name) == [
        target,
        f"whole_{target}",
    ]


def test_a_finished_run_loads_no_model(answerer, capsys, monkeypatch):
    draw(2)
    questions = shuffled(2, 2)
    for name in ("a.jsonl", "a.csv"):
        Job(questions, Asking(), output(name, questions)).run()
    monkeypatch.setattr("vqa.answering.predict.load_vqa", None)
    for name in ("a.jsonl", "a.csv"):
        Job(questions, Asking(), output(name, questions, resume=True)).run()
    assert "a.csv is finished already" in capsys.readouterr().err


def test_what_is_answered_before_is_asked_again_with_its_photo():
    """Fewer questions about a photo may change the last digits of an answer."""
    paths = [Path(f"{name}.png") for name in "abacb"]
    questions = [Question(str(path), path, "?") for path in paths]
    every = [[0, 2], [1, 4], [3]]
    assert list(by_photo(questions, {*range(5)}, 9)) == every
    assert list(by_photo(questions, {*range(2, len(questions))}, 9)) == every
    assert list(by_photo(questions, {3, 4}, 9)) == [[1, 4], [3]]
    assert list(by_photo(questions, set(), 9)) == []
    assert list(by_photo(questions * 2, {*range(10)}, 2)) == [
        [0, 2],
        [1, 4],
        [3, 8],
        [5, 7],
        [6, 9],
    ]


@given(st.lists(st.sampled_from("abcde"), max_size=30), st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_answers_wait_no_longer_than_for_the_next_photo(names, most):
    questions = [Question(name, Path(name), "?") for name in names]
    for first in (0, len(names) // 2):
        done = set()
        lists = list(by_photo(questions, {*range(first, len(names))}, most))
        for i, places in enumerate(lists):
            assert len({names[place] for place in places}) == 1
            assert 1 <= len(places) <= most
            done |= set(places)
            following = lists[i + 1][0] if i + 1 < len(lists) else len(names)
            assert set(range(first, following)) <= done


def test_many_questions_about_one_photo(answerer, monkeypatch):
    draw(1)
    monkeypatch.setattr(asking, "TOGETHER", 7)
    questions = [Question("0.png", Path("0.png"), ASKED[i % 4]) for i in range(30)]
    Job(questions, Asking(), output("a.jsonl", questions)).run()
    assert answerer.runtime.looks == 5
    records = read_records()
    assert [record["question"] for record in records] == [q.question for q in questions]


def test_errors_are_records_and_said_once(answerer, capsys):
    draw(1)
    rows = [
        Question("no.png", Path("no.png"), "is it red?"),
        Question("0.png", Path("0.png"), ""),
        Question("0.png", Path("0.png"), "is it red?", ("red", "red")),
        Question("0.png", Path("0.png"), "is it red?", ("plugh", "xyzzy")),
        Question("no.png", Path("no.png"), "is it blue?"),
        Question("0.png", Path("0.png"), "is it red?"),
        Question("", Path(), "is it red?"),
        Question("a\0b", Path("a\0b"), "is it red?"),
        Question("\ud83d.png", Path("\ud83d.png"), "is it \ud83d?"),
        Question("https://x/a.png", Path("https://x/a.png"), "is it red?"),
    ]
    job = Job(rows, Asking(), output("a.jsonl", rows))
    job.run()
    assert job.errors == 9
    records = read_records()
    assert [sorted(record) for record in records if "error" in record] == [
        ["error", "image", "question"]
    ] * 9
    assert records[0]["error"] == "there is no such file."
    assert "has no word" in records[1]["error"]
    assert "two different choices" in records[2]["error"]
    assert "no word of the choices 'plugh', 'xyzzy'" in records[3]["error"]
    err = capsys.readouterr().err.splitlines()
    assert len([line for line in err if "no.png" in line]) == 1
    assert records[-1]["error"].startswith("this is an address, and nothing is")
    assert err[-1] == "1 answer, 9 errors"
    job = Job(rows, Asking())
    job.run()  # prints them, whatever the terminal can show
    assert "\\ud83d.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("q.jsonl", '{"image": "a.png", "question": "is it?"}\r\n'),
        ("q.json", '[{"image": "a.png", "question": "is it?"}]'),
        ("q.csv", "image,question\na.png,is it?\n"),
        ("q.tsv", "image\tquestion\na.png\tis it?\n"),
    ],
)
def test_a_byte_order_mark_hides_no_question(name, text, tmp_path):
    (tmp_path / name).write_text(f"\ufeff{text}", encoding="utf-8")
    (question,) = read_questions(tmp_path / name)
    assert (question.image, question.question) == ("a.png", "is it?")


def test_questions_are_read_from_csv(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for name in ("in/a.png", "a.png", "b.png"):
        Path(name).touch()
    Path("in/q.csv").write_text(
        "\ufeffimage;question;choices;id\n"
        'a.png;"red; or blue?";red|dark blue;7\n'
        "b.png;;;\n"
        "c.png;is it?;;x\n",
        encoding="utf-8",
    )
    assert read_questions(Path("in/q.csv")) == [
        Question("a.png", Path("in/a.png"), "red; or blue?", ("red", "dark blue"), "7"),
        Question("b.png", Path("b.png"), ""),
        Question("c.png", Path("c.png"), "is it?", (), "x"),
    ]
    Path("in/q.json").write_text(
        '[{"image": "a.png", "question": "is it?", "question_id": 3, '
        '"choices": [1, 2]}]'
    )
    assert read_questions(Path("in/q.json")) == [
        Question("a.png", Path("in/a.png"), "is it?", ("1", "2"), 3)
    ]
