"""Captioned photos that TensorFlow Datasets has prepared, such as coco_captions."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.data.captions.rows import SPLITS, Row
from shared.data.walking import walk
from shared.errors import AppError

START = "tfds:"
ABOUT = "  tfds:coco_captions or tfds:coco_captions:DATA_DIR, prepared before"


@dataclass(frozen=True)
class TfdsImage:
    """A photo inside a TFDS data set; its bytes are read when asked for."""

    name: str
    rows: Sequence[Any]
    index: int

    def read_bytes(self) -> bytes:
        """Encoded image."""
        return bytes(self.rows[self.index]["image"])


def tfds_rows(source: str) -> Iterator[tuple[TfdsImage, Row]]:
    """Read `tfds:coco_captions[:DATA_DIR]`; nothing is downloaded.

    DATA_DIR is that of `TFDS_DATA_DIR` or `~/tensorflow_datasets` if it is not said.

    Raises:
        AppError: if there is no such data set, or it is of another form.
    """
    import tensorflow_datasets as tfds

    _, name, *rest = source.split(":", 2)
    default = os.environ.get("TFDS_DATA_DIR") or "~/tensorflow_datasets"
    data_dir = Path(rest[0] if rest else default).expanduser()
    below = walk(data_dir / name) if name and (data_dir / name).is_dir() else ()
    found = (
        Path(folder, "dataset_info.json")
        for folder, names in below
        if "dataset_info.json" in names
        and not Path(folder).name.startswith("incomplete")
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
    try:
        for word in builder.info.splits:
            rows = builder.as_data_source(word, decoders=encoded)
            for i, row in enumerate(rows if word in SPLITS else ()):
                file = row["image/filename"].decode()
                captions = [text.decode() for text in row["captions"]["text"]]
                number = int(row["image/id"]) if "image/id" in row else None
                image = TfdsImage(file, rows, i)
                yield image, Row(source, (file,), captions, SPLITS[word], number)
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


def _config_and_version(path: Path) -> tuple[Path, list[int], str]:
    """Order what TFDS prepared: of a config's versions, 1.10.0 comes after 1.9.0."""
    version = path.parent.name
    return path.parents[1], [int(n) for n in re.findall(r"\d+", version)], version
