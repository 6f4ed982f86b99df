"""Files that are written whole or not at all."""

import os
import stat

import pytest

from shared.files import atomic as files
from shared.files.atomic import replace_file, write_text


def test_a_file_is_replaced_when_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replace_file(path) as new:
        new.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", [OSError("disk full"), KeyboardInterrupt()])
def test_a_file_that_is_not_finished_leaves_the_old_one(tmp_path, end):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(end)), replace_file(path) as new:
        new.write_text("ne")
        raise end
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_content_is_on_the_disk_before_the_name_and_the_name_at_the_end(
    tmp_path, monkeypatch
):
    path, done = tmp_path / "a.txt", []
    sync = os.fsync

    def note(descriptor):
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        done.append(("folder" if is_folder else "file", path.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    write_text(path, "content")
    assert done == [("file", False), ("folder", True)]


def test_a_folder_that_cannot_be_synced_is_no_failure(tmp_path, monkeypatch):
    def refuse(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(files.UNSUPPORTED[0], "not here")

    monkeypatch.setattr(os, "fsync", refuse)
    write_text(tmp_path / "a.txt", "content")
    assert (tmp_path / "a.txt").read_text() == "content"


def test_links_and_permissions_are_kept(tmp_path):
    path, link = tmp_path / "a.txt", tmp_path / "link.txt"
    path.write_text("old")
    path.chmod(0o600)
    link.symlink_to(path.name)
    write_text(link, "new")
    assert link.is_symlink()
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_longest_name_can_be_written(tmp_path):
    path = tmp_path / ("é" * 125 + ".txt")
    write_text(path, "content")
    assert path.read_text() == "content"


def test_a_pipe_is_written_directly(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_text(path, "content")
        assert os.read(reader, 100) == b"content"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(path.stat().st_mode)


def test_all_of_a_folder_is_brought_to_the_disk(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for name in ("one", "a/two", "a/b/three"):
        (tmp_path / name).write_text(name)
    (tmp_path / "one").chmod(0o400)  # as a copy of a read-only file
    done, sync = [], os.fsync

    def note(descriptor):
        done.append(os.fstat(descriptor).st_ino)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    files.sync_tree(tmp_path)
    assert sorted(done) == sorted(
        p.stat().st_ino for p in (tmp_path, *tmp_path.rglob("*"))
    )
