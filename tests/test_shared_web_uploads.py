"""The folder of uploads: who may see it, when it is emptied, and what is not ours."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
from conftest import ROOT

from shared.web import uploads
from shared.web.uploads import MARKER, OWN, Uploads, forget, use_own_folder


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "before")
    monkeypatch.setattr(uploads.tempfile, "tempdir", str(tmp_path))
    yield
    for folder in [*uploads._held]:
        forget(folder)


@pytest.fixture
def folder():
    return use_own_folder()


def put(folder, name, size=1):
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(bytes(size))
    return file


def left(folder):
    """What is in it, but for our notes."""
    return [one for one in folder.iterdir() if not one.name.startswith(".sightread")]


@pytest.fixture
def later(monkeypatch):
    """Let all that is there be old."""

    def wait(seconds=uploads.KEPT + 60):
        now = time.time
        monkeypatch.setattr(uploads.time, "time", lambda: now() + seconds)

    return wait


# ---- whose folder it is


def test_the_folder_is_for_its_owner_alone(folder):
    assert folder.stat().st_mode & 0o777 == 0o700
    assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
    assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
    put(folder, "a/b.jpg")
    forget(folder)
    assert not folder.exists()
    forget(folder)  # twice is no error


def test_only_a_folder_of_ours_is_forgotten(tmp_path):
    mine = put(tmp_path, f"{OWN}{'0' * 32}/a.jpg")
    forget(mine.parent)
    assert mine.exists()


KILLED = """
import os, signal, sys, tempfile
tempfile.tempdir = sys.argv[1]
from shared.web.uploads import use_own_folder
folder = use_own_folder()
(folder / "photo.jpg").write_bytes(b"a photo")
print(folder, flush=True)
os.kill(os.getpid(), signal.SIGKILL) if len(sys.argv) == 2 else sys.stdin.read()
"""


def serve(tmp_path, *more):
    """A process that has a folder; without more arguments it is killed at once."""
    return subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), *more],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def killed(tmp_path):
    """The folder of a server that was killed."""
    process = serve(tmp_path)
    folder = tmp_path / process.stdout.readline().strip()
    process.communicate()
    assert (folder / "photo.jpg").exists()
    return folder


needs_signals = pytest.mark.skipif(os.name != "posix", reason="signals")


@needs_signals
def test_folders_of_servers_that_were_killed_are_deleted(killed):
    use_own_folder()
    assert not killed.exists()


@needs_signals
def test_folders_of_servers_that_live_are_left_alone(tmp_path):
    process = serve(tmp_path, "live")
    try:
        other = tmp_path / process.stdout.readline().strip()
        own = use_own_folder()
        again = use_own_folder()
        assert (other / "photo.jpg").exists()
        assert own.exists() and again.exists()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    use_own_folder()
    assert not other.exists()


def other_name(folder):
    folder.rename(folder.with_name(f"{OWN}myphotos"))
    return folder.with_name(f"{OWN}myphotos")


def other_number(folder):
    return folder.rename(folder.with_name(f"{OWN}{'a' * 32}"))


def copied(folder):
    """As out of a backup: all in it is as it was."""
    shutil.move(folder, folder.with_suffix(".old"))
    shutil.copytree(folder.with_suffix(".old"), folder)
    folder.chmod(0o700)
    return folder


def linked(folder):
    real = folder.rename(folder.with_name("elsewhere"))
    folder.symlink_to(real)
    return real


def marked(content):
    def change(folder):
        (folder / MARKER).write_bytes(content)
        return folder

    return change


def marker_linked(folder):
    marker = folder / MARKER
    marker.rename(folder.parent / "marker")
    marker.symlink_to(folder.parent / "marker")
    return folder


def marker_twice(folder):
    os.link(folder / MARKER, folder.parent / "marker")
    return folder


def marker_fifo(folder):
    (folder / MARKER).unlink()
    os.mkfifo(folder / MARKER)
    return folder


def from_elsewhere(folder):
    marker = folder / MARKER
    marker.write_text(marker.read_text().rpartition(" ")[0] + " 1")
    return folder


def open_to_all(folder):
    folder.chmod(0o755)
    return folder


def unmarked(folder):
    (folder / MARKER).unlink()
    return folder


@needs_signals
@pytest.mark.parametrize(
    "change",
    [
        *(other_name, other_number, copied, linked, from_elsewhere, open_to_all),
        *(unmarked, marker_linked, marker_twice, marker_fifo),
        *map(marked, (b"", b"{}", b"\xff", b"[" * 900)),
    ],
)
def test_nothing_is_deleted_on_the_strength_of_its_name(killed, change):
    now = change(killed)
    use_own_folder()
    assert (now / "photo.jpg").read_bytes() == b"a photo"


@pytest.mark.parametrize("name", ["myphotos", "", "0" * 32, "0" * 31, "A" * 32])
def test_folders_of_people_are_left_alone(tmp_path, later, name):
    mine = put(tmp_path, f"{OWN}{name}/a.jpg")
    mine.parent.chmod(0o700)
    os.utime(mine.parent, (0, 0))
    later()
    use_own_folder()
    assert mine.exists()


# ---- what is in it


def test_what_is_in_it(folder, tmp_path):
    inside, outside = put(folder, "a/b.jpg"), put(tmp_path, "c.jpg")
    (folder / "link").symlink_to(outside)
    has = Uploads(folder).has
    assert has(str(inside)) and has(str(folder / "a" / ".." / "a" / "new.jpg"))
    for path in (outside, folder / ".." / "c.jpg", folder / "link", "/etc/passwd"):
        assert not has(str(path))
    for path in ("", "\0", "a" * 10_000, "b.jpg", "http://x/b.jpg", f"{folder}x/a"):
        assert not has(path)
    assert not has(str(folder / MARKER))


def test_old_files_go_and_their_folders(folder, later):
    old = put(folder, "a/b.jpg")
    put(folder, "c")
    found = Uploads(folder)
    found.sweep()
    assert old.exists()
    later()
    found.sweep()
    assert left(folder) == []
    assert (folder / MARKER).exists()


def test_files_outlive_an_upload_that_began_before(folder, later):
    old, found = put(folder, "part"), Uploads(folder)
    with found.coming(SimpleNamespace(started=time.time())):
        later()
        found.sweep()
        assert old.exists()
    found.sweep()
    assert not old.exists()


def test_links_are_deleted_and_not_followed(folder, tmp_path, later):
    outside = put(tmp_path, "there/c.jpg")
    (folder / "link").symlink_to(outside)
    (folder / "links").symlink_to(outside.parent)
    later()
    Uploads(folder).sweep()
    assert outside.exists()
    assert not (folder / "link").is_symlink()


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path, later):
    old = put(tmp_path, "others/a.jpg")
    later()
    asyncio.run(Uploads(tmp_path).sweep_for_ever())  # which it does not
    Uploads(tmp_path).sweep()
    assert old.exists()


def test_a_folder_that_is_gone_is_no_error(folder):
    shutil.rmtree(folder)
    Uploads(folder).sweep()


# ---- how much


def take(found, *parts):
    """Which of several uploads are ended, each of (bytes, files) that have come."""
    ended = []

    def body(number, count, files):
        end = lambda _: ended.append(number)  # noqa: E731
        return SimpleNamespace(held=count, files=files, started=time.time(), refuse=end)

    async def run():
        with contextlib.ExitStack() as stack:
            for number, (count, files) in enumerate(parts):
                stack.enter_context(found.coming(body(number, count, files)))
                await found.take(bytes(count))

    asyncio.run(run())
    return sorted(set(ended))


def test_what_is_announced_takes_no_room(folder, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_STORED", 100)
    assert take(Uploads(folder), *[(0, 0)] * 200, (40, 1)) == []


def test_of_what_comes_in_the_largest_ends_when_there_is_no_room(folder, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_STORED", 100)
    assert take(Uploads(folder), (5, 1), (40, 1), (10, 1)) == [1]
    assert take(Uploads(folder, 20), (1, 4), (1, 15), (1, 3)) == [1]


def test_who_comes_later_finds_room_for_the_oldest_go(folder, monkeypatch):
    monkeypatch.setattr(uploads, "MOST_STORED", 100)
    files = []
    for number in range(5):
        files.append(put(folder, f"{number}/a.jpg", 20))
        os.utime(files[-1], (number, number))
        time.sleep(0.01)  # for the time at which it was changed last
    found = Uploads(folder)
    found.sweep()
    assert all(file.exists() for file in files)
    assert take(found, (20, 1)) == []
    assert [file.exists() for file in files] == [True] * 5  # that fits, just so
    put(folder, "new/a.jpg", 20)
    assert take(found, (1, 0)) == []
    assert [file.exists() for file in files] == [False] * 3 + [True] * 2
    monkeypatch.setattr(uploads, "MOST_FILES", 2)
    found.sweep()
    assert len([file for file in files if file.exists()]) == 0


def test_half_of_the_disk_is_left_to_others(folder, monkeypatch):
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    monkeypatch.setattr(uploads, "MOST_STORED", 100 * free)
    assert free // 3 < Uploads(folder).most() < 2 * free // 3
