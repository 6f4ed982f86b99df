"""Published question sets, written small, with drawn photos."""

import pytest
from conftest import write_files

from shared.errors import AppError
from vqa.data import read_dataset, select, select_all


def short(records):
    return [(r.name, r.question, r.answers, r.split, r.id) for r in records]


def gqa(image, answer, **more):
    said = {"answer": answer, "fullAnswer": f"It is {answer}."} if answer else {}
    types = {"structural": "query", "semantic": "attr", "detailed": "material"}
    return {"imageId": image, "question": "Is it? ", "types": types} | said | more


GQA = {
    "train_balanced": {"0": gqa("n161313", "yes"), "07": gqa("7", "no")},
    "val_balanced": {"1": gqa("8", "blue")},
    "testdev_balanced": {"2": gqa("9", "cup")},
    "test_balanced": {"3": gqa("10", "")},
}


def gqa_files(below=""):
    files = {f"{below}{n}_questions.json": data for n, data in GQA.items()}
    files[f"{below}train_all_questions.json"] = {}
    return files | {"images/n161313.jpg": None, "images/10.jpg": None}


@pytest.mark.parametrize("below", ["", "questions1.2/"])
def test_gqa(tmp_path, below):
    records = read_dataset(write_files(tmp_path, gqa_files(below)))
    assert short(records) == [
        ("n161313.jpg", "Is it?", ("yes",), "train", "0"),
        ("7.jpg", "Is it?", ("no",), "train", "07"),
        ("8.jpg", "Is it?", ("blue",), "dev", "1"),
        ("9.jpg", "Is it?", ("cup",), "test", "2"),
    ]
    assert {record.question_type for record in records} == {"query"}
    test = read_dataset(tmp_path / f"{below}test_balanced_questions.json")
    assert short(test)[-1] == ("10.jpg", "Is it?", (), "test", "3")
    assert len(test) == 4
    with pytest.raises(AppError, match=r"no questions with answers in split 'test'"):
        select(test, "test")
    assert [record.id for record in select_all(test, "test")] == ["3"]


def clevr(split, answer="yes", **more):
    said = {"answer": answer, "program": [{"function": "scene"}, {"function": "exist"}]}
    return {
        "info": {},
        "questions": [
            {
                "split": split,
                "image_filename": f"CLEVR_{split}_00000{i}.png",
                "image_index": i,
                "question": "Are there cubes?",
                "question_index": i,
                **(said if answer else {}),
                **more,
            }
            for i in range(2)
        ],
    }


@pytest.mark.parametrize("below", ["", "questions/"])
@pytest.mark.parametrize("part", ["", "A"])
def test_clevr(tmp_path, below, part):
    files = {
        f"{below}CLEVR_{w}{part}_questions.json": clevr(w, answer)
        for w, answer in (("train", "yes"), ("val", "2"), ("test", ""))
    }
    files |= {f"images/{w}{part}/CLEVR_{w}_000000.png": None for w in ("train", "test")}
    records = read_dataset(write_files(tmp_path, files))
    assert short(records)[::2] == [
        (f"{w}{part}/CLEVR_{w}_000000.png", "Are there cubes?", answers, split, id_)
        for w, answers, split, id_ in (
            ("train", ("yes",), "train", f"train{part}-0"),
            ("val", ("2",), "dev", f"val{part}-0"),
            ("test", (), "test", f"test{part}-0"),
        )
    ]
    assert [r.question_type for r in records] == ["exist"] * 4 + [""] * 2
    assert records[0].image.is_file()


def test_visual_genome(tmp_path):
    def pair(id_, image):
        return {"qa_id": id_, "image_id": image, "question": "What?", "answer": "Cat."}

    old = {"qa_id": 9, "question": "Who?", "answer": "A man."}
    data = [{"id": 1, "qas": [pair(0, 1), old]}, {"id": 12, "qas": [pair(2, 12)]}]
    files = {"question_answers.json": data, "VG_100K/1.jpg": None}
    records = read_dataset(write_files(tmp_path, files | {"VG_100K_2/12.jpg": None}))
    assert [(r.name, r.question, r.answers, r.id) for r in records] == [
        ("VG_100K/1.jpg", "What?", ("Cat.",), "0"),
        ("VG_100K/1.jpg", "Who?", ("A man.",), "9"),
        ("VG_100K_2/12.jpg", "What?", ("Cat.",), "2"),
    ]
    assert {record.split for record in records} == {"train", "dev"}


def test_textvqa(tmp_path):
    def data(word, id_, answers):
        row = {"question": "What time?", "image_id": f"a{id_}", "question_id": id_}
        said = {"answers": answers} if answers else {}
        return {"dataset_type": word, "data": [row | said]}

    people = ["10:10"] * 9 + [" ten "]
    files = {
        "TextVQA_0.5.1_train.json": data("train", 0, people),
        "TextVQA_0.5.1_val.json": data("val", 34602, people),
        "TextVQA_0.5.1_test.json": data("test", 39602, None),
        "train_images/a0.jpg": None,
        "train_images/a34602.jpg": None,
        "test_images/a39602.jpg": None,
    }
    said = (*["10:10"] * 9, "ten")
    assert short(read_dataset(write_files(tmp_path, files))) == [
        ("train_images/a0.jpg", "What time?", said, "train", "0"),
        ("train_images/a34602.jpg", "What time?", said, "dev", "34602"),
        ("test_images/a39602.jpg", "What time?", (), "test", "39602"),
    ]


def aokvqa(word, right):
    said = {"correct_choice_idx": right, "direct_answers": ["ski"] * 9 + ["sled"]}
    row = {"split": word, "image_id": 299207, "question_id": f"{word}_x"}
    row |= {"question": "What is it for?", "choices": ["sled", "ski", "run", "jump"]}
    return [row | (said if right is not None else {})]


def test_aokvqa(tmp_path):
    files = {
        "aokvqa_v1p0_train.json": aokvqa("train", 1),
        "aokvqa_v1p0_val.json": aokvqa("val", 0),
        "aokvqa_v1p0_test.json": aokvqa("test", None),
        "train2017/000000299207.jpg": None,
    }
    records = read_dataset(write_files(tmp_path, files))
    assert [(r.split, r.right, len(r.answers), r.id) for r in records] == [
        ("train", 1, 10, "train_x"),
        ("dev", 0, 10, "val_x"),
        ("test", None, 0, "test_x"),
    ]
    assert {r.choices for r in records} == {("sled", "ski", "run", "jump")}
    assert records[0].name == "train2017/000000299207.jpg"


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("train_balanced_questions.json", [], r"an object of .*Received: \[\]"),
        ("train_balanced_questions.json", {"1": 3}, r"'1' needs 'imageId'.*: 3"),
        (
            "val_balanced_questions.json",
            {"1": {"image": "7", "question": "Q"}},
            r"'1' needs 'imageId': text or number. It has 'image', 'question'\.",
        ),
        (
            "val_balanced_questions.json",
            {"1": gqa("7", ["x"])},
            r"'1' needs 'answer': text or number. Received: \['x'\]",
        ),
        (
            "val_balanced_questions.json",
            {"1": gqa("../7", "x")},
            "is no photo's name",
        ),
        (
            "CLEVR_train_questions.json",
            {"q": []},
            r"needs 'questions': list. It has 'q'",
        ),
        (
            "CLEVR_val_questions.json",
            clevr("val", question=None),
            r"questions\[0\] needs 'question': text. Received: None",
        ),
        ("question_answers.json", {"1": []}, r"should be a list of .*Received: "),
        ("question_answers.json", [{"id": 1}], r"\[0\] needs 'qas': list. It has 'id'"),
        (
            "question_answers.json",
            [{"qas": [{}]}],
            r"\[0\].qas\[0\] needs 'id': number. It has 'qas'",
        ),
        ("TextVQA_0.5.1_val.json", [1], r"needs 'data': list. Received: \[1\]"),
        (
            "TextVQA_0.5.1_val.json",
            {"data": [{"image_id": "a", "question": "Q", "question_id": 1}]},
            r"data\[0\] needs 'answers': list. It has 'image_id', 'question'",
        ),
        ("aokvqa_v1p0_val.json", {}, r"should be a list of"),
        (
            "aokvqa_v1p0_val.json",
            aokvqa("val", 4),
            r"\[0\]: correct_choice_idx is one of 0 to 3. Received: 4",
        ),
        ("aokvqa_v1p0_val.json", "[" * 100_000, r"not valid JSON: nested too deeply"),
    ],
)
def test_what_is_refused(tmp_path, name, content, match):
    path = write_files(tmp_path, {name: content}) / name
    with pytest.raises(AppError, match=match):
        read_dataset(path)


# Where photos lie


QA = "image,question,answer\na.jpg,What?,cat\nb.jpg,Who?,dog\n"
LINES = "what is on the desk in the image3 ?\nbook\nwhat in the image4 ?\nlamp\n"


@pytest.mark.parametrize("folder", ["train", "test", "Train", "val2014", "annotations"])
@pytest.mark.parametrize(
    ("file", "content", "photo"),
    [
        ("qa.csv", QA, "a.jpg"),
        ("test.csv", QA, "a.jpg"),
        ("qa.894.raw.train.txt", LINES, "image3.png"),
        ("questions.json", [["What?", "cat", "a.jpg"], ["Who?", "dog", 9]], "a.jpg"),
        ("dataset_v7w_x.json", None, "a.jpg"),
    ],
)
@pytest.mark.parametrize("place", ["", "images/", "../", "../images/", "photos/"])
def test_the_name_of_the_folder_does_not_matter(
    tmp_path, folder, file, content, photo, place
):
    if content is None:
        pair = {"qa_id": 0, "question": "Q", "answer": "A", "multiple_choices": ["B"]}
        image = {"filename": "a.jpg", "split": "train", "qa_pairs": [pair]}
        content = {"images": [image]}
    write_files(tmp_path / folder, {file: content, f"{place}{photo}": None})
    records = read_dataset(tmp_path / folder / file)
    assert records[0].image.is_file()
    assert records[0].image.samefile(tmp_path / folder / place / photo)


def test_the_folder_itself_comes_before_the_one_above(tmp_path, monkeypatch):
    photos = dict.fromkeys(["a.jpg", "images/a.jpg", "test/images/a.jpg"])
    write_files(tmp_path, {"test/qa.csv": QA} | photos)
    inside = tmp_path / "test/images/a.jpg"
    assert read_dataset(tmp_path / "test/qa.csv")[0].image.samefile(inside)
    monkeypatch.chdir(tmp_path / "test")
    assert read_dataset("qa.csv")[0].image.samefile(inside)
    monkeypatch.chdir(tmp_path / "test/images")
    assert read_dataset("../qa.csv")[0].image.samefile(inside)
    mine = tmp_path / "test"
    mine.rename(tmp_path / "mine")
    assert read_dataset(tmp_path / "mine/qa.csv")[0].image.is_relative_to(
        tmp_path / "mine"
    )


def test_a_photo_of_another_split_is_not_taken_for_a_missing_one(tmp_path):
    rows = [["What?", "cat", 0]]
    files = {f"{w}/questions.json": rows for w in ("train", "test")}
    records = read_dataset(write_files(tmp_path, files | {"train/images/0.png": None}))
    assert [record.image.is_file() for record in records] == [True, False]
    assert records[0].name != records[1].name


def test_nothing_found_names_all_places(tmp_path):
    write_files(tmp_path / "val2014", {"qa.csv": QA, "c.jpg": None})
    with pytest.raises(AppError) as caught:
        read_dataset(tmp_path / "val2014/qa.csv")
    message = str(caught.value)
    for part in (tmp_path / "val2014", tmp_path, "images", "photos", "a.jpg"):
        assert str(part) in message


def test_splits_are_found_whatever_the_case_of_their_names(tmp_path):
    row = {"question": "Is it?", "answers": [{"answer": "yes"}]}
    files = {
        f"VizWiz_{word}.json": [row | {"image": f"VizWiz_{word}_0.jpg"}]
        for word in ("train", "VAL", "Test")
    }
    write_files(tmp_path, files | {"train/VizWiz_train_0.jpg": None})
    records = read_dataset(tmp_path / "VizWiz_train.json")
    assert [record.split for record in records] == ["train", "dev", "test"]


# As people have them


def official(word, image):
    same = {"question_id": image * 1000, "image_id": image}
    answers = [{"answer": "yes", "answer_confidence": "yes"}] * 10
    asked = {"questions": [{**same, "question": "Is it?"}]}
    return asked, {"annotations": [{**same, "answers": answers}]}


def official_files(questions, annotations, photos):
    files = {}
    for word, image in (("train", 1), ("val", 2)):
        asked, said = official(word, image)
        name = f"v2_OpenEnded_mscoco_{word}2014_questions.json"
        files[questions.format(word.capitalize()) + name] = asked
        name = f"v2_mscoco_{word}2014_annotations.json"
        files[annotations.format(word.capitalize()) + name] = said
        files[f"{photos}{word}2014/COCO_{word}2014_{image:012d}.jpg"] = None
    return files


@pytest.mark.parametrize(
    "places",
    [
        ("", "", ""),
        ("v2_Questions_{}_mscoco/", "v2_Annotations_{}_mscoco/", ""),
        ("Questions/", "Annotations/", "Images/mscoco/"),
        ("QUESTIONS/", "annotations/", "IMAGES/"),
        ("VQA/", "VQA/", "VQA/"),
    ],
    ids=["flat", "archives", "programs", "capitals", "below"],
)
def test_archives_of_vqa_unpacked_in_any_way(tmp_path, places):
    records = read_dataset(write_files(tmp_path, official_files(*places)))
    assert [(r.split, len(r.answers), r.image.is_file()) for r in records] == [
        ("train", 10, True),
        ("dev", 10, True),
    ]


@pytest.mark.parametrize("change", [str.upper, str.lower, str.title])
@pytest.mark.parametrize(
    "files",
    [
        official_files("", "", ""),
        {
            "CLEVR_train_questions.json": clevr("train"),
            "CLEVR_val_questions.json": clevr("val"),
            "images/train/CLEVR_train_000000.png": None,
            "images/val/CLEVR_val_000000.png": None,
        },
        {
            "aokvqa_v1p0_train.json": aokvqa("train", 1),
            "aokvqa_v1p0_val.json": aokvqa("val", 0),
            "train2017/000000299207.jpg": None,
            "val2017/000000299207.jpg": None,
        },
        {
            "train.csv": "image,question,answer\na.jpg,What?,cat\n",
            "val.csv": "image,question,answer\nb.jpg,Who?,dog\n",
            "images/a.jpg": None,
            "images/b.jpg": None,
        },
    ],
    ids=["vqa", "clevr", "aokvqa", "own"],
)
def test_capitals_of_files_and_folders_do_not_matter(tmp_path, files, change):
    write_files(tmp_path, {change(name): data for name, data in files.items()})
    records = read_dataset(tmp_path)
    first = {record.split: record for record in reversed(records)}
    assert set(first) == {"train", "dev"}
    assert all(record.image.is_file() for record in first.values())


def test_other_files_of_textvqa_are_no_questions(tmp_path):
    row = {"question": "What?", "image_id": "a", "question_id": 1, "answers": ["x"]}
    files = {"TextVQA_0.5.1_train.json": {"data": [row]}, "train_images/a.jpg": None}
    files |= {"TextVQA_Rosetta_OCR_v0.2_train.json": {"data": [{"ocr_tokens": []}]}}
    assert len(read_dataset(write_files(tmp_path, files))) == 1


def test_visual7w_without_a_box_is_telling(tmp_path):
    pair = {"qa_id": 0, "question": "Q", "answer": "A", "multiple_choices": ["B"]}
    image = {"filename": "a.jpg", "split": "train", "qa_pairs": [pair]}
    files = {"dataset_v7w_telling.json": {"boxes": [], "images": [image]}}
    (record,) = read_dataset(write_files(tmp_path, files | {"images/a.jpg": None}))
    assert sorted(record.choices) == ["A", "B"]


@pytest.mark.parametrize("below", ["", "train/", "data/train/"])
def test_hugging_face(tmp_path, below):
    table = "file_name,question,answer\na.jpg,What?,cat\n"
    write_files(tmp_path, {f"{below}metadata.csv": table, f"{below}a.jpg": None})
    (record,) = read_dataset(tmp_path)
    assert (record.answers, record.image.is_file()) == (("cat",), True)


def test_several_data_sets_below_are_named(tmp_path):
    write_files(tmp_path, {"one/qa.csv": QA, "two/qa.csv": QA})
    with pytest.raises(AppError, match=r"several data sets. Name one file: .*one.*two"):
        read_dataset(tmp_path)


def test_a_table_without_names_of_columns_is_told_what_to_add(tmp_path):
    write_files(tmp_path, {"qa.csv": QA.partition("\n")[2]})
    with pytest.raises(AppError, match="put a line `image,question,answer` above"):
        read_dataset(tmp_path)


@pytest.mark.parametrize("data", official("val", 2), ids=["questions", "answers"])
def test_a_published_file_of_another_name_is_told_why_it_is_not_known(tmp_path, data):
    write_files(tmp_path, {"mine.json": data})
    with pytest.raises(AppError, match="the name that it was published under"):
        read_dataset(tmp_path / "mine.json")
