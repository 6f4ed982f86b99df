"""A new form of captions is one layout; what belongs together is told by the names."""

import re

import pytest
from conftest import write_files

from shared.data.captioned import FILES
from shared.data.captions.rows import Row
from shared.data.layouts import Layout, Layouts, by_name, itself
from shared.data.reading import SPLITS, each_item, read_json
from shared.errors import AppError

FITS, NAMED = by_name(re.compile(r"caps_(?P<word>train|val)\.json"), "train", "val")


def rows(path, word):
    for where, item in each_item(read_json(path, "captions"), "data", str(path)):
        yield Row(where, (item["image"],), item["said"], SPLITS[word])


CAPS = Layout("  caps_train.json, _val", (("caps_*.json",),), FITS, NAMED, rows)
KNOWN = Layouts("captions", (CAPS, *FILES.known))


def caps(**said):
    return {"data": [{"image": f"{n}.jpg", "said": [s]} for n, s in said.items()]}


def test_a_published_form_is_one_layout(tmp_path):
    files = {"caps_train.json": caps(a="A dog"), "CAPS_VAL.json": caps(b="A cat")}
    write_files(tmp_path / "unpacked", files)
    path = KNOWN.find(tmp_path)
    assert path == tmp_path / "unpacked/caps_train.json"
    found = [(file.name, *row[1:4]) for file, some in KNOWN.read(path) for row in some]
    assert found == [
        ("caps_train.json", ("a.jpg",), ["A dog"], "train"),
        ("CAPS_VAL.json", ("b.jpg",), ["A cat"], "dev"),
    ]
    assert [file for file, _ in KNOWN.read(path, alone=True)] == [path]
    with pytest.raises(AppError, match=r"needs 'data': list. Received: 3"):
        KNOWN.read(write_files(tmp_path, {"caps_val.json": "3"}) / "caps_val.json")
    with pytest.raises(AppError, match=r"(?s)in one of these forms:.*caps_train.json"):
        KNOWN.find(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("names", "sets"),
    [
        (["q_train2014.json", "q_val2014.json", "q_test2015.json"], 1),
        (["q_test-dev2015.json", "q_test2015.json"], 1),
        (["q_train2014.json", "q_train2017.json"], 2),
        (["a_train.json", "b_val.json"], 2),
        (["q_train.json", "q_train.jsonl"], 2),
        (["train/q.json", "validation/q.json", "q.json"], 2),
    ],
)
def test_files_of_one_data_set_differ_by_their_splits(tmp_path, names, sets):
    form = Layout("", (tuple(names),), lambda path: True, itself, rows)
    layouts = Layouts("questions", (form,))
    write_files(tmp_path, dict.fromkeys(names))
    if sets == 1:
        first = min(names, key=lambda name: ("train" not in name, "dev" in name))
        assert layouts.find(tmp_path) == tmp_path / first
    else:
        with pytest.raises(AppError, match="has several sets of questions"):
            layouts.find(tmp_path)
