"""COCO, Flickr8k and Flickr30k in the splits that papers compare by.

Source: Karpathy and Fei-Fei 2015, arXiv:1412.2306.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.data.captions.rows import Row, checked_split, photo_id
from shared.data.layouts import Layout, itself
from shared.data.reading import checked_name, get_value, parse_json, read_text

_NAMES = ("dataset_coco.json", "dataset_flickr8k.json", "dataset_flickr30k.json")


def _official_rows(path: Path, word: str) -> Iterator[Row]:
    data = parse_json(read_text(path, "captions"), str(path))
    yield from karpathy_rows(path, get_value(data, "images", list, str(path)))


def karpathy_rows(path: Path, images: list[Any]) -> Iterator[Row]:
    """Read what stands under the key `images`."""
    for i, image in enumerate(images):
        where = f"{path}, images[{i}]"
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
    lambda path: path.name.lower() in _NAMES,
    itself,
    _official_rows,
)
