"""Formats of what was found in an archive: JSONL, and a page to look at.

A record is `{"image", "caption", "by_person", "score", "words", "concepts",
"likelihood"}`, see `captioner.archive.finding.Found`; of photos that show the same it
also has "group", a number from 1.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TextIO

from captioner.archive.finding import Found
from shared.files.formats import Formats, Record, write_jsonl


def to_records(photos: Iterable[Found]) -> Iterator[Record]:
    """Make records of photos that were found."""
    for one in photos:
        record = {"image": one.path.as_posix(), **one._asdict()}
        del record["path"]
        yield record


def to_grouped_records(groups: Iterable[Sequence[Found]]) -> Iterator[Record]:
    """Make records of photos that show the same."""
    for number, group in enumerate(groups, start=1):
        for record in to_records(group):
            yield record | {"group": number}


def say_why(record: Record) -> str:
    """Say in a line why a photo was found."""
    reasons = []
    if "group" in record:
        reasons.append(f"group {record['group']}")
    if record["words"]:
        reasons.append(f"in its words: {', '.join(record['words'])}")
    reasons += [f"{word} {prob:.0%}" for word, prob in record["concepts"].items()]
    if (gain := record["likelihood"]) is not None:
        reasons.append(f"{'' if gain >= 0 else 'un'}likelier by {abs(gain):.1f} nats")
    else:
        reasons.append(f"score {record['score']:.2f}")
    return " · ".join(reasons)


def write_page(
    records: Iterable[Record], file: TextIO, folder: Path, title: str
) -> None:
    """Write a page of small photos with their captions and why they were found."""
    from captioner.files.sheet import write_sheet  # decodes photos

    def shown() -> Iterator[Record]:
        for record in records:
            own = {"caption": record["caption"], "by_person": record["by_person"]}
            yield record | {"captions": [own], "note": say_why(record)}

    write_sheet(shown(), file, folder, title=title)


def formats(title: str) -> Formats:
    """Give the formats, given what was sought as a page says it."""
    return {".jsonl": write_jsonl, ".html": partial(write_page, title=title)}
