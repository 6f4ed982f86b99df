"""Train a language model from a recipe and a text; give a bundle.

A run is a folder: `config.toml` and `vocabulary.txt` written first, `samples.txt`,
`checkpoint.npz` and `best.npz` on the way, `logs/` for TensorBoard, and at the end
`bundle/`, `run.json` and `curves.png`.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from rnn.config import RnnConfig
from rnn.net.model import LanguageModel
from rnn.net.runtime_keras import KerasRuntime
from rnn.net.symbols import Symbols
from rnn.training.cost import estimate_cost
from rnn.training.finish import finish
from rnn.training.samples import SAMPLES, add_sample
from rnn.training.task import ReadingTask
from rnn.training.texts import Text, read_texts
from shared.bundles.manifests import VOCABULARY
from shared.config import read_config
from shared.errors import AppError
from shared.files.atomic import write_text
from shared.nets.precision import dtype_policy
from shared.runs.cost import measure_rate, report_cost
from shared.runs.folder import Run, Tick, hold_run, open_run, sign
from shared.runs.trainer import Trainer
from shared.text.vocabulary import Vocabulary


def train(
    config: str,
    text: str | Path | Sequence[str | Path],
    out: Path,
    *,
    announce: Callable[[str], None] = print,
    tick: Tick = lambda *_: None,
) -> Path:
    """Train, or go on with a run that was interrupted.

    Args:
        config: a recipe's name or file.
        text: to learn from, see `rnn.training.texts.read_texts`, or several.
        out, announce, tick: see `shared.runs.folder.Run.of`.

    Returns:
        the bundle's folder.

    Raises:
        AppError: if the recipe, the text or the run's folder is refused.
    """
    recipe = read_config(config, RnnConfig, "rnn-")
    run = Run.of(out, text, None, announce, tick)
    with hold_run(out, "`rnn train`", announce):
        return _train(recipe, run)


def _train(recipe: RnnConfig, run: Run) -> Path:
    text = read_texts(run.data, run.announce)
    digest = _digest(text)
    resumed = open_run(run.folder, recipe, digest, [VOCABULARY])
    symbols = _choose_symbols(run.folder, text, recipe, resumed)
    learn, dev, test = (symbols.encode(part) for part in text)
    for name, ids in (("dev", dev), ("test", test)):
        if not len(ids):
            raise AppError(f"The part {name} of the text is empty. Give a longer text.")
    keras.utils.set_random_seed(recipe.seed)
    with dtype_policy(recipe.precision):
        net = LanguageModel(recipe.net, len(symbols))
    run.announce(_summary(net, symbols, learn, dev, test))
    if not resumed:
        cost = estimate_cost(recipe, len(learn), len(dev), len(symbols), measure_rate())
        run.announce(report_cost(cost, "this recipe"))
    runtime = KerasRuntime(net)

    def show(step: int) -> None:
        add_sample(run.folder / SAMPLES, step, runtime, symbols, recipe.sample_length)

    task = ReadingTask(recipe, net, symbols, learn, dev, show)
    signature = sign([digest], symbols.vocabulary.words)
    progress = Trainer(task, recipe, run, signature).train()
    return finish(task, test, progress, run)


def _digest(text: Text) -> str:
    digest = hashlib.sha256()
    for part in text:
        digest.update(hashlib.sha256(part.encode("utf-8")).digest())
    return digest.hexdigest()[:16]


def _choose_symbols(
    folder: Path, text: Text, recipe: RnnConfig, resumed: bool
) -> Symbols:
    """Choose what is learnt; a run with a checkpoint keeps its own."""
    path = folder / VOCABULARY
    if resumed:
        return Symbols(Vocabulary.load(path), recipe.vocabulary.units)
    symbols = Symbols.of(text.train, recipe.vocabulary)
    write_text(path, symbols.vocabulary.to_text())
    return symbols


def _summary(
    net: LanguageModel,
    symbols: Symbols,
    learn: np.ndarray,
    dev: np.ndarray,
    test: np.ndarray,
) -> str:
    units = f"{symbols.units}s"
    return (
        f"{len(learn):,} {units} to learn from, {len(dev):,} to choose by, "
        f"{len(test):,} to judge by; {len(symbols) - 4} different ones are learnt. "
        f"The net has {net.count_params():,} weights."
    )
