"""Files that come along: recipes and example photos."""

from pathlib import Path

from shared.errors import AppError


def included(name: str) -> Path:
    """Find a folder that comes along; an installation has it inside this package.

    Args:
        name: "configs" or "examples".

    Raises:
        AppError: if it is missing.
    """
    package = Path(__file__).parent
    for folder in (package / name, package.parent / name):  # the second in a checkout
        if folder.is_dir():
            return folder
    raise AppError(
        f"The folder {name}, which comes with sightread, is missing in {package}. "
        "Install sightread again."
    )
