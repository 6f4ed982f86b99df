"""A trained model on disk.

A bundle is a folder; it alone is needed to use the model:

    config.toml      the recipe that the model was trained with
    vocabulary.txt   see `shared.text`
    model.weights.h5 weights as Keras writes them, as float16 where they fit
    card.md          what it was trained on, scores, licences, limits
    manifest.json    {"format": 1, "task": …, "files": {name: SHA-256, …}}

Nothing in it is executed: text, JSON and arrays only.
"""

import errno
import hashlib
import json
import shutil
from pathlib import Path, PureWindowsPath
from typing import Any

import h5py
import keras
import numpy as np

from shared.errors import AppError

FORMAT = 1
CONFIG, VOCABULARY, WEIGHTS, CARD = (
    "config.toml",
    "vocabulary.txt",
    "model.weights.h5",
    "card.md",
)
FILES = (CONFIG, VOCABULARY, WEIGHTS, CARD)
MANIFEST = "manifest.json"
HALF_MAX = float(np.finfo(np.float16).max)


def write_bundle(
    folder: Path,
    *,
    task: str,
    config: str,
    vocabulary: str,
    model: keras.Model,
    card: str,
) -> None:
    """Write a bundle, whole or not at all.

    Args:
        folder: where; a bundle that is there already is replaced.
        task: "captioner" or "vqa".
        config, vocabulary, card: the files' text.
        model: its weights are written as float16; those beyond its range stay
            float32.

    Raises:
        AppError: if the folder holds other things, or the disk does not take it.
    """
    if folder.exists() and not _may_replace(folder):
        raise AppError(
            f"{folder} holds something that is not a bundle. Choose another folder."
        )
    part = folder.with_name(folder.name + ".part")
    old = folder.with_name(folder.name + ".old")
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        # HDF5 can crash the process when a disk fills up under it.
        needed = 6 * model.count_params() + 10**6
        if shutil.disk_usage(part).free < needed:
            raise OSError(errno.ENOSPC, f"{needed / 1e6:.0f} MB are needed")
        (part / CONFIG).write_text(config, "utf-8")
        (part / VOCABULARY).write_text(vocabulary, "utf-8")
        (part / CARD).write_text(card, "utf-8")
        _write_weights(part / WEIGHTS, model)
        names = sorted(path.name for path in part.iterdir())
        files = {name: _digest(part / name) for name in names}
        manifest = {"format": FORMAT, "task": task, "files": files}
        (part / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", "utf-8")
        shutil.rmtree(old, ignore_errors=True)
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(part, ignore_errors=True)
        raise AppError(
            f"The bundle {folder} cannot be written: {error}. Free some disk, or "
            "choose a folder that you may write to."
        ) from error


def check_bundle(folder: Path, task: str) -> None:
    """Make sure that a folder is a whole, unchanged bundle for a task.

    Raises:
        AppError: if it is not; the message names what was found and expected.
    """
    manifest = _read_manifest(folder)
    if manifest.get("format") != FORMAT:
        raise AppError(
            f"{folder} is a bundle of format {manifest.get('format')!r}; this program "
            f"reads format {FORMAT}. Update sightread, or train the model again."
        )
    if manifest.get("task") != task:
        raise AppError(
            f"{folder} is a bundle for {manifest.get('task')!r}, not for {task!r}."
        )
    files = manifest.get("files")
    if not isinstance(files, dict) or not {CONFIG, VOCABULARY, WEIGHTS} <= set(files):
        raise AppError(f"{folder / MANIFEST} does not name the files of a bundle.")
    for name, expected in files.items():
        # As Windows reads it, which has all separators, and drives.
        if name != PureWindowsPath(name).name or name == "..":
            raise AppError(
                f"{folder / MANIFEST} names {name!r}, which is not a plain file name. "
                "The bundle is not to be trusted: get it again."
            )
        path = folder / name
        if path.is_symlink() or not path.is_file():
            raise AppError(f"{path} is missing, or not a file. Get the bundle again.")
        if (found := _digest(path)) != expected:
            raise AppError(
                f"{path} was changed or damaged: its SHA-256 is {found[:12]}…, the "
                f"manifest says {str(expected)[:12]}…. Get the bundle again."
            )


def read_text(folder: Path, name: str) -> str:
    """Read a text file of a checked bundle.

    Raises:
        AppError: if it is not UTF-8 text.
    """
    try:
        return (folder / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AppError(f"{folder / name} cannot be read: {error}") from error


def load_weights(folder: Path, model: keras.Model) -> None:
    """Give a model the weights of a checked bundle.

    Raises:
        AppError: if they belong to another model.
    """
    path, sizes = folder / WEIGHTS, ""
    try:
        with h5py.File(path) as file:
            held = _count_numbers(file)
        sizes = f"{held} numbers for {model.count_params()}; "
        model.load_weights(path)
    except (OSError, KeyError, TypeError, ValueError, RecursionError) as error:
        # Keras gives its reason in the second paragraph.
        reason = str(error).strip().split("\n\n")[:2][-1].split("\n")[0]
        raise AppError(
            f"The weights {path} do not fit the model that {folder / CONFIG} and "
            f"{folder / VOCABULARY} describe: {sizes}{reason} Get the bundle "
            "again."
        ) from error


def _may_replace(folder: Path) -> bool:
    """Whether there is nothing in a folder, or a bundle and nothing else."""
    if not folder.is_dir() or folder.is_symlink():
        return False
    names = {path.name for path in folder.iterdir()}
    return not names or (MANIFEST in names and names <= {*FILES, MANIFEST})


def _write_weights(path: Path, model: keras.Model) -> None:
    """Write Keras' own layout, with halved floats where they fit."""
    full = path.with_name("full.weights.h5")
    model.save_weights(full)

    def copy(name: str, item: Any) -> None:
        if name.split("/")[0] == "optimizer":  # only training needs it
            return
        if isinstance(item, h5py.Dataset):
            array = item[()]
            if array.dtype == np.float32 and np.abs(array).max(initial=0) < HALF_MAX:
                array = array.astype(np.float16)
            copied = target.create_dataset(name, data=array)
        else:
            copied = target.require_group(name)
        for key, value in item.attrs.items():
            copied.attrs[key] = value

    with h5py.File(full) as source, h5py.File(path, "w") as target:
        source.visititems(copy)
    full.unlink()


def _count_numbers(group: Any) -> int:
    """Refuse what reads files outside the bundle, or unpacks to more than it holds."""
    count = 0
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise TypeError(f"{name} is a link, not an array.")
        item = group[name]
        if isinstance(item, h5py.Group):
            count += _count_numbers(item)
        elif isinstance(item, h5py.Dataset) and _is_plain(item):
            count += item.size
        else:
            raise TypeError(f"{name} is not a plain array of numbers.")
    return count


def _is_plain(item: h5py.Dataset) -> bool:
    if item.shape is None or item.external or item.is_virtual:
        return False
    whole = item.id.get_storage_size() >= item.nbytes
    return whole and item.dtype.kind in "fui"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        raise AppError(
            f"No trained model in {folder}: {MANIFEST} is missing. Train one with "
            "`captioner train`, or give the folder of a bundle."
        )
    try:
        manifest = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise AppError(f"{path} cannot be read: {error}") from error
    if not isinstance(manifest, dict):
        raise AppError(f"{path} is not a manifest.")
    return manifest
