"""Photos with their reference captions: data sets of files or of TFDS, and splits."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from shared.data.captioned import LAYOUTS as FILE_LAYOUTS
from shared.data.captioned import Record as Record
from shared.data.captioned import read_files
from shared.data.captions import SPLITS
from shared.data.reading import Split as Split
from shared.errors import AppError

LAYOUTS = f"""\
{FILE_LAYOUTS}
  tfds:coco_captions or tfds:coco_captions:DATA_DIR, prepared before"""


@dataclass(frozen=True)
class TfdsImage:
    """A photo inside a TFDS data set; its bytes are read when asked for."""

    name: str
    rows: Sequence[Any]
    index: int

    def read_bytes(self) -> bytes:
        """Encoded image."""
        return bytes(self.rows[self.index]["image"])


def read_dataset(source: str | Path) -> list[Record]:
    """Read a data set: files, see `shared.data.captioned.read_files`, or one of TFDS.

    `tfds:coco_captions[:DATA_DIR]` reads what TFDS has prepared in DATA_DIR
    (else in `TFDS_DATA_DIR` or `~/tensorflow_datasets`), never downloads.

    Returns:
        records in the order of the source.

    Raises:
        AppError: as `read_files`, or if TFDS has prepared no such data set.
    """
    if str(source).startswith("tfds:"):
        return _read_tfds(str(source))
    return read_files(source)


def read_datasets(sources: Sequence[str]) -> list[Record]:
    """Read several data sets, to learn from them together.

    Returns:
        records in the order of the sources, each with the place of its source; names
        that several sources have begin with a number.

    Raises:
        AppError: as `read_dataset`.
    """
    sets = [read_dataset(source) for source in sources]
    count = Counter(record.name for records in sets for record in records)
    return [
        replace(
            record,
            name=f"{place}/{record.name}" if count[record.name] > 1 else record.name,
            source=place,
        )
        for place, records in enumerate(sets)
        for record in records
    ]


def select(records: Iterable[Record], split: str) -> list[Record]:
    """Keep one split's records that have a caption, without captions that hold no word.

    Raises:
        AppError: if none is left; the splits that exist are counted.
    """
    counts: Counter[str] = Counter()
    chosen = []
    for record in records:
        captions = tuple(c for c in record.captions if any(map(str.isalnum, c)))
        counts[record.split] += bool(captions)
        if captions and record.split == split:
            chosen.append(replace(record, captions=captions))
    if not chosen:
        found = ", ".join(f"{name} ({n})" for name, n in counts.items() if n)
        raise AppError(
            f"The data set has no photos with captions in split {split!r}. Splits "
            f"with photos: {found or 'none'}. Choose one of them, or mark some "
            f"photos as {split!r}."
        )
    return chosen


def _read_tfds(source: str) -> list[Record]:
    import tensorflow_datasets as tfds

    _, name, *rest = source.split(":", 2)
    default = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    data_dir = Path(rest[0] if rest else default).expanduser()
    found = (
        path
        for path in (data_dir / name).glob("**/dataset_info.json")
        if name and not path.parent.name.startswith("incomplete")
    )
    prepared = sorted(found, key=_config_and_version)
    advice = (
        f"Prepare it once, online (27 GB for coco_captions): "
        f"`tfds build {name or 'coco_captions'} --data_dir {data_dir} "
        f"--file_format array_record`, or name the folder: tfds:{name}:DATA_DIR."
    )
    if not prepared:
        raise AppError(
            f"TFDS has no data set {name!r} prepared in {data_dir}. {advice}"
        )
    builder = tfds.builder_from_directory(prepared[-1].parent)
    encoded = {"image": tfds.decode.SkipDecoding()}
    records = []
    try:
        for word in builder.info.splits:
            rows = builder.as_data_source(word, decoders=encoded)
            for i, row in enumerate(rows if word in SPLITS else ()):
                file = row["image/filename"].decode()
                captions = (text.decode().strip() for text in row["captions"]["text"])
                image = TfdsImage(file, rows, i)
                number = int(row["image/id"]) if "image/id" in row else None
                records.append(
                    Record(file, image, tuple(captions), SPLITS[word], number)
                )
    except NotImplementedError as error:  # prepared as TFRecord
        raise AppError(
            f"{prepared[-1].parent} cannot be read photo by photo: it is in the format "
            f"{builder.info.file_format}. {advice}"
        ) from error
    except (KeyError, ValueError) as error:
        raise AppError(
            f"{source} is not like coco_captions, with image, image/filename and "
            f"captions/text: {error}"
        ) from error
    return records


def _config_and_version(path: Path) -> tuple[Path, list[int], str]:
    """Order what TFDS prepared: of a config's versions, 1.10.0 comes after 1.9.0."""
    version = path.parent.name
    return path.parents[1], [int(n) for n in re.findall(r"\d+", version)], version
