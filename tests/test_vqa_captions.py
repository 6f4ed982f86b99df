"""Captioned data sets as questions are made from them."""

import json
from pathlib import Path

import pytest
from PIL import Image

from shared.errors import AppError
from vqa.questions.captions import read_captions, read_labelled


def put_photos(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(path)


def test_flickr8k_has_its_splits_and_leaves_out_photos_on_no_list(tmp_path):
    put_photos(tmp_path / "Flicker8k_Dataset", "a.jpg", "b.jpg", "c.jpg")
    (tmp_path / "Flickr8k.token.txt").write_text(
        "a.jpg#0\tA dog .\na.jpg#1\tA brown dog .\nb.jpg#0\tA cat .\nc.jpg#0\tA cow .\n"
    )
    (tmp_path / "Flickr8k.lemma.token.txt").write_text("a.jpg#0\tdog")
    (tmp_path / "Flickr_8k.trainImages.txt").write_text("a.jpg\n")
    (tmp_path / "Flickr_8k.devImages.txt").write_text("b.jpg\n")
    first, second = read_captions(tmp_path)
    assert (first.name, first.captions) == ("a.jpg", ("A dog .", "A brown dog ."))
    assert (first.split, second.split) == ("train", "dev")
    assert first.image == tmp_path / "Flicker8k_Dataset" / "a.jpg"


def test_coco_reads_train_and_val_from_their_folders(tmp_path):
    put_photos(tmp_path, "train2017/1.jpg", "val2017/2.jpg")
    for word, number in (("train", 1), ("val", 2)):
        path = tmp_path / "annotations" / f"captions_{word}2017.json"
        path.parent.mkdir(exist_ok=True)
        images = [{"id": number, "file_name": f"{number}.jpg"}]
        captions = [{"image_id": number, "caption": f" The {word} photo. "}]
        path.write_text(json.dumps({"images": images, "annotations": captions}))
    found = read_captions(tmp_path)
    assert [(p.name, p.split, p.captions) for p in found] == [
        ("train2017/1.jpg", "train", ("The train photo.",)),
        ("val2017/2.jpg", "dev", ("The val photo.",)),
    ]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("captions.txt", "image,caption\na.png,A dog, running.\nb.png,A cat\n"),
        (
            "captions.csv",
            'caption;image;split\n"A dog, running.";a.png;\nA cat;b.png;\n',
        ),
        (
            "captions.jsonl",
            '{"image": "a.png", "captions": ["A dog, running."]}\n'
            '{"image": "b.png", "caption": "A cat"}\n',
        ),
    ],
)
def test_own_files(tmp_path, file, text):
    put_photos(tmp_path / "images", "a.png", "b.png")
    (tmp_path / file).write_text(text)
    found = read_captions(tmp_path)
    assert [p.captions for p in found] == [("A dog, running.",), ("A cat",)]
    assert found == read_captions(tmp_path / file)


def test_photos_that_are_missing_or_have_no_captions_are_left_out(tmp_path):
    put_photos(tmp_path, "a.png", "b.png")
    (tmp_path / "captions.csv").write_text(
        "image,caption\na.png,A dog\nb.png, \nc.png,x\n"
    )
    assert [p.name for p in read_captions(tmp_path)] == ["a.png"]


def test_splits_that_are_not_said_are_hashed_one_in_ten(tmp_path):
    names = [f"{i}.png" for i in range(60)]
    put_photos(tmp_path, *names)
    lines = "".join(f"{name},A dog\n" for name in names)
    (tmp_path / "captions.csv").write_text("image,caption\n" + lines)
    splits = [p.split for p in read_captions(tmp_path)]
    assert 1 <= splits.count("dev") <= 15
    assert splits.count("train") + splits.count("dev") == 60


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("captions.csv", "photo,text\na.png,x\n", "should name the columns image"),
        ("captions.csv", "image,caption,split\na.png,x\n", "2 columns, line 1 has 3"),
        ("captions.csv", "image,caption,split\na.png,x,best\n", "no split 'best'"),
        ("captions.csv", "image,caption\n../a.png,x\n", "is no photo's name"),
        ("captions.csv", "image,caption\nz.png,x\n", "None of the photos"),
        ("captions.csv", "image,caption\n", "holds no captions"),
        ("captions.jsonl", '{"image": "a.png"}', "needs 'caption': text"),
        ("captions.jsonl", '{"image": ', "line 1 is not valid JSON"),
        ("a.token", "a.png A dog", "line 1 should be `name.jpg#number<tab>caption`"),
        ("a.json", '{"images": [], "annotations": [{"image_id": 1}]}', "no image has"),
        ("a.docx", "x", "no caption file known here"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path, file, text, message):
    put_photos(tmp_path, "a.png")
    (tmp_path / file).write_text(text)
    with pytest.raises(AppError, match=message):
        read_captions(tmp_path / file)


def test_no_folder_and_a_folder_without_captions(tmp_path):
    with pytest.raises(AppError, match="There is no folder or file"):
        read_captions(tmp_path / "x")
    with pytest.raises(AppError, match="no captions in a known form"):
        read_captions(tmp_path)


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("accordion/image_01.jpg", "a accordion"),
        ("n02123045_tabby.jpg", "a cat"),
        ("a/n04467665_trailer_truck.png", "a semi truck"),
        ("cougar_face/3.jpeg", "a cougar"),
        ("dogs/my cat.jpg", "a cat"),
    ],
)
def test_names_of_files_and_folders_are_labels(tmp_path, name, caption):
    for other in ("beds/1.jpg", "buses/x y.PNG", "who knows.jpg", name):
        (tmp_path / other).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / other).touch()
    found = {photo.name: photo for photo in read_labelled(tmp_path)}
    assert found[name].captions == (caption,)
    assert found["beds/1.jpg"].captions == ("a bed",)
    assert set(found) == {"beds/1.jpg", "buses/x y.PNG", name}
    assert {photo.split for photo in found.values()} == {"train", "dev"}


def test_linked_folders_are_labels_too(tmp_path):
    (tmp_path / "far" / "cats").mkdir(parents=True)
    (tmp_path / "far" / "cats" / "1.jpg").touch()
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "linked").symlink_to(tmp_path / "far")
    (found,) = read_labelled(tmp_path / "here")
    assert (found.name, found.captions) == ("linked/cats/1.jpg", ("a cat",))


def test_photos_whose_names_say_nothing_are_no_data_set(tmp_path):
    (tmp_path / "IMG_001.jpg").touch()
    with pytest.raises(AppError, match="no photos named by everyday things"):
        read_labelled(tmp_path)
