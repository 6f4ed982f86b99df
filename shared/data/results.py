"""Files of results to be scored: their entries, and which photo each is about."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Generic, TypeVar

from shared.data.reading import each_once, parse_json, read_csv
from shared.errors import AppError
from shared.utf8 import read_text

TABLES = (".csv", ".tsv")
Thing = TypeVar("Thing")

# As COCO and VQA's abstract scenes name photos: COCO_val2014_000000391895, since 2017
# 000000391895. Other numbers of twelve digits are dates: no id of COCO has seven.
_COCO_NAME = re.compile(
    r"(?:(?:COCO|abstract_v002)_(?:train|val|test)20\d\d_|(?=0{6}))(\d{12})",
    re.IGNORECASE | re.ASCII,
)


def read_entries(
    path: Path,
    content: str,
    form: str,
    check_columns: Callable[[Sequence[str], str], None],
    open_end: str | None = None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read the objects of a JSON list or of lines of JSON, or the rows of a table.

    Args:
        path: the file; what is no table by its suffix is JSON.
        content: what it should hold, such as "captions", for messages.
        form: how an object looks, for messages.
        check_columns: refuses the names of a table's columns, given the place, too.
        open_end: the column, if it is the last, that may hold the separator unquoted.

    Yields:
        the place in the file, and what stands there; of tables, texts by column.

    Raises:
        AppError: if it cannot be read, or has none of these forms.
    """
    if path.suffix.lower() in TABLES:
        table = read_csv(path, content, lambda header: header[-1] == open_end)
        where, header = next(table)
        check_columns(header, where)
        for where, cells in table:
            yield where, dict(zip(header, cells, strict=True))
        return
    text = read_text(path, content)
    if text.lstrip().startswith("["):
        values = enumerate(_parse(text, str(path), form), start=1)
        entries = ((f"{path}, entry {number}", value) for number, value in values)
    else:
        lines = enumerate(text.split("\n"), start=1)
        places = ((f"{path}, line {n}", line) for n, line in lines if line.strip())
        entries = ((where, _parse(line, where, form)) for where, line in places)
    for where, value in entries:
        if not isinstance(value, dict):
            raise AppError(f"{where}: expected {form}. {received(value)}")
        yield where, value


def received(value: Any) -> str:
    """Show the start of what was read, for a message."""
    return f"Received: {json.dumps(value)[:100]}"


def _parse(text: str, where: str, form: str) -> Any:
    try:
        return parse_json(text, where, object_pairs_hook=each_once)
    except AppError as error:
        raise AppError(
            f"{error} Expected is one list of objects {form}, or one object a line; "
            "CSV in a file that ends in .csv."
        ) from error


def image_id(name: str) -> int | str:
    """Number that COCO gave a photo, if it is named as COCO's are, else the name."""
    match = _COCO_NAME.fullmatch(_path(name).stem)
    return int(match[1]) if match else name


def image_ids(names: Sequence[str]) -> Sequence[int | str]:
    """Number photos as COCO does, if all of them are named so; else give the names.

    A set of photos of which only some are COCO's has no numbers: those of the others
    would be taken for COCO's.
    """
    ids = [image_id(name) for name in names]
    return ids if all(isinstance(id_, int) for id_ in ids) else names


class ByName(Generic[Thing]):
    """Finds what belongs to photos by their names, in one way after the other.

    Tried in turn are the whole name, the file's name, the same without its suffix, and
    the number in it, see `image_id`.

    Args:
        named: names of photos, each with what belongs to it.
    """

    def __init__(self, named: Iterable[tuple[str, Thing]]):
        self._found: list[dict[str, list[Thing]]] = [{} for _ in _WAYS]
        for name, thing in named:
            for way, found in zip(_WAYS, self._found, strict=True):
                if word := way(name):
                    found.setdefault(word, []).append(thing)

    def __bool__(self) -> bool:
        return bool(self._found[0])

    def __call__(self, name: str) -> Sequence[Thing]:
        """Give what the first way finds for a name; nothing if none does."""
        for way, found in zip(_WAYS, self._found, strict=True):
            if things := found.get(way(name)):
                return things
        return ()


def plain_number(text: str) -> str:
    """Write a number without leading zeros; "" if it is none."""
    return (text.lstrip("0") or "0") if text.isdecimal() else ""


def _path(name: str) -> PurePosixPath:
    return PurePosixPath(name.replace("\\", "/"))


_WAYS: tuple[Callable[[str], str], ...] = (
    lambda name: _path(name).as_posix() if name else "",
    lambda name: _path(name).name,
    lambda name: _path(name).stem,
    lambda name: plain_number(str(image_id(name))),
)
