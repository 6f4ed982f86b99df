"""Files of questions and answers that are not as they should be: refused, in words."""

import copy
import json
from pathlib import Path

import pytest
from conftest import write_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.errors import AppError
from vqa.data import read_dataset
from vqa.files.inputs import read_questions
from vqa.files.results import match_results, read_results
from vqa.jobs.evaluate import read_references

ASKED = {"image": "a.jpg", "question": "Is it?", "answer": "yes", "id": 0}
TEN = [{"answer": "yes", "answer_confidence": "yes", "answer_id": i} for i in range(10)]
CHOICES = ["no", "yes"]
BOX = {"box_id": 1, "x": 1, "y": 1.5, "width": 3, "height": 2}
OFFICIAL = {
    "v2_OpenEnded_mscoco_train2014_questions.json": {
        "questions": [{"question_id": 0, "image_id": 7, "question": "Is it?"}]
    },
    "v2_mscoco_train2014_annotations.json": {
        "annotations": [
            {
                **{"question_id": 0, "image_id": 7, "answers": TEN},
                **{"question_type": "is it", "answer_type": "yes/no"},
            }
        ]
    },
}
SEVEN = {"question": "Is it?", "answer": "yes", "type": "what", "qa_id": 0}
FILES = {  # one set each; the file that is read comes first
    "official": OFFICIAL,
    "annotations": dict(reversed(OFFICIAL.items())),
    "choices": {
        "MultipleChoice_mscoco_test2015_questions.json": {
            "questions": [
                {"question_id": 0, "image_id": 7, "question": "Is it?"}
                | {"multiple_choices": CHOICES}
            ]
        }
    },
    "telling": {
        "dataset_v7w_telling.json": {
            "images": [
                {"filename": "a.jpg", "split": "val"}
                | {"qa_pairs": [SEVEN | {"multiple_choices": ["no"]}]}
            ]
        }
    },
    "pointing": {
        "dataset_v7w_pointing.json": {
            "boxes": [BOX, BOX | {"box_id": 2}],
            "images": [
                {"filename": "a.jpg", "split": "val"}
                | {"qa_pairs": [SEVEN | {"answer": 1, "multiple_choices": [2]}]}
            ],
        }
    },
    "gqa": {
        "train_balanced_questions.json": {
            "0": {"imageId": "a", "question": "Is it?", "answer": "yes"}
            | {"types": {"structural": "verify"}}
        }
    },
    "clevr": {
        "CLEVR_train_questions.json": {
            "questions": [
                {"image_filename": "a.jpg", "question": "Is it?", "answer": "yes"}
                | {"question_index": 0, "program": [{"function": "exist"}]}
            ]
        }
    },
    "genome": {
        "question_answers.json": [
            {"id": 7, "qas": [SEVEN | {"image_id": 7}, SEVEN | {"qa_id": 1}]}
        ]
    },
    "textvqa": {
        "TextVQA_0.5.1_train.json": {
            "data": [
                {"question_id": 0, "image_id": "a", "question": "Is it?"}
                | {"answers": ["yes"] * 10}
            ]
        }
    },
    "aokvqa": {
        "aokvqa_v1p0_train.json": [
            {"question_id": "x", "image_id": 7, "question": "Is it?"}
            | {"choices": CHOICES, "correct_choice_idx": 1}
            | {"direct_answers": ["yes"] * 10}
        ]
    },
    "easy": {"train/questions.json": [["Is it?", "yes", 0], ["Is it?", "no", "a"]]},
    "own": {
        "questions.json": [
            ASKED | {"split": "train", "weight": 0.5, "choices": CHOICES},
            ASKED | {"split": "train", "answers": TEN, "type": "is"},
        ]
    },
}
PHOTOS = dict.fromkeys(("a.jpg", "7.jpg", "0.jpg", "000000000007.jpg"))

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from([10**30, -1.5, 1e300, float("nan"), float("inf"), 7.0])
    | st.sampled_from(["", " ", "a.jpg", "../a", "\0", "\ud800", "yes", "train", "0"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["answer", "id", "image", ""]), inner, max_size=2
        )
    ),
    max_leaves=4,
)


def places(value, at=()):
    """All places in a JSON value, as paths of keys."""
    yield at
    inside = value.items() if isinstance(value, dict) else ()
    inside = enumerate(value) if isinstance(value, list) else inside
    for key, inner in inside:
        yield from places(inner, (*at, key))


@st.composite
def broken(draw, value):
    """A copy in which one to three places hold something else, or nothing."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.sampled_from(sorted(places(value), key=str)))
        if not at:
            if draw(st.integers(0, 9)) == 0:
                value = draw(ANYTHING)
            continue
        *way, last = at
        holder = value
        for key in way:
            holder = holder[key]
        how = draw(st.sampled_from(("other", "gone", "twice")))
        if how == "gone":
            del holder[last]
        elif how == "twice" and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[last]))
        else:
            holder[last] = draw(ANYTHING)
    return value


def read_all(path):
    """Read a file in all ways, which may refuse it with a message."""
    for read in (
        read_dataset,
        lambda path: read_dataset(path.parent),
        read_references,
        lambda path: read_references(path, "dev"),
        read_questions,
        read_results,
        lambda path: match_results(read_results(path), []),
    ):
        try:
            read(path)
        except AppError as error:
            assert str(error)


@pytest.mark.parametrize("kind", FILES)
def test_the_files_are_right_before_they_are_broken(tmp_path, kind):
    write_files(tmp_path, FILES[kind] | PHOTOS)
    assert read_dataset(tmp_path / next(iter(FILES[kind])))


@pytest.mark.parametrize("kind", FILES)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_broken_json_is_refused_or_read(tmp_path_factory, kind, data):
    files = FILES[kind]
    name = data.draw(st.sampled_from(list(files)))
    folder = tmp_path_factory.mktemp("broken")
    write_files(
        folder, files | {name: json.dumps(data.draw(broken(files[name])))} | PHOTOS
    )
    read_all(folder / next(iter(files)))


CELLS = st.sampled_from(
    ["a.jpg", "Is it?", "yes", "", " ", '"', '""', "a|b", "0", "-1", "train", "\0", "é"]
)
TABLES = st.tuples(
    st.sampled_from(",;\t|"),
    st.lists(
        st.sampled_from(
            ["image", "question", "answer", "answers", "id", "choices", "split", ""]
        ),
        max_size=6,
    ),
    st.lists(st.lists(CELLS, max_size=6), max_size=4),
)


@settings(max_examples=200, deadline=None)
@given(TABLES, st.sampled_from(["qa.csv", "qa.tsv", "qa.txt", "train.csv"]))
def test_broken_tables_are_refused_or_read(tmp_path_factory, table, name):
    delimiter, header, rows = table
    text = "\n".join(map(delimiter.join, [header, *rows]))
    folder = tmp_path_factory.mktemp("table")
    read_all(write_files(folder, {name: text, "a.jpg": None}) / name)


NAMES = [
    *(name for files in FILES.values() for name in files),
    *("qa.csv", "qa.tsv", "qa.jsonl", "qa.894.raw.train.txt", "questions.txt"),
]
LINE = '{"image": "a.jpg", "question": "Süß?", "answer": "x"}'


@pytest.mark.parametrize("name", dict.fromkeys(NAMES))
@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"", r"is empty"),
        (b"\xef\xbb\xbf \n", r"is empty"),
        (LINE.encode("utf-16"), r"line 1 is not UTF-8 text: it is UTF-16"),
        (LINE.encode("latin-1"), r"line 1 is not UTF-8 text"),
        (b"\n" + LINE.encode() + b"\0", r"line 2 is not UTF-8 text: it holds a NUL"),
    ],
    ids=["empty", "blank", "UTF-16", "latin-1", "NUL"],
)
def test_other_encodings_are_refused_with_the_line(tmp_path, name, content, match):
    write_files(tmp_path, OFFICIAL | {name: content, "answers.txt": "x\n"})
    for read in (read_dataset, read_references):
        with pytest.raises(AppError, match=rf"{Path(name).name}.*{match}"):
            read(tmp_path / name)
    if name.endswith(("csv", "tsv", "json", "jsonl")):
        with pytest.raises(AppError, match=match):
            read_results(tmp_path / name)


@pytest.mark.parametrize("name", [n for n in NAMES if n.endswith(("json", "jsonl"))])
@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, f"[{'9' * 5000}]", '{"a": '],
    ids=["lists", "objects", "digits", "cut off"],
)  # fmt: skip
def test_json_that_python_cannot_read_is_refused(tmp_path, name, text):
    write_files(tmp_path, FILES["official"] | {name: text})
    with pytest.raises(AppError, match=r"is not valid JSON: \S+"):
        read_dataset(tmp_path / name)
    with pytest.raises(AppError, match=r"is not valid JSON: \S+"):
        read_results(tmp_path / name)


@pytest.mark.parametrize("depth", [400, 900, 960, 990, 1500, 5000])
def test_deep_json_is_refused_or_read(tmp_path, depth):
    deep = "[" * depth + "]" * depth
    for name, text in (
        ("questions.json", deep),
        ("questions.jsonl", f'{{"image": {deep}}}'),
        ("train_balanced_questions.json", f'{{"1": {{"imageId": {deep}}}}}'),
        ("CLEVR_train_questions.json", f'{{"questions": {deep}}}'),
        ("dataset_v7w_a.json", f'{{"images": [{deep}]}}'),
    ):
        read_all(write_files(tmp_path, {name: text}) / name)


@pytest.mark.parametrize("name", ["qa.csv", "questions.json", "qa.jsonl"])
def test_a_folder_called_like_a_file(tmp_path, name):
    (tmp_path / name / "below").mkdir(parents=True)
    for path in (tmp_path, tmp_path / name):
        with pytest.raises(AppError, match=r"cannot be read|holds no questions"):
            read_dataset(path)
    with pytest.raises(AppError, match=r"cannot be read: Is a directory"):
        read_results(tmp_path / name)


def test_json_of_other_things_is_no_table(tmp_path):
    for value in (None, True, 3, "x", {}, []):
        path = tmp_path / "questions.json"
        path.write_text(json.dumps(value))
        with pytest.raises(AppError, match=r"questions.json (should be|holds no)"):
            read_dataset(path)
