"""Texts, JSON and names out of annotation files, with messages that say the place."""

import json
import re
from collections.abc import Iterator, Mapping
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


def read_lines(
    path: Path, content: str, may_be_empty: bool = False
) -> Iterator[tuple[int, str]]:
    """Yield (number, line) of the lines that are not blank, see `read_text`."""
    lines = read_text(path, content, may_be_empty).split("\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            yield number, line.rstrip("\r")


def read_text(path: Path, content: str, may_be_empty: bool = False) -> str:
    """Read a whole UTF-8 file; a byte order mark is left out.

    Args:
        path: the file.
        content: what it should hold, such as "captions", for the message.
        may_be_empty: whether nothing but white space is a text, too.

    Raises:
        AppError: if it cannot be read, is not UTF-8, holds a NUL, or holds nothing.
    """
    try:
        data = path.read_bytes()
        text = data.decode("utf-8-sig")
        wrong, at = "it holds a NUL", data.find(b"\0")
    except OSError as error:
        raise AppError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        wrong, at = error.reason, error.start
    if at >= 0:
        number = data.count(b"\n", 0, at) + 1
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            wrong = "it is UTF-16"
        raise AppError(
            f"{path}, line {number} is not UTF-8 text: {wrong}. "
            "Save the file as UTF-8 (in Excel: `CSV UTF-8`)."
        )
    if not text.strip() and not may_be_empty:
        raise AppError(f"{path} is empty. It should hold {content}.")
    return text
