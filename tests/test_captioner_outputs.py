import csv
import io
import json
import os
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from captioner.files.formats import FORMATS, choose_ids
from captioner.files.outputs import open_output
from captioner.files.results import read_results
from captioner.files.sidecars import Sidecars
from shared.data.results import image_id
from shared.errors import AppError

SUFFIXES = [".jsonl", ".csv", ".json", ".html"]


def found(text, log_prob=-1.5):
    known = {"log_prob": log_prob, "confidence": 0.5, "unsure": False}
    return {"caption": text, **known}


def record(name, *captions):
    if not captions:
        return {"image": name, "error": "the file is empty."}
    return {"image": name, **captions[0], "captions": list(captions)}


RECORDS = [
    record("b/1.jpg", found("a dog", -1.25), found("a brown dog", -2.0)),
    record("b/2.jpg"),
    record("ü 狗.jpg", found('a "big", red\nball')),
    record("COCO_val2014_000000000042.jpg", found("a cat")),
    record("9.jpg", found("two cats")),
]
PHOTOS = [Path(r["image"]) for r in RECORDS]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(path, records=RECORDS, photos=PHOTOS, **rules):
    target = Path(path)
    with open_output(target, photos, dict, batch=2, **rules) as output:
        for place in output.todo:
            output.note(place)
        output.append([(place, records[place]) for place in output.todo])
        output.finish()


def test_jsonl_is_a_record_a_line_that_people_can_read():
    write("out.jsonl")
    text = Path("out.jsonl").read_text(encoding="utf-8")
    assert [json.loads(line) for line in text.splitlines()] == RECORDS
    assert "ü 狗.jpg" in text
    results = read_results(Path("out.jsonl"))
    assert results["b/1.jpg"] == "a dog"
    assert results.skipped == ("b/2.jpg",)


def test_csv_has_a_row_for_each_caption_and_each_error():
    write("out.csv")
    with Path("out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "image",
        "caption",
        "log_prob",
        "confidence",
        "unsure",
        "error",
    ]
    assert [row["image"] for row in rows[:3]] == ["b/1.jpg", "b/1.jpg", "b/2.jpg"]
    assert rows[1]["caption"] == "a brown dog"
    assert float(rows[0]["log_prob"]) == -1.25
    assert (rows[0]["confidence"], rows[0]["unsure"]) == ("0.5", "false")
    assert rows[2] == {
        "image": "b/2.jpg",
        "caption": "",
        "log_prob": "",
        "confidence": "",
        "unsure": "",
        "error": "the file is empty.",
    }
    assert rows[3]["caption"] == 'a "big", red\nball'


def test_a_record_may_be_of_unknown_confidence():
    old = {"caption": "a dog", "log_prob": -1.5}
    write("out.csv", [record("a.jpg", old)], [Path("a.jpg")])
    assert Path("out.csv").read_text().splitlines()[1] == "a.jpg,a dog,-1.5,,,"
    write("out.html", [record("a.jpg", old)], [Path("a.jpg")])
    assert "not sure" not in Path("out.html").read_text()


def test_a_page_says_what_is_unsure():
    write("out.html", [record("a.jpg", {**found("a dog"), "unsure": True})], PHOTOS[:1])
    assert "<p>a dog <small>(not sure)</small></p>" in Path("out.html").read_text()


def coco_ids(names, capsys):
    """Write captions of photos; give what COCO's results call them, and the notes."""
    photos = [Path(name) for name in names]
    write("out.json", [record(name, found("a dog")) for name in names], photos)
    entries = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert all(list(e) == ["image_id", "caption"] for e in entries)
    return [e["image_id"] for e in entries], capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "ids"),
    [
        (["val2017/000000391895.jpg", "000000000042.png"], [391895, 42]),
        (["COCO_val2014_000000391895.jpg", "x/000000000042.jpg"], [391895, 42]),
        (["COCO_test2015_123456789012.JPG"], [123456789012]),
        (["abstract_v002_train2015_000000011779.png"], [11779]),
    ],
)
def test_json_numbers_photos_as_coco_does(names, ids, capsys):
    assert coco_ids(names, capsys) == (ids, "")


@pytest.mark.parametrize(
    "names",
    [
        ["IMG_202401011230.jpg"],
        ["20240101_123000_000123456789.jpg"],
        ["202401011230.jpg", "202401011231.jpg"],
        ["VID_000000391895.jpg"],
        ["COCO_val2014_000000391895.jpg", "b/1.jpg", "ü 狗.jpg"],
        ["000000391895.jpg", "IMG_000000391896.jpg"],
        ["٠٠٠٠٠٠٣٩١٨٩٥.jpg"],
    ],
)
def test_json_calls_other_photos_by_their_names(names, capsys):
    ids, said = coco_ids(names, capsys)
    assert ids == names
    assert "out.json: image_id is what the photos are called, such as" in said
    assert repr(names[0]) in said
    Path("out.json").unlink()
    write("out.jsonl", [record(n, found("x")) for n in names], list(map(Path, names)))
    assert capsys.readouterr().err == ""


def test_a_broken_photo_counts_when_the_ids_are_chosen():
    names = ["000000000042.jpg", "IMG_1.jpg"]
    known = [record(names[0], found("x")), record(names[1])]
    write("out.json", known, [Path(name) for name in names])
    assert json.loads(Path("out.json").read_text())[0]["image_id"] == names[0]


@pytest.mark.parametrize(
    ("given", "ids"),
    [
        ([7, 8], [7, 8]),
        ([0, "b"], [0, "b"]),
        ([7, None], [1, 2]),
        ([7, 7], [1, 2]),
        ([7, "7"], [1, 2]),
        ([None, None], [1, 2]),
    ],
)
def test_ids_of_the_data_set_come_first_if_each_photo_has_its_own(given, ids):
    names = ["000000000001.jpg", "000000000002.jpg"]
    known = [{"image": n, "image_id": i} for n, i in zip(names, given, strict=True)]
    assert list(choose_ids(known)) == ids


def test_two_photos_of_one_number_are_called_by_their_names():
    names = ["a/000000000001.jpg", "b/000000000001.jpg"]
    assert choose_ids([{"image": name} for name in names]) == names


def test_json_without_captions_is_an_empty_list():
    write("out.json", [record("a.jpg")], [Path("a.jpg")])
    assert json.loads(Path("out.json").read_text()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("COCO_val2014_000000391895.jpg", 391895),
        ("val2017/000000391895.jpg", 391895),
        ("0000391895.jpg", "0000391895.jpg"),
        ("IMG_202401011230.jpg", "IMG_202401011230.jpg"),
        ("202401011230.jpg", "202401011230.jpg"),
        ("a000000391895.jpg", "a000000391895.jpg"),
        ("000000391895_edited.jpg", "000000391895_edited.jpg"),
    ],
)
def test_image_id_is_the_number_of_coco_or_the_name(name, expected):
    assert image_id(name) == expected


def test_two_photos_cannot_share_a_coco_number():
    photos = [Path("a/000000000042.jpg"), Path("COCO_val2014_000000000042.jpg")]
    with pytest.raises(AppError, match=r"image_id 42. Write .jsonl"):
        open_output(Path("out.json"), photos, dict, batch=2)
    open_output(Path("out.jsonl"), photos, dict, batch=2)


class Page(HTMLParser):
    """Collects tags; every attribute that could load something is checked."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def all(self, name):
        return [attrs for tag, attrs in self.tags if tag == name]


def test_html_shows_photos_and_loads_nothing():
    Path("b").mkdir()
    Image.new("RGB", (600, 300), "red").save("b/1.jpg")
    write("out.html")
    text = Path("out.html").read_text(encoding="utf-8")
    page = Page(text)
    (image,) = page.all("img")
    assert image["alt"] == "a dog"
    assert (image["width"], image["height"]) == ("224", "112")
    assert image["src"].startswith("data:image/jpeg;base64,")
    assert page.all("html") == [{"lang": "en"}]
    assert not page.all("script") + page.all("link")
    assert page.all("a")[0] == {"href": "b/1.jpg"}
    assert "a brown dog" in text
    assert "the file is empty." in text
    assert "The photo cannot be shown." in text
    assert "prefers-color-scheme: dark" in text
    assert "4 photos with captions, 1 error<" in text


def test_html_escapes_what_file_names_say():
    names = ["<script>alert(1)<", '"onerror="x', "javascript:alert(1)", "a#b?c%20.jpg"]
    records = [record(name, found("<b>&")) for name in names]
    records.append({"image": "<img src=x>.jpg", "error": "<script>"})
    write("out.html", records, [Path(r["image"]) for r in records])
    page = Page(Path("out.html").read_text())
    assert not page.all("script") + page.all("b") + page.all("img")
    assert {frozenset(a) for a in page.all("a")} == {frozenset({"href"})}
    assert page.all("a")[2]["href"] == "javascript%3Aalert%281%29"
    assert page.all("a")[3]["href"] == "a%23b%3Fc%2520.jpg"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_names_that_are_no_text_are_written(suffix):
    name = os.fsdecode(b"caf\xe9.jpg")
    for options in ({}, {"overwrite": True}):
        write(f"out{suffix}", [record(name, found("a cup"))], [Path(name)], **options)
    text = Path(f"out{suffix}").read_bytes().decode()
    if suffix == ".jsonl":
        assert json.loads(text)["image"] == name


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("out.gif", r"no output format goes by '.gif'. Accepted are .jsonl, .csv"),
        ("out", r"no output format goes by 'no ending'"),
        ("nowhere/out.csv", r"there is no folder nowhere. Create it"),
        ("folder.csv", r"folder.csv is a folder"),
    ],
)
def test_targets_are_checked_before_any_work(path, message):
    Path("folder.csv").mkdir()
    with pytest.raises(AppError, match=message):
        open_output(Path(path), PHOTOS, dict, batch=2)


def test_no_permission_is_found_before_any_work(monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(AppError, match=r"out.csv: no permission to write \."):
        open_output(Path("out.csv"), PHOTOS, dict, batch=2)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_form_is_continued(suffix):
    write(f"whole{suffix}")
    target = Path(f"out{suffix}")
    with open_output(target, PHOTOS, dict, batch=2) as output:
        output.append([(0, RECORDS[0]), (1, RECORDS[1])])
    write(target, resume=True)
    assert target.read_bytes() == Path(f"whole{suffix}").read_bytes()
    with open_output(target, PHOTOS, dict, batch=2, resume=True) as output:
        assert (output.finished, output.errors) == (True, 1)


def test_a_format_is_a_function_and_a_line(monkeypatch):
    def write_markdown(records, file, folder):
        for record in records:
            if "error" not in record:
                file.write(f"![{record['caption']}]({record['image']})\n")

    monkeypatch.setitem(FORMATS, ".md", write_markdown)
    write("out.md")
    lines = Path("out.md").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "![a dog](b/1.jpg)"
    assert len(lines) == len(RECORDS)  # without the error, and one of two lines
    with open_output(Path("out.md"), PHOTOS, dict, batch=2, resume=True) as output:
        assert output.finished


@pytest.mark.parametrize("record", ['{"image": "b/1.jpg", "caption": "x"}', "[]", "{}"])
def test_what_is_no_record_is_a_strangers(record):
    Path("out.jsonl").write_text(f"{record}\n")
    with pytest.raises(AppError, match="was not written by `captioner caption`"):
        write("out.jsonl", resume=True)


ODD = ["\r", "a\rb", "a\r\nb", "a\nb", 'a"b', "a,b", " a ", "\r\n", "", "a;b\tc"]


@pytest.mark.parametrize("odd", ODD)
def test_no_character_tears_a_row_of_csv(odd):
    write("out.csv", [record(f"{odd}.jpg", found(odd))], [Path(f"{odd}.jpg")])
    text = Path("out.csv").read_bytes().decode()
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[1:] == [[f"{odd}.jpg", odd, "-1.5", "0.5", "false", ""]]
    with Path("out.csv").open(newline=None) as file:  # as many programs open it
        assert len(list(csv.reader(file))) == 2
    assert text.startswith("image,caption,log_prob,confidence,unsure,error\n")
    assert text.endswith("-1.5,0.5,false,\n")


def sidecars(*names, **rules):
    return Sidecars([Path(name) for name in names], **rules)


def test_sidecars_hold_a_caption_a_line():
    with sidecars("a.jpg", "b.png", "c.jpg") as beside:
        captions = record("a.jpg", found("a dog"), found("ein Hünd"))
        beside.append([(0, captions), (1, record("b.png"))])
    assert Path("a.txt").read_bytes() == "a dog\nein Hünd\n".encode()
    assert sorted(p.name for p in Path().iterdir()) == ["a.txt"]


def test_sidecars_spare_what_people_wrote():
    Path("a.txt").write_text("mine")
    texts = {"a.jpg": "a dog", "b.jpg": "a cat"}
    records = [(i, record(n, found(texts[n]))) for i, n in enumerate(texts)]
    expected = r"Beside 1 photo there .* such as a.txt. Add --resume"
    with pytest.raises(AppError, match=expected), sidecars("a.jpg", "b.jpg"):
        pass
    with sidecars("a.jpg", "b.jpg", resume=True) as beside:
        assert (beside.todo, beside.done) == ([1], 1)
        beside.append(records)
    assert (Path("a.txt").read_text(), Path("b.txt").read_text()) == ("mine", "a cat\n")
    with sidecars("a.jpg", "b.jpg", overwrite=True) as beside:
        beside.append(records)
    assert Path("a.txt").read_text() == "a dog\n"


@pytest.mark.parametrize("names", [["a.jpg", "a.png"], ["a.txt"]])
def test_sidecars_never_share_a_file(names):
    with pytest.raises(AppError, match=r"its captions would go to a.txt"):
        sidecars(*names, overwrite=True)


@pytest.mark.parametrize("rules", [{}, {"resume": True}, {"overwrite": True}])
def test_an_empty_sidecar_is_none(rules):
    Path("a.txt").touch()
    with sidecars("a.jpg", **rules) as beside:
        beside.append([(0, record("a.jpg", found("a dog")))])
    assert Path("a.txt").read_text() == "a dog\n"


LONG = "ü" * 125 + ".gif"  # a name of 254 bytes, and of 254 with .txt


def test_sidecars_that_cannot_be_written_are_told_one_by_one():
    Path("folder.txt").mkdir()
    os.mkfifo("pipe.txt")  # which nobody reads
    Path("to.txt").symlink_to("nowhere/to.txt")
    too_long = "x" * 253 + ".a"
    names = ["folder.jpg", LONG, "gone/a.jpg", too_long, "b.jpg", "pipe.jpg", "to.jpg"]
    with sidecars(*names, resume=True) as beside:
        batch = [(i, record(name, found("a dog"))) for i, name in enumerate(names)]
        kept = beside.append(batch)
    failed = {r["image"]: r["error"] for _, r in kept if "error" in r}
    assert list(failed) == ["folder.jpg", "gone/a.jpg", too_long, *names[5:]]
    assert "pipe.txt cannot be written: it is a pipe or a device" in failed["pipe.jpg"]
    assert "No such file" in failed["gone/a.jpg"]
    assert [kept[i] for i in (1, 4)] == [batch[i] for i in (1, 4)]
    assert Path(LONG).with_suffix(".txt").read_text() == "a dog\n"
    assert Path("b.txt").read_text() == "a dog\n"


def test_sidecars_older_than_their_photo_are_kept_and_told(capsys):
    Path("a.txt").write_text("mine")
    os.utime("a.txt", (0, 0))
    Path("a.jpg").touch()
    with sidecars("a.jpg", resume=True) as beside:
        assert beside.kept == {"a.jpg"}
    assert "1 photo has changed since their .txt" in capsys.readouterr().err


def test_sidecars_lock_their_folders():
    Path("in").mkdir()
    with (
        sidecars("in/a.jpg", "b.jpg"),
        pytest.raises(AppError, match="in is in use by `captioner caption --sidecar`"),
        sidecars("in/other.jpg"),
    ):
        pass
    assert not [path for path in Path().rglob("*") if path.is_file()]
