"""A model's weights in a bundle, about one byte for each.

model.weights.h5 is HDF5, in the groups that Keras makes. Of Keras' float32 arrays,

    those with 2 axes or more, and 4,096 numbers or more
        become a group of two arrays: "int8", of the same shape, and "scales",
        float16 (blocks,). A block is 32 numbers in C order, the last one may be
        shorter; weight = int8 * scale of its block.
    others become float16, or stay float32 beyond its range.

Keras takes a group in the place of an array for an error, and `load_weights` takes an
int8 array without scales for one, so integers never pass for weights.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np

from shared.errors import AppError

WEIGHTS = "model.weights.h5"  # as in shared.bundles, which imports this room
BLOCK = 32
LARGE = 4096
VALUES, SCALES = "int8", "scales"
MOST = 127
HALF_MAX = float(np.finfo(np.float16).max)


def write_weights(folder: Path, model: keras.Model) -> None:
    """Write a model's weights, rounded; its optimizer's are left out.

    Raises:
        OSError: if the disk does not take them; for a moment they lie in the folder
            as Keras writes them, too.
    """
    full = folder / "full.weights.h5"
    model.save_weights(full)

    def write(name: str, item: Any) -> None:
        if name.split("/")[0] == "optimizer":  # only training needs it
            return
        copied: Any
        if isinstance(item, h5py.Dataset):
            copied = _write_array(target, name, item[()])
        else:
            copied = target.require_group(name)
        for key, value in item.attrs.items():
            copied.attrs[key] = value

    # HDF5 1.8 of 2008 writes groups in less room than the older default.
    with (
        h5py.File(full) as source,
        h5py.File(folder / WEIGHTS, "w", libver="v108") as target,
    ):
        source.visititems(write)
    full.unlink()


def load_weights(folder: Path, model: keras.Model, part: str = "") -> None:
    """Give a model the weights of a checked bundle, of either format.

    Args:
        folder: the bundle.
        model: what takes them.
        part: the attribute of the bundle's model that `model` is; empty is all.

    Raises:
        AppError: if they belong to another model, or are no weights, or the disk has
            no room to unpack them.
    """
    path, sizes = folder / WEIGHTS, ""
    try:
        held, content = _unpack_file(path, part)
        sizes = f"{held} numbers for {model.count_params()}; "
        with _on_disk(content) as full:
            model.load_weights(full)
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        # Keras gives its reason in the second paragraph.
        reason = str(error).strip().split("\n\n")[:2][-1].split("\n")[0]
        raise AppError(
            f"The weights {path} do not fit the model that config.toml and "
            f"vocabulary.txt describe: {sizes}{reason} Get the bundle again."
        ) from error


@contextmanager
def _on_disk(content: bytes) -> Iterator[Path]:
    """Put a file where Keras can read it, for a while."""
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
            )
            path = Path(folder) / "full.weights.h5"
            path.write_bytes(content)
        except OSError as error:
            raise AppError(
                f"The weights cannot be unpacked for a moment: {error}. Free "
                f"{len(content) / 1e6:.0f} MB for temporary files, or set TMPDIR to "
                "another folder."
            ) from error
        yield path


def _write_array(group: h5py.Group, name: str, array: np.ndarray) -> Any:
    if array.dtype != np.float32:
        return group.create_dataset(name, data=array)
    if array.ndim >= 2 and array.size >= LARGE and (rounded := _round(array)):
        pair = group.create_group(name)
        pair[VALUES], pair[SCALES] = rounded
        return pair
    if np.abs(array).max(initial=0) < HALF_MAX:
        array = array.astype(np.float16)
    return group.create_dataset(name, data=array)


def _round(array: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Write float32 numbers as int8 and scales; None if a scale would not be finite.

    A scale is the least float16 by which the largest number of its block becomes 127
    or less. So the error is half a scale at most: 1/254 of the largest number, and
    2**-25 where float16 ends.
    """
    blocks = _to_blocks(array)
    largest = np.abs(blocks).max(axis=1, initial=0)
    with np.errstate(over="ignore"):
        scales = (largest / MOST).astype(np.float16)
        up = np.nextafter(scales, np.float16(np.inf))
    scales = np.where(scales.astype(np.float32) * MOST < largest, up, scales)
    if not np.isfinite(scales).all():
        return None
    column = scales.astype(np.float32)[:, None]
    steps = np.divide(blocks, column, out=np.zeros_like(blocks), where=column > 0)
    return _from_blocks(np.rint(steps).astype(np.int8), array.shape), scales


def _to_blocks(array: np.ndarray) -> np.ndarray:
    flat = array.reshape(-1)
    return np.pad(flat, (0, -flat.size % BLOCK)).reshape(-1, BLOCK)


def _from_blocks(blocks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return blocks.reshape(-1)[: int(np.prod(shape))].reshape(shape)


def _unpack_file(path: Path, part: str) -> tuple[int, bytes]:
    """Give the number of weights, and the file that Keras would have written."""
    with (
        h5py.File(path) as source,
        h5py.File("full", "w", driver="core", backing_store=False) as target,
    ):
        count = _unpack(_get(source, part) if part else source, target)
        target.flush()
        return count, target.id.get_file_image()


def _unpack(source: h5py.Group, target: h5py.Group) -> int:
    """Copy to Keras' own layout, and count the weights.

    Refuses what reads files outside the bundle, or unpacks to more than it holds.
    """
    count = 0
    for name in source:
        item = _get(source, name)
        if isinstance(item, h5py.Group) and VALUES not in item:
            count += _unpack(item, target.create_group(name))
            continue
        array = _read_pair(item) if isinstance(item, h5py.Group) else item[()]
        if array.dtype == np.int8:
            raise TypeError(f"{item.name} has no scales.")
        target[name] = array
        count += array.size
    return count


def _get(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    if name not in group:
        raise ValueError(f"{name} is missing.")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise TypeError(f"{name} is a link, not an array.")
    item = group[name]
    if h5py.h5o.get_info(item.id).rc > 1:
        raise TypeError(f"{name} is a link, as it has other names as well.")
    if isinstance(item, h5py.Group) or _is_plain(item):
        return item
    raise TypeError(f"{name} is not a plain array of numbers.")


def _is_plain(item: Any) -> bool:
    if not isinstance(item, h5py.Dataset):
        return False
    if item.shape is None or item.external or item.is_virtual:
        return False
    whole = item.id.get_storage_size() >= item.nbytes
    return whole and item.dtype.kind in "fui"


def _read_pair(group: h5py.Group) -> np.ndarray:
    if set(group) != {VALUES, SCALES}:
        raise ValueError(f"{group.name} is not a pair of {VALUES} and {SCALES}.")
    values, scales = (_get(group, name)[()] for name in (VALUES, SCALES))
    if values.dtype != np.int8 or scales.dtype != np.float16:
        raise TypeError(f"{group.name} is not int8 with scales of float16.")
    if scales.shape != (-(-values.size // BLOCK),):
        raise ValueError(
            f"{group.name} has scales {scales.shape} for {values.size} numbers."
        )
    if not (np.isfinite(scales) & (scales >= 0)).all():
        raise ValueError(f"{group.name} has scales that are negative or not numbers.")
    blocks = _to_blocks(values).astype(np.float32) * scales.astype(np.float32)[:, None]
    return _from_blocks(blocks, values.shape)
