"""Captions without photos: files of sentences."""

import gzip
import zlib
from collections.abc import Iterable
from pathlib import Path

from shared.addresses import refuse_address
from shared.errors import AppError

MOST_BYTES = 2_000_000_000  # of a file, unpacked
FORMS = """\
  *.txt: a caption a line
  *.tsv: columns parted by tabs, the last of which is the caption
  *.txt.gz, *.tsv.gz: the same, packed by gzip"""


def read_texts(paths: Iterable[str | Path]) -> list[list[str]]:
    """Read files of captions, in one of `FORMS`.

    Returns:
        the captions of each file, without white space around; lines without a letter
        or digit are left out.

    Raises:
        AppError: if a file cannot be read, or holds no caption.
    """
    return [_read(Path(path)) for path in paths]


def _read(path: Path) -> list[str]:
    is_packed = path.suffix.lower() == ".gz"
    name = path.with_suffix("").name if is_packed else path.name
    ending = Path(name).suffix.lower()
    if ending not in (".txt", ".tsv"):
        raise AppError(
            f"{path}: captions without photos come in these forms:\n{FORMS}\n"
            f"Received: {ending or 'no ending'}."
        )
    try:
        with gzip.open(path) if is_packed else path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except (OSError, EOFError, zlib.error) as error:
        refuse_address(path, "captions")
        raise AppError(f"The captions {path} cannot be read: {error}.") from error
    except UnicodeDecodeError as error:
        raise AppError(
            f"The captions {path} are not UTF-8: {error}. Save them as UTF-8."
        ) from error
    if len(content) > MOST_BYTES:
        raise AppError(
            f"The captions {path} are larger than {MOST_BYTES / 1e9:g} GB. Take a part "
            "of them."
        )
    lines = text.split("\n")  # other marks may stand within a caption
    if ending == ".tsv":
        lines = [line.rpartition("\t")[2] for line in lines]
    found = [line.strip() for line in lines if any(map(str.isalnum, line))]
    if not found:
        raise AppError(f"{path} holds no caption. It may have these forms:\n{FORMS}")
    return found
