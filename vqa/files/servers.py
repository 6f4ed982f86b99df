"""Answers in the forms that the servers of data sets take, for questions without any.

Source: of VQA, visualqa.org; of GQA, its eval.py; of VizWiz, vizwiz.org; of A-OKVQA,
its README.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path, PurePosixPath
from typing import Literal, TextIO

from shared.files.formats import Formats, Record, Writer, json_list, to_json
from vqa import data
from vqa.files.formats import WITH_IDS
from vqa.layouts import aokvqa, gqa

Server = Literal["vqa", "gqa", "vizwiz", "aokvqa"]
SETTINGS = ("multiple_choice", "direct_answer")  # of A-OKVQA

_LAYOUTS: Mapping[object, Server] = {gqa.LAYOUT: "gqa", aokvqa.LAYOUT: "aokvqa"}
_VIZWIZ = re.compile(r"VizWiz_(?:train|val|test)_\d+\.\w+", re.IGNORECASE)


def find_server(source: str, records: Iterable[data.Record]) -> Server:
    """Tell whose server takes answers to a data set; "vqa" if it has none.

    Args:
        source: what `vqa.data.read_dataset` has read.
        records: all that it gave.
    """
    if all(_VIZWIZ.fullmatch(PurePosixPath(record.name).name) for record in records):
        return "vizwiz"
    return _LAYOUTS.get(data.FILES.layout_of(data.FILES.find(source)), "vqa")


def formats_for(server: Server) -> Formats:
    """Give the formats of answers, with what a server takes as `.json`."""
    return {**WITH_IDS, ".json": _WRITERS[server]}


def as_direct(records: Iterable[data.Record]) -> list[data.Record]:
    """Give questions without their choices, to be answered in any words."""
    return [replace(record, choices=(), right=None) for record in records]


def name_settings(
    entries: Sequence[Record],
    choices: Sequence[Sequence[str]],
    direct: Sequence[Record] = (),
) -> list[Record]:
    """Say of answers whether they were chosen, or given in any words; for A-OKVQA.

    An empty choice, as there is no answer, is none to the server: it becomes the first.

    Args:
        entries: records of answers, see `vqa.files.formats`.
        choices: of each question.
        direct: records of the same questions without choices; those with an error are
            empty answers, unless all are: then no model could be asked.
    """
    some = any("error" not in entry for entry in direct)
    named = []
    for entry, offered, other in zip_longest(entries, choices, direct, fillvalue=None):
        assert entry is not None
        item = dict(entry)
        if "error" not in entry:
            answer = _best(entry) or next(iter(offered or ()), "")
            item[SETTINGS[0] if offered else SETTINGS[1]] = answer
        if some and other is not None:
            item[SETTINGS[1]] = "" if "error" in other else _best(other)
        named.append(item)
    return named


def _best(entry: Record) -> str:
    return str(entry["answers"][0]["answer"])


def _gqa(record: Record) -> Record:
    return {"questionId": str(record["id"]), "prediction": _best(record)}


def _vizwiz(record: Record) -> Record:
    return {"image": PurePosixPath(record["image"]).name, "answer": _best(record)}


def _aokvqa(records: Iterable[Record], file: TextIO, folder: Path) -> None:
    """Write an object of the questions' ids; a `Writer`."""
    separator = "{\n"
    for record in records:
        said = {key: record[key] for key in SETTINGS if key in record}
        if said:
            file.write(f"{separator}{to_json(str(record['id']))}: {to_json(said)}")
            separator = ",\n"
    file.write("\n}\n" if separator == ",\n" else "{}\n")


_WRITERS: Mapping[Server, Writer] = {
    "vqa": WITH_IDS[".json"],
    "gqa": json_list(_gqa),
    "vizwiz": json_list(_vizwiz),
    "aokvqa": _aokvqa,
}
