import csv
import shutil
from pathlib import Path

import pytest
from archives import faked, rows
from conftest import draw

from captioner.cli import main
from captioner.files.outputs import open_output
from captioner.metadata.containers import Png
from captioner.metadata.writing import write_description
from captioner.metadata.xmp import DESCRIPTION, Packet
from shared.data.captioned import read_dataset
from shared.errors import AppError

EDITS = "SELECT photo, caption FROM edits ORDER BY photo"


@pytest.fixture
def archive(tmp_path, monkeypatch, capfd):
    """An archive of a.png, b.png and c.png, its photos 1, 2 and 3."""
    monkeypatch.chdir(tmp_path)
    faked(monkeypatch)
    draw("in/a.png", "in/b.png", "in/c.png")
    assert main(["index", "in", "--db", "a.db"]) == 0
    capfd.readouterr()
    return tmp_path / "a.db"


def edit(*words):
    return main(["edit", *map(str, words), "--db", "a.db"])


def found(word):
    sql = "SELECT rowid FROM search WHERE search MATCH ? ORDER BY rowid"
    return [row[0] for row in rows("a.db", sql, word)]


def write_csv(name, table):
    with Path(name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(table)


def read_csv(name):
    with Path(name).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_a_person_has_the_last_word(archive, capfd):
    assert edit("in/a.png", "  Two  horses\nin a field. ") == 0
    assert rows("a.db", "SELECT caption, by_person, confidence FROM library") == [
        ("Two horses in a field.", 1, None),
        ("A dog of shade 101.", 0, 0.7),
        ("A dog of shade 102.", 0, 0.7),
    ]
    assert found("caption : dog") == found("cat") == [2, 3]  # the model was wrong
    assert found("horse") == found("concepts : horse") == [1]
    again = ["index", "in", "--db", "a.db", "--again", "--set", "beam_size=1"]
    assert main(again) == 0
    assert rows("a.db", EDITS) == [(1, "Two horses in a field.")]
    assert found("caption : dog") == [2, 3] and found("horse") == [1]
    capfd.readouterr()
    assert edit() == 0
    path = archive.parent / "in/a.png"
    assert capfd.readouterr().out == f"{path}\tTwo horses in a field.\n"


def test_words_stay_with_a_photo_that_moves_and_can_be_taken_back(archive):
    digits = rows("a.db", "SELECT sha256 FROM photos WHERE id = 1")[0][0]
    edit(digits[:10].upper(), "A horse.")
    Path("in/a.png").rename("in/z.png")
    edit("in/z.png", "A grey horse.")  # known by its content before it is indexed
    assert main(["index", "in", "--db", "a.db"]) == 0
    shown = dict(rows("a.db", "SELECT path, caption FROM library"))
    assert shown[str(archive.parent / "in/z.png")] == "A grey horse."
    edit("in/a.png", "A foal.")  # by the name that it had
    assert rows("a.db", EDITS) == [(1, "A foal.")]
    assert edit("in/z.png", "--remove") == 0
    assert rows("a.db", EDITS) == []
    assert found("caption : dog") == [1, 2, 3] and found("foal") == []


def test_another_photo_in_the_place_is_another_photo(archive, capfd):
    draw("in/a.png", level=5)
    assert edit("in/a.png", "A horse.") == 1
    assert "in/a.png is no photo of a.db" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["in/no.png", "A horse."], "is no photo of a.db. Add it with"),
        (["abcdefabcdef", "A horse."], "is no photo of a.db"),
        (["in/a.png", "?!"], "is a sentence of up to 1000 characters"),
        (["in/a.png", "x" * 1001], "is a sentence of up to 1000 characters"),
        (["in/a.png", "half \ud83d"], "is a sentence of up to 1000 characters"),
        (["\ud83d.png", "A horse."], "is no photo of a.db"),
        (["in/a.png"], "give PHOTO and CAPTION"),
        (["in/a.png", "A.", "--remove"], "give PHOTO and CAPTION"),
        (["--remove"], "give PHOTO and CAPTION"),
        (["in/a.png", "A.", "--from", "a.csv"], "give PHOTO and CAPTION"),
        (["--from", "no.csv"], "no.csv"),
        (["-o", "a.txt"], "Accepted are .csv"),
    ],
)
def test_bad_requests(archive, capfd, words, message):
    assert edit(*words) in (1, 2)
    assert message in capfd.readouterr().err
    assert rows("a.db", EDITS) == []


def test_a_table_goes_out_and_comes_back(archive, capfd):
    edit("in/a.png", "A horse.")
    edit("in/b.png", "A goat.")
    assert edit("-o", "a.csv") == 0
    assert edit("-o", "a.csv") == 1
    header, *table = read_csv("a.csv")
    assert [row[1:4] for row in table] == [
        ["A horse.", "A horse.", "person"],
        ["A goat.", "A goat.", "person"],
        ["A dog of shade 102.", "A dog of shade 102.", "model"],
    ]
    # Meanwhile another model has captioned, and a person has gone on.
    again = ["index", "in", "--db", "a.db", "--again", "--set", "beam_size=1"]
    assert main(again) == 0
    edit("in/a.png", "A grey horse.")
    table[1][1] = " "
    table[2][1] = "A cow."
    write_csv("a.csv", [header, *table, ["no.png", "A pig.", *[""] * 5]])
    capfd.readouterr()
    assert edit("--from", "a.csv") == 0
    error = capfd.readouterr().err
    assert "1 photo described anew, 1 left to the model again" in error
    assert "names in a.csv that are no photos of a.db: 1, such as no.png" in error
    assert rows("a.db", EDITS) == [(1, "A grey horse."), (3, "A cow.")]


def test_only_real_changes_of_captions_count(archive, capfd):
    photos = [Path("in/a.png"), Path("in/b.png"), Path("in/c.png")]
    said = [{"image": str(photo), "caption": "A fox."} for photo in photos]
    with open_output(Path("c.csv"), photos, dict) as output:
        output.append([(i, one | {"captions": [one]}) for i, one in enumerate(said)])
        output.finish()
    header, *table = read_csv("c.csv")
    assert [row[1] for row in table] == ["A fox."] * 3
    table[1][1] = "A cow."
    table[2][1] = "A cat."  # what the archive's model thought of, too
    write_csv("c.csv", [header, *table])
    assert edit("--from", "c.csv") == 0
    assert rows("a.db", EDITS) == [(2, "A cow."), (3, "A cat.")]
    # Without the journal that `captioner caption` keeps, the archive is asked.
    write_csv("other.csv", [header[:2], ["in/a.png", "A cat."], ["in/b.png", "A pig."]])
    assert edit("--from", "other.csv") == 0
    assert rows("a.db", EDITS) == [(2, "A pig."), (3, "A cat.")]


def test_a_table_is_taken_over_whole_or_not_at_all(archive, capfd):
    write_csv(
        "a.csv", [["image", "caption"], ["in/a.png", "A cow."], ["in/b.png", "?"]]
    )
    assert edit("--from", "a.csv") == 1
    assert "a.csv, line 3: A caption is a sentence" in capfd.readouterr().err
    write_csv("b.csv", [["photo", "words"], ["in/a.png", "A cow."]])
    assert edit("--from", "b.csv") == 1
    assert "should name the columns image and caption" in capfd.readouterr().err
    assert rows("a.db", EDITS) == []


def inside(name):
    return Packet(Png(Path(name).read_bytes()).xmp).texts.get(DESCRIPTION)


def test_words_are_put_into_photos_which_stay_the_same_photos(archive, capfd):
    shutil.copy("in/a.png", "in/copy.png")
    index = ["index", "in", "--db", "a.db"]
    assert main(index) == 0
    assert edit("in/a.png", "Rex  barks.", "--write-metadata", "--keep-times") == 0
    assert inside("in/a.png") == inside("in/copy.png") == "Rex barks."
    assert inside("in/b.png") is None
    capfd.readouterr()
    Path("in/copy.png").rename("in/moved.png")  # known by its new content
    assert main(index) == 0
    assert "1 moved or copied, 3 unchanged" in capfd.readouterr().err
    assert rows("a.db", "SELECT count(*) FROM photos") == [(3,)]
    assert rows("a.db", EDITS) == [(1, "Rex barks.")]
    assert edit("in/a.png", "Rex sleeps.", "--write-metadata") == 0
    assert inside("in/a.png") == inside("in/moved.png") == "Rex sleeps."
    write_csv("c.csv", [["image", "caption"], ["in/a.png", ""], ["in/b.png", "A fox."]])
    assert edit("--from", "c.csv", "--write-metadata") == 0
    assert inside("in/b.png") == "A fox."
    assert edit("in/c.png", "A hen.") == 0 and inside("in/c.png") is None
    capfd.readouterr()
    assert edit("--write-metadata") == 0
    assert inside("in/c.png") == "A hen."
    assert capfd.readouterr().out.count("\t") == 2


def test_words_of_others_and_other_photos_are_left(archive, capfd):
    write_description(Path("in/a.png"), "Zoë's own.", by_person=True)
    assert edit("in/b.png", "A fox.", "--write-metadata", "--xmp-sidecar") == 0
    assert Path("in/b.png.xmp").exists() and inside("in/b.png") is None
    assert "in a file beside them" in capfd.readouterr().err
    digits = rows("a.db", "SELECT sha256 FROM photos WHERE id = 1")[0][0]
    assert edit(digits, "Rex.", "--write-metadata") == 1
    assert "in/a.png has changed since it was captioned" in capfd.readouterr().err
    assert main(["index", "in", "--db", "a.db"]) == 0  # it is another photo now
    assert edit("in/a.png", "Rex.", "--write-metadata") == 0
    assert inside("in/a.png") == "Zoë's own."
    assert "1 photo described by a person" in capfd.readouterr().err
    words = ("--write-metadata", "--replace-descriptions")
    assert edit("in/a.png", "Rex.", *words) == 0
    assert inside("in/a.png") == "Rex."
    Path("in/a.png").unlink()
    assert edit("--write-metadata") == 1
    assert "there is no such file" in capfd.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ("in/a.png", "--remove", "--write-metadata"),
        ("--output", "x.csv", "--write-metadata"),
        ("in/a.png", "A cow.", "--keep-times"),
    ],
)
def test_what_puts_no_words_into_photos_is_refused(archive, words, capfd):
    assert edit(*words) == 2
    assert "--write-metadata" in capfd.readouterr().err


def test_training_learns_from_what_people_wrote(archive):
    with pytest.raises(AppError, match=r"a.db holds no captions of people"):
        read_dataset("a.db")
    edit("in/a.png", "A horse.")
    edit("in/b.png", "A goat.")
    found = {(str(one.image), one.captions) for one in read_dataset(str(archive))}
    folder = archive.parent / "in"
    assert found == {
        (str(folder / "a.png"), ("A horse.",)),
        (str(folder / "b.png"), ("A goat.",)),
    }
    assert {one.split for one in read_dataset("a.db")} == {"train", "dev"}
    Path("in/a.png").rename("in/z.png")
    assert len(read_dataset("a.db")) == 1
    Path("in/b.png").unlink()
    with pytest.raises(AppError, match=r"The 2 photos of a.db .* are gone. Run"):
        read_dataset("a.db")
    Path("other.db").write_text("These are words.")
    with pytest.raises(AppError, match=r"other.db is no database"):
        read_dataset("other.db")
