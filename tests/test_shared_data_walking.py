"""All that look through folders look into the same ones, each once."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from conftest import write_files
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.photos.inputs import find_photos
from shared.data.captioned import read_files
from shared.data.walking import walk
from shared.errors import AppError
from vqa.data import read_dataset
from vqa.questions.captions import read_labelled

INSIDE = {"cats/1.jpg": None, "cats/1.txt": "A cat"}
LEFT_OUT = ("@eaDir/cats/", "@eaDir/1.jpg/", "#recycle/", ".hidden/", "__MACOSX/cats/")


@pytest.fixture
def folder(tmp_path):
    """Photos in a folder, others that a link leads to, loops, and small copies."""
    far = write_files(tmp_path / "far", {"dogs/2.JPG": None, "dogs/2.txt": "A dog"})
    here = write_files(tmp_path / "here", INSIDE)
    for place in LEFT_OUT:
        write_files(here, {f"{place}cat.jpg": None, f"{place}cat.txt": "A small cat"})
    write_files(here, {"cats/._1.jpg": b"\0\5", ".cat.jpg": None})
    (here / "album.jpg").mkdir()
    (here / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    links = {"linked": far, "twice": far, "0": here / "cats", "cats/up": here}
    for name, target in links.items():
        (here / name).symlink_to(target)
    (here / "self").symlink_to(here / "self")
    return here


EXPECTED = ["cats/1.jpg", "linked/dogs/2.JPG"]


def captioned(folder):
    return [r.name for r in read_files(folder) if any(r.captions)]


def labelled(folder):
    return [photo.name for photo in read_labelled(folder)]


def listed(folder):
    photos = find_photos([str(folder)], True, bytes, print)
    return [p.relative_to(folder).as_posix() for p in photos if p.name != "gone.jpg"]


@pytest.mark.parametrize("reader", [captioned, labelled, listed])
def test_every_reader_follows_links_once_and_leaves_small_copies_out(folder, reader):
    assert sorted(reader(folder)) == EXPECTED


def test_each_folder_comes_once_with_all_its_files(folder):
    found = dict(walk(folder))
    assert sorted(os.path.relpath(root, folder) for root in found) == [
        *(".", "album.jpg", "cats", "linked", "linked/dogs")
    ]
    assert found[str(folder / "cats")] == ["._1.jpg", "1.jpg", "1.txt"]


def test_what_is_named_may_be_called_anything(tmp_path):
    folder = write_files(tmp_path / "@eaDir", INSIDE)
    assert captioned(folder) == labelled(folder) == ["cats/1.jpg"]


@pytest.mark.parametrize("reader", [labelled, lambda folder: list(walk(folder))])
def test_a_folder_that_is_not_there_is_refused(tmp_path, reader):
    with pytest.raises(AppError, match=r"none: the folder cannot be read: No such"):
        reader(tmp_path / "none")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads all")
def test_a_folder_without_rights_is_refused_and_not_passed_over(folder):
    (folder / "cats").chmod(0)
    with pytest.raises(AppError, match=r"cats: the folder cannot be read: Permission"):
        captioned(folder)


def test_a_folder_that_goes_away_meanwhile_is_passed_over(tmp_path):
    write_files(tmp_path, {"a/1.txt": "", "b/2.txt": ""})
    found = walk(tmp_path)
    assert next(found) == (str(tmp_path), [])
    Path(tmp_path, "a/1.txt").unlink()
    (tmp_path / "a").rmdir()
    told = []
    rest = [root for root, _ in walk(tmp_path / "a", told.append)]
    assert (rest, len(told)) == ([], 1)
    with pytest.raises(AppError, match="a: the folder cannot be read"):
        list(found)


def test_a_link_to_itself_hides_nothing_beside_it(tmp_path):
    files = {"captions.csv": "image,caption\na,A dog\n", "Images/a.jpg": None}
    write_files(tmp_path, files)
    for place in ("self", "Images/self", "Images/b.jpg"):
        (tmp_path / place).symlink_to(tmp_path / place)
    (record,) = read_files(tmp_path)
    assert record.image == tmp_path / "Images/a.jpg"


PARTS = st.sampled_from(
    [
        *("train", "images", "a.jpg", "b.JPG", "captions.csv", "Questions.TXT", "cats"),
        *("answers.txt", "@eaDir", ".hidden", "qa.894.raw.train.txt", "metadata.jsonl"),
        *("7.txt", "7.jpg", "TRAIN"),
    ]
)
KINDS = st.sampled_from(["photo", "text", "folder", "self", "up", "gone", "pipe"])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.lists(PARTS, min_size=1, max_size=3), KINDS), max_size=9))
def test_any_tree_is_read_or_refused(tmp_path_factory, entries):
    folder = tmp_path_factory.mktemp("tree")
    for parts, kind in entries:
        path = folder.joinpath(*parts)
        with suppress(OSError):  # a file where a folder should be, and the like
            path.parent.mkdir(parents=True, exist_ok=True)
            if os.path.lexists(path):
                continue
            elif kind == "folder":
                path.mkdir()
            elif kind == "pipe":
                os.mkfifo(path)
            elif kind in ("self", "up", "gone"):
                where = {"self": path, "up": path.parent, "gone": folder / "none"}
                path.symlink_to(where[kind])
            else:
                path.write_text("image,caption\na.jpg,A dog\n" * (kind == "text"))
    for read in (read_files, read_dataset, read_labelled, listed):
        with suppress(AppError):
            read(folder)
