"""Train a VQA model from a recipe and questions, or go on with one; give a bundle.

A run is a folder: `config.toml`, `vocabulary.txt`, `answers.txt` and `skipped.csv`
written first, `checkpoint.npz`, `best.npz` and `best_blind.npz` on the way, `logs/`
for TensorBoard, and at the end `bundle/`, `run.json`, `curves.png` and `samples.png`.
"""

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from shared import bundles
from shared.briefing import count_rare, name_clipped, name_rare, warn_of_few
from shared.config import format_config, read_config
from shared.encoders import Encoder
from shared.errors import AppError
from shared.features import read_again
from shared.files import write_text
from shared.images import read_image
from shared.runs import (
    adapt_recipe,
    digest_photos,
    hold_run,
    leave_out_broken,
    open_run,
    refuse,
    sign,
)
from shared.text import SPECIAL_WORDS, Vocabulary, split_words
from shared.training import check_blocks, grow
from shared.weights import write_weights
from vqa.answers import AnswerSpace, most_common
from vqa.batches import Questions
from vqa.calibration import choose_threshold, fit_temperature, to_confidence
from vqa.config import AnsweringConfig, FinetuneConfig, VqaConfig, find_contradictions
from vqa.data import Record, read_dataset, select
from vqa.guard import opening
from vqa.model import Vqa
from vqa.predict import load_bundle
from vqa.reports import (
    Outcome,
    describe_run,
    draw_curves,
    draw_samples,
    score_outcome,
    write_card,
)
from vqa.runtime_keras import build_net, load_net
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
    data: str,
    out: Path,
    *,
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
        data: as of `vqa.data.read_dataset`.
        out: the run's folder.
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
    start = _read_recipe(config, encoder_weights, from_bundle)
    with hold_run(out, "`vqa train`", announce):
        return _train(start, data, out, cache or out / "features", announce, tick)


class Start(NamedTuple):
    """What a run starts from.

    Attributes:
        recipe: all of it.
        encoder: with its weights.
        words: what is known from the beginning.
        model: what is trained further, if anything is.
        origin: for the card: a bundle, or the encoder's weights.
    """

    recipe: VqaConfig
    encoder: Encoder
    words: Words
    model: Vqa | None
    origin: str | Path


def _read_recipe(
    config: str | None, encoder_weights: str | None, from_bundle: Path | None
) -> Start:
    """Read a recipe, and refuse all in it that cannot be trained."""
    if from_bundle is not None:
        if encoder_weights is not None:
            raise AppError(
                "A model that goes on with --from brings its encoder: leave out "
                "--encoder-weights."
            )
        known, vocabulary, space, model = load_bundle(from_bundle)
        source = config or FINETUNE
        recipe = adapt_recipe(known, source, FinetuneConfig, FINETUNE)
        words = Words(vocabulary, space)
        start = Start(recipe, model.encoder, words, model, from_bundle)
        refuse(source, find_contradictions(recipe, whole=False))
        keras.utils.set_random_seed(recipe.seed)
    elif config is None:
        raise AppError("Give a recipe with --config, or a bundle with --from.")
    else:
        recipe = read_config(config, VqaConfig, "vqa-")
        refuse(config, find_contradictions(recipe, whole=True))
        keras.utils.set_random_seed(recipe.seed)
        weights = encoder_weights or recipe.encoder.weights
        if weights == "captioner":
            weights = str(CAPTIONER)
        name, size = recipe.encoder.name, recipe.encoder.image_size
        encoder = Encoder(name, size, None if weights == "none" else weights)
        nothing = Words(Vocabulary(SPECIAL_WORDS), None)
        start = Start(recipe, encoder, nothing, None, weights)
    check_blocks(start.encoder, {s.name: s.encoder_from for s in recipe.stages})
    return start


def _train(
    start: Start,
    data: str,
    out: Path,
    cache: Path,
    announce: Callable[[str], None],
    tick: Callable[[str, int, int, int, float], None],
) -> Path:
    recipe = start.recipe
    records = read_dataset(data)
    learn, dev = select(records, "train"), select(records, "dev")
    _check_objective(recipe, learn + dev)
    lists = [VOCABULARY, ANSWERS] if recipe.objective == "answers" else [VOCABULARY]
    resumed = open_run(out, recipe, _data_hash(learn + dev), lists)
    learn, dev = leave_out_broken(out, learn, dev, announce)
    words = _choose_words(out, learn, recipe, start.words, resumed)
    for line in _summary(recipe, words, learn, dev):
        announce(line)
    for line in name_clipped(recipe.stages, len({record.name for record in learn})):
        announce(line)
    sizes = _sizes(learn + dev) if recipe.objective == "boxes" else None
    to_learn, to_choose = (
        Questions(part, *words, recipe, sizes) for part in (learn, dev)
    )
    model = build_net(recipe, *words, None if start.model else start.encoder)
    if start.model:
        grow(start.model, model)
    elif start.origin == "none":
        encoder = recipe.encoder
        photos = [record.image for record in to_learn.photos[:64]]
        images = [read_again(p, encoder.image_size, encoder.resize) for p in photos]
        model.encoder.calibrate(np.stack(images))
    signature = sign(
        [record.id for record in learn],
        [record.id for record in dev],
        digest_photos({r.name: r.image for r in learn + dev}.values()),
        words.vocabulary.words,
        words.space.answers if words.space else (),
    )
    trainer = Trainer(
        recipe, model, to_learn, to_choose, out, cache, announce, tick, signature
    )
    if start.model and not resumed:
        asked = Questions(dev, *start.words, recipe, sizes)
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
    return _finish(recipe, trainer, words, learn, dev, data, start.origin, out)


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


def _data_hash(records: Sequence[Record]) -> str:
    digest = hashlib.sha256()
    for r in records:
        asked = (r.name, r.split, r.question, r.choices, r.boxes)
        digest.update(repr((*asked, r.answers, r.right, r.weight)).encode())
    return digest.hexdigest()[:16]


def _choose_words(
    out: Path, learn: Sequence[Record], recipe: VqaConfig, known: Words, resumed: bool
) -> Words:
    """Choose words and answers; a run with a checkpoint keeps its own."""
    limits = recipe.vocabulary
    space = known.space
    if recipe.objective == "answers":
        if resumed:
            space = AnswerSpace.load(out / ANSWERS)
        else:
            given = (record.answers for record in learn)
            found = AnswerSpace.from_answers(given, limits.answers, limits.min_answers)
            old = space.answers if space else ()
            space = AnswerSpace(dict.fromkeys([*old, *found.answers]))
            write_text(out / ANSWERS, "".join(f"{a}\n" for a in space.answers))
    if resumed:
        vocabulary = Vocabulary.load(out / VOCABULARY)
    else:
        asked = [record.question for record in learn]
        texts = list(space.answers if space else ())
        if recipe.objective == "choices":
            texts += [choice for record in learn for choice in record.choices]
        vocabulary = choose_vocabulary(
            asked, texts, limits.min_count, known.vocabulary.words
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
        f"{len(learn)} questions about {photos[0]} photos to learn from, {len(dev)} "
        f"about {photos[1]} to choose by. Vocabulary: {len(words.vocabulary)} words."
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
    lines.append(name_rare("words", rare, f"seen less than {limits.min_count} times"))
    if words.space:
        given = (most_common(record.answers) for record in learn)
        rare = count_rare(given, words.space.ids)
        why = f"less than {limits.min_answers} times, or beyond {limits.answers}"
        lines.append(name_rare("answers", rare, why))
    lines.append(warn_of_few(photos[1]))
    return [line for line in lines if line]


def _calibrate(
    recipe: VqaConfig, learn: Sequence[Record], outcome: Outcome
) -> AnsweringConfig:
    """Find on the dev questions how sure the model may be.

    Where they are too few, that stays as it was in the model it came from.
    """
    known = recipe.answering
    seen, guessed = (
        fit_temperature(scores, outcome.targets, recipe.soft, before)
        for scores, before in (
            (outcome.seen, known.temperature),
            (outcome.guessed, known.blind_temperature),
        )
    )
    confidence = to_confidence(outcome.seen, seen, recipe.soft).max(axis=1)
    counts = Counter(opening(record.question) for record in learn)
    return AnsweringConfig(
        temperature=round(seen, 4),
        blind_temperature=round(guessed, 4),
        unsure=round(choose_threshold(confidence, outcome.right, known.unsure), 4),
        openings=tuple(
            sorted(first for first, n in counts.items() if first and n >= LEAST_OPENING)
        ),
    )


def _as_shipped(model: Vqa, recipe: VqaConfig, words: Words) -> Vqa:
    """Give the model as its bundle will hold it: rounded, and in float32.

    So that the card, the temperature and the threshold are those of what is used.
    """
    with tempfile.TemporaryDirectory() as folder:
        write_weights(Path(folder), model)
        return load_net(Path(folder), recipe, *words)


def _finish(
    recipe: VqaConfig,
    trainer: Trainer,
    words: Words,
    learn: list[Record],
    dev: list[Record],
    data: str,
    started_from: str | Path,
    out: Path,
) -> Path:
    """Calibrate, write the bundle, and the reports on it."""
    trainer.model = _as_shipped(trainer.model, recipe, words)
    outcome = Outcome(*trainer.answer_dev())
    answering = _calibrate(recipe, learn, outcome)
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
        more={ANSWERS: "".join(f"{a}\n" for a in words.space.answers)}
        if words.space
        else {},
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
