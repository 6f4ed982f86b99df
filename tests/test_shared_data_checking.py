"""Photos as both checks look at them: missing, broken, and the same ones."""

from dataclasses import dataclass
from pathlib import Path

from conftest import write_files
from PIL import Image

from shared.data.checking import (
    EXAMPLES,
    as_size,
    as_time,
    check_photos,
    name_some,
    without_split,
)


@dataclass
class Of:
    """A record of a photo."""

    name: str
    image: Path
    split: str


def drawn(folder, shades):
    for name, shade in shades.items():
        Image.new("RGB", (4, 4), (shade, 0, 0)).save(folder / name)


def test_what_photos_are_like(tmp_path):
    drawn(tmp_path, {"a.png": 1, "b.png": 1, "c.png": 2, "d.png": 2, "e.png": 2})
    write_files(tmp_path, {"f.png": "no photo"})
    splits = {"a": "train", "b": "dev", "c": "train", "d": "train", "e": "train"}
    splits |= {"f": "dev", "g": "test"}
    records = [Of(n, tmp_path / f"{n}.png", split) for n, split in splits.items()]
    calls = []
    found = check_photos(
        [*records, *records, Of("c", tmp_path / "c.png", "test")],
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(done, 7) for done in range(1, 8)]
    assert found.photos == {"train": 4, "dev": 2, "test": 2}
    assert found.missing == (("g", "there is no such file."),)
    assert [name for name, _ in found.broken] == ["f"]
    assert found.unreadable == {"f", "g"}
    assert found.leaks == (("a", "b"), ("c", "d", "e"))
    assert found.repeats == 2  # c, d and e in train
    assert [text.partition(":")[0] for text in found.problems] == [
        "missing photos",
        "broken photos",
        "photos that are in several splits, so that dev or test scores flatter",
    ]


def test_a_report_ends_with_how_it_stands(tmp_path):
    drawn(tmp_path, {"a.png": 1, "b\n.png": 2})
    records = [Of("a", tmp_path / "a.png", "train")]
    report = check_photos(records).report({"captions": {"train": 5}}, "about it")
    assert report.splitlines() == [
        "split       photos  captions   a photo",
        "train            1         5       5.0",
        "about it",
        "",
        "no problems found",
    ]
    records += [Of("\x1b\udcff", tmp_path / "gone.png", "train")]
    report = check_photos(records).report({"captions": {"train": 5}}, "")
    assert report.endswith("\n    \\x1b?: there is no such file.")


def test_some_of_many_are_named():
    assert name_some("broken photos", []) == ""
    assert name_some("broken photos", ["a.jpg"]) == "broken photos: 1\n    a.jpg"
    lines = name_some("photos", map(str, range(EXAMPLES + 2))).splitlines()
    assert lines[0] == f"photos: {EXAMPLES + 2}"
    assert [line.strip() for line in lines[1:]] == [*"01234", "... and 2 more"]


def test_splits_without_anything_are_named():
    assert without_split("photos", {"train": 1, "test": 1}) == [
        "no photos in split dev"
    ]


def test_sizes_and_times_are_rounded_for_people():
    assert [as_size(n) for n in (2e6, 99e6, 1e8, 2.5e9)] == [
        "2.0 MB",
        "99.0 MB",
        "0.1 GB",
        "2.5 GB",
    ]
    assert [as_time(n) for n in (1, 89, 90, 5400)] == ["1 s", "89 s", "2 min", "1.5 h"]
