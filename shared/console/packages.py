"""Whether Python finds the packages of this project by their names, or others."""

import sys
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).parents[2]


def other_package(name: str) -> str:
    """Say what to do if Python finds another package by a name of ours; else nothing.

    Nothing of the other one is executed.
    """
    own = ROOT / name
    spec = find_spec(name)
    places = list((spec and spec.submodule_search_locations) or ())
    if spec and [Path(place).resolve() for place in places] == [own.resolve()]:
        return ""
    found = (spec and (spec.origin or places[0])) or "nothing"
    return (
        f"sightread needs its own package {name!r}, {own}, but Python finds {found} by "
        "that name first. Rename that one, or keep its folder out of PYTHONPATH and "
        "out of the folder in which Python is started."
    )


def check_shared(command: str) -> None:
    """Refuse another package that Python finds by the name `shared`.

    Args:
        command: name of the package that needs ours, and of its command.

    Raises:
        SystemExit: with a message, if the command was started.
        ImportError: with the same, if another program imports the package.
    """
    if reason := other_package("shared"):
        is_command = Path(*sys.argv[:1]).stem in ("-m", command)
        raise SystemExit(f"error: {reason}") if is_command else ImportError(reason)
