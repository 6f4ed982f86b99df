"""Layouts are written small, with drawn photos; the real Flickr8k if it is there."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from captioner.config import VocabularyConfig
from captioner.training.datacheck import check_dataset
from captioner.training.recipes import (
    FEW,
    FINETUNE,
    KNOWN_WORDS,
    NEW_WORDS,
    choose,
    read_recipe,
)
from shared.data.captioned import Record, read_dataset, select
from shared.data.captions.rows import SPLITS
from shared.data.shapes import write_captioned_shapes
from shared.errors import AppError
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary

FLICKR8K = Path(__file__).parents[2] / "shared/data/flickr8k"
NAMES = [f"{i}.jpg" for i in range(8)]


def jpeg(shade=0):
    file = io.BytesIO()
    Image.new("RGB", (12, 8), (shade, 90, 200)).save(file, "JPEG")
    return file.getvalue()


def write(folder, files):
    """Write texts, objects as JSON, and a photo of its own shade where None."""
    for i, (name, content) in enumerate(files.items()):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.write_bytes(jpeg(i * 7 % 256))
        elif isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_bytes(content.encode())
        else:
            path.write_text(json.dumps(content))
    return folder


def photos(*names):
    return dict.fromkeys(names)


def as_dict(records):
    return {record.name: (record.captions, record.split) for record in records}


def coco(*names, first=0):
    """The official shape, with the keys that nobody here needs."""
    ids = range(first + 40, first + 40 + len(names))
    return {
        "info": {"description": "COCO 2014 Dataset", "year": 2014},
        "licenses": [{"url": "http://example.org", "id": 3, "name": "CC BY"}],
        "images": [
            {"license": 3, "file_name": name, "height": 8, "width": 12, "id": i}
            for i, name in zip(ids, names, strict=True)
        ],
        "annotations": [
            {
                "image_id": i,
                "id": 1000 + 10 * i + k,
                "caption": f"Caption {k} of {i}.\n",
            }
            for k in range(2)
            for i in reversed(ids)
        ],
    }


def karpathy(with_folder):
    rows = [
        ("a.jpg", "train"),
        ("b.jpg", "restval"),
        ("c.jpg", "val"),
        ("d.jpg", "test"),
    ]
    images = [
        {
            "sentids": [i],
            "imgid": i,
            "filename": name,
            "split": split,
            "sentences": [{"tokens": ["a"], "raw": f"Caption {i}", "sentid": i}],
        }
        for i, (name, split) in enumerate(rows)
    ]
    if with_folder:
        images = [{**image, "filepath": "val2014", "cocoid": 5} for image in images]
    return {"images": images, "dataset": "coco"}


# Flickr


TOKENS = (
    "a.jpg#0\tA dog .\r\na.jpg#1\tZwei Hunde, süß .\r\n"
    "b.jpg#0\tA cat .\r\nc.jpg#0\tA .\r\n"
)


@pytest.mark.parametrize(
    "folder", ["", "images/", "Images/", "Flicker8k_Dataset/", "Flickr8k_Dataset/"]
)
def test_flickr8k(tmp_path, folder):
    files = {
        "Flickr8k.token.txt": TOKENS,
        "Flickr8k.lemma.token.txt": "a.jpg#0\tdog\n",
        "Flickr_8k.trainImages.txt": "b.jpg\r\na.jpg\r\n",
        "Flickr_8k.devImages.txt": "c.jpg\n",
    }
    write(tmp_path, files | photos(*(f"{folder}{n}.jpg" for n in "abc")))
    records = read_dataset(tmp_path)
    assert as_dict(records) == {
        "a.jpg": (("A dog .", "Zwei Hunde, süß ."), "train"),
        "b.jpg": (("A cat .",), "train"),
        "c.jpg": (("A .",), "dev"),
    }
    assert [record.image for record in records] == [
        tmp_path / folder / f"{name}.jpg" for name in "abc"
    ]


def test_flickr8k_text_in_a_folder_of_its_own(tmp_path):
    files = {"Flickr8k_text/Flickr8k.token.txt": TOKENS}
    files |= {"Flickr8k_text/Flickr_8k.valImages.txt": "a.jpg", "images/a.jpg": None}
    (record,) = read_dataset(write(tmp_path, files))
    assert (record.name, record.split) == ("a.jpg", "dev")


def test_flickr_photos_on_no_list_are_left_out_and_lists_may_name_more(tmp_path):
    files = {
        "x.token.txt": TOKENS + "e.jpg.1#0\tA flaw of the original .\n",
        "x.trainImages.txt": "a.jpg\ne.jpg\n",
        "x.testImages.txt": "b.jpg\n",
    }
    records = read_dataset(write(tmp_path, files | photos("a.jpg")))
    assert [(r.name, r.split, len(r.captions)) for r in records] == [
        ("a.jpg", "train", 2),
        ("b.jpg", "test", 1),
        ("e.jpg", "train", 0),
    ]
    assert [r.name for r in select(records, "train")] == ["a.jpg"]


def test_flickr_without_lists_keeps_the_flawed_name(tmp_path):
    files = {"Flickr8k.token.txt": TOKENS + "e.jpg.1#0\tA flaw .\n"}
    records = read_dataset(write(tmp_path, files | photos("a.jpg", "b.jpg", "c.jpg")))
    assert "e.jpg.1" in as_dict(records)
    assert [name for name, _ in check_dataset(records).missing] == ["e.jpg.1"]


def test_flickr_photo_on_two_lists(tmp_path):
    files = {
        "x.token.txt": TOKENS,
        "x.trainImages.txt": "a.jpg\n",
        "x.devImages.txt": "b.jpg\na.jpg\n",
    }
    with pytest.raises(
        AppError, match=r"trainImages.txt, line 1: a.jpg is also in .*dev"
    ):
        read_dataset(write(tmp_path, files))


def test_flickr30k_token(tmp_path):
    files = {"results_20130124.token": TOKENS}
    files |= photos(*(f"flickr30k_images/{n}.jpg" for n in "abc"))
    records = read_dataset(write(tmp_path, files))
    assert [r.name for r in records] == ["a.jpg", "b.jpg", "c.jpg"]
    assert {r.split for r in records} == {"train", "dev"}


def test_flickr30k_csv_with_its_missing_bar(tmp_path):
    text = (
        "image_name| comment_number| comment\n"
        'a.jpg| 0| Two "young" guys ; one | other , .\n'
        "a.jpg| 4   A dog runs .\n"
    )
    files = {"results.csv": text, "flickr30k_images/flickr30k_images/a.jpg": None}
    (record,) = read_dataset(write(tmp_path, files))
    assert record.captions == ('Two "young" guys ; one | other , .', "A dog runs .")


def test_flickr_line_of_another_form(tmp_path):
    write(tmp_path, {"x.token": "a.jpg#0\tA dog .\na.jpg A cat .\n", "a.jpg": None})
    with pytest.raises(AppError, match=r"x.token, line 2 should be `name.jpg#number"):
        read_dataset(tmp_path)


# COCO and Karpathy


def coco_folder(tmp_path, year="2014", below=""):
    names = [f"COCO_train{year}_1.jpg", f"COCO_train{year}_2.jpg"]
    files = {
        f"annotations/captions_train{year}.json": coco(*names),
        f"annotations/captions_val{year}.json": coco("v.jpg", first=7),
        f"annotations/instances_val{year}.json": "never read",
        f"{below}val{year}/v.jpg": None,
    }
    files |= photos(*(f"{below}train{year}/{name}" for name in names))
    return write(tmp_path, files)


@pytest.mark.parametrize("below", ["", "images/"])
@pytest.mark.parametrize("source", ["", "annotations/captions_train2014.json"])
def test_coco(tmp_path, below, source):
    records = read_dataset(coco_folder(tmp_path, below=below) / source)
    assert as_dict(records) == {
        "train2014/COCO_train2014_1.jpg": (
            ("Caption 0 of 40.", "Caption 1 of 40."),
            "train",
        ),
        "train2014/COCO_train2014_2.jpg": (
            ("Caption 0 of 41.", "Caption 1 of 41."),
            "train",
        ),
        "val2014/v.jpg": (("Caption 0 of 47.", "Caption 1 of 47."), "dev"),
    }
    assert all(record.image.is_file() for record in records)


def test_coco_of_two_years(tmp_path):
    coco_folder(coco_folder(tmp_path), "2017")
    with pytest.raises(
        AppError, match=r"several sets of captions.*captions_train2017.json"
    ):
        read_dataset(tmp_path)
    records = read_dataset(tmp_path / "annotations/captions_train2017.json")
    assert {record.name[:-6] for record in records} >= {"train2017/COCO_train2017"}
    assert {record.split for record in records} == {"train", "dev"}


def test_a_file_that_is_not_of_train_is_read_alone(tmp_path):
    folder = coco_folder(tmp_path)
    (folder / "annotations/captions_train2014.json").write_text("{")
    (record,) = read_dataset(folder / "annotations/captions_val2014.json")
    assert (record.name, record.split, record.id) == ("val2014/v.jpg", "dev", 47)


def test_coco_with_one_file_only(tmp_path):
    folder = coco_folder(tmp_path)
    (folder / "annotations/captions_train2014.json").unlink()
    assert {record.split for record in read_dataset(folder)} == {"dev"}


def test_own_json_of_coco_form_gets_a_split(tmp_path):
    write(tmp_path, {"mine.json": coco(*NAMES)} | photos(*NAMES))
    records = read_dataset(tmp_path / "mine.json")
    assert [record.name for record in records] == NAMES
    assert {record.split for record in records} == {"train", "dev"}


@pytest.mark.parametrize("with_folder", [True, False])
def test_karpathy_wins_over_other_annotations(tmp_path, with_folder):
    name = "dataset_coco.json" if with_folder else "dataset_flickr8k.json"
    folder = "val2014/" if with_folder else ""
    files = {name: karpathy(with_folder), "captions.csv": "refused"}
    write(tmp_path, files | photos(*(f"images/{folder}{n}.jpg" for n in "abcd")))
    records = read_dataset(tmp_path)
    assert [(r.name, r.captions, r.split) for r in records] == [
        (f"{folder}a.jpg", ("Caption 0",), "train"),
        (f"{folder}b.jpg", ("Caption 1",), "train"),
        (f"{folder}c.jpg", ("Caption 2",), "dev"),
        (f"{folder}d.jpg", ("Caption 3",), "test"),
    ]
    assert all(record.image.is_file() for record in records)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("{", "x.json is not valid JSON: .*line 1"),
        ("", "x.json is empty"),
        ([], r"x.json holds no captions"),
        (3, r"x.json needs 'images': list. Received: 3"),
        ("[" * 100_000, r"x.json is not valid JSON: nested too deeply"),
        ({"images": {}}, "x.json needs 'images': list"),
        (
            {"images": [{"id": 1}], "annotations": [{"image_id": 1, "caption": "A"}]},
            r"images\[0\] needs 'file_name'",
        ),
        (
            {"images": [{"id": 1, "file_name": "a.jpg"},
                        {"id": "1", "file_name": "b.jpg"}], "annotations": []},
            r"images\[1\]: the id '1' belongs to another photo, too: .*images\[0\]",
        ),
        ({"images": [], "annotations": [{}]}, r"annotations\[0\] needs 'image_id'"),
        (
            {"images": [], "annotations": [{"image_id": 3, "caption": "a"}]},
            r"annotations\[0\]: no image has the id 3",
        ),
        ({"images": [{"filename": "a.jpg"}]}, r"images\[0\] needs 'sentences': list"),
        (
            {"images": [{"filename": "a.jpg", "sentences": [], "split": "new"}]},
            r"images\[0\]: there is no split 'new'. Choose train, dev",
        ),
        (
            {"images": [{"filename": "a.jpg", "filepath": "..", "sentences": [],
                         "split": "val"}]},
            r"images\[0\]: '../a.jpg' is no photo's name",
        ),
    ],
)  # fmt: skip
def test_json_refused(tmp_path, content, match):
    write(tmp_path, {"x.json": content})
    with pytest.raises(AppError, match=match):
        read_dataset(tmp_path / "x.json")


# Own pictures


@pytest.mark.parametrize(
    "text",
    [
        'image,caption\na.jpg,"A dog, ""Rex"", runs"\na.jpg,Ein Hündchen\nb/ö.jpg,犬\n',
        "\ufeffimage;caption\r\na.jpg;A dog, \"Rex\", runs\r\n"
        "a.jpg; Ein Hündchen \r\n;\r\nb\\ö.jpg;犬\r\n\r\n",
        'Image\tCaption\na.jpg\tA dog, "Rex", runs\na.jpg\tEin Hündchen\nb/ö.jpg\t犬\n',
        'image,caption\na.jpg,A dog, "Rex", runs\na.jpg,Ein Hündchen\n./b/ö.jpg,犬',
        'id;caption;image\n1;A dog, "Rex", runs;a.jpg\n'
        "2;Ein Hündchen;a.jpg\n3;犬;b/ö.jpg",
    ],
    ids=["commas", "semicolons, BOM, CRLF", "tabs", "bare commas", "other order"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["captions.csv", "captions.txt", "any.tsv"])
def test_csv(tmp_path, text, name):
    write(tmp_path, {name: text, "a.jpg": None, "b/ö.jpg": None})
    records = read_dataset(tmp_path / name if name == "any.tsv" else tmp_path)
    assert [(r.name, r.captions, r.image) for r in records] == [
        ("a.jpg", ('A dog, "Rex", runs', "Ein Hündchen"), tmp_path / "a.jpg"),
        ("b/ö.jpg", ("犬",), tmp_path / "b/ö.jpg"),
    ]
    assert {r.split for r in records} == {"train", "dev"}


def test_csv_caption_of_two_lines_and_kaggle_folder(tmp_path):
    text = 'image,caption\na.jpg,"A dog\nruns"\na.jpg,Rex\n'
    write(tmp_path, {"captions.txt": text, "Images/a.jpg": None})
    (record,) = read_dataset(tmp_path)
    assert record.captions == ("A dog\nruns", "Rex")
    assert record.image == tmp_path / "Images/a.jpg"


JSONL = (
    '\ufeff{"image": "a.jpg", "caption": "A dog", "split": "VAL"}\r\n'
    '{"image": "b.jpg", "captions": ["A cat ", "A c\\u00e4t"], "split": "train"}\r\n'
    '\r\n{"image": "a.jpg", "captions": [], "split": "dev"}\r\n'
)


def test_jsonl(tmp_path):
    write(tmp_path, {"captions.jsonl": JSONL, "a.jpg": None, "b.jpg": None})
    assert as_dict(read_dataset(tmp_path)) == {
        "a.jpg": (("A dog",), "dev"),
        "b.jpg": (("A cat", "A cät"), "train"),
    }


@pytest.mark.parametrize(
    ("header", "read"),
    [
        ("image,caption,captions", ("A", "B")),
        ("image,captions,caption", ("A", "B")),
        ("image,caption,caption_2", ("A", "B")),
        ("image,captions 1,caption 2", ("A", "B")),
        ("image,text,text2", ("A", "B")),
        ("image,comment,comments", ("A",)),  # a column of another name says nothing
    ],
)
def test_all_columns_of_captions_are_read(tmp_path, header, read):
    files = {"captions.csv": f"{header}\na.jpg,A,B\n", "a.jpg": None}
    assert read_dataset(write(tmp_path, files))[0].captions == read
    keys = header.split(",")[1:]
    item = {"image": "a.jpg"} | dict(zip(keys, ["A", "B"], strict=True))
    item = {key: [v] if key == "captions" else v for key, v in item.items()}
    (tmp_path / "captions.csv").unlink()
    write(tmp_path, {"captions.jsonl": json.dumps(item)})
    assert read_dataset(tmp_path)[0].captions == read


@pytest.mark.parametrize("header", ["caption,text", "text,captions", "comment,text 2"])
@pytest.mark.parametrize("form", ["csv", "jsonl", "json"])
def test_nobody_can_tell_which_of_two_kinds_holds_captions(tmp_path, header, form):
    keys = header.split(",")
    item = json.dumps({"image": "a.jpg"} | dict.fromkeys(keys, "A"))
    texts = {"csv": f"image,{header}\na.jpg,A,B\n", "jsonl": item, "json": f"[{item}]"}
    write(tmp_path, {f"captions.{form}": texts[form], "a.jpg": None})
    one, other = map(repr, keys)
    named = f"has ({one} and {other}|{other} and {one}), and both may hold captions"
    with pytest.raises(AppError, match=named):
        read_dataset(tmp_path)


def test_a_row_may_have_fewer_captions_than_keys(tmp_path):
    item = {"image": "a.jpg", "caption": "A", "caption_2": None}
    write(tmp_path, {"captions.jsonl": json.dumps(item), "a.jpg": None})
    assert read_dataset(tmp_path)[0].captions == ("A",)


def test_csv_splits(tmp_path):
    rows = [f"{i}.jpg,{word},A dog" for i, word in enumerate(SPLITS)]
    text = "\n".join(["image,split,caption", *rows])
    records = read_dataset(write(tmp_path, {"captions.csv": text, "0.jpg": None}))
    assert [record.split for record in records] == list(SPLITS.values())


def test_csv_with_an_unused_split_column(tmp_path):
    rows = [f"{name},A dog,\n" for name in NAMES]
    text = "".join(["image,caption,split\n", *rows])
    records = read_dataset(write(tmp_path, {"captions.csv": text, "0.jpg": None}))
    assert {record.split for record in records} == {"train", "dev"}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"captions.csv is empty"),
        ("\ufeff \r\n", r"captions.csv is empty"),
        ("image,caption\n", r"captions.csv holds no captions"),
        ("image,caption\na.jpg, \n", r"captions.csv holds no captions"),
        (
            "a.jpg,A dog\n",
            r"line 1 should name the columns image and caption.*'a.jpg,A dog'",
        ),
        ("photo,text\na.jpg,A dog\n", r"line 1 should name.*Received: 'photo,text'"),
        ("image,caption\na.jpg,A\na.jpg\n", r"line 3 has 1 columns, line 1 has 2"),
        ("caption,image\nA, B,a.jpg\n", r"line 2 has 3 columns.*holds ',' in quotes"),
        (
            'image,caption\na.jpg,A\na.jpg,"A dog\na.jpg,"A cat"\n',
            r"line 3 is not valid CSV",
        ),
        ('image,caption\na.jpg,"A dog\na.jpg,A', r"line 2 is not valid CSV"),
        (b"image,caption\na.jpg,A\na.jpg,s\xfc\xdf\n", r"line 3 is not UTF-8 text"),
        (
            "image,caption".encode("utf-16"),
            r"line 1 is not UTF-8 text: it is UTF-16.*CSV UTF-8",
        ),
        ("image,caption\n../a.jpg,A\n", r"line 2: '../a.jpg' is no photo's name"),
        ("image,caption\nx/../../a.jpg,A\n", r"line 2: .*without `..`"),
        ("image,caption\n..\\a.jpg,A\n", r"line 2: .* is no photo's name"),
        ("image,caption\n/etc/passwd,A\n", r"line 2: '/etc/passwd' is no photo's"),
        ("image,caption\nC:\\a.jpg,A\n", r"line 2: 'C:.* is no photo's name"),
        ("image,caption\n\\\\host\\a.jpg,A\n", r"line 2: .* is no photo's name"),
        ("image,caption\n,A dog\n", r"line 2: '' is no photo's name"),
        ("image,caption\na\0.jpg,A dog\n", r"line 2 is not UTF-8 text: it holds a NUL"),
        (
            "image,caption\nb.jpg,A dog\n",
            r"None of the photos.* such as b.jpg. Put them",
        ),
        (f"image,caption\n{'b' * 5000}.jpg,A dog\n", r"None of the photos"),
        ("image,caption,split\na.jpg,A,new\n", r"line 2: there is no split 'new'"),
        (
            "image,caption,split\na.jpg,A,dev\na.jpg,B,test\n",
            r"line 3: a.jpg is in split test here and in dev before",
        ),
        (
            "image,caption,split\na.jpg,A,dev\nb.jpg,B,\n",
            r"names a split for some photos, but not for 1, such as b.jpg",
        ),
    ],
)
def test_csv_refused(tmp_path, text, match):
    write(tmp_path, {"captions.csv": text, "a.jpg": None})
    with pytest.raises(AppError, match=match):
        read_dataset(tmp_path)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"image": "a.jpg", "caption": "A"}\n{"image": ', r"line 2 is not valid JSON"),
        ("3", r"line 1 needs 'image': text. Received: 3"),
        ('{"image": 3, "caption": "A"}', r"line 1 needs 'image': text. Received: 3"),
        ('{"image": "a.jpg"}', r"line 1 needs 'caption': text or list. It has 'image'"),
        ('{"image": "a.jpg", "captions": "A"}', r"line 1 needs 'captions': list"),
        ('{"image": "a.jpg", "captions": [1]}', r"line 1: captions must be text"),
        ('{"image": "a.jpg", "caption": "A", "split": 3}', r"no split '3'"),
        ('{"image": "../a.jpg", "caption": "A"}', r"line 1: '../a.jpg' is no photo's"),
    ],
)
def test_jsonl_refused(tmp_path, text, match):
    write(tmp_path, {"captions.jsonl": text, "a.jpg": None})
    with pytest.raises(AppError, match=match):
        read_dataset(tmp_path)


def test_sidecars(tmp_path):
    files = {
        "a.jpg": None,
        "a.txt": "\ufeffA dog\r\n\r\n  Ein Hündchen  \r\n",
        "sub/é 1.PNG": None,
        "sub/é 1.txt": "A cat",
        "sub/without.jpg": None,
        "sub/.hidden.jpg": None,
        ".thumbnails/a.jpg": None,
        "notes.txt": "not beside a picture",
    }
    records = read_dataset(write(tmp_path, files))
    assert [(record.name, record.captions) for record in records] == [
        ("a.jpg", ("A dog", "Ein Hündchen")),
        ("sub/without.jpg", ()),
        ("sub/é 1.PNG", ("A cat",)),
    ]
    assert {r.split for r in records if r.captions} == {"train", "dev"}
    assert check_dataset(records).without_caption == ("sub/without.jpg",)


def test_sidecars_with_odd_file_names(tmp_path):
    write(tmp_path, {" a\\b.jpg": None, " a\\b.txt": "A dog"})
    (record,) = read_dataset(tmp_path)
    assert record.image.is_file()


def test_missing_photos_are_not_fatal(tmp_path):
    text = "image,caption\na.jpg,A dog\nb.jpg,A cat\n"
    records = read_dataset(write(tmp_path, {"captions.csv": text, "b.jpg": None}))
    assert [record.image.is_file() for record in records] == [False, True]


def test_nothing_recognised(tmp_path):
    with pytest.raises(AppError, match=r"(?s)nowhere. Give a folder.*Flickr8k.token"):
        read_dataset(tmp_path / "nowhere")
    with pytest.raises(
        AppError, match=r"(?s)It holds nothing. Known forms.*captions.csv"
    ):
        read_dataset(tmp_path)
    write(tmp_path, {"a.jpg": None, "my.csv": "image,caption\na.jpg,A dog"})
    with pytest.raises(AppError, match=r"It holds a.jpg, my.csv. Known forms"):
        read_dataset(str(tmp_path))
    assert read_dataset(str(tmp_path / "my.csv"))[0].captions == ("A dog",)
    with pytest.raises(AppError, match=r"(?s)a.jpg is no caption file.*\.jsonl"):
        read_dataset(tmp_path / "a.jpg")
    write(tmp_path, {"captions.csv": "image,caption", "captions.jsonl": "{}"})
    with pytest.raises(AppError, match=r"several sets .* Name one file: .*\.jsonl"):
        read_dataset(tmp_path)


# Splits


def own_folder(tmp_path, names):
    text = "image,caption\n" + "".join(f"{name},A dog\n" for name in names)
    return read_dataset(write(tmp_path, {"captions.csv": text, names[0]: None}))


def test_hashed_split(tmp_path):
    names = [f"{i}.jpg" for i in range(1000)]
    records = own_folder(tmp_path, names)
    dev = {record.name for record in records if record.split == "dev"}
    assert 70 <= len(dev) <= 130
    more = own_folder(tmp_path, [*reversed(names), *(f"new {n}" for n in names)])
    assert {r.name for r in more if r.split == "dev"} & set(names) == dev


@pytest.mark.parametrize("count", [2, 3, 5])
def test_hashed_split_of_few(tmp_path, count):
    for start in range(40):  # some draw only small fractions, some only large ones
        records = own_folder(tmp_path, [f"{start} {i}.jpg" for i in range(count)])
        assert {record.split for record in records} == {"train", "dev"}
    assert own_folder(tmp_path, ["one.jpg"])[0].split == "train"


def test_select():
    records = [
        Record("a", Path("a"), ("A dog", ""), "train"),
        Record("b", Path("b"), ("",), "train"),
        Record("c", Path("c"), ("A cat",), "dev"),
        Record("d", Path("d"), (), "test"),
    ]
    (chosen,) = select(records, "train")
    assert (chosen.name, chosen.captions) == ("a", ("A dog",))
    with pytest.raises(
        AppError, match=r"split 'test'.*: train \(1\), dev \(1\). Choose"
    ):
        select(records, "test")
    with pytest.raises(AppError, match="with photos: none"):
        select([], "train")


# TFDS


def example(shade, kept):
    whole = {
        "image": io.BytesIO(jpeg(shade)),
        "image/filename": f"{shade}.jpg",
        "image/id": shade,
        "captions": [
            {"id": 1, "text": "A dog. "},
            {"id": 2, "text": f"Süß {shade}"},
        ],
    }
    return {key: whole[key] for key in kept}


def prepare_tfds(
    data_dir,
    name="coco_captions",
    file_format="array_record",
    version="1.1.0",
    **splits,
):
    import numpy as np
    import tensorflow_datasets as tfds

    features = tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(encoding_format="jpeg"),
            "image/filename": tfds.features.Text(),
            "image/id": tfds.features.Scalar(np.int64),
            "captions": tfds.features.Sequence(
                {
                    "id": tfds.features.Scalar(np.int64),
                    "text": tfds.features.Text(),
                }
            ),
        }
    )
    kept = ["image"] if name == "other" else list(features)
    features = tfds.features.FeaturesDict({key: features[key] for key in kept})
    examples = {
        split: [
            (
                shade,
                example(shade, kept),
            )
            for shade in shades
        ]
        for split, shades in splits.items()
    }
    tfds.dataset_builders.store_as_tfds_dataset(
        name=name,
        config="2014",
        version=version,
        features=features,
        data_dir=data_dir,
        split_datasets=examples,
        file_format=file_format,
    )


@pytest.mark.slow
def test_tfds(tmp_path, monkeypatch):
    prepare_tfds(tmp_path, train=[10, 20], val=[30], restval=[40], test=[50], extra=[9])
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    for source in (f"tfds:coco_captions:{tmp_path}", "tfds:coco_captions"):
        records = read_dataset(source)
        assert sorted((r.name, r.split, r.captions) for r in records) == [
            ("10.jpg", "train", ("A dog.", "Süß 10")),
            ("20.jpg", "train", ("A dog.", "Süß 20")),
            ("30.jpg", "dev", ("A dog.", "Süß 30")),
            ("40.jpg", "train", ("A dog.", "Süß 40")),
            ("50.jpg", "test", ("A dog.", "Süß 50")),
        ]
    for record in records:
        assert record.image.name == record.name
        assert record.image.read_bytes() == jpeg(int(record.name[:2]))
    assert check_dataset(records, VocabularyConfig(min_count=1)).ok
    code = (
        "import sys; from shared.data.captioned import read_dataset as read;"
        "print(read('tfds:coco_captions')[0].image.read_bytes()[:2]);"
        "print('tensorflow' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.split() == [repr(b"\xff\xd8"), "False"]


@pytest.mark.slow
def test_tfds_reads_the_newest_version(tmp_path):
    for shade, version in ((10, "1.9.0"), (20, "1.10.0"), (30, "1.2.0")):
        prepare_tfds(tmp_path, version=version, train=[shade])
    records = read_dataset(f"tfds:coco_captions:{tmp_path}")
    assert [record.name for record in records] == ["20.jpg"]


@pytest.mark.slow
def test_tfds_refused(tmp_path):
    prepare_tfds(tmp_path, file_format="tfrecord", train=[10])
    with pytest.raises(
        AppError, match=r"(?i)photo by photo.*tfrecord.*Prepare it once"
    ):
        read_dataset(f"tfds:coco_captions:{tmp_path}")
    prepare_tfds(tmp_path, name="other", train=[10])
    with pytest.raises(AppError, match="is not like coco_captions, with image"):
        read_dataset(f"tfds:other:{tmp_path}")


@pytest.mark.parametrize("name", ["coco_captions", ""])
def test_tfds_not_prepared(tmp_path, name):
    unfinished = "coco_captions/2014/incomplete.X_1.1.0/dataset_info.json"
    write(tmp_path, {unfinished: {}})
    match = f"no data set '{name}' prepared in .*tfds build coco_captions --data_dir"
    with pytest.raises(AppError, match=match):
        read_dataset(f"tfds:{name}:{tmp_path}")


# The check


def planted(tmp_path):
    captions = {name: ["A dog runs"] * 2 for name in NAMES}
    captions["0.jpg"] = ["A dog, a cat", "", "word " * 26]
    captions["4.jpg"] = []
    captions["7.jpg"] = ["A zebra runs"]
    rows = {name: ("dev" if name == "7.jpg" else "train") for name in NAMES}
    lines = (
        json.dumps({"image": name, "captions": captions[name], "split": split})
        for name, split in rows.items()
    )
    files = {"captions.jsonl": "\n".join(lines)} | photos(*NAMES)
    files["2.jpg"] = b"no image"
    files["3.jpg"] = jpeg()[:300]
    files["7.jpg"] = files["5.jpg"] = files["6.jpg"] = jpeg(99)
    write(tmp_path, files)
    (tmp_path / "1.jpg").unlink()
    return read_dataset(tmp_path)


def test_check_finds_what_is_planted(tmp_path):
    calls = []
    check = check_dataset(
        planted(tmp_path),
        VocabularyConfig(min_count=2, max_words=25),
        progress=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(i + 1, 8) for i in range(8)]
    assert check.photos == {"train": 7, "dev": 1}
    assert check.captions == {"train": 12, "dev": 1, "test": 0}
    assert check.missing == (("1.jpg", "there is no such file."),)
    assert [name for name, _ in check.broken] == ["2.jpg", "3.jpg"]
    assert all(str(tmp_path) not in reason for _, reason in check.broken)
    assert check.empty_captions == ("0.jpg",)
    assert check.without_caption == ("4.jpg",)
    assert check.long_captions == (("0.jpg", "word " * 25 + "word"),)
    assert check.leaks == (("5.jpg", "6.jpg", "7.jpg"),)
    assert check.repeats == 1
    assert (check.words, check.kept) == (5, 4)  # a dog runs word; cat is seen once
    assert check.rare == {"cat": 1}
    assert (check.learn, check.choose) == (3, 1)  # what can be read and has a caption
    assert check.coverage == pytest.approx(2 / 3)
    assert not check.ok
    assert len(check.problems) == 5
    report = str(check)
    for text in (
        "train            7        12       1.7",
        "words: 5 in train, 4 of them are learnt, which make up 66.7% of dev",
        "1 word is not learnt (seen less than 2 times), the commonest",
        "only 3 photos to learn from",
        "dev: 1 photo is too few to judge a model by",
        "no test photos",
        "problem: missing photos: 1\n    1.jpg: there is no such file.",
        "problem: broken photos: 2\n    2.jpg: ",
        "5.jpg = 6.jpg = 7.jpg",
        "note: captions of more than 25 words (training cuts them): 1",
    ):
        assert text in report


def test_check_of_a_sound_set(tmp_path):
    write(tmp_path, {"a.txt": "A dog", "b.txt": "A cat"} | photos("a.jpg", "b.jpg"))
    check = check_dataset(read_dataset(tmp_path), VocabularyConfig(min_count=1))
    assert check.ok
    assert check.drawn == 1
    assert str(check).endswith("no problems found, but 2 warnings")
    assert "the data names no dev photos: 1 of train are dev" in str(check)


@pytest.mark.parametrize(
    ("texts", "units", "says"),
    [
        (["一只狗在草地上奔跑", "两只猫在睡觉"], "word", 'Add `units = "character"`'),
        (["สุนัขวิ่งบนหญ้า", "แมวนอนหลับ"], "word", 'Add `units = "character"`'),
        (["犬が草の上を走っている", "猫が寝ている"], "character", None),
        (["一只 狗 在 草地 上 奔跑", "两只 猫 在 睡觉"], "word", None),
        (["A dog runs", "Собака бежит"], "word", None),
    ],
)
def test_check_says_that_words_run_together(tmp_path, texts, units, says):
    write(tmp_path, {f"{i}.txt": text for i, text in enumerate(texts)})
    write(tmp_path, photos("0.jpg", "1.jpg"))
    words = VocabularyConfig(min_count=1, units=units)
    check = check_dataset(read_dataset(tmp_path), words)
    assert check.ok == (says is None)
    assert says is None or says in str(check)


def test_check_of_shapes_says_that_captions_repeat(tmp_path):
    check = check_dataset(read_dataset(write_captioned_shapes(tmp_path / "s", 60)))
    assert check.same_captions == ("A red circle.", 10)
    assert check.kept == 6
    with pytest.raises(AppError, match=r"s is not empty\. Choose a new folder"):
        write_captioned_shapes(tmp_path / "s")


def test_by_default_the_included_model_is_trained_further():
    recipe, name, first = read_recipe(None, None)
    assert name == "finetune-captioner --from included"
    assert recipe.vocabulary.min_count == 2
    assert recipe.encoder.name == "efficientnet_lite2"
    assert {"dog", "<unk>"} < set(first)
    recipe, name, first = read_recipe("captioner-flickr8k", None)
    assert (name, recipe.vocabulary.min_count) == ("captioner-flickr8k", 4)
    assert list(first) == list(SPECIAL_WORDS)


def own_records(count, caption, split="train", **changes):
    return [
        Record(f"{i}.jpg", Path(f"{i}.jpg"), (caption,), split, **changes)
        for i in range(count)
    ]


@pytest.mark.parametrize(
    ("records", "name"),
    [
        (own_records(5, "A dog."), KNOWN_WORDS),
        (own_records(4, "A dog.") + own_records(1, "Miso sleeps."), NEW_WORDS),
        (
            own_records(4, "A dog.") + own_records(1, "Miso sleeps.", "test"),
            KNOWN_WORDS,
        ),
        (own_records(4, "A dog.") + own_records(1, "Miso sleeps.", "dev"), KNOWN_WORDS),
        (
            own_records(4, "A dog.")
            + own_records(1, "Miso sleeps.", "dev", is_drawn=True),
            NEW_WORDS,
        ),
        (own_records(FEW - 1, "Miso sleeps."), NEW_WORDS),
        (own_records(FEW, "Miso sleeps."), FINETUNE),
        ([], FINETUNE),
    ],
)
def test_of_few_photos_only_new_words_are_learnt(records, name):
    words = Vocabulary([*SPECIAL_WORDS, "a", "dog", "sleeps"])
    with_concepts = read_recipe(None, None)[0]
    without = with_concepts.model_copy(update={"concepts": None})
    assert choose(with_concepts, words, records) == name
    assert choose(without, words, records) == FINETUNE


def test_the_recipe_for_few_photos_is_named():
    recipe, name, _ = read_recipe(None, None, own_records(5, "Miso sleeps."))
    assert name == "finetune-captioner-new-words --from included"
    assert [stage.learns for stage in recipe.stages] == ["new words"]
    recipe, name, _ = read_recipe(None, None, own_records(5, "A dog."))
    assert name == "finetune-captioner-known-words --from included"
    assert [stage.learns for stage in recipe.stages] == ["all"]


def test_words_that_a_model_knows_already_are_kept(tmp_path):
    first = [*SPECIAL_WORDS, "cat", "zebra"]
    check = check_dataset(planted(tmp_path), VocabularyConfig(min_count=2), first=first)
    assert not check.rare
    assert check.coverage == 1


def test_check_without_dev_or_frequent_words():
    picture = Path(__file__)  # no image either
    check = check_dataset([Record("a", picture, ("A dog",), "train")])
    assert check.problems[1:] == [
        "no photos with captions in split dev",
        "no word is seen 4 times, see `min_count`",
    ]
    assert len(check_dataset([]).problems) == 2


def test_check_shows_few_examples(tmp_path):
    names = [f"{i}.jpg" for i in range(50)]
    report = str(check_dataset(own_folder(tmp_path, names)))
    assert "missing photos: 49" in report
    assert report.count("there is no such file") == 5
    assert "... and 44 more" in report


# Flickr8k as published


@pytest.fixture
def flickr8k():
    if not FLICKR8K.is_dir():
        pytest.skip(f"Flickr8k is not in {FLICKR8K}")
    return read_dataset(FLICKR8K)


def test_flickr8k_as_published(flickr8k):
    train, dev = select(flickr8k, "train"), select(flickr8k, "dev")
    assert (len(train), len(dev), len(flickr8k)) == (6000, 1000, 7000)
    assert {len(record.captions) for record in flickr8k} == {5}
    assert all(record.image.is_file() for record in flickr8k)
    with pytest.raises(AppError, match=r"train \(6000\), dev \(1000\)"):
        select(flickr8k, "test")


@pytest.mark.slow
def test_flickr8k_checks_well(flickr8k):
    check = check_dataset(flickr8k)
    assert check.ok
    assert 0.95 < check.coverage < 1
