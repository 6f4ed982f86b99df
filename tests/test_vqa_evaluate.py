import json
from pathlib import Path

import pytest
from conftest import VQA_VOCABULARY, fake_answerer
from PIL import Image

from shared.errors import AppError
from vqa.cli import main
from vqa.data import Record, read_dataset, select_all
from vqa.jobs import evaluate
from vqa.jobs.evaluate import (
    ask_records,
    check_wups,
    read_references,
    score_records,
    score_results,
)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for i in range(3):
        Image.new("L", (20, 10), 10 * i).save(f"{i}.png")


def record(photo, question, *answers, id_, **more):
    image = Path(f"{photo}.png")
    return Record(image.name, image, question, answers, "dev", str(id_), **more)


def run(capsys, *words):
    status = main(list(words))
    out, err = capsys.readouterr()
    return status, out, err


def test_answers_stand_beside_those_without_the_photo():
    answerer = fake_answerer()
    asked = [("0", "is it red?"), ("1", "is it red?"), ("0", "how many?")]
    replies = [answerer.ask(f"{p}.png", q, blind=True) for p, q in asked]
    records = [
        record(photo, question, reply.answer, id_=i)
        for i, ((photo, question), reply) in enumerate(zip(asked, replies, strict=True))
    ]
    answerer.runtime.looks = 0
    steps = []
    found = ask_records(answerer, records, steps.append)
    assert (answerer.runtime.looks, steps) == (2, [2, 3])
    assert [entry["id"] for entry in found] == ["0", "1", "2"]
    assert [entry["answer"] for entry in found] == [reply.answer for reply in replies]
    result = score_records(found, records)
    score = result.report.scores["exact match"]
    right = [reply.guesses[0].text == reply.answer for reply in replies]
    assert score.value == 100
    assert score.blind == pytest.approx(100 * sum(right) / 3)
    assert (result.unsure, result.when_sure) == (0, None)
    assert str(result) == str(result.report)


def test_an_answer_counts_though_the_model_is_not_sure():
    """Confidence is 0.65 everywhere; the threshold is set between two temperatures."""
    answerer = fake_answerer(answering={"unsure": 0.9})
    best = answerer.ask("0.png", "is it red?").answers[0].text
    records = [
        record(0, "is it red?", best, id_=1),
        record(1, "how many?", "no", id_=2),
    ]
    found = ask_records(answerer, records)
    assert all(entry["unsure"] for entry in found)
    assert found[0]["answer"] == best
    result = score_records(found, records)
    assert result.report.scores["exact match"].value >= 50
    assert (result.unsure, result.when_sure) == (2, None)
    assert "not sure of 2 answers; the other 0.0 %" in str(result)
    del found[0]["unsure"]
    result = score_records(found, records)
    assert (result.unsure, result.when_sure) == (1, 100)
    assert "not sure of 1 answers; the other 50.0 %, scores 100.00" in str(result)


def test_what_it_is_sure_of_is_scored_as_the_whole_set_is():
    """One question of a single answer is all that it is sure of."""
    people = ["yes"] * 6 + ["no"] * 4
    records = [record(0, f"is it {i}?", *people, id_=i) for i in range(3)]
    records.append(record(1, "is it red?", "yes", id_=9))

    def found(unsure):
        return [
            {"answers": [{"answer": "yes"}], "blind": [{"answer": "no"}]}
            | ({"unsure": True} if number in unsure else {})
            for number in range(4)
        ]

    result = score_records(found({0, 1, 2}), records)
    assert result.report.questions == result.unsure == 3
    assert result.when_sure is None
    result = score_records(found({0, 3}), records)
    assert (result.unsure, result.when_sure) == (1, 100)
    assert "the other 66.7 %, scores 100.00" in str(result)


def test_photos_that_cannot_be_read_are_left_out():
    Path("1.png").write_bytes(b"")
    records = [record(i, "is it red?", "yes", id_=i) for i in (0, 1, 7)]
    found = ask_records(fake_answerer(), records)
    result = score_records(found, records)
    assert result.report.questions == 1
    assert result.broken == [
        ("1.png", "the file is empty."),
        ("7.png", "there is no such file."),
    ]
    text = str(result)
    assert "warning: photos that cannot be read, their questions left out: 2" in text
    assert "    7.png: there is no such file." in text
    with pytest.raises(AppError, match=r"None of the 2 photos can be read, such as 1"):
        score_records(found[1:], records[1:])


def test_choices_are_chosen_among_and_hopeless_ones_are_wrong():
    answerer = fake_answerer(objective="choices")
    records = [
        record(
            *(0, "what color is it?"),
            id_=i,
            choices=choices,
            right=right,
            question_type="what color",
        )
        for i, (choices, right) in enumerate(
            [(("red", "blue"), 0), (("plugh", "xyzzy"), 0), (("blue", "red"), 0)]
        )
    ]
    red, blue = (VQA_VOCABULARY.ids[word] for word in ("red", "blue"))
    found = ask_records(answerer, records)
    likeliest = "blue" if blue > red else "red"
    assert [entry.get("answer") for entry in found] == [likeliest, None, likeliest]
    assert found[1]["refused"]
    result = score_records(found, records)
    score = result.report.scores["multiple choice"]
    assert score.value == pytest.approx(100 / 3)
    assert score.blind == pytest.approx(100 / 3)
    assert "cannot be asked, counted as wrong: 1" in str(result)


def test_boxes_are_shares_of_the_upright_photo():
    """The widest box is chosen; the photos are 20 wide and 10 high."""
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter: upright it is 10 wide and 20 high
    Image.new("L", (20, 10)).save("turned.jpg", exif=exif)
    seen = []
    answerer = fake_answerer(objective="boxes")
    encode = answerer.runtime.encode_boxes

    def spy(features, boxes):
        seen.append(boxes.tolist())
        return encode(features, boxes)

    answerer.runtime.encode_boxes = spy
    boxes = ((0.0, 0.0, 5.0, 10.0), (0.0, 0.0, 10.0, 5.0))
    records = [
        record(0, "what is it?", id_="a", boxes=boxes, right=1),
        Record(
            *("turned.jpg", Path("turned.jpg"), "what is it?", (), "dev", "b"),
            boxes=boxes,
            right=0,
        ),
        record(7, "what is it?", id_="c", boxes=boxes, right=1),
        record(1, "what is it?", id_="d", boxes=((30.0, 0.0, 40.0, 5.0),), right=0),
    ]
    found = ask_records(answerer, records)
    assert seen == [
        [[0, 0, 0.25, 1], [0, 0, 0.5, 0.5]],
        [[0, 0, 0.5, 0.5], [0, 0, 1, 0.25]],
    ]
    assert [entry.get("answer") for entry in found] == ["1", "1", None, None]
    result = score_records(found, records)
    assert result.report.scores["multiple choice"].value == pytest.approx(100 / 3)
    assert [name for name, _ in result.broken] == ["7.png"]
    assert [name for name, _ in result.refused] == ["d"]


def test_a_model_for_other_questions_is_refused_before_photos_are_looked_at():
    answerer = fake_answerer(objective="choices")
    records = [record(i, "is it red?", "yes", id_=i) for i in range(3)]
    with pytest.raises(AppError, match="chooses among answers that come with"):
        ask_records(answerer, records)
    assert answerer.runtime.looks == 0


def test_wups_is_refused_before_the_work(monkeypatch):
    def fail(*_):
        raise AppError("WordNet is not there")

    with monkeypatch.context() as patch:
        patch.setattr(evaluate, "wu_palmer", fail)
        with pytest.raises(AppError, match="WordNet is not there"):
            check_wups([record(0, "is it?", "yes", id_=1)])
    monkeypatch.setattr(evaluate, "wu_palmer", lambda *_: 1.0)
    check_wups([record(0, "is it?", "yes", id_=1)])
    chosen = record(0, "is it?", id_=1, choices=("yes", "no"), right=0)
    with pytest.raises(AppError, match="scored by multiple choice"):
        check_wups([chosen])


def write_data(name="data.jsonl", photos=3):
    rows = [
        {"image": f"{i % photos}.png", "question": q, "answer": a, "split": "dev"}
        for i in range(photos)
        for q, a in (("is it red?", "yes"), ("how many?", "2"))
    ]
    Path(name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_what_evaluate_writes_scores_the_same_again(capsys, monkeypatch):
    answerer = fake_answerer(answering={"unsure": 0.99})
    monkeypatch.setattr("vqa.answering.predict.load_vqa", lambda *_, **__: answerer)
    write_data()
    words = ["--data", "data.jsonl", "--split", "dev", "-o"]
    for name in ("a.jsonl", "a.csv", "a.json"):
        status, out, _ = run(capsys, "evaluate", *words, name)
        assert status == 0
        assert "blind" in out
        table = [line.split() for line in out.splitlines()]
        value = next(row for row in table if row[:2] == ["exact", "match"])[2]
        status, scored, _ = run(capsys, "score", name, "data.jsonl")
        assert status == 0
        again = [line.split() for line in scored.splitlines()]
        assert next(r for r in again if r[:2] == ["exact", "match"])[2] == value
    status, _, err = run(capsys, "evaluate", *words, "a.csv")
    assert (status, err) == (
        1,
        "error: a.csv exists. Add --overwrite to replace it.\n",
    )
    status, out, _ = run(
        capsys, "score", "a.jsonl", "data.jsonl", "--blind", "a.csv", "--split", "dev"
    )
    assert "+0.00" in out
    status, _, err = run(capsys, "score", "a.jsonl", "data.jsonl", "--split", "test")
    assert status == 1
    assert "no questions with answers in split 'test'" in err


def test_references_need_no_photos():
    write_data()
    with_photos = read_references("data.jsonl")
    for photo in Path().glob("*.png"):
        photo.unlink()
    with pytest.raises(AppError, match="None of the photos"):
        read_dataset("data.jsonl")
    without = read_references("data.jsonl", "dev")
    assert [r.id for r in without] == [r.id for r in with_photos]
    assert [r.answers for r in without] == [r.answers for r in with_photos]
    with pytest.raises(AppError, match="no folder or file"):
        read_references("nothing.jsonl")


def test_failed_answers_are_left_out_of_a_score():
    write_data()
    references = read_references("data.jsonl")
    rows = [{"id": r.id, "answer": r.answers[0]} for r in references]
    rows[0] = {"id": references[0].id, "error": "gone."}
    Path("a.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    report, left_out = score_results(Path("a.jsonl"), references)
    assert left_out == [references[0].id]
    assert (report.questions, report.scores["exact match"].value) == (5, 100)
    Path("b.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows[2:]))
    with pytest.raises(AppError, match="Questions without answers: 2"):
        score_results(Path("b.jsonl"), references)


def test_answers_are_compared_with_others_of_the_same_questions(capsys):
    write_data(photos=20)
    references = read_references("data.jsonl")
    for name, wrong in (("a.jsonl", 30), ("b.jsonl", 20), ("blind.jsonl", 40)):
        rows = [
            {"id": r.id, "answer": "?" if place >= wrong else r.answers[0]}
            for place, r in enumerate(references)
        ]
        Path(name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    words = ["score", "a.jsonl", "data.jsonl", "--against", "b.jsonl"]
    status, out, _ = run(capsys, *words, "--blind", "blind.jsonl")
    assert status == 0
    assert "exact match  +25.0 (+5.0 to +45.0), p = 0.06" in out
    assert "gain over blind: -25.0 (" in out
    report, _ = score_results(Path("a.jsonl"), references, against=Path("b.jsonl"))
    saved = json.loads(json.dumps(report.to_dict()))
    found = saved["differences"]["exact match"]
    assert found["value"] == pytest.approx(25)
    # Five of ten pairs of questions differ: all right, or all wrong, is 1 of 16.
    assert found["p"] == pytest.approx(2 / 2**5, abs=0.01)
    assert "tallies" not in saved


def official(start="v2_", words=("train", "val"), with_questions=True, below=""):
    """Write the official files; questions 0 and 1 are train's, 10 and 11 val's."""
    folder = Path(below)
    folder.mkdir(parents=True, exist_ok=True)
    for word, ids in (("train", (0, 1)), ("val", (10, 11))):
        if word not in words:
            continue
        name = f"mscoco_{word}2014"
        people = [{"answer": "yes", "answer_id": i} for i in range(6)]
        people += [{"answer": "no", "answer_id": i} for i in range(6, 10)]
        said = {"question_type": "is it", "answer_type": "yes/no", "answers": people}
        annotations = [said | {"question_id": i, "image_id": i} for i in ids]
        path = folder / f"{start}{name}_annotations.json"
        path.write_text(json.dumps({"annotations": annotations}))
        asked = [{"question_id": i, "image_id": i, "question": f"{i}?"} for i in ids]
        if with_questions:
            path = folder / f"{start}OpenEnded_{name}_questions.json"
            path.write_text(json.dumps({"questions": asked}))


def results(ids, answer="yes", name="results.json"):
    entries = [{"question_id": i, "answer": answer} for i in ids]
    Path(name).write_text(json.dumps(entries))


@pytest.mark.parametrize("with_questions", [True, False])
@pytest.mark.parametrize("start", ["", "v2_"])
@pytest.mark.parametrize("named", ["annotations", "questions"])
def test_a_file_of_the_official_layout_is_read_alone(
    capsys, with_questions, start, named
):
    official(start, with_questions=with_questions or named == "questions", below="x")
    results([10, 11])
    kind = "" if named == "annotations" else "OpenEnded_"
    file = f"x/{start}{kind}mscoco_val2014_{named}.json"
    status, out, err = run(capsys, "score", "results.json", file)
    assert (status, err) == (0, "")
    assert "VQA accuracy" in out
    assert "2 questions about 2 photos" in out


def test_questions_and_answers_in_folders_of_their_own(capsys):
    official(below="Questions")
    Path("Annotations").mkdir()
    for file in Path("Questions").glob("*annotations.json"):
        file.rename(Path("Annotations") / file.name)
    results([10])
    file = "Annotations/v2_mscoco_val2014_annotations.json"
    status, out, _ = run(capsys, "score", "results.json", file, "--subset")
    assert status == 0
    assert "questions that the results do not name, left out: 1" in out


def test_what_is_missing_is_said_with_what_to_do(capsys):
    official()
    results([10, 11])
    status, _, err = run(capsys, "score", "results.json", ".")
    assert status == 1
    assert "Questions without answers: 2 of 4 (0, 1)" in err
    assert "all of split train, and the others have answers: add --split dev" in err
    assert run(capsys, "score", "results.json", ".", "--split", "dev")[0] == 0
    file = "v2_mscoco_val2014_annotations.json"
    results([11])
    status, _, err = run(capsys, "score", "results.json", file)
    assert "1 of 2 (10). Add --subset to score only the 1 that have one." in err
    status, out, _ = run(capsys, "score", "results.json", file, "--subset")
    assert status == 0
    assert "1 question about 1 photo" in out
    assert "warning: questions that the results do not name, left out: 1" in out
    results([10, 11], name="blind.json")
    more = ("--blind", "blind.json", "--subset")
    status, out, _ = run(capsys, "score", "results.json", file, *more)
    assert (status, "+0.00" in out) == (0, True)
    results([10, 11, 0])
    status, _, err = run(capsys, "score", "results.json", file, "--subset")
    assert "question 0 fits 0 of the 2 questions to score" in err


def test_answers_alone_are_nothing_to_train_on():
    official(with_questions=False)
    with pytest.raises(AppError, match=r"no question in words. Put the file of"):
        read_dataset("v2_mscoco_val2014_annotations.json")


def test_other_named_files_are_read_alone_unless_another_split_is_asked(capsys):
    header = "image,question,answer\n"
    Path("train.csv").write_text(f"{header}0.png,a?,x\n")
    Path("val.csv").write_text(f"{header}1.png,b?,y\n")
    assert [r.split for r in read_references("train.csv")] == ["train"]
    assert [r.answers for r in read_references("train.csv", "dev")] == [("y",)]
    assert [r.split for r in read_references(".")] == ["train", "dev"]


def write_test_split(more=()):
    """Write VQA's questions of its test split, which has no answers."""
    Path("test2015").mkdir()
    asked = [(130, "is it red?"), (0, "how many?"), *more]
    questions = [
        {"question_id": i, "image_id": i // 10, "question": q} for i, q in asked
    ]
    for i in {i // 10 for i, _ in asked[:2]}:
        Image.new("L", (20, 10), i).save(f"test2015/COCO_test2015_{i:012}.png")
    file = Path("v2_OpenEnded_mscoco_test2015_questions.json")
    file.write_text(json.dumps({"questions": questions}))
    return str(file)


def test_a_split_without_answers_is_answered_for_an_evaluation_server(
    capsys, monkeypatch
):
    answerer = fake_answerer()
    monkeypatch.setattr("vqa.answering.predict.load_vqa", lambda *_, **__: answerer)
    data = write_test_split(more=[(990, "is it red?"), (7, "?!")])
    words = ("evaluate", "--data", data, "--split", "test")
    status, out, err = run(capsys, *words)
    assert (status, out) == (1, "")
    assert "come without answers" in err
    assert "-o results.json" in err
    status, out, _ = run(capsys, *words, "-o", "results.json")
    assert status == 0
    assert "4 questions of split test, answered in results.json; no score" in out
    assert "questions without an answer, written as empty ones: 2" in out
    entries = json.loads(Path("results.json").read_text())
    assert [set(entry) for entry in entries] == [{"question_id", "answer"}] * 4
    assert [entry["question_id"] for entry in entries] == [130, 0, 990, 7]
    said = [bool(entry["answer"]) for entry in entries]
    assert said == [True, True, False, False]
    status, out, _ = run(capsys, *words, "-o", "all.jsonl")
    assert status == 0
    lines = [json.loads(line) for line in Path("all.jsonl").read_text().splitlines()]
    assert ["error" in line for line in lines] == [False, False, True, True]
    with pytest.raises(AppError, match="no questions in split 'train'"):
        select_all(read_dataset(data), "train")


def test_a_split_with_a_few_answers_is_answered_wholly_and_scored(capsys, monkeypatch):
    answerer = fake_answerer()
    monkeypatch.setattr("vqa.answering.predict.load_vqa", lambda *_, **__: answerer)
    rows = [
        {"image": f"{i}.png", "question": "is it red?", "split": "dev"} for i in (0, 1)
    ]
    Path("qa.json").write_text(json.dumps([rows[0] | {"answer": "yes"}, rows[1]]))
    words = ("evaluate", "--data", "qa.json", "--split", "dev")
    status, out, _ = run(capsys, *words, "-o", "results.json")
    assert status == 0
    assert "warning: questions that nobody answered, left out: 1" in out
    assert len(json.loads(Path("results.json").read_text())) == 2
    status, out, _ = run(capsys, *words)
    assert status == 0
    assert "left out" not in out
