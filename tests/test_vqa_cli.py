import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import (
    draw,
    fake_answerer,
    tiny_vqa_config,
    tiny_vqa_model,
    write_tiny_vqa,
)
from PIL import Image

from shared.files.locks import hold
from vqa.answering.predict import SHIPPED
from vqa.cli import main
from vqa.data import read_dataset
from vqa.training.shapes import write_asked_shapes

ROOT = Path(__file__).parent.parent


class Fake:
    """Stands in for loading a model; remembers what it was asked for."""

    def __init__(self):
        self.loads, self.answerer = [], fake_answerer(answering={})

    def load_vqa(self, model=None, *, runtime=None):
        self.loads.append((model, runtime))
        return self.answerer


@pytest.fixture
def fake(tmp_path, monkeypatch):
    fake = Fake()
    monkeypatch.setattr("vqa.answering.predict.load_vqa", fake.load_vqa)
    monkeypatch.setattr(
        "shared.bundles.runtimes.why_not_litert", lambda *_: "no reason."
    )
    monkeypatch.chdir(tmp_path)
    return fake


def run(capsys, *words):
    status = main(list(words))
    out, err = capsys.readouterr()
    return status, out.splitlines(), err.splitlines()


def test_the_first_line_is_the_best_answer(capsys, fake):
    draw("a.png")
    status, out, err = run(capsys, "ask", "a.png", "What color is it?")
    assert (status, err) == (0, [])
    best, *others = (line.split("\t") for line in out)
    assert best == ["2", "0.65"]  # e^2 / (e^2 + 4)
    assert [answer for answer, _ in others] == ["yes", "no", "red", "blue hat"]
    assert {confidence for _, confidence in others} == {"0.09"}
    assert fake.loads == [(None, None)]


def test_options_of_one_question(capsys, fake):
    draw("a.png")
    words = ["--top", "2", "--blind", "--model", "m", "--runtime", "keras", "-v"]
    status, out, err = run(capsys, "ask", "a.png", "what color is it?", *words)
    assert status == 0
    assert out[:2] == ["2\t0.65", "yes\t0.09"]
    assert out[2:4] == ["", "without the photo:"]
    assert len(out) == 6
    assert err[0] == "runtime: fake"
    assert err[1].startswith("answered in ")
    assert fake.loads == [(Path("m"), "keras")]
    run(capsys, "ask", "a.png", "what?", "-v")
    assert fake.loads[-1] == (None, None)


def test_a_question_needs_no_quotes(capsys, fake):
    draw("a.png")
    quoted = run(capsys, "ask", "a.png", "what color is the dog's hat?")
    assert (
        run(capsys, "ask", "a.png", *["what", "color", "is", "the", "dog's", "hat"])
        == quoted
    )


@pytest.mark.parametrize(
    "words",
    [
        ["--choices", "red", "blue", "dark blue"],
        ["--choices", "red", "--choices", "blue", "--choices", "dark blue"],
        ["--choices=red", "blue", "dark blue"],
        ["--choices", "red", "blue", "--top", "9", "--choices", "dark blue"],
    ],
)
def test_choices_are_words_up_to_the_next_option(words, capsys, fake):
    draw("a.png")
    _, out, _ = run(capsys, "ask", "a.png", "what color is it?", *words)
    assert sorted(line.split("\t")[0] for line in out) == ["blue", "dark blue", "red"]


def test_choices_may_come_first_and_be_numbers(capsys, fake):
    draw("a.png")
    numbers = ["--choices", "-1", "2", "2.5"]
    status, out, err = run(capsys, "ask", "a.png", "how many?", *numbers)
    assert (status, out[-1].split("\t")[0]) == (0, "2")  # it knows that alone
    assert "knows no word of the choice '-1'" in err[0]
    first = ["--choices", "2", "red", "--", "a.png", "how many?"]
    status, out, _ = run(capsys, "ask", *first)
    assert (status, len(out)) == (0, 2)


def test_notes_say_what_was_not_understood(capsys, fake):
    draw("a.png")
    status, out, err = run(capsys, "ask", "a.png", "what color is the doog?")
    assert (status, len(out)) == (0, 5)
    assert err == ["note: The model does not know the word 'doog'; it knows dog."]


def test_not_sure_comes_before_the_best_guess(capsys, fake):
    fake.answerer = fake_answerer(answering={"unsure": 0.9})
    draw("a.png")
    _, out, _ = run(capsys, "ask", "a.png", "what color is it?")
    assert out[:3] == ["not sure\t0.65", "2\t0.65", "yes\t0.09"]


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ("", "has no word in it"),
        ("\u2753\U0001f436", "has no word in it"),
        ("?" * 3, "has no word in it"),
        ("is it " * 1000, "has 6000 letters; at most 2000"),
    ],
)
def test_hopeless_questions_are_refused_before_a_model_is_loaded(
    question, message, capsys, fake
):
    draw("a.png")
    status, out, err = run(capsys, "ask", "a.png", question)
    assert (status, out, len(err)) == (1, [], 1)
    assert err[0].startswith("error: ")
    assert message in err[0]
    assert not fake.loads


@pytest.mark.parametrize(
    "question",
    [
        "is it \U0001f436 red?",
        "Welche Farbe hat der Hund?",
        "狗是什么颜色",
        "is it " * 250,
    ],
)
def test_odd_questions_are_answered_with_a_note(question, capsys, fake):
    draw("a.png")
    status, out, err = run(capsys, "ask", "a.png", question)
    assert (status, len(out)) == (0, 5)
    assert err or question.endswith("red?")
    assert all(line.startswith("note: ") for line in err)


def test_photos_that_are_none(capsys, fake):
    status, _, err = run(capsys, "ask", "no.png", "is it red?")
    assert (status, err) == (1, ["error: no.png: there is no such file."])
    assert run(capsys, "ask", ".", "is it red?")[2] == [
        "error: .: this is a folder, not an image file."
    ]
    assert run(capsys, "ask", "x" * 5000, "is it red?")[0] == 1
    assert not fake.loads
    Path("b.jpg").write_bytes(b"hello")
    status, out, err = run(capsys, "ask", "b.jpg", "is it red?")
    assert (status, out) == (1, [])
    assert "b.jpg: this is not an image that can be read" in err[0]


@pytest.mark.parametrize(
    "words",
    [
        "ask",
        "ask a.png",
        "ask a.png what --top 0",
        "ask a.png what --choices",
        "ask a.png what --choices --top 3",
        "ask a.png what --choices red",
        "ask a.png what --choices red red",
        "ask a.png what -o out.jsonl",
        "ask a.png what --resume",
        "ask a.png b.png what color",
        "ask --batch q.jsonl a.png",
        "ask --batch q.jsonl --choices red blue",
        "ask --batch q.jsonl --attention a.png",
        "ask --batch q.jsonl --resume",
        "ask --batch q.jsonl -o a.jsonl --resume --overwrite",
        "ask a.png what --nonsense",
        "train --data x --out y",
        "evaluate --data x --split everything",
        "score a.jsonl",
        "export b --format onnx --data d",
        "questions x",
        "nonsense",
    ],
)
def test_a_wrong_command_line_is_status_2(words, capsys, fake):
    draw("a.png")
    status, out, err = run(capsys, *words.split())
    assert (status, out) == (2, [])
    assert err[0].startswith("Usage: vqa")
    assert not fake.loads


def test_several_questions_at_once_are_told_of_batch(capsys, fake):
    status, _, err = run(capsys, "ask", "a.png", "is it red?", "is it blue?")
    assert status == 2
    assert "one question at a time" in " ".join(err)
    err = run(capsys, "ask", "a.png", "b.jpg", "is it red?")[2]
    assert "one photo at a time" in " ".join(err)


def test_attention_is_drawn(capsys, fake):
    fake.answerer = fake_answerer(hops=2)
    draw("a.png")
    words = ["ask", "a.png", "what color is it?", "--attention"]
    status, out, err = run(capsys, *words, "seen.png")
    assert (status, len(out), err) == (0, 5, [])
    with Image.open("seen.png") as picture:
        assert picture.width > 4 * 420  # the photo, two looks and their mean
    status, _, err = run(capsys, *words, "seen.png")
    assert (status, err) == (
        1,
        ["error: seen.png exists. Add --overwrite to replace it."],
    )
    assert run(capsys, *words, "seen.png", "--overwrite")[0] == 0
    assert "Accepted are .png" in run(capsys, *words, "seen.txt")[2][0]
    assert "there is no folder" in run(capsys, *words, "no/seen.png")[2][0]
    fake.answerer = fake_answerer(hops=0)
    status, out, err = run(capsys, *words, "other.png")
    assert (status, out) == (1, [])
    assert "no attention to draw" in err[0]
    assert sorted(p.name for p in Path().iterdir()) == ["a.png", "seen.png"]


def test_two_runs_do_not_draw_into_one_picture(capsys, fake):
    fake.answerer = fake_answerer(hops=2)
    draw("a.png")
    words = ["ask", "a.png", "what color is it?", "--attention", "seen.png"]
    with hold(Path("seen.png"), "another run"):
        for more in ([], ["--overwrite"]):
            status, out, err = run(capsys, *words, *more)
            assert (status, out) == (1, [])
            assert "seen.png is in use by another run: process" in err[0]
    assert run(capsys, *words)[0] == 0
    assert sorted(p.name for p in Path().iterdir()) == ["a.png", "seen.png"]


def test_a_picture_that_cannot_be_drawn_leaves_the_old_one(capsys, fake, monkeypatch):
    fake.answerer = fake_answerer(hops=2)
    draw("a.png")
    Path("old").mkdir()
    Path("old/seen.png").write_bytes(b"old")
    Path("seen.png").symlink_to("old/seen.png")
    words = ["ask", "a.png", "what color is it?", "--attention", "seen.png"]

    def fail(image, path, form):
        Path(path).write_bytes(b"ha")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", fail)
        status, _, err = run(capsys, *words, "--overwrite")
    assert (status, Path("seen.png").read_bytes()) == (1, b"old")
    assert "seen.png cannot be written: No space left on device" in err[-1]
    assert run(capsys, *words, "--overwrite")[0] == 0
    with Image.open("old/seen.png") as picture:  # a link stays one
        assert (picture.format, Path("seen.png").is_symlink()) == ("PNG", True)
    assert [p.name for p in Path("old").iterdir()] == ["seen.png"]


def ask_file(*rows, name="q.jsonl"):
    Path(name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def test_a_batch_is_printed_in_order(capsys, fake):
    draw("a.png", "b.png")
    ask_file(
        {"image": "a.png", "question": "what color is it?"},
        {"image": "b.png", "question": "is\tit\nred?"},
        {"image": "no.png", "question": "is it red?"},
        {"image": "a.png", "question": "is it red?", "choices": ["yes", "no"]},
        {"image": "a.png", "question": "is it zzz?"},
    )
    status, out, err = run(capsys, "ask", "--batch", "q.jsonl")
    assert status == 1
    assert [line.split("\t")[:2] for line in out] == [
        ["a.png", "what color is it?"],
        ["b.png", r"is\tit\nred?"],
        ["a.png", "is it red?"],
        ["a.png", "is it zzz?"],
    ]
    assert out[0].split("\t")[2:] == ["2", "0.65"]
    assert out[2].split("\t")[2] in ("yes", "no")
    assert err == [
        "error: no.png: there is no such file.",
        "note: a.png: The model does not know the word 'zzz'.",
        *["4 answers, 1 error"],
    ]
    assert fake.answerer.runtime.looks == 2


@pytest.mark.parametrize("target", ["a.jsonl", "a.csv", "a.json"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--top 3", "--top 5, now --top 3"),
        ("--blind", "--blind False, now --blind True"),
        ("--runtime litert", "--runtime keras, now --runtime litert"),
    ],
)
def test_a_batch_goes_on_with_the_same_settings_alone(
    target, options, message, capsys, fake
):
    draw("a.png", "b.png")
    rows = [{"image": name, "question": "is it?", "id": name} for name in "abc"]
    for row in rows:
        row["image"] += ".png"
    Path("q.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    words = ["ask", "--batch", "q.jsonl", "-o", target]
    assert run(capsys, *words)[0] == 1  # c.png is missing
    fake.loads.clear()
    status, _, err = run(capsys, *words, "--resume", *options.split())
    assert (status, fake.loads) == (1, [])
    assert message in err[-1]
    status, _, err = run(capsys, *words, "--resume")
    assert (status, fake.loads, err[-1]) == (1, [], "2 answers, 1 error")
    draw("c.png")
    assert run(capsys, *words, "--resume")[0] == 0
    assert "error" not in Path(target).read_text().replace("error,id", "")


def test_a_batch_that_cannot_be_read_loads_no_model(capsys, fake):
    for text, message in (
        ('{"image": "a.png"}', "line 1 needs 'question'"),
        ('{"question": "what?"}', "line 1 needs 'image'"),
        ("[1]", "line 1 needs"),
        ("{", "line 1 is not valid JSON"),
        ("", "is empty"),
        ('{"image": "a", "question": "b", "choices": "c"}', "'choices': list"),
        ('{"image": "a", "question": "b", "id": [1]}', "'id': text or number"),
    ):
        Path("q.jsonl").write_text(text)
        status, out, err = run(capsys, "ask", "--batch", "q.jsonl")
        assert (status, out, len(err)) == (1, [], 1)
        assert message in err[0]
    assert "cannot be read" in run(capsys, "ask", "--batch", "no.jsonl")[2][0]
    assert "are read from .csv" in run(capsys, "ask", "--batch", "q.txt")[2][0]
    assert not fake.loads


def test_version_and_help(capsys):
    status, out, _ = run(capsys, "--version")
    assert (status, out[0].split()[0]) == (0, "vqa")
    status, out, _ = run(capsys, "--help")
    commands = ["ask", "questions", "data", "train", "evaluate", "export", "score"]
    assert status == 0
    assert all(any(f"  {name} " in line for line in out) for name in commands)


@pytest.mark.slow
def test_help_imports_nothing_heavy():
    script = (
        "import sys; from vqa.cli import main; main(['ask', '--help']);"
        "print([m for m in ('numpy', 'keras', 'tensorflow', 'nltk', 'PIL', 'rich',"
        " 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_data_set_is_checked(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_asked_shapes(tmp_path / "shapes", 12)
    status, out, _ = run(capsys, "data", "shapes")
    assert (status, out[-1]) == (0, "no problems found, but 2 warnings")
    (tmp_path / "shapes/3.png").write_bytes(b"")
    status, out, _ = run(capsys, "data", "shapes")
    assert status == 1
    assert any("3.png" in line for line in out)
    assert run(capsys, "data", "no")[0] == 1


def test_shapes_are_drawn_for_a_first_try(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, "data", "--draw", "shapes")
    assert (status, out) == (0, ["shapes"])
    assert "vqa train --config vqa-tiny --data shapes" in err[-1]
    status, out, _ = run(capsys, "data", "shapes", "--min-count", "1")
    assert (status, out[-1]) == (0, "no problems found")
    records = read_dataset("shapes")
    assert len(records) == 4 * len({record.name for record in records}) > 400
    for question in ("What color", "What shape", "Is it"):
        asked = [r.answers for r in records if r.question.startswith(question)]
        counts = Counter(asked).values()
        assert len(counts) > 1 and max(counts) == min(counts)  # nothing to guess by
    assert run(capsys, "data", "--draw", "shapes")[0] == 1
    assert run(capsys, "data")[0] == run(capsys, "data", "x", "--draw", "y")[0] == 2


def test_questions_are_made(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    calls = []

    def write(source, out, labelled):
        calls.append((source, out, labelled))
        return "12 questions"

    monkeypatch.setattr("vqa.questions.writing.write_questions", write)
    status, out, _ = run(capsys, "questions", "photos", "-o", "q.jsonl")
    assert (status, out) == (0, ["12 questions"])
    run(capsys, "questions", "photos", "-o", "r.jsonl", "--labels")
    out = [Path("q.jsonl"), Path("r.jsonl")]
    assert calls == [("photos", out[0], False), ("photos", out[1], True)]
    Path("q.jsonl").write_text("")
    assert "--overwrite" in run(capsys, "questions", "photos", "-o", "q.jsonl")[2][0]
    assert "Accepted are .jsonl" in run(capsys, "questions", "p", "-o", "q.csv")[2][0]


@pytest.mark.slow
def test_train_and_export_get_their_options(capsys, tmp_path, monkeypatch):
    import vqa.jobs.export
    import vqa.training.train

    calls = []

    def train(*words, announce, tick, **options):
        calls.append((words, options))
        announce("a sentence")
        tick("joint", 0, 1, 2, 0.5)
        return Path("r/bundle")

    monkeypatch.setattr(vqa.training.train, "train", train)
    words = "train --config vqa-tiny --data d --out r --from included --cache c"
    status, out, err = run(capsys, *words.split())
    assert (status, out, err[0]) == (0, ["r/bundle"], "a sentence")
    assert err[-1].endswith("vqa export r/bundle --format litert --data d")
    own = {"encoder_weights": None, "from_bundle": SHIPPED, "cache": Path("c")}
    own |= {"concepts": None, "texts": (), "captions": ()}
    own |= {"devices": 1, "precision": None}
    assert calls == [(("vqa-tiny", ["d"], Path("r")), own)]
    words += " --data e --concepts c --texts t --texts u --captions v"
    run(capsys, *words.split())
    assert calls[-1][0][1] == ["d", "e"]
    found = {name: calls[-1][1][name] for name in ("concepts", "texts", "captions")}
    assert found == {"concepts": Path("c"), "texts": ["t", "u"], "captions": ["v"]}

    def export(*words, announce, **options):
        calls.append((words, options))

    monkeypatch.setattr(vqa.jobs.export, "export", export)
    status, out, _ = run(capsys, *["export", "b", "--format", "litert", "--data", "d"])
    assert (status, out) == (0, ["b/litert"])
    assert calls[-1][0][0] == Path("b")
    assert calls[-1][1] == {"precision": "auto", "max_loss": 1.0}


def test_a_missing_bundle_says_what_to_do(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw("a.png")
    status, out, err = run(capsys, "ask", "a.png", "is it red?", "--model", "none")
    assert (status, out, len(err)) == (1, [], 1)
    assert "No trained model in none" in err[0]


@pytest.mark.slow
def test_a_bundle_answers_by_keras(capsys, tmp_path, monkeypatch, small_net):
    monkeypatch.chdir(tmp_path)
    config = tiny_vqa_config()
    write_tiny_vqa(tmp_path / "b", config, tiny_vqa_model(config))
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (40, 40, 3), np.uint8)).save("a.png")
    words = ["what color is it?", "--model", "b", "--runtime", "keras"]
    status, out, err = run(capsys, "ask", "a.png", *words, "--attention", "seen.png")
    assert (status, err) == (0, [])
    assert len(out) == 5
    assert abs(sum(float(line.split("\t")[1]) for line in out) - 1) < 0.03
    assert Path("seen.png").stat().st_size > 1000
    ask_file({"image": "a.png", "question": "what color is it?"})
    status, line, _ = run(capsys, "ask", "--batch", "q.jsonl", *words[1:])
    assert line[0].split("\t")[2:] == out[0].split("\t")


def test_standard_streams_may_be_closed(monkeypatch, fake):
    draw("a.png")
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert main(["ask", "a.png", "is it red?"]) == 0
