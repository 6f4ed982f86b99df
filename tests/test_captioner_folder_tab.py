"""The Folder tab's Python side: what may come from the network, and the files."""

import asyncio
import base64
import csv
import io
import json
import threading
import zipfile
from pathlib import Path

import gradio as gr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from captioner.describing.captions import Caption
from captioner.page import folder_tab as folder
from captioner.page.folder_tab import (
    FILES,
    FolderTab,
    find_uploads,
    make_download,
    name_texts,
    read_records,
    to_csv,
    to_jsonl,
    to_texts,
)
from shared.errors import AppError
from shared.vision.images import read_image
from shared.web import turns

SHA = "a1" * 32
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


class FakeCaptioner:
    """Describes photos by their mean, if they can be read."""

    batch_size = 3

    def __init__(self, unsure=None):
        self.unsure = unsure

    def caption_all(self, sources):
        yield [(source, self._describe(source)) for source in sources]

    def _describe(self, source):
        try:
            mean = read_image(source, 8).mean()
        except AppError as error:
            return error
        words = ("it", "is", "bright" if mean > 100 else "dark")
        known = " ".join(words), words, -1.23456789, (0.5,) * 3, np.ones((3, 1))
        return [Caption(*known, unsure=self.unsure)]


@pytest.fixture
def uploads(tmp_path, monkeypatch):
    monkeypatch.setattr(folder, "get_upload_folder", lambda: str(tmp_path))

    def upload(number, content):
        path = tmp_path / SHA / f"folder-{number:032x}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        return str(path)

    return upload


@pytest.fixture
def tab():
    return FolderTab({"included": FakeCaptioner()}, largest=20)


def jpeg(grey):
    file = io.BytesIO()
    Image.new("L", (40, 20), grey).save(file, "JPEG")
    return file.getvalue()


def ask(paths, model="included"):
    return {"model": model, "paths": paths}


def row(image="a.jpg", caption="A dog.", log_prob=-2.5, sure=0.25, unsure=True):
    best = {"image": image, "caption": caption, "log_prob": log_prob}
    return {**best, "confidence": sure, "unsure": unsure}


def table(records):
    return list(csv.reader(io.StringIO(to_csv(records).decode(), newline="")))


def test_photos_are_described_in_order_and_the_broken_one_says_why(tab, uploads):
    paths = [uploads(0, jpeg(200)), uploads(1, b"no photo"), uploads(2, jpeg(10))]
    first, broken, last = tab.describe(ask(paths))["rows"]
    assert (first["caption"], last["caption"]) == ("it is bright", "it is dark")
    assert first["log_prob"] == -1.2346
    assert first["confidence"] == pytest.approx(np.exp(-1.23456789 / 4), abs=1e-4)
    assert first["unsure"] is None
    assert first["preview"].startswith("data:image/jpeg;base64,")
    assert list(broken) == ["error"]
    assert broken["error"].startswith("this is not an image that can be read")


@pytest.mark.parametrize("unsure", [False, True])
def test_a_model_says_whether_it_is_sure(uploads, unsure):
    tab = FolderTab({"included": FakeCaptioner(unsure)}, largest=20)
    (row,) = tab.describe(ask([uploads(0, jpeg(200))]))["rows"]
    assert row["unsure"] is unsure


def test_photos_are_deleted_once_they_are_described(tab, uploads):
    paths = [uploads(0, jpeg(200)), uploads(1, b"")]
    tab.describe(ask(paths))
    assert not any(Path(path).exists() for path in paths)


def test_nothing_else_is_read_or_deleted(tab, uploads, tmp_path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(jpeg(0))
    other = tmp_path / SHA / "photo.jpg"  # of the Describe tab
    other.parent.mkdir()
    other.write_bytes(jpeg(0))
    name = f"folder-{0:032x}.jpg"
    for path in (
        str(secret),
        str(other),
        f"{tmp_path}/{SHA}/../secret.jpg",
        f"{SHA}/../{name}",
        f"..\\{name}",
        f"{SHA}/{name}\n",
        f"{SHA}/{name}\0",
        name,
        "",
        "\0",
        None,
        7,
        [],
        {"path": str(secret)},
    ):
        with pytest.raises(AppError, match="no photo that was sent here"):
            tab.describe(ask([path]))
    assert secret.exists()
    assert other.exists()


def test_only_the_end_of_a_path_counts(uploads, tmp_path):
    path = uploads(5, b"")
    name = Path(path).name
    assert find_uploads([path], 8) == [Path(path)]
    assert find_uploads([f"/elsewhere/{SHA}/{name}"], 8) == [Path(path)]
    assert find_uploads([f"C:\\tmp\\gradio\\{SHA}\\{name}"], 8) == [Path(path)]


@pytest.mark.parametrize("paths", [None, [], "x", {}, ["x"] * 4])
def test_a_batch_has_1_to_3_photos(tab, paths):
    with pytest.raises(AppError, match="1 to 3 photos"):
        tab.describe(ask(paths))


@pytest.mark.parametrize("model", [None, "other", [], {}, 3])
def test_models_that_are_not_there_are_refused(tab, model):
    with pytest.raises(AppError, match="no such model"):
        tab.describe(ask(["x"], model))


@given(JSON)
def test_whatever_comes_raises_nothing_but_an_app_error(asked):
    tab = FolderTab({"included": FakeCaptioner()}, largest=20)
    with pytest.raises(AppError):
        tab.describe(asked)
    with pytest.raises(AppError):
        tab.describe(ask(asked))
    with pytest.raises(AppError):
        make_download(asked)
    with pytest.raises(AppError):
        make_download({"format": "csv", "rows": asked})


@given(JSON, JSON, JSON)
def test_whatever_a_row_is_a_file_comes_of_it_or_an_app_error(image, caption, log_prob):
    rows = [row(image, caption, log_prob)]
    for form in FILES:
        try:
            made = make_download({"format": form, "rows": rows})
        except AppError:
            continue
        assert base64.b64decode(made["data"])


def test_the_page_gets_problems_not_errors(tab, uploads, monkeypatch):
    with gr.Blocks() as page:
        tab.build()
    (component,) = [
        block for block in page.blocks.values() if block.elem_id == "folder"
    ]
    describe, make_file = component.describe_photos, component.make_file
    assert "no such model" in asyncio.run(describe(None))["problem"]
    assert "Files can be" in make_file([])["problem"]
    monkeypatch.setattr(tab, "describe", lambda asked: 1 / 0)
    assert "went wrong" in asyncio.run(describe({}))["problem"]
    assert component.value["batch"] == 3
    assert ".jpg" in component.value["suffixes"]


def test_requests_wait_without_a_thread_each_and_not_too_many(tab, monkeypatch):
    free, begun = threading.Event(), []

    def describe(asked):
        begun.append(asked)
        free.wait(10)
        return {"rows": asked}

    monkeypatch.setattr(tab, "describe", describe)
    monkeypatch.setattr(turns, "MOST_WAITING", 2)

    async def visit():
        asking = [asyncio.create_task(tab.describe_in_turn(n)) for n in range(3)]
        await asyncio.sleep(0.05)
        refused = await tab.describe_in_turn(3)
        assert begun == [0]
        free.set()
        served = await asyncio.gather(*asking)
        return refused, served, await tab.describe_in_turn(4)

    refused, served, later = asyncio.run(visit())
    assert "Try again in a moment" in refused["problem"]
    assert served == [{"rows": 0}, {"rows": 1}, {"rows": 2}]
    assert later == {"rows": 4}


def test_captions_become_one_line_and_keep_their_letters():
    (record,) = read_records([row(caption=" A\u0000 dog\n\nand\ta 雪\ud800 cat. ")])
    assert record["caption"] == "A dog and a 雪 cat."
    known = {"log_prob": -2.5, "confidence": 0.25, "unsure": True}
    assert record["captions"] == [{"caption": record["caption"], **known}]


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (row(image=""), "1 to 1000 letters"),
        (row(image="x" * 1001), "1 to 1000 letters"),
        (row(image=None), "1 to 1000 letters"),
        (row(caption=None), "at most 500 letters"),
        (row(caption="x" * 501), "at most 500 letters"),
        (row(log_prob="-1"), "a number up to 0"),
        (row(log_prob=True), "a number up to 0"),
        (row(log_prob=0.1), "a number up to 0"),
        (row(log_prob=float("nan")), "a number up to 0"),
        (row(log_prob=-(10**400)), "a number up to 0"),
        (row(sure="1"), "a number from 0 to 1"),
        (row(sure=True), "a number from 0 to 1"),
        (row(sure=1.5), "a number from 0 to 1"),
        (row(sure=float("nan")), "a number from 0 to 1"),
        (row(unsure=1), "true or false"),
    ],
)
def test_rows_are_checked(wrong, reason):
    with pytest.raises(AppError, match=reason):
        read_records([wrong])


@pytest.mark.parametrize("rows", [None, [], {}, [row()] * 501])
def test_a_file_has_1_to_500_photos(rows):
    with pytest.raises(AppError, match="1 to 500 photos"):
        read_records(rows)


def test_csv_has_the_columns_of_the_command_line():
    records = read_records(
        [
            row('a "b", c.jpg', 'A "big", red dog.'),
            row("d.jpg", "Mine.", None, None, None),
            {"image": "e.jpg", "error": "the file is empty."},
        ]
    )
    assert table(records) == [
        ["image", "caption", "log_prob", "confidence", "unsure", "error"],
        ['a "b", c.jpg', 'A "big", red dog.', "-2.5", "0.25", "true", ""],
        ["d.jpg", "Mine.", "", "", "", ""],
        ["e.jpg", "", "", "", "", "the file is empty."],
    ]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\uff1d"])
def test_csv_has_no_formulas(start):
    records = read_records(
        [
            row(f"{start}1.jpg", f"{start}cmd|' /C calc'!A0"),
            {"image": f"{start}2.jpg", "error": f"{start}1"},
        ]
    )
    _, first, second = table(records)
    assert first[:2] == [f"./{start}1.jpg", f"'{start}cmd|' /C calc'!A0"]
    assert (second[0], second[-1]) == (f"./{start}2.jpg", f"'{start}1")
    assert records[0]["image"] == f"{start}1.jpg"  # as it is for the other files


def test_jsonl_has_the_records_of_the_command_line():
    records = read_records([row(), {"image": "b.jpg", "error": "empty."}])
    known = {"log_prob": -2.5, "confidence": 0.25, "unsure": True}
    lines = [json.loads(line) for line in to_jsonl(records).decode().splitlines()]
    assert lines == [
        {
            "image": "a.jpg",
            "caption": "A dog.",
            **known,
            "captions": [{"caption": "A dog.", **known}],
        },
        {"image": "b.jpg", "error": "empty."},
    ]


def test_a_zip_has_a_text_for_each_caption():
    records = read_records(
        [row("x/a.jpg"), row("b.jpg", ""), {"image": "c.jpg", "error": "empty."}]
    )
    with zipfile.ZipFile(io.BytesIO(to_texts(records))) as texts:
        assert texts.namelist() == ["a.txt"]
        assert texts.read("a.txt") == b"A dog.\n"
    with pytest.raises(AppError, match="None of these photos has a caption"):
        to_texts(records[1:])


def test_files_come_with_name_and_type():
    made = make_download({"format": "txt", "rows": [row()]})
    assert (made["name"], made["type"]) == ("captions.zip", "application/zip")
    assert zipfile.is_zipfile(io.BytesIO(base64.b64decode(made["data"])))


@pytest.mark.parametrize(
    ("images", "names"),
    [
        (["a.jpg", "b.tar.png"], ["a", "b.tar"]),
        (["a.jpg", "a.png"], ["a.jpg", "a.png"]),
        (["x/1.jpg", "y/1.jpg", "2.jpg"], ["x_1.jpg", "y_1.jpg", "2"]),
        (["A.jpg", "a.jpg", "a.jpg"], ["A.jpg", "a.jpg (2)", "a.jpg (3)"]),
        (["../../etc/passwd.jpg"], ["passwd"]),
        (["..\\..\\boot.jpg", "C:\\x.jpg"], ["boot", "x"]),
        (["..", "/", ".jpg"], ["photo", "photo (2)", ".jpg"]),
        (["a:b?.jpg", "c\n.jpg"], ["a_b_", "c_"]),
        (["CON.jpg", "nul.x.jpg", "console.jpg"], ["_CON", "_nul.x", "console"]),
    ],
)
def test_texts_are_named_as_sidecars_without_folders(images, names):
    assert name_texts(images) == [f"{name}.txt" for name in names]


@given(st.lists(st.text(alphabet="aA./\\: 1雪", min_size=1, max_size=300), max_size=20))
def test_names_of_texts_are_safe_and_different(images):
    names = name_texts(images)
    assert len({name.casefold() for name in names}) == len(images) == len(names)
    for name in names:
        assert not set(name) & set("/\\:")
        assert len(name.encode()) < 200
        assert name.removesuffix(".txt").strip(". ")
