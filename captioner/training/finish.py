"""What is made of a captioner that was trained: scores, a bundle, and reports."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from captioner.config import CaptionerConfig, ConfidenceConfig
from captioner.describing.captions import Caption
from captioner.describing.photo_captioner import PhotoCaptioner
from captioner.describing.predict import load_captioner
from captioner.metrics.cider import CiderD
from captioner.metrics.report import Report, score_captions
from captioner.net.model import Captioner
from captioner.net.runtime_keras import KerasRuntime
from captioner.training.calibration import (
    LIKELY,
    choose_threshold,
    fit_confidence,
    names_main_thing,
)
from captioner.training.changes import choose_photos, tell_changes
from captioner.training.reports import describe, draw_curves, draw_samples, write_card
from shared.bundles.folder import write_bundle
from shared.bundles.manifests import VOCABULARY
from shared.concepts.table import TABLE, format_table, own_words_of, words_of
from shared.config import format_config
from shared.data.captioned import Record
from shared.errors import AppError
from shared.runs.checkpoints import Progress
from shared.runs.figures import choose_samples
from shared.runs.folder import BUNDLE, Run, read_part
from shared.runs.reports import write_reports
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary

BATCH_SIZE = 16


def score_model(
    model: Captioner,
    recipe: CaptionerConfig,
    vocabulary: Vocabulary,
    dev: Sequence[Record],
) -> dict[str, Any]:
    """Score a model that is not in a bundle, with the search of a recipe.

    Returns:
        for JSON: its scores on dev, and its "captions" of some photos, by their names,
        see `captioner.training.changes`.
    """
    table = model.concepts.table if model.concepts else ()
    concepts, own = words_of(table), own_words_of(table)
    runtime = KerasRuntime([model], BATCH_SIZE)
    captioner = PhotoCaptioner(recipe, vocabulary, runtime, BATCH_SIZE, concepts, own)
    captions = _caption(captioner, dev)
    scores = _score(captions, dev, vocabulary).to_dict()
    return {**scores, "captions": _show(captioner, captions, choose_photos(dev))}


def finish(
    recipe: CaptionerConfig,
    model: Captioner,
    vocabulary: Vocabulary,
    learn: Sequence[Record],
    dev: Sequence[Record],
    progress: Progress,
    run: Run,
    origin: str | Path,
) -> Path:
    """Write the bundle of the model that came out, with its scores, and draw it.

    Args:
        recipe: changed in the bundle by what is found out of the model.
        origin: for the card, see `shared.concepts.starting.Backbone`.

    Returns:
        the bundle's folder.

    Raises:
        AppError: if something cannot be written.
    """
    bundle = run.folder / BUNDLE
    concepts = model.concepts

    def write(recipe: CaptionerConfig, card: str) -> None:
        write_bundle(
            bundle,
            task="captioner",
            config=format_config(recipe),
            vocabulary=read_part(run.folder / VOCABULARY),
            model=model,
            card=card,
            more={TABLE: format_table(concepts.table)} if concepts else {},
        )

    # What is scored is what was written, rounded weights and all.
    write(recipe, "Not scored yet.\n")
    captioner = load_captioner(bundle)
    captions = _caption(captioner, dev)
    report = _score(captions, dev, vocabulary)
    recipe = _rely(recipe, captions, learn, dev, vocabulary)
    described = describe(recipe, learn, dev, run.data, origin, progress, report)
    before = (progress.before or {}).get("captions")
    shown = choose_samples(dev) if before is None else choose_photos(dev)
    texts = _show(captioner, captions, shown)
    described["changes"] = tell_changes(shown, before or {}, texts)
    for line in described["changes"]:
        run.announce(line)
    write(recipe, write_card(described, recipe, len(vocabulary) - len(SPECIAL_WORDS)))
    pictures = {
        "curves.png": partial(draw_curves, progress.history, recipe.choose_by),
        "samples.png": partial(draw_samples, shown, texts, before or {}),
    }
    write_reports(run.folder, described, pictures)
    return bundle


def _show(
    captioner: PhotoCaptioner,
    captions: Mapping[str, Caption],
    photos: Sequence[Record],
) -> dict[str, str]:
    """Give what is said of photos, with captions of some of them made already."""
    more = _caption(captioner, [p for p in photos if p.name not in captions])
    found = {**captions, **more}
    return {p.name: found[p.name].text for p in photos if p.name in found}


def _score(
    captions: Mapping[str, Caption], dev: Sequence[Record], vocabulary: Vocabulary
) -> Report:
    texts = {name: caption.text for name, caption in captions.items()}
    references = {r.name: r.captions for r in dev if r.name in texts}
    return score_captions(texts, references, units=vocabulary.units)


def _rely(
    recipe: CaptionerConfig,
    captions: Mapping[str, Caption],
    learn: Sequence[Record],
    dev: Sequence[Record],
    vocabulary: Vocabulary,
) -> CaptionerConfig:
    """Say in the recipe how far captions can be relied on, if that can be told."""
    references = {record.name: record.captions for record in dev}
    # What it learnt from says nothing about how often it is right.
    learnt = {record.name for record in learn}
    captions = {name: one for name, one in captions.items() if name not in learnt}
    found: dict[str, object] = {}
    if confidence := _find_confidence(captions, references):
        found = {"confidence": confidence, "unsure": LIKELY}
    elif captions and not recipe.confidence:
        unsure = _find_unsure(captions, references, vocabulary)
        found = {"unsure": unsure} if unsure else {}
    return recipe.model_copy(update=found)


def _find_confidence(
    captions: Mapping[str, Caption], references: Mapping[str, Sequence[str]]
) -> ConfidenceConfig | None:
    """Find how to tell right captions from wrong ones, if concepts speak for them."""
    found = [
        (caption.evidence, right)
        for name, caption in captions.items()
        if caption.evidence
        and (right := names_main_thing(caption.text, references[name])) is not None
    ]
    return fit_confidence([e for e, _ in found], [right for _, right in found])


def _find_unsure(
    captions: Mapping[str, Caption],
    references: Mapping[str, Sequence[str]],
    vocabulary: Vocabulary,
) -> float:
    """Find the confidence of captions to be relied on; 0 if it is not known."""
    split = vocabulary.split
    wanted = [[split(text) for text in references[name]] for name in captions]
    found = captions.values()
    said = [split(caption.text) for caption in found]
    scores = CiderD(wanted).score(range(len(said)), said)
    return choose_threshold(np.array([c.confidence for c in found]), np.array(scores))


def _caption(
    captioner: PhotoCaptioner, records: Sequence[Record]
) -> dict[str, Caption]:
    """Give the best caption of each photo; one that went bad meanwhile is left out."""
    images = (record.image for record in records)
    # What it learnt is judged.
    batches = captioner.caption_all(images, hedge=False, second_look=0)
    found = [captions for batch in batches for _, captions in batch]
    return {
        record.name: captions[0]
        for record, captions in zip(records, found, strict=True)
        if not isinstance(captions, AppError)
    }
