"""A model's weights in a bundle, about one byte for each.

model.weights.h5 is HDF5, in the groups that Keras makes; see `packed`. Of a
model with concepts, two groups are files of their own, encoder.weights.h5 and
concepts.weights.h5: training does not change them, so that siblings of both tasks have
the same, byte for byte.
"""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import h5py
import keras

from shared.bundles.manifests import APART, WEIGHTS, locate, weight_files
from shared.bundles.packed import count_numbers, unpack_file, write_group
from shared.errors import AppError
from shared.included import get_again


def write_weights(folder: Path, model: keras.Model) -> list[str]:
    """Write a model's weights, rounded; its optimizer's are left out.

    Returns:
        names of the files.

    Raises:
        OSError: if the disk does not take them; for a moment they lie in the folder
            as Keras writes them, too.
    """
    full = folder / "full.weights.h5"
    model.save_weights(full)
    apart = APART if getattr(model, "concepts", None) else {}
    with h5py.File(full) as source:
        write_group(folder / WEIGHTS, source, {"optimizer", *apart})
        for part, name in apart.items():
            write_group(folder / name, source[part])
    full.unlink()
    return [WEIGHTS, *apart.values()]


def load_weights(folder: Path, model: keras.Model, part: str = "") -> None:
    """Give a model the weights of a checked bundle, of any format.

    Args:
        folder: the bundle.
        model: what takes them.
        part: the attribute of the bundle's model that `model` is; empty is all.

    Raises:
        AppError: if they belong to another model, or are no weights, or the disk has
            no room to unpack them.
    """
    names = weight_files(folder)
    name = names.pop(part if part in names else "")
    path, sizes = locate(folder, name), ""
    others = {} if part else {p: locate(folder, file) for p, file in names.items()}
    part = part if name == WEIGHTS else ""
    try:
        held, wanted = count_numbers(path, part), model.count_params()
        held += sum(map(count_numbers, others.values()))
        sizes = f"{held} numbers for {wanted}; "
        if held > 2 * wanted + 1000:  # there are some for random numbers as well
            raise ValueError("They are those of a larger model.")
        with _on_disk(unpack_file(path, part, others)) as full:
            model.load_weights(full)
    except AppError:
        raise
    except Exception as error:  # whatever HDF5 and Keras make of a stranger's file
        # Keras gives its reason in the second paragraph.
        reason = str(error).strip().split("\n\n")[:2][-1].split("\n")[0]
        raise AppError(
            f"The weights {path} do not fit the model that config.toml and "
            f"vocabulary.txt describe: {sizes}{reason} {get_again(path)}"
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
