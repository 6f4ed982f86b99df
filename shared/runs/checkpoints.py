"""Where a training run stands, on disk: weights, and what is left to do."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from pydantic import TypeAdapter, ValidationError

from shared.errors import AppError
from shared.files.atomic import replace_file


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        stage, epoch, step: the next step to take, each from 0.
        taken: steps so far, of all stages.
        best: highest dev score so far, by the file that keeps its weights.
        waited: epochs of this stage since the last one of `shared.runs.folder.BEST`.
        history: a record per epoch that is done.
        signature: of what is learnt from, see `shared.runs.folder.sign`; "" is unknown.
        before: scores, as in run.json, of the model that the run started from.
    """

    stage: int = 0
    epoch: int = 0
    step: int = 0
    taken: int = 0
    best: dict[str, float] = field(default_factory=dict)
    waited: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    signature: str = ""
    before: dict[str, Any] | None = None


def history_key(metric: str) -> str:
    """Name a metric on the data to choose by as the history does: "dev_cider_d"."""
    return f"dev_{metric.lower().replace('-', '_').replace(' ', '_')}"


def save_arrays(
    path: Path, variables: Sequence[keras.Variable], progress: dict[str, Any]
) -> None:
    """Write variables and where the run stands, whole or not at all.

    The file is a NumPy archive of plain arrays `0`, `1`, … in the order of
    `variables`, and `progress` as JSON text.

    Raises:
        AppError: if it cannot be written; an older file is kept.
    """
    arrays = {str(i): ops.convert_to_numpy(v) for i, v in enumerate(variables)}
    try:
        with replace_file(path) as new, new.open("wb") as file:
            np.savez(file, progress=np.array(json.dumps(progress)), **arrays)
    except OSError as error:
        raise AppError(
            f"The checkpoint {path} cannot be written: {error}. Free some disk and "
            "start the same command again: it goes on from the last checkpoint."
        ) from error


def load_progress(path: Path, signature: str) -> Progress:
    """Read what `save_arrays` was told about where the run stands.

    Args:
        signature: of what would be learnt from now.

    Raises:
        AppError: if the file is not a checkpoint, or belongs to a run that learnt
            from something else.
    """
    values, _ = _read(path)
    try:
        if not isinstance(values.get("best"), dict):  # of version 0.1: a key a file
            files = {key: values.get(key) for key in ("best", "best_blind")}
            values["best"] = {f"{key}.npz": best for key, best in files.items() if best}
        progress = TypeAdapter(Progress).validate_python(values)
    except AttributeError as error:
        raise _unreadable(path, "its progress is no table") from error
    except ValidationError as error:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise _unreadable(path, reason) from error
    if progress.signature not in ("", signature):
        raise AppError(
            f"The run in {path.parent} learnt from other photos or words than these: "
            "photos were replaced, lost or mended meanwhile, or its lists of words or "
            "skipped.csv were changed. Bring them back as they were, or choose another "
            "folder with --out."
        )
    return replace(progress, signature=signature)


def load_arrays(path: Path, variables: Sequence[keras.Variable]) -> None:
    """Give variables the values that `save_arrays` wrote.

    Raises:
        AppError: if the file is not a checkpoint, or belongs to another model.
    """
    _, arrays = _read(path)
    shapes = [array.shape for array in arrays]
    if shapes != [tuple(variable.shape) for variable in variables]:
        raise AppError(
            f"{path} holds {len(arrays)} arrays that do not fit this model's "
            f"{len(variables)}. It was written with another config or program "
            "version: choose another folder with --out."
        )
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def _read(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = [archive[str(i)] for i in range(len(archive.files) - 1)]
            return json.loads(str(archive["progress"])), arrays
    except FileNotFoundError as error:
        raise AppError(
            f"{path} is missing, and the run cannot go on without it. Bring it back "
            "from a copy, or choose another folder with --out."
        ) from error
    except Exception as error:  # NumPy and zipfile have many
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, reason: str) -> AppError:
    return AppError(
        f"{path} is not a checkpoint that can be read: {reason}. Delete the run's "
        "folder, or choose another one with --out."
    )
