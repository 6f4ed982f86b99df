"""Train a VQA model from a recipe and questions, or go on with one; give a bundle.

A run is a folder: `config.toml`, `vocabulary.txt`, `answers.txt` and `skipped.csv`
written first, `checkpoint.npz`, `best.npz` and `best_blind.npz` on the way, `logs/`
for TensorBoard, and at the end `bundle/`, `run.json`, `curves.png` and `samples.png`.
"""

import csv
import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from shared import bundles
from shared.config import format_config, parse_config, read_config
from shared.errors import AppError
from shared.images import read_image
from shared.text import SPECIAL_WORDS, Vocabulary, split_words
from shared.training import grow, load_progress
from shared.weights import write_weights
from vqa.answers import AnswerSpace
from vqa.batches import Questions
from vqa.calibration import choose_threshold, fit_temperature, to_confidence
from vqa.config import AnsweringConfig, FinetuneConfig, VqaConfig
from vqa.data import Record, read_dataset, select
from vqa.guard import opening
from vqa.model import Vqa
from vqa.predict import load_bundle
from vqa.reports import Outcome, describe_run, draw_curves, draw_samples, write_card
from vqa.runtime_keras import build_net, load_net
from vqa.trainer import CHECKPOINT, Trainer
from vqa.words import ANSWERS, answer_words

FINETUNE = "finetune-vqa"
CAPTIONER = Path(__file__).parents[1] / "captioner" / "bundle"
SKIPPED = "skipped.csv"
ODD = "surrogateescape"  # file names of any bytes
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
    recipe, known, start = _read_recipe(config, encoder_weights, from_bundle)
    records = read_dataset(data)
    learn, dev = select(records, "train"), select(records, "dev")
    _check_objective(recipe, learn + dev)
    _open_run(out, recipe, _data_hash(learn + dev))
    learn, dev = _leave_out_broken(out, learn, dev, announce)
    words = _choose_words(out, learn, recipe, known)
    sizes = _sizes(learn + dev) if recipe.objective == "boxes" else None
    to_learn, to_choose = (
        Questions(part, *words, recipe, sizes) for part in (learn, dev)
    )
    for line in _summary(words, learn, dev):
        announce(line)
    keras.utils.set_random_seed(recipe.seed)
    weights = encoder_weights or recipe.encoder.weights
    if weights == "captioner":
        weights = str(CAPTIONER)
    known_weights = None if start or weights == "none" else weights
    model = build_net(recipe, *words, known_weights)
    if start:
        grow(start, model)
    elif weights == "none":
        encoder = recipe.encoder
        photos = [record.image for record in to_learn.photos[:64]]
        images = [read_image(p, encoder.image_size, encoder.resize) for p in photos]
        model.encoder.calibrate(np.stack(images))
    cache = cache or out / "features"
    trainer = Trainer(recipe, model, to_learn, to_choose, out, cache, announce, tick)
    trainer.train()
    started_from = from_bundle or weights
    return _finish(recipe, trainer, words, learn, dev, data, started_from, out)


def _read_recipe(
    config: str | None, encoder_weights: str | None, from_bundle: Path | None
) -> tuple[VqaConfig, Words, Vqa | None]:
    """Give the recipe, and what the model to start from knows, if there is one."""
    nothing = Words(Vocabulary(SPECIAL_WORDS), None)
    if from_bundle is None:
        if config is None:
            raise AppError("Give a recipe with --config, or a bundle with --from.")
        return read_config(config, VqaConfig, "vqa-"), nothing, None
    if encoder_weights is not None:
        raise AppError(
            "A model that goes on with --from brings its encoder: leave out "
            "--encoder-weights."
        )
    old_config, vocabulary, space, start = load_bundle(from_bundle)
    tuning = read_config(config or FINETUNE, FinetuneConfig, "finetune-vqa")
    origin = old_config.about.strip() or "Nothing."
    about = (
        f"{tuning.about}\n\nIt started from a model of which this is said:\n\n{origin}"
    )
    changes = {**dict(tuning), "about": about.strip()}
    return old_config.model_copy(update=changes), Words(vocabulary, space), start


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


def _open_run(out: Path, recipe: VqaConfig, data_hash: str) -> None:
    """Make the run's folder, or make sure that it holds this very run.

    A run without a checkpoint has nothing to lose, and may become another one.
    """
    header = f"# data {data_hash}\n"
    path = out / "config.toml"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            if any(out.iterdir()):
                raise AppError(
                    f"{out} is not empty, and no run. Choose another folder with --out."
                )
        elif (out / CHECKPOINT).exists():
            text = path.read_text("utf-8")
            known = parse_config(text, VqaConfig, str(path))
            if text.startswith(header) and known == recipe:
                return
            raise AppError(
                f"{out} holds a run with another recipe or other data (see {path}). "
                "Give the same ones to go on with it, or another folder with --out."
            )
        (out / SKIPPED).unlink(missing_ok=True)
        path.write_text(header + format_config(recipe), "utf-8")
    except OSError as error:
        raise AppError(
            f"The run's folder {out} cannot be written: {error}. Choose another one "
            "with --out."
        ) from error


def _data_hash(records: Sequence[Record]) -> str:
    digest = hashlib.sha256()
    for r in records:
        asked = (r.name, r.split, r.question, r.choices, r.boxes)
        digest.update(repr((*asked, r.answers, r.right, r.weight)).encode())
    return digest.hexdigest()[:16]


def _choose_words(
    out: Path, learn: Sequence[Record], recipe: VqaConfig, known: Words
) -> Words:
    """Choose words and answers; a run with a checkpoint keeps its own."""
    resumed = (out / CHECKPOINT).exists()
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
            space.save(out / ANSWERS)
    if resumed:
        vocabulary = Vocabulary.load(out / bundles.VOCABULARY)
    else:
        sentences = [split_words(record.question) for record in learn]
        first = Vocabulary.from_sentences(
            sentences, limits.min_count, known.vocabulary.words
        )
        texts = list(space.answers if space else ())
        if recipe.objective == "choices":
            texts += [choice for record in learn for choice in record.choices]
        vocabulary = Vocabulary.from_sentences(map(answer_words, texts), 1, first.words)
        vocabulary.save(out / bundles.VOCABULARY)
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


def _summary(words: Words, learn: Sequence[Record], dev: Sequence[Record]) -> list[str]:
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
    return lines


def _leave_out_broken(
    out: Path,
    learn: list[Record],
    dev: list[Record],
    announce: Callable[[str], None],
) -> tuple[list[Record], list[Record]]:
    """Look at every photo once, before hours depend on it; list the bad ones."""
    path = out / SKIPPED
    photos = {record.name: record.image for record in learn + dev}

    def problem(name: str) -> str | None:
        try:
            read_image(photos[name], 32)
        except AppError as error:
            return str(error)
        return None

    if not path.exists():
        with ThreadPoolExecutor(2) as pool:
            problems = list(pool.map(problem, photos))
        with path.open("w", encoding="utf-8", errors=ODD, newline="") as file:
            rows = zip(photos, problems, strict=True)
            csv.writer(file).writerows((name, p) for name, p in rows if p)
    with path.open(encoding="utf-8", errors=ODD, newline="") as file:
        skipped = {row[0]: row[1] for row in csv.reader(file)}
    if skipped:
        announce(f"{len(skipped)} photos are left out, listed in {path}.")
    learn = [record for record in learn if record.name not in skipped]
    dev = [record for record in dev if record.name not in skipped]
    if not learn or not dev:
        raise AppError(
            f"No photo is left to {'choose by' if learn else 'learn from'}. The first "
            f"problem: {next(iter(skipped.values()))}. See {path}."
        )
    return learn, dev


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
    history = load_progress(out / CHECKPOINT)["history"]
    run = describe_run(
        recipe, learn, dev, words.space, data, started_from, history, outcome
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
        (out / "run.json").write_text(json.dumps(run, indent=1) + "\n", "utf-8")
        draw_curves(history, out / "curves.png")
        draw_samples(dev, words.space, outcome, recipe, out / "samples.png")
    except OSError as error:
        raise AppError(
            f"The reports in {out} cannot be written: {error}. The training is safe: "
            "the same command writes them again."
        ) from error
    return bundle
