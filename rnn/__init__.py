"""Recurrent nets that write, by characters or words, and what their cells do."""

from pathlib import Path
from runpy import run_path

# By its path: what Python finds by the name `shared` may be another package.
_packages = run_path(str(Path(__file__).parents[1] / "shared/console/packages.py"))
_packages["check_shared"](__name__)
