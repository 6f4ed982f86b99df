"""Layouts are written small, with drawn photos; the real DAQUAR if it is there."""

import json
import re
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from conftest import write_files
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.data.reading import SPLITS
from shared.errors import AppError
from vqa.data import Record, read_dataset, select
from vqa.files.results import read_results

DAQUAR = Path(__file__).parents[2] / "shared/data/daquar"


def photos(*names):
    return dict.fromkeys(names)


def short(records):
    return [(r.name, r.question, r.answers, r.split) for r in records]


# VQA


def vqa_questions(subtype, ids, **more):
    return {
        "info": {"version": "2.0"},
        "task_type": "Open-Ended",
        "data_type": "mscoco",
        "data_subtype": subtype,
        "questions": [
            {"image_id": i // 10, "question": f"Is it {i}? ", "question_id": i} | more
            for i in ids
        ],
    }


def vqa_annotations(subtype, ids):
    words = [*["yes"] * 7, "no ", "No", "maybe"]
    return {
        "data_subtype": subtype,
        "annotations": [
            {
                "question_type": "is it",
                "multiple_choice_answer": "yes",
                "answers": [
                    {"answer": word, "answer_confidence": "maybe", "answer_id": k}
                    for k, word in enumerate(words, 1)
                ],
                "image_id": i // 10,
                "answer_type": "yes/no",
                "question_id": i,
            }
            for i in reversed(ids)
        ],
    }


def vqa_files(start="v2_", below="", **more):
    files = {}
    for subtype, ids in (
        ("train2014", [90, 91]),
        ("val2014", [120]),
        ("test2015", [130, 131]),
        ("test-dev2015", [131]),
    ):
        name = f"{start}OpenEnded_mscoco_{subtype}_questions.json"
        files[below + name] = vqa_questions(subtype, ids, **more)
        if not subtype.startswith("test"):
            name = f"{below}{start}mscoco_{subtype}_annotations.json"
            files[name] = vqa_annotations(subtype, ids)
    files |= photos(
        "train2014/COCO_train2014_000000000009.jpg",
        "val2014/COCO_val2014_000000000012.jpg",
        "test2015/COCO_test2015_000000000013.jpg",
    )
    return files


TEN = (*["yes"] * 7, "no", "No", "maybe")


@pytest.mark.parametrize("start", ["", "v2_"])
@pytest.mark.parametrize("below", ["", "annotations/", "Questions/"])
def test_vqa(tmp_path, start, below):
    records = read_dataset(write_files(tmp_path, vqa_files(start, below)))
    train, val, test = (
        "train2014/COCO_train2014_000000000009.jpg",
        "val2014/COCO_val2014_000000000012.jpg",
        "test2015/COCO_test2015_000000000013.jpg",
    )
    assert short(records) == [
        (train, "Is it 90?", TEN, "train"),
        (train, "Is it 91?", TEN, "train"),
        (val, "Is it 120?", TEN, "dev"),
        (test, "Is it 130?", (), "test"),
        (test, "Is it 131?", (), "test"),
    ]
    assert records[0] == Record(
        train, tmp_path / train, "Is it 90?", TEN, "train", "90", "is it", "yes/no"
    )
    assert all(record.image.is_file() for record in records)


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("train2014", "90 91 120 130 131"),
        ("test2015", "90 91 120 130 131"),
        ("test-dev2015", "90 91 120 131"),
    ],
)
def test_vqa_by_file(tmp_path, name, ids):
    folder = write_files(tmp_path, vqa_files())
    file = folder / f"v2_OpenEnded_mscoco_{name}_questions.json"
    assert [record.id for record in read_dataset(file)] == ids.split()


def test_vqa_annotations_in_a_folder_of_their_own(tmp_path):
    files = {
        (f"Annotations/{name}" if "annotations" in name else f"Questions/{name}")
        if name.endswith(".json")
        else f"images/{name}": content
        for name, content in vqa_files().items()
    }
    records = read_dataset(write_files(tmp_path, files))
    assert [record.answers for record in records] == [TEN, TEN, TEN, (), ()]
    assert records[0].name == "train2014/COCO_train2014_000000000009.jpg"


def test_vqa_photos_of_the_release_of_2017_or_in_one_folder(tmp_path):
    files = {n: c for n, c in vqa_files().items() if n.endswith("json")}
    files |= photos("images/val2017/000000000009.jpg")
    files |= photos("images/COCO_val2014_000000000012.jpg")
    names = [r.name for r in read_dataset(write_files(tmp_path, files))]
    assert names[1:3] == ["val2017/000000000009.jpg", "COCO_val2014_000000000012.jpg"]


def test_vqa_multiple_choice(tmp_path):
    files = vqa_files("", multiple_choices=["no", "yes", "2"])
    files = {name.replace("OpenEnded", "MultipleChoice"): files[name] for name in files}
    records = read_dataset(write_files(tmp_path, files))
    assert {record.choices for record in records} == {("no", "yes", "2")}
    assert [record.right for record in records] == [1, 1, 1, None, None]
    # Both tasks ask the same questions.
    write_files(tmp_path, vqa_files(""))
    assert read_dataset(tmp_path)[0].choices == ()


def test_vqa_abstract_scenes(tmp_path):
    name = "abstract_v002_train2015_000000000009.png"
    files = {
        "OpenEnded_abstract_v002_train2015_questions.json": vqa_questions("", [90]),
        "abstract_v002_train2015_annotations.json": vqa_annotations("", [90]),
        f"scene_img_abstract_v002_train2015/{name}": None,
    }
    (record,) = read_dataset(write_files(tmp_path, files))
    assert record.name == f"scene_img_abstract_v002_train2015/{name}"


def test_vqa_without_val_gets_a_dev_split(tmp_path):
    ids = range(0, 1000, 5)
    files = {
        "v2_OpenEnded_mscoco_train2014_questions.json": vqa_questions("", ids),
        "v2_mscoco_train2014_annotations.json": vqa_annotations("", ids),
    }
    files |= photos("train2014/COCO_train2014_000000000009.jpg")
    records = read_dataset(write_files(tmp_path, files))
    assert {record.split for record in records} == {"train", "dev"}
    names = {s: {r.name for r in records if r.split == s} for s in ("train", "dev")}
    assert not names["train"] & names["dev"]


def test_vqa_of_both_versions(tmp_path):
    write_files(tmp_path, vqa_files("") | vqa_files("v2_"))
    with pytest.raises(AppError, match=r"several sets of questions. Name one file"):
        read_dataset(tmp_path)
    name = "OpenEnded_mscoco_val2014_questions.json"
    assert len(read_dataset(tmp_path / name)) == 5


Q = "v2_OpenEnded_mscoco_train2014_questions.json"
A = "v2_mscoco_train2014_annotations.json"


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({A: "{"}, rf"{A} is not valid JSON: .*line 1 column 2"),
        ({A: ""}, rf"{A} is empty. It should hold answers"),
        ({A: [1]}, rf"{A} needs 'annotations': list. Received: \[1\]"),
        ({A: {"annotations": [{}]}}, r"annotations\[0\] needs 'question_id': number"),
        (
            {A: {"annotations": [{"question_id": 7}]}},
            r"questions\[0\]: no annotation has the question_id 90",
        ),
        (
            {A: {"annotations": [{"question_id": 90}]}},
            r"questions\[0\] needs 'answers': list. It has 'question_id'",
        ),
        ({Q: {"questions": {}}}, rf"{Q} needs 'questions': list"),
        ({Q: {"questions": [3]}}, r"questions\[0\] needs 'question_id'.* Received: 3"),
        (
            {Q: {"questions": [{"question_id": 90, "image_id": "9"}]}},
            r"questions\[0\] needs 'image_id': number. Received: '9'",
        ),
        (
            {Q: {"questions": [{"question_id": 90, "image_id": 9}]}},
            r"questions\[0\] needs 'question': text. It has 'question_id', 'image_id'",
        ),
        ({Q: vqa_questions("", [90, 90])}, r"questions\[1\]: the id 90 belongs to"),
        (
            {A: vqa_annotations("", [90, 90, 91])},
            r"annotations\[2\]: the question_id 90 has another annotation, too: ",
        ),
        (
            {A: vqa_annotations("", [90, 91]), Q: vqa_questions("", [90], image_id=8)},
            r"questions\[0\]: its image_id is 8, in .*annotations.json it is 9",
        ),
    ],
)
def test_vqa_refused(tmp_path, files, match):
    with pytest.raises(AppError, match=match):
        read_dataset(write_files(tmp_path, vqa_files() | files))


def test_question_0_of_vqa(tmp_path):
    """Also where only one of the files has text for numbers."""
    files = {Q: vqa_questions("", [0, 1]), A: vqa_annotations("", [0, 1])}
    for item in files[A]["annotations"]:
        item["question_id"] = str(item["question_id"])
    files |= photos("train2014/COCO_train2014_000000000000.jpg")
    records = read_dataset(write_files(tmp_path, files))
    assert [(r.id, r.answers) for r in records] == [("0", TEN), ("1", TEN)]


def test_vqa_without_its_annotations(tmp_path):
    (write_files(tmp_path, vqa_files()) / A).unlink()
    with pytest.raises(AppError, match=rf"{A} with the answers to {Q} is missing"):
        read_dataset(tmp_path)


# Visual7W


def visual7w(pairs, **more):
    images = [
        {
            "image_id": 5 + i,
            "split": split,
            "filename": f"v7w_{5 + i}.jpg",
            "qa_pairs": [
                {"qa_id": 100 * i + k, "image_id": 5 + i, **pair}
                for k, pair in enumerate(pairs)
            ],
        }
        for i, split in enumerate(("train", "val", "test"))
    ]
    return {"dataset": "visual7w", "images": images} | more


TELLING = {
    "question": "What is it?",
    "answer": "A cat.",
    "type": "what",
    "multiple_choices": ["A dog.", "A cow.", "A pig."],
}
POINTING = {
    "question": "Which is soft?",
    "answer": 3,
    "type": "which",
    "multiple_choices": [1, 2, 4],
}
BOXES = [
    {"box_id": i, "name": "", "x": 10 * i - 11, "y": i, "width": 5, "height": 2}
    for i in range(1, 5)
]


def test_visual7w_telling(tmp_path):
    files = {"dataset_v7w_telling.json": visual7w([TELLING] * 20)}
    records = read_dataset(write_files(tmp_path, files | photos("images/v7w_5.jpg")))
    assert [(r.name, r.split) for r in records[::20]] == [
        ("v7w_5.jpg", "train"),
        ("v7w_6.jpg", "dev"),
        ("v7w_7.jpg", "test"),
    ]
    for record in records:
        assert record.answers == ("A cat.",) and record.question_type == "what"
        assert record.choices[record.right] == "A cat."
        assert sorted(record.choices) == ["A cat.", "A cow.", "A dog.", "A pig."]
    assert {record.right for record in records} == {0, 1, 2, 3}
    assert len({record.choices for record in records}) > 6
    assert records == read_dataset(tmp_path)


def test_visual7w_pointing(tmp_path):
    data = visual7w([POINTING] * 20, boxes=BOXES)
    files = {"dataset_v7w_pointing.json": data}
    records = read_dataset(write_files(tmp_path, files | photos("images/v7w_5.jpg")))
    for record in records:
        assert record.answers == record.choices == ()
        assert record.boxes[record.right] == (19, 3, 24, 5)
        assert (0, 1, 4, 3) in record.boxes  # it began at -1, outside the photo
        assert len(set(record.boxes)) == 4
    assert {record.right for record in records} == {0, 1, 2, 3}
    assert len(select(records, "dev")) == 20


def test_half_an_emoji_is_an_id(tmp_path):
    data = visual7w([TELLING | {"qa_id": "\ud800"}])
    data["images"] = data["images"][:1]
    write_files(tmp_path, {"dataset_v7w_telling.json": data, "images/v7w_5.jpg": None})
    assert [record.id for record in read_dataset(tmp_path)] == ["\ud800"]


def test_visual7w_of_both_tasks(tmp_path):
    write_files(
        tmp_path, {f"dataset_v7w_{t}.json": {} for t in ("telling", "pointing")}
    )
    with pytest.raises(AppError, match="several sets of questions"):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ({}, r"needs 'images': list. It has no keys"),
        ([], r"needs 'images': list. Received: \[\]"),
        (visual7w([{}]), r"images\[0\].qa_pairs\[0\] needs 'question': text"),
        (visual7w([TELLING | {"answer": 3}]), r"qa_pairs\[0\] needs 'answer': text"),
        (
            visual7w([TELLING | {"multiple_choices": [True]}]),
            r"qa_pairs\[0\]: answers must be text. Received: True",
        ),
        (visual7w([POINTING], boxes=BOXES[:3]), r"no box has the box_id 4"),
        (visual7w([POINTING], boxes=[{}]), r"boxes\[0\] needs 'x': number"),
        (
            visual7w([POINTING | {"multiple_choices": [[]]}], boxes=BOXES),
            r"qa_pairs\[0\]: no box has the box_id \[\]",
        ),
    ],
)
def test_visual7w_refused(tmp_path, data, match):
    write_files(tmp_path, {"dataset_v7w_x.json": data, "v7w_5.jpg": None})
    with pytest.raises(AppError, match=match):
        read_dataset(tmp_path)


# DAQUAR


DAQUAR_TEXT = (
    "what is on the desk in the image3 ?\r\nbook, scissor, tape_dispenser\r\n"
    "what is the largest brown objects in this image3 ?\r\ncarton\r\n"
    "how many chairs are there in the image5 ?\r\n3\r\n"
)


@pytest.mark.parametrize("folder", ["", "images/", "nyu_depth_images/"])
@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_daquar(tmp_path, folder, ending):
    files = {"qa.894.raw.train.txt": DAQUAR_TEXT, "qa.894.raw.test.txt": DAQUAR_TEXT}
    files |= photos(f"{folder}image3{ending}")
    records = read_dataset(write_files(tmp_path, files))
    assert [(r.name, r.question, r.answers, r.id) for r in records[:3]] == [
        (
            f"image3{ending}",
            "what is on the desk",
            ("book, scissor, tape_dispenser",),
            "train-1",
        ),
        (
            f"image3{ending}",
            "what is the largest brown objects",
            ("carton",),
            "train-2",
        ),
        (f"image5{ending}", "how many chairs are there", ("3",), "train-3"),
    ]
    assert [r.split for r in records[3:]] == ["test"] * 3
    assert {r.split for r in records[:3]} == {"train", "dev"}
    assert records[0].split == records[1].split
    assert records[0].image == tmp_path / folder / f"image3{ending}"


@pytest.mark.parametrize("source", ["", "qa.37.raw.test.txt"])
def test_daquar_test_alone(tmp_path, source):
    files = {"qa.37.raw.test.txt": DAQUAR_TEXT, "images/image5.png": None}
    records = read_dataset(write_files(tmp_path, files) / source)
    assert [record.split for record in records] == ["test"] * 3


def test_daquar_file_of_another_name(tmp_path):
    files = {"my.txt": DAQUAR_TEXT, "image3.jpg": None}
    records = read_dataset(write_files(tmp_path, files) / "my.txt")
    assert [record.id for record in records] == ["1", "2", "3"]
    assert {record.split for record in records} == {"train", "dev"}


@pytest.mark.parametrize(
    ("written", "question"),
    [
        ("what is this in the image7 ?", "what is this"),
        ("What is this in the Image 7?", "What is this"),
        ("what is this in the image7", "what is this"),
        ("what is this in the imgae7 ?", "what is this"),
        ("what is there on the image 7 ?", "what is there"),
        ("what is on the left of the image7 ?", "what is on the left"),
        ("how many cupboards are in image7 ?", "how many cupboards are"),
        ("what is on the table image7 ?", "what is on the table"),
        (
            "what is the object in the image7 close to the wall in the image7 ?",
            "what is the object close to the wall",
        ),
        ("is image quality in the kitchen1 good in image7 ?",
         "is image quality in the kitchen1 good"),
    ],
)  # fmt: skip
def test_daquar_questions_lose_the_name_of_their_photo(tmp_path, written, question):
    files = {"qa.894.raw.test.txt": f"{written}\nyes\n", "image7.jpg": None}
    (record,) = read_dataset(write_files(tmp_path, files))
    assert (record.name, record.question) == ("image7.jpg", question)


def test_daquar_question_without_photo_between_two_of_one_photo(tmp_path):
    text = "a in the image3 ?\n1\nwhat is this ?\n2\nb in the image3 ?\n3\n"
    files = {"qa.894.raw.test.txt": text, "image3.jpg": None}
    records = read_dataset(write_files(tmp_path, files))
    assert [(r.name, r.question) for r in records] == [
        ("image3.jpg", "a"),
        ("image3.jpg", "what is this"),
        ("image3.jpg", "b"),
    ]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"test.txt is empty"),
        ("a in the image3 ?\n1\nb in the image3 ?\n", r"has 3 lines with text, so"),
        (
            "a in the image3 ?\n1\nb ?\n2\nc in the image4 ?\n3\n",
            r"1 questions do not name their photo, the first in line 3: 'b \?'",
        ),
        ("a in the image3 ?\n1\nb ?\n2\n", r"1 questions do not name their photo"),
        ("a in the image3 ?\n1\n2\nb in the image3 ?\nc ?\n3", r"2 questions .*line 3"),
        ("a in the image4 ?\n1\n", r"None of the photos.*such as image4. Put them"),
    ],
)  # fmt: skip
def test_daquar_refused(tmp_path, text, match):
    write_files(tmp_path, {"qa.894.raw.test.txt": text, "image3.jpg": None})
    with pytest.raises(AppError, match=match):
        read_dataset(tmp_path)


def test_daquar_of_both_sizes(tmp_path):
    write_files(tmp_path, {f"qa.{n}.raw.train.txt": DAQUAR_TEXT for n in (37, 894)})
    with pytest.raises(AppError, match=r"Name one file: .*qa.37.raw.*qa.894.raw"):
        read_dataset(tmp_path)


@pytest.mark.skipif(not DAQUAR.is_dir(), reason="DAQUAR is not in shared/data")
def test_the_real_daquar():
    records = read_dataset(DAQUAR)
    lines = (DAQUAR / "qa.894.raw.train.txt").read_text().splitlines()
    assert len(records) == 6795 == len(lines) // 2
    assert [r.answers for r in records] == [(line.strip(),) for line in lines[1::2]]
    for record, line in zip(records, lines[::2], strict=True):
        assert line.startswith(record.question[:15])
        assert f"image{Path(record.name).stem[5:]} ?" in line
    assert not [r.question for r in records if re.search(r"image|\?|\d\d", r.question)]
    assert all(record.image.is_file() for record in records)
    assert len(select(records, "train")) == 6128
    assert len(select(records, "dev")) == 667


# COCO-QA


def coco_qa(word, count=4):
    rows = [
        ("what is this", "cat", 9, 0),
        ("how many dogs", "two", 9, 1),
        ("what is the color", "red", 12, 2),
        ("where is it", "zoo", 12, 3),
    ]
    columns = zip(*rows[:count], strict=True)
    names = ("questions", "answers", "img_ids", "types")
    return {
        f"{word}/{name}.txt": "".join(f"{cell}\r\n" for cell in column)
        for name, column in zip(names, columns, strict=True)
    }


@pytest.mark.parametrize("source", ["", "test/questions.txt", "train"])
def test_coco_qa(tmp_path, source):
    files = coco_qa("train") | coco_qa("test", 1)
    files |= photos(
        "train2014/COCO_train2014_000000000009.jpg",
        "val2014/COCO_val2014_000000000012.jpg",
        "val2014/COCO_val2014_000000000009.jpg",
    )
    records = read_dataset(write_files(tmp_path, files) / source)
    assert [(r.name, r.question_type, r.answer_type, r.id) for r in records] == [
        ("train2014/COCO_train2014_000000000009.jpg", "object", "other", "train-1"),
        ("train2014/COCO_train2014_000000000009.jpg", "number", "number", "train-2"),
        ("val2014/COCO_val2014_000000000012.jpg", "color", "other", "train-3"),
        ("val2014/COCO_val2014_000000000012.jpg", "location", "other", "train-4"),
        ("val2014/COCO_val2014_000000000009.jpg", "object", "other", "test-1"),
    ]
    assert records[-1].split == "test" and records[0].answers == ("cat",)


@pytest.mark.parametrize(
    ("files", "match"),
    [
        ({"train/answers.txt": "cat"}, r"4 questions.txt, 1 answers.txt, 4 img_ids"),
        ({"train/types.txt": "0\n1\n2\n4"}, r"line 4: .*Received: '12' and '4'"),
        ({"train/img_ids.txt": "9\nx\n9\n9"}, r"line 2: .*Received: 'x' and '1'"),
    ],
)
def test_coco_qa_refused(tmp_path, files, match):
    with pytest.raises(AppError, match=match):
        read_dataset(write_files(tmp_path, coco_qa("train") | files))


# Lists of [question, answer, image]


EASY = [["what shape is it?", "circle", 0], ["is it red?", "no", 0],
        ["what color is it?", "teal", 1], ["is it red?", "no", 1]]  # fmt: skip


@pytest.mark.parametrize("source", ["", "train", "train/questions.json", "test"])
@pytest.mark.parametrize("below", ["", "data/"])
@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_easy_vqa(tmp_path, source, below, ending):
    if below and source:
        source = below + source
    files = {f"{below}{w}/questions.json": EASY for w in ("train", "test")}
    files |= photos(
        *(f"{below}{w}/images/{i}.{ending}" for w in ("train", "test") for i in (0, 1))
    )
    files[f"{below}answers.txt"] = "circle\nno\nteal\n"
    records = read_dataset(write_files(tmp_path, files) / source)
    assert [(r.name, r.question, r.answers, r.id) for r in records] == [
        (f"{w}/images/{i}.{ending}", question, (answer,), f"{w}-{n}")
        for w in ("train", "test")
        for n, (question, answer, i) in enumerate(EASY)
    ]
    assert {r.split for r in records[:4]} == {"train", "dev"}
    assert {r.split for r in records[4:]} == {"test"}
    assert all(record.image.is_file() for record in records)


@pytest.mark.parametrize(
    ("file", "folder", "splits"),
    [
        ("questions.json", "images", {"train", "dev"}),
        ("questions.json", ".", {"train", "dev"}),
        ("qa.json", "photos", {"train", "dev"}),
        ("train_questions.json", "train_images", {"train", "dev"}),
        ("train_questions.json", "images", {"train", "dev"}),
        ("questions_test.json", "images/test", {"test"}),
        ("test_questions.json", "test_images", {"test"}),
        ("test.json", "test/images", {"test"}),
        ("questions/val.json", "images/val", {"dev"}),
        ("test/my_questions.json", "test", {"test"}),
        ("data/test/questions.json", "data/test/images", {"test"}),
    ],
)
@pytest.mark.parametrize("by_file", [False, True])
def test_easy_sets_in_other_places(tmp_path, file, folder, splits, by_file):
    write_files(tmp_path, {file: EASY} | photos(f"{folder}/0.png", f"{folder}/1.png"))
    records = read_dataset(tmp_path / file if by_file else tmp_path)
    assert [r.image.resolve() for r in records] == [
        tmp_path / folder / f"{i}.png" for _, _, i in EASY
    ]
    assert {record.split for record in records} == splits


def test_easy_set_in_the_current_folder(tmp_path, monkeypatch):
    files = {"test/questions.json": EASY, "test/images/0.png": None}
    monkeypatch.chdir(write_files(tmp_path, files) / "test")
    for source in ("questions.json", "."):
        records = read_dataset(source)
        assert {record.split for record in records} == {"test"}
        assert records[0].image.samefile(tmp_path / "test/images/0.png")


def test_easy_set_with_ids_as_text_and_the_same_question_twice(tmp_path):
    rows = [["q?", "a", "0"], ["q?", "a", "0.png"], ["q?", 3, 0]]
    write_files(tmp_path, {"questions.json": rows, "images/0.png": None})
    assert short(read_dataset(tmp_path)) == [
        ("0.png", "q?", ("a",), "train"),
        ("0.png", "q?", ("a",), "train"),
        ("0.png", "q?", ("3",), "train"),
    ]


# Own questions


@pytest.mark.parametrize(
    "text",
    [
        'image,question,answer\na.jpg,"What, if any?","A ""dog"""\nb/ö,Süß?,ja\n',
        "\ufeffimage;question;answer\r\na.jpg;What, if any?;\"A \"\"dog\"\"\"\r\n;;\r\n"
        "b\\ö.jpg; Süß? ;ja\r\n\r\n",
        'Image\tQuestion\tAnswer\na.jpg\tWhat, if any?\tA "dog"\nb/ö.jpg\tSüß?\tja',
        'answer,question,image_id\n"A ""dog""","What, if any?",./a.jpg\n'
        "ja,Süß?,b/ö.jpg",
    ],
    ids=["commas", "semicolons, BOM, CRLF", "tabs", "other order"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["questions.csv", "qa.csv", "vqa.tsv", "x.txt"])
def test_csv(tmp_path, text, name):
    write_files(tmp_path, {name: text, "a.jpg": None, "b/ö.jpg": None})
    records = read_dataset(tmp_path / name if name[0] == "x" else tmp_path)
    assert [(r.name, r.question, r.answers) for r in records] == [
        ("a.jpg", "What, if any?", ('A "dog"',)),
        ("b/ö.jpg", "Süß?", ("ja",)),
    ]
    assert records[1].image == tmp_path / "b/ö.jpg"
    assert [r.id for r in records] == ["2", "4" if ";;" in text else "3"]
    assert {r.split for r in records} == {"train", "dev"}


OWN = Record("a.jpg", Path("a.jpg"), "Cat or dog?", ("dog",), "dev", "q7",
             "either or", "other", ("cat", "dog"), (), 1, 0.5)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("qa.csv", "image,question,answer,split,type,answer_type,choices,weight,id\n"
         "a.jpg,Cat or dog?,dog,VAL,either or,other,cat | dog,0.5,q7\n"),
        ("qa.jsonl", '{"image": "a.jpg", "question": "Cat or dog?", "answers": ["dog"],'
         ' "split": "dev", "question_type": "either or", "answer_type": "other",'
         ' "choices": ["cat", "dog"], "weight": 0.5, "question_id": "q7"}'),
        ("qa.json", [{"image": "a.jpg", "question": "Cat or dog?", "answer": "dog",
         "split": "validation", "type": "either or", "answer_type": "other",
         "choices": ["cat", "dog"], "weight": "0.5", "id": "q7"}]),
    ],
)  # fmt: skip
def test_every_key(tmp_path, name, content):
    (record,) = read_dataset(
        write_files(tmp_path, {name: content, "images/a.jpg": None})
    )
    assert record.image == tmp_path / "images/a.jpg"
    values = {field: getattr(record, field) for field in Record.__slots__}
    assert Record(**values | {"image": OWN.image}) == OWN


def test_rows_of_the_same_question_join_their_answers(tmp_path):
    text = (
        "image,question,answers,split\na.jpg,What?,dog,train\nb.jpg,What?,cat,train\n"
        "a.jpg,What?,Dog|  cat ,train\na.jpg,What?,pig,dev\na.jpg,What?,,train\n"
    )
    write_files(tmp_path, {"qa.csv": text, "a.jpg": None})
    assert [(r.name, r.answers, r.split, r.id) for r in read_dataset(tmp_path)] == [
        ("a.jpg", ("dog", "Dog", "cat"), "train", "2"),
        ("b.jpg", ("cat",), "train", "3"),
        ("a.jpg", ("pig",), "dev", "5"),
    ]


@pytest.mark.parametrize(
    "ids",
    [(1, 0), (0, -1), ("0", "00"), (0, "a"), (2**63, 10**30), ("x 1", "1.0"), (3.0, 0)],
)
@pytest.mark.parametrize("key", ["id", "question_id"])
def test_any_number_or_text_is_an_id(tmp_path, ids, key):
    rows = [{"image": "a.jpg", "question": q, "answer": "x"} for q in ("Q", "R")]
    rows = [row | {key: id_} for row, id_ in zip(rows, ids, strict=True)]
    write_files(tmp_path, {"qa.json": rows, "a.jpg": None})
    expected = [str(int(i) if isinstance(i, float) else i) for i in ids]
    assert [record.id for record in read_dataset(tmp_path)] == expected


@pytest.mark.parametrize("id_", [[1], {"a": 1}, True, 2.5, [[]]])
def test_other_things_are_no_id(tmp_path, id_):
    row = {"image": "a.jpg", "question": "Q", "answer": "x", "id": id_}
    write_files(tmp_path, {"qa.json": [row], "a.jpg": None})
    with pytest.raises(AppError, match=r"\[0\] needs 'id': text or number. Received"):
        read_dataset(tmp_path)


def own(tmp_path, header, *lines):
    text = "\n".join((f"image,question,{header}", *lines))
    return read_dataset(write_files(tmp_path, {"qa.csv": text, "a.jpg": None}))


def test_another_id_makes_another_question(tmp_path):
    records = own(
        *(tmp_path, "answer,id,choices"),
        *("a.jpg,Q,cat,7,cat|dog", "a.jpg,Q,dog,0,dog|cow", "a.jpg,Q,pig,,pig|cow"),
    )
    assert [(r.id, r.answers, r.choices, r.right) for r in records] == [
        ("7", ("cat",), ("cat", "dog"), 0),
        ("0", ("dog",), ("dog", "cow"), 0),
        ("4", ("pig",), ("pig", "cow"), 0),
    ]


def test_what_only_a_later_row_says_counts(tmp_path):
    (record,) = own(
        *(tmp_path, "answer,type,answer_type,choices,weight"),
        "a.jpg,Q,dog,,,,",
        "a.jpg,Q,cat,what,other,cow|cat|dog,0",
        "a.jpg,Q,Cat,what,,cow|cat|dog,",
    )
    assert record.answers == ("dog", "cat", "Cat")
    assert (record.question_type, record.answer_type) == ("what", "other")
    assert (record.choices, record.weight) == (("cow", "cat", "dog"), 0.0)
    assert record.right == 1  # what most people chose


@pytest.mark.parametrize(
    ("header", "first", "second", "match"),
    [
        ("choices", "a|b", "a|c", r"choices \('a', 'c'\) instead of \('a', 'b'\)"),
        ("type", "what", "who", r"question_type 'who' instead of 'what'"),
        ("weight", "0.5", "1", r"weight 1.0 instead of 0.5"),
        ("weight", "0", "1", r"weight 1.0 instead of 0.0"),
    ],
)
def test_rows_that_contradict_each_other_are_refused(
    tmp_path, header, first, second, match
):
    rows = (f"a.jpg,Q,x,{first}", f"a.jpg,Q,y,{second}")
    with pytest.raises(AppError, match=rf"line 3 asks the same.* line 2, .*{match}"):
        own(tmp_path, f"answer,{header}", *rows)


def test_several_columns_of_answers_are_taken_together(tmp_path):
    (record,) = own(tmp_path, "answer,answer,notes,answer", "a.jpg,Q,x,,!,y")
    assert record.answers == ("x", "y")
    (record,) = own(tmp_path, "answer_0,answer_1,answer_10", "a.jpg,Q,x,y,x")
    assert record.answers == ("x", "y", "x")
    (record,) = own(tmp_path, "answer 1,answers,answer 2", "a.jpg,Q,x,y|z,x")
    assert record.answers == ("x", "y", "z", "x")
    (record,) = own(tmp_path, "answer1", "a.jpg,Q,x")
    assert record.answers == ("x",)
    row = {"image": "a.jpg", "question": "Q", "answer": "z", "answers": ["x", "y", "x"]}
    write_files(tmp_path, {"qa.csv": b"", "both.json": [row, row | {"answer": "y"}]})
    (record,) = read_dataset(tmp_path / "both.json")
    assert record.answers == ("x", "y", "x", "z", "x", "y", "x")


@pytest.mark.parametrize("name", ["image", "question", "split", "id", "choices"])
def test_other_columns_stand_once(tmp_path, name):
    header = f"image,question,answer,split,id,choices,{name}"
    text = f"{header}\na.jpg,Q,x,train,1,x|y,z\n"
    write_files(tmp_path, {"qa.csv": text, "a.jpg": None})
    with pytest.raises(AppError, match=rf"line 1 names the column '{name}' 2 times"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("name", ["qa.json", "qa.jsonl"])
def test_keys_of_json_stand_once(tmp_path, name):
    text = '{"image": "a.jpg", "question": "Q", "answer": "x", "answer": "y"}'
    text = f"[{text}]" if name.endswith("json") else text
    write_files(tmp_path, {name: text, "a.jpg": None})
    with pytest.raises(AppError, match=r"an object has the key 'answer' twice"):
        read_dataset(tmp_path)
    with pytest.raises(AppError, match=r"an object has the key 'answer' twice"):
        read_results(tmp_path / name)


def test_both_names_of_a_photo_are_tried(tmp_path):
    row = {"image": "gone.jpg", "image_id": 7, "question": "Q", "answer": "x"}
    write_files(tmp_path, {"qa.json": [row], "7.jpg": None})
    assert read_dataset(tmp_path)[0].name == "7.jpg"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("qa.csv", "image,question,label\na.jpg,Q,x\n"),
        ("qa.jsonl", '{"image": "a.jpg", "question": "Q", "label": "x"}'),
    ],
)
def test_keys_that_are_not_known_are_named(tmp_path, name, content):
    write_files(tmp_path, {name: content, "a.jpg": None})
    with pytest.raises(
        AppError, match=r"holds no answers: it has .*'label'. Call them"
    ):
        read_dataset(tmp_path)
    write_files(tmp_path, {"qa.csv": "img,question,a\na.jpg,Q,x\n"})
    with pytest.raises(AppError, match=r"should name .* Received: 'img, question, a'"):
        read_dataset(tmp_path / "qa.csv")


def test_vizwiz(tmp_path):
    def rows(word):
        answers = [{"answer": a, "answer_confidence": "yes"} for a in ("ja", "nein")]
        row = {"image": f"VizWiz_{word}_0.jpg", "question": "Is it?"}
        return [row if word == "test" else row | {"answers": answers}]

    words = ("train", "val", "test")
    files = {f"Annotations/{word}.json": rows(word) for word in words}
    files |= photos(*(f"{word}/VizWiz_{word}_0.jpg" for word in words))
    assert short(read_dataset(write_files(tmp_path, files))) == [
        ("train/VizWiz_train_0.jpg", "Is it?", ("ja", "nein"), "train"),
        ("val/VizWiz_val_0.jpg", "Is it?", ("ja", "nein"), "dev"),
        ("test/VizWiz_test_0.jpg", "Is it?", (), "test"),
    ]


def test_own_files_of_each_split(tmp_path):
    files = {f"{w}.csv": f"image,question,answer\n{w}.jpg,a,b" for w in SPLITS}
    records = read_dataset(write_files(tmp_path, files | photos("images/train.jpg")))
    assert [(r.name, r.split) for r in records] == [
        ("train.jpg" if w == "train" else f"{w}.jpg", s) for w, s in SPLITS.items()
    ]
    assert [r.id for r in records] == [f"{word}-2" for word in SPLITS]


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"qa.csv is empty"),
        ("\ufeff \r\n", r"qa.csv is empty"),
        ("image,question,answer\n", r"qa.csv holds no questions"),
        ("image,question,answer\na.jpg,Q,\n", r"qa.csv holds no answers"),
        ("a.jpg,Q,A\n", r"line 1 should name the columns image, .* 'a.jpg, q, a'"),
        ("image,caption\na.jpg,A\n", r"line 1 should name the columns"),
        ("image,question\na.jpg\n", r"line 2 has 1 columns, line 1 has 2"),
        ("image,question,answer\na.jpg,Q,a, b\n", r"line 2 has 4 .*',' in quotes"),
        ('image,question,answer\na.jpg,"Q,A', r"line 2 is not valid CSV"),
        (b"image,question\na.jpg,A\na.jpg,s\xfc\xdf\n", r"line 3 is not UTF-8 text"),
        ("image,question".encode("utf-16"), r"line 1 is not UTF-8 text.*CSV UTF-8"),
        ("image,question,answer\n,Q,A\n", r"line 2 needs 'image': .*It has 'question'"),
        ("image,question,answer\na.jpg,,A\n", r"line 2 needs 'question': text"),
        ("image,question,answer\nb.jpg,Q,A\n", r"None of the photos.* such as b.jpg"),
        (f"image,question,answer\n{'b' * 5000},Q,A\n", r"None of the photos"),
        (f"image,question,answer\n{'b/' * 3000}a,Q,A\n", r"None of the photos"),
        ("image,question,answer,split\na.jpg,Q,A,new\n", r"line 2: .*no split 'new'"),
        ("image,question,answer,split\na.jpg,Q,A,dev\na.jpg,R,B,\n",
         r"names a split for some questions, but not for 1, .*line 3"),
        ("image,question,answer,id\na.jpg,Q,A,1\na.jpg,R,B,1\n",
         r"line 3: the id 1 belongs to another question, too: .*line 2"),
        ("image,question,answer,weight\na.jpg,Q,A,-1\n", r"line 2: a weight .* '-1'"),
        ("image,question,answer,weight\na.jpg,Q,A,nan\n", r"line 2: a weight .* 'nan'"),
        ("image,question,answer,weight\na.jpg,Q,A,x\n", r"line 2: a weight .* 'x'"),
    ],
)  # fmt: skip
def test_csv_refused(tmp_path, text, match):
    write_files(tmp_path, {"qa.csv": text, "a.jpg": None})
    with pytest.raises(AppError, match=match):
        read_dataset(tmp_path)


@pytest.mark.parametrize("name", [
    "../a.jpg", "x/../../a.jpg", "..\\a.jpg", "/etc/passwd", "C:\\a.jpg",
    "\\\\host\\a.jpg", "..", ".", "a\0.jpg", "",
])  # fmt: skip
@pytest.mark.parametrize("form", ["csv", "jsonl", "json", "v7w"])
def test_no_photo_lies_outside(tmp_path, name, form):
    row = {"image": name, "question": "Q", "answer": "A"}
    data = visual7w([TELLING])
    data["images"][0]["filename"] = name
    files = {
        "csv": {"qa.csv": f'image,question,answer\n"{name}",Q,A\n'},
        "jsonl": {"qa.jsonl": json.dumps(row)},
        "json": {"test/questions.json": [["Q", "A", name]]},
        "v7w": {"dataset_v7w_telling.json": data},
    }
    folder = write_files(tmp_path / "below", files[form])
    write_files(tmp_path, {"a.jpg": None, "below/a.jpg": None})
    with pytest.raises(AppError, match=r"is no photo's name|needs 'image'|a NUL"):
        read_dataset(folder)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            '{"image": "a.jpg", "question": "Q"}\n{"image": ',
            r"line 2 is not valid JSON",
        ),
        ("3", r"line 1 needs 'image': text or number. Received: 3"),
        ("[1]", r"line 1 should be \[question, answer, image\]. Received: \[1\]"),
        ('["Q", "A", null]', r"line 1 needs 'image': text or number. Received: None"),
        ('["Q", true, 1]', r"line 1: answers must be text. Received: True"),
        ('{"image": true, "question": "Q"}', r"line 1 needs 'image'.* Received: True"),
        ('{"image": "a", "question": 3}', r"line 1 needs 'question': text"),
        ('{"image": "a", "question": "Q", "answers": "A"}', r"needs 'answers': list"),
        ('{"image": "a", "question": "Q", "answers": [[]]}', r"answers must be text"),
        ('{"image": "a", "question": "Q", "choices": 3}', r"needs 'choices': list"),
        ('{"image": "a", "question": "Q", "split": 3}', r"no split '3'"),
        ('{"image": "a", "question": "Q", "weight": []}', r"a weight is a number"),
        ("[" * 100_000, r"line 1 is not valid JSON: nested too deeply"),
    ],
)
def test_jsonl_refused(tmp_path, text, match):
    write_files(tmp_path, {"questions.jsonl": text, "a.jpg": None})
    with pytest.raises(AppError, match=match):
        read_dataset(tmp_path)


def test_json_of_another_form(tmp_path):
    write_files(tmp_path, {"questions.json": {"data": [1, 2]}})
    with pytest.raises(AppError, match=r"should be a list of .*an object with 'data'"):
        read_dataset(tmp_path)


def test_nothing_recognised(tmp_path):
    with pytest.raises(AppError, match=r"(?s)nowhere. Give a folder.*qa.894.raw"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(AppError, match=r"(?s)It holds nothing. Known.*questions.csv"):
        read_dataset(tmp_path)
    write_files(tmp_path, {"a.jpg": None, "my.csv": "image,question,answer\na.jpg,Q,A"})
    with pytest.raises(AppError, match=r"It holds a.jpg, my.csv. Known forms"):
        read_dataset(str(tmp_path))
    assert read_dataset(str(tmp_path / "my.csv"))[0].answers == ("A",)
    with pytest.raises(AppError, match=r"(?s)a.jpg is no question file.*\.jsonl"):
        read_dataset(tmp_path / "a.jpg")
    write_files(tmp_path, {"qa.csv": "x", "qa.jsonl": "x"})
    with pytest.raises(AppError, match=r"several sets .*Name one file: .*\.jsonl"):
        read_dataset(tmp_path)


# Photos


def test_missing_photos_are_not_fatal(tmp_path):
    text = "image,question,answer\nb,Q,A\na,Q,A\nc.png,Q,A\n"
    write_files(tmp_path, {"qa.csv": text, "images/a.jpeg": None})
    records = read_dataset(tmp_path)
    assert [record.name for record in records] == ["b.jpeg", "a.jpeg", "c.png"]
    assert records[0].image == tmp_path / "images/b.jpeg"
    assert [record.image.is_file() for record in records] == [False, True, False]


def test_names_with_dots_and_folders_of_that_name(tmp_path):
    text = "image,question,answer\na.b,Q,A\n7,Q,A\n.hidden.jpg,Q,A\n"
    names = ("a.b.JPG", "7/x.jpg", "7.webp", ".hidden.jpg", "a.txt")
    records = read_dataset(write_files(tmp_path, {"qa.csv": text} | photos(*names)))
    assert [record.name for record in records] == ["a.b.JPG", "7.webp", ".hidden.jpg"]


def test_records_are_frozen_and_compare():
    assert OWN == OWN and hash(OWN) == hash(OWN)
    with pytest.raises(FrozenInstanceError):
        OWN.split = "test"


# Splits


def own_folder(tmp_path, names, more=""):
    rows = "".join(f"{name},{q},yes{more}\n" for name in names for q in "QR")
    header = "image,question,answer" + (",split" if more else "")
    return read_dataset(
        write_files(tmp_path, {"qa.csv": f"{header}\n{rows}", names[0]: None})
    )


def dev_names(records):
    return {record.name for record in records if record.split == "dev"}


def test_hashed_split_keeps_a_photo_with_all_its_questions(tmp_path):
    names = [f"{i}.jpg" for i in range(1000)]
    records = own_folder(tmp_path, names)
    dev = dev_names(records)
    assert 70 <= len(dev) <= 130
    assert not dev & {record.name for record in records if record.split == "train"}
    more = own_folder(tmp_path, [*reversed(names), *(f"new {n}" for n in names)])
    assert dev_names(more) & set(names) == dev


@given(st.integers(1, 12), st.integers(0, 999))
@settings(max_examples=30, deadline=None)
def test_hashed_split_of_few_photos(tmp_path_factory, count, start):
    names = [f"{i}.jpg" for i in range(start, start + count)]
    dev = dev_names(own_folder(tmp_path_factory.mktemp("own"), names))
    assert (0 < len(dev) < count) if count > 1 else not dev


def test_train_without_dev_gives_some(tmp_path):
    names = [f"{i}.jpg" for i in range(20)]
    assert dev_names(own_folder(tmp_path, names, ",train"))
    assert not dev_names(own_folder(tmp_path, names, ",test"))


def test_select(tmp_path):
    lines = [
        "image,question,answer,split,choices",
        "a.jpg,Q,A,train,",
        "b.jpg,?,A,train,",
        "c.jpg,Q,,train,",
        "d.jpg,Q,A,dev,",
        "e.jpg,Q,,test,x|y",
    ]
    records = read_dataset(
        write_files(tmp_path, {"qa.csv": "\n".join(lines), "a.jpg": None})
    )
    assert [record.name for record in select(records, "train")] == ["a.jpg"]
    with pytest.raises(AppError, match=r"split 'test'. .* train \(1\), dev \(1\)\. Ch"):
        select(records, "test")
    with pytest.raises(AppError, match=r"Splits with questions: none"):
        select([], "train")
