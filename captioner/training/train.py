"""Train a captioner from a recipe and a data set, or go on with one; give a bundle.

A run is a folder: `config.toml`, `vocabulary.txt` and `skipped.csv` written first,
`checkpoint.npz` and `best.npz` on the way, `logs/` for TensorBoard, and at the end
`bundle/`, `run.json`, `curves.png` and `samples.png`.
"""

import hashlib
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import keras

from captioner.config import CaptionerConfig, find_contradictions
from captioner.describing.predict import load_bundle
from captioner.net.model import Captioner, build_captioner
from captioner.search.rules import make_rules
from captioner.training.batches import split_captions
from captioner.training.cost import estimate_cost
from captioner.training.finish import finish, score_model
from captioner.training.recipes import FINETUNE, NEW_WORDS, choose, further
from captioner.training.task import CaptionTask
from shared.bundles.manifests import VOCABULARY
from shared.concepts.config import check_texts
from shared.concepts.own_words import teach_words
from shared.concepts.starting import Named, Start, load_backbone
from shared.config import read_config
from shared.console.progress import counted
from shared.data.captioned import Record, read_datasets, select
from shared.data.splits import learn_from_all
from shared.data.texts import read_texts
from shared.errors import AppError
from shared.files.atomic import write_text
from shared.files.fingerprints import digest_photos
from shared.runs.briefing import count_rare, name_clipped, name_rare, warn_of_few
from shared.runs.cost import measure_rate, report_cost
from shared.runs.devices import mirrored
from shared.runs.folder import Run, Tick, hold_run, leave_out_broken, open_run, sign
from shared.runs.photos import Viewer
from shared.runs.recipes import (
    FEW,
    Precision,
    check_batches,
    name_files,
    refuse,
    set_precision,
)
from shared.runs.trainer import Trainer
from shared.runs.training import grow
from shared.text.sentences import Sentences
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary, split_words

ANOTHER = "<another>"  # stands for the words that will be learnt

CaptionerStart = Start[CaptionerConfig, Vocabulary, Captioner]


def train(
    config: str | None,
    data: str | Path | Sequence[str | Path],
    out: Path,
    *,
    encoder_weights: str | None = None,
    concepts: Path | None = None,
    texts: Sequence[str] = (),
    from_bundle: Path | None = None,
    cache: Path | None = None,
    devices: int = 1,
    precision: Precision | None = None,
    announce: Callable[[str], None] = print,
    tick: Tick = lambda *_: None,
) -> Path:
    """Train, or go on with a run that was interrupted.

    Args:
        config: a recipe's name or file; None with `from_bundle` is the recipe for
            fine-tuning.
        data: a data set, or several, see `shared.data.captioned.read_dataset`.
        encoder_weights: used instead of the recipe's.
        concepts: what `captioner teach` wrote, for a recipe with concepts.
        texts: files of captions without photos, see `shared.data.texts`; none are
            those of the recipe.
        from_bundle: a trained captioner to start from; the recipe is then a
            `FinetuneConfig`, the vocabulary grows, and old words keep their vectors.
        out, cache, announce, tick: see `shared.runs.folder.Run.of`.
        devices: GPUs that share each batch, see `shared.runs.devices`.
        precision: used instead of the recipe's.

    Returns:
        the bundle's folder.

    Raises:
        AppError: if the recipe, the data or the run's folder is refused.
    """
    named = Named(config, from_bundle, encoder_weights, concepts)
    with mirrored(devices):
        start = _read_start(named, texts, devices, precision)
        run = Run.of(out, data, cache, announce, tick)
        with hold_run(out, "`captioner train`", announce):
            return _train(start, run)


def _read_start(
    named: Named, texts: Sequence[str], devices: int, precision: Precision | None
) -> CaptionerStart:
    """Read a recipe, and refuse all in it that cannot be trained."""
    named.check()
    source, known, model = named.config or FINETUNE, None, None
    words = Vocabulary(SPECIAL_WORDS)
    if named.from_bundle:
        known, words, model = load_bundle(named.from_bundle)
        recipe = further(known, source)
    else:
        recipe = read_config(source, CaptionerConfig, "captioner-")
    recipe = name_files(set_precision(recipe, precision), {"texts": texts})
    _check_recipe(source, recipe, devices, whole=model is None)
    keras.utils.set_random_seed(recipe.seed)
    backbone = load_backbone(source, named, recipe, model)
    words = words.in_units(recipe.vocabulary.units)
    return Start(recipe, backbone, words, model, None if named.config else known)


def _check_recipe(
    source: str, recipe: CaptionerConfig, devices: int, whole: bool
) -> None:
    """Refuse what cannot be trained, whatever words will be learnt."""
    problems = find_contradictions(recipe, whole)
    refuse(source, [*problems, *check_batches(recipe.stages, devices)])
    check_texts(source, recipe)
    decoding, units = recipe.decoding, recipe.vocabulary.units
    texts = [*decoding.must, *decoding.ban, decoding.prefix]
    words = dict.fromkeys(word for text in texts for word in split_words(text, units))
    try:
        make_rules(decoding, Vocabulary([*SPECIAL_WORDS, *words, ANOTHER], units))
    except AppError as error:
        refuse(source, [f"decoding: {error}"])


def _train(start: CaptionerStart, run: Run) -> Path:
    records = read_datasets(run.data)
    texts = read_texts(start.recipe.texts)
    learn, dev = select(records, "train"), select(records, "dev")
    recipe, learn, dev = _suit(start, learn, dev, run.announce)
    resumed = open_run(run.folder, recipe, _data_hash(learn + dev), [VOCABULARY])
    learn, dev = leave_out_broken(run.folder, learn, dev, run.announce, run.memory)
    min_count = recipe.vocabulary.min_count
    said = split_captions(learn, start.words)
    vocabulary = _choose_words(run.folder, said, texts, min_count, start.words, resumed)
    make_rules(recipe.decoding, vocabulary)  # now that its words are known
    for line in (
        *_summary(min_count, vocabulary, said, learn, dev),
        *name_clipped(recipe.stages, len(learn)),
    ):
        run.announce(line)
    if not resumed:
        sizes = len(learn), len(dev), len(vocabulary)
        cost = estimate_cost(recipe, *sizes, measure_rate())
        run.announce(report_cost(cost, "this recipe"))
    encoder = start.backbone.encoder
    viewer = Viewer(encoder, recipe.encoder.resize, run.cache, run.announce)
    model = _build(start, recipe, vocabulary, learn, viewer)
    task = CaptionTask(
        recipe,
        model,
        vocabulary,
        learn,
        dev,
        viewer,
        start.backbone.fitted,
        texts,
        len(start.words) if start.model else 0,
        said,
    )
    signature = sign(
        [r.name for r in learn],
        [r.name for r in dev],
        digest_photos(r.image for r in learn + dev),
        vocabulary.words,
        *texts,
    )
    trainer = Trainer(task, recipe, run, signature)
    if start.model and not resumed:
        trainer.progress.before = _score_start(start, dev, run.announce)
    progress = trainer.train()
    origin = start.backbone.origin
    return finish(recipe, model, vocabulary, learn, dev, progress, run, origin)


def _suit(
    start: CaptionerStart,
    learn: list[Record],
    dev: list[Record],
    announce: Callable[[str], None],
) -> tuple[CaptionerConfig, list[Record], list[Record]]:
    """Give the recipe, and the photos to learn from and to choose by.

    Where new words are learnt from few photos, and nobody said which of them are to
    choose by, all are learnt from: of a thing that is on three photos none is spared.
    """
    if start.known is None:
        return start.recipe, learn, dev
    name = choose(start.known, start.words, learn + dev)
    if name == NEW_WORDS:
        learn, dev = learn_from_all(learn, dev)
        announce(
            f"{counted(len(learn), 'photo')} with new words: only these are learnt, "
            "and all that the model knows stays as it is."
        )
    recipe = further(start.known, name)
    return set_precision(recipe, start.recipe.precision), learn, dev


def _build(
    start: CaptionerStart,
    recipe: CaptionerConfig,
    vocabulary: Vocabulary,
    learn: Sequence[Record],
    viewer: Viewer,
) -> Captioner:
    """Make the model to train, with all that the one to start from knows."""
    encoder, concepts, _, origin = start.backbone
    if any(stage.learns == "new words" for stage in recipe.stages):
        new = vocabulary.words[len(start.words) :]
        if not new:
            raise AppError(
                "The recipe learns new words, and the captions have none that the "
                "model does not know. Leave out --config, or choose another one."
            )
        if concepts and len(learn) < FEW:
            mirrored = any(stage.augment for stage in recipe.stages)
            photos = [record.image for record in learn]
            said = [{w for c in r.captions for w in vocabulary.split(c)} for r in learn]
            concepts, _ = teach_words(concepts, new, photos, said, viewer, mirrored)
    model = build_captioner(recipe, vocabulary, encoder, concepts)
    if start.model:
        grow(start.model.decoder, model.decoder)
    elif origin == "none":
        model.encoder.calibrate(viewer.read([record.image for record in learn[:64]]))
    return model


def _score_start(
    start: CaptionerStart, dev: Sequence[Record], announce: Callable[[str], None]
) -> dict[str, Any]:
    """Score the model to start from, so that one sees what the training changes."""
    assert start.model
    found = score_model(start.model, start.recipe, start.words, dev)
    announce(
        f"The model to start from reaches CIDEr-D {found['scores']['CIDEr-D']:.1f} on "
        f"{counted(found['images'], 'photo')} to choose by."
    )
    return found


def _data_hash(records: Sequence[Record]) -> str:
    digest = hashlib.sha256()
    for record in records:
        digest.update(repr((record.name, record.split, record.captions)).encode())
    return digest.hexdigest()[:16]


def _choose_words(
    out: Path,
    said: Sentences,
    texts: Sequence[Sequence[str]],
    min_count: int,
    first: Vocabulary,
    resumed: bool,
) -> Vocabulary:
    """Make the run's vocabulary; a run with a checkpoint keeps its own."""
    path = out / VOCABULARY
    if resumed:
        vocabulary = Vocabulary.load(path)
        if vocabulary.words[: len(first)] == first.words:
            return vocabulary.in_units(first.units)
        raise AppError(
            f"{out} holds a run that started from another model, with other words. "
            "Give that one with --from, or another folder with --out."
        )
    counts = said.count()
    for text in chain.from_iterable(texts):
        counts.update(first.split(text))
    vocabulary = Vocabulary.from_counts(counts, min_count, first.words)
    if len(vocabulary) == len(SPECIAL_WORDS):
        raise AppError(
            f"No word occurs {min_count} times in the training captions, which is "
            "the recipe's min_count. Lower it, or add captions."
        )
    write_text(path, vocabulary.to_text())
    return vocabulary.in_units(first.units)


def _summary(
    min_count: int,
    vocabulary: Vocabulary,
    said: Sentences,
    learn: Sequence[Record],
    dev: Sequence[Record],
) -> list[str]:
    """Say what there is to learn."""
    counts = said.count()
    lines = [
        f"{counted(len(learn), 'photo')} to learn from, {len(dev)} to choose by. "
        f"Vocabulary: {len(vocabulary)} words, {vocabulary.coverage(counts):.1%} of "
        "those in the captions.",
        name_rare(
            "word",
            count_rare(counts, vocabulary.ids),
            f"seen less than {min_count} times",
        ),
        warn_of_few(len(dev)),
    ]
    return [line for line in lines if line]
