import io
import json
import os
import random
import re
import struct
import subprocess
import sys
import types
import zlib
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from conftest import draw
from PIL import Image

from captioner.cli import main
from captioner.files import formats
from captioner.jobs import caption as job
from captioner.search.config import DecodingConfig
from captioner.search.rules import make_rules
from shared.config import revise_config
from shared.errors import AppError
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary
from shared.vision.images import read_image

ROOT = Path(__file__).parent.parent


SHIPPED = ROOT / "captioner" / "bundle"
OWN = DecodingConfig(beam_size=3, max_words=6)
SAID = {"log_prob": -1.0, "confidence": 0.25, "unsure": None}  # of the best caption
WORDS = Vocabulary([*SPECIAL_WORDS, "a", "dog", "dogs", "cat", "on", "grass"])


class Caption(NamedTuple):
    text: str
    words: tuple[str, ...]
    log_prob: float
    probs: tuple[float, ...]
    attention: np.ndarray
    confidence: float = 0.25
    unsure: bool | None = None
    original: None = None


DOG = Caption("a dog", ("a", "dog"), -1.0, (0.5, 0.5), np.ones((2, 1)))


class FakeCaptioner:
    """Names the brightness of a photo; may be told to stop."""

    def __init__(self, fake, name, batch_size):
        self.config = types.SimpleNamespace(decoding=fake.own)
        self.runtime = types.SimpleNamespace(name=name)
        self.vocabulary, self.concept_words = WORDS, ()
        self.fake, self.batch_size = fake, batch_size
        self.stop, self.error = fake.stop, fake.error

    def request(self, **changes):
        decoding = revise_config(self.config.decoding, changes, "The request")
        return decoding, make_rules(decoding, WORDS)

    def caption_all(self, sources, **changes):
        decoding, _ = self.request(**changes)
        self.fake.changes.append(changes)
        return self._caption_all(iter(sources), decoding)

    def _caption_all(self, left, decoding):
        while batch := list(islice(left, self.batch_size)):
            if self.stop == 0:
                raise self.error
            self.stop = self.stop and self.stop - 1
            yield [(source, self.look(source, decoding)) for source in batch]

    def look(self, source, decoding):
        try:
            level = round(float(read_image(source, 8).mean()))
        except AppError as error:
            return error
        texts = [f"a photo of {level}", *(f"guess {i}" for i in range(1, 50))]
        found = []
        for i, text in enumerate(texts[: decoding.beam_size]):
            words = tuple(text.split())
            probs = tuple(1 / (t + 3) for t in range(len(words)))
            attention = np.full((len(words), 4), 1 / 4, np.float32)
            found.append(Caption(text, words, -1 - i / 3, probs, attention))
        return found


class Fake:
    """Stands in for `captioner.describing.predict`; remembers what it was asked for.

    Attributes:
        loads: model, runtime, batch size and changes of each model that was loaded.
        changes: those of each call of `caption_all`.
        own: how the bundle searches.
        reason: why LiteRT cannot run it.
        stop, error: batches before the error.
    """

    def __init__(self):
        self.loads, self.changes = [], []
        self.own, self.reason = OWN, ""
        self.stop, self.error = None, None

    def load_captioner(self, model=None, *, runtime=None, batch_size=8, **changes):
        self.loads.append((model, runtime, batch_size, changes))
        name = runtime or ("keras" if self.reason else "litert")
        return FakeCaptioner(self, name, batch_size)

    def module(self):
        module = types.ModuleType("captioner.describing.predict")
        module.SHIPPED = SHIPPED
        module.read_config = lambda folder: types.SimpleNamespace(decoding=self.own)
        module.load_captioner = self.load_captioner
        return module


@pytest.fixture(autouse=True)
def fake(tmp_path, monkeypatch):
    fake = Fake()
    monkeypatch.setitem(sys.modules, "captioner.describing.predict", fake.module())
    monkeypatch.setattr(
        "shared.bundles.runtimes.why_not_litert", lambda *_: fake.reason
    )
    monkeypatch.chdir(tmp_path)
    return fake


def run(capsys, *words):
    status = main(["caption", *words])
    out, err = capsys.readouterr()
    return status, out.splitlines(), err.splitlines()


def type_in(monkeypatch, data):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_two_files_in_the_order_given(capsys, fake):
    draw("b.png", "a.png")
    status, out, err = run(capsys, "b.png", "a.png")
    assert (status, err) == (0, [])
    assert out == ["b.png\ta photo of 100", "a.png\ta photo of 101"]
    assert fake.loads == [([SHIPPED], None, 8, {})]
    assert fake.changes == [{}]


def test_a_folder_is_in_natural_order_without_what_is_hidden(capsys):
    names = ["img10.png", "img2.png", "IMG1.PNG", "x²1.jpg", "._img2.png", ".h.jpg"]
    draw(*(f"in/{name}" for name in names), "in/deep/c.png")
    Path("in/notes.txt").write_text("hello")
    status, out, _ = run(capsys, "in/")
    assert status == 0
    assert [line.split("\t")[0] for line in out] == [
        "in/IMG1.PNG",
        "in/img2.png",
        "in/img10.png",
        "in/x²1.jpg",
    ]


def test_recursive_goes_through_folders_in_order(capsys):
    draw("in/10/a.png", "in/9/b.png", "in/9/deep/a.png", "in/.git/x.png", "in/z.png")
    _, out, _ = run(capsys, "in", "--recursive")
    assert [line.split("\t")[0] for line in out] == [
        "in/9/b.png",
        "in/9/deep/a.png",
        "in/10/a.png",
        "in/z.png",
    ]


def test_patterns_are_expanded_unless_a_file_has_that_name(capsys):
    draw("in/a2.png", "in/a10.png", "in/b.png", "a[1].png", "deep/x/y/c.png")
    _, out, _ = run(capsys, "in/a*.png", "a[1].png", "**/c.png")
    assert [line.split("\t")[0] for line in out] == [
        "in/a2.png",
        "in/a10.png",
        "a[1].png",
        "deep/x/y/c.png",
    ]
    status, _, err = run(capsys, "in/*.gif")
    assert (status, err) == (
        1,
        ["error: Nothing matches in/*.gif. Check the folder and the pattern."],
    )


def test_standard_input_lists_paths(capsys, monkeypatch):
    draw("ü 狗.png", "b.png", "in/c.png")
    type_in(monkeypatch, "\ufeffü 狗.png\r\n\nb.png\nin\n".encode())
    status, out, _ = run(capsys, "-")
    assert status == 0
    assert [line.split("\t")[0] for line in out] == ["ü 狗.png", "b.png", "in/c.png"]
    type_in(monkeypatch, b"\n")
    status, _, err = run(capsys, "-")
    assert status == 1
    assert "no paths on standard input" in err[0]


def seen(out):
    return [line.split("\t")[0] for line in out]


def test_lists_of_find_print0_hold_any_name(capsys, monkeypatch):
    names = ["a\nb.png", " c .png", "\ufeffd.png", "in/e.png"]
    draw(*names)
    type_in(monkeypatch, "".join(f"{name}\0" for name in names[:3]).encode() + b"in\0")
    status, out, _ = run(capsys, "-", "--null")
    assert (status, seen(out)) == (0, ["a\\nb.png", *names[1:]])
    assert main(["caption", "in", "-0"]) == 2
    assert "--null is about a list on standard input" in capsys.readouterr().err


def test_lists_of_powershell_are_read(capsys, monkeypatch):
    draw("ü 狗.png", "b.png")
    type_in(monkeypatch, "\ufeffü 狗.png\r\nb.png\r\n".encode("utf-16-le"))
    assert seen(run(capsys, "-")[1]) == ["ü 狗.png", "b.png"]


def test_linked_folders_are_followed_once(capsys):
    draw("in/real/a.png", "elsewhere/b.png", "elsewhere/deep/c.png")
    links = {
        "in/real/up": "in",  # loops
        "in/self": "in/self",
        "in/0": "in/real",  # two ways to one folder
        "in/link": "elsewhere",
        "in/twice": "elsewhere",
        "elsewhere/deep/back": "elsewhere",
    }
    for link, target in links.items():
        Path(link).symlink_to(Path(target).absolute())
    status, out, _ = run(capsys, "in", "-r")
    assert (status, seen(out)) == (
        0,
        ["in/link/b.png", "in/link/deep/c.png", "in/real/a.png"],
    )
    assert seen(run(capsys, "in/link")[1]) == ["in/link/b.png"]
    for pattern in ("in/**/*.png", "in/**", "./in/**/"):  # nor do patterns go round
        assert seen(run(capsys, pattern)[1]) == [
            "in/link/b.png",
            "in/link/deep/c.png",
            "in/real/a.png",
        ]
    assert seen(run(capsys, "**/real/**/a.png")[1]) == ["in/real/a.png"]


def test_small_copies_are_no_photos(capsys):
    folders = ["@eaDir", "#recycle", "__MACOSX", ".thumbnails", "Lib Previews.lrdata"]
    draw(*(f"in/{folder}/deep/x.jpg" for folder in folders), "in/Thumbnails/a.png")
    assert seen(run(capsys, "in", "-r")[1]) == ["in/Thumbnails/a.png"]
    assert seen(run(capsys, "in/@eaDir/deep")[1]) == ["in/@eaDir/deep/x.jpg"]


def test_folders_named_like_photos_are_folders(capsys):
    draw("in/album.jpg/a.png", "in/b.png")
    Path("in/empty.png").mkdir()
    assert run(capsys, "in")[::2] == (0, [])
    status, out, _ = run(capsys, "in", "-r")
    assert (status, seen(out)) == (0, ["in/album.jpg/a.png", "in/b.png"])
    assert seen(run(capsys, "in/album.jpg")[1]) == ["in/album.jpg/a.png"]
    assert "in/empty.png holds no photos" in run(capsys, "in/empty.png")[2][0]


@pytest.mark.parametrize(
    "address",
    ["https://example.org/a.jpg", "http://x/a.jpg?w=1&h=[2]", "ftp://x/y/", "AZ://b/*"],
)
def test_addresses_are_refused_with_the_reason(address, capsys, monkeypatch, fake):
    draw("a.png")
    for words in ([address], ["a.png", address], ["-"]):
        type_in(monkeypatch, f"a.png\n{address}\n".encode())
        status, out, err = run(capsys, *words)
        assert (status, out) == (1, [])
        assert err[0].startswith(f"error: {address}: this is an address, and nothing")
    assert not fake.loads
    draw("http:/a.png")
    assert seen(run(capsys, "http:/a.png")[1]) == ["http:/a.png"]


def test_each_photo_is_taken_once(capsys):
    draw("in/a.png")
    _, out, _ = run(capsys, "in", "in/a.png", "./in//a.png", "in/../in/a.png", "in/*")
    assert len(out) == 1


def test_no_photos_says_what_would_be_one(capsys, fake):
    draw("in/deep/a.png")
    Path("empty").mkdir()
    status, out, err = run(capsys, "in")
    assert (status, out) == (1, [])
    assert "in holds no photos (avif, bmp, gif," in err[0]
    assert err[0].endswith("but the folders in it do: add --recursive.")
    assert run(capsys, "empty")[2][0].endswith("webp).")
    assert run(capsys, "")[2] == [
        "error: One of the paths is empty. Give a photo or a folder."
    ]
    status, out, err = run(capsys, "empty", "in/deep")
    assert (status, len(out)) == (0, 1)
    assert err[0].startswith("note: empty holds no photos")
    assert len(fake.loads) == 1


def break_ten(folder):
    """Ten photos that are not what their names say; the last two can be read."""
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(whole, "JPEG")
    data = whole.getvalue()
    small = io.BytesIO()
    Image.new("1", (8, 8)).save(small, "PNG")
    header = b"IHDR" + struct.pack(">II", 40_000, 40_000) + small.getvalue()[24:29]
    end = header + struct.pack(">I", zlib.crc32(header)) + small.getvalue()[33:]
    files = {
        "empty.jpg": b"",
        "text.jpg": b"hello, I am no picture",
        "cut.jpg": data[: len(data) // 2],
        "head.jpg": data[:20],
        "bomb.png": small.getvalue()[:12] + end,
        "noise.webp": random.Random(0).randbytes(3000),
        "html.png": b"<html><body>404</body></html>",
        "png_as.jpg": (folder / "0.png").read_bytes(),
        "jpg_as.gif": data,
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "folder.jpg").mkdir()
    return ["missing.jpg"]


def test_a_thousand_photos_with_broken_ones_among_them(capsys, fake):
    draw(*(f"in/{i}.png" for i in range(990)), level=0)
    extra = break_ten(Path("in"))
    status, out, err = run(capsys, "in", *extra, "-o", "out.jsonl")
    assert (status, out) == (1, [])
    assert err[-1] == "992 captions, 8 errors"
    errors = [line for line in err if line.startswith("error: ")]
    assert len(errors) == len(err) - 1 == 8
    assert "error: in/empty.jpg: the file is empty." in errors
    assert "error: missing.jpg: there is no such file." in errors
    lines = Path("out.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    assert len(records) == 1000
    assert [r["image"] for r in records[:3]] == ["in/0.png", "in/1.png", "in/2.png"]
    assert {r["image"] for r in records if "error" in r} == {
        *(f"in/{n}.jpg" for n in ("empty", "text", "cut", "head")),
        *("in/bomb.png", "in/noise.webp", "in/html.png", "missing.jpg"),
    }
    assert records[5] == {
        "image": "in/5.png",
        "caption": "a photo of 5",
        **SAID,
        "captions": [{"caption": "a photo of 5", **SAID}],
    }
    assert len(fake.loads) == 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads all")
def test_an_unreadable_photo_and_folder(capsys):
    draw("a.png", "in/b.png")
    Path("a.png").chmod(0)
    Path("in").chmod(0)
    assert (
        run(capsys, "a.png")[2][0] == "error: a.png: no permission to read this file."
    )
    assert "in: the folder cannot be read" in run(capsys, "in")[2][0]
    Path("in").chmod(0o755)


def test_an_unreadable_folder_among_others_is_one_error(capsys, fake, monkeypatch):
    draw("in/a.png", "in/locked/b.png", "in/z/c.png")
    scan, allowed = os.scandir, os.access

    def refuse(path="."):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    def denied(path, mode, **options):
        return Path(path).name != "locked" and allowed(path, mode, **options)

    monkeypatch.setattr(os, "scandir", refuse)
    monkeypatch.setattr(os, "access", denied)
    status, _, err = run(capsys, "in", "-r", "-o", "out.jsonl")
    records = list(map(json.loads, Path("out.jsonl").read_text().splitlines()))
    assert [r["image"] for r in records] == ["in/a.png", "in/locked", "in/z/c.png"]
    assert records[1]["error"] == "no permission to read this folder."
    assert err[0] == "error: in/locked: no permission to read this folder."
    assert status == 1


def test_options_reach_the_model(capsys, fake):
    draw("a.png")
    options = "--model m --beam-size 5 --batch-size 2 --num-captions 2"
    _, out, _ = run(capsys, "a.png", *options.split())
    assert out == ["a.png\ta photo of 100", "a.png\tguess 1"]
    assert fake.loads == [((Path("m"),), None, 2, {})]
    assert fake.changes == [{"beam_size": 5}]


def test_more_captions_than_the_models_beam_widen_it(capsys, fake):
    draw("a.png")
    _, out, _ = run(capsys, "a.png", "--num-captions", "7")
    assert len(out) == 7
    assert len(fake.loads) == 1
    assert fake.changes == [{"beam_size": 7}]
    run(capsys, "a.png", "--num-captions", "2", "-o", "out.jsonl")
    captions = json.loads(Path("out.jsonl").read_text())["captions"]
    assert captions == [
        {"caption": "a photo of 100", **SAID},
        {"caption": "guess 1", **SAID, "log_prob": -1.3333},
    ]


@pytest.mark.parametrize(
    "words",
    [
        "caption a.png --beam-size 0",
        "caption a.png --beam-size 51",
        "caption a.png --beam-size many",
        "caption a.png --batch-size 0",
        "caption a.png --batch-size 513",
        "caption a.png --num-captions 0",
        "caption a.png --num-captions 4 --beam-size 3",
        "caption a.png --resume --overwrite",
        "caption a.png --resume",
        "caption a.png --resume --num-captions 2",
        "caption a.png --nonsense",
        "caption",
        "train --data x --out y",
        "evaluate --data x --split everything",
        "nonsense",
    ],
)
def test_a_wrong_command_line_is_status_2(words, capsys, fake):
    draw("a.png")
    assert main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: captioner")
    assert not fake.loads


@pytest.mark.parametrize("target", ["out.jsonl", "out.csv", "out.json", "out.html"])
@pytest.mark.parametrize("stop", [0, 1, 2, 3])
def test_ctrl_c_keeps_what_is_done(target, stop, capsys, fake):
    draw(*(f"in/{i}.png" for i in range(7)))
    Path("in/3.png").write_bytes(b"")
    words = ["in", "--batch-size", "2", "-o"]
    run(capsys, *words, f"whole_{target}")
    fake.stop, fake.error = stop, KeyboardInterrupt()
    status, _, err = run(capsys, *words, target)
    assert status == 130
    notes = [line for line in err if line.startswith("note: ") and "kept" in line]
    assert len(notes) == bool(stop)
    assert not stop or f"note: {2 * stop} of 7 photos are kept in {target}" in notes[0]
    fake.stop = None
    status, _, err = run(capsys, *words, target, "--resume")
    assert (status, err[-1]) == (1, "6 captions, 1 error")
    assert Path(target).read_bytes() == Path(f"whole_{target}").read_bytes()
    assert sorted(p.name for p in Path().glob("[!.]*") if "out" in p.name) == [
        target,
        f"whole_{target}",
    ]


def test_ctrl_c_while_the_file_is_written_keeps_the_journal(capsys, monkeypatch, fake):
    draw("a.png")

    def interrupt(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(formats.FORMATS, ".html", interrupt)
        status, _, err = run(capsys, "a.png", "-o", "o.html")
    assert status == 130
    assert err == [
        "note: 1 of 1 photos are kept in o.html.partial.jsonl; go on with --resume"
    ]
    assert [p.name for p in Path().glob("*o.html*")] == ["o.html.partial.jsonl"]
    fake.loads.clear()
    assert run(capsys, "a.png", "-o", "o.html", "--resume")[0] == 0
    assert not fake.loads
    assert sorted(p.name for p in Path().glob("*o.html*")) == [
        ".o.html.journal",
        "o.html",
    ]


def test_resume_of_a_finished_file_loads_no_model(capsys, fake):
    draw("a.png", "b.png")
    for target in ("out.jsonl", "out.csv"):
        run(capsys, "a.png", "b.png", "-o", target)
        before = Path(target).read_bytes()
        fake.loads.clear()
        assert run(capsys, "a.png", "b.png", "-o", target, "--resume")[0] == 0
        assert (fake.loads, Path(target).read_bytes()) == ([], before)


def test_refusals_come_before_the_model(capsys, fake):
    draw("a.png")
    Path("out.csv").write_text("mine")
    Path("a.txt").write_text("mine")
    assert "out.csv exists" in run(capsys, "a.png", "-o", "out.csv")[2][0]
    assert "Accepted are .jsonl" in run(capsys, "a.png", "-o", "out.xls")[2][0]
    assert "a.txt. Add --resume" in run(capsys, "a.png", "--sidecar")[2][0]
    assert not fake.loads
    assert run(capsys, "a.png", "-o", "out.csv", "--overwrite")[0] == 0
    assert Path("out.csv").read_text().endswith("a.png,a photo of 100,-1.0,0.25,,\n")


def test_a_model_that_cannot_be_loaded_costs_nothing(capsys, monkeypatch, fake):
    draw("a.png")

    def refuse(*_, **__):
        raise AppError("No trained model in m.")

    monkeypatch.setattr(
        sys.modules["captioner.describing.predict"], "load_captioner", refuse
    )
    Path("old.jsonl").write_text("mine")
    words = ["a.png", "--overwrite", "-o"]
    for target in ("old.jsonl", "new.jsonl", "new.csv"):
        assert run(capsys, *words, target)[2] == ["error: No trained model in m."]
    assert Path("old.jsonl").read_text() == "mine"
    assert sorted(p.name for p in Path().iterdir()) == ["a.png", "old.jsonl"]


def test_sidecars_are_continued(capsys, fake):
    draw("1.png", "2.png", "3.png")
    words = ["1.png", "2.png", "3.png", "--sidecar", "--batch-size", "1"]
    fake.stop, fake.error = 2, AppError("the model broke")
    status, out, err = run(capsys, *words)
    assert (status, out) == (1, [])
    assert err[-2:] == [
        "note: the .txt files written so far are kept; go on with --resume",
        "error: the model broke",
    ]
    Path("2.txt").write_text("by hand")
    fake.stop = None
    status, out, err = run(capsys, *words, "--resume", "--num-captions", "2")
    assert (status, out, err) == (0, [], [])
    texts = [Path(f"{i}.txt").read_text() for i in (1, 2, 3)]
    assert texts == ["a photo of 100\n", "by hand", "a photo of 102\nguess 1\n"]


def test_a_full_memory_says_what_to_do(capsys, fake):
    draw("a.png", "b.png")
    fake.stop, fake.error = 1, MemoryError()
    status, _, err = run(capsys, "a.png", "b.png", "--batch-size", "1", "-o", "o.csv")
    assert status == 1
    assert err == [
        "note: 1 of 2 photos are kept in o.csv.partial.jsonl; go on with --resume",
        "error: the memory is full. Try a smaller --batch-size.",
    ]


@pytest.mark.skipif(os.name != "posix", reason="names that Windows does not allow")
def test_names_cannot_command_a_terminal(capsys):
    names = ["a\tb.png", "a\nb.png", "\x1b[31m.png"]
    draw(*names)
    Path("\x1b[0m.jpg").write_bytes(b"")
    status, out, err = run(capsys, *names, "\x1b[0m.jpg")
    assert status == 1
    assert [line.split("\t")[0] for line in out] == [
        r"a\tb.png",
        r"a\nb.png",
        r"\x1b[31m.png",
    ]
    assert err[0] == r"error: \x1b[0m.jpg: the file is empty."


HEAVY = {"numpy", "PIL", "nltk", "tensorflow", "keras", "rich", "h5py"}


@pytest.mark.parametrize("words", ["--help", "caption --help", "--version", "nonsense"])
def test_help_loads_nothing_heavy(words):
    code = (
        "import sys\nfrom captioner.cli import main\n"
        f"main({words.split()!r})\nprint(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 0
    assert not HEAVY & set(done.stderr.split())


FAKE_MODULE = """
import sys
sys.path.insert(0, {tests!r})
import test_captioner_cli as tests
sys.modules["captioner.describing.predict"] = tests.Fake().module()
sys.exit(tests.main(sys.argv[1:]))
"""


def start(*words, **options):
    code = FAKE_MODULE.format(tests=str(Path(__file__).parent))
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        **options,
    )


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="head and /dev/full")
def test_a_closed_pipe_is_quiet_and_a_full_one_is_an_error():
    draw(*(f"in/{i}.png" for i in range(40)))
    reader, writer = os.pipe()
    os.close(reader)
    done = start("caption", "in", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")
    with Path("/dev/full").open("w") as full:
        done = start("caption", "in", stdout=full)
    assert done.returncode != 0
    assert done.stderr.startswith(b"error: output: No space left on device.")
    assert b"Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="closes streams by number")
@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_closed_stream_is_no_mistake(number):
    draw("a.png")
    Path("b.png").write_bytes(b"")
    paths = ["-"] if number == 0 else ["a.png", "b.png"]
    done = start(
        "caption",
        *paths,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: os.close(number),
    )
    lines = b"a.png\ta photo of 100\n", b"error: b.png: the file is empty.\n"
    assert done.returncode == 1
    assert done.stdout == (lines[0] if number == 2 else b"")
    if number == 0:
        assert b"no paths on standard input" in done.stderr
        assert b"Traceback" not in done.stderr
    elif number == 1:
        assert done.stderr == lines[1] + b"1 caption, 1 error\n"


@pytest.mark.slow
def test_bytes_that_are_no_text_are_printed_as_they_are():
    name = os.fsdecode(b"caf\xe9.png")
    draw(name)
    done = start("caption", name, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (0, b"caf\xe9.png\ta photo of 100\n")


def write_data(folder, count=12):
    draw(*(f"{folder}/{i}.png" for i in range(count)))
    lines = ["image,caption,split"]
    for i in range(count):
        split = "dev" if i % 2 else "train"
        lines += [
            f"{i}.png,a photo of {100 + i},{split}",
            f"{i}.png,a grey one,{split}",
        ]
    Path(folder, "captions.csv").write_text("\n".join(lines))


def test_data_prints_the_check(capsys):
    write_data("data")
    recipe = ["--config", "captioner-tiny"]
    assert main(["data", "data", *recipe, "--min-count", "7"]) == 0
    out, err = capsys.readouterr()
    assert "training with captioner-tiny will take about" in out
    assert "stage joint    at most" in out
    assert "10 words are not learnt (seen less than 7 times), the commonest" in out
    assert "they were seen: grey (6), of (6), one (6)" in out
    assert "only 6 photos to learn from" in out
    assert out.endswith("no problems found, but 2 warnings\n")
    assert err == ""
    Path("data/3.png").write_bytes(b"")
    assert main(["data", "data", *recipe]) == 1
    assert (
        "problem: broken photos: 1\n    3.png: the file is" in capsys.readouterr().out
    )


def test_data_draws_shapes_to_start_with(capsys):
    assert main(["data", "--draw", "shapes"]) == 0
    out, err = capsys.readouterr()
    assert out == "shapes\n"
    assert "captioner train --config captioner-tiny --data shapes --out" in err
    assert main(["data", "shapes", "--config", "captioner-tiny"]) == 0
    out = capsys.readouterr().out
    assert "train          192       192" in out
    assert "words: 6 in train, 6 of them are learnt" in out
    assert "one caption is written 40 times: A red circle." in out
    assert main(["data", "--draw", "shapes"]) == 1
    assert "shapes is not empty" in capsys.readouterr().err
    assert main(["data"]) == 2
    assert main(["data", "shapes", "--draw", "other"]) == 2


def test_evaluate_scores_a_split_and_leaves_broken_photos_out(capsys, fake):
    write_data("data")
    words = "evaluate --data data --split dev --beam-size 2 --batch-size 4 --model m"
    assert main(words.split()) == 0
    out, _ = capsys.readouterr()
    assert "BLEU-4    100.0  of 100" in out
    assert "6 images, 2 references each" in out
    assert "left out" not in out
    assert fake.loads == [([Path("m")], None, 4, {"beam_size": 2})]
    assert fake.changes == [{}]
    Path("data/3.png").write_bytes(b"")
    assert main([*words.split(), "-o", "captions.json"]) == 0
    out, err = capsys.readouterr()
    assert "note: captions.json: image_id is what the photos are called" in err
    assert "5 images" in out
    assert "cannot be read, left out: 1\n    3.png: the file is empty." in out
    entries = json.loads(Path("captions.json").read_text())
    assert entries[0] == {"image_id": "1.png", "caption": "a photo of 101"}
    assert main([*words.split(), "-o", "captions.json"]) == 1
    assert "captions.json exists. Add --overwrite" in capsys.readouterr().err
    assert main([*words.split(), "-o", "page.html"]) == 1
    assert "written as .jsonl, .csv or .json" in capsys.readouterr().err


def test_evaluate_keeps_captions_that_cannot_be_scored(capsys, monkeypatch):
    write_data("data")
    monkeypatch.setenv("PATH", "")  # no Java
    words = "evaluate --data data --split dev --official -o captions.csv"
    assert main(words.split()) == 1
    assert "official scorer needs" in capsys.readouterr().err
    assert Path("captions.csv").read_text().count("a photo of") == 6


def test_evaluate_needs_one_photo(capsys):
    write_data("data", 4)
    for path in Path("data").glob("*.png"):
        path.write_bytes(b"")
    assert main(["evaluate", "--data", "data", "--split", "dev"]) == 1
    assert "None of the 2 photos can be read" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_score_reads_what_caption_wrote(suffix, capsys):
    write_data("data")
    photos = [f"data/{i}.png" for i in range(1, 12, 2)]
    Path("data/3.png").write_bytes(b"")
    run(capsys, *photos, "-o", f"out.{suffix}")
    for references in ("data", "data/captions.csv"):
        status = main(["score", f"out.{suffix}", references, "--split", "dev"])
        out, err = capsys.readouterr()
        if suffix == "json":  # COCO's format cannot say that a photo failed
            assert status == 1
            assert (
                "for 5 of the 6 images of the references; there is none for 3.png"
                in err
            )
        else:
            assert status == 0
            assert "BLEU-4    100.0" in out
            assert "warning: photos without a caption, left out: 1" in out


def coco(names):
    return {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(names)],
        "annotations": [
            {"image_id": i, "caption": f"caption {i}"} for i in range(len(names))
        ],
    }


def score(capsys, names, results, *options):
    Path("refs.json").write_text(json.dumps(coco(names)))
    entries = [
        {"image_id": name, "caption": f"caption {i}"} for i, name in enumerate(results)
    ]
    Path("out.json").write_text(json.dumps(entries))
    status = main(["score", "out.json", "refs.json", *options])
    out, err = capsys.readouterr()
    return status, out + err


def test_score_matches_names_and_numbers_without_the_photos(capsys):
    names = ["x/a.jpg", "b.jpg", "c.jpg", "COCO_val2014_000000000042.jpg", "1/n.jpg"]
    results = ["x/a.jpg", "in\\b.jpg", "c", 42, "1/n.jpg"]
    status, text = score(capsys, names, results)
    assert status == 0
    assert "BLEU-1    100.0" in text
    assert "5 images" in text


@pytest.mark.parametrize(
    ("names", "results", "message"),
    [
        (["1/a.jpg", "2/a.jpg"], ["a.jpg"], "for a.jpg fits 2 photos .* 1/a.jpg, 2/a"),
        (["a.jpg"], ["b.jpg"], "for b.jpg fits 0 photos .* such as a.jpg"),
        (["a.jpg"], ["a.jpg", "x/a.jpg"], "a.jpg and x/a.jpg both fit a.jpg"),
        (
            ["a.jpg", "b.jpg"],
            ["a.jpg"],
            r"1 of the 2 .* none for b.jpg. Add --sub",
        ),
        (["a.jpg"], [7], "for 7 fits 0 photos"),
    ],
)
def test_score_refuses_what_does_not_fit(names, results, message, capsys):
    status, text = score(capsys, names, results)
    assert status == 1
    assert re.search(message, text)


def test_score_explains_missing_references_and_splits(capsys):
    Path("out.json").write_text('[{"image_id": "a.jpg", "caption": "a dog"}]')
    assert main(["score", "out.json", "nowhere"]) == 1
    assert "no references in nowhere" in capsys.readouterr().err
    write_data("data")
    assert main(["score", "out.json", "data/captions.csv", "--split", "test"]) == 1
    assert "no captions in split 'test'; it has dev, train." in capsys.readouterr().err


def test_train_shows_where_it_stands(capsys, monkeypatch):
    asked = {}

    def train(config, data, out, *, announce, tick, **options):
        asked.update(options, config=config, data=data, out=out)
        announce("12 photos to learn from.")
        for epoch in range(2):
            for step in range(1, 4):
                tick("words", epoch, step, 3, 2.5)
        return out / "bundle"

    module = types.ModuleType("captioner.training.train")
    module.train = train
    monkeypatch.setitem(sys.modules, "captioner.training.train", module)
    words = "train --config tiny --data d --out r --encoder-weights none --cache c"
    assert main(words.split()) == 0
    out, err = capsys.readouterr()
    assert out == f"{Path('r/bundle')}\n"
    assert err.splitlines() == [
        "12 photos to learn from.",
        "words, epoch 1, step 1/3, loss 2.500",  # the next one after half a minute
        "To caption faster, and without TensorFlow: captioner export "
        f"{Path('r/bundle')} --format litert --data d",
    ]
    assert asked == {
        "config": "tiny",
        "data": ["d"],
        "concepts": None,
        "texts": (),
        "out": Path("r"),
        "encoder_weights": "none",
        "from_bundle": None,
        "cache": Path("c"),
        "devices": 1,
        "precision": None,
    }
    words = "train --from b --data d --out r --devices 2 --precision mixed_float16"
    assert main(words.split()) == 0
    assert (asked["config"], asked["from_bundle"]) == (None, Path("b"))
    assert (asked["devices"], asked["precision"]) == (2, "mixed_float16")


def test_bars_are_shown_on_a_terminal(capsys, monkeypatch):
    draw("a.png", "b.png")
    monkeypatch.setattr("shared.console.progress.is_terminal", lambda: True)
    monkeypatch.setattr("shared.files.jobs.is_terminal", lambda: True)
    status, out, err = run(capsys, "a.png", "b.png", "-o", "out.csv")
    assert (status, out) == (0, [])
    assert "2/2" in "".join(err)
    assert err[-1] == "2 captions, 0 errors"


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("captioner ")


SEARCHES = {
    "--beam-size 5": {"beam_size": 5},
    "--groups 3": {"groups": 3, "beam_size": 3},
    "--groups 3 --num-captions 4": {"groups": 3, "beam_size": 6},
    "--groups 1": {"groups": 1},
    "--groups 2 --beam-size 4": {"groups": 2, "beam_size": 4},
    "--groups 2 --diversity 1.5": {"groups": 2, "diversity": 1.5, "beam_size": 2},
    "--length-penalty average": {"length_penalty": "average"},
    "--length-penalty 1.5": {"length_penalty": 1.5},
    "--length-penalty 2": {"length_penalty": 2.0},
    "--min-words 2": {"min_words": 2},
    "--max-words 5": {"max_words": 5},
    "--no-repeat 2": {"no_repeat": 2},
    "--no-repeat 0": {"no_repeat": 0},
    "--prefix a": {"prefix": "a"},
    "--must dog --must cat": {"must": ["dog", "cat"]},
    "--ban dog --ban zebra": {"ban": ["dog", "zebra"]},
    "--must dogs --inflections": {"must": ["dogs"], "inflections": True},
    "--neutral": {"neutral": 0.8},
    "--no-neutral": {"neutral": 0},
    "--no-grounding": {"people": 0, "animals": 0, "things": 0, "support": 0},
    "--second-look": {},
    "--no-second-look": {"second_look": 0},
    "--no-hedge": {"hedge": False},
    "--hedge": {},
    "--set things=0.2 --set method=sample": {
        "things": 0.2,
        "method": "sample",
        "beam_size": 1,
    },
    "--set bad_endings=['the']": {"bad_endings": ["the"]},
    "--num-captions 3": {},
    "--num-captions 4": {"beam_size": 4},
    "--num-captions 4 --beam-size 5": {"beam_size": 5},
    "--sample": {"method": "sample", "beam_size": 1},
    "--sample --num-captions 5": {"method": "sample", "beam_size": 5},
    "--sample --beam-size 9": {"method": "sample", "beam_size": 9},
    "--sample --temperature 0.5 --top-k 3 --top-p 0.9 --seed 7": {
        "method": "sample",
        "beam_size": 1,
        "temperature": 0.5,
        "top_k": 3,
        "top_p": 0.9,
        "seed": 7,
    },
}


@pytest.mark.parametrize("options", SEARCHES)
def test_options_reach_the_search(options, capsys, fake):
    draw("a.png")
    status, out, err = run(capsys, "a.png", *options.split())
    assert (status, err) == (0, [])
    words = options.split()
    wanted = "--num-captions" in words and words[words.index("--num-captions") + 1]
    assert len(out) == int(wanted or 1)
    assert len(fake.loads) == 1
    assert fake.changes == [SEARCHES[options]]


def test_what_the_bundle_says_of_its_search_counts_too(capsys, fake):
    draw("a.png")
    fake.own = DecodingConfig(beam_size=4, groups=2)
    run(capsys, "a.png", "--num-captions", "5")
    run(capsys, "a.png", "--groups", "1", "--num-captions", "5")
    fake.own = DecodingConfig(method="sample", beam_size=3)
    run(capsys, "a.png", "--num-captions", "5")
    fake.own = DecodingConfig(beam_size=4, groups=2)
    run(capsys, "a.png", "--sample")
    assert fake.changes == [
        {"beam_size": 6},
        {"groups": 1, "beam_size": 5},
        {"beam_size": 5},
        {"method": "sample", "groups": 1, "beam_size": 1},
    ]


REFUSED = {
    "--set method=best": r"method: Input should be 'beam' or 'sample'.*'best'",
    "--set method=[1]": r"method: Input should be 'beam' or 'sample'.*\[1\]",
    "--set tempo=2": r"tempo: unknown key",
    "--set people=x": r"people: .*'x'",
    "--must grasss": r'must "grasss": .* near it that the model knows: "grass"',
    "--must zebra": r'must "zebra": .* No known word is near',
    "--must dog --ban dog": r'"dog" is both a must-word and banned',
    "--must dog --ban dogs --inflections": r'"dog" is both a must-word and banned',
    "--must a,dog": r'must "a,dog" is 2 words here: "a", "dog"',
    "--must dog --must dogs --must cat --must on --must grass": "5 must-words are too",
    "--must dog --sample": r'must "dog" needs the method beam',
    "--groups 2 --sample --num-captions 2": "groups 2 needs the method beam",
    "--min-words 7": "min_words 7 is more than max_words 6",
    "--groups 3 --beam-size 4": r"groups 3 do not share beam_size 4 .* of 3, 6, 9",
    "--length-penalty nan": r"length_penalty: ",
    "--length-penalty 9": r"length_penalty: .* Received: 9",
    "--sample --temperature 0": "temperature: .* Received: 0",
    "--sample --top-p 0": "top_p: .* Received: 0",
    "--min-words 201": "min_words",
    "--no-repeat 21": "no_repeat: .* Received: 21",
    "--diversity 101 --groups 3": "diversity: .* Received: 101",
    "--prefix a_dog_on_grass_on_a_dog": r'The prefix ".*" takes 7 of max_words 6',
    "--prefix !": r'The prefix "!" holds no word',
    "--prefix a_dog --ban dog": r'The prefix "a dog" has a banned word: "dog"',
}


@pytest.mark.parametrize("options", REFUSED)
def test_impossible_requests_cost_no_photo(options, capsys, fake, monkeypatch):
    draw("a.png")
    monkeypatch.setattr(FakeCaptioner, "look", None)
    words = [word.replace("_", " ") for word in options.split()]
    status, out, err = run(capsys, "a.png", *words, "-o", "out.jsonl")
    assert (status, out) == (1, [])
    assert re.match(f"error: .*{REFUSED[options]}", " ".join(err))
    assert len([line for line in err if not line.startswith("  ")]) == 1
    assert not any("Traceback" in line for line in err)
    assert [path.name for path in Path().iterdir()] == ["a.png"]
    assert len(fake.loads) <= 1


@pytest.mark.parametrize(
    "setting, told",
    [("groups=2", "--set groups=…: there is --groups for that"), ("x", "KEY=VALUE")],
)
def test_other_keys_are_set_and_nothing_else(setting, told, capsys, fake):
    draw("a.png")
    status, out, err = run(capsys, "a.png", "--set", setting)
    assert (status, out, fake.loads) == (2, [], [])
    assert told in " ".join(" ".join(err).split())


MEANINGLESS = {
    "--temperature 2": "--temperature is about captions drawn at random: add --sample",
    "--top-k 2": "--top-k is about captions drawn at random: add --sample",
    "--seed 2": "--seed is about captions drawn at random: add --sample",
    "--diversity 2": "--diversity is about groups of beams: add --groups",
    "--inflections": "--inflections is about words of --must and --ban: add some",
}


@pytest.mark.parametrize("options", MEANINGLESS)
def test_options_that_would_change_nothing_are_refused(options, capsys, fake):
    draw("a.png")
    status, out, err = run(capsys, "a.png", *options.split())
    assert (status, out) == (1, [])
    assert err == [f"error: {MEANINGLESS[options]}."]


def test_a_length_penalty_is_a_number_or_a_word(capsys, fake):
    draw("a.png")
    status, out, err = run(capsys, "a.png", "--length-penalty", "nonsense")
    assert (status, out) == (2, [])
    assert "a number from 0 to 5, or average, not nonsense" in " ".join(err)
    assert not fake.loads


def test_details_say_how_sure_each_word_is(capsys):
    draw("a.png")
    Path("b.png").write_bytes(b"")
    options = ["-o", "out.jsonl", "--details", "--num-captions", "2"]
    assert run(capsys, "a.png", "b.png", *options)[0] == 1
    first, second = map(json.loads, Path("out.jsonl").read_text().splitlines())
    assert second == {"image": "b.png", "error": "the file is empty."}
    assert set(first) == {"image", "caption", *SAID, "captions"}
    assert [set(caption) for caption in first["captions"]] == [
        {"caption", *SAID, "words"}
    ] * 2
    assert first["captions"][1]["words"] == [
        {"word": "guess", "prob": 0.3333, "attention": [0.25] * 4},
        {"word": "1", "prob": 0.25, "attention": [0.25] * 4},
    ]
    run(capsys, "a.png", "-o", "plain.jsonl", "--num-captions", "2")
    plain = json.loads(Path("plain.jsonl").read_text())
    for caption in first["captions"]:
        del caption["words"]
    assert plain == first


def test_doubts_are_printed_and_recorded(capsys, fake, monkeypatch):
    def ask(photo, questions):
        assert photo == Path("a.png")
        return [{"Is there a dog?": 0.75}[question] for question in questions]

    monkeypatch.setattr(job, "load_asker", lambda: ask)
    monkeypatch.setattr(FakeCaptioner, "look", lambda *_: [DOG])
    draw("a.png")
    _, out, err = run(capsys, "a.png", "--check")
    assert out == ["a.png\ta dog"]
    assert err[0] == "doubt: a.png: the VQA model sees no dog."
    run(capsys, "a.png", "--check", "-o", "out.jsonl")
    found = json.loads(Path("out.jsonl").read_text())
    assert (found["doubted"], found["unsure"]) == (["dog"], True)
    assert found["confidence"] == pytest.approx(0.25 * 0.25)
    run(capsys, "a.png", "-o", "plain.jsonl")
    assert "doubted" not in json.loads(Path("plain.jsonl").read_text())


@pytest.mark.parametrize("suffix", ["csv", "json", "html"])
def test_details_need_a_format_that_holds_them(suffix, capsys, fake):
    draw("a.png")
    for options in (["--details"], ["--details", "-o", f"out.{suffix}"]):
        status, out, err = run(capsys, "a.png", *options)
        assert (status, out) == (2, [])
        assert "--details needs an --output that ends in .jsonl" in " ".join(err)
    assert not fake.loads


def test_verbose_says_what_runs_and_how_fast(capsys, fake):
    draw("a.png", "b.png")
    _, out, err = run(capsys, "a.png", "b.png", "-v", "--prefix", "a dog")
    assert len(out) == 2
    assert err[:2] == ["runtime: litert", "search: max_words 6, prefix a dog"]
    assert re.fullmatch(r"2 photos in \d+\.\d\d s, \d+\.\d a second", err[2])
    fake.reason = "it is not installed (pip install ai-edge-litert)."
    err = run(capsys, "a.png", "-v")[2]
    assert err[0] == f"runtime: keras, because with LiteRT {fake.reason}"
    err = run(capsys, "a.png", "-v", "--runtime", "keras", "--num-captions", "9")[2]
    assert err[:2] == ["runtime: keras", "search: beam_size 9, max_words 6"]
    assert err[2].startswith("1 photo in ")
    fake.own = DecodingConfig()
    assert run(capsys, "a.png", "-v")[2][1] == "search: defaults"
    assert run(capsys, "a.png")[2] == []


@pytest.mark.parametrize("name", ["keras", "litert"])
def test_the_runtime_can_be_chosen(name, capsys, fake):
    draw("a.png")
    assert run(capsys, "a.png", "--runtime", name)[0] == 0
    assert fake.loads[0][1] == name
    assert run(capsys, "a.png", "--runtime", "torch")[0] == 2
    write_data("data")
    words = f"evaluate --data data --split dev --runtime {name} --model m --model n"
    assert main(words.split()) == 0
    assert fake.loads[-1] == ([Path("m"), Path("n")], name, 8, {})


def test_several_models_vote(capsys, fake):
    draw("a.png")
    assert run(capsys, "a.png", "--model", "m", "--model", "n")[0] == 0
    assert fake.loads == [((Path("m"), Path("n")), None, 8, {})]


def test_evaluate_searches_as_it_is_told(capsys, fake):
    write_data("data")
    words = "evaluate --data data --split dev --length-penalty average --no-repeat 3"
    assert main(words.split()) == 0
    changes = {"length_penalty": "average", "no_repeat": 3}
    assert fake.loads == [(None, None, 8, changes)]


def test_help_lists_every_option(capsys):
    assert main(["caption", "--help"]) == 0
    out, _ = capsys.readouterr()
    shown = set(re.findall(r"(?<!\S)--[a-z][a-z-]+", out))
    assert shown >= {
        *("--output", "--sidecar", "--recursive", "--resume", "--overwrite"),
        *("--num-captions", "--details", "--beam-size", "--groups", "--diversity"),
        *("--length-penalty", "--min-words", "--max-words", "--no-repeat", "--prefix"),
        *("--must", "--ban", "--inflections", "--sample", "--temperature", "--top-k"),
        *("--top-p", "--seed", "--batch-size", "--model", "--runtime", "--verbose"),
    }


@pytest.fixture
def exports(monkeypatch):
    """What `captioner.jobs.export` was asked for."""
    asked = []

    def export(folder, form, data, *, announce, **options):
        asked.append((folder, form, data, options))
        announce("captioning 3 photos with Keras")
        if data == "bad":
            raise AppError("The exported model loses 9.0 CIDEr-D.")

    module = types.ModuleType("captioner.jobs.export")
    module.export = export
    monkeypatch.setitem(sys.modules, "captioner.jobs.export", module)
    return asked


def test_export_is_asked_for_a_form(capsys, exports):
    assert main(["export", "b", "--format", "litert", "--data", "d"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == (f"{Path('b/litert')}\n", "captioning 3 photos with Keras\n")
    options = "--precision int8 --max-loss 0.5"
    assert main(f"export b --format onnx --data d {options}".split()) == 0
    assert exports == [
        (Path("b"), "litert", "d", {"precision": "auto", "max_loss": 1.0}),
        (Path("b"), "onnx", "d", {"precision": "int8", "max_loss": 0.5}),
    ]


def test_export_that_loses_too_much_is_status_1(capsys, exports):
    assert main(["export", "b", "--format", "savedmodel", "--data", "bad"]) == 1
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[-1]) == (
        "",
        "error: The exported model loses 9.0 CIDEr-D.",
    )


@pytest.mark.parametrize(
    "words",
    [
        "export b --data d",
        "export b --format litert",
        "export --format litert --data d",
        "export b --format tfjs --data d",
        "export b --format litert --data d --precision int4",
        "export b --format litert --data d --max-loss -1",
    ],
)
def test_an_export_that_is_not_understood_is_status_2(words, capsys, exports):
    assert main(words.split()) == 2
    assert capsys.readouterr().err.startswith("Usage: captioner")
    assert not exports
