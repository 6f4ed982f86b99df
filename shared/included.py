"""Files that come along: recipes, example photos and trained models."""

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


def included_model(task: str) -> Path:
    """Give the folder of the trained model that comes with a command.

    Args:
        task: "captioner" or "vqa".
    """
    return Path(__file__).parents[1] / task / "bundle"
