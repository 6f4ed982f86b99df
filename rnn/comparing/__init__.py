"""A fair comparison of cells."""
