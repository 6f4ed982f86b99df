"""Train a VQA model from a recipe and questions, or go on with one; give a bundle.

A run is a folder: `config.toml`, `vocabulary.txt`, `answers.txt` and `skipped.csv`
written first, `checkpoint.npz`, `best.npz` and `best_blind.npz` on the way, `logs/`
for TensorBoard, and at the end `bundle/`, `run.json`, `curves.png` and `samples.png`.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from shared.bundles.manifests import VOCABULARY
from shared.concepts.config import check_texts
from shared.concepts.imagined import Imagined
from shared.concepts.net import ConceptNet
from shared.concepts.starting import Named, Start, load_backbone
from shared.concepts.table import ConceptProbs
from shared.config import read_config
from shared.data.mixing import count_turns
from shared.data.splits import learn_from_all
from shared.errors import AppError
from shared.files.atomic import write_text
from shared.files.fingerprints import digest_photos
from shared.included import included_model
from shared.runs.briefing import name_clipped
from shared.runs.devices import mirrored
from shared.runs.folder import Run, Tick, hold_run, leave_out_broken, open_run, sign
from shared.runs.photos import Viewer
from shared.runs.recipes import (
    FEW,
    Precision,
    adapt_recipe,
    check_batches,
    name_files,
    refuse,
    set_precision,
)
from shared.runs.trainer import Trainer
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary, split_words
from shared.vision.images import read_image
from vqa.answering.predict import load_bundle
from vqa.config import FinetuneConfig, VqaConfig, find_contradictions
from vqa.data import Record, read_datasets, select
from vqa.net.model import Vqa
from vqa.net.runtime_keras import build_net
from vqa.questions.captions import read_captions
from vqa.questions.making import ask_texts
from vqa.text.answers import AnswerSpace
from vqa.text.asked import Concepts
from vqa.text.words import ANSWERS, Words, choose_vocabulary
from vqa.training.batches import Questions, Texts
from vqa.training.briefing import estimate, summarize
from vqa.training.few import go_on, teach_answers
from vqa.training.finish import finish
from vqa.training.recipes import FEW_QUESTIONS, FINETUNE, is_few
from vqa.training.reports import score_outcome
from vqa.training.task import AnswerTask
from vqa.training.texts import TextSource, read_text_sources

VqaStart = Start[VqaConfig, Words, Vqa]


def train(
    config: str | None,
    data: str | Path | Sequence[str | Path],
    out: Path,
    *,
    concepts: Path | None = None,
    texts: Sequence[str] = (),
    captions: Sequence[str] = (),
    encoder_weights: str | None = None,
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
        data: a data set see `vqa.data.read_dataset`, or several.
        concepts: what `captioner teach` wrote, for a recipe with concepts.
        texts, captions: see `vqa.config.FinetuneConfig`; none are those of the recipe.
        encoder_weights: used instead of the recipe's.
        from_bundle: a trained model to start from; the recipe is then a
            `FinetuneConfig`, words and answers are added, and old ones keep theirs.
        out, cache, announce, tick: see `shared.runs.folder.Run.of`.
        devices: GPUs that share each batch, see `shared.runs.devices`.
        precision: used instead of the recipe's.

    Returns:
        the bundle's folder.

    Raises:
        AppError: if the recipe, the data or the run's folder is refused.
    """
    named = Named(config, from_bundle, encoder_weights, concepts)
    files = {"texts": texts, "captions": captions}
    with mirrored(devices):
        start = _read_start(named, files, devices, precision)
        run = Run.of(out, data, cache, announce, tick)
        with hold_run(out, "`vqa train`", announce):
            return _train(start, run)


def _read_start(
    named: Named,
    files: Mapping[str, Sequence[str]],
    devices: int,
    precision: Precision | None,
) -> VqaStart:
    """Read a recipe, and refuse all in it that cannot be trained."""
    named.check()
    source, model, known = named.config or FINETUNE, None, None
    words = Words(Vocabulary(SPECIAL_WORDS), None)
    if named.from_bundle:
        known, vocabulary, space, model = load_bundle(named.from_bundle)
        recipe = adapt_recipe(known, source, FinetuneConfig, FINETUNE)
        words = Words(vocabulary, space)
    else:
        recipe = read_config(source, VqaConfig, "vqa-")
    recipe = name_files(set_precision(recipe, precision), files)
    problems = find_contradictions(recipe, whole=model is None)
    refuse(source, [*problems, *check_batches(recipe.stages, devices)])
    check_texts(source, recipe)
    keras.utils.set_random_seed(recipe.seed)
    weights = {"captioner": included_model("captioner")}
    backbone = load_backbone(source, named, recipe, model, weights)
    known = None if named.config else known
    return Start(recipe, backbone, words, model, known)


def _train(start: VqaStart, run: Run) -> Path:
    records = read_datasets(run.data)
    learn, dev = select(records, "train"), select(records, "dev")
    if start.model and is_few(learn + dev):
        start = _suit(start)
        learn, dev = learn_from_all(learn, dev)
    recipe, net = start.recipe, start.backbone.concepts
    _check_objective(recipe, learn + dev)
    if recipe.texts:
        run.announce(f"making questions of {', '.join(recipe.texts)}")
    texts = read_text_sources(recipe.texts, recipe.seed, ask_texts)
    lists = [VOCABULARY, ANSWERS] if recipe.objective == "answers" else [VOCABULARY]
    resumed = open_run(run.folder, recipe, _data_hash(learn + dev, texts), lists)
    learn, dev = leave_out_broken(run.folder, learn, dev, run.announce, run.memory)
    words = _choose_words(run.folder, learn, texts, start, resumed)
    fitted = start.backbone.fitted
    photos = {record.name for record in learn}
    for line in (
        *summarize(recipe, words, learn, dev),
        *name_clipped(recipe.stages, len(photos)),
    ):
        run.announce(line)
    if not resumed:
        run.announce(estimate(recipe, words, learn, dev))
    sizes = _sizes(learn + dev) if recipe.objective == "boxes" else None
    viewer = Viewer(
        start.backbone.encoder, recipe.encoder.resize, run.cache, run.announce
    )
    if net and start.model and len(photos) < FEW:
        net, fitted = teach_answers(net, _new_answers(start, words), learn, viewer)
    concepts = Concepts(net.words) if net else None

    def ask(
        records: Sequence[Record], words: Words, concepts: Concepts | None
    ) -> Questions:
        return Questions(records, *words, recipe, sizes, concepts)

    to_learn = ask(learn, words, concepts)
    model = _build(start, words, net, to_learn, viewer)
    task = AnswerTask(
        recipe,
        model,
        to_learn,
        ask(dev, words, concepts),
        viewer,
        fitted,
        _imagine(recipe, texts, words, concepts, fitted),
    )
    signature = sign(
        [record.id for record in learn],
        [record.id for record in dev],
        digest_photos({r.name: r.image for r in learn + dev}.values()),
        words.vocabulary.words,
        words.space.answers if words.space else (),
    )
    trainer = Trainer(task, recipe, run, signature)
    if start.model and not resumed:
        known = start.backbone.concepts
        asked = ask(dev, start.words, Concepts(known.words) if known else None)
        before = AnswerTask(recipe, start.model, to_learn, asked, viewer)
        space = start.words.space
        trainer.progress.before = _score_start(before, dev, space, run.announce)
    progress = trainer.train()
    return finish(task, words, learn, dev, texts, progress, run, start.backbone.origin)


def _suit(start: VqaStart) -> VqaStart:
    """Take the recipe for few photos, if nobody chose one."""
    if start.known is None:
        return start
    recipe = adapt_recipe(start.known, FEW_QUESTIONS, FinetuneConfig, FINETUNE)
    recipe = set_precision(recipe, start.recipe.precision)
    files = {"texts": start.recipe.texts, "captions": start.recipe.captions}
    return start._replace(recipe=name_files(recipe, files))


def _new_answers(start: VqaStart, words: Words) -> Sequence[str]:
    """Give those that the model to start from could not give."""
    if words.space is None or start.words.space is None:
        return ()
    return words.space.answers[len(start.words.space) :]


def _build(
    start: VqaStart,
    words: Words,
    net: ConceptNet | None,
    to_learn: Questions,
    viewer: Viewer,
) -> Vqa:
    """Make the model to train, with all that the one to start from knows."""
    encoder, _, _, origin = start.backbone
    model = build_net(start.recipe, *words, encoder, net)
    if start.model:
        go_on(start.model, model)
    elif origin == "none":
        photos = [record.image for record in to_learn.photos[:64]]
        model.encoder.calibrate(viewer.read(photos))
    return model


def _score_start(
    task: AnswerTask,
    dev: Sequence[Record],
    space: AnswerSpace | None,
    announce: Callable[[str], None],
) -> dict[str, Any]:
    """Score the model to start from, so that one sees what the training changes."""
    report = score_outcome(dev, task.answer_dev(), space)
    name, score = next(iter(report.scores.items()))
    announce(
        f"The model to start from reaches {score.value:.1f} % ({name}) on the "
        f"{score.questions} questions to choose by."
    )
    return report.to_dict()


def _imagine(
    recipe: VqaConfig,
    sources: Sequence[TextSource],
    words: Words,
    concepts: Concepts | None,
    fitted: Mapping[str, ConceptProbs],
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
    start: VqaStart,
    resumed: bool,
) -> Words:
    """Choose words and answers; a run with a checkpoint keeps its own."""
    recipe, known, net = start.recipe, start.words, start.backbone.concepts
    limits = recipe.vocabulary
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
            write_text(out / ANSWERS, space.to_text())
    if resumed:
        vocabulary = Vocabulary.load(out / VOCABULARY)
    else:
        asked = [record.question for record in learn] + [one.text for one in unseen]
        needed = [*(space.answers if space else ())]
        needed += net.words if net else ()
        if recipe.objective == "choices":
            needed += [choice for record in learn for choice in record.choices]
        vocabulary = choose_vocabulary(
            asked, needed, limits.min_count, known.vocabulary.words
        )
        write_text(out / VOCABULARY, vocabulary.to_text())
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
