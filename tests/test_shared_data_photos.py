"""Where photos are found, whatever way a data set was unpacked."""

import os
from collections import Counter

import pytest
from conftest import write_files

from shared.data.photos import find_photos, roots_of
from shared.errors import AppError


def find(folder, *wanted):
    """Give name, name on disk, and path below the folder, of each photo."""
    file = folder / "captions.csv"
    names = [paths if isinstance(paths, tuple) else (paths,) for paths in wanted]
    found = find_photos(file, roots_of(file), names)
    return [(p.name, p.stored, str(p.path.relative_to(folder))) for p in found]


def put(folder, *names):
    write_files(folder, dict.fromkeys(names))
    return folder


def test_the_folder_that_has_most_counts_and_others_fill_in(tmp_path):
    put(tmp_path, "a.jpg", "images/a.jpg", "images/b.jpg", "imgs/c.jpg", "d.jpg")
    put(tmp_path, "images/f.jpg")
    assert find(tmp_path, *(f"{letter}.jpg" for letter in "abcdef")) == [
        ("a.jpg", "a.jpg", "images/a.jpg"),
        ("b.jpg", "b.jpg", "images/b.jpg"),
        ("c.jpg", "c.jpg", "imgs/c.jpg"),
        ("d.jpg", "d.jpg", "d.jpg"),
        ("e.jpg", "e.jpg", "images/e.jpg"),  # where it would be
        ("f.jpg", "f.jpg", "images/f.jpg"),
    ]


def test_the_folder_above_counts_only_if_it_has_more(tmp_path):
    here = put(tmp_path / "set", "a.jpg")
    put(tmp_path, "a.jpg", "images/b.jpg")
    assert find(here, "a.jpg") == [("a.jpg", "a.jpg", "a.jpg")]
    file = here / "captions.csv"
    both = find_photos(file, roots_of(file), [("a.jpg",), ("b.jpg",)])
    assert [p.path for p in both] == [tmp_path / "a.jpg", tmp_path / "images/b.jpg"]


def test_a_name_is_as_asked_for_and_as_stored(tmp_path):
    put(tmp_path, "Train/A.JPG", "Train/e\u0301.png", "x.y.webp", "x.txt")
    assert find(tmp_path, "train/a.jpg", "TRAIN/\u00e9", "x.y") == [
        ("train/a.jpg", "Train/A.JPG", "Train/A.JPG"),
        ("TRAIN/\u00e9.png", "Train/e\u0301.png", "Train/e\u0301.png"),
        ("x.y.webp", "x.y.webp", "x.y.webp"),
    ]
    with pytest.raises(AppError, match=r"None of the photos .*captions.csv names"):
        find(tmp_path, "x")  # a text is no photo


def test_of_several_places_the_first_counts(tmp_path):
    put(tmp_path, "val/a.jpg", "a.jpg", "b.jpg")
    assert [path for *_, path in find(tmp_path, ("val/a.jpg", "a.jpg"))] == [
        "val/a.jpg"
    ]
    found = find(tmp_path, ("train/b", "b"), ("train/c", "c"))
    assert [path for *_, path in found] == ["b.jpg", "c.jpg"]


def test_each_folder_is_listed_once_however_many_photos(tmp_path, monkeypatch):
    names = [(f"train/{number}.jpg",) for number in range(300)]
    put(tmp_path / "set", *(name for (name,) in names))
    listed, scandir = Counter(), os.scandir

    def count(folder):
        listed[os.path.normpath(folder)] += 1
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", count)
    monkeypatch.setattr(os, "stat", None)  # nobody asks for one photo after the other
    found = find_photos(tmp_path / "x", [tmp_path / "set"], [*names, ("gone.jpg",)])
    monkeypatch.undo()
    assert sum(photo.path.is_file() for photo in found) == 300
    assert set(listed.values()) == {1}
