"""Texts, JSON and names out of question files, with messages that say the place."""

import json
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Literal

from shared.errors import AppError

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


def checked_name(name: str, where: str) -> str:
    """Give a photo's name with `/`, without ways out of the image folder.

    Raises:
        AppError: if it is empty, absolute, or holds `..`.
    """
    name = name.strip()
    if _PLAIN_NAME.fullmatch(name):
        return name
    path = PurePosixPath(name.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or PureWindowsPath(path).drive
    if outside or not path.parts or "\0" in name:
        raise AppError(
            f"{where}: {name!r:.80} is no photo's name. Give a path below the image "
            "folder, without `..`, such as dogs/a.jpg."
        )
    return path.as_posix()


def checked_split(word: Any, where: str) -> Split | None:
    """Understand a split's name; None if it is empty.

    Raises:
        AppError: if there is no such split.
    """
    word = str(word or "").strip().lower()
    if word and word not in SPLITS:
        raise AppError(
            f"{where}: there is no split {word!r:.80}. Choose train, dev (or val) or "
            "test."
        )
    return SPLITS.get(word)


def get_value(item: Any, key: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Look a key up whose value is of a kind; bool is no int here.

    Raises:
        AppError: if it is not there or of another kind.
    """
    value = item.get(key) if isinstance(item, dict) else None
    if not isinstance(value, kind) or isinstance(value, bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        wanted = " or ".join(dict.fromkeys(_KINDS[k] for k in kinds))
        shown = repr(value if isinstance(item, dict) else item)[:80]
        raise AppError(f"{where} needs {key!r}: {wanted}. Received: {shown}.")
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
    except json.JSONDecodeError as error:
        raise AppError(f"{where} is not valid JSON: {error}.") from error
    except RecursionError as error:
        raise AppError(f"{where} is not valid JSON: nested too deeply.") from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of the lines that are not blank."""
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if line.strip():
            yield number, line.rstrip("\r")


def read_text(path: Path) -> str:
    """Read a whole UTF-8 file that should not be empty.

    Raises:
        AppError: if it cannot be read, is not UTF-8, or holds nothing.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise AppError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        number = data.count(b"\n", 0, error.start) + 1
        raise AppError(
            f"{path}, line {number} is not UTF-8 text: {error.reason}. Save the file "
            "as UTF-8 (in Excel: `CSV UTF-8`)."
        ) from error
    if not text.strip():
        raise AppError(f"{path} is empty. It should hold questions.")
    return text
