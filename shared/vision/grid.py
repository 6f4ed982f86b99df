"""The grid of regions that an encoder divides a photo into: where its cells lie."""

import numpy as np

Grid = tuple[int, int]  # rows, columns; regions are its cells, row by row


def centres(grid: Grid) -> np.ndarray:
    """Give the centres of all cells, across and down: float32 (R, 2), -1 to 1."""
    rows, columns = (
        (np.arange(count, dtype=np.float32) + 0.5) * 2 / count - 1 for count in grid
    )
    down, across = np.meshgrid(rows, columns, indexing="ij")
    return np.stack([across.ravel(), down.ravel()], axis=1)


def edges(grid: Grid) -> list[np.ndarray]:
    """Give left, top, right and bottom of all cells, each float32 (R,), 0 to 1."""
    rows, columns = grid
    across, down = (centres(grid).T + 1) / 2
    half, tall = 0.5 / columns, 0.5 / rows
    return [across - half, down - tall, across + half, down + tall]
