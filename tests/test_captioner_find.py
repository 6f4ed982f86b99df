import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from archives import caption
from conftest import ROOT, draw
from PIL import Image

from captioner.archive import finding, likeness, ranking, shelf
from captioner.archive.features import (
    FORMAT,
    ODDS,
    Features,
    leave_out,
    outline,
    pack_memory,
    parts_of,
    pool,
    to_odds,
    unpack_memory,
    unpack_regions,
)
from captioner.archive.finding import Finder, open_archive
from captioner.archive.looking import Exif, Seen, State
from captioner.archive.ranking import read_query
from captioner.archive.store import Store, Told, write_search
from captioner.cli import main
from captioner.describing.concepts import Concept
from captioner.describing.predict import load_captioner
from shared.data.archive import ARCHIVE
from shared.errors import AppError
from shared.files.databases import opened
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary

CONCEPTS = ("dog", "cat", "animal", "person", "man", "snow")
VOCABULARY = Vocabulary(
    [*SPECIAL_WORDS, "a", "dog", "cat", "man", "in", "the", "snow", "pink", "runs"]
)
# caption, and the concepts that are said with 0.9; all others with 0.02
PHOTOS = (
    ("A dog in the snow.", {"dog", "animal", "snow"}),
    ("A cat.", {"cat", "animal"}),
    ("A man in the snow.", {"man", "person", "snow"}),
    ("A dog runs.", {"dog", "animal"}),
)


class Runtime:
    """Finds that a sentence is as probable as a photo's first number times a word's."""

    grid = (1, 1)
    remembers = ("regions", "state_0")

    def __init__(self):
        self.scored = []

    def score(self, memory, tokens, rules):
        self.scored.append(tuple(tokens))
        level = memory["state_0"][:, 0, :1]  # (N, 1)
        return -np.abs(level - np.array([[*tokens, 3]], np.float32) / 10)


def make_captioner():
    return SimpleNamespace(
        vocabulary=VOCABULARY,
        concept_words=CONCEPTS,
        runtime=Runtime(),
        request=lambda: (None, None),
    )


def make_features(shown, level=0.0, regions=(1.0, 0.0)):
    rng = np.random.default_rng(int(10 * level))
    image = rng.integers(0, 256, (30, 40, 3), np.uint8)
    odds = to_odds(np.array([0.9 if word in shown else 0.02 for word in CONCEPTS]))
    memory = {
        "regions": np.array([regions], np.float32),
        "state_0": np.array([level, 1.0], np.float32),
    }
    return Features(odds, leave_out(odds), outline(image), pack_memory(memory))


def add(store, folder, text, features, taken=None):
    """Add a photo to an archive."""
    path = folder / f"{len(list(folder.glob('*.png'))) + 1}.png"
    draw(path)
    shown = [Concept(word, 0.9, 0.9) for word in text.lower().strip(".").split()]
    concepts = [one for one in shown if one.word in CONCEPTS]
    seen = Seen(path, State(1, 1), str(path), Exif(taken))
    store.put([(seen, Told([caption(text)], concepts, features))])
    return path


@pytest.fixture
def archive(tmp_path):
    """Give a database, its Store, and the photos of `PHOTOS`, in their order."""
    path = tmp_path / "a.db"
    with opened(path, ARCHIVE, write=True, create=True) as database:
        store = Store(database, {"model": {"sha256": "one"}}, FORMAT)
        paths = [
            add(
                store,
                tmp_path,
                text,
                make_features(shown, number / 10),
                f"201{number}-05",
            )
            for number, (text, shown) in enumerate(PHOTOS, start=5)
        ]
        yield SimpleNamespace(path=path, database=database, store=store, photos=paths)


@pytest.fixture
def finder(archive):
    return Finder(archive.database, archive.path, make_captioner(), [1])


def names(found):
    return [one.path for one in found]


def test_odds_and_memory_come_back_but_for_rounding():
    rng = np.random.default_rng(0)
    said = rng.random(50)
    odds = ODDS[np.frombuffer(to_odds(said), np.uint8)]
    np.testing.assert_allclose(1 / (1 + np.exp(-odds)), said, atol=0.01)
    assert leave_out(to_odds(said)) == pytest.approx(-np.log1p(-said).sum(), abs=1)
    runtime = SimpleNamespace(grid=(7, 7), remembers=("regions", "state_0"))
    memory = {"regions": rng.random((2, 49, 5)), "state_0": rng.normal(size=(2, 8))}
    small = pool(memory, (7, 7))
    whole = memory["regions"][0].reshape(7, 7, 5)
    np.testing.assert_allclose(small["regions"][0, 0], whole[:3, :3].mean((0, 1)))
    packed = [pack_memory({n: rows[i] for n, rows in small.items()}) for i in range(2)]
    again = unpack_memory(runtime, packed)
    step = np.abs(small["regions"]).max() / 15
    expected = small["regions"][:, parts_of((7, 7))]
    np.testing.assert_allclose(again["regions"], expected, atol=step / 2 + 1e-6)
    assert again["state_0"].shape == (2, 1, 8)
    assert unpack_regions(runtime, packed).shape == (2, 45)


@pytest.mark.parametrize("change", [lambda b: b[:-3], lambda b: b[:20], lambda b: b""])
def test_damaged_memories_are_told(archive, finder, change):
    for id_, packed in archive.database.execute("SELECT id, features FROM photos"):
        sql = "UPDATE photos SET features = ? WHERE id = ?"
        archive.database.execute(sql, (change(packed), id_))
    with pytest.raises(AppError, match=r"is damaged: .*index --again"):
        finder.find("a dog")


def test_the_ranking_is_that_of_its_equations(archive, finder, monkeypatch):
    monkeypatch.setattr(finding, "TEXT", 0.0)
    monkeypatch.setattr(finding, "OTHERS", 4)
    text = "a dog in the snow"
    query = read_query(text, VOCABULARY, CONCEPTS)
    probs = np.array(
        [[0.9 if w in shown else 0.02 for w in CONCEPTS] for _, shown in PHOTOS]
    )
    odds = np.log(probs) - np.log1p(-probs)
    dog, animal, snow = (CONCEPTS.index(word) for word in ("dog", "animal", "snow"))
    first = odds[:, dog] + odds[:, snow] + ranking.BROADER * odds[:, animal]
    first += 5 / 8 * ranking.LEFT_OUT * np.log1p(-probs).sum(1)
    tokens = np.array([VOCABULARY.ids[word] for word in text.split()] + [3])
    levels = np.arange(5, 9)[:, None] / 10
    log_probs = -np.abs(levels - tokens / 10).sum(1)
    usual = np.log(np.exp(log_probs).mean())
    wanted = first + ranking.LIKELIHOOD * (log_probs - usual)
    ranked = finder.rank(query)
    order = np.argsort(-wanted)
    assert ranked.photos.tolist() == (order + 1).tolist()
    np.testing.assert_allclose(ranked.scores, wanted[order], atol=0.2)
    gains = [ranked.likelihoods[number] for number in range(1, 5)]
    np.testing.assert_allclose(gains, log_probs - usual, atol=0.1)


def test_models_without_concepts_find_by_words_and_decoder(tmp_path):
    with opened(tmp_path / "a.db", ARCHIVE, write=True, create=True) as database:
        store = Store(database, {"model": {"sha256": "one"}}, FORMAT)
        features = make_features(()), make_features((), 0.2)
        paths = [
            add(store, tmp_path, text, one._replace(odds=b"", left_out=0.0))
            for text, one in zip(("A dog.", "A cat."), features, strict=True)
        ]
        captioner = make_captioner()
        captioner.concept_words = ()
        finder = Finder(database, tmp_path / "a.db", captioner, [1])
        found = {one.path: one.words for one in finder.find("a dog")}
        assert found == {paths[0]: ("dog",), paths[1]: ()}
        assert names(finder.find("pink")) == [paths[1]]  # so few are all read


def test_those_that_the_decoder_has_not_read_stay_behind(finder, monkeypatch):
    monkeypatch.setattr(finding, "READ", 2)
    ranked = finder.rank(read_query("a dog", VOCABULARY, CONCEPTS))
    assert {*ranked.photos[:2].tolist()} == {1, 4} == {*ranked.likelihoods}
    assert sorted(ranked.photos.tolist()) == [1, 2, 3, 4]
    assert (np.diff(ranked.scores) <= 0).all()


def test_broader_words_forms_and_captions_find(archive, finder):
    assert {*names(finder.find("animals", 3))} == {archive.photos[i] for i in (0, 1, 3)}
    found = {one.path: one for one in finder.find("A running dog!", 2)}
    runs = found[archive.photos[3]]
    assert runs.words == ("running", "dog")
    assert runs.concepts == {"dog": pytest.approx(0.9, abs=0.01)}
    assert runs.likelihood is not None


def test_a_persons_words_count_most(archive, finder):
    sql = "INSERT INTO edits VALUES (2, 'A dog in pink snow.', 'now')"
    archive.database.execute(sql)
    write_search(archive.database, 2)
    found = finder.find("pink", 1)[0]
    assert (found.path, found.by_person) == (archive.photos[1], True)
    assert found.caption == "A dog in pink snow."
    with pytest.raises(AppError, match="no photo"):
        finder.find("zzz")
    archive.database.execute("UPDATE edits SET caption = 'Rex'")
    write_search(archive.database, 2)
    (rex,) = finder.find("rex")  # no other photo has anything of it
    assert (rex.path, rex.words) == (archive.photos[1], ("rex",))


def test_photos_are_found_for_a_reason(archive, finder):
    gains = finder.rank(read_query("a cat", VOCABULARY, CONCEPTS)).likelihoods
    likelier = {archive.photos[number - 1] for number in gains if gains[number] > 0}
    assert 0 < len(likelier) < 4
    assert {*names(finder.find("a cat"))} == likelier | {archive.photos[1]}
    shown = ranking.shows(
        read_query("a cat and a man", VOCABULARY, CONCEPTS),
        np.stack(
            [np.frombuffer(to_odds(np.full(6, p)), np.uint8) for p in (0.09, 0.11)]
        ),
    )
    assert shown.tolist() == [False, True]


def test_glances_are_those_of_the_photos_that_are_there(archive, monkeypatch):
    rng = np.random.default_rng(0)
    database, count = archive.database, 300
    odds = rng.integers(0, 256, (count, 64), np.uint8)  # 0 and all other bytes
    database.execute("DELETE FROM glances")
    database.execute("UPDATE files SET vanished = 'now' WHERE photo = 3")
    for number, row in enumerate(odds, start=5):
        database.execute(
            "INSERT INTO photos SELECT ?, ?, bytes, taken, latitude, longitude, "
            "caption, log_prob, confidence, unsure, model, features, indexed "
            "FROM photos WHERE id = 1",
            (number, f"{number:064}"),
        )
        file = f"{number}.png", number, None if number % 3 else "now"
        database.execute("INSERT INTO files VALUES (?, ?, 0, 0, NULL, ?)", file)
        glance = number, 1, number / 7, row.tobytes(), b""
        database.execute("INSERT INTO glances VALUES (?, ?, ?, ?, ?)", glance)
    database.execute("UPDATE glances SET odds = x'00' WHERE photo = 10")
    wanted = [n for n in range(5, count + 5) if n % 3 and n != 10]
    for at_once in (1, 7, 4096):
        monkeypatch.setattr(shelf, "AT_A_GLANCE", at_once)
        found = shelf.read_glances(database, [1])
        assert found.photos.tolist() == wanted
        assert found.left_out == pytest.approx(np.array(wanted) / 7)
        assert np.array_equal(found.odds, odds[np.array(wanted) - 5])
    assert shelf.read_glances(database, [1], 1).photos.tolist() == [10]
    assert shelf.read_glances(database, [2]).odds.shape == (0, 0)


def test_conditions_leave_out(archive, finder):
    assert archive.photos[2] not in names(finder.find("snow", without=["people"]))
    assert names(finder.find("snow", without=["animals"])) == [archive.photos[2]]
    assert {*names(finder.find("animal", since="2016"))} <= {*archive.photos[1:]}
    assert names(finder.find("dog", since="2018-05")) == [archive.photos[3]]
    archive.database.execute("UPDATE files SET vanished = 'now' WHERE photo = 4")
    again = Finder(archive.database, archive.path, make_captioner(), [1])
    assert archive.photos[3] not in names(again.find("dog"))
    with pytest.raises(AppError, match="no date"):
        finder.find("dog", since="yesterday' OR 1")
    with pytest.raises(AppError, match="no word"):
        finder.find("dog", without=["!"])


@pytest.mark.parametrize(
    "text",
    [
        "'; DROP TABLE photos; --",
        'dog" OR caption:* NEAR(a b)',
        "dog* AND NOT {cat}:",
        "dog " * 10_000,
        "a " * 5_000,
        "狗 hund собака dog",
    ],
)
def test_any_text_is_only_text(archive, finder, text):
    try:
        found = finder.find(text)
    except AppError as error:
        assert "no photo is found" in str(error)
    else:
        assert found
    assert all(
        len(tokens) <= ranking.TOKENS for tokens in finder.captioner.runtime.scored
    )
    assert archive.database.execute("SELECT count(*) FROM photos").fetchone()[0] == 4


@pytest.mark.parametrize("text", ["", " \n", "?!", "\x00", "😀"])
def test_a_query_without_words_is_refused(finder, text):
    with pytest.raises(AppError, match="no word in"):
        finder.find(text)


def test_alike_photos_are_found(archive, finder, tmp_path, monkeypatch):
    shown = {"dog", "animal", "snow"}
    for level, regions in ((0.5, (1.0, 0.02)), (0.1, (0.0, 1.0))):
        add(archive.store, tmp_path, "A dog.", make_features(shown, level, regions))
    (group,) = finder.near_duplicates()
    assert [one.path.name for one in group] == ["1.png", "5.png"]
    assert finder.near_duplicates(since="2016") == []
    assert finder.near_duplicates(since="2030") == []
    wanted = make_features(shown, 0.3)
    monkeypatch.setattr(finding, "pack", lambda *_: [wanted])
    finder.captioner.read = lambda photo: np.zeros((1, 1, 3), np.uint8)
    finder.captioner.look = lambda images: None
    found = finder.like(archive.photos[0], 3)
    assert archive.photos[0] not in names(found)
    assert found[0].path.name == "5.png"
    assert found[0].score > 0.9 > found[-1].score


def test_outlines_tell_copies_from_others():
    paths = (ROOT / "examples").glob("*.jpg")
    photos = [Image.open(path).convert("RGB") for path in paths]
    outlines = [outline(np.asarray(one)) for one in photos]
    for copy in (
        lambda one: one.resize((200, 150)),
        lambda one: one.point(lambda level: level * 3 // 4),
        lambda one: one.convert("L").convert("RGB"),
    ):
        copies = [outline(np.asarray(copy(one))) for one in photos]
        every = np.frombuffer(b"".join(outlines + copies), np.uint8)
        found = likeness.find_same(every.reshape(2 * len(photos), -1))
        assert sorted(found) == [[i, i + len(photos)] for i in range(len(photos))]


def test_the_same_photos_are_those_of_brute_force():
    rng = np.random.default_rng(0)
    outlines = rng.integers(0, 256, (1500, 4), np.uint8)
    outlines[::50], outlines[1::300] = outlines[7], 0
    bits = np.unpackbits(outlines, axis=1)
    group = np.arange(len(bits))
    while True:  # each takes the least group of those that are the same
        near = [(bits != one).sum(1) <= 4 for one in bits]
        new = np.array([group[one].min() for one in near])
        if (new == group).all():
            break
        group = new
    plain = ~outlines.any(axis=1)
    wanted = [np.flatnonzero((group == g) & ~plain).tolist() for g in np.unique(group)]
    found = likeness.find_same(outlines)
    assert sorted(found) == [one for one in wanted if len(one) > 1]
    assert len(found) > 3


def test_what_was_not_captioned_by_the_model_is_told(tmp_path, capfd):
    path = tmp_path / "a.db"
    with opened(path, ARCHIVE, write=True, create=True) as database:
        with pytest.raises(AppError, match="holds no photos yet"), open_archive(path):
            pass
        store = Store(database, {"model": {"sha256": "another"}}, FORMAT)
        add(store, tmp_path, "A dog.", make_features({"dog"}))
    assert main(["find", "dog", "--db", str(path)]) == 1
    error = capfd.readouterr().err
    assert "were captioned by another model" in error
    assert "Traceback" not in error
    assert main(["find", "dog", "--db", str(tmp_path / "none.db")]) == 1
    assert "There is no archive" in capfd.readouterr().err
    assert main(["find", "--db", str(path)]) == 2


def test_photos_of_other_models_are_counted_and_left_out(archive, finder, tmp_path):
    assert finder.count_others() == 0
    other = Store(archive.database, {"model": {"sha256": "another"}}, FORMAT)
    path = add(other, tmp_path, "A dog in the snow.", make_features({"dog", "snow"}))
    assert path not in names(finder.find("a dog in the snow"))
    assert finder.count_others() == 1


def test_the_command_finds_what_it_indexed(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    draw("in/a.png", "in/b.png", level=60)
    assert main(["index", "in", "--db", "a.db"]) == 0
    assert Path("a.db").stat().st_size < 250_000
    capfd.readouterr()
    words = ["find", "a building", "--db", "a.db"]
    assert main(words) == 0
    lines = capfd.readouterr().out.splitlines()
    script = [sys.executable, "-m", "captioner.cli", *words]
    alone = subprocess.run(script, capture_output=True, text=True, check=True)
    assert (alone.stdout.splitlines(), alone.stderr) == (lines, "")
    assert sorted(line.split("\t")[0] for line in lines) == [
        str(tmp_path / "in/a.png"),
        str(tmp_path / "in/b.png"),
    ]
    assert main([*words, "--top", "1", "-o", "found.jsonl"]) == 0
    (record,) = map(json.loads, Path("found.jsonl").read_text().splitlines())
    assert record["image"] == lines[0].split("\t")[0]
    assert record["likelihood"] == pytest.approx(0, abs=1)
    assert main([*words, "-o", "found.jsonl"]) == 1
    assert main([*words, "-o", "found.html"]) == 0
    page = Path("found.html").read_text()
    assert "<h1>a building</h1>" in page
    assert "likelier by" in page
    capfd.readouterr()
    assert main(["find", "--near-duplicates", "--db", "a.db"]) == 0
    assert capfd.readouterr().out.count("\t") in (0, 4)
    captioner = load_captioner(batch_size=2)
    with open_archive("a.db", captioner=captioner) as finder:
        assert finder.captioner is captioner
        assert [str(path) for path in names(finder.find("a building"))] == [
            line.split("\t")[0] for line in lines
        ]
    assert main(["find", "--like", "in/a.png", "--db", "a.db"]) == 0
    assert capfd.readouterr().out.startswith(str(tmp_path / "in/b.png"))
