"""What a file of questions says: which photo, which question, which answers."""

from typing import Any, NamedTuple

from shared.data.reading import Split, get_value

Box = tuple[float, float, float, float]


class Row(NamedTuple):
    """What one place in a question file says; see `vqa.data.Record`."""

    where: str  # file and line, for error messages
    files: tuple[str, ...]  # where the photo may lie; the ending may be left out
    question: str
    answers: tuple[str, ...]
    split: Split | None  # None if not said
    id: str
    question_type: str = ""
    answer_type: str = ""
    choices: tuple[str, ...] = ()
    boxes: tuple[Box, ...] = ()
    right: int | None = None
    weight: float = 1.0


def first_text(item: Any, keys: tuple[str, ...], where: str) -> str:
    """Give the first of these keys that says something; 0 is something.

    Raises:
        AppError: if that is neither text nor a whole number.
    """
    for key in keys:
        value = item.get(key) if isinstance(item, dict) else None
        if type(value) is str and value:
            return value.strip()
        if value in (None, ""):
            continue
        if isinstance(value, float) and value.is_integer():  # pandas' way
            return str(int(value))
        return str(get_value(item, key, (str, int), where))
    return ""
