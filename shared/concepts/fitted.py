"""What a concept net says of the photos that taught it: `fitted.npz`.

A NumPy archive: `photos`, digests of `digest_photos`; `said` and `there`,
float16 (photos, words). Each photo is judged by a net that it did not teach, since what
taught a net is known too well. This file needs no Keras.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from shared.concepts.table import ConceptProbs
from shared.errors import AppError
from shared.files.atomic import replace_file

FITTED = "fitted.npz"


def write_fitted(folder: Path, digests: Sequence[str], seen: ConceptProbs) -> None:
    """Write `fitted.npz`, see above.

    Raises:
        OSError: if it cannot be written.
    """
    with replace_file(folder / FITTED) as new, new.open("wb") as file:
        np.savez_compressed(
            file,
            photos=np.array(digests, dtype="U32"),
            said=np.asarray(seen.said, np.float16),
            there=np.asarray(seen.there, np.float16),
        )


def read_fitted(folder: Path) -> dict[str, ConceptProbs]:
    """Read `fitted.npz`, see above.

    Returns:
        by digest, float16 (V,) each.

    Raises:
        AppError: if it is not there, or damaged.
    """
    path = folder / FITTED
    try:
        with np.load(path, allow_pickle=False) as file:
            digests, said, there = file["photos"], file["said"], file["there"]
        if said.ndim != 2 or said.dtype != np.float16:
            raise ValueError(f"`said` is {said.dtype} {said.shape}")
        rows = zip(digests.tolist(), said, there, strict=True)
        return {digest: ConceptProbs(one, other) for digest, one, other in rows}
    except Exception as error:  # NumPy and zipfile have many
        raise AppError(
            f"{path} cannot be read: {error}. Make the concepts anew with `captioner "
            "teach`."
        ) from error
