"""What is made of a VQA model that was trained: calibration, a bundle, and reports."""

import tempfile
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from shared.bundles.folder import write_bundle
from shared.bundles.weights import write_weights
from shared.concepts.net import ConceptNet
from shared.concepts.table import TABLE, format_table
from shared.config import format_config
from shared.files.atomic import write_text
from shared.runs.checkpoints import Progress
from shared.runs.folder import BUNDLE, Run
from shared.runs.reports import write_reports
from vqa.answering.guard import opening
from vqa.config import AnsweringConfig, VqaConfig
from vqa.data import Record
from vqa.metrics.criteria import Outcome
from vqa.net.model import Vqa
from vqa.net.runtime_keras import load_net
from vqa.text.words import ANSWERS, Words
from vqa.training.calibration import LEAST, draw_evenly, fit_temperature
from vqa.training.reports import describe, draw_curves, draw_samples, write_card
from vqa.training.task import AnswerTask
from vqa.training.texts import TextSource

UNSURE_BELOW = 0.2  # confidence: one answer in five is right, "not sure" helps more
LEAST_OPENING = 3  # questions that start so, for a kind to count as learnt


def finish(
    task: AnswerTask,
    words: Words,
    learn: Sequence[Record],
    dev: Sequence[Record],
    texts: Sequence[TextSource],
    progress: Progress,
    run: Run,
    origin: str | Path,
) -> Path:
    """Calibrate, write the bundle, and the reports on it.

    Args:
        task: with the model as it was when it was best; it gets the one of the bundle.
        texts: what was learnt from without photos.
        origin: for the card, see `shared.concepts.starting.Backbone`.

    Returns:
        the bundle's folder.

    Raises:
        AppError: if something cannot be written.
    """
    task.model = _as_shipped(task.model, task.config, words)
    outcome, space = task.answer_dev(), words.space
    openings = {*task.config.answering.openings, *_find_openings(learn, texts)}
    learnt = {record.id for record in learn}
    if any(record.id in learnt for record in dev):
        # What it learnt from says nothing about how often it is right.
        answering = task.config.answering
    else:
        answering = _calibrate(task.config, dev, outcome)
    answering = answering.model_copy(update={"openings": tuple(sorted(openings))})
    recipe = task.config.model_copy(update={"answering": answering})
    described = describe(recipe, learn, dev, space, run.data, origin, progress, outcome)
    write_bundle(
        run.folder / BUNDLE,
        task="vqa",
        config=format_config(recipe),
        vocabulary=words.vocabulary.to_text(),
        model=task.model,
        card=write_card(described, recipe, words.vocabulary, space),
        more=_lists(words, task.model.concepts),
    )
    pictures = {
        "curves.png": partial(draw_curves, progress.history, recipe.choose_by),
        "samples.png": partial(draw_samples, dev, space, outcome, recipe),
    }
    write_reports(run.folder, described, pictures)
    return run.folder / BUNDLE


def _find_openings(learn: Sequence[Record], texts: Sequence[TextSource]) -> list[str]:
    """Find the kinds of questions that count as learnt."""
    counts = Counter(opening(record.question) for record in learn)
    for source in texts:
        counts.update(opening(one.text) for asked in source.asked for one in asked)
    return [first for first, n in counts.items() if first and n >= LEAST_OPENING]


def _calibrate(
    recipe: VqaConfig, dev: Sequence[Record], outcome: Outcome
) -> AnsweringConfig:
    """Find on the dev questions how sure the model may be.

    Several data sets count about the same. Where the questions are too few, that stays
    as it was in the model it came from.
    """
    known = recipe.answering
    rows = draw_evenly([record.source for record in dev])
    outcome = Outcome(*(part[rows] for part in outcome))
    seen, guessed = (
        fit_temperature(scores, outcome.targets, recipe.soft, before)
        for scores, before in (
            (outcome.seen, known.temperature),
            (outcome.guessed, known.blind_temperature),
        )
    )
    return AnsweringConfig(
        temperature=round(seen, 4),
        blind_temperature=round(guessed, 4),
        unsure=UNSURE_BELOW if len(rows) >= LEAST else known.unsure,
    )


def _as_shipped(model: Vqa, recipe: VqaConfig, words: Words) -> Vqa:
    """Give the model as its bundle will hold it: rounded, and in float32.

    So that the card, the temperature and the threshold are those of what is used.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder), model)
        for name, text in _lists(words, model.concepts).items():
            write_text(Path(folder) / name, text)
        return load_net(Path(folder), recipe, *words)


def _lists(words: Words, concepts: ConceptNet | None) -> dict[str, str]:
    """Give what a bundle has beside its vocabulary: answers and concepts."""
    found = {}
    if words.space:
        found[ANSWERS] = words.space.to_text()
    if concepts:
        found[TABLE] = format_table(concepts.table)
    return found
