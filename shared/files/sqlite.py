"""Python's own SQLite, which searches texts, also where TensorFlow is.

    from shared.files.sqlite import sqlite3

TensorFlow holds an SQLite that cannot (FTS5), and on Linux Python's module calls
whichever library came first. So it is told to look into its own before all others.
"""

import os
import sys

_flags = sys.getdlopenflags() if hasattr(os, "RTLD_DEEPBIND") else None
if _flags is not None:
    sys.setdlopenflags(_flags | os.RTLD_DEEPBIND)
try:
    import sqlite3
finally:
    if _flags is not None:
        sys.setdlopenflags(_flags)

__all__ = ["sqlite3"]
