"""Train a VQA model from a recipe and questions, or go on with one; give a bundle.

A run is a folder: `config.toml`, `vocabulary.txt`, `answers.txt` and `skipped.csv`
written first, `checkpoint.npz`, `best.npz` and `best_blind.npz` on the way, `logs/`
for TensorBoard, and at the end `bundle/`, `run.json`, `curves.png` and `samples.png`.
"""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from shared.bundles import folder as bundles
from shared.bundles.weights import write_weights
from shared.concepts.config import check_texts
from shared.concepts.imagined import Imagined
from shared.concepts.net import ConceptNet
from shared.concepts.table import TABLE, Seen, format_table
from shared.concepts.telling import read_taught
from shared.config import format_config, read_config
from shared.console.progress import counted
from shared.data.mixing import count_turns
from shared.errors import AppError
from shared.files.atomic import write_text
from shared.files.fingerprints import digest_photos
from shared.runs.briefing import count_rare, name_clipped, name_rare, warn_of_few
from shared.runs.folder import (
    hold_run,
    leave_out_broken,
    open_run,
    sign,
)
from shared.runs.recipes import adapt_recipe, refuse
from shared.runs.training import check_blocks, grow
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary, split_words
from shared.vision.encoders import Encoder
from shared.vision.features import read_again
from shared.vision.images import read_image
from vqa.answers import AnswerSpace, most_common
from vqa.asked import Concepts
from vqa.batches import Questions, Texts
from vqa.calibration import (
    choose_threshold,
    draw_evenly,
    fit_temperature,
    to_confidence,
)
from vqa.config import AnsweringConfig, FinetuneConfig, VqaConfig, find_contradictions
from vqa.data import Record, read_datasets, select
from vqa.guard import opening
from vqa.model import Vqa
from vqa.predict import load_bundle
from vqa.questions.captions import read_captions
from vqa.questions.making import ask_texts
from vqa.reports import (
    Outcome,
    describe_run,
    draw_curves,
    draw_samples,
    score_outcome,
    write_card,
)
from vqa.runtime_keras import build_net, load_net
from vqa.texts import TextSource, read_text_sources
from vqa.trainer import Trainer
from vqa.words import ANSWERS, choose_vocabulary

FINETUNE = "finetune-vqa"
CAPTIONER = Path(__file__).parents[1] / "captioner" / "bundle"
VOCABULARY = bundles.VOCABULARY

LEAST_OPENING = 3  # questions that start so, for a kind to count as learnt


class Words(NamedTuple):
    """What a model knows by name.

    Attributes:
        vocabulary: words of questions and answers.
        space: the answers that it can give; None where they come with the question.
    """

    vocabulary: Vocabulary
    space: AnswerSpace | None


def train(
    config: str | None,
    data: str | Sequence[str],
    out: Path,
    *,
    concepts: Path | None = None,
    texts: Sequence[str] = (),
    captions: Sequence[str] = (),
    encoder_weights: str | None = None,
    from_bundle: Path | None = None,
    cache: Path | None = None,
    announce: Callable[[str], None] = print,
    tick: Callable[[str, int, int, int, float], None] = lambda *_: None,
) -> Path:
    """Train, or go on with a run that was interrupted.

    Args:
        config: a recipe's name or file; None with `from_bundle` is the recipe for
            fine-tuning.
        data: a data set as of `vqa.data.read_dataset`, or several.
        out: the run's folder.
        concepts: what `captioner teach` wrote, for a recipe with concepts.
        texts, captions: see `vqa.config.FinetuneConfig`; none are those of the recipe.
        encoder_weights: used instead of the recipe's.
        from_bundle: a trained model to start from; the recipe is then a
            `FinetuneConfig`, words and answers are added, and old ones keep theirs.
        cache: folder for features; None is `features` in the run's folder.
        announce: told what happens, a sentence each.
        tick: as of `Trainer`.

    Returns:
        the bundle's folder.

    Raises:
        AppError: if the recipe, the data or the run's folder is refused.
    """
    named = {"texts": tuple(texts), "captions": tuple(captions)}
    start = _read_recipe(config, encoder_weights, concepts, named, from_bundle)
    with hold_run(out, "`vqa train`", announce):
        several = [data] if isinstance(data, (str, Path)) else data
        sources = [str(source) for source in several]
        return _train(start, sources, out, cache or out / "features", announce, tick)


class Start(NamedTuple):
    """What a run starts from.

    Attributes:
        recipe: all of it.
        encoder: with its weights.
        concepts: the concept net of this encoder, for a recipe with concepts.
        fitted: what it tells of the photos that taught it, as if it did not know
            them, by their digests.
        words: what is known from the beginning.
        model: what is trained further, if anything is.
        origin: for the card: a bundle, or the encoder's weights.
    """

    recipe: VqaConfig
    encoder: Encoder
    concepts: ConceptNet | None
    fitted: Mapping[str, Seen]
    words: Words
    model: Vqa | None
    origin: str | Path


def _read_recipe(
    config: str | None,
    encoder_weights: str | None,
    concepts: Path | None,
    named: Mapping[str, tuple[str, ...]],
    from_bundle: Path | None,
) -> Start:
    """Read a recipe, and refuse all in it that cannot be trained."""
    if from_bundle is not None:
        if encoder_weights is not None or concepts is not None:
            raise AppError(
                "A model that goes on with --from brings its encoder and concepts: "
                "leave out --encoder-weights and --concepts."
            )
        known, vocabulary, space, model = load_bundle(from_bundle)
        source = config or FINETUNE
        recipe = _name(adapt_recipe(known, source, FinetuneConfig, FINETUNE), named)
        words = Words(vocabulary, space)
        start = Start(
            recipe, model.encoder, model.concepts, {}, words, model, from_bundle
        )
        refuse(source, find_contradictions(recipe, whole=False))
        keras.utils.set_random_seed(recipe.seed)
    elif config is None:
        raise AppError("Give a recipe with --config, or a bundle with --from.")
    else:
        recipe = _name(read_config(config, VqaConfig, "vqa-"), named)
        refuse(config, find_contradictions(recipe, whole=True))
        keras.utils.set_random_seed(recipe.seed)
        weights = encoder_weights or recipe.encoder.weights
        if weights == "captioner":
            weights = str(CAPTIONER)
        name, size = recipe.encoder.name, recipe.encoder.image_size
        encoder = Encoder(name, size, None if weights == "none" else weights)
        net, fitted = read_taught(config, concepts, recipe.concepts is not None)
        nothing = Words(Vocabulary(SPECIAL_WORDS), None)
        start = Start(recipe, encoder, net, fitted, nothing, None, weights)
    wanted = any(stage.texts for stage in recipe.stages)
    check_texts(config or FINETUNE, wanted, recipe.texts)
    check_blocks(start.encoder, {s.name: s.encoder_from for s in recipe.stages})
    return start


def _name(recipe: VqaConfig, named: Mapping[str, tuple[str, ...]]) -> VqaConfig:
    """Put in what is named on the command line."""
    given = {key: paths for key, paths in named.items() if paths}
    return recipe.model_copy(update=given) if given else recipe


def _train(
    start: Start,
    data: Sequence[str],
    out: Path,
    cache: Path,
    announce: Callable[[str], None],
    tick: Callable[[str, int, int, int, float], None],
) -> Path:
    recipe = start.recipe
    records = read_datasets(data)
    learn, dev = select(records, "train"), select(records, "dev")
    _check_objective(recipe, learn + dev)
    if recipe.texts:
        announce(f"making questions of {', '.join(recipe.texts)}")
    texts = read_text_sources(recipe.texts, recipe.seed, ask_texts)
    lists = [VOCABULARY, ANSWERS] if recipe.objective == "answers" else [VOCABULARY]
    resumed = open_run(out, recipe, _data_hash(learn + dev, texts), lists)
    learn, dev = leave_out_broken(out, learn, dev, announce)
    words = _choose_words(out, learn, texts, recipe, start, resumed)
    for line in _summary(recipe, words, learn, dev):
        announce(line)
    for line in name_clipped(recipe.stages, len({record.name for record in learn})):
        announce(line)
    sizes = _sizes(learn + dev) if recipe.objective == "boxes" else None
    concepts = Concepts(start.concepts.words) if start.concepts else None
    to_learn, to_choose = (
        Questions(part, *words, recipe, sizes, concepts) for part in (learn, dev)
    )
    encoder = None if start.model else start.encoder
    model = build_net(recipe, *words, encoder, start.concepts)
    if start.model:
        grow(start.model, model)
    elif start.origin == "none":
        size, resize = recipe.encoder.image_size, recipe.encoder.resize
        photos = [record.image for record in to_learn.photos[:64]]
        images = [read_again(photo, size, resize) for photo in photos]
        model.encoder.calibrate(np.stack(images))
    signature = sign(
        [record.id for record in learn],
        [record.id for record in dev],
        digest_photos({r.name: r.image for r in learn + dev}.values()),
        words.vocabulary.words,
        words.space.answers if words.space else (),
    )
    trainer = Trainer(
        recipe,
        model,
        to_learn,
        to_choose,
        out,
        cache,
        announce,
        tick,
        signature,
        start.fitted,
        _imagine(recipe, texts, words, concepts, start.fitted),
    )
    if start.model and not resumed:
        asked = Questions(dev, *start.words, recipe, sizes, concepts)
        before = Trainer(recipe, start.model, to_learn, asked, out, cache, announce)
        outcome = Outcome(*before.answer_dev())
        report = score_outcome(dev, outcome, start.words.space)
        trainer.progress.before = report.to_dict()
        name, score = next(iter(report.scores.items()))
        announce(
            f"The model to start from reaches {score.value:.1f} % ({name}) on the "
            f"{score.questions} questions to choose by."
        )
    trainer.train()
    openings = _find_openings(learn, texts)
    return _finish(
        recipe, trainer, words, openings, learn, dev, data, start.origin, out
    )


def _imagine(
    recipe: VqaConfig,
    sources: Sequence[TextSource],
    words: Words,
    concepts: Concepts | None,
    fitted: Mapping[str, Seen],
) -> Texts | None:
    """Make ready what is learnt from without photos."""
    if not sources or not concepts or not words.space:
        return None
    told, captions, sets = [], [], []
    for place, source in enumerate(recipe.captions):
        photos = [p for p in read_captions(source) if p.split == "train"]
        digests = digest_photos(photo.image for photo in photos)
        for photo, digest in zip(photos, digests, strict=True):
            if digest in fitted:
                told.append(np.stack(fitted[digest], axis=-1))
                captions.append([split_words(caption) for caption in photo.captions])
                sets.append(place)
    if not told:
        raise AppError(
            "What photos would show is made up for captions without photos by photos "
            "that taught the concepts, and none of those was found in the recipe's "
            f"`captions`: {', '.join(recipe.captions) or 'none'}. Name with --captions "
            "captioned data sets that `captioner teach` was given."
        )
    turns = count_turns(sets, recipe.balance)
    imagined = Imagined.of_photos(np.stack(told), captions, concepts.words, turns)
    return Texts(sources, words.vocabulary, words.space, recipe, concepts, imagined)


def _check_objective(recipe: VqaConfig, records: Sequence[Record]) -> None:
    """Make sure that the questions are of the kind that the recipe is for."""
    needs = {
        "answers": ("answers", lambda record: record.answers),
        "choices": ("choices, one of them right", lambda record: record.choices),
        "boxes": ("boxes, one of them right", lambda record: record.boxes),
    }
    name, get = needs[recipe.objective]
    for record in records:
        if not get(record) or (recipe.objective != "answers" and record.right is None):
            raise AppError(
                f"The recipe's objective is {recipe.objective!r}, for which every "
                f"question needs {name}. Question {record.id} ({record.question!r}) "
                "has none: choose another recipe, or mend the data."
            )


def _data_hash(records: Sequence[Record], texts: Sequence[TextSource] = ()) -> str:
    digest = hashlib.sha256()
    for source in texts:
        digest.update("\n".join(source.captions).encode())
    for r in records:
        asked = (r.name, r.split, r.question, r.choices, r.boxes)
        digest.update(repr((*asked, r.answers, r.right, r.weight)).encode())
    return digest.hexdigest()[:16]


def _choose_words(
    out: Path,
    learn: Sequence[Record],
    texts: Sequence[TextSource],
    recipe: VqaConfig,
    start: Start,
    resumed: bool,
) -> Words:
    """Choose words and answers; a run with a checkpoint keeps its own."""
    limits, known = recipe.vocabulary, start.words
    unseen = [one for source in texts for asked in source.asked for one in asked]
    space = known.space
    if recipe.objective == "answers":
        if resumed:
            space = AnswerSpace.load(out / ANSWERS)
        else:
            given = [record.answers for record in learn]
            given += [(one.answer,) for one in unseen]
            found = AnswerSpace.from_answers(given, limits.answers, limits.min_answers)
            old = space.answers if space else ()
            space = AnswerSpace(dict.fromkeys([*old, *found.answers]))
            write_text(out / ANSWERS, "".join(f"{a}\n" for a in space.answers))
    if resumed:
        vocabulary = Vocabulary.load(out / VOCABULARY)
    else:
        asked = [record.question for record in learn] + [one.text for one in unseen]
        needed = [*(space.answers if space else ())]
        needed += start.concepts.words if start.concepts else ()
        if recipe.objective == "choices":
            needed += [choice for record in learn for choice in record.choices]
        vocabulary = choose_vocabulary(
            asked, needed, limits.min_count, known.vocabulary.words
        )
        text = "".join(f"{word}\n" for word in vocabulary.words)
        write_text(out / VOCABULARY, text)
    old_words = known.vocabulary.words
    if vocabulary.words[: len(old_words)] != old_words:
        raise AppError(
            f"{out} holds a run that started from another model, with other words. "
            "Give that one with --from, or another folder with --out."
        )
    return Words(vocabulary, space)


def _sizes(records: Sequence[Record]) -> dict[str, tuple[int, int]]:
    """Width and height of each photo, which boxes are measured by."""
    sizes: dict[str, tuple[int, int]] = {}
    for record in records:
        if record.name not in sizes:
            height, width, _ = read_image(record.image).shape
            sizes[record.name] = (width, height)
    return sizes


def _summary(
    recipe: VqaConfig, words: Words, learn: Sequence[Record], dev: Sequence[Record]
) -> list[str]:
    """Say what there is to learn."""
    photos = [len({record.name for record in part}) for part in (learn, dev)]
    lines = [
        f"{counted(len(learn), 'question')} about {counted(photos[0], 'photo')} to "
        f"learn from, {len(dev)} about {photos[1]} to choose by. Vocabulary: "
        f"{len(words.vocabulary)} words."
    ]
    if words.space:
        best = 100 * words.space.ceiling(record.answers for record in dev)
        lines.append(
            f"{len(words.space)} answers can be given; whoever always chose the best "
            f"of them would reach {best:.1f} % of the dev questions."
        )
    asked = (split_words(record.question) for record in learn)
    limits = recipe.vocabulary
    rare = count_rare(asked, words.vocabulary.ids)
    lines.append(name_rare("word", rare, f"seen less than {limits.min_count} times"))
    if words.space:
        given = (most_common(record.answers) for record in learn)
        rare = count_rare(given, words.space.ids)
        why = f"less than {limits.min_answers} times, or beyond {limits.answers}"
        lines.append(name_rare("answer", rare, why))
    lines.append(warn_of_few(photos[1]))
    return [line for line in lines if line]


def _find_openings(
    learn: Sequence[Record], texts: Sequence[TextSource]
) -> tuple[str, ...]:
    """Find the kinds of questions that count as learnt."""
    counts = Counter(opening(record.question) for record in learn)
    for source in texts:
        counts.update(opening(one.text) for asked in source.asked for one in asked)
    found = (first for first, n in counts.items() if first and n >= LEAST_OPENING)
    return tuple(sorted(found))


def _calibrate(
    recipe: VqaConfig,
    openings: tuple[str, ...],
    dev: Sequence[Record],
    outcome: Outcome,
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
    confidence = to_confidence(outcome.seen, seen, recipe.soft).max(axis=1)
    return AnsweringConfig(
        temperature=round(seen, 4),
        blind_temperature=round(guessed, 4),
        unsure=round(choose_threshold(confidence, outcome.right, known.unsure), 4),
        openings=openings,
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


def _finish(
    recipe: VqaConfig,
    trainer: Trainer,
    words: Words,
    openings: tuple[str, ...],
    learn: list[Record],
    dev: list[Record],
    data: Sequence[str],
    started_from: str | Path,
    out: Path,
) -> Path:
    """Calibrate, write the bundle, and the reports on it."""
    trainer.model = _as_shipped(trainer.model, recipe, words)
    outcome = Outcome(*trainer.answer_dev())
    answering = _calibrate(recipe, openings, dev, outcome)
    recipe = recipe.model_copy(update={"answering": answering})
    run = describe_run(
        recipe, learn, dev, words.space, data, started_from, trainer.progress, outcome
    )
    bundle = out / "bundle"
    bundles.write_bundle(
        bundle,
        task="vqa",
        config=format_config(recipe),
        vocabulary="".join(f"{word}\n" for word in words.vocabulary.words),
        model=trainer.model,
        card=write_card(run, recipe, words.vocabulary, words.space),
        more=_lists(words, trainer.model.concepts),
    )
    try:
        write_text(out / "run.json", json.dumps(run, indent=1) + "\n")
        draw_curves(trainer.progress.history, out / "curves.png")
        draw_samples(dev, words.space, outcome, recipe, out / "samples.png")
    except OSError as error:
        raise AppError(
            f"The reports in {out} cannot be written: {error}. The training is safe: "
            "the same command writes them again."
        ) from error
    return bundle


def _lists(words: Words, concepts: ConceptNet | None) -> dict[str, str]:
    """Give what a bundle has beside its vocabulary: answers and concepts."""
    found = {}
    if words.space:
        found[ANSWERS] = "".join(f"{answer}\n" for answer in words.space.answers)
    if concepts:
        found[TABLE] = format_table(concepts.table)
    return found
