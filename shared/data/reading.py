"""JSON, tables and names out of annotation files; messages say the place."""

import csv
import gc
import json
import os
import re
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from io import StringIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from shared.addresses import is_address, no_address
from shared.errors import AppError
from shared.utf8 import read_text

Split = Literal["train", "dev", "test"]

SPLITS: dict[str, Split] = {
    "train": "train",
    "dev": "dev",
    "val": "dev",
    "validation": "dev",
    "test": "test",
}
_KINDS: dict[type, str] = {list: "list", str: "text", int: "number", float: "number"}
# Names that need no second look: no part starts with a dot, or holds a colon.
_PLAIN_NAME = re.compile(r"[^\W_][\w -]*(?:\.\w+)?(?:/[^\W_][\w -]*(?:\.\w+)?)*")


@contextmanager
def without_collection() -> Iterator[None]:
    """Look for no garbage in cycles meanwhile.

    A data set is read as millions of objects, none of them in a cycle, and to look
    through them again and again takes a quarter of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def checked_name(name: str, where: str) -> str:
    """Give a photo's name with `/`, without ways out of the image folder.

    Raises:
        AppError: if it is empty, absolute, or holds `..`.
    """
    name = name.strip()
    if _PLAIN_NAME.fullmatch(name):
        return name
    if is_address(name):
        raise AppError(f"{where}: {name!r:.80}: {no_address('photos')}")
    path = PurePosixPath(name.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or PureWindowsPath(path).drive
    if outside or not path.parts or "\0" in name or not _is_storable(name):
        raise AppError(
            f"{where}: {name!r:.80} is no photo's name. Give a path below the image "
            "folder, without `..`, such as dogs/a.jpg."
        )
    return path.as_posix()


def _is_storable(name: str) -> bool:
    try:
        return bool(os.fsencode(name))
    except UnicodeEncodeError:  # half an emoji, which JSON can hold
        return False


def checked_split(
    word: Any, where: str, splits: Mapping[str, Split] = SPLITS
) -> Split | None:
    """Understand a split's name, one of the keys of `splits`; None if it is empty.

    Raises:
        AppError: if there is no such split.
    """
    word = str(word or "").strip().lower()
    if word and word not in splits:
        raise AppError(
            f"{where}: there is no split {word!r:.80}. Choose train, dev (or val) or "
            "test."
        )
    return splits.get(word)


def get_value(item: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Look a key up whose value is of a kind; bool is no int here.

    Raises:
        AppError: if it is not there, with the keys that are; or of another kind.
    """
    value = item.get(key) if isinstance(item, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(dict.fromkeys(_KINDS[k] for k in kinds))
        received = f"Received: {value if isinstance(item, dict) else item!r:.80}."
        if isinstance(item, dict) and key not in item:
            received = f"It has {', '.join(map(repr, item)) or 'no keys'}"[:160] + "."
        raise AppError(f"{where} needs {key!r}: {wanted}. {received}")
    return value


def get_texts(item: Any, key: str, where: str) -> list[str]:
    """Look a list of texts up; numbers and {"answer": text} are texts as well."""
    return [
        value if isinstance(value, str) else as_text(value, where)
        for value in get_value(item, key, list, where)
    ]


def as_text(value: Any, where: str) -> str:
    """Give an answer that JSON holds as a text, number or {"answer": text}.

    Raises:
        AppError: if it is something else.
    """
    if isinstance(value, dict):
        value = value.get("answer")
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise AppError(f"{where}: answers must be text. Received: {value!r:.80}.")
    return str(value)


def parse_json(text: str, where: str, **options: Any) -> Any:
    """Parse JSON.

    Raises:
        AppError: if it is none, with line and column.
    """
    try:
        return json.loads(text, **options)
    except ValueError as error:  # also a number of more than 4300 digits
        raise AppError(f"{where} is not valid JSON: {error}.") from error
    except RecursionError as error:
        raise AppError(f"{where} is not valid JSON: nested too deeply.") from error


def read_json(path: Path, content: str, **options: Any) -> Any:
    """Read a whole JSON file, see `read_text` and `parse_json`."""
    return parse_json(read_text(path, content), str(path), **options)


def each_item(data: Any, key: str, where: str) -> Iterator[tuple[str, Any]]:
    """Yield the items of a list that stands under a key, each with its place.

    Raises:
        AppError: if there is no such list, see `get_value`.
    """
    for number, item in enumerate(get_value(data, key, list, where)):
        yield f"{where}, {key}[{number}]", item


def each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of JSON, for `json.loads`, that has each key once.

    Raises:
        ValueError: if one stands there twice.
    """
    item = dict(pairs)
    if len(item) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"an object has the key {twice!r:.60} twice")
    return item


def read_lines(
    path: Path, content: str, may_be_empty: bool = False
) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of the lines that are not blank, see `read_text`."""
    lines = read_text(path, content, may_be_empty).split("\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, line.rstrip("\r")


def read_csv(
    path: Path,
    content: str,
    has_open_end: Callable[[Sequence[str]], bool] = lambda header: False,
) -> Iterator[tuple[str, list[str]]]:
    """Read a table with its columns named in the first line.

    Separated by commas, semicolons, tabs or bars, whichever the first line has most.

    Args:
        path: the file.
        content: see `read_text`.
        has_open_end: given the names of the columns, whether the last one may hold
            the separator without being quoted.

    Yields:
        file and line, and the cells as written: first the names of the columns, in
        lower case, then as many cells of each line that is not blank.

    Raises:
        AppError: as `read_text`, or if it is not valid CSV, or a line has another
            number of cells than the first.
    """
    text = read_text(path, content)
    delimiter = max(",;\t|", key=text.partition("\n")[0].count)
    written: list[str] = []
    lines = csv.reader(
        _remember(StringIO(text, newline=""), written), delimiter=delimiter, strict=True
    )
    header: list[str] = []
    open_end, number = False, 1
    try:
        for cells in lines:
            where, number = f"{path}, line {number}", lines.line_num + 1
            # What is in quotes is a cell of its own.
            quoted = any(f'{delimiter}"' in line for line in written)
            written.clear()
            if not any(cell.strip() for cell in cells):
                continue
            if not header:
                header = [column.strip().lower() for column in cells]
                open_end = has_open_end(header)
                yield where, header
                continue
            if len(cells) > len(header) and open_end and not quoted:
                last = delimiter.join(cells[len(header) - 1 :])
                cells = [*cells[: len(header) - 1], last]
            if len(cells) != len(header):
                raise AppError(
                    f"{where} has {len(cells)} columns, line 1 has {len(header)}. "
                    f'Put text that holds {delimiter!r} in quotes ("...").'
                )
            yield where, cells
        if not header:
            raise AppError(f"{path} names no columns. It should hold {content}.")
    except csv.Error as error:
        raise AppError(
            f"{path}, line {number} is not valid CSV: {error}. Text that starts with a "
            'quote must end with one, and have quotes inside doubled: "a ""red"" car".'
        ) from error


def check_once(header: Sequence[str], names: Collection[str], where: str) -> None:
    """Refuse a table in which a column that matters stands twice.

    Raises:
        AppError: if one does.
    """
    for name in header:
        if name in names and header.count(name) > 1:
            raise AppError(
                f"{where} names the column {name!r} {header.count(name)} times. Keep "
                "one of them."
            )


def _remember(lines: Iterable[str], written: list[str]) -> Iterator[str]:
    for line in lines:
        written.append(line)
        yield line


def split_files(path: Path) -> list[tuple[Path, str]]:
    """List a file and those that belong to it by their names, each with its split.

    `VizWiz_val.json` belongs to `VizWiz_train.json`, `dev/captions.csv` to
    `train/captions.csv`, whatever the case of the letters.

    Returns:
        files in the order of `SPLITS`, each with the word for its split; or only the
        file itself, with "" if no name has such a word.
    """
    path = path.absolute()
    parts = re.split(r"([\W_]+)", path.stem)
    found: list[tuple[Path, str]] = []
    for word in SPLITS:
        for place, part in enumerate(parts):
            known = re.fullmatch(r"([a-z]+)(20\d\d)?", part.lower())
            if known and known[1] in SPLITS:
                year = known[2] or ""
                name = "".join([*parts[:place], word + year, *parts[place + 1 :]])
                file = find_file(path.parent, name + path.suffix)
                break
        else:
            if path.parent.name.lower() not in SPLITS:
                return [(path, "")]
            file = find_file(path.parent.parent, f"{word}/{path.name}")
        if file:
            found.append((file, word))
    return found or [(path, "")]


def find_file(folder: Path, name: str) -> Path | None:
    """Find a file by its path below a folder, whatever the case of its letters."""
    try:
        for part in name.split("/"):
            if (folder / part).exists():
                folder /= part
                continue
            alike = [p for p in folder.iterdir() if p.name.lower() == part.lower()]
            if not alike:
                return None
            folder = min(alike)
        return folder if folder.is_file() else None
    except OSError:  # no folder, or a name that is too long
        return None
