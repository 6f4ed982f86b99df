"""Questions made of a captioned data set, written to a file."""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shared.errors import AppError
from shared.files.atomic import write_text
from vqa.questions.captions import read_captions, read_labelled
from vqa.questions.making import make_questions
from vqa.questions.question import Captioned

_ANSWERS_SHOWN, _EXAMPLES_SHOWN = 10, 2


def write_questions(source: str | Path, out: Path, labelled: bool = False) -> str:
    """Make questions of a captioned data set and write them, one JSON object a line.

    Photos are named by their paths below the folder of `out`, or, if they do not lie
    there, by their paths below their own folder; then they have to be put beside it.

    Args:
        source: see `read_captions`; or if `labelled`, `read_labelled`.

    Returns:
        what was made, for people to read.

    Raises:
        AppError: if the data set cannot be read, has no photos in split train, or `out`
            cannot be written.
    """
    captioned = read_labelled(Path(source)) if labelled else read_captions(source)
    if not any(photo.split == "train" for photo in captioned):
        raise AppError(
            f"{source} has no photos in split train. Questions are made by what is "
            "usual in them: mark some photos as train."
        )
    rows = make_questions(captioned)
    folder = out.absolute().parent.resolve()
    names = {str(photo.image): _name(photo, folder) for photo in captioned}
    named = ({**row, "image": names[row["image"]]} for row in rows)
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in named)
    try:
        write_text(out, "".join(lines))
    except OSError as error:
        raise AppError(f"{out} cannot be written: {error.strerror}.") from error
    note = ""
    if not (folder / next(iter(names.values()))).exists():
        note = (
            f"\n\nThe photos do not lie below {folder}. Put or link them there, or "
            "write the questions beside them."
        )
    return summary(rows) + note


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """Count questions by type, with their most frequent answers and some examples."""
    photos = len({row["image"] for row in rows})
    lines = [f"{len(rows):,} questions about {photos:,} photos"]
    by_type: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        closed = " yes/no" if row["answer_type"] == "yes/no" else ""
        by_type[row["question_type"] + closed].append(row)
    for name, found in sorted(by_type.items(), key=lambda item: -len(item[1])):
        answers = Counter(row["answers"][0] for row in found).most_common(
            _ANSWERS_SHOWN
        )
        lines.append(f"\n{name}: {len(found):,}")
        lines.append("  " + ", ".join(f"{answer} {n:,}" for answer, n in answers))
        for row in found[:: len(found) // _EXAMPLES_SHOWN + 1]:
            lines.append(f"  {row['question']} {row['answers'][0]}")
    return "\n".join(lines)


def _name(photo: Captioned, folder: Path) -> str:
    path = photo.image.absolute().parent.resolve() / photo.image.name
    below = path.is_relative_to(folder)
    return path.relative_to(folder).as_posix() if below else photo.name
