"""Where the cells of a grid lie."""

import numpy as np
import pytest

from shared.vision.grid import centres, edges


def test_centres_go_row_by_row():
    expected = [(-0.5, -2 / 3), (0.5, -2 / 3), (-0.5, 0), (0.5, 0)]
    found = centres((3, 2))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:4], expected, atol=1e-6)


@pytest.mark.parametrize("grid", [(1, 1), (2, 4), (7, 7), (3, 2)])
def test_cells_cover_the_photo_once(grid):
    left, top, right, bottom = edges(grid)
    rows, columns = grid
    assert left.shape == (rows * columns,)
    np.testing.assert_allclose(
        (right - left) * (bottom - top), 1 / (rows * columns), rtol=1e-5
    )
    np.testing.assert_allclose(left.reshape(grid)[:, 0], 0, atol=1e-7)
    np.testing.assert_allclose(
        left.reshape(grid)[:, 1:], right.reshape(grid)[:, :-1], rtol=1e-5
    )
    np.testing.assert_allclose(
        top.reshape(grid)[1:], bottom.reshape(grid)[:-1], rtol=1e-5
    )
    np.testing.assert_allclose(bottom.reshape(grid)[-1], 1, rtol=1e-5)
