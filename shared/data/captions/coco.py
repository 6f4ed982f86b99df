"""COCO's captions, and all that is written in the same form.

Source: Chen et al. 2015, arXiv:1504.00325.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from shared.data.captions.rows import SPLITS, Row, checked_split, photo_id, train_brings
from shared.data.layouts import Layout, by_name, file_name
from shared.data.reading import checked_name, each_item, get_value, read_json
from shared.errors import AppError

_NAME = file_name(r"captions_(?P<word>train|val)(?P<year>20\d\d)\.json")
_FITS, _FILES = by_name(_NAME.pattern, "train", "val")


def _official_rows(path: Path, word: str) -> Iterator[Row]:
    """Read one split; the photos of each lie in a folder of their own."""
    match = _NAME.fullmatch(path.name)
    assert match is not None
    data = read_json(path, "captions")
    for row in coco_rows(path, data):
        yield row.moved(f"{word}{match['year']}/", "")._replace(split=SPLITS[word])


def coco_rows(path: Path, data: Any) -> Iterable[Row]:
    """Give a row for each id, without a file if the data name none."""
    rows: dict[str, Row] = {}
    captions: dict[str, list[str]] = {}
    images = each_item(data, "images", str(path)) if "images" in data else ()
    for where, image in images:
        id_ = photo_id(image, "id", where)
        files: tuple[str, ...] = ()
        if "file_name" in image:
            name = get_value(image, "file_name", str, where)
            files = (checked_name(name, where),)
        texts = captions.setdefault(str(id_), [])
        row = Row(where, files, texts, checked_split(image.get("split"), where), id_)
        before = rows.setdefault(str(id_), row)
        if before.files != files:
            raise AppError(
                f"{where}: the id {id_!r:.80} belongs to another photo, too: "
                f"{before.where}. Give each photo its own, in images and annotations."
            )
    for where, item in each_item(data, "annotations", str(path)):
        id_ = photo_id(item, "image_id", where)
        known = captions.get(str(id_))
        if known is None:
            if "images" in data:
                raise AppError(f"{where}: no image has the id {id_!r:.80}.")
            known = captions[str(id_)] = []
            rows[str(id_)] = Row(where, (), known, None, id_)
        known.append(get_value(item, "caption", str, where))
    return rows.values()


LAYOUT = Layout(
    """\
  annotations/captions_train2017.json beside train2017/ (COCO; also val, 2014)""",
    (("annotations/captions_*20[0-9][0-9].json", "captions_*20[0-9][0-9].json"),),
    _FITS,
    train_brings(_FILES),
    _official_rows,
)
