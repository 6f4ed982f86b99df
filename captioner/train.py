"""Train a captioner from a recipe and a data set, or go on with one; give a bundle.

A run is a folder: `config.toml`, `vocabulary.txt` and `skipped.csv` written first,
`checkpoint.npz` and `best.npz` on the way, `logs/` for TensorBoard, and at the end
`bundle/`, `run.json`, `curves.png` and `samples.png`.
"""

import csv
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np

from captioner.calibration import choose_threshold
from captioner.config import CaptionerConfig, FinetuneConfig
from captioner.data import Record, read_dataset, select
from captioner.metrics import CiderD, score_captions
from captioner.model import Captioner, build_captioner
from captioner.predict import Caption, PhotoCaptioner, load_bundle, load_captioner
from captioner.reports import describe_run, draw_curves, draw_samples, write_card
from captioner.trainer import Trainer
from shared import bundles
from shared.config import format_config, parse_config, read_config
from shared.errors import AppError
from shared.images import read_image
from shared.text import SPECIAL_WORDS, Vocabulary, split_words
from shared.training import grow, load_progress

FINETUNE = "finetune-captioner"
CHECKPOINT, SKIPPED = "checkpoint.npz", "skipped.csv"
ODD = "surrogateescape"  # file names of any bytes


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
        data: as of `captioner.data.read_dataset`.
        out: the run's folder.
        encoder_weights: used instead of the recipe's.
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
    start = None
    if from_bundle is not None and encoder_weights is not None:
        raise AppError(
            "A model that goes on with --from brings its encoder: leave out "
            "--encoder-weights."
        )
    if from_bundle is not None:
        old_config, old_words, start = load_bundle(from_bundle)
        tuning = read_config(config or FINETUNE, FinetuneConfig, "finetune-captioner")
        origin = old_config.about.strip() or "Nothing."
        about = f"{tuning.about}\n\nIt started from a model of which this is said:"
        changes = {**dict(tuning), "about": f"{about}\n\n{origin}".strip()}
        if "units" not in tuning.vocabulary.model_fields_set:
            same = {"units": old_config.vocabulary.units}
            changes["vocabulary"] = tuning.vocabulary.model_copy(update=same)
        recipe = old_config.model_copy(update=changes)
    elif config is None:
        raise AppError("Give a recipe with --config, or a bundle with --from.")
    else:
        recipe = read_config(config, CaptionerConfig, "captioner-")
    records = read_dataset(data)
    learn, dev = select(records, "train"), select(records, "dev")
    _open_run(out, recipe, _data_hash(learn + dev))
    learn, dev = _leave_out_broken(out, learn, dev, announce)

    units = recipe.vocabulary.units
    texts = [text for record in learn for text in record.captions]
    sentences = [split_words(text, units) for text in texts]
    first = old_words.words if start else SPECIAL_WORDS
    vocabulary = _choose_words(out, sentences, recipe.vocabulary.min_count, first)
    vocabulary = vocabulary.in_units(units)
    announce(
        f"{len(learn)} photos to learn from, {len(dev)} to choose by. Vocabulary: "
        f"{len(vocabulary)} words, {vocabulary.coverage(sentences):.1%} of those in "
        "the captions."
    )
    keras.utils.set_random_seed(recipe.seed)
    weights = encoder_weights or recipe.encoder.weights
    known = None if start or weights == "none" else weights
    model = build_captioner(recipe, len(vocabulary), known)
    if start:
        grow(start, model)
    elif known is None:
        encoder = recipe.encoder
        images = [
            read_image(record.image, encoder.image_size, encoder.resize)
            for record in learn[:64]
        ]
        model.encoder.calibrate(np.stack(images))
    cache = cache or out / "features"
    Trainer(recipe, model, vocabulary, learn, dev, out, cache, announce, tick).train()
    started_from = from_bundle or weights
    return _finish(recipe, model, vocabulary, learn, dev, data, started_from, out)


def _open_run(out: Path, recipe: CaptionerConfig, data_hash: str) -> None:
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
            known = parse_config(text, CaptionerConfig, str(path))
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
    for record in records:
        digest.update(repr((record.name, record.split, record.captions)).encode())
    return digest.hexdigest()[:16]


def _choose_words(
    out: Path,
    sentences: Sequence[Sequence[str]],
    min_count: int,
    first: Sequence[str],
) -> Vocabulary:
    """Make the run's vocabulary; a run with a checkpoint keeps its own."""
    path = out / "vocabulary.txt"
    if (out / CHECKPOINT).exists():
        vocabulary = Vocabulary.load(path)
        if vocabulary.words[: len(first)] == tuple(first):
            return vocabulary
        raise AppError(
            f"{out} holds a run that started from another model, with other words. "
            "Give that one with --from, or another folder with --out."
        )
    vocabulary = Vocabulary.from_sentences(sentences, min_count, first)
    if len(vocabulary) == len(SPECIAL_WORDS):
        raise AppError(
            f"No word occurs {min_count} times in the training captions, which is "
            "the recipe's min_count. Lower it, or add captions."
        )
    vocabulary.save(path)
    return vocabulary


def _leave_out_broken(
    out: Path,
    learn: list[Record],
    dev: list[Record],
    announce: Callable[[str], None],
) -> tuple[list[Record], list[Record]]:
    """Look at every photo once, before hours depend on it; list the bad ones."""
    path = out / SKIPPED
    records = learn + dev

    def problem(record: Record) -> str | None:
        try:
            read_image(record.image, 32)
        except AppError as error:
            return str(error)
        return None

    if not path.exists():
        with ThreadPoolExecutor(2) as pool:
            problems = list(pool.map(problem, records))
        with path.open("w", encoding="utf-8", errors=ODD, newline="") as file:
            rows = zip(records, problems, strict=True)
            csv.writer(file).writerows((r.name, p) for r, p in rows if p)
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


def _finish(
    recipe: CaptionerConfig,
    model: Captioner,
    vocabulary: Vocabulary,
    learn: Sequence[Record],
    dev: Sequence[Record],
    data: str,
    started_from: str | Path,
    out: Path,
) -> Path:
    """Write the bundle of the model that came out, with its scores, and draw it."""
    bundle = out / "bundle"

    def write(card: str) -> None:
        bundles.write_bundle(
            bundle,
            task="captioner",
            config=format_config(recipe),
            vocabulary=(out / "vocabulary.txt").read_text("utf-8"),
            model=model,
            card=card,
        )

    # What is scored is what was written, rounded weights and all.
    write("Not scored yet.\n")
    captions = _caption(load_captioner(bundle), dev)
    texts = {name: caption.text for name, caption in captions.items()}
    references = {r.name: r.captions for r in dev if r.name in texts}
    report = score_captions(texts, references, units=vocabulary.units)
    if unsure := _find_unsure(captions, references, vocabulary):
        recipe = recipe.model_copy(update={"unsure": unsure})
    history = load_progress(out / CHECKPOINT)["history"]
    run = describe_run(recipe, learn, dev, data, started_from, history, report)
    write(write_card(run, recipe, len(vocabulary) - len(SPECIAL_WORDS)))
    try:
        (out / "run.json").write_text(json.dumps(run, indent=1) + "\n", "utf-8")
        draw_curves(history, out / "curves.png")
        draw_samples(dev, texts, out / "samples.png")
    except OSError as error:
        raise AppError(
            f"The reports in {out} cannot be written: {error}. The training is safe: "
            "the same command writes them again."
        ) from error
    return bundle


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
    batches = captioner.caption_all(record.image for record in records)
    found = [captions for batch in batches for _, captions in batch]
    return {
        record.name: captions[0]
        for record, captions in zip(records, found, strict=True)
        if not isinstance(captions, AppError)
    }
