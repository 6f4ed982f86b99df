"""What an archive keeps of a photo's features, to rank photos without reading them.

All is made of what was computed for the photo's caption anyway:

    odds    uint8 (C,): for each concept how probable it is that a caption mentions it,
            as log-odds from -`MOST` to `MOST` in 255 steps; empty of a model without
            concepts
    left_out  float, sum over all concepts of log(1 + exp log-odds), see
            `captioner.archive.ranking`
    outline   bits, whether the photo grows lighter from left to right, in each of
            `SIDE` x `SIDE` places: alike of copies in other sizes, or of other files
    memory  what the decoder reads while it writes, and its states before the first
            word, each array in the order of their names: the size of a step as float32,
            rows, columns and L as uint16, L bytes of zlib, in which are int8, numbers
            of steps from -`STEPS` to `STEPS`. Regions are means of 3 x 3 parts of the
            photo.

They take 0.9 and 3.9 kB of the included model.

Source: Krawetz 2013, "Kind of like that", for outlines ("dHash").
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from shared.vision.grid import Grid

if TYPE_CHECKING:
    from captioner.describing.photo_captioner import Looked, PhotoCaptioner
    from captioner.net.runtime import Runtime

FORMAT = "odds and memory 1"  # with another one, photos are captioned anew
MOST = 9.25  # beyond the log-odds of the least probability that concept nets give
STEPS = 15  # either side of 0
PARTS, SIDE = 3, 11  # of a photo in each direction: of regions, of its outline
BY_REGION = ("regions", "keys")  # arrays of a memory with a row for each region
LARGEST = 2**20  # numbers of an array of an honest archive, at most

_HEAD = struct.Struct("<fHHH")

Memory = dict[str, np.ndarray]


class Features(NamedTuple):
    """What is kept of a photo, see above."""

    odds: bytes
    left_out: float
    outline: bytes
    memory: bytes


def pack(captioner: "PhotoCaptioner", looked: "Looked") -> list[Features]:
    """Give what is kept of photos; they are not looked at again.

    Args:
        captioner: the model that looked.
        looked: of its `look`.
    """
    runtime, count = captioner.runtime, len(looked.images)
    memory = pool(runtime.remember(looked.found), runtime.grid)
    seen = runtime.seen(looked.found)
    odds = [b""] * count if seen is None else list(map(to_odds, seen.said))
    packed = (
        pack_memory({name: rows[i] for name, rows in memory.items()})
        for i in range(count)
    )
    return [
        Features(one, leave_out(one), outline(image), rest)
        for one, image, rest in zip(odds, looked.images, packed, strict=True)
    ]


def to_odds(said: np.ndarray) -> bytes:
    """Give probabilities (C,) as log-odds, a byte each."""
    probs = np.clip(np.asarray(said, np.float64), 1e-9, 1 - 1e-9)
    steps = ((np.log(probs) - np.log1p(-probs)) / MOST + 1) * 127.5
    return np.rint(np.clip(steps, 0, 255)).astype(np.uint8).tobytes()


ODDS = ((np.arange(256) / 127.5 - 1) * MOST).astype(np.float32)
"""float32 (256,), the log-odds of each byte."""


def leave_out(odds: bytes) -> float:
    """Give the sum over all concepts of log(1 + exp log-odds) of a photo."""
    return float(_LEFT_OUT[np.frombuffer(odds, np.uint8)].sum())


_LEFT_OUT = np.logaddexp(0, ODDS)


def outline(image: np.ndarray) -> bytes:
    """Give the outline of a photo, uint8 (H, W, 3)."""
    grey = image[..., 1].astype(np.float32)  # green is most of what is light
    for axis, count in enumerate((SIDE, SIDE + 1)):
        cuts = np.linspace(0, grey.shape[axis], count + 1).astype(int)
        sums = np.add.reduceat(grey, cuts[:-1], axis)
        grey = sums / np.expand_dims(np.maximum(np.diff(cuts), 1), 1 - axis)
    return np.packbits(grey[:, 1:] > grey[:, :-1]).tobytes()


def parts_of(grid: Grid) -> np.ndarray:
    """Give int (R,), the part in which each region lies; parts go row by row."""
    rows, columns = (np.arange(n) * min(n, PARTS) // n for n in grid)
    return (rows[:, None] * (columns[-1] + 1) + columns).ravel()


def pool(memory: Memory, grid: Grid) -> Memory:
    """Replace regions by the mean of those in each part of a photo.

    Args:
        memory: arrays (N, …), of `Runtime.remember`.
        grid: rows and columns of the regions.
    """
    parts = parts_of(grid)
    weights = np.eye(parts[-1] + 1, dtype=np.float32)[:, parts]  # (parts, R)
    weights /= weights.sum(axis=1, keepdims=True)
    return {
        name: weights @ rows if name in BY_REGION else rows
        for name, rows in memory.items()
    }


def pack_memory(memory: Memory) -> bytes:
    """Give the arrays (…, columns) of one photo as bytes."""
    found = b""
    for _, array in sorted(memory.items()):
        table = array.reshape(-1, array.shape[-1])
        step = float(np.abs(table).max()) / STEPS or 1.0
        packer = zlib.compressobj(1, strategy=zlib.Z_HUFFMAN_ONLY)  # small and quick
        steps = np.rint(table * np.float32(1 / step)).astype(np.int8)
        content = packer.compress(steps.tobytes()) + packer.flush()
        found += _HEAD.pack(step, *table.shape, len(content)) + content
    return found


def unpack_memory(runtime: "Runtime", photos: Sequence[bytes]) -> Memory:
    """Give what the runtime's decoder reads of N photos, for `Runtime.score`.

    Raises:
        ValueError: if the bytes are damaged, or of another model.
    """
    parts = parts_of(runtime.grid)
    return {
        name: rows[:, parts] if name in BY_REGION else rows
        for name, rows in _unpack_all(runtime, photos).items()
    }


def unpack_regions(runtime: "Runtime", photos: Sequence[bytes]) -> np.ndarray:
    """Give float32 (N, F), the regions of N photos side by side.

    Raises:
        ValueError: as `unpack_memory`.
    """
    found = _unpack_all(runtime, photos)
    rows = found.get("regions", found["state_0"])  # of a decoder that attends to none
    return rows.reshape(len(photos), -1)


def _unpack_all(runtime: "Runtime", photos: Sequence[bytes]) -> Memory:
    names = sorted(runtime.remembers)
    tables = [dict(zip(names, unpack(one), strict=True)) for one in photos]
    return {name: np.stack([table[name] for table in tables]) for name in names}


def unpack(packed: bytes) -> Iterator[np.ndarray]:
    """Yield the arrays of one photo, float32 (rows, columns)."""
    start = 0
    while start < len(packed):
        try:
            step, rows, columns, length = _HEAD.unpack_from(packed, start)
            start += _HEAD.size
            if len(packed) < start + length:
                raise ValueError("it is cut off")
            content = zlib.decompressobj().decompress(
                packed[start : start + length], min(rows * columns, LARGEST)
            )
        except (struct.error, zlib.error) as error:
            raise ValueError(str(error)) from error
        values = np.frombuffer(content, np.int8).reshape(rows, columns)
        start += length
        yield values * np.float32(step)
