"""Layouts of captioned photos, written small, with photos that nobody decodes."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.data.captioned import FILES, read_files
from shared.errors import AppError


def write(folder, files):
    """Write texts and bytes, other objects as JSON, and an empty file where None."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, encoding="utf-8")
        else:
            path.write_text("" if content is None else json.dumps(content))
    return folder


def told(folder):
    return {r.name: (list(r.captions), r.split) for r in read_files(folder)}


def coco(*photos, first=1):
    """COCO's form of (name, caption), numbered from `first`."""
    return {
        "images": [{"id": i, "file_name": n} for i, (n, _) in enumerate(photos, first)],
        "annotations": [
            {"image_id": i, "caption": text}
            for i, (_, text) in enumerate(photos, first)
        ],
    }


# Layouts


@pytest.mark.parametrize(
    ("file", "content"),
    [
        (
            "metadata.jsonl",
            '{"file_name": "a.jpg", "text": ["A dog", "A pup"]}\n'
            '{"file_name": "b.jpg", "text": "A cat"}\n',
        ),
        (
            "metadata.csv",
            'file_name,text\na.jpg,A dog\nb.jpg,A cat\na.jpg,"A pup"\n',
        ),
        (
            "captions.json",
            [
                {"image": "a.jpg", "captions": ["A dog", "A pup"]},
                {"image": "b.jpg", "caption": "A cat"},
            ],
        ),
        (
            "results.csv",
            "image_name| comment_number| comment\na.jpg| 0| A dog\na.jpg| 1| A pup\n"
            "b.jpg| 0| A cat\n",
        ),
        (
            "results.csv",
            "a.jpg| 0| A dog\na.jpg| 1| A pup\nb.jpg| 0| A cat\n",
        ),
        (
            "captions.txt",
            "image_name,comment_number,comment\na.jpg,0,A dog\na.jpg,1,A pup\n"
            "b.jpg,0,A cat\n",
        ),
        ("captions.csv", "image,caption,caption\na.jpg,A dog,A pup\nb.jpg,A cat,\n"),
        (
            "captions.csv",
            "caption1,caption 2,image\nA dog,A pup,a.jpg\nA cat,,b.jpg",
        ),
        ("captions.csv", "image|caption\na.jpg|A dog\na.jpg|A pup\nb.jpg|A cat\n"),
    ],
)
def test_own_layouts(tmp_path, file, content):
    write(tmp_path, {file: content, "images/a.jpg": None, "images/b.jpg": None})
    found = {name: captions for name, (captions, _) in told(tmp_path).items()}
    assert found == {"a.jpg": ["A dog", "A pup"], "b.jpg": ["A cat"]}


def test_texts_beside_photos_with_either_ending(tmp_path):
    files = {"a.JPG": None, "a.txt": "A dog", "a.caption": "A pup\nA dog, running\n"}
    files |= {"b.png": None, "B.CAPTION": "A cat"}
    found = told(write(tmp_path, files))
    assert found["a.JPG"][0] == ["A dog", "A pup", "A dog, running"]
    assert found["b.png"][0] == ["A cat"]


@pytest.mark.parametrize(
    "above", ["", "data/", "flickr30k_images/"], ids=["here", "data", "archive"]
)
def test_a_data_set_in_the_only_folder_that_has_one(tmp_path, above):
    table = "image_name| comment_number| comment\na.jpg| 0| A dog\nb.jpg| 1| A cat\n"
    files = {f"{above}results.csv": table, f"{above}a.jpg": None, "README.md": "x"}
    write(tmp_path, files | {f"{above}b.jpg": None, "empty/c.jpg": None})
    assert sorted(told(tmp_path)) == ["a.jpg", "b.jpg"]


def test_several_data_sets_below_are_named(tmp_path):
    table = "image,caption\na.jpg,A dog\n"
    write(tmp_path, {"one/captions.csv": table, "two/captions.csv": table})
    with pytest.raises(AppError, match=r"several data sets. Name one file: .*one.*two"):
        read_files(tmp_path)


@pytest.mark.parametrize("photos", ["validation/", "val/", "images/", ""])
def test_a_file_of_one_split_alone(tmp_path, photos):
    files = {"nocaps_val_4500_captions.json": coco(("a.jpg", "A dog"))}
    write(tmp_path, files | {f"{photos}a.jpg": None})
    (record,) = read_files(tmp_path / "nocaps_val_4500_captions.json")
    assert (record.split, record.image.is_file()) == ("dev", True)


def test_photos_that_nobody_wrote_about_are_no_captions(tmp_path):
    test = {"images": coco(("c.jpg", ""))["images"]}  # as of COCO's and VizWiz's test
    files = {"annotations/train.json": coco(("a.jpg", "A dog"))}
    files |= {"annotations/val.json": coco(("b.jpg", "A cat"))}
    files |= {"annotations/test.json": test, "train/a.jpg": None, "val/b.jpg": None}
    write(tmp_path, files)
    assert {split for _, split in told(tmp_path).values()} == {"train", "dev"}
    with pytest.raises(AppError, match=r"test.json holds no captions"):
        read_files(tmp_path / "annotations/test.json")


def test_the_folder_of_annotations_may_be_named(tmp_path):
    files = {"annotations/captions_train2014.json": coco(("a.jpg", "A dog"))}
    write(tmp_path, files | {"train2014/a.jpg": None})
    assert told(tmp_path / "annotations") == told(tmp_path)


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_hugging_face_with_a_folder_for_each_split(tmp_path, form):
    files = {}
    for word in ("train", "validation", "test"):
        row = {"file_name": "0.png", "text": f"Of {word}"}
        text = {"jsonl": json.dumps(row), "csv": f"file_name,text\n0.png,Of {word}"}
        files |= {f"{word}/metadata.{form}": text[form], f"{word}/0.png": None}
    assert told(write(tmp_path, files)) == {
        "train/0.png": (["Of train"], "train"),
        "validation/0.png": (["Of validation"], "dev"),
        "test/0.png": (["Of test"], "test"),
    }


def test_folders_in_the_names_say_the_split(tmp_path):
    names = ["train/a.jpg", "train/b.jpg", "Val/c.jpg"]
    text = "image,caption\n" + "".join(f"{name},A dog\n" for name in names)
    found = told(write(tmp_path, {"captions.csv": text} | dict.fromkeys(names)))
    assert [split for _, split in found.values()] == ["train", "train", "dev"]


def test_without_dev_one_of_train_is_drawn_and_marked(tmp_path):
    rows = [f"{i}.jpg,A dog,{'test' if i < 3 else 'train'}\n" for i in range(30)]
    write(tmp_path, {"captions.csv": "image,caption,split\n" + "".join(rows)})
    write(tmp_path, {"0.jpg": None})
    records = read_files(tmp_path)
    drawn = [record for record in records if record.split == "dev"]
    assert drawn
    assert drawn == [record for record in records if record.is_drawn]
    assert sum(record.split == "test" for record in records) == 3


# Names as publishers write them


@pytest.mark.parametrize(
    ("train", "dev", "photos"),
    [
        ("annotations/train.json", "annotations/val.json", "{}/"),
        ("annotations/VizWiz_train.json", "annotations/VizWiz_val.json", "{}/"),
        ("Annotations/Train.JSON", "Annotations/VAL.json", "{}/images/"),
        ("captions_train.json", "captions_val.json", "images/"),
        ("my-train2021.json", "my-Val2021.json", ""),
    ],
)
def test_the_file_of_train_finds_that_of_dev(tmp_path, train, dev, photos):
    files = {train: coco(("t.jpg", "A dog")), dev: coco(("v.JPG", "A cat"))}
    files |= {photos.format("train") + "t.jpg": None}
    files |= {photos.format("val") + "v.jpg": None}
    write(tmp_path, files)
    found = read_files(tmp_path / train)
    assert [(r.captions, r.split) for r in found] == [
        (("A dog",), "train"),
        (("A cat",), "dev"),
    ]
    assert all(record.image.is_file() for record in found)
    assert [r.captions for r in read_files(tmp_path / dev)] == [("A cat",)]


@pytest.mark.parametrize("below", ["", "annotations/"])
def test_official_names_in_any_case(tmp_path, below):
    files = {"Annotations/Captions_Train2014.json": coco(("1.jpg", "A dog"))}
    files |= {"Annotations/captions_val2014.JSON": coco(("2.jpg", "A cat"))}
    files |= {"Train2014/1.JPG": None, "val2014/2.jpg": None}
    found = read_files(write(tmp_path, files))
    assert [(r.name, r.split, r.image.name) for r in found] == [
        ("train2014/1.jpg", "train", "1.JPG"),
        ("val2014/2.jpg", "dev", "2.jpg"),
    ]


def test_the_exact_name_wins_over_one_in_another_case(tmp_path):
    text = "image,caption\na.jpg,A dog\nA.JPG,A cat\n"
    files = {"captions.csv": text, "a.jpg": None, "A.JPG": None}
    found = read_files(write(tmp_path, files))
    assert [record.image.name for record in found] == ["a.jpg", "A.JPG"]


@pytest.mark.parametrize("own", ["train", "test", "annotations", "VAL"])
def test_the_folder_may_have_any_name(tmp_path, own):
    """Photos lie in the folder itself; its name says nothing about the split."""
    rows = "".join(f"{i}.jpg,A dog\n" for i in range(9))
    files = {f"{own}/captions.csv": "image,caption\n" + rows}
    files |= {f"{own}/images/{i}.jpg": None for i in range(9)}
    write(tmp_path, files)
    for source in (tmp_path / own, tmp_path / own / "captions.csv"):
        found = read_files(source)
        assert {record.split for record in found} == {"train", "dev"}
        assert all(record.image.is_file() for record in found)


def test_all_places_are_named_where_photos_were_looked_for(tmp_path):
    write(tmp_path, {"test/captions.csv": "image,caption\na.jpg,A dog\n"})
    tried = rf"such as a\.jpg.*looked for in {tmp_path}/test and in {tmp_path}, and"
    with pytest.raises(AppError, match=tried):
        read_files(tmp_path / "test")


# Ids


def test_ids_are_kept_also_zero_and_text(tmp_path):
    data = coco(("b.jpg", "A dog"), ("a.jpg", "A cat"), first=0)
    data["images"][1]["id"] = "1"
    data["annotations"][0]["image_id"] = 0.0
    write(tmp_path, {"captions.json": data, "a.jpg": None, "b.jpg": None})
    assert [(r.name, r.id, r.captions) for r in read_files(tmp_path)] == [
        ("b.jpg", 0, ("A dog",)),
        ("a.jpg", "1", ("A cat",)),
    ]


def test_ids_of_two_files_may_be_the_same(tmp_path):
    files = {"captions_train.json": coco(("a.jpg", "A dog"))}
    files |= {"captions_val.json": coco(("b.jpg", "A cat")), "a.jpg": None}
    found = told(write(tmp_path, files))
    assert found == {"a.jpg": (["A dog"], "train"), "b.jpg": (["A cat"], "dev")}


# What is refused


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.csv", "image,caption,split,split\na.jpg,A,dev,test\n", "'split' 2 times"),
        ("a.csv", "image,caption,image\na.jpg,A,b.jpg\n", "'image' 2 times"),
        ("a.csv", 'image,caption\na.jpg,"A","B"\n', "line 2 has 3 columns, line 1 has"),
        (
            "a.csv",
            'image,caption,caption\na.jpg,"A\nB",C\na.jpg,A,B,C\n',
            "line 4 has 4 columns",
        ),
        ("a.csv", "a.jpg,A dog\n", "put a line `image,caption` above"),
        ("a.csv", f"image,caption\na.jpg,{'A' * 200_000}\n", "line 2 .*field larger"),
        ("a.csv", "image,caption\na.jpg,A\x00B\n", "line 2 is not UTF-8 text: .*NUL"),
        ("a.csv", "image,caption".encode("utf-16"), "it is UTF-16"),
        ("a.json", "\ufeff3", "needs 'images': list. Received: 3"),
        ("a.json", {"rows": [], "meta": 1}, "needs 'images'.* It has 'rows', 'meta'"),
        ("a.json", "[" * 100_000, "a.json is not valid JSON: nested too deeply"),
        ("a.json", "1" * 5000, "a.json is not valid JSON"),
        ("a.jsonl", '{"x": ' * 100_000, "line 1 is not valid JSON: nested too deeply"),
        ("a.jsonl", '{"image": "\\ud800", "caption": "A"}', "is no photo's name"),
        ("a.jsonl", '{"image_id": 4, "caption": "A"}', "line 1 needs 'file_name'"),
        ("a.json", {"annotations": [{"image_id": 1, "bbox": []}]}, "'caption': text"),
        (
            "a.json",
            {
                "images": [
                    {"id": 1, "file_name": "a.jpg"},
                    {"id": 1, "file_name": "b"},
                ],
                "annotations": [{"image_id": 1, "caption": "A"}],
            },
            r"images\[1\]: the id 1 belongs to another photo, too: .*images\[0\]",
        ),
        (
            "captions.jsonl",
            '{"image": "a.jpg", "caption": "A dog", "caption": "A cat"}',
            r"line 1 .*: an object has the key 'caption' twice",
        ),
        (
            "captions.json",
            '[{"image": "a.jpg", "image": "b.jpg", "caption": "A cat"}]',
            r"an object has the key 'image' twice",
        ),
    ],
)
def test_refused(tmp_path, name, content, match):
    write(tmp_path, {name: content, "a.jpg": None})
    with pytest.raises(AppError, match=f"(?s){match}"):
        read_files(tmp_path / name)


def test_a_folder_with_the_name_of_a_file(tmp_path):
    (tmp_path / "captions.csv").mkdir()
    with pytest.raises(AppError, match="holds no captions in a known form"):
        read_files(tmp_path)
    with pytest.raises(AppError, match="cannot be read: Is a directory"):
        FILES.read(tmp_path / "captions.csv")


_PARTS = (
    "image caption text split id images annotations file_name image_id sentences raw "
    'filename a.jpg train , ; | " #0\t | 0| { } [ ] : \ufeff \n \r\n \t'
)
_WORDS = st.sampled_from(_PARTS.split(" "))
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | _WORDS,
    lambda inner: st.lists(inner) | st.dictionaries(_WORDS | st.text(), inner),
    max_leaves=12,
)
TEXTS = (
    st.binary()
    | st.lists(_WORDS | st.text(max_size=3)).map(lambda p: "".join(p).encode())
    | _JSON.map(lambda value: json.dumps(value).encode())
    | st.lists(_JSON).map(lambda p: "\n".join(map(json.dumps, p)).encode())
)


@given(
    st.sampled_from(
        [".token", ".token.txt", ".csv", ".tsv", ".txt", ".jsonl", ".json"]
    ),
    TEXTS,
)
@settings(max_examples=200, deadline=None)
def test_any_file_gives_rows_or_a_sentence(tmp_path_factory, ending, text):
    path = tmp_path_factory.getbasetemp() / f"any{ending}"
    path.write_bytes(text)
    try:
        ((_, rows),) = FILES.read(path)
    except AppError as error:
        assert "any" in str(error)
    else:
        assert all(isinstance(c, str) for row in rows for c in row.captions)
