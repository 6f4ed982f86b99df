"""Captions as a task of `rnn compare`: a decoder of the included captioner's features.

The encoder is the included model's and stays as it is; what is compared is the cell of
the decoder, without concepts, taught by cross-entropy. All else is as in the recipe of
the included model.
"""

import json
import math
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rnn.comparing.config import CaptionsConfig, find_largest
from rnn.comparing.tasks import Enough, Task, Tick
from shared.bundles.manifests import read_text
from shared.config import format_config, parse_config
from shared.data.captioned import Record, select
from shared.errors import AppError
from shared.files.atomic import write_text
from shared.included import included_model
from shared.runs.reports import RUN
from shared.runs.training import BrokeDown

if TYPE_CHECKING:
    from captioner.config import CaptionerConfig

METRIC = "CIDEr-D"


def caption_task(
    config: CaptionsConfig,
    data: Sequence[str],
    records: Sequence[Record],
    folder: Path,
) -> Task:
    """Give the task.

    Args:
        data: sources of photos with captions.
        records: what `shared.data.captioned.read_datasets` reads there.
        folder: of the comparison; features are kept there, and runs while they last.
    """
    photos = select(records, "train")
    return Task(
        name="captions",
        score=METRIC,
        more=True,
        highest=None,
        units=partial(_solve, config),
        steps=config.epochs * math.ceil(len(photos) / config.batch_size),
        train=partial(_train, config, data, folder),
    )


def make_recipe(
    config: CaptionsConfig, cell: str, units: int, rate: float, seed: int
) -> "CaptionerConfig":
    """Give the recipe of the included captioner, of another cell, to be learnt anew."""
    from captioner.config import CaptionerConfig

    bundle = included_model("captioner")
    text = read_text(bundle, "config.toml")
    known = parse_config(text, CaptionerConfig, "the included captioner")
    stage = known.stages[0].model_copy(
        update={
            "epochs": config.epochs,
            "patience": config.epochs,
            "batch_size": config.batch_size,
            "learning_rate": rate,
            **{"blind": 0.0, "texts": 0.0, "average": 0.0},
        }
    )
    sizes = {"cell": cell, "units": units, "layers": 1}
    return known.model_copy(
        update={
            "about": "",
            "seed": seed,
            "texts": (),
            "precision": "float32",
            "unsure": 0.0,
            "confidence": None,
            "concepts": None,
            "encoder": known.encoder.model_copy(update={"weights": str(bundle)}),
            "decoder": known.decoder.model_copy(update=sizes),
            "stages": (stage,),
        }
    )


def _solve(config: CaptionsConfig, cell: str) -> int:
    """Give the most units of a decoder, the vectors of words not counted."""

    def fits(units: int) -> bool:
        decoder = make_recipe(config, cell, units, 0.001, 1).decoder
        return decoder.least_weights(vocab_size=0) <= config.weights

    if not fits(1):
        raise AppError(
            f"A decoder of {config.weights:,} weights is too small for the cell "
            f"{cell!r}. Raise `weights` of [captions] in the recipe."
        )
    return find_largest(fits)


def _train(
    config: CaptionsConfig,
    data: Sequence[str],
    folder: Path,
    cell: str,
    units: int,
    rate: float,
    seed: int,
    tick: Tick,
) -> float | None:
    """Train a captioner, and give its score on the photos to choose by."""
    from captioner.training.train import train

    run = folder / "runs" / f"{cell}-{rate:.6g}-{seed}"
    run.parent.mkdir(exist_ok=True)
    recipe = run.with_name(f"{run.name}.toml")
    write_text(recipe, format_config(make_recipe(config, cell, units, rate, seed)))
    try:
        train(
            str(recipe),
            data,
            run,
            cache=folder / "features",
            announce=lambda _: None,
            tick=lambda *_: tick(),
        )
    except BrokeDown:
        return None
    except Enough:
        shutil.rmtree(run)
        raise
    finally:
        recipe.unlink()
    scores = json.loads((run / RUN).read_text("utf-8"))["scores"]["scores"]
    shutil.rmtree(run)
    return float(scores[METRIC])
