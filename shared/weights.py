"""A model's weights in a bundle, about one byte for each.

model.weights.h5 is HDF5, in the groups that Keras makes; see `shared.packed`.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import h5py
import keras

from shared.errors import AppError
from shared.packed import count_numbers, unpack_file, write_array

WEIGHTS = "model.weights.h5"  # as in shared.bundles, which imports this room


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
            copied = write_array(target, name, item[()])
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
        held, wanted = count_numbers(path, part), model.count_params()
        sizes = f"{held} numbers for {wanted}; "
        if held > 2 * wanted + 1000:  # there are some for random numbers as well
            raise ValueError("They are those of a larger model.")
        with _on_disk(unpack_file(path, part)) as full:
            model.load_weights(full)
    except AppError:
        raise
    except Exception as error:  # whatever HDF5 and Keras make of a stranger's file
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
