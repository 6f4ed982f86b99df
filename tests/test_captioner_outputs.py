import csv
import errno
import json
import os
import resource
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from captioner import formats, outputs
from captioner.outputs import Output, Sidecars
from captioner.results import read_results
from shared.errors import AppError

SUFFIXES = [".jsonl", ".csv", ".json", ".html"]


def found(text, log_prob=-1.5):
    return {"caption": text, "log_prob": log_prob}


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


def write(path, records=RECORDS, photos=PHOTOS, batch_size=2, stop=99, **options):
    """Write records batch by batch, as the command does; stop after some."""
    with Output(Path(path), photos, batch_size=batch_size, **options) as output:
        for start in range(output.done, len(photos), batch_size):
            if start >= stop:
                return output
            output.append(records[start : start + batch_size])
        output.finish()
    return output


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
    assert list(rows[0]) == ["image", "caption", "log_prob", "error"]
    assert [row["image"] for row in rows[:3]] == ["b/1.jpg", "b/1.jpg", "b/2.jpg"]
    assert rows[1]["caption"] == "a brown dog"
    assert float(rows[0]["log_prob"]) == -1.25
    assert rows[2] == {
        "image": "b/2.jpg",
        "caption": "",
        "log_prob": "",
        "error": "the file is empty.",
    }
    assert rows[3]["caption"] == 'a "big", red\nball'


def test_json_is_coco_results_with_coco_numbers():
    write("out.json")
    entries = json.loads(Path("out.json").read_text(encoding="utf-8"))
    assert entries[0] == {"image_id": "b/1.jpg", "caption": "a dog"}
    assert [e["image_id"] for e in entries] == ["b/1.jpg", "ü 狗.jpg", 42, "9.jpg"]


def test_json_without_captions_is_an_empty_list():
    write("out.json", [record("a.jpg")], [Path("a.jpg")])
    assert json.loads(Path("out.json").read_text()) == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("COCO_val2014_000000391895.jpg", 391895),
        ("val2017/000000391895.jpg", 391895),
        ("0000391895.jpg", "0000391895.jpg"),
        ("a000000391895.jpg", "a000000391895.jpg"),
        ("000000391895_edited.jpg", "000000391895_edited.jpg"),
    ],
)
def test_image_id_is_the_number_of_coco_or_the_name(name, expected):
    assert formats.image_id(name) == expected


def test_two_photos_cannot_share_a_coco_number():
    photos = [Path("a/000000000042.jpg"), Path("COCO_val2014_000000000042.jpg")]
    with pytest.raises(AppError, match=r"image_id 42. Write .jsonl"):
        Output(Path("out.json"), photos, batch_size=2)
    Output(Path("out.jsonl"), photos, batch_size=2)


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


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("stop", range(0, 5))
def test_an_interrupted_file_ends_like_an_unbroken_one(suffix, stop):
    write(f"whole{suffix}")
    target = Path(f"out{suffix}")
    write(target, stop=stop)
    if suffix == ".jsonl" and stop:
        lines = target.read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == RECORDS[: 2 * ((stop + 1) // 2)]
    else:
        assert not target.exists()
    output = write(target, resume=True)
    assert (output.done, output.errors) == (5, 1)
    assert target.read_bytes() == Path(f"whole{suffix}").read_bytes()
    assert sorted(p.name for p in Path().iterdir()) == [
        f"out{suffix}",
        f"whole{suffix}",
    ]


def test_a_line_torn_at_any_byte_is_written_anew():
    write("whole.jsonl")
    whole = Path("whole.jsonl").read_bytes()
    for size in range(len(whole)):
        Path("out.jsonl").write_bytes(whole[:size])
        output = Output(Path("out.jsonl"), PHOTOS, batch_size=2, resume=True)
        assert output.done == whole[:size].count(b"\n") // 2 * 2
        write("out.jsonl", resume=True)
        assert Path("out.jsonl").read_bytes() == whole
    Path("out.jsonl").write_bytes(whole[:100] + bytes(50))
    write("out.jsonl", resume=True)
    assert Path("out.jsonl").read_bytes() == whole


def test_a_crash_while_the_file_is_written_from_its_journal(monkeypatch):
    write("whole.csv")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            write("out.csv")
    assert [p.name for p in Path().glob("*out*")] == ["out.csv.partial.jsonl"]
    write("out.csv", resume=True)
    assert Path("out.csv").read_bytes() == Path("whole.csv").read_bytes()


def test_resume_adds_photos_at_the_end():
    write("out.jsonl", RECORDS[:3], PHOTOS[:3])
    write("out.jsonl", resume=True)
    write("whole.jsonl")
    assert Path("out.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()


def test_resume_cuts_a_torn_line_after_the_last_photo():
    write("out.jsonl", RECORDS[:3], PHOTOS[:3])
    whole = Path("out.jsonl").read_bytes()
    Path("out.jsonl").write_bytes(whole + b'{"image": "9')
    write("out.jsonl", RECORDS[:3], PHOTOS[:3], resume=True)
    assert Path("out.jsonl").read_bytes() == whole


def test_resume_refuses_other_photos():
    write("out.jsonl")
    with pytest.raises(AppError, match=r"line 1 is about b/1.jpg, where b/2.jpg is"):
        write("out.jsonl", photos=PHOTOS[1:], resume=True)
    with pytest.raises(AppError, match=r"line 5 is about 9.jpg, where the end is"):
        write("out.jsonl", photos=PHOTOS[:4], resume=True)


@pytest.mark.parametrize(
    "content", ["hello", "hello\n", '{"image": "b/1.jpg", "caption": "x"}\n', "[]\n"]
)
def test_resume_leaves_a_strangers_file_alone(content):
    Path("out.jsonl").write_text(content)
    with pytest.raises(AppError, match="line 1 was not written by"):
        write("out.jsonl", resume=True)
    assert Path("out.jsonl").read_text() == content


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_exists_is_only_replaced_if_asked(suffix):
    target = Path(f"out{suffix}")
    target.write_text("old")
    with pytest.raises(AppError, match=r"out\.\w+ exists. Add --resume"):
        write(target)
    assert target.read_text() == "old"
    write(target, overwrite=True)
    write(f"new{suffix}")
    assert target.read_bytes() == Path(f"new{suffix}").read_bytes()


def test_an_interrupted_journal_is_only_replaced_if_asked():
    write("out.csv", stop=2)
    with pytest.raises(AppError, match=r"out.csv.partial.jsonl exists. Add --resume"):
        write("out.csv")
    write("out.csv", overwrite=True)
    assert not Path("out.csv.partial.jsonl").exists()


def test_a_finished_file_is_not_written_again():
    write("out.csv")
    assert Output(Path("out.csv"), PHOTOS, batch_size=2, resume=True).finished
    write("out.jsonl")
    output = Output(Path("out.jsonl"), PHOTOS, batch_size=2, resume=True)
    assert (output.finished, output.done, output.errors) == (False, 5, 1)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("room", [0, 150, 400])
def test_a_full_disk_keeps_whole_records(suffix, room):
    write(f"whole{suffix}")
    target = Path(f"out{suffix}")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(AppError, match=r"out.* cannot be written: File too large"):
            write(target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    journal = target if suffix == ".jsonl" else Path(f"out{suffix}.partial.jsonl")
    for line in journal.read_bytes().splitlines():
        json.loads(line)
    assert suffix == ".jsonl" or not target.exists()
    write(target, resume=True)
    assert target.read_bytes() == Path(f"whole{suffix}").read_bytes()


def test_no_room_for_the_final_file_keeps_the_journal(monkeypatch):
    write("whole.csv")

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setitem(formats.WRITERS, ".csv", full)
        with pytest.raises(AppError, match=r"out.csv cannot be written: No space left"):
            write("out.csv")
    assert [p.name for p in Path().glob("*out*")] == ["out.csv.partial.jsonl"]
    write("out.csv", resume=True)
    assert Path("out.csv").read_bytes() == Path("whole.csv").read_bytes()


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
        Output(Path(path), PHOTOS, batch_size=2)


def test_no_permission_is_found_before_any_work(monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(AppError, match=r"out.csv: no permission to write \."):
        Output(Path("out.csv"), PHOTOS, batch_size=2)


def test_sidecars_hold_a_caption_a_line():
    for name in ("a.jpg", "b.png", "c.jpg"):
        Path(name).touch()
    sidecars = Sidecars([Path("a.jpg"), Path("b.png"), Path("c.jpg")])
    sidecars.append(
        [record("a.jpg", found("a dog"), found("ein Hünd")), record("b.png")]
    )
    assert Path("a.txt").read_bytes() == "a dog\nein Hünd\n".encode()
    assert sorted(p.name for p in Path().glob("*.txt")) == ["a.txt"]


def test_sidecars_spare_what_people_wrote():
    Path("a.txt").write_text("mine")
    photos = [Path("a.jpg"), Path("b.jpg")]
    records = [record("a.jpg", found("a dog")), record("b.jpg", found("a cat"))]
    with pytest.raises(
        AppError, match=r"Beside 1 photos .* such as a.txt. Add --resume"
    ):
        Sidecars(photos)
    Sidecars(photos, resume=True).append(records)
    assert (Path("a.txt").read_text(), Path("b.txt").read_text()) == ("mine", "a cat\n")
    Sidecars(photos, overwrite=True).append(records)
    assert Path("a.txt").read_text() == "a dog\n"


@pytest.mark.parametrize("names", [["a.jpg", "a.png"], ["a.txt"]])
def test_sidecars_never_share_a_file(names):
    with pytest.raises(AppError, match=r"its captions would go to a.txt"):
        Sidecars([Path(name) for name in names], overwrite=True)


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_kill_9_at_any_batch(suffix):
    write(f"whole{suffix}")
    script = (
        "import json, os, sys\nfrom pathlib import Path\n"
        "from captioner.outputs import Output\n"
        "records = json.loads(sys.stdin.read())\n"
        f"names = [Path(r['image']) for r in records]\n"
        f"with Output(Path('out{suffix}'), names, batch_size=2, resume=True) as out:\n"
        "    out.append(records[out.done:out.done + 2])\n"
        f"    os.kill(os.getpid(), {int(signal.SIGKILL)})\n"
    )
    root = Path(outputs.__file__).parent.parent
    for _ in range(2):
        process = subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps(RECORDS),
            text=True,
            env={**os.environ, "PYTHONPATH": str(root)},
        )
        assert process.returncode == -signal.SIGKILL
    output = Output(Path(f"out{suffix}"), PHOTOS, batch_size=2, resume=True)
    assert output.done == 4
    write(f"out{suffix}", resume=True)
    assert Path(f"out{suffix}").read_bytes() == Path(f"whole{suffix}").read_bytes()
