"""What a finished run leaves to look at, whatever was learnt: run.json, and more."""

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import keras

from shared.errors import AppError
from shared.files.atomic import replace_file, write_text
from shared.runs.briefing import warn_of_few
from shared.runs.checkpoints import Progress
from shared.runs.recipes import RecipeConfig

RUN = "run.json"
PACKAGES = ("sightread", "keras", "tensorflow", "numpy", "pillow")


def describe_run(
    recipe: RecipeConfig,
    data: Sequence[str],
    counts: Mapping[str, int],
    origin: str | Path,
    progress: Progress,
    scores: Mapping[str, Any],
) -> dict[str, Any]:
    """Give all that is needed to repeat a run, and what came of it, for JSON.

    Args:
        data: sources of what was learnt from.
        counts: how much that is, such as "train_photos".
        scores: of the model, from the data that it was chosen by.
    """
    return {
        "data": {
            "source": ", ".join(Path(source).resolve().name for source in data),
            **counts,
        },
        "started_from": Path(origin).name,
        "scores": scores,
        "scores_before": progress.before,
        "history": progress.history,
        "seconds": round(sum(epoch["seconds"] for epoch in progress.history)),
        "versions": {
            "python": platform.python_version(),
            "backend": keras.backend.backend(),
            **{package: _version(package) for package in PACKAGES},
        },
        "recipe": recipe.model_dump(mode="json"),
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # under another name, such as tensorflow-cpu
        return "unknown"


def write_reports(
    folder: Path, run: Mapping[str, Any], pictures: Mapping[str, Callable[[Path], None]]
) -> None:
    """Write run.json, and draw pictures beside it.

    Args:
        folder: of the run.
        run: see `describe_run`.
        pictures: what draws each, by its file's name; the file to draw into has
            another one, see `shared.files.atomic.replace_file`.

    Raises:
        AppError: if one cannot be written.
    """
    try:
        write_text(folder / RUN, json.dumps(run, indent=1) + "\n")
        for name, draw in pictures.items():
            with replace_file(folder / name) as new:
                draw(new)
    except OSError as error:
        raise AppError(
            f"The reports in {folder} cannot be written: {error}. The training is "
            "safe: the same command writes them again."
        ) from error


def describe_data(about: str) -> str:
    """Give the card's paragraph on the data that a recipe is about."""
    return (
        about.strip() or "Nobody has described this data, its licence and limits yet."
    )


def warn_boldly(photos: int) -> str:
    """Give the card's paragraph on too few photos to choose by, or an empty text."""
    few = warn_of_few(photos)
    return few and f"**{few}**\n\n"
