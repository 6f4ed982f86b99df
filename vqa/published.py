"""Published data sets to rows: VQA, Visual7W, DAQUAR, COCO-QA."""

import hashlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from shared.errors import AppError
from shared.reading import (
    SPLITS,
    checked_name,
    checked_split,
    get_texts,
    get_value,
    parse_json,
    read_lines,
    read_text,
)
from vqa.annotations import Box, Row

_VQA = re.compile(
    r"(?P<start>.*?)(?P<task>OpenEnded|MultipleChoice)_(?P<kind>\w+)_"
    r"(?P<word>train|val|test-dev|test)(?P<year>20\d\d)_questions\.json"
)
# Seen in DAQUAR: in the image3, of the image3, in this image3, in image3, image3.
_NAMES_IMAGE = re.compile(
    r"\s*\b(?:(?:in|of|on|from)\s+)?(?:(?:the|this|that)\s+)?"
    r"(?:images?|img|imge|imgae|iamge)\s?(\d+)\b",
    re.IGNORECASE,
)
_COCO_QA_TYPES = ("object", "number", "color", "location")


def published_rows(path: Path) -> Iterator[Row] | None:
    """Read a file of a published data set; None if it is of none, by its name.

    Raises:
        AppError: at the latest when a bad row is reached.
    """
    reader = _reader(path)
    return reader(path) if reader else None


def _reader(path: Path) -> Callable[[Path], Iterator[Row]] | None:
    if _VQA.fullmatch(path.name):
        return vqa_rows
    if path.name.endswith(".json"):
        return visual7w_rows if "v7w" in path.name else None
    if path.name == "questions.txt" and path.with_name("answers.txt").exists():
        return coco_qa_rows
    if path.name.endswith(".txt"):
        first = next(read_lines(path, "questions"))[1]
        return daquar_rows if _NAMES_IMAGE.search(first) else None
    return None


def vqa_rows(path: Path) -> Iterator[Row]:
    """Read the official files of VQA v1 or v2, all splits that are there.

    `test-dev`, a part of `test`, is read instead of it if it is the file named.
    """
    named = _VQA.fullmatch(path.name)
    if named is None:
        raise ValueError(f"not the name of a question file of VQA: {path}")
    test = "test-dev" if named["word"] == "test-dev" else "test"
    for word in ("train", "val", test):
        pattern = f"{named['start']}{named['task']}_{named['kind']}_{word}20??_*.json"
        files = sorted(
            path.parent.glob(pattern), key=lambda file: (file != path, file.name)
        )
        for file in files[:1]:
            yield from _vqa_split(file)


def _vqa_split(path: Path) -> Iterator[Row]:
    match = _VQA.fullmatch(path.name)
    assert match is not None
    word = match["word"].removesuffix("-dev")
    split = f"{word}{match['year']}"
    annotations = _vqa_annotations(path, match)
    data = parse_json(read_text(path, "questions"), str(path))
    for i, item in enumerate(get_value(data, "questions", list, str(path))):
        where = f"{path}, questions[{i}]"
        id_ = get_value(item, "question_id", (int, str), where)
        image = get_value(item, "image_id", int, where)
        found = annotations.get(id_, {}) if annotations else {}
        if annotations and not found:
            raise AppError(f"{where}: no annotation has the question_id {id_!r}.")
        answers = get_texts(found, "answers", where) if found else ()
        choices: tuple[str, ...] = ()
        if "multiple_choices" in item:
            choices = tuple(get_texts(item, "multiple_choices", where))
        answer = found.get("multiple_choice_answer")
        files = (
            _coco_files(image, split)
            if match["kind"] == "mscoco"
            else _abstract_files(image, match["kind"], split)
        )
        yield Row(
            where,
            files,
            get_value(item, "question", str, where).strip(),
            tuple(answer.strip() for answer in answers),
            SPLITS[word],
            str(id_),
            str(found.get("question_type") or ""),
            str(found.get("answer_type") or ""),
            choices,
            right=choices.index(answer) if answer in choices else None,
        )


def _vqa_annotations(path: Path, match: re.Match[str]) -> dict[Any, Any]:
    """Give the annotations by question; none for the test split, which has none."""
    name = match[0].replace(f"{match['task']}_", "").replace("questions", "annotations")
    folders = [path.parent]
    if path.parent.name.lower() == "questions":
        folders += [path.parent.with_name(n) for n in ("Annotations", "annotations")]
    files = [folder / name for folder in folders if (folder / name).exists()]
    if not files:
        if match["word"].startswith("test"):
            return {}
        raise AppError(
            f"{path.parent / name} with the answers to {path.name} is missing. Put it "
            "there, or take the questions away."
        )
    text = read_text(files[0], "answers")
    data = parse_json(text, str(files[0]), object_hook=_bare_answer)
    found = {}
    for i, item in enumerate(get_value(data, "annotations", list, str(files[0]))):
        where = f"{files[0]}, annotations[{i}]"
        found[get_value(item, "question_id", (int, str), where)] = item
    return found


def _bare_answer(item: dict[str, Any]) -> Any:
    """Drop what is beside an answer: VQA v2 has 4.4 million of them in one file."""
    answer = item.get("answer")
    if "answer_confidence" in item and isinstance(answer, str):
        return sys.intern(answer)
    return item


def _coco_files(image: int, *splits: str) -> tuple[str, ...]:
    """Say where a photo of COCO may lie: as released in 2014, then as in 2017."""
    number = f"{image:012d}"
    files = []
    for split in splits:
        name = f"COCO_{split}_{number}"
        files += [f"{split}/{name}", name]
    moved = (f"{word}2017/{number}" for word in ("train", "val", "test"))
    return (*files, *moved, number)


def _abstract_files(image: int, kind: str, split: str) -> tuple[str, ...]:
    name = f"{kind}_{split}_{image:012d}"
    return (
        f"{split}/{name}",
        f"scene_img_{kind}_{split}/{name}",
        f"{kind}_{split}/{name}",
        name,
    )


def visual7w_rows(path: Path) -> Iterator[Row]:
    """Read Visual7W: telling, with four answers each, or pointing, with four boxes."""
    data = parse_json(read_text(path, "questions"), str(path))
    boxes = _boxes(path, data) if isinstance(data, dict) and "boxes" in data else None
    for i, image in enumerate(get_value(data, "images", list, str(path))):
        where = f"{path}, images[{i}]"
        name = checked_name(get_value(image, "filename", str, where), where)
        split = checked_split(get_value(image, "split", str, where), where)
        for k, item in enumerate(get_value(image, "qa_pairs", list, where)):
            where = f"{path}, images[{i}].qa_pairs[{k}]"
            id_ = str(get_value(item, "qa_id", (int, str), where))
            row = Row(
                where,
                (name,),
                get_value(item, "question", str, where).strip(),
                (),
                split,
                id_,
                str(item.get("type") or ""),
            )
            yield (
                _with_choices(row, item)
                if boxes is None
                else _with_boxes(row, item, boxes)
            )


def _with_choices(row: Row, item: Any) -> Row:
    answer = get_value(item, "answer", str, row.where).strip()
    wrong = [text.strip() for text in get_texts(item, "multiple_choices", row.where)]
    order = _order(row.id, 1 + len(wrong))
    choices = tuple([answer, *wrong][n] for n in order)
    return row._replace(answers=(answer,), choices=choices, right=order.index(0))


def _with_boxes(row: Row, item: Any, boxes: dict[int | str, Box]) -> Row:
    wrong = get_value(item, "multiple_choices", list, row.where)
    ids = [get_value(item, "answer", (int, str), row.where), *wrong]
    for id_ in ids:
        if not isinstance(id_, (int, str)) or id_ not in boxes:
            raise AppError(f"{row.where}: no box has the box_id {id_!r:.40}.")
    order = _order(row.id, len(ids))
    return row._replace(boxes=tuple(boxes[ids[n]] for n in order), right=order.index(0))


def _boxes(path: Path, data: Any) -> dict[int | str, Box]:
    boxes: dict[int | str, Box] = {}
    for i, item in enumerate(get_value(data, "boxes", list, str(path))):
        where = f"{path}, boxes[{i}]"
        number = (int, float)
        x, y, width, height = (
            get_value(item, key, number, where) for key in ("x", "y", "width", "height")
        )
        id_ = get_value(item, "box_id", (int, str), where)
        boxes[id_] = (max(x, 0.0), max(y, 0.0), float(x + width), float(y + height))
    return boxes


def _order(id_: str, count: int) -> list[int]:
    """Shuffle 0 to count - 1, always in the same way for the same question."""
    return sorted(
        range(count), key=lambda n: hashlib.sha256(f"{id_} {n}".encode()).digest()
    )


def daquar_rows(path: Path) -> Iterator[Row]:
    """Read DAQUAR: a line a question, which names its photo, and a line its answer.

    A question that names no photo is about that of the questions before and after
    it, if these agree: the pairs of a photo stand together.
    """
    for word in ("train", "test"):
        name = re.sub(r"(?<![a-z])(train|test)(?![a-z])", word, path.name)
        file = path.with_name(name)
        if file.exists():
            yield from _daquar_split(file, word if name.find(word) >= 0 else "")
        if name == path.name and word not in name:  # its name says no split
            return


def _daquar_split(path: Path, word: str) -> Iterator[Row]:
    lines = list(read_lines(path, "questions"))
    if len(lines) % 2:
        raise AppError(
            f"{path} has {len(lines)} lines with text, so some question has no answer. "
            "After each line with a question, one with its answer should follow."
        )
    numbers = [_NAMES_IMAGE.findall(line) for _, line in lines[::2]]
    photos = [found[-1] if found else "" for found in numbers]
    lost = []
    for i, photo in enumerate(photos):
        before, after = photos[i - 1 : i], photos[i + 1 : i + 2]
        if not photo and before == after != [""]:
            photos[i : i + 1] = before
        elif not photo:
            lost.append(lines[2 * i])
    if lost:
        raise AppError(
            f"{path}: {len(lost)} questions do not name their photo, the first in "
            f"line {lost[0][0]}: {lost[0][1]!r:.80}. Each should say it as in `what "
            "is on the desk in the image3 ?`, with a line for its answer after it."
        )
    for i, photo in enumerate(photos):
        (number, question), (_, answer) = lines[2 * i : 2 * i + 2]
        yield Row(
            f"{path}, line {number}",
            (f"image{photo}",),
            _NAMES_IMAGE.sub("", question).strip().removesuffix("?").rstrip(),
            (answer.strip(),),
            SPLITS.get(word),
            f"{word}-{i + 1}" if word else str(i + 1),
        )


def coco_qa_rows(path: Path) -> Iterator[Row]:
    """Read COCO-QA: four files of one line a question, in train/ and test/."""
    folder = path.absolute().parent
    for word in ("train", "test"):
        beside = folder.with_name(word) if folder.name in SPLITS else folder
        if (beside / path.name).exists():
            yield from _coco_qa_split(beside, word if folder.name in SPLITS else "")
        if folder.name not in SPLITS:
            return


def _coco_qa_split(folder: Path, word: str) -> Iterator[Row]:
    names = ("questions.txt", "answers.txt", "img_ids.txt", "types.txt")
    texts = [read_text(folder / name, name.removesuffix(".txt")) for name in names]
    columns = [text.rstrip().split("\n") for text in texts]
    lengths = [len(column) for column in columns]
    if len(set(lengths)) > 1:
        shown = ", ".join(f"{n} {name}" for n, name in zip(lengths, names, strict=True))
        raise AppError(
            f"The files in {folder} should have as many lines as each other. "
            f"Received: {shown}."
        )
    splits = ("val2014", "train2014") if word == "test" else ("train2014", "val2014")
    for number, cells in enumerate(zip(*columns, strict=True), 1):
        question, answer, image, kind = map(str.strip, cells)
        where = f"{folder}, line {number}"
        if not image.isdecimal() or kind not in ("0", "1", "2", "3"):
            raise AppError(
                f"{where}: img_ids.txt should hold COCO's number of a photo, and "
                f"types.txt 0, 1, 2 or 3. Received: {image!r:.40} and {kind!r:.40}."
            )
        yield Row(
            where,
            _coco_files(int(image), *splits),
            question,
            (answer,),
            SPLITS.get(word),
            f"{word}-{number}" if word else str(number),
            _COCO_QA_TYPES[int(kind)],
            "number" if kind == "1" else "other",
        )
