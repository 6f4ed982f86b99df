"""What `captioner caption` does with an output that it, or another, began."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from test_captioner_cli import draw, fake, run  # noqa: F401

from shared.files.journal import Journal

ROOT = Path(__file__).parents[1]
TARGETS = ["out.jsonl", "out.csv", "out.json", "out.html"]


@pytest.mark.parametrize(
    ("target", "stop"), [*zip(TARGETS, (1, None, 1, None), strict=True)]
)
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--num-captions 2", "--num-captions 1, now --num-captions 2"),
        ("--beam-size 5", "--beam-size 3, now --beam-size 5"),
        ("--max-words 5", "--max-words 6, now --max-words 5"),
        ("--prefix a", '--prefix "", now --prefix a'),
        ("--runtime keras", "--runtime litert, now --runtime keras"),
        ("--sample --seed 1", "--method beam, now --method sample"),
    ],
)
def test_other_settings_are_refused(target, stop, options, message, capsys, fake):  # noqa: F811
    draw("a.png", "b.png", "c.png")
    words = ["a.png", "b.png", "c.png", "--batch-size", "1", "-o", target]
    fake.stop, fake.error = stop, KeyboardInterrupt()
    run(capsys, *words)
    fake.stop = None
    before = {p.name: p.read_bytes() for p in Path().iterdir()}
    status, _, err = run(capsys, *words, "--resume", *options.split())
    assert status == 1
    assert message in err[-1]
    assert before == {p.name: p.read_bytes() for p in Path().iterdir()}
    assert run(capsys, *words, "--resume")[0] == 0


@pytest.mark.parametrize("target", TARGETS)
def test_a_finished_file_with_errors_stays_one(target, capsys, fake):  # noqa: F811
    draw("a.png", "c.png")
    Path("b.png").write_bytes(b"")
    words = ["a.png", "b.png", "c.png", "-o", target]
    assert run(capsys, *words)[0] == 1
    before = Path(target).read_bytes()
    fake.loads.clear()
    status, _, err = run(capsys, *words, "--resume")
    assert (status, fake.loads, Path(target).read_bytes()) == (1, [], before)
    assert f"{target} is finished already" in "\n".join(err)
    assert err[-1] == "2 captions, 1 error"
    draw("b.png", "d.png", level=50)  # mended, and another one
    status, _, err = run(capsys, *words, "d.png", "--resume")
    assert (status, len(fake.loads)) == (0, 1)
    text = Path(target).read_text()
    assert "a photo of 50" in text
    assert "a photo of 51" in text
    assert [text.index(n) for n in ("a.png", "b.png", "c.png", "d.png")] == sorted(
        text.index(n) for n in ("a.png", "b.png", "c.png", "d.png")
    )


@pytest.mark.parametrize("output", [[], ["-o", "out.csv"]])
def test_a_sidecar_that_cannot_be_written_is_one_error(output, capsys, fake):  # noqa: F811
    draw("a.png", "b.png", "c.png")
    Path("b.txt").mkdir()
    words = ["a.png", "b.png", "c.png", "--sidecar", *output]
    for rules in ([], ["--resume"]):
        status, _, err = run(capsys, *words, *rules)
        assert status == 1
        assert err[-2] == "error: b.png: b.txt cannot be written: Is a directory."
        assert err[-1] == "2 captions, 1 error"
    assert Path("c.txt").read_text() == "a photo of 102\n"
    Path("b.txt").rmdir()
    assert run(capsys, *words, "--resume")[0] == 0
    assert Path("b.txt").read_text() == "a photo of 101\n"
    if output:
        with Path("out.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["image"] for row in rows] == ["a.png", "b.png", "c.png"]
        assert not any(row["error"] for row in rows)


def test_a_smaller_batch_goes_on_after_a_full_memory(capsys, fake):  # noqa: F811
    draw("a.png", "b.png", "c.png")
    words = ["a.png", "b.png", "c.png", "-o", "out.csv", "--resume", "--batch-size"]
    fake.stop, fake.error = 1, MemoryError()
    assert run(capsys, *words, "2")[0] == 1
    fake.stop = None
    status, _, err = run(capsys, *words, "1")
    assert (status, err) == (
        0,
        [
            "note: out.csv was begun 2 at a time, and goes on 1 at a time: last digits "
            "may differ"
        ],
    )


@pytest.mark.parametrize("target", TARGETS)
def test_a_folder_that_vanishes_is_an_error_and_nothing_else(
    target,
    capsys,
    fake,  # noqa: F811
    monkeypatch,
):
    draw("a.png", "b.png")
    Path("out").mkdir()
    append = Journal.append

    def vanish(journal, rows):
        append(journal, rows)
        shutil.rmtree("out")

    monkeypatch.setattr(Journal, "append", vanish)
    words = ["a.png", "b.png", "--batch-size", "1", "-o", f"out/{target}"]
    status, _, err = run(capsys, *words)
    assert status == 1
    err = [line for line in err if not line.startswith("note: ")]
    assert len(err) == 1  # above all, not that anything is kept
    assert err[0].startswith(f"error: out/{target}.partial.jsonl was deleted while")
    assert err[0].endswith("the 1 records in it are lost.")


def begin(*words, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "captioner", "caption", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        **options,
    )


@pytest.fixture
def photos(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("in").mkdir()
    for i, photo in enumerate(sorted((ROOT / "examples").glob("*.jpg")) * 4):
        shutil.copy(photo, f"in/{i}.jpg")
    Path("in/2.jpg").write_bytes(b"")
    return sorted(Path("in").iterdir())


def lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.slow
@pytest.mark.parametrize(("target", "moment"), [("out.csv", 6), ("out.html", 1)])
def test_kill_9_of_the_command(target, moment, photos):
    words = ["in", "--batch-size", "2", "--resume", "-o"]
    begin(*words, f"whole_{target}").communicate()
    process = begin(*words, target)
    while lines(Path(f"{target}.partial.jsonl")) < moment and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    process = begin(*words, target)
    err = process.communicate()[1].decode().splitlines()
    assert (process.returncode, err[-1]) == (1, f"{len(photos) - 1} captions, 1 error")
    assert Path(target).read_bytes() == Path(f"whole_{target}").read_bytes()
    assert {p.name for p in Path().iterdir()} == {
        *("in", target, f"whole_{target}"),
        *(f".{target}.journal", f".whole_{target}.journal"),
    }


@pytest.mark.slow
@pytest.mark.parametrize("words", [["-o", "out.jsonl"], ["--sidecar"]])
def test_two_processes_on_one_output(words, photos):
    Path("in/2.jpg").unlink()
    both = [begin("in", *words) for _ in range(2)]
    ends = [(process.communicate()[1].decode(), process.returncode) for process in both]
    assert sorted(status for _, status in ends) == [0, 1]
    (refused,) = (err for err, status in ends if status)
    assert "is in use by `captioner caption" in refused
    assert "Traceback" not in refused
    if words[-1] == "out.jsonl":
        records = map(json.loads, Path("out.jsonl").read_text().splitlines())
        assert len([record["caption"] for record in records]) == len(photos) - 1
    if words == ["--sidecar"]:
        assert len(list(Path("in").glob("*.txt"))) == len(photos) - 1


@pytest.mark.slow
def test_a_photo_replaced_between_kill_and_resume(photos):
    words = ["in", "--batch-size", "1", "-o", "out.jsonl"]
    process = begin(*words)
    while lines(Path("out.jsonl")) < 3 and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    process.communicate()
    Image.new("RGB", (64, 64), "red").save("in/0.jpg")
    begin(*words, "--resume").communicate()
    begin(*words[:-1], "whole.jsonl").communicate()
    assert Path("out.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("package", ["captioner", "vqa"])
def test_packages_are_commands(package):
    done = subprocess.run(
        [sys.executable, "-m", package, "--help"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0
    assert done.stdout.strip().startswith(f"Usage: {package} [OPTIONS] COMMAND")
