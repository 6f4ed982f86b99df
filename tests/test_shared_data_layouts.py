"""A new form of captions is one layout; what belongs together is told by the names."""

import inspect
import json
from contextlib import closing

import pytest
from conftest import ROOT, write_files

from shared.data import captioned
from shared.data.archive import ARCHIVE, stored_path
from shared.data.captioned import FILES
from shared.data.captions.rows import Row
from shared.data.layouts import Layout, Layouts, by_name, itself
from shared.data.reading import SPLITS, each_item, read_json
from shared.errors import AppError
from shared.files.sqlite import sqlite3
from vqa import data as questions

FITS, NAMED = by_name(r"caps_(?P<word>train|val)\.json", "train", "val")


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


# Capitals


PHOTO = {"image_id": 7, "question_id": 1, "question": "Is it?"}
TEN = {"answers": [{"answer": "yes", "answer_confidence": "yes"}] * 10}
CHOSEN = {"multiple_choices": ["no"], "answer": "yes", "qa_id": 1, "question": "Is it?"}
TABLE = "image,question,answer\na.jpg,Is it?,yes\n"
COCO = {
    "images": [{"id": 7, "file_name": "7.jpg"}],
    "annotations": [{"image_id": 7, "caption": "A dog"}],
}
TOLD = {"file_name": "7.jpg", "text": "A dog"}
DAQUAR = "what is on the desk in the image7 ?\nlamp\n"
COCO_QA = {"questions": "is it ?", "answers": "yes", "img_ids": "7", "types": "0"}


def archive():
    """The bytes of an archive in which a person described a photo that is there."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.executescript("".join(ARCHIVE.steps))
        database.execute(f"PRAGMA application_id = {ARCHIVE.application_id}")
        database.execute(f"PRAGMA user_version = {len(ARCHIVE.steps)}")
        database.execute("INSERT INTO models VALUES (1, '{}', '', '0')")
        database.execute(
            "INSERT INTO photos VALUES (1, ?, 9, NULL, NULL, NULL, 'A cat', -1, 0.5, "
            "0, 1, NULL, '')",
            ("7" * 64,),
        )
        path = stored_path(ROOT / "examples/cat.jpg")
        database.execute("INSERT INTO files VALUES (?, 1, 9, 0, NULL, NULL)", (path,))
        database.execute("INSERT INTO edits VALUES (1, 'A dog', '')")
        database.commit()
        return database.serialize()


# Files of each form, in several splits where there are any, without their photos.
CAPTIONED = {
    "karpathy": {
        "dataset_flickr8k.json": {
            "images": [
                {"filename": "7.jpg", "split": "val", "sentences": [{"raw": "A dog"}]}
            ]
        }
    },
    "coco": {
        f"annotations/captions_{word}2014.json": COCO for word in ("train", "val")
    },
    "flickr": {
        "Flickr8k.token.txt": "7.jpg#0\tA dog\n8.jpg#0\tA cat\n",
        "Flickr_8k.trainImages.txt": "7.jpg\n",
        "Flickr_8k.devImages.txt": "8.jpg\n",
    },
    "beside": {
        "a/7.jpg": None,
        "a/7.txt": "A dog",
        "b/8.png": None,
        "b/8.caption": "A",
    },
    "own": {f"{word}/metadata.jsonl": json.dumps(TOLD) for word in ("train", "test")},
    "archive": {"archive.db": archive()},
}
ASKED = {
    "official": {
        **{
            f"v2_OpenEnded_mscoco_{word}2014_questions.json": {"questions": [PHOTO | q]}
            for word, q in (("train", {}), ("val", {"question_id": 2}))
        },
        **{
            f"v2_mscoco_{word}2014_annotations.json": {"annotations": [PHOTO | TEN | q]}
            for word, q in (("train", {}), ("val", {"question_id": 2}))
        },
    },
    "visual7w": {
        "dataset_v7w_telling.json": {
            "images": [{"filename": "7.jpg", "split": "train", "qa_pairs": [CHOSEN]}]
        }
    },
    "daquar": {f"qa.894.raw.{word}.txt": DAQUAR for word in ("train", "test")},
    "coco_qa": {
        f"{word}/{name}.txt": line
        for word in ("train", "test")
        for name, line in COCO_QA.items()
    },
    "gqa": {
        f"questions1.2/{word}_balanced_questions.json": {
            word: {"imageId": "7", "question": "Is it?", "answer": "yes"}
        }
        for word in ("train", "val", "testdev")
    },
    "clevr": {
        f"questions/CLEVR_{word}_questions.json": {
            "questions": [{"image_filename": "7.png", "question": "Is it?"} | said]
        }
        for word, said in (("train", {"answer": "yes"}), ("test", {}))
    },
    "visual_genome": {
        "question_answers_v1_2.json": [
            {"id": 7, "qas": [{"qa_id": 1, "question": "Is it?", "answer": "Yes."}]}
        ]
    },
    "textvqa": {
        f"TextVQA_0.5.1_{word}.json": {"data": [PHOTO | TEN | {"question_id": n}]}
        for n, word in enumerate(("train", "val"))
    },
    "aokvqa": {
        f"aokvqa_v1p0_{word}.json": [
            PHOTO
            | {"question_id": word, "choices": ["yes", "no"], "correct_choice_idx": 0}
            | {"direct_answers": ["yes"] * 10}
        ]
        for word in ("train", "val")
    },
    "own": {f"{word}_questions.csv": TABLE for word in ("train", "dev")},
}
SAMPLES = [
    *((captioned.FILES, name, files) for name, files in CAPTIONED.items()),
    *((questions.FILES, name, files) for name, files in ASKED.items()),
]


def test_there_is_a_sample_of_each_form():
    for layouts, samples in ((captioned.FILES, CAPTIONED), (questions.FILES, ASKED)):
        rooms = [inspect.getmodule(layout.read).__name__ for layout in layouts.known]
        assert {room.rpartition(".")[2] for room in rooms} == set(samples)


def read_all(layouts, folder):
    """Read a folder of one data set; give what is said by file, in lower case."""
    path = layouts.find(folder)
    (layout,) = [known for known in layouts.known if known.fits(path)][:1]
    rows = [
        (file.relative_to(folder).as_posix().lower() if file != folder else "", row)
        for file, some in layouts.read(path)
        for row in some
    ]
    said = [
        (file, row._replace(where="", files=tuple(map(str.lower, row.files))))
        for file, row in rows
    ]
    return layout, said


@pytest.mark.parametrize("change", [str.upper, str.title, str.swapcase])
@pytest.mark.parametrize(
    ("layouts", "name", "files"), SAMPLES, ids=lambda value: str(value)[:14]
)
def test_capitals_do_not_matter_in_any_form(tmp_path, layouts, name, files, change):
    plain = write_files(tmp_path / "plain", files)
    other = write_files(tmp_path / "x", {change(n): data for n, data in files.items()})
    layout, rows = read_all(layouts, plain)
    assert inspect.getmodule(layout.read).__name__.endswith(name)
    assert len(rows) >= (1 if len(files) == 1 else 2)
    assert read_all(layouts, other) == (layout, rows)


@pytest.mark.parametrize("layouts", [captioned.FILES, questions.FILES])
def test_what_archives_of_macos_add_is_no_data_set(tmp_path, layouts):
    known = CAPTIONED["flickr"] if layouts is captioned.FILES else ASKED["daquar"]
    folder = write_files(tmp_path / "data", known)
    rows = read_all(layouts, folder)
    extra = {f"{place}._{name}": b"\0\5" for name in known for place in ("", "._/")}
    extra |= {f"__MACOSX/{name}": "x" for name in known}
    write_files(folder, extra | {"@eaDir/captions.csv": TABLE, ".git/qa.csv": TABLE})
    assert read_all(layouts, folder) == rows


def test_a_name_may_be_as_long_as_file_systems_allow(tmp_path):
    name = f"{'a' * 242}_val.csv"  # with "validation" it would be too long
    write_files(tmp_path, {name: TABLE})
    assert len(questions.FILES.read(tmp_path / name)[0][1]) == 1
