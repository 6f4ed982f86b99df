"""Arrays in HDF5, about one byte a number; a file is read without trusting it.

model.weights.h5 is HDF5, in the groups that Keras makes. Of Keras' float32 arrays,

    those with 2 axes or more, and 4,096 numbers or more
        become a group of two arrays: "int8", of the same shape, and "scales",
        float16 (blocks,). A block is 32 numbers in C order, the last one may be
        shorter; weight = int8 * scale of its block.
    others become float16, or stay float32 beyond its range.

Keras takes a group in the place of an array for an error, and `load_weights` takes an
int8 array without scales for one, so integers never pass for weights.
"""

import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5f, h5g, h5p

BLOCK = 32
LARGE = 4096
VALUES, SCALES = "int8", "scales"
MOST = 127
HALF_MAX = float(np.finfo(np.float16).max)


def write_group(path: Path, source: h5py.Group, without: Collection[str] = ()) -> None:
    """Write a group as a file, its arrays rounded.

    The same arrays give the same bytes, also if they were rounded before. Attributes
    are left out: in them Keras numbers the layers of a process.

    Args:
        without: names in the group to leave out.
    """
    with _create(path) as target:

        def write(name: str, item: Any) -> None:
            if name.split("/")[0] in without:
                return
            if isinstance(item, h5py.Group):
                _create_group(target, name)
            else:
                _write_array(target, name, item[()])

        source.visititems(write)


def _create(path: Path) -> h5py.File:
    access, timeless = h5p.create(h5p.FILE_ACCESS), h5p.create(h5p.FILE_CREATE)
    # HDF5 1.8 of 2008 writes groups in less room than the older default, with times.
    access.set_libver_bounds(h5f.LIBVER_V18, h5f.LIBVER_LATEST)
    access.set_fclose_degree(h5f.CLOSE_STRONG)
    timeless.set_obj_track_times(False)
    name = os.fsencode(path)
    return h5py.File(h5f.create(name, h5f.ACC_TRUNC, fcpl=timeless, fapl=access))


def _create_group(group: h5py.Group, name: str) -> h5py.Group:
    timeless = h5p.create(h5p.GROUP_CREATE)
    timeless.set_obj_track_times(False)
    h5g.create(group.id, name.encode(), gcpl=timeless)
    return group[name]


def _write_array(group: h5py.Group, name: str, array: np.ndarray) -> None:
    if array.dtype == np.float32:
        if array.ndim >= 2 and array.size >= LARGE and (rounded := _round(array)):
            pair = _create_group(group, name)
            pair[VALUES], pair[SCALES] = rounded
            return
        if np.abs(array).max(initial=0) < HALF_MAX:
            array = array.astype(np.float16)
    group.create_dataset(name, data=array)


def _round(array: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Write float32 numbers as int8 and scales; None if a scale would not be finite.

    A scale is the least float16 by which the largest number of its block becomes 127
    or less. So the error is half a scale at most: 1/254 of the largest number, and
    2**-25 where float16 ends. There the next smaller scale can be the least one of the
    rounded numbers; it is taken, so that rounding them again changes nothing.
    """
    blocks = _to_blocks(array)
    largest = np.abs(blocks).max(axis=1, initial=0)
    scales = _find_scales(largest)
    if not np.isfinite(scales).all():
        return None
    rounded = _to_steps(largest, scales) * scales.astype(np.float32)
    scales = _find_scales(rounded)
    steps = _to_steps(blocks, scales[:, None])
    return _from_blocks(steps.astype(np.int8), array.shape), scales


def _find_scales(largest: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        scales = (largest / MOST).astype(np.float16)
        up = np.nextafter(scales, np.float16(np.inf))
    return np.where(scales.astype(np.float32) * MOST < largest, up, scales)


def _to_steps(numbers: np.ndarray, scales: np.ndarray) -> np.ndarray:
    column = scales.astype(np.float32)
    steps = np.divide(numbers, column, out=np.zeros_like(numbers), where=column > 0)
    return np.clip(np.rint(steps), -MOST, MOST)


def _to_blocks(array: np.ndarray) -> np.ndarray:
    flat = array.reshape(-1)
    return np.pad(flat, (0, -flat.size % BLOCK)).reshape(-1, BLOCK)


def _from_blocks(blocks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return blocks.reshape(-1)[: int(np.prod(shape))].reshape(shape)


def count_numbers(path: Path, part: str = "") -> int:
    """Count the numbers in a file without reading them; for `part` see `unpack_file`.

    Raises:
        Exception: any, see `unpack_file`.
    """
    with h5py.File(path) as file:
        return _count(_get(file, part) if part else file)


def _count(group: h5py.Group) -> int:
    if VALUES in group:
        return _get(group, VALUES).size
    items = [_get(group, name) for name in group]
    return sum(_count(i) if isinstance(i, h5py.Group) else i.size for i in items)


def unpack_file(
    path: Path, part: str = "", others: Mapping[str, Path] | None = None
) -> bytes:
    """Give the file that Keras would have written.

    Args:
        part: the group to take; empty is all.
        others: files of further groups, by the name of the group.

    Raises:
        Exception: any that HDF5, NumPy and Python raise at a file that is damaged,
            and TypeError or ValueError if an array reads other files, unpacks to more
            than it holds, or has numbers that are not finite.
    """
    with (
        h5py.File(path) as source,
        h5py.File("full", "w", driver="core", backing_store=False) as target,
    ):
        _unpack(_get(source, part) if part else source, target)
        for name, other in (others or {}).items():
            with h5py.File(other) as further:
                _unpack(further, target.create_group(name))
        target.flush()
        return target.id.get_file_image()


def _unpack(source: h5py.Group, target: h5py.Group) -> None:
    """Copy to Keras' own layout."""
    for name in source:
        item = _get(source, name)
        if isinstance(item, h5py.Group) and VALUES not in item:
            _unpack(item, target.create_group(name))
            continue
        array = _read_pair(item) if isinstance(item, h5py.Group) else item[()]
        if array.dtype == np.int8:
            raise TypeError(f"{item.name} has no scales.")
        if not np.isfinite(array).all():
            raise ValueError(f"{item.name} has numbers that are not finite.")
        target[name] = array


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
