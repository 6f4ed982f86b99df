import hashlib
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("gradio", reason="pip install gradio")

import test_captioner_find as finds
from conftest import draw
from PIL import Image

from captioner.archive import album, finding, keeping
from captioner.archive.album import GONE, UNKNOWN, Album, find_captioner
from captioner.page import assembly
from captioner.page.assembly import Settings
from captioner.page.search_tab import SearchTab
from shared.errors import AppError
from shared.vision.photo_cache import Photos
from shared.web.components import preview

archive = finds.archive
NO_PHOTOS = (None, "1", "/etc/passwd", "../1.png", True, 0, -1, 99, 2**70, [1], 1.0)


@pytest.fixture
def kept(archive):
    """An archive whose photos are known by their content, as an Album."""
    for level, path in enumerate(archive.photos):
        draw(path, level=60 * level)
        know(archive, path, str(path))
    return Album(archive.path, finds.make_captioner(), "one", is_open=True)


def know(archive, path, digits):
    content = path.read_bytes()
    archive.database.execute(
        "UPDATE photos SET sha256 = ?, bytes = ? WHERE sha256 = ?",
        (hashlib.sha256(content).hexdigest(), len(content), digits),
    )


def refused(act, *given):
    with pytest.raises(AppError) as error:
        act(*given)
    return str(error.value)


def numbers(shown):
    return [one.photo for one in shown]


def test_glances_are_read_again_only_if_the_archive_changes(kept, archive, monkeypatch):
    read, times = keeping.read_glances, []

    def count(*given):
        times.append(given)
        return read(*given)

    monkeypatch.setattr(keeping, "read_glances", count)
    with ThreadPoolExecutor(8) as pool:  # as visitors of the page come
        found = list(pool.map(lambda _: numbers(kept.find("a dog", 2, ())), range(16)))
    assert found == [found[0]] * 16 and len(times) == 1
    kept.describe(1, "Rex.")  # by a connection of its own
    archive.database.execute("UPDATE files SET vanished = 'now' WHERE photo = 4")
    assert 4 in found[0] and 4 not in numbers(kept.find("a dog", 2, ()))
    assert len(times) == 2
    whole = archive.path.with_name("copy.db")
    archive.database.execute("UPDATE files SET vanished = NULL")
    archive.database.execute("VACUUM INTO ?", (str(whole),))
    for odd in ("-wal", "-shm"):
        archive.path.with_name(f"a.db{odd}").unlink()
    whole.replace(archive.path)  # another file, as of a backup that is put back
    assert 4 in numbers(kept.find("a dog", 2, ()))
    assert len(times) == 3


def test_photos_are_found_by_their_numbers(kept, archive):
    found = kept.find("a cat", 2, ())
    assert numbers(found)[0] == 2 and len(found) == 2
    assert found[0].found.path == archive.photos[1]
    assert 1 not in numbers(kept.find("a dog", 4, ["snow"]))


@pytest.mark.parametrize(
    ("text", "top", "without", "message"),
    [
        ("dog " * 10_000, 20, (), "This is a text of 40,000 letters."),
        ("", 20, (), "There is no word in ''. Say what to look for."),
        ("a dog", 0, (), "1 to 100 photos"),
        ("a dog", 101, (), "1 to 100 photos"),
        ("a dog", "20", (), "1 to 100 photos"),
        ("a dog", 20, ["?"], "Without '?': there is no word in it."),
        ("zwei Hunde im Schnee", 20, (), "No photo is found by 'zwei Hunde im Schnee'"),
    ],
)
def test_bad_searches_are_refused_in_a_sentence(
    kept, monkeypatch, text, top, without, message
):
    monkeypatch.setattr(finding, "READ", 1)  # the decoder does not read all of four
    told = refused(kept.find, text, top, without)
    assert told.startswith(message)


def test_sql_in_a_sentence_is_text(kept, archive):
    kept.find("cat'; DROP TABLE photos; -- \" OR cat:*", 3, ())
    assert numbers(kept.find("cat", 1, ())) == [2]


def test_only_what_was_captioned_is_given(kept, archive, tmp_path):
    first, second, third, _ = archive.photos
    assert kept.read(1) == first.read_bytes()
    first.write_bytes(second.read_bytes())
    assert refused(kept.read, 1) == GONE
    secret = tmp_path / "secret.txt"
    secret.write_bytes(bytes(len(third.read_bytes())))  # of the same size
    third.unlink()
    third.symlink_to(secret)
    assert refused(kept.read, 3) == GONE
    second.unlink()
    assert refused(kept.read, 2) == GONE
    for photo in NO_PHOTOS:
        assert refused(kept.read, photo) == UNKNOWN
        assert refused(kept.like, photo, 20, ()) == UNKNOWN
        assert refused(kept.describe, photo, "A dog.") == UNKNOWN


def test_a_copy_is_given_for_one_that_vanished(kept, archive, tmp_path):
    content = archive.photos[0].read_bytes()
    (tmp_path / "copy.png").write_bytes(content)
    sql = "INSERT INTO files VALUES (?, 1, 1, 1, NULL, NULL)"
    archive.database.execute(sql, (str(tmp_path / "copy.png"),))
    archive.photos[0].unlink()
    assert kept.read(1) == content


def test_similar_photos_are_others(kept, archive, monkeypatch):
    own = finds.make_features({"dog", "animal"})
    captioner = kept._captioner
    captioner.look = captioner.read = lambda given: np.zeros((1, 1, 3), np.uint8)
    monkeypatch.setattr(finding, "pack", lambda captioner, looked: [own])
    assert numbers(kept.like(4, 2, ()))[0] == 1  # the other dog
    assert 4 not in numbers(kept.like(4, 20, ()))


def test_a_caption_is_corrected_found_and_given_back(kept):
    assert kept.describe(2, "  Rex and\nfriends. ") == ("Rex and friends.", True)
    (rex,) = kept.find("Rex", 1, ())
    assert (rex.photo, rex.found.caption, rex.found.by_person) == (
        *(2, "Rex and friends."),
        True,
    )
    assert kept.describe(2, " ") == ("A cat.", False)
    for text in ("?!", "x" * 1001, "half \ud83d", None, 3, ["A dog."]):
        assert "sentence" in refused(kept.describe, 2, text)
    kept.is_open = False
    assert refused(kept.describe, 2, "A dog.") == (
        "Captions cannot be changed on this page."
    )


def test_no_folder_is_named_when_the_archive_is_lost(kept, archive, tmp_path):
    archive.database.close()
    for content in (b"no database at all" * 100, None):
        archive.path.unlink()
        if content:
            archive.path.write_bytes(content)
        for act in (
            lambda: kept.find("a dog", 20, ()),
            lambda: kept.read(1),
            lambda: kept.describe(1, "A dog."),
        ):
            told = refused(act)
            assert "archive" in told and str(tmp_path) not in told


def test_cards_name_files_and_no_folders(kept, archive, tmp_path):
    archive.photos[1].write_bytes(b"no photo")
    know(archive, archive.photos[1], hashlib.sha256(b"").hexdigest())
    archive.photos[0].unlink()
    kept.describe(3, "Ann in the snow.")
    tab = SearchTab(kept)
    told = tab._find("snow", "cat, ", 10)
    assert told["sought"] == "“snow”"
    cards = {card["photo"]: card for card in told["photos"]}
    assert cards[3]["by_person"] and cards[3]["caption"] == "Ann in the snow."
    assert cards[3]["name"] == "3.png" and "in its words: snow" in cards[3]["why"]
    assert cards[3]["preview"].startswith("data:image/jpeg;base64,")
    assert cards[1]["problem"] == GONE and "preview" not in cards[1]
    assert 2 not in cards
    assert str(tmp_path) not in str(told)
    again = tab._find("", "", 10)
    assert again["problem"].startswith("There is no word")
    assert again["turn"] != told["turn"]


def test_what_comes_from_the_network_may_be_anything(kept):
    tab = SearchTab(kept)
    for asked in (None, [], "1", {}, {"photo": "/etc/passwd", "caption": "A dog."}):
        refused(tab.correct, asked)
    asked = {"photo": 1, "caption": "Rex."}
    assert tab.correct(asked) == {"caption": "Rex.", "by_person": True}


def test_time_and_place_of_a_photo_stay_here():
    stored, exif = io.BytesIO(), Image.Exif()
    exif[0x010E] = "at home"
    Image.new("RGB", (60, 40), "red").save(stored, "JPEG", exif=exif)
    photo = Photos({(32, "crop")}).add(stored.getvalue())
    assert b"at home" in stored.getvalue()
    assert b"at home" not in photo.shown
    assert Image.open(io.BytesIO(photo.shown)).size == (60, 40)
    small = preview(stored.getvalue(), 30)
    assert "YXQgaG9tZ" not in small


@pytest.mark.parametrize(
    ("changes", "may"),
    [
        ({}, True),
        ({"host": "localhost"}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": "192.168.0.2"}, False),
        ({"proxies": ["127.0.0.1"]}, False),
        ({"host_names": ["photos.example.org"]}, False),
        ({"root_path": "/captions"}, False),
        ({"host": "0.0.0.0", "users": [("ann", "secret")]}, True),
    ],
)
def test_who_may_correct(changes, may):
    assert Settings(**changes).may_edit is may


def test_an_unfit_archive_is_refused_before_models_load(kept, tmp_path, monkeypatch):
    monkeypatch.setattr(
        "captioner.describing.predict.load_captioner",
        lambda *_, **__: pytest.fail("loaded"),
    )
    (tmp_path / "notes.txt").write_text("no database at all" * 100)
    for name, message in {
        "no.db": "There is no archive",
        "notes.txt": "is no database",
        ".": "is a folder",
        "a.db": "Name that model with --captioner",
    }.items():
        settings = Settings(archive=tmp_path / name)
        assert message in refused(assembly.load_models, settings)


def test_the_model_that_captioned_is_found_among_several(kept, archive, monkeypatch):
    monkeypatch.setattr(
        album,
        "identify_models",
        lambda folders, *_: {"model": {"sha256": folders[0]}},
    )
    assert find_captioner(archive.path, ["other", "one"]) == (1, "one")
