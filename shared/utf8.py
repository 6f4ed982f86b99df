"""Text files that somebody wrote; messages say which line is no UTF-8."""

from pathlib import Path

from shared.addresses import refuse_address
from shared.errors import AppError


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
        refuse_address(path, content)
        raise AppError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        wrong, at = error.reason, error.start
    if at >= 0:
        number = data.count(b"\n", 0, at) + 1
        if data.startswith((b"\xff\xfe", b"\xfe\xff")):
            wrong = "it is UTF-16"
        how = " (in Excel: `CSV UTF-8`)" if path.suffix.lower() == ".csv" else ""
        raise AppError(
            f"{path}, line {number} is not UTF-8 text: {wrong}. Save the file as "
            f"UTF-8{how}."
        )
    if not text.strip() and not may_be_empty:
        raise AppError(f"{path} is empty. It should hold {content}.")
    return text
