"""Captions from a file beside what people wrote: which belongs to which photo."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captioner.cli import main
from captioner.files.results import read_results
from shared.errors import AppError


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def put(name, content):
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return name


def coco(photos, with_names=True):
    """COCO's form of {id: name}; each caption tells the photo's name."""
    images = [
        {"id": id_, "file_name": name} if with_names else {"id": id_}
        for id_, name in photos.items()
    ]
    captions = [
        {"image_id": id_, "caption": f"a photo called {Path(name).stem}"}
        for id_, name in photos.items()
    ]
    return {"images": images, "annotations": captions}


def results(pairs, key="image_id"):
    """Results of (image, photo that its caption is about)."""
    return [
        {key: image, "caption": f"a photo called {Path(name).stem}"}
        for image, name in pairs
    ]


def score(capsys, *words):
    status = main(["score", *words])
    out, err = capsys.readouterr()
    return status, out, err


CROSSED = {1: "2.jpg", 2: "1.jpg", 0: "3.jpg"}
HASHES = {7: "0013ea2087020901.jpg", 8: "004ac6ba1d1d3b3f.jpg", 0: "00a0.jpg"}


@pytest.mark.parametrize("photos", [CROSSED, HASHES])
@pytest.mark.parametrize("with_names", [True, False])
@pytest.mark.parametrize("kind", [int, str, float, "zeros"])
def test_the_id_decides_whatever_the_files_are_called(capsys, photos, with_names, kind):
    kind = (lambda id_: f"{id_:012d}") if kind == "zeros" else kind
    if kind is float:
        entries = results([(float(id_), name) for id_, name in photos.items()])
    else:
        entries = results([(kind(id_), name) for id_, name in photos.items()])
    words = put("out.json", entries), put("refs.json", coco(photos, with_names))
    status, out, _ = score(capsys, *words)
    assert status == 0
    assert "BLEU-1    100.0" in out
    assert "3 images" in out


@pytest.mark.parametrize("id_", ["a", "2", "000000000003"])
def test_ids_of_the_references_may_be_text(capsys, id_):
    photos = {id_: "2.jpg", "b": "a.jpg"}
    words = put("out.json", results(photos.items())), put("refs.json", coco(photos))
    assert "BLEU-1    100.0" in score(capsys, *words)[1]


def test_an_id_beside_a_name_wins(capsys):
    entries = [{**e, "image": "1.jpg"} for e in results([(1, "2.jpg")])]
    entries += [{**e, "image": "2.jpg"} for e in results([(2, "1.jpg")])]
    lines = "\n".join(map(json.dumps, entries))
    words = put("out.jsonl", lines), put("refs.json", coco({1: "2.jpg", 2: "1.jpg"}))
    assert "BLEU-1    100.0" in score(capsys, *words)[1]


def test_files_of_one_name_have_ids_of_their_own(capsys):
    photos = {1: "x/0.jpg", 2: "y/0.jpg"}
    refs = coco(photos)
    for image, item in zip(refs["images"], refs["annotations"], strict=True):
        item["caption"] = f"a photo called {image['id']}"
        image["file_name"] = "0.jpg"
    entries = [
        {"image_id": i, "file_name": "0.jpg", "caption": f"a photo called {i}"}
        for i in (1, 2)
    ]
    words = put("out.json", entries), put("refs.json", refs)
    assert "BLEU-1    100.0" in score(capsys, *words)[1]


def test_a_number_that_is_no_id_is_not_looked_for_in_names(capsys):
    photos = {10: "1.jpg", 20: "2.jpg"}
    entries = results([(10, "1.jpg"), (2, "2.jpg")])
    words = put("out.json", entries), put("refs.json", coco(photos))
    status, _, err = score(capsys, *words)
    assert status == 1
    assert "The caption for 2 fits 0 photos" in err
    assert "such as 1.jpg (id 10)" in err


def test_names_are_matched_to_references_without_names(capsys):
    entries = results([("val/COCO_val2014_000000000042.jpg", "x")], "image")
    words = put("out.jsonl", json.dumps(entries[0])), "refs.json"
    put("refs.json", coco({42: "x"}, with_names=False))
    assert "BLEU-1    100.0" in score(capsys, *words)[1]


PHONE = ["IMG_202401011230.jpg", "VID_202401011230.jpg", "202401011230.jpg"]


def test_dates_in_names_are_no_ids(capsys):
    """The same date in two names makes them neither one photo nor two that fit."""
    lines = [f"{name},a photo called {Path(name).stem}" for name in PHONE]
    put("refs.csv", "\n".join(["image,caption", *lines]))
    put("out.json", results([(name, name) for name in PHONE]))
    assert "BLEU-1    100.0" in score(capsys, "out.json", "refs.csv")[1]
    put("out.json", results([("OTHER_202401011230.jpg", "x")]))
    status, _, err = score(capsys, "out.json", "refs.csv", "--subset")
    assert (status, "OTHER_202401011230.jpg fits 0 photos" in err) == (1, True)


def test_ids_that_two_files_share_need_the_split(capsys):
    for word, name in (("train", "t.jpg"), ("val", "v.jpg")):
        put(f"data/annotations/captions_{word}2014.json", coco({1: name}))
        put(f"data/{word}2014/{name}", "")
    put("out.json", results([(1, "v.jpg")]))
    status, _, err = score(capsys, "out.json", "data")
    assert status == 1
    assert "fits 2 photos" in err
    assert "--split" in err
    assert "BLEU-1    100.0" in score(capsys, "out.json", "data", "--split", "dev")[1]


# What is scored


def official(capsys, *names):
    """The layout of COCO, and the scores of captions for these photos."""
    train = {i: f"{i}.jpg" for i in range(1, 5)}
    val = {i: f"{i}.jpg" for i in range(11, 14)}
    put("data/annotations/captions_train2014.json", coco(train))
    put("data/annotations/captions_val2014.json", coco(val))
    put("data/train2014/1.jpg", "")
    put("data/val2014/11.jpg", "")
    put("out.json", results([(n, f"{n}.jpg") for n in names]))

    def run(*words):
        status, out, err = score(capsys, "out.json", *words)
        return out if status == 0 else err

    return run


VAL = "data/annotations/captions_val2014.json"


def test_a_named_file_means_that_file(capsys):
    run = official(capsys, 11, 12, 13)
    Path("data/annotations/captions_train2014.json").write_text("{")
    assert "3 images" in run(VAL)
    assert "3 images" in run(VAL, "--split", "dev")
    assert "no captions in split 'train'; it has dev" in run(VAL, "--split", "train")


def test_a_split_that_is_missing_is_offered(capsys):
    run = official(capsys, 11, 12, 13)
    message = run("data")
    assert "captions for 3 of the 7 images" in message
    assert "All of them are of the split dev: add --split dev." in message
    assert "3 images" in run("data", "--split", "dev")


def test_a_subset_is_offered_and_said(capsys):
    run = official(capsys, 11, 13)
    message = run(VAL)
    assert "captions for 2 of the 3 images" in message
    assert "none for 12.jpg" in message or "none for val2014/12.jpg" in message
    assert "--subset" in message
    assert "the split dev, which has 3: add --split dev --subset" in run("data")
    out = run(VAL, "--subset")
    assert "2 images, 1 references each" in out
    assert "the 2 images that the results name; the references have 1 more" in out
    assert "captions for 2 of the 7" in official(capsys, 1, 11)("data")


# Our own files


def test_our_csv_is_scored_by_its_first_captions(capsys):
    put("refs.csv", "image,caption\na.jpg,a dog\nb.jpg,a cat\nc.jpg,a cow\n")
    put(
        "out.csv",
        "image,caption,log_prob,error\nin/a.jpg,a dog,-1.0,\nin/a.jpg,a pig,-2.0,\n"
        "in/b.jpg,a cat,-1.5,\nin/c.jpg,,,it is damaged\n",
    )
    status, out, _ = score(capsys, "out.csv", "refs.csv")
    assert status == 0
    assert "BLEU-1    100.0" in out
    assert "2 images" in out
    assert "left out: 1" in out


def test_scripts_without_spaces_are_scored_by_characters(capsys):
    put("refs.csv", "image,caption\na.jpg,一只狗在草地上跑\nb.jpg,两只猫在睡觉\n")
    put("out.csv", "image,caption\na.jpg,一只狗在草地上\nb.jpg,两只猫在睡觉\n")
    out = score(capsys, "out.csv", "refs.csv")[1]
    assert "BLEU-4      0.0" in out
    assert "--units character" in out
    out = score(capsys, "out.csv", "refs.csv", "--units", "character")[1]
    assert "7.5 words on average" not in out
    assert "6.5 words on average" in out
    assert "each character of a script without spaces is a word" in out
    assert "--units" not in out


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("image,text\na,b\n", "line 1 should name the columns image and caption"),
        ("image,caption\na,x\na,y\n", "line 3: image a has a caption already"),
        ("image,image,caption\na,b,x\n", "names the column 'image' twice"),
        ("image,caption,error\na,x\n", "line 2 has 2 columns, line 1 has 3"),
        ('image,caption\na,"x\n', "line 2 is not valid CSV"),
    ],
)
def test_tables_refused(text, match):
    with pytest.raises(AppError, match=match):
        read_results(Path(put("out.csv", text)))


_KEYS = st.sampled_from(["image", "image_id", "file_name", "caption", "error", "x"])
_VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
_ENTRIES = st.lists(st.dictionaries(_KEYS, _VALUES | st.lists(_VALUES, max_size=2)))


@given(
    st.sampled_from([".json", ".jsonl", ".csv"]),
    st.binary()
    | st.text().map(str.encode)
    | _ENTRIES.map(lambda entries: json.dumps(entries).encode())
    | _ENTRIES.map(lambda entries: "\n".join(map(json.dumps, entries)).encode()),
)
@settings(max_examples=200, deadline=None)
def test_any_results_are_read_or_refused(tmp_path_factory, ending, text):
    path = tmp_path_factory.getbasetemp() / f"any{ending}"
    path.write_bytes(text)
    try:
        found = read_results(path)
    except AppError as error:
        assert "any" in str(error)
    else:
        assert all(isinstance(caption, str) for caption in found.values())


@pytest.mark.parametrize("form", ["[%s]", "%s"])
def test_keys_of_results_stand_once(form):
    put("out.json", form % '{"image_id": 1, "caption": "a", "caption": "b"}')
    with pytest.raises(AppError, match="has the key 'caption' twice"):
        read_results(Path("out.json"))
