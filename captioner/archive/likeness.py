"""How much photos show the same, by their features. Pure: knows no database.

Axes: N photos, C concepts, F numbers of a photo.
"""

from collections.abc import Iterator

import numpy as np

from captioner.archive.features import ODDS

SKETCH = 64  # numbers by which photos are compared first
SAME = 0.75  # least cosine of the outlines of photos that are the same
AT_ONCE = 1024  # photos compared with all others


def to_unit(rows: np.ndarray) -> np.ndarray:
    """Give float32 (N, F) rows of length 1; what is all 0 stays so."""
    length = np.sqrt(np.einsum("nf,nf->n", rows, rows))[:, None]
    return (rows / np.maximum(length, 1e-9)).astype(np.float32)


def sketch(odds: np.ndarray) -> np.ndarray:
    """Sketch what photos show: cosines of sketches come near those of their odds.

    Args:
        odds: uint8 (N, C), see `captioner.archive.features`.

    Returns:
        float32 (N, `SKETCH`), of length 1, of odds about their mean.

    Source: Johnson & Lindenstrauss 1984, for random directions.
    """
    directions = np.random.default_rng(0).standard_normal((odds.shape[1], SKETCH))
    directions = directions.astype(np.float32)
    found = np.concatenate(
        [np.zeros((0, SKETCH), np.float32)]
        + [ODDS[some] @ directions for some in _parts(odds)]
    )
    return to_unit(found - found.mean(axis=0, keepdims=True)) if len(found) else found


def find_same(outlines: np.ndarray) -> list[list[int]]:
    """Find the photos that are the same: groups of two and more, by their places.

    Whoever is the same as one of a group belongs to it.

    Args:
        outlines: uint8 (N, bytes), see `captioner.archive.features`; those of plain
            photos, all 0, are like no others.
    """
    kinds, inverse = np.unique(outlines, axis=0, return_inverse=True)
    first = list(range(len(kinds)))

    def find(kind: int) -> int:
        while first[kind] != kind:
            first[kind] = first[first[kind]]
            kind = first[kind]
        return kind

    for pair in _pairs(kinds):
        low, high = sorted(map(find, pair))
        first[high] = low
    groups: dict[int, list[int]] = {}
    for place, kind in enumerate(inverse.tolist()):
        if kinds[kind].any():
            groups.setdefault(find(kind), []).append(place)
    return [group for group in groups.values() if len(group) > 1]


def _pairs(kinds: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield the places of outlines that are nearly the same."""
    signs = np.unpackbits(kinds, axis=1) * np.float32(2) - 1  # products are whole
    least = SAME * signs.shape[1]
    for start in range(0, len(signs), AT_ONCE):
        some = signs[start : start + AT_ONCE]
        rows, columns = np.nonzero(some @ signs[start:].T >= least)
        later = columns > rows
        yield from zip(
            (rows[later] + start).tolist(),
            (columns[later] + start).tolist(),
            strict=True,
        )


def _parts(rows: np.ndarray) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), AT_ONCE):
        yield rows[start : start + AT_ONCE]
