"""The folder of a training run."""

import hashlib
import os
import re
import signal
import subprocess
import sys
from typing import NamedTuple

import pytest
from conftest import ROOT
from PIL import Image

from shared.config import Config
from shared.errors import AppError
from shared.files import fingerprints
from shared.files.locks import hold
from shared.runs import folder as folder_module
from shared.runs.folder import (
    Run,
    hold_run,
    leave_out_broken,
    open_run,
    read_part,
    sign,
)
from shared.vision.images import read_image

HOLDER = """
import sys
from pathlib import Path
from shared.runs.folder import hold_run
with hold_run(Path(sys.argv[1]), "`captioner train`"):
    print("held", flush=True)
    sys.stdin.read()
"""


class Recipe(Config):
    about: str = ""
    units: int = 1


class Photo(NamedTuple):
    name: str
    image: object


def begin(out, recipe=None, data="d", parts=("words.txt",)):
    return open_run(out, recipe or Recipe(), data, parts)


@pytest.fixture
def out(tmp_path):
    """A run with a checkpoint."""
    folder = tmp_path / "run"
    folder.mkdir()
    assert not begin(folder)
    for name in ("checkpoint.npz", "best.npz", "words.txt"):
        (folder / name).write_text("x")
    return folder


def test_a_second_training_is_refused_at_once_and_told_by_whom(tmp_path):
    path = tmp_path / "run"
    with hold_run(path, "`captioner train`"):
        who = rf"in use by `captioner train`: process {os.getpid()} on \S+, since"
        with pytest.raises(AppError, match=who), hold_run(path, "`vqa train`"):
            pass
        with pytest.raises(AppError, match=who):
            hold(path / "bundle", "`captioner export`", inside=False)
    with hold_run(path, "`vqa train`"):
        pass


def test_a_training_into_a_bundle_that_is_exported_is_refused(out):
    (out / "bundle").mkdir()
    with (
        hold(out / "bundle", "`vqa export`", inside=False),
        pytest.raises(AppError, match=r"bundle is in use by `vqa export`"),
        hold_run(out, "`vqa train`"),
    ):
        pass
    with hold_run(out, "`vqa train`"):
        pass


def test_a_training_that_is_killed_leaves_its_folder_to_the_next(tmp_path):
    path = tmp_path / "run"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout.readline() == "held\n"
    with (
        pytest.raises(AppError, match=f"process {process.pid} on"),
        hold_run(path, "`vqa train`"),
    ):
        pass
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdin.close()
    process.stdout.close()
    with hold_run(path, "`vqa train`"):
        assert not begin(path)


def test_a_folder_in_which_nothing_came_about_is_gone(tmp_path):
    with pytest.raises(AppError), hold_run(tmp_path / "run", "x"):
        raise AppError("no data")
    assert not (tmp_path / "run").exists()


def test_problems_of_the_disk_are_told_with_the_way_on(tmp_path):
    out = tmp_path / "run"
    full = OSError(28, "No space left on device", str(out / "a.npz"))
    match = r"a\.npz: No space left.*same command"
    with pytest.raises(AppError, match=match), hold_run(out, "x"):
        raise full
    with pytest.raises(KeyboardInterrupt), hold_run(out, "x", (said := []).append):
        raise KeyboardInterrupt
    assert said == [f"Interrupted. The same command goes on with the run in {out}."]


def test_a_run_is_gone_on_with_by_the_same_recipe_and_data(out):
    assert begin(out)
    for recipe, data in ((Recipe(units=2), "d"), (Recipe(), "other")):
        with pytest.raises(AppError, match=r"another recipe or other data.*--out"):
            begin(out, recipe, data)


@pytest.mark.parametrize("name", ["words.txt", "config.toml"])
def test_a_run_that_has_lost_a_part_is_refused(out, name):
    (out / name).unlink()
    with pytest.raises(AppError, match=rf"has lost {re.escape(name)}.*--out"):
        begin(out)


@pytest.mark.parametrize("name", ["words.txt", "config.toml", "checkpoint.npz"])
def test_a_part_that_is_a_link_to_nothing_is_lost(out, name):
    (out / name).unlink()
    (out / name).symlink_to(out.parent / "unplugged" / name)
    with pytest.raises(AppError, match=rf"has lost {re.escape(name)}.*--out"):
        begin(out)
    assert (out / name).is_symlink()


@pytest.mark.parametrize(
    ("content", "match"),
    [(b"\xff\xfe", "cannot be read"), (b"# data d\n[", "TOML"), (b"", "other data")],
)
def test_a_spoilt_recipe_is_named(out, content, match):
    (out / "config.toml").write_bytes(content)
    with pytest.raises(AppError, match=rf"config\.toml.*{match}|{match}.*config"):
        begin(out)


def test_what_was_learnt_is_not_lost_with_the_checkpoint(out):
    (out / "checkpoint.npz").unlink()
    with pytest.raises(AppError, match=r"lost checkpoint\.npz.*delete best\.npz"):
        begin(out, Recipe(units=2))
    (out / "best.npz").unlink()
    assert not begin(out, Recipe(units=2))
    assert "units = 2" in (out / "config.toml").read_text()


def test_a_bundle_with_other_things_is_refused_before_the_training(out):
    (out / "bundle").mkdir()
    (out / "bundle" / "thesis.tex").write_text("")
    with pytest.raises(AppError, match=r"bundle is not a folder with a bundle"):
        begin(out)


@pytest.mark.parametrize("files", [[], ["manifest.json"]])
def test_a_bundle_that_is_damaged_will_be_replaced(out, files):
    (out / "bundle").mkdir()
    for name in files:
        (out / "bundle" / name).write_text("{")
    assert begin(out)


def test_a_folder_with_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(AppError, match=r"not empty, and no run.*--out"):
        begin(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_part_that_is_no_text_is_named(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xff")
    for name in ("a.txt", "b.txt"):
        with pytest.raises(AppError, match=rf"{name} cannot be read.*--out"):
            read_part(tmp_path / name)


def photos(folder, names):
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / name)
    return [Photo(name, folder / name) for name in names]


@pytest.mark.parametrize(
    "content",
    [
        None,
        b"b.png\n",
        b"b.png,why,more\n",
        b'b.png,"why',
        b"other.png,why\n",
        b"a,b\x00c\n\xff",
    ],
)
def test_a_list_of_broken_photos_that_is_spoilt_is_made_anew(tmp_path, content):
    learn, dev = photos(tmp_path, ["a.png", "b.png"]), photos(tmp_path, ["c.png"])
    (tmp_path / "b.png").write_bytes(b"no picture")
    path, said = tmp_path / "skipped.csv", []
    if content is not None:
        path.write_bytes(content)
    for _ in range(2):
        left = leave_out_broken(tmp_path, learn, dev, said.append)
        assert left == (learn[:1], dev)
    assert path.read_text().startswith("b.png,")
    assert sum("damaged" in line for line in said) == (content is not None)


def test_a_list_of_broken_photos_is_kept(tmp_path):
    learn, dev = photos(tmp_path, ["a.png", "b.png"]), photos(tmp_path, ["c.png"])
    (tmp_path / "skipped.csv").write_text("b.png,it was broken\n")
    left = leave_out_broken(tmp_path, learn, dev, lambda _: None)
    assert left == (learn[:1], dev)


def test_the_signature_tells_one_run_from_another():
    same = sign(["a", "b"], ["c"])
    assert same == sign(("a", "b"), ["c"])
    assert len({same, sign(["b", "a"], ["c"]), sign(["a"], ["b", "c"])}) == 3


def test_photos_that_could_be_read_are_remembered_by_their_content(
    tmp_path, monkeypatch
):
    learn, dev = photos(tmp_path, ["a.png", "b.png"]), photos(tmp_path, ["c.png"])
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"no picture")
    looked_at = []

    def look(photo, size):
        looked_at.append(photo.name)
        return read_image(photo, size)

    monkeypatch.setattr(folder_module, "read_image", look)

    def start(name):
        looked_at.clear()
        out = tmp_path / name
        out.mkdir()
        left = leave_out_broken(out, learn, dev, print, tmp_path / "cache")
        return left, set(looked_at)

    left = (learn[:1], dev)
    assert start("first") == (left, {"a.png", "b.png", "c.png"})
    assert start("second") == (left, {"b.png"})  # it may have been mended
    (tmp_path / "moved.png").write_bytes((tmp_path / "a.png").read_bytes())
    (tmp_path / "a.png").write_bytes(b"cut off")
    with pytest.raises(AppError, match="No photo is left to learn from"):
        start("third")
    assert set(looked_at) == {"a.png", "b.png"}
    learn[0] = Photo("moved.png", tmp_path / "moved.png")
    assert start("fourth") == ((learn[:1], dev), {"b.png"})
    (tmp_path / "cache" / "readable.txt").write_bytes(b"\xff")
    assert start("fifth")[1] == {"moved.png", "b.png", "c.png"}


def test_photos_are_hashed_again_only_if_they_changed(tmp_path, monkeypatch):
    paths = [tmp_path / "a b.png", tmp_path / "c.png", tmp_path / "missing.png"]
    for path in paths[:2]:
        path.write_bytes(path.name.encode())
    memory = tmp_path / "cache" / "digests.txt"

    def hash_anew():
        monkeypatch.setattr(fingerprints, "_digests", {})
        return fingerprints.digest_photos(paths, memory)

    true = [hashlib.sha256(p.name.encode()).hexdigest()[:32] for p in paths[:2]]
    true.append(fingerprints.UNREADABLE)
    assert hash_anew() == true
    assert not memory.exists()  # what was written a moment ago may change unnoticed
    monkeypatch.setattr(fingerprints, "SETTLED", -1e12)
    assert hash_anew() == true
    lines = memory.read_text()
    memory.write_text("damaged\n" + lines.replace(true[0], "f" * 32))
    assert hash_anew() == ["f" * 32, *true[1:]]  # not read
    paths[0].write_bytes(b"another")
    assert hash_anew()[0] == hashlib.sha256(b"another").hexdigest()[:32]
    memory.unlink()
    assert hash_anew()[1:] == true[1:]
    assert len(memory.read_text().splitlines()) == 2


def test_only_a_cache_that_runs_share_remembers(tmp_path):
    here = Run.of(tmp_path, "data", None, print, print)
    assert (here.cache, here.memory) == (tmp_path / "features", None)
    there = Run.of(tmp_path, "data", tmp_path / "cache", print, print)
    assert there.memory == there.cache == tmp_path / "cache"
