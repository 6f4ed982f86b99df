"""The model that comes with the package: whole, small, and as good as it was."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.bundles import manifests
from shared.bundles.folder import check_bundle
from shared.bundles.manifests import COMMON, MANIFEST, locate
from shared.errors import AppError
from shared.vision.images import read_image
from vqa.answering.predict import SHIPPED, load_vqa
from vqa.answering.replies import Asked
from vqa.net.runtime_litert import FILES
from vqa.text.answers import normalize

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHIPPED.is_dir(), reason=f"{SHIPPED} is not there"),
]
ROOT = Path(__file__).parent.parent
EXAMPLES = sorted((ROOT / "examples").glob("*.jpg"))
EVERYDAY = ROOT / "benchmarks" / "everyday.jsonl"
FLICKR8K = ROOT.parent / "shared" / "data" / "flickr8k" / "images"
MB = 10**6
QUESTIONS = (
    "What is the man doing?",
    "what color is the shirt",
    "How many people are there?",
    "Is there a dog in the picture?",
    "What is the woman wearing?",
    "where is this?",
    "What animal is this?",
    "Is it snowing?",
    "What's he holding?",
    "Is the child running?",
)


@pytest.fixture(scope="module")
def answerer():
    return load_vqa(runtime="litert")


def test_it_is_whole_and_small():
    check_bundle(SHIPPED, "vqa")
    named = {
        MANIFEST,
        *json.loads((SHIPPED / "manifest.json").read_text())["files"],
    }
    files = [path for path in SHIPPED.rglob("*") if path.is_file()]
    there = {path.relative_to(SHIPPED).as_posix() for path in files}
    common = {locate(SHIPPED, name) for name in named - there}
    assert there < named and {path.parent for path in common} == {COMMON}
    assert named >= {*manifests.FILES, *FILES, "answers.txt"}
    assert sum(path.stat().st_size for path in files) <= 17 * MB
    assert sum(path.stat().st_size for path in common) <= 17 * MB


# A process in which nothing heavy can be imported, as where it is not installed.
ALONE = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if {{name, name.split(".")[0]}} & {{*{absent!r}}}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
from vqa.cli import main
sys.exit(main(sys.argv[1:]))
"""
HEAVY = (
    *("tensorflow", "keras", "h5py", "torch", "jax"),
    *("gradio", "nltk", "matplotlib", "pandas", "rich", "scipy"),
)


def ask_alone(*words, absent=HEAVY):
    done = subprocess.run(
        [sys.executable, "-c", ALONE.format(absent=absent), "ask", *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done


def test_it_answers_the_examples_where_nothing_heavy_is_installed(tmp_path):
    rows = [
        {"image": str(path), "question": question}
        for path in EXAMPLES
        for question in QUESTIONS
    ]
    file, output = tmp_path / "questions.jsonl", tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ask_alone("--batch", file, "-o", output, "--blind")
    found = list(map(json.loads, output.read_text("utf-8").splitlines()))
    assert [(one["image"], one["question"]) for one in found] == [
        (row["image"], row["question"]) for row in rows
    ]
    for one in found:
        for key in ("answers", "blind"):
            levels = [answer["confidence"] for answer in one[key]]
            assert len(levels) == 5
            assert levels == sorted(levels, reverse=True)
            assert 0 <= min(levels) <= max(levels) <= 1
    assert len({one["answers"][0]["answer"] for one in found}) >= 8
    # Of the twin, an answer does not depend on the photo; of the model, it does.
    for question in QUESTIONS:
        ours = [one for one in found if one["question"] == question]
        assert len({one["blind"][0]["answer"] for one in ours}) == 1
    assert len({one["answers"][0]["confidence"] for one in found}) > len(rows) // 2


def test_one_question_needs_nothing_heavy_nor_does_a_picture_of_attention(tmp_path):
    picture = tmp_path / "seen.png"
    words = (EXAMPLES[0], "how many people are there?", "--attention", picture)
    lines = ask_alone(*words, "--verbose").stdout.splitlines()
    assert len(lines) == 5
    assert all(0 <= float(line.split("\t")[1]) <= 1 for line in lines)
    assert read_image(picture).std() > 1
    lazy = "PIL.ImageDraw"  # 3 to 7 ms, with the rest of what only a picture needs
    assert ask_alone(*words[:2], absent=(*HEAVY, lazy)).stdout


def test_keras_and_litert_mostly_agree(answerer):
    other = load_vqa(runtime="keras")
    same = []
    for path in EXAMPLES:
        for question in QUESTIONS:
            one, two = (each.ask(path, question) for each in (answerer, other))
            same.append(one.answers[0].text == two.answers[0].text)
    assert len(same) == len(EXAMPLES) * len(QUESTIONS)
    assert sum(same) >= 0.8 * len(same)


def test_kinds_of_questions_get_kinds_of_answers(answerer):
    for path in EXAMPLES:
        for question, possible in (
            ("Is there a dog?", {"yes", "no"}),
            ("Is the man wearing a hat?", {"yes", "no"}),
            ("How many people are there?", set(map(str, range(21)))),
        ):
            best = answerer.ask(path, question).answers[0].text
            assert best in possible, (path.name, question)


def test_a_choice_is_kept_to(answerer):
    for path in EXAMPLES:
        reply = answerer.ask(path, "what color is it?", choices=["red", "green"])
        assert {answer.text for answer in reply.answers} == {"red", "green"}
        assert sum(answer.confidence for answer in reply.answers) == pytest.approx(1)


def test_it_says_what_it_does_not_know(answerer):
    (note,) = answerer.ask(EXAMPLES[0], "what color is the theremin?").notes
    assert "does not know the word 'theremin'" in note
    notes = answerer.ask(EXAMPLES[0], "what is the man waering?").notes
    assert "it knows wearing" in " ".join(notes)
    assert not answerer.ask(EXAMPLES[0], "what color is the shirt?").notes


@pytest.mark.parametrize("question", ["", "  ", "?!"])
def test_an_empty_question_is_refused(answerer, question):
    with pytest.raises(AppError, match="has no word in it"):
        answerer.ask(EXAMPLES[0], question)


@pytest.mark.skipif(not FLICKR8K.is_dir(), reason=f"{FLICKR8K} is not there")
def test_it_answers_everyday_questions_better_than_without_the_photo(answerer):
    photos = {}
    for line in EVERYDAY.read_text("utf-8").splitlines():
        row = json.loads(line)
        photos.setdefault(FLICKR8K / row["image"], []).append(row)
    items = [
        (path, [Asked(row["question"]) for row in rows])
        for path, rows in photos.items()
    ]
    seen = blind = count = 0
    for path, replies in answerer.ask_all(items, blind=True):
        for row, reply in zip(photos[path], replies, strict=True):
            accepted = set(map(normalize, row["answers"]))
            seen += reply.answers[0].text in accepted
            blind += reply.guesses[0].text in accepted
            count += 1
    assert count == 808
    assert seen / count > 0.45
    assert seen / count > blind / count + 0.1
