"""Run a frozen encoder once over a data set, and look its features up by photo.

A cache is a folder:

    features.npy   float16 (N, W, R, D), memory-mapped: N photos, W views of each
    done.npy       bool (N,), memory-mapped: whether the photo's features are there
    photos.txt     a line per photo: 32 hexadecimal digits of its content's
                   SHA-256, a space and its name
    key.txt        what the features depend on; other keys are other folders

A view is the photo as it is (the first), or mirrored (the second).
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from shared.console.progress import counted
from shared.errors import AppError, DataLost
from shared.files.atomic import replace_file, sync_file, write_text
from shared.files.fingerprints import digest_photos
from shared.files.locks import hold
from shared.vision.encoders import Encoder
from shared.vision.images import Resize, StoredImage, read_image

BATCH = 32
HALF_MAX = float(np.finfo(np.float16).max)


class PhotosLost(DataLost):
    """Photos that could be read when a run began can no longer be read.

    Args:
        reasons: of each, at least one.
    """

    def __init__(self, reasons: Sequence[str]):
        super().__init__(
            f"{len(reasons)} of the photos can no longer be read, the first: "
            f"{reasons[0]} Bring them back and give the same command again, which "
            "goes on where it stopped; or start a new run with another --out."
        )


def read_again(
    photo: Path | StoredImage, size: int | None = None, resize: Resize = "squash"
) -> np.ndarray:
    """Read a photo that could be read when the run began; see `read_image`.

    Raises:
        PhotosLost: if it cannot any more.
    """
    try:
        return read_image(photo, size, resize)
    except AppError as error:
        raise PhotosLost([str(error)]) from error


class Features:
    """Features of photos, on disk.

    Axes: N photos, W views, R regions, D feature size.

    Attributes:
        array: float16 (N, W, R, D), a memory map.
        broken: reason for each photo, by index, that could not be read; its row
            holds zeros.
    """

    def __init__(self, array: np.ndarray, broken: dict[int, str]):
        self.array = array
        self.broken = broken

    def __len__(self) -> int:
        return len(self.array)


def extract_features(
    photos: Sequence[Path | StoredImage],
    encoder: Encoder,
    folder: Path,
    *,
    resize: Resize,
    mirrored: bool,
    announce: Callable[[str], None] = print,
) -> Features:
    """Fill a cache, or go on with one that was interrupted, or just open it.

    Args:
        photos: what to encode; the rows are in this order.
        encoder: its fingerprint is part of the cache's key.
        folder: where caches are kept; this one gets a folder of its own there.
        resize: how a photo is brought to the encoder's size.
        mirrored: whether to add the mirrored view.
        announce: told what will be done and how it went, a sentence each.

    Raises:
        AppError: if the disk is too small for it, or cannot be written; or if another
            process is filling this cache.
    """
    views = 2 if mirrored else 1
    shape = (len(photos), views, encoder.regions, encoder.feature_size)
    contents = digest_photos(photos)
    key = json.dumps(
        {
            "encoder": encoder.fingerprint(),
            "resize": resize,
            "shape": shape,
            "photos": hashlib.sha256("".join(contents).encode()).hexdigest(),
        },
        indent=1,
    )
    home = folder / hashlib.sha256(key.encode()).hexdigest()[:16]
    try:
        home.mkdir(parents=True, exist_ok=True)
        with hold(home, "a training that computes features"):
            array, done = _open(home, key, shape, photos, contents, announce)
            broken = _fill(photos, encoder, array, done, resize, announce)
    except (ValueError, FileNotFoundError) as error:  # ValueError: NumPy's
        raise AppError(
            f"The feature cache {home} is damaged: {error}. Delete this folder and "
            "give the same command again: it computes the features anew."
        ) from error
    except OSError as error:
        raise AppError(
            f"The feature cache {home} cannot be written: {error}. Free some disk, or "
            "choose another place with --cache."
        ) from error
    return Features(array, broken)


def _open(
    home: Path,
    key: str,
    shape: tuple[int, ...],
    photos: Sequence[Path | StoredImage],
    contents: list[str],
    announce: Callable[[str], None],
) -> tuple[np.memmap, np.memmap]:
    if not (home / "key.txt").exists():
        needed = int(np.prod(shape)) * 2
        free = shutil.disk_usage(home).free
        announce(
            f"Features of {counted(shape[0], 'photo')} will take {needed / 1e9:.2f} GB "
            f"in {home} ({free / 1e9:.1f} GB free)."
        )
        if needed > free:
            raise AppError(
                f"The features need {needed / 1e9:.2f} GB, and {home} has "
                f"{free / 1e9:.2f} GB free. Free some, or choose another place with "
                "--cache."
            )
        _memory_map(home / "features.npy", np.float16, shape)
        _memory_map(home / "done.npy", np.bool_, shape[:1])
        lines = (f"{c} {p.name}\n" for c, p in zip(contents, photos, strict=True))
        text = "".join(lines).encode("utf-8", "surrogateescape")  # any bytes
        with replace_file(home / "photos.txt") as new:
            new.write_bytes(text)
        write_text(home / "key.txt", key)  # last: a folder with a key is whole
    array, done = (
        np.lib.format.open_memmap(home / name, "r+")
        for name in ("features.npy", "done.npy")
    )
    if (array.shape, done.shape) != (shape, shape[:1]):
        raise ValueError(f"it holds arrays {array.shape} and {done.shape}")
    return array, done


def _memory_map(path: Path, dtype: Any, shape: tuple[int, ...]) -> None:
    np.lib.format.open_memmap(path, "w+", dtype, shape).flush()
    if hasattr(os, "posix_fallocate"):
        # Writing to a map whose blocks the disk cannot give any more ends the process.
        with path.open("rb+") as file:
            try:
                os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
            except OSError as error:
                if error.errno == errno.ENOSPC:
                    raise
    sync_file(path)  # its size; what is in it, `flush` brings to the disk


def _fill(
    photos: Sequence[Path | StoredImage],
    encoder: Encoder,
    array: np.memmap,
    done: np.memmap,
    resize: Resize,
    announce: Callable[[str], None],
) -> dict[int, str]:
    todo = np.flatnonzero(~done)
    if 0 < len(todo) < len(photos):
        there = counted(len(photos) - len(todo), "photo")
        announce(f"Features of {there} are there already.")
    broken: dict[int, str] = {}
    for batch in _batches(todo, photos, encoder.image_size, resize):
        good = [index for index, image in batch if isinstance(image, np.ndarray)]
        broken |= {i: image for i, image in batch if isinstance(image, str)}
        if not good:
            continue
        images = np.stack(
            [image for _, image in batch if isinstance(image, np.ndarray)]
        )
        array[good, 0] = _encode(encoder, images)
        if array.shape[1] == 2:
            array[good, 1] = _encode(encoder, images[:, :, ::-1])
        array.flush()  # before `done` says so
        done[good] = True
        done.flush()
    return broken


def _batches(
    todo: np.ndarray, photos: Sequence[Path | StoredImage], size: int, resize: Resize
) -> Iterator[list[tuple[int, np.ndarray | str]]]:
    def load(index: int) -> tuple[int, np.ndarray | str]:
        try:
            return index, read_image(photos[index], size, resize)
        except AppError as error:
            return index, str(error)

    with ThreadPoolExecutor(2) as pool:
        for start in range(0, len(todo), BATCH):
            yield list(pool.map(load, todo[start : start + BATCH].tolist()))


def _encode(encoder: Encoder, images: np.ndarray) -> np.ndarray:
    """Run a full batch, so that the net is compiled for one shape only."""
    padded = np.zeros((BATCH, *images.shape[1:]), np.uint8)
    padded[: len(images)] = images
    features = ops.convert_to_numpy(encoder.predict_on_batch(padded))[: len(images)]
    return features.clip(-HALF_MAX, HALF_MAX).astype(np.float16)
