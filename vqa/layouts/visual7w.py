"""Visual7W: choices in words (telling), or boxes of the photo (pointing).

Source: Zhu et al. 2016, arXiv:1511.03416.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.data.layouts import Layout, itself, named
from shared.data.reading import (
    checked_name,
    checked_split,
    each_item,
    get_texts,
    get_value,
    read_json,
)
from shared.errors import AppError
from vqa.layouts.rows import Box, Row


def visual7w_rows(path: Path, word: str) -> Iterator[Row]:
    """Read Visual7W: telling, with four answers each, or pointing, with four boxes."""
    data = read_json(path, "questions")
    pointing = isinstance(data, dict) and data.get("boxes") not in (None, [])
    boxes = _boxes(path, data) if pointing else None
    for photo, image in each_item(data, "images", str(path)):
        name = checked_name(get_value(image, "filename", str, photo), photo)
        split = checked_split(get_value(image, "split", str, photo), photo)
        for k, item in enumerate(get_value(image, "qa_pairs", list, photo)):
            where = f"{photo}.qa_pairs[{k}]"
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
    for where, item in each_item(data, "boxes", str(path)):
        number = (int, float)
        x, y, width, height = (
            get_value(item, key, number, where) for key in ("x", "y", "width", "height")
        )
        id_ = get_value(item, "box_id", (int, str), where)
        boxes[id_] = (max(x, 0.0), max(y, 0.0), float(x + width), float(y + height))
    return boxes


def _order(id_: str, count: int) -> list[int]:
    """Shuffle 0 to count - 1, always in the same way for the same question."""

    def digest(number: int) -> bytes:
        text = f"{id_} {number}".encode("utf-8", "surrogatepass")  # half an emoji
        return hashlib.sha256(text).digest()

    return sorted(range(count), key=digest)


LAYOUT = Layout(
    "  dataset_v7w_telling.json or dataset_v7w_pointing.json (Visual7W)",
    (("dataset_v7w_*.json",),),
    named(r".*v7w.*\.json"),
    itself,
    visual7w_rows,
)
