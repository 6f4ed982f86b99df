"""Answers in the forms of evaluation servers, written and scored."""

import json
from pathlib import Path

import pytest
from conftest import fake_answerer, write_files

from shared.errors import AppError
from vqa.cli import main
from vqa.data import Record
from vqa.files.results import read_results
from vqa.files.servers import name_settings

TEN = ["red"] * 10
CHOICES = ["blue", "red", "green"]


def gqa(word, answer=None):
    asked = {"imageId": "7", "question": "is it red?"} | (
        {"answer": answer} if answer else {}
    )
    return {f"{word}_balanced_questions.json": {"00": asked, "201": asked}}


def aokvqa(word, right=None, answers=TEN):
    said = {"correct_choice_idx": right, "direct_answers": answers}
    rows = [
        {"image_id": 7, "question_id": id_, "question": "what color is it?"}
        | {"choices": CHOICES} | (said if right is not None else {})
        for id_ in ("22MexNk", "7")
    ]  # fmt: skip
    return {f"aokvqa_v1p0_{word}.json": rows, "000000000007.jpg": None}


def vizwiz(word, answers=None):
    said = {"answers": [{"answer": a} for a in answers]} if answers else {}
    names = [f"VizWiz_{word}_0000000{i}.jpg" for i in (1, 2)]
    rows = [{"image": name, "question": "What is it?"} | said for name in names]
    return {f"{word}.json": rows} | {f"{word}/{name}": None for name in names}


@pytest.fixture(autouse=True)
def answerer(tmp_path, monkeypatch):
    model = fake_answerer()
    monkeypatch.setattr("vqa.answering.predict.load_vqa", lambda *_, **__: model)
    monkeypatch.chdir(tmp_path)
    return model


def run(capsys, *words):
    status = main(list(words))
    out, err = capsys.readouterr()
    return status, out, err


def evaluate(capsys, files, *more, split="test"):
    write_files(Path("d"), files | {"7.jpg": None})
    words = ("evaluate", "--data", "d", "--split", split, "-o", "r.json", *more)
    assert run(capsys, *words)[0] == 0
    return json.loads(Path("r.json").read_text())


def test_gqa(capsys):
    answered = evaluate(capsys, gqa("test"))
    assert [list(entry) for entry in answered] == [["questionId", "prediction"]] * 2
    assert [entry["questionId"] for entry in answered] == ["00", "201"]
    assert all(entry["prediction"] for entry in answered)
    write_files(Path("v"), gqa("val", answered[0]["prediction"]))
    status, out, _ = run(capsys, "score", "r.json", "v/val_balanced_questions.json")
    assert (status, "exact match       100.00" in out) == (0, True)


def test_vizwiz(capsys):
    names = [f"VizWiz_test_0000000{i}.jpg" for i in (1, 2)]
    answered = evaluate(capsys, vizwiz("test"))
    assert [list(entry) for entry in answered] == [["image", "answer"]] * 2
    assert [entry["image"] for entry in answered] == names
    said = [{"image": f"VizWiz_val_0000000{i}.jpg", "answer": "red"} for i in (2, 1)]
    write_files(Path(), vizwiz("val", TEN) | {"v.json": said})
    status, out, _ = run(capsys, "score", "v.json", "val.json")
    assert (status, "100.00" in out) == (0, True)


def test_aokvqa_is_asked_both_ways_about_a_photo_that_is_looked_at_once(
    capsys, answerer
):
    answered = evaluate(capsys, aokvqa("test"))
    assert list(answered) == ["22MexNk", "7"]
    assert all(said["multiple_choice"] in CHOICES for said in answered.values())
    assert all(said["direct_answer"] for said in answered.values())
    assert answerer.runtime.looks == 1


@pytest.mark.parametrize(
    ("options", "said", "score"),
    [
        ([], {"multiple_choice": "red", "direct_answer": "blue"}, "100.00"),
        (["--direct"], {"multiple_choice": "blue", "direct_answer": "red"}, "100.00"),
        (["--direct"], {"direct_answer": "blue"}, "0.00"),
        ([], "red", "100.00"),  # a file for each setting
        (["--direct"], "red", "100.00"),
    ],
)
def test_aokvqa_is_scored_in_the_setting_that_is_meant(capsys, options, said, score):
    write_files(Path(), aokvqa("val", 1) | {"r.json": {"22MexNk": said, "7": said}})
    status, out, _ = run(capsys, "score", "r.json", "aokvqa_v1p0_val.json", *options)
    assert status == 0
    assert f" {score}" in out
    assert ("multiple choice" in out) == (not options)


@pytest.mark.parametrize(
    ("options", "said", "advice"),
    [
        (
            [],
            {"direct_answer": "red"},
            "'direct_answer', which is scored with --direct",
        ),
        (["--direct"], {"multiple_choice": "red"}, "is scored without --direct"),
        ([], 3.5, "fits 0 of"),
        ([], ["red"], 'expected "answer" with a word'),
        ([], {"answer": None}, 'expected "answer" with a word'),
    ],
)
def test_other_objects_are_refused(capsys, options, said, advice):
    write_files(Path(), aokvqa("val", 1) | {"r.json": {"other": said, "7": "red"}})
    words = ("score", "r.json", "aokvqa_v1p0_val.json", *options)
    status, _, err = run(capsys, *words)
    assert (status, advice in err) == (1, True)


def test_any_set_can_be_written_for_any_server(capsys):
    answered = evaluate(capsys, gqa("val", "red"), "--server", "vqa", split="dev")
    assert [entry["question_id"] for entry in answered] == ["00", 201]
    Path("r.json").unlink()
    answered = evaluate(capsys, {}, "--server", "aokvqa", split="dev")
    assert [list(said) for said in answered.values()] == [["direct_answer"]] * 2


def test_a_batch_is_written_for_a_server(capsys):
    rows = [
        {"image": "7.jpg", "question": "is it red?", "id": 1, "choices": CHOICES},
        {"image": "8.jpg", "question": "is it red?", "id": "b"},
        {"image": "gone.jpg", "question": "is it red?", "id": 3},
    ]
    lines = "\n".join(map(json.dumps, rows))
    write_files(Path(), {"q.jsonl": lines, "7.jpg": None, "8.jpg": None})

    def ask(server, *more):
        Path("r.json").unlink(missing_ok=True)
        words = ("ask", "--batch", "q.jsonl", "-o", "r.json", "--server", server)
        status = run(capsys, *words, *more)[0]
        return status, Path("r.json").exists() and json.loads(
            Path("r.json").read_text()
        )

    status, said = ask("aokvqa")
    assert status == 1  # a photo is missing
    assert said.keys() == {"1", "b"}
    assert said["1"]["multiple_choice"] in CHOICES
    assert list(said["b"]) == ["direct_answer"]
    assert [e["questionId"] for e in ask("gqa", "--overwrite")[1]] == ["1", "b"]
    assert [e["image"] for e in ask("vizwiz", "--overwrite")[1]] == ["7.jpg", "8.jpg"]
    words = ("ask", "--batch", "q.jsonl", "-o", "r.json", "--server", "gqa", "--resume")
    status, _, err = run(capsys, *words)
    assert (status, "server" in err) == (1, True)


def test_vizwiz_tells_questions_by_their_photos(capsys):
    rows = [{"image": "7.jpg", "question": q, "id": q} for q in ("is it?", "what?")]
    lines = "\n".join(map(json.dumps, rows))
    write_files(Path(), {"q.jsonl": lines, "7.jpg": None})
    words = ("ask", "--batch", "q.jsonl", "-o", "r.json", "--server", "vizwiz")
    status, _, err = run(capsys, *words)
    assert status == 1
    assert "tells questions by their photo alone, and the one about 7.jpg" in err


@pytest.mark.parametrize("more", [[], ["-o", "r.jsonl"], ["-o", "r.csv"]])
def test_a_server_takes_json_alone(capsys, more):
    write_files(Path(), {"q.jsonl": '{"image": "7.jpg", "question": "?"}'})
    for words in (("ask", "--batch", "q.jsonl"), ("evaluate", "--data", "x")):
        words += ("--split", "test") if words[0] == "evaluate" else ()
        status, _, err = run(capsys, *words, *more, "--server", "gqa")
        assert status == 2
        assert "--server needs an --output that ends in .json" in " ".join(err.split())


def test_a_choice_that_is_missing_is_the_first(capsys):
    empty = {"id": "1", "answers": [{"answer": ""}]}
    failed = {"id": "1", "error": "gone."}
    (said,) = name_settings([empty], [CHOICES], [failed])
    assert (said["multiple_choice"], "direct_answer" in said) == ("blue", False)
    other = {"id": "2", "answers": [{"answer": "x"}]}
    said = name_settings([empty, other], [CHOICES, ()], [failed, other])
    assert [one["direct_answer"] for one in said] == ["", "x"]


@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_of_answers_may_be_on_one_line_or_several(indent):
    Path("r.json").write_text(json.dumps({"1": "red", "b": "blue"}, indent=indent))
    assert [(r.id, r.answer) for r in read_results(Path("r.json"))] == [
        ("1", "red"),
        ("b", "blue"),
    ]
    lines = [{"id": i, "answer": "red"} for i in (1, 2)]
    Path("r.json").write_text('{"question": "is it?", "answer": "red"}')
    with pytest.raises(AppError, match='line 1: expected "question_id", or "image"'):
        read_results(Path("r.json"))
    for some in (lines, lines[:1]):
        Path("r.json").write_text("\n".join(map(json.dumps, some)))
        assert [r.id for r in read_results(Path("r.json"))] == ["1", "2"][: len(some)]


def test_an_answer_without_question_needs_a_photo_of_one_question(capsys):
    asked = [
        Record("a.jpg", Path("a.jpg"), question, ("red",), "dev", str(i))
        for i, question in enumerate(("What?", "Who?"))
    ]
    rows = [{"image": r.name, "question": r.question, "answer": "x"} for r in asked]
    write_files(Path(), {"qa.json": rows, "a.jpg": None})
    Path("r.json").write_text('[{"image": "a.jpg", "answer": "red"}]')
    status, _, err = run(capsys, "score", "r.json", "qa.json")
    assert status == 1
    assert "the question about a.jpg fits 2 of the 2 questions to score" in err
