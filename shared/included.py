"""Files that come along: recipes, example photos and trained models."""

from pathlib import Path

from shared.errors import AppError

REINSTALL = "Install sightread again."


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
        f"{REINSTALL}"
    )


def get_again(path: Path, otherwise: str = "Get the bundle again.") -> str:
    """Say what to do about a damaged file of a model, in a sentence.

    Args:
        path: of the file, or of the bundle that it belongs to.
        otherwise: what to do where it did not come along with sightread.
    """
    root = Path(__file__).parents[1]
    ours = (root / "shared", *map(included_model, ("captioner", "vqa")))
    here = path.absolute()
    return REINSTALL if any(map(here.is_relative_to, ours)) else otherwise


def included_model(task: str) -> Path:
    """Give the folder of the trained model that comes with a command.

    Args:
        task: "captioner", "vqa" or "rnn".
    """
    return Path(__file__).parents[1] / task / "bundle"
