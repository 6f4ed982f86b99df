"""A trained model on disk.

A bundle is a folder; it alone is needed to use the model:

    config.toml      the recipe that the model was trained with
    vocabulary.txt   see `shared.text.vocabulary`
    model.weights.h5 see `shared.bundles.weights`
    card.md          what it was trained on, scores, licences, limits
    <name>           other text that a task needs, such as answers.txt
    <part>/…         files of a part, which was made from these weights: the model in
                     another form, such as litert/encoder.tflite
    manifest.json    {"format": 3, "task": …, "files": {name: SHA-256, …}}, with
                     names such as "card.md" and "litert/encoder.tflite"

A part has a section in the card, between <!-- part … --> and <!-- end of part … -->.

Format 1 had neither parts nor weights of one byte, and format 2, which is still that of
models without concepts, has all weights in one file. All are read, and programs that
know only older ones ask to be updated.

Nothing in it is executed: text, JSON and arrays only. What lies in a part is for the
file that reads it to judge. This one needs no Keras, so that a bundle can be used
without.
"""

import errno
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared.bundles.manifests import (
    CARD,
    CONFIG,
    FILES,
    MANIFEST,
    MOST_TOTAL,
    VOCABULARY,
    beside,
    check_digest,
    digest,
    is_safe,
    locate,
    read_manifest,
    read_text,
    size_of,
    weight_files,
    write_manifest,
)
from shared.errors import AppError
from shared.files.atomic import sync_folder, sync_tree
from shared.included import get_again


def write_bundle(
    folder: Path,
    *,
    task: str,
    config: str,
    vocabulary: str,
    model: Any,
    card: str,
    more: Mapping[str, str] | None = None,
) -> None:
    """Write a bundle, whole or not at all.

    Whoever calls holds its place, see `shared.files.locks.hold`, from before the
    work that leads to it.

    Args:
        folder: where; a bundle that is there already is replaced, and its parts,
            which were made from other weights, go.
        task: "captioner", "vqa" or "rnn".
        config, vocabulary, card: the files' text.
        model: the `keras.Model`; its weights are rounded, see `shared.bundles.weights`.
        more: text of further files by name, such as "answers.txt".

    Raises:
        AppError: if the folder holds other things, or the disk does not take it.
    """
    from shared.bundles.weights import write_weights  # Keras

    if folder.exists() and not _may_replace(folder):
        raise AppError(
            f"{folder} holds something that is not a bundle. Choose another folder."
        )
    # HDF5 can crash the process when a disk fills up under it.
    with _replacing(folder, needed=6 * model.count_params()) as new:
        (new / CONFIG).write_text(config, "utf-8")
        (new / VOCABULARY).write_text(vocabulary, "utf-8")
        (new / CARD).write_text(card, "utf-8")
        for name, text in (more or {}).items():
            (new / name).write_text(text, "utf-8")
        names = {*FILES, *write_weights(new, model), *(more or ())}
        write_manifest(new, task, {name: digest(new, name) for name in names})


def add_part(folder: Path, name: str, files: Mapping[str, bytes], card: str) -> None:
    """Add a part to a bundle, or replace it, whole or not at all.

    Whoever calls holds the bundle, as for `write_bundle`.

    Args:
        folder: the bundle.
        name: the part's, an identifier such as "litert".
        files: content of its files, at least one; in their names "/" is a folder.
        card: its section of the bundle's card: Markdown with a heading.

    Raises:
        AppError: if the folder is not a whole bundle, or holds other things as well,
            or the disk does not take it.
        ValueError: if a name is not safe, or there is no file.
    """
    added = {f"{name}/{file}": content for file, content in files.items()}
    if not added or not name.isidentifier() or not all(map(is_safe, added)):
        raise ValueError(
            f"`name` must be an identifier and `files` have relative names. Received: "
            f"name={name!r}, files={list(files)}"
        )
    manifest = read_manifest(folder)
    kept = [file for file in manifest["files"] if not file.startswith(f"{name}/")]
    check_bundle(folder, manifest["task"], kept)
    check_changeable(folder)
    text = read_text(folder, CARD) if CARD in kept else ""
    added[CARD] = _set_section(text, name, card).encode()
    needed = sum(size_of(folder, file) for file in kept)
    needed += sum(map(len, added.values()))
    with _replacing(folder, needed) as new:
        for file in kept:
            (new / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(locate(folder, file), new / file)
        for file, content in added.items():
            (new / file).parent.mkdir(parents=True, exist_ok=True)
            (new / file).write_bytes(content)
        digests = {file: manifest["files"][file] for file in kept}
        digests |= {file: digest(new, file) for file in added}
        write_manifest(new, manifest["task"], digests)


def check_changeable(folder: Path) -> None:
    """Make sure that a bundle can be given a part, before that part is made.

    Raises:
        AppError: if there is no bundle, the folder holds other things, or its place is
            not writable.
    """
    read_manifest(folder)
    check_replaceable(folder)


def check_replaceable(folder: Path) -> None:
    """Make sure that a bundle can take the place of a folder, be it damaged or empty.

    Raises:
        AppError: if the folder holds other things, or its place is not writable.
    """
    if not _may_replace(folder):
        raise AppError(
            f"{folder} is not a folder with a bundle and nothing else. Move the other "
            "things away."
        )
    if not os.access(folder.absolute().parent, os.W_OK):
        raise AppError(
            f"{folder.absolute().parent} is not writable, so the bundle in it cannot "
            "be changed. Copy the bundle to a folder of your own."
        )


def has_part(folder: Path, name: str) -> bool:
    """Whether a bundle's manifest lists files of a part; they may be damaged.

    Raises:
        AppError: if there is no bundle.
    """
    return any(file.startswith(f"{name}/") for file in read_manifest(folder)["files"])


def check_bundle(
    folder: Path, task: str | None, names: Collection[str] | None = None
) -> dict[str, str]:
    """Make sure that a folder is a whole, unchanged bundle for a task.

    Args:
        folder: the bundle.
        task: "captioner", "vqa" or "rnn"; None is any.
        names: the only files to look at, to be quick; None is all.

    Returns:
        SHA-256 in hexadecimal of each of these files, by name.

    Raises:
        AppError: if it is not; the message names what was found and expected.
    """
    manifest = read_manifest(folder)
    if task not in (None, manifest["task"]):
        raise AppError(
            f"{folder} is a bundle for {manifest['task']!r}, not for {task!r}."
        )
    files = manifest["files"]
    for name in files:
        if not is_safe(name):
            raise AppError(
                f"{folder / MANIFEST} names {name[:80]!r}, which is not a plain file "
                "name. The bundle is not to be trusted: get it again."
            )
    wanted = files if names is None else names
    for name in wanted:
        if name not in files:
            raise AppError(
                f"The bundle {folder} comes without {name}. Get one that has it."
            )
    total = sum(size_of(folder, name) for name in wanted)
    if total > MOST_TOTAL:
        raise AppError(
            f"The files of {folder} have {total:,} bytes, and those of a bundle have "
            f"{MOST_TOTAL:,} at most. {get_again(folder)}"
        )
    for name in wanted:
        check_digest(folder, name, files[name])
    return {name: files[name] for name in wanted}


def check_size(folder: Path, weights: int, part: str = "") -> None:
    """Make sure that a bundle may have so many weights, before a net takes memory.

    Args:
        weights: numbers that its texts ask for, at the least.
        part: which part of the model has so many, see `weight_files`; empty is all.

    Raises:
        AppError: if its weights' file is smaller: a number takes a byte or more.
    """
    names = weight_files(folder)
    name = names.get(part, names[""])
    if weights > (size := size_of(folder, name)):
        raise AppError(
            f"The weights {folder / name} do not fit the model that config.toml and "
            f"the lists of words describe: they have {size:,} bytes, it has "
            f"{weights:,} numbers or more. {get_again(folder)}"
        )


def read_card(folder: Path) -> str:
    """Read the card of a bundle, which is Markdown; empty if it comes without one.

    Raises:
        AppError: if there is no bundle, or its card was changed, is no plain file in
            the folder, or no text.
    """
    files = read_manifest(folder)["files"]
    if CARD not in files:
        return ""
    check_digest(folder, CARD, files[CARD])
    return read_text(folder, CARD)


@contextmanager
def _replacing(folder: Path, needed: int) -> Iterator[Path]:
    """Give an empty folder, which takes the place of another when it is filled.

    Whenever it is killed, or the power fails, the old folder or the new one is there,
    and whole; between the two renames the old one has another name, which
    `read_manifest` tells.
    """
    new, old = beside(folder, ".part"), beside(folder, ".old")
    needed += 10**6
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        if shutil.disk_usage(new).free < needed:
            raise OSError(errno.ENOSPC, f"{needed / 1e6:.0f} MB are needed")
        yield new
        sync_tree(new)
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        new.rename(folder)
        sync_folder(folder.absolute().parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(new, ignore_errors=True)
        raise AppError(
            f"The bundle {folder} cannot be written: {error}. Free some disk, or "
            "choose a folder that you may write to."
        ) from error


def _may_replace(folder: Path) -> bool:
    """Whether there is nothing in a folder, or a bundle and nothing else."""
    if not folder.is_dir() or folder.is_symlink():
        return False
    if not any(folder.iterdir()):
        return True
    try:
        listed = read_manifest(folder)["files"]
    except AppError:  # a damaged bundle may be replaced; unknown files may not
        listed = {}
    known = (name for name in listed if is_safe(name))
    files = {folder / name for name in (*FILES, MANIFEST, *known)}
    folders = {parent for file in files for parent in file.parents}
    return (folder / MANIFEST).exists() and all(
        path in (folders if path.is_dir() else files) and not path.is_symlink()
        for path in folder.rglob("*")
    )


def _set_section(card: str, name: str, text: str) -> str:
    """Put the section of a part into a card, in the place of one that is there."""
    first, last = f"<!-- part {name} -->", f"<!-- end of part {name} -->"
    section = f"{first}\n\n{text.strip()}\n\n{last}"
    before, _, rest = card.partition(first)
    _, closed, after = rest.partition(last)
    if closed:
        return before + section + after
    return f"{card.rstrip()}\n\n{section}\n".lstrip()
