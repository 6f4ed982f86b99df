import hashlib
import os
import subprocess
import sys

import pytest
from archives import faked, rows
from conftest import ROOT, draw
from PIL import Image

from captioner.archive import watching
from captioner.cli import main
from captioner.jobs.caption import Captioning

SHOWN = "SELECT path, caption FROM library ORDER BY path"


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """Three photos, two of the same content, and a text that is called like one."""
    monkeypatch.chdir(tmp_path)
    draw("in/a.png", "in/b.png")
    (tmp_path / "in/copy.png").write_bytes((tmp_path / "in/a.png").read_bytes())
    (tmp_path / "in/broken.png").write_text("no photo")
    return tmp_path / "in"


@pytest.fixture
def captioner(monkeypatch):
    return faked(monkeypatch)


def index(*words):
    return main(["index", *map(str, words), "--db", "a.db"])


def found(word, column=None):
    """Give the names of the photos that a word finds."""
    query = f"{column} : {word}" if column else word
    sql = (
        "SELECT path FROM search JOIN library ON photo = search.rowid "
        "WHERE search MATCH ?"
    )
    return sorted(path.rpartition("/")[2] for (path,) in rows("a.db", sql, query))


def test_each_content_is_captioned_once(photos, captioner, capfd):
    assert index(photos) == 1
    error = capfd.readouterr().err
    assert "broken.png: this is not an image" in error
    assert "a.db: 2 photos; 2 captioned, 1 moved or copied, 1 error" in error
    assert captioner.told == 2
    ((sha256, bytes_, text, log_prob, confidence, unsure, packed),) = rows(
        "a.db",
        "SELECT sha256, bytes, caption, log_prob, confidence, unsure, features "
        "FROM photos WHERE caption LIKE '%100.'",
    )
    content = (photos / "a.png").read_bytes()
    assert (sha256, bytes_) == (hashlib.sha256(content).hexdigest(), len(content))
    assert (text, log_prob) == ("A dog of shade 100.", -1.5)
    assert (confidence, unsure, packed) == (0.7, 0, b"seen")
    assert rows("a.db", "SELECT path, photo FROM files WHERE error IS NULL") == [
        (str(photos / "a.png"), 1),
        (str(photos / "b.png"), 2),
        (str(photos / "copy.png"), 1),
    ]
    assert rows("a.db", "SELECT caption FROM candidates WHERE photo = 1") == [
        ("A dog of shade 100.",),
        ("A cat.",),
    ]
    assert rows("a.db", "SELECT word, there, said FROM concepts WHERE photo = 1") == [
        ("dog", 0.9, 0.5),
        ("grass", 0.3, 0.1),
    ]
    assert found("dogs") == found("animals", "concepts") == ["a.png", "b.png"]
    assert found("cat", "candidates") == ["a.png", "b.png"] != found("cat", "caption")


def test_what_is_unchanged_is_left_alone(photos, captioner, capfd, monkeypatch):
    index(photos)
    (photos / "broken.png").unlink()
    monkeypatch.setattr(Captioning, "open", None)  # no model is needed
    capfd.readouterr()
    assert index(photos) == 0
    told = "a.db: 2 photos; 3 unchanged, 1 vanished, 0 errors\n"
    assert capfd.readouterr().err == told
    os.utime(photos / "a.png")
    monkeypatch.undo()
    monkeypatch.chdir(photos.parent)
    faked(monkeypatch).told = 0
    assert index(photos) == 0
    assert "1 moved or copied, 2 unchanged" in capfd.readouterr().err


def test_what_moves_or_vanishes_is_known(photos, captioner, capfd):
    draw("out/c.png", level=50)
    draw("in/deep/d.png", level=60)
    index("in", "out", "-r")
    assert captioner.told == 4
    (photos / "b.png").rename(photos / "e.png")
    (photos / "deep/d.png").unlink()
    (photos.parent / "out/c.png").unlink()
    capfd.readouterr()
    index(photos)
    assert "1 moved or copied, 2 unchanged, 1 error" in capfd.readouterr().err
    assert captioner.told == 4
    vanished = "SELECT path FROM files WHERE vanished IS NOT NULL"
    assert rows("a.db", vanished) == [(str(photos / "b.png"),)]  # d is deeper
    index(photos, "-r")
    assert rows("a.db", vanished)[1:] == [(str(photos / "deep/d.png"),)]
    assert [path for path, _ in rows("a.db", SHOWN)] == [
        None,
        *(str(photos / name) for name in ("a.png", "e.png")),
        str(photos.parent / "out/c.png"),  # nobody has looked there
    ]
    draw("in/deep/d.png", level=60)
    index(photos, "-r")
    assert captioner.told == 4
    assert len(rows("a.db", vanished)) == 1


def test_a_folder_without_any_photo_was_probably_taken_out(photos, captioner, capfd):
    draw("out/c.png", level=50)
    index("in", "out")
    (photos.parent / "out/c.png").unlink()
    index("in", "out")
    assert "vanished" not in capfd.readouterr().err


def test_a_photo_that_changed_is_captioned_anew(photos, captioner):
    index(photos)
    draw("in/b.png", level=7)
    index(photos)
    shown = dict(rows("a.db", SHOWN))
    assert shown[str(photos / "b.png")] == "A dog of shade 7."
    assert "A dog of shade 101." in shown.values()  # nothing is deleted
    draw("in/broken.png", level=9)
    assert index(photos) == 0
    assert rows("a.db", "SELECT count(*) FROM files WHERE error IS NOT NULL") == [(0,)]


def test_one_that_changes_while_it_is_read_is_taken_next_time(
    photos, captioner, capfd, monkeypatch
):
    write = captioner.write

    def change(looked):
        os.utime(photos / "b.png")
        return write(looked)

    monkeypatch.setattr(captioner, "write", change)
    assert index(photos) == 1
    assert "b.png: it was changed while it was read" in capfd.readouterr().err
    monkeypatch.setattr(captioner, "write", write)
    (photos / "broken.png").unlink()
    assert index(photos) == 0
    assert len(rows("a.db", "SELECT 1 FROM photos")) == 2


def test_photos_of_other_settings_are_captioned_again_if_asked(
    photos, captioner, capfd
):
    index(photos)
    index(photos, "--set", "beam_size=1")
    error = capfd.readouterr().err
    assert "note: 2 photos were captioned by another model or with other" in error
    assert captioner.told == 2
    index(photos, "--set", "beam_size=1", "--again")
    assert captioner.told == 4
    assert len(rows("a.db", "SELECT 1 FROM photos WHERE model = 2")) == 2
    assert found("dog") == ["a.png", "b.png"]
    index(photos, "--set", "beam_size=1", "--again")
    assert captioner.told == 4


def test_more_known_ones_than_are_kept_at_once(tmp_path, captioner, monkeypatch):
    monkeypatch.setattr("captioner.archive.indexing.KNOWN_AT_ONCE", 3)
    monkeypatch.chdir(tmp_path)
    draw(*(f"in/{i}.png" for i in range(10)), level=10)
    index("in")
    (tmp_path / "in").rename(tmp_path / "moved")
    draw(*(f"moved/{i}.png" for i in range(10, 15)), level=100)
    assert index("moved", "in") == 1  # there is no such folder now
    assert captioner.told == 15
    assert len(rows("a.db", "SELECT 1 FROM library WHERE path LIKE '%/moved/%'")) == 15


def test_names_that_are_no_text(tmp_path, captioner, monkeypatch, capfdbinary):
    monkeypatch.chdir(tmp_path)
    draw("in/a.png")
    name = os.fsdecode(b"in/\xff.png")
    os.rename("in/a.png", name)  # noqa: PTH104
    assert index("in") == index("in") == 0
    assert main(["edit", name, "A cat.", "--db", "a.db"]) == 0
    capfdbinary.readouterr()
    assert main(["edit", "--db", "a.db"]) == 0
    assert b"/in/\xff.png\tA cat.\n" in capfdbinary.readouterr().out
    os.rename(name, "in/b.png")  # noqa: PTH104
    assert index("in") == 0
    assert rows("a.db", SHOWN) == [(str(tmp_path / "in/b.png"), "A cat.")]


def test_time_and_place_are_those_of_exif(tmp_path, captioner, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2019:07:14 18:30:05"
    exif.get_ifd(0x8825).update(
        {1: "S", 2: (33.0, 51.0, 54.0), 3: "E", 4: (151.0, 12.0, 36.0)}
    )
    Image.new("RGB", (8, 8)).save("a.jpg", exif=exif)
    exif.get_ifd(0x8769)[0x9003] = "0000:00:00 00:00:00"
    exif.get_ifd(0x8825)[2] = (933.0, 0.0, 0.0)
    Image.new("RGB", (9, 8)).save("b.jpg", exif=exif)
    index("a.jpg", "b.jpg")
    assert rows("a.db", "SELECT taken, latitude, longitude FROM library") == [
        ("2019-07-14T18:30:05", -33.865, 151.21),
        (None, None, None),
    ]


# Interruptions


@pytest.mark.skipif(os.name == "nt", reason="needs fork")
def test_a_kill_at_any_moment_loses_nothing(tmp_path):
    folder, path = tmp_path / "in", tmp_path / "a.db"
    draw(*(f"{folder}/{i}.png" for i in range(200)), level=10)
    words = [sys.executable, str(ROOT / "tests/archives.py"), str(folder), str(path)]
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, check=True, env=env, capture_output=True, text=True)
    counts = list(map(int, done.stdout.split()))
    assert counts == sorted(counts) and len(counts) == 8
    assert len({*counts} - {0, 200}) > 2  # several in the middle
    assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert rows(path, "PRAGMA foreign_key_check") == []
    assert rows(path, "SELECT count(*) FROM search") == [(200,)]
    shown = rows(path, SHOWN)
    assert sorted(name for name, _ in shown) == sorted(map(str, folder.iterdir()))
    assert len({caption for _, caption in shown}) == 200


def test_an_interruption_says_what_is_kept(tmp_path, captioner, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    draw(*(f"in/{i}.png" for i in range(9)))
    write, calls = captioner.write, iter([1, 2])

    def interrupt(looked):
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return write(looked)

    monkeypatch.setattr(captioner, "write", interrupt)
    assert index("in") == 130
    assert "note: 8 of 9 photos are kept; the same command" in capfd.readouterr().err
    monkeypatch.setattr(captioner, "write", write)
    assert index("in") == 0
    assert "1 captioned, 8 unchanged" in capfd.readouterr().err


def test_watching_takes_what_is_whole_and_ends_cleanly(
    photos, captioner, monkeypatch, capfd
):
    whole = (photos / "a.png").read_bytes()

    def steps():
        (photos / "new.png").write_bytes(whole[:40])
        yield
        (photos / "new.png").write_bytes(whole[:60])  # it is still growing
        yield
        draw("in/new.png", level=7)
        yield
        yield
        (photos / "b.png").unlink()
        yield
        yield
        raise KeyboardInterrupt

    moments = steps()
    monkeypatch.setattr(watching.time, "sleep", lambda seconds: next(moments))
    assert index(photos, "--watch") == 0
    error = capfd.readouterr().err
    assert error.count("error:") == 1  # of broken.png
    assert (
        "a.db: 2 photos; 3 captioned, 1 moved or copied, 1 vanished, 1 error" in error
    )
    shown = dict(rows("a.db", SHOWN))
    assert shown[str(photos / "new.png")] == "A dog of shade 7."


def test_watching_is_for_folders(photos, captioner, capfd):
    assert index(photos / "a.png", "--watch") == 2
    assert "--watch follows folders" in capfd.readouterr().err


# The real model, and bad input


def test_the_included_model_fills_an_archive(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    assert index(ROOT / "examples/cat.jpg") == 0
    assert "1 captioned, 0 errors" in capfd.readouterr().err
    ((text, confidence),) = rows("a.db", "SELECT caption, confidence FROM library")
    assert main(["caption", str(ROOT / "examples/cat.jpg")]) == 0
    assert capfd.readouterr().out == f"{ROOT / 'examples/cat.jpg'}\t{text}\n"
    assert 0 < confidence < 1
    assert found("cat") == ["cat.jpg"]


def test_a_second_run_waits_for_the_first(photos, captioner, capfd):
    from shared.files.locks import hold

    index(photos)
    capfd.readouterr()
    with hold(photos.parent / "a.db", "`captioner index`"):
        assert index(photos) == 1
        assert "in use by `captioner index`" in capfd.readouterr().err
        assert main(["edit", "in/a.png", "A cat.", "--db", "a.db"]) == 0


@pytest.mark.parametrize(
    ("name", "words"),
    [("in/a.png", "is no database"), ("in", "is a folder"), ("no/a.db", "no folder")],
)
def test_what_is_no_archive_is_left_alone(photos, captioner, capfd, name, words):
    before = (photos / "a.png").read_bytes()
    assert main(["index", "in", "--db", name]) == 1
    error = capfd.readouterr().err
    assert words in error and error.count("\n") == 1
    assert captioner.told == 0
    assert (photos / "a.png").read_bytes() == before


def test_no_archive_is_made_where_there_are_no_photos(tmp_path, captioner, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert index(tmp_path) == 1
    assert main(["edit", "--db", "a.db"]) == 1
    assert index("x.jpg", "--model", "nowhere") == 1
    assert not (tmp_path / "a.db").exists()
