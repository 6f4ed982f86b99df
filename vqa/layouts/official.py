"""VQA v1 and v2, also its abstract scenes, and OK-VQA, which has the same files.

Source: Antol et al. 2015, arXiv:1505.00468; Goyal et al. 2017, arXiv:1612.00837.
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from shared.data.layouts import Layout, file_name, names_in, subfolders
from shared.data.reading import (
    SPLITS,
    Split,
    each_item,
    find_file,
    get_texts,
    get_value,
    read_json,
)
from shared.errors import AppError
from vqa.layouts.files import coco_files
from vqa.layouts.rows import Row, first_text

_QUESTIONS = file_name(
    r"(?P<start>.*?)(?P<task>OpenEnded|MultipleChoice)_(?P<kind>\w+)_"
    r"(?P<word>train|val|test-dev|test)(?P<year>20\d\d)_questions\.json"
)
_ANNOTATIONS = file_name(
    r"(?P<start>.*?)(?P<kind>mscoco|abstract_v002)_(?P<word>train|val)"
    r"(?P<year>20\d\d)_annotations\.json"
)
_TASKS = ("OpenEnded", "MultipleChoice")
# Each archive may have been unpacked into a folder of its own.
_BELOW = ("", "*questions*/", "*annotations*/")
_HOLDER = re.compile("questions|annotations", re.IGNORECASE)


def _fits(path: Path) -> bool:
    return bool(_QUESTIONS.fullmatch(path.name) or _ANNOTATIONS.fullmatch(path.name))


def _files(path: Path, alone: bool) -> list[tuple[Path, str]]:
    """List the splits that are there; answers alone, if their questions are not.

    `test-dev`, a part of `test`, is read instead of it if it is the file named.
    """
    if match := _ANNOTATIONS.fullmatch(path.name):
        questions = _questions_of(path, match)
        word = match["word"].lower()
        return _files(questions, alone) if questions else [(path, word)]
    named = _QUESTIONS.fullmatch(path.name)
    assert named is not None
    named_word = named["word"].lower()
    if alone:
        return [(path, named_word)]
    same = [named[part].lower() for part in ("start", "task", "kind")]
    found: dict[str, Path] = {named_word: path}
    for folder in _folders(path):
        for file in (folder / name for name in names_in(folder)):
            match = _QUESTIONS.fullmatch(file.name)
            if match and [match[p].lower() for p in ("start", "task", "kind")] == same:
                found.setdefault(match["word"].lower(), file)
    test = "test-dev" if named_word == "test-dev" else "test"
    return [(found[word], word) for word in ("train", "val", test) if word in found]


def _questions_of(path: Path, match: re.Match[str]) -> Path | None:
    """Find the questions of a file of answers."""
    for task in _TASKS:
        split = f"{match['kind']}_{match['word']}{match['year']}"
        name = f"{match['start']}{task}_{split}_questions.json"
        for place in _folders(path):
            if file := find_file(place, name):
                return file
    return None


def _folders(path: Path) -> list[Path]:
    """List where the files of a release may lie: in a file's folder, or beside it."""
    here = path.absolute().parent
    if not _HOLDER.search(here.name):
        return [path.parent]
    beside = [p for p in subfolders(here.parent) if _HOLDER.search(p.name)]
    return [path.parent, *(p for p in beside if p != here)]


def vqa_rows(path: Path, word: str) -> Iterator[Row]:
    """Read one split; of a file of answers alone, rows without a question."""
    if match := _ANNOTATIONS.fullmatch(path.name):
        part = _part(match)
        for id_, (where, item) in _annotations(path).items():
            yield _row(where, item, id_, "", item, part)
        return
    match = _QUESTIONS.fullmatch(path.name)
    assert match is not None
    part = _part(match)
    file = _annotations_of(path, match)
    annotations = _annotations(file) if file else {}
    data = read_json(path, "questions")
    for where, item in each_item(data, "questions", str(path)):
        id_ = str(get_value(item, "question_id", (int, str), where))
        if file and id_ not in annotations:
            raise AppError(
                f"{where}: no annotation has the question_id {id_:.60} in {file}."
            )
        said = annotations[id_][1] if file else {}
        image = get_value(item, "image_id", int, where)
        if file and said.get("image_id", image) != image:
            raise AppError(
                f"{where}: its image_id is {image!r}, in {file} it is "
                f"{said['image_id']!r:.60}."
            )
        question = get_value(item, "question", str, where).strip()
        yield _row(where, item, id_, question, said, part)


class _Part(NamedTuple):
    kind: str  # mscoco or that of the abstract scenes
    folder: str  # of its photos, such as train2014
    split: Split


def _part(match: re.Match[str]) -> _Part:
    word = match["word"].lower().removesuffix("-dev")
    return _Part(match["kind"].lower(), f"{word}{match['year']}", SPLITS[word])


def _row(where: str, item: Any, id_: str, question: str, said: Any, part: _Part) -> Row:
    image = get_value(item, "image_id", int, where)
    choices: tuple[str, ...] = ()
    if "multiple_choices" in item:
        choices = tuple(get_texts(item, "multiple_choices", where))
    answer = said.get("multiple_choice_answer")
    answers = get_texts(said, "answers", where) if said else ()
    return Row(
        where,
        coco_files(image, part.folder)
        if part.kind == "mscoco"
        else _abstract_files(image, part.kind, part.folder),
        question,
        tuple(text.strip() for text in answers),
        part.split,
        id_,
        first_text(said, ("question_type",), where),
        first_text(said, ("answer_type",), where),
        choices,
        right=choices.index(answer) if answer in choices else None,
    )


def _annotations_of(path: Path, match: re.Match[str]) -> Path | None:
    """Find the answers to a file of questions; the test split has none."""
    split = f"{match['kind']}_{match['word']}{match['year']}"
    name = f"{match['start']}{split}_annotations.json"
    files = [file for p in _folders(path) if (file := find_file(p, name))]
    if not files and not match["word"].lower().startswith("test"):
        raise AppError(
            f"{path.parent / name} with the answers to {path.name} is missing. Put it "
            "there, or take the questions away."
        )
    return files[0] if files else None


def _annotations(path: Path) -> dict[str, tuple[str, Any]]:
    """Give the place and the entry of each annotation by its question."""
    data = read_json(path, "answers", object_hook=_bare_answer)
    found: dict[str, tuple[str, Any]] = {}
    for where, item in each_item(data, "annotations", str(path)):
        id_ = str(get_value(item, "question_id", (int, str), where))
        before = found.setdefault(id_, (where, item))
        if before[1] is not item:
            raise AppError(
                f"{where}: the question_id {id_:.60} has another annotation, too: "
                f"{before[0]}."
            )
    return found


def _bare_answer(item: dict[str, Any]) -> Any:
    """Drop what is beside an answer: VQA v2 has 4.4 million of them in one file."""
    answer = item.get("answer")
    if "answer_confidence" in item and isinstance(answer, str):
        return sys.intern(answer)
    return item


def _abstract_files(image: int, kind: str, split: str) -> tuple[str, ...]:
    name = f"{kind}_{split}_{image:012d}"
    return (
        f"{split}/{name}",
        f"scene_img_{kind}_{split}/{name}",
        f"{kind}_{split}/{name}",
        name,
    )


LAYOUT = Layout(
    """\
  v2_OpenEnded_mscoco_train2014_questions.json (VQA, also v1, MultipleChoice, val ...),
    v2_mscoco_train2014_annotations.json, and photos in train2014/, val2014/ ...""",
    tuple(
        tuple(f"{below}*{task}_*_questions.json" for below in _BELOW) for task in _TASKS
    ),
    _fits,
    _files,
    vqa_rows,
)
