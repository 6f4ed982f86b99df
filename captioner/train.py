"""Train a captioner from a recipe and a data set, or go on with one; give a bundle.

A run is a folder: `config.toml`, `vocabulary.txt` and `skipped.csv` written first,
`checkpoint.npz` and `best.npz` on the way, `logs/` for TensorBoard, and at the end
`bundle/`, `run.json`, `curves.png` and `samples.png`.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from captioner.calibration import (
    LIKELY,
    choose_threshold,
    fit_confidence,
    names_main_thing,
)
from captioner.captions import Caption
from captioner.config import CaptionerConfig, ConfidenceConfig, find_contradictions
from captioner.cost import estimate_cost, measure_rate
from captioner.data import Record, read_datasets, select
from captioner.datacheck import report_cost
from captioner.metrics.cider import CiderD
from captioner.metrics.report import score_captions
from captioner.model import Captioner, build_captioner
from captioner.photo_captioner import PhotoCaptioner
from captioner.predict import load_bundle, load_captioner
from captioner.recipes import FEW, FINETUNE, NEW_WORDS, choose, further
from captioner.reports import describe_run, draw_curves, draw_samples, write_card
from captioner.runtime_keras import KerasRuntime
from captioner.search.rules import make_rules
from captioner.trainer import Trainer
from shared.bundles import folder as bundles
from shared.concepts.config import check_texts
from shared.concepts.examples import add_words
from shared.concepts.net import ConceptNet
from shared.concepts.table import TABLE, Seen, format_table, own_words_of, words_of
from shared.concepts.telling import read_taught
from shared.config import format_config, read_config
from shared.console.progress import counted
from shared.data.texts import read_texts
from shared.errors import AppError
from shared.files.atomic import write_text
from shared.files.fingerprints import digest_photos
from shared.included import included
from shared.runs.briefing import count_rare, name_clipped, name_rare, warn_of_few
from shared.runs.checkpoints import Progress
from shared.runs.folder import (
    hold_run,
    leave_out_broken,
    open_run,
    read_part,
    sign,
)
from shared.runs.recipes import refuse
from shared.runs.training import check_blocks, grow
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary, split_words
from shared.vision.encoders import Encoder
from shared.vision.features import extract_features, read_again
from shared.vision.images import Resize

VOCABULARY = bundles.VOCABULARY
BATCH_SIZE = 16
ANOTHER = "<another>"  # stands for the words that will be learnt


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
    announce: Callable[[str], None] = print,
    tick: Callable[[str, int, int, int, float], None] = lambda *_: None,
) -> Path:
    """Train, or go on with a run that was interrupted.

    Args:
        config: a recipe's name or file; None with `from_bundle` is the recipe for
            fine-tuning.
        data: a data set, or several, each as of `captioner.data.read_dataset`.
        out: the run's folder.
        encoder_weights: used instead of the recipe's.
        concepts: what `captioner teach` wrote, for a recipe with concepts.
        texts: files of captions without photos, see `shared.data.texts`; none are
            those of the recipe.
        from_bundle: a trained captioner to start from; the recipe is then a
            `FinetuneConfig`, the vocabulary grows, and old words keep their vectors.
        cache: folder for features; None is `features` in the run's folder.
        announce: told what happens, a sentence each.
        tick: as of `Trainer`.

    Returns:
        the bundle's folder.

    Raises:
        AppError: if the recipe, the data or the run's folder is refused.
    """
    start = _read_recipe(config, encoder_weights, concepts, texts, from_bundle)
    several = [data] if isinstance(data, (str, Path)) else data
    sources = [str(source) for source in several]
    with hold_run(out, "`captioner train`", announce):
        return _train(start, sources, out, cache or out / "features", announce, tick)


class Start(NamedTuple):
    """What a run starts from.

    Attributes:
        recipe: all of it.
        encoder: with its weights.
        concepts: the concept net of this encoder, for a recipe with concepts.
        fitted: what it tells of the photos that taught it, as if it did not know
            them, by their digests.
        words: what the vocabulary begins with, in the recipe's units.
        model: what is trained further, if anything is.
        origin: for the card: a bundle, or the encoder's weights.
        known: the recipe of that model, if nobody chose one for training it further:
            then the photos decide.
    """

    recipe: CaptionerConfig
    encoder: Encoder
    concepts: ConceptNet | None
    fitted: Mapping[str, Seen]
    words: Vocabulary
    model: Captioner | None
    origin: str | Path
    known: CaptionerConfig | None = None


def _read_recipe(
    config: str | None,
    encoder_weights: str | None,
    concepts: Path | None,
    texts: Sequence[str],
    from_bundle: Path | None,
) -> Start:
    """Read a recipe, and refuse all in it that cannot be trained."""
    if from_bundle is not None:
        if encoder_weights is not None or concepts is not None:
            raise AppError(
                "A model that goes on with --from brings its encoder and concepts: "
                "leave out --encoder-weights and --concepts."
            )
        known, vocabulary, model = load_bundle(from_bundle)
        source = config or FINETUNE
        recipe = _name_texts(further(known, source), texts)
        words = vocabulary.in_units(recipe.vocabulary.units)
        start = Start(
            recipe, model.encoder, model.concepts, {}, words, model, from_bundle
        )
        if config is None:
            start = start._replace(known=known)
        _check_recipe(source, recipe, whole=False)
        keras.utils.set_random_seed(recipe.seed)
    elif config is None:
        raise AppError("Give a recipe with --config, or a bundle with --from.")
    else:
        recipe = read_config(config, CaptionerConfig, "captioner-")
        recipe = _name_texts(recipe, texts)
        _check_recipe(config, recipe, whole=True)
        keras.utils.set_random_seed(recipe.seed)
        name, size = recipe.encoder.name, recipe.encoder.image_size
        weights = encoder_weights or recipe.encoder.weights
        encoder = Encoder(name, size, None if weights == "none" else weights)
        net, fitted = read_taught(config, concepts, recipe.concepts is not None)
        words = Vocabulary(SPECIAL_WORDS, recipe.vocabulary.units)
        start = Start(recipe, encoder, net, fitted, words, None, weights)
    check_blocks(start.encoder, {s.name: s.encoder_from for s in recipe.stages})
    return start


def _name_texts(recipe: CaptionerConfig, texts: Sequence[str]) -> CaptionerConfig:
    return recipe.model_copy(update={"texts": tuple(texts)}) if texts else recipe


def _check_recipe(source: str, recipe: CaptionerConfig, whole: bool) -> None:
    """Refuse what cannot be trained, whatever words will be learnt."""
    refuse(source, find_contradictions(recipe, whole))
    check_texts(source, any(stage.texts for stage in recipe.stages), recipe.texts)
    decoding, units = recipe.decoding, recipe.vocabulary.units
    texts = [*decoding.must, *decoding.ban, decoding.prefix]
    words = dict.fromkeys(word for text in texts for word in split_words(text, units))
    try:
        make_rules(decoding, Vocabulary([*SPECIAL_WORDS, *words, ANOTHER], units))
    except AppError as error:
        refuse(source, [f"decoding: {error}"])


def _train(
    start: Start,
    data: Sequence[str],
    out: Path,
    cache: Path,
    announce: Callable[[str], None],
    tick: Callable[[str, int, int, int, float], None],
) -> Path:
    records = read_datasets(data)
    texts = read_texts(start.recipe.texts)
    learn, dev = select(records, "train"), select(records, "dev")
    recipe, learn, dev = _suit(start, learn, dev, announce)
    resumed = open_run(out, recipe, _data_hash(learn + dev), [VOCABULARY])
    learn, dev = leave_out_broken(out, learn, dev, announce)
    min_count = recipe.vocabulary.min_count
    vocabulary = _choose_words(out, learn, texts, min_count, start.words, resumed)
    make_rules(recipe.decoding, vocabulary)  # now that its words are known
    for line in _summary(min_count, vocabulary, learn, dev):
        announce(line)
    for line in name_clipped(recipe.stages, len(learn)):
        announce(line)
    if not resumed:
        sizes = len(learn), len(dev), len(vocabulary)
        cost = estimate_cost(recipe, *sizes, measure_rate())
        announce(report_cost(cost, "this recipe"))
    concepts = start.concepts
    if _learns_new_words(recipe):
        _check_new_words(start.words, vocabulary)
        if concepts and len(learn) < FEW:
            concepts = _teach_words(start, recipe, vocabulary, learn, cache, announce)
    model = build_captioner(recipe, vocabulary, start.encoder, concepts)
    if start.model:
        grow(start.model.decoder, model.decoder)
    elif start.origin == "none":
        encoder = recipe.encoder
        images = [
            read_again(record.image, encoder.image_size, encoder.resize)
            for record in learn[:64]
        ]
        model.encoder.calibrate(np.stack(images))
    signature = sign(
        [r.name for r in learn],
        [r.name for r in dev],
        digest_photos(r.image for r in learn + dev),
        vocabulary.words,
        *texts,
    )
    trainer = Trainer(
        recipe,
        model,
        vocabulary,
        learn,
        dev,
        out,
        cache,
        announce,
        tick,
        signature,
        start.fitted,
        texts,
        len(start.words) if start.model else 0,
    )
    if start.model and not resumed:
        trainer.progress.before = _score_start(start, dev, announce)
    progress = trainer.train()
    return _finish(
        recipe, model, vocabulary, learn, dev, data, start.origin, progress, out
    )


def _suit(
    start: Start,
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
        learn = learn + [record for record in dev if record.is_drawn]
        dev = [record for record in dev if not record.is_drawn] or learn
        announce(
            f"{counted(len(learn), 'photo')} with new words: only these are learnt, "
            "and all that the model knows stays as it is."
        )
    return further(start.known, name), learn, dev


def _learns_new_words(recipe: CaptionerConfig) -> bool:
    return any(stage.learns == "new words" for stage in recipe.stages)


def _check_new_words(known: Vocabulary, vocabulary: Vocabulary) -> None:
    if len(vocabulary) == len(known):
        raise AppError(
            "The recipe learns new words, and the captions have none that the model "
            "does not know. Leave out --config, or choose another one."
        )


def _teach_words(
    start: Start,
    recipe: CaptionerConfig,
    vocabulary: Vocabulary,
    learn: Sequence[Record],
    cache: Path,
    announce: Callable[[str], None],
) -> ConceptNet:
    """Make concepts of the words that the model did not know.

    The photos that come with sightread count as showing none of them: what is on all of
    somebody's photos is told apart by them alone.
    """
    assert start.concepts
    new = vocabulary.words[len(start.words) :]
    words = [word for word in new if word not in start.concepts.words]
    if not words:
        return start.concepts
    said = [
        {word for text in record.captions for word in vocabulary.split(text)}
        for record in learn
    ]
    features = extract_features(
        [record.image for record in learn],
        start.encoder,
        cache,
        resize=recipe.encoder.resize,
        mirrored=any(stage.augment for stage in recipe.stages),
        announce=announce,
    )
    shown = np.array([[word in some for word in words] for some in said])
    others = _encode_examples(start.encoder, recipe.encoder.resize)
    return add_words(
        start.concepts,
        words,
        np.concatenate([features.array[:, 0], others]),
        np.concatenate([shown, np.zeros((len(others), len(words)), bool)]),
    )


def _encode_examples(encoder: Encoder, resize: Resize) -> np.ndarray:
    """Give the features float32 (N, R, D) of the photos that come with sightread."""
    photos = sorted(included("examples").glob("*.jpg"))
    images = [read_again(photo, encoder.image_size, resize) for photo in photos]
    return ops.convert_to_numpy(encoder.predict_on_batch(np.stack(images)))


def _score_start(
    start: Start, dev: Sequence[Record], announce: Callable[[str], None]
) -> dict[str, Any]:
    """Score the model to start from, so that one sees what the training changes."""
    assert start.model
    runtime = KerasRuntime([start.model], BATCH_SIZE)
    table = start.concepts.table if start.concepts else ()
    concepts, own = words_of(table), own_words_of(table)
    captioner = PhotoCaptioner(
        start.recipe, start.words, runtime, BATCH_SIZE, concepts, own
    )
    texts = {name: one.text for name, one in _caption(captioner, dev).items()}
    references = {r.name: r.captions for r in dev if r.name in texts}
    report = score_captions(texts, references, units=start.words.units)
    announce(
        f"The model to start from reaches CIDEr-D {report.scores['CIDEr-D']:.1f} on "
        f"{counted(report.images, 'photo')} to choose by."
    )
    return report.to_dict()


def _data_hash(records: Sequence[Record]) -> str:
    digest = hashlib.sha256()
    for record in records:
        digest.update(repr((record.name, record.split, record.captions)).encode())
    return digest.hexdigest()[:16]


def _choose_words(
    out: Path,
    learn: Sequence[Record],
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
    sentences = _split(learn, first)
    sentences += [first.split(text) for source in texts for text in source]
    vocabulary = Vocabulary.from_sentences(sentences, min_count, first.words)
    if len(vocabulary) == len(SPECIAL_WORDS):
        raise AppError(
            f"No word occurs {min_count} times in the training captions, which is "
            "the recipe's min_count. Lower it, or add captions."
        )
    write_text(path, "".join(f"{word}\n" for word in vocabulary.words))
    return vocabulary.in_units(first.units)


def _split(records: Sequence[Record], vocabulary: Vocabulary) -> list[list[str]]:
    return [vocabulary.split(text) for record in records for text in record.captions]


def _summary(
    min_count: int,
    vocabulary: Vocabulary,
    learn: Sequence[Record],
    dev: Sequence[Record],
) -> list[str]:
    """Say what there is to learn."""
    sentences = _split(learn, vocabulary)
    lines = [
        f"{counted(len(learn), 'photo')} to learn from, {len(dev)} to choose by. "
        f"Vocabulary: {len(vocabulary)} words, {vocabulary.coverage(sentences):.1%} of "
        "those in the captions.",
        name_rare(
            "word",
            count_rare(sentences, vocabulary.ids),
            f"seen less than {min_count} times",
        ),
        warn_of_few(len(dev)),
    ]
    return [line for line in lines if line]


def _finish(
    recipe: CaptionerConfig,
    model: Captioner,
    vocabulary: Vocabulary,
    learn: Sequence[Record],
    dev: Sequence[Record],
    data: Sequence[str],
    started_from: str | Path,
    progress: Progress,
    out: Path,
) -> Path:
    """Write the bundle of the model that came out, with its scores, and draw it."""
    bundle = out / "bundle"
    concepts = model.concepts
    more = {TABLE: format_table(concepts.table)} if concepts else {}

    def write(card: str) -> None:
        bundles.write_bundle(
            bundle,
            task="captioner",
            config=format_config(recipe),
            vocabulary=read_part(out / VOCABULARY),
            model=model,
            card=card,
            more=more,
        )

    # What is scored is what was written, rounded weights and all.
    write("Not scored yet.\n")
    captions = _caption(load_captioner(bundle), dev)
    texts = {name: caption.text for name, caption in captions.items()}
    references = {r.name: r.captions for r in dev if r.name in texts}
    report = score_captions(texts, references, units=vocabulary.units)
    # What it learnt from says nothing about how often it is right.
    learnt = {record.name for record in learn}
    captions = {name: one for name, one in captions.items() if name not in learnt}
    if confidence := _find_confidence(captions, references):
        judged = {"confidence": confidence, "unsure": LIKELY}
        recipe = recipe.model_copy(update=judged)
    elif (
        captions
        and not recipe.confidence
        and (unsure := _find_unsure(captions, references, vocabulary))
    ):
        recipe = recipe.model_copy(update={"unsure": unsure})
    run = describe_run(recipe, learn, dev, data, started_from, progress, report)
    write(write_card(run, recipe, len(vocabulary) - len(SPECIAL_WORDS)))
    try:
        write_text(out / "run.json", json.dumps(run, indent=1) + "\n")
        draw_curves(progress.history, out / "curves.png")
        draw_samples(dev, texts, out / "samples.png")
    except OSError as error:
        raise AppError(
            f"The reports in {out} cannot be written: {error}. The training is safe: "
            "the same command writes them again."
        ) from error
    return bundle


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
    scorer = CiderD(wanted)
    found = captions.values()
    scores = [scorer.score(i, split(c.text)) for i, c in enumerate(found)]
    return choose_threshold(np.array([c.confidence for c in found]), np.array(scores))


def _caption(
    captioner: PhotoCaptioner, records: Sequence[Record]
) -> dict[str, Caption]:
    """Give the best caption of each photo; one that went bad meanwhile is left out."""
    images = (record.image for record in records)
    batches = captioner.caption_all(images, hedge=False)  # what it learnt is judged
    found = [captions for batch in batches for _, captions in batch]
    return {
        record.name: captions[0]
        for record, captions in zip(records, found, strict=True)
        if not isinstance(captions, AppError)
    }
