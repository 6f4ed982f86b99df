"""The folder of uploads: who may see it, and when it is emptied."""

import asyncio
import os
import time

import pytest

from shared import uploads
from shared.uploads import OWN, Uploads, forget, use_own_folder


@pytest.fixture
def folder(tmp_path):
    own = tmp_path / f"{OWN}x"
    own.mkdir()
    return own


def put(folder, name, size=1):
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(bytes(size))
    return file


@pytest.fixture
def later(monkeypatch):
    """Let all that is there be old."""

    def wait(seconds=uploads.KEPT + 60):
        now = time.time
        monkeypatch.setattr(uploads.time, "time", lambda: now() + seconds)

    return wait


def test_the_folder_is_for_its_owner_alone(monkeypatch):
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "before")
    monkeypatch.setenv("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1")
    folder = use_own_folder()
    try:
        assert folder.stat().st_mode & 0o777 == 0o700
        assert os.environ["GRADIO_TEMP_DIR"] == str(folder)
        assert os.environ["GRADIO_ANALYTICS_ENABLED"] == "False"
        put(folder, "a/b.jpg")
    finally:
        forget(folder)
    assert not folder.exists()
    forget(folder)  # twice is no error


def test_folders_of_servers_that_were_killed_are_deleted(tmp_path, monkeypatch, later):
    for name in ("GRADIO_TEMP_DIR", "GRADIO_ANALYTICS_ENABLED"):
        monkeypatch.setenv(name, "before")
    monkeypatch.setenv("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1")
    monkeypatch.setattr(uploads.tempfile, "tempdir", str(tmp_path))
    killed = tmp_path / f"{OWN}killed"
    others = [tmp_path / "others", tmp_path / f"{OWN}file", tmp_path / f"{OWN}link"]
    put(killed, "a.jpg")
    put(others[0], "a.jpg")
    others[1].touch()
    others[2].symlink_to(others[0])
    living = use_own_folder()
    assert killed.exists()  # it might have been made just now
    later()
    use_own_folder()
    assert not killed.exists()
    assert living.exists()
    assert all(other.exists() for other in others)


def test_what_is_in_it(folder, tmp_path):
    inside, outside = put(folder, "a/b.jpg"), put(tmp_path, "c.jpg")
    (folder / "link").symlink_to(outside)
    has = Uploads(folder).has
    assert has(str(inside)) and has(str(folder / "a" / ".." / "a" / "new.jpg"))
    for path in (outside, folder / ".." / "c.jpg", folder / "link", "/etc/passwd"):
        assert not has(str(path))
    for path in ("", "\0", "a" * 10_000, "b.jpg", "http://x/b.jpg", f"{folder}x/a"):
        assert not has(path)


def test_old_files_go_and_their_folders(folder, later):
    old = put(folder, "a/b.jpg")
    put(folder, "c")
    found = Uploads(folder)
    found.sweep()
    assert old.exists()
    later()
    found.sweep()
    assert [*folder.iterdir()] == []
    assert folder.exists()


def test_files_outlive_an_upload_that_began_before(folder, later):
    old, found = put(folder, "part"), Uploads(folder)
    with found.coming(0):
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
    assert old.exists()


def test_a_folder_that_is_gone_is_no_error(folder):
    folder.rmdir()
    found = Uploads(folder)
    found.sweep()
    assert found.has_room(1)


def test_there_is_no_room_for_more_than_so_much(folder, monkeypatch, later):
    monkeypatch.setattr(uploads, "MOST_STORED", 100)
    found = Uploads(folder)
    assert found.has_room(100) and not found.has_room(101)
    with found.coming(60):
        assert found.has_room(40) and not found.has_room(41)
    put(folder, "a", 30)
    found.sweep()  # half of what was announced has come
    assert found.has_room(70) and not found.has_room(71)
    later()
    found.sweep()
    assert found.has_room(100)


def test_half_of_the_disk_is_left_to_others(folder, monkeypatch):
    space = os.statvfs(folder)
    free = space.f_bavail * space.f_frsize
    monkeypatch.setattr(uploads, "MOST_STORED", 100 * free)
    found = Uploads(folder)
    assert found.has_room(free // 3) and not found.has_room(2 * free // 3)
