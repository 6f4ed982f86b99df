"""COCO, Flickr8k and Flickr30k in the splits that papers compare by.

Source: Karpathy and Fei-Fei 2015, arXiv:1412.2306.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.data.captions.rows import Row, checked_split, photo_id
from shared.data.layouts import Layout, itself, named
from shared.data.reading import checked_name, each_item, get_value, read_json

_NAMES = ("dataset_coco.json", "dataset_flickr8k.json", "dataset_flickr30k.json")


def _official_rows(path: Path, word: str) -> Iterator[Row]:
    yield from karpathy_rows(path, read_json(path, "captions"))


def karpathy_rows(path: Path, data: Any) -> Iterator[Row]:
    """Read what stands under the key `images`."""
    for where, image in each_item(data, "images", str(path)):
        name = get_value(image, "filename", str, where)
        if image.get("filepath"):  # in the file for COCO only
            name = f"{get_value(image, 'filepath', str, where)}/{name}"
        sentences = get_value(image, "sentences", list, where)
        captions = [get_value(sentence, "raw", str, where) for sentence in sentences]
        split = checked_split(get_value(image, "split", str, where), where)
        id_ = photo_id(image, "cocoid", where) if "cocoid" in image else None
        yield Row(where, (checked_name(name, where),), captions, split, id_)


LAYOUT = Layout(
    f"  {', '.join(_NAMES)} (Karpathy)",
    (_NAMES,),
    named("|".join(map(re.escape, _NAMES))),
    itself,
    _official_rows,
)
