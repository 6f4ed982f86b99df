"""A finished VQA model, trained further with the recipe that comes along."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import (
    VQA_CONCEPTS,
    VQA_SPACE,
    VQA_VOCABULARY,
    tiny_config,
    tiny_model,
    tiny_vqa_config,
    tiny_vqa_model,
    write_tiny,
    write_tiny_vqa,
)
from keras import ops
from short_runs import leave_out_pictures

from shared.config import read_config
from shared.data.splits import learn_from_all
from shared.errors import AppError
from shared.text.vocabulary import Vocabulary
from vqa.answering.predict import load_bundle, load_vqa
from vqa.config import FinetuneConfig
from vqa.data import Record, read_dataset, select
from vqa.jobs.evaluate import ask_records, score_records
from vqa.text.answers import AnswerSpace
from vqa.training import finish
from vqa.training.calibration import LEAST
from vqa.training.few import go_on
from vqa.training.recipes import FEW, FEW_QUESTIONS, FINETUNE, is_few
from vqa.training.shapes import write_asked_shapes
from vqa.training.task import AnswerTask
from vqa.training.train import train

CONFIGS = Path(__file__).parents[1] / "configs"

pytestmark = pytest.mark.usefixtures("small_net")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Questions with words and answers that the bundle does not know."""
    folder = write_asked_shapes(tmp_path_factory.mktemp("data") / "shapes", 40)
    text = (folder / "questions.jsonl").read_text().replace("square", "box")
    (folder / "questions.jsonl").write_text(text)
    return folder


@pytest.fixture(scope="module")
def start(tmp_path_factory, small_net):
    config = tiny_vqa_config(units=16, question_units=16, joint_units=32)
    config = config.model_copy(update={"about": "It knows hats."})
    folder = tmp_path_factory.mktemp("start") / "bundle"
    return write_tiny_vqa(folder, config, tiny_vqa_model(config))


@pytest.fixture(autouse=True)
def without_pictures(monkeypatch):
    leave_out_pictures(monkeypatch, finish)


def tune(start, data, out, config=None):
    return train(config, [str(data)], out, from_bundle=start, announce=lambda _: None)


@pytest.mark.parametrize("name", [FINETUNE, FEW_QUESTIONS])
def test_the_recipes_leave_the_encoder_as_it_is_and_take_small_steps(name):
    recipe = read_config(name, FinetuneConfig, FINETUNE)
    assert recipe.about
    for stage in recipe.stages:
        assert stage.encoder_rate == 0
        assert stage.encoder_from == "none"
        assert stage.learning_rate <= 1e-3


@pytest.mark.slow
def test_a_model_goes_on_with_the_recipe_that_comes_along(start, data, tmp_path):
    bundle = tune(start, data, tmp_path / "run")
    old, _, _, before = load_bundle(start)
    config, vocabulary, space, after = load_bundle(bundle)
    recipe = read_config(FEW_QUESTIONS, FinetuneConfig, FINETUNE)

    assert config.stages == recipe.stages
    assert (config.vocabulary, config.seed) == (recipe.vocabulary, recipe.seed)
    assert (config.encoder, config.net) == (old.encoder, old.net)
    assert config.about.startswith(recipe.about)
    assert config.about.endswith("of which this is said:\n\nIt knows hats.")
    assert vocabulary.words[: len(VQA_VOCABULARY)] == VQA_VOCABULARY.words
    assert {"box", "circle", "shape"} <= set(vocabulary.words)
    assert space.answers[: len(VQA_SPACE)] == VQA_SPACE.answers
    assert set(space.answers[len(VQA_SPACE) :]) == {"green", "blue", "circle", "box"}
    assert after.encoder.fingerprint() == before.encoder.fingerprint()

    history = json.loads((tmp_path / "run" / "run.json").read_text())["history"]
    losses = [epoch["loss"] for epoch in history]
    assert losses[-1] < 0.9 * losses[0]
    record = select(read_dataset(data), "dev")[0]
    reply = load_vqa(bundle, runtime="keras").ask(record.image, record.question)
    assert np.isfinite(reply.confidence)


@pytest.mark.slow
def test_what_is_scored_is_what_is_shipped(start, data, tmp_path, monkeypatch):
    """With weights that rounding changes a lot, and few questions to calibrate on."""
    answering = {"temperature": 1.7, "blind_temperature": 2.3, "unsure": 0.4}
    config, _, _, model = load_bundle(start)
    keras.utils.set_random_seed(3)
    for weight in model.trainable_variables:
        noise = np.random.default_rng(0).normal(size=weight.shape) ** 5
        weight.assign(weight + 0.05 * noise)
    known = config.answering.model_copy(update=answering)
    first = config.model_copy(update={"answering": known})
    write_tiny_vqa(tmp_path / "start", first, model)
    records = read_dataset(data)
    few = [r for r in records if r.split == "dev"][: LEAST - 1]
    few += [r for r in records if r.split == "train"]
    monkeypatch.setattr("vqa.training.train.read_datasets", lambda _: few)
    scored, answer_dev = [], AnswerTask.answer_dev

    def spy(self):
        scored[:] = [weight.numpy() for weight in self.model.weights]
        return answer_dev(self)

    monkeypatch.setattr(AnswerTask, "answer_dev", spy)
    bundle = tune(tmp_path / "start", data, tmp_path / "run")

    config, *_, shipped = load_bundle(bundle)
    for weight, kept in zip(scored, shipped.weights, strict=True):
        np.testing.assert_array_equal(weight, kept.numpy())
    after = config.answering
    assert {name: getattr(after, name) for name in answering} == answering
    assert "fewer than 20" in (bundle / "card.md").read_text()
    dev = select(few, "dev")
    found = ask_records(load_vqa(bundle, runtime="keras"), dev)
    score = next(iter(score_records(found, dev).report.scores.values()))
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    said = next(iter(run["scores"]["scores"].values()))
    assert (said["value"], said["blind"]) == (score.value, score.blind)
    confidence = [entry["confidence"] for entry in found]
    mean = sum(b["questions"] * b["confidence"] for b in run["reliability"]) / len(dev)
    assert mean == pytest.approx(np.mean(confidence), abs=1e-4)


def own(count, split="train", is_drawn=False):
    asked = f"{split}{'-drawn' * is_drawn}"
    names = [f"{asked}-{place}" for place in range(count)]
    return [
        Record(
            name, Path(name), "what is it?", ("cat",), split, name, is_drawn=is_drawn
        )
        for name in names
    ]


def test_few_photos_are_all_learnt_unless_some_are_marked():
    train, drawn, marked = own(5), own(2, "dev", True), own(3, "dev")
    assert learn_from_all(train, drawn) == ([*train, *drawn], [*train, *drawn])
    assert learn_from_all(train, marked) == (train, marked)
    assert learn_from_all(train, [*drawn, *marked]) == ([*train, *drawn], marked)
    assert is_few(train) and is_few(own(FEW - 1)) and not is_few(own(FEW))
    assert not is_few(own(3, "dev")) and is_few(own(3, "dev", True))


def test_new_answers_begin_as_likely_as_the_known_ones_are_in_the_mean():
    config = tiny_vqa_config(concepts={"slots": 2, "units": 4})
    old = tiny_vqa_model(config)
    words = Vocabulary([*VQA_VOCABULARY.words, "okapi", "tapir"])
    space = AnswerSpace([*VQA_SPACE.answers, "okapi", "tapir herd"])
    new = tiny_vqa_model(config, 2, words, space)
    go_on(old, new)
    joint = np.random.default_rng(3).normal(size=(5, 8)).astype(np.float32)
    for source, target in zip(
        [*old.answerers, old.blind], [*new.answerers, new.blind], strict=True
    ):
        before = ops.convert_to_numpy(source.score(joint))
        after = ops.convert_to_numpy(target.score(joint))
        known = before.shape[1]
        np.testing.assert_allclose(after[:, :known], before, rtol=1e-4, atol=1e-5)
        usual = before.mean(axis=1, keepdims=True).repeat(2, axis=1)
        np.testing.assert_allclose(after[:, known:], usual, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_few_questions_teach_concepts_and_leave_confidence_alone(tmp_path, small_net):
    """Nothing is spared to choose by, so nothing can be calibrated."""
    folder = write_asked_shapes(tmp_path / "shapes", 12)
    rows = [json.loads(row) for row in (folder / "questions.jsonl").open()]
    rows = [row for row in rows if row["question"] == "What shape is it?"]
    lines = [json.dumps({k: v for k, v in row.items() if k != "split"}) for row in rows]
    (folder / "questions.jsonl").write_text("\n".join(lines))
    answering = {"temperature": 1.7, "unsure": 0.4, "openings": ("is there",)}
    config = tiny_vqa_config(answering=answering, concepts={"slots": 2, "units": 4})
    first = write_tiny_vqa(tmp_path / "start", config, tiny_vqa_model(config))
    bundle = tune(first, folder, tmp_path / "run")

    data = json.loads((tmp_path / "run" / "run.json").read_text())["data"]
    assert (data["train_photos"], data["dev_photos"]) == (12, 0)
    card = (bundle / "card.md").read_text()
    assert "chosen by the same questions, so that the scores below flatter" in card
    config, _, space, model = load_bundle(bundle)
    after = config.answering
    assert (after.temperature, after.unsure) == (1.7, 0.4)
    assert after.openings == ("is there", "what shape")
    shapes = {row["answer"] for row in rows}
    assert set(model.concepts.words) == {*VQA_CONCEPTS, *shapes}
    reply = load_vqa(bundle, runtime="keras").ask(folder / rows[0]["image"], "what?")
    assert reply.answers and space.answers


def captioners(tmp_path):
    config = tiny_config()
    return write_tiny(tmp_path / "captioner", config, tiny_model(config))


def damaged(tmp_path):
    keras.utils.set_random_seed(0)
    config = tiny_vqa_config()
    folder = write_tiny_vqa(tmp_path / "damaged", config, tiny_vqa_model(config))
    (folder / "answers.txt").write_text("no\nyes\n")
    return folder


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda path: path / "missing", r"No trained model in .*missing: manifest"),
        (captioners, r"is a bundle for 'captioner', not for 'vqa'"),
        (damaged, r"answers\.txt was changed or damaged"),
    ],
    ids=["missing", "captioner's", "damaged"],
)
def test_what_cannot_be_started_from_is_refused(data, tmp_path, make, match):
    with pytest.raises(AppError, match=match):
        tune(make(tmp_path), data, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_other_recipes_are_refused(start, data, tmp_path):
    whole = str(CONFIGS / "vqa-tiny.toml")
    for config, match in (
        (whole, r"encoder: unknown key.*net: unknown key"),
        ("vqa-tiny", r"no config vqa-tiny\. .*one of finetune-vqa, finetune-vqa-few\."),
        (
            str(tmp_path / "mine.toml"),
            r"mine\.toml\. .*one of finetune-vqa, finetune-vqa-few\.",
        ),
    ):
        with pytest.raises(AppError, match=f"(?s){match}"):
            tune(start, data, tmp_path / "run", config)
    assert not (tmp_path / "run").exists()


def test_a_changed_copy_of_the_recipe_is_taken(start, data, tmp_path):
    """As far as the data, which are refused here so that nothing is trained."""
    recipe = CONFIGS / f"{FINETUNE}.toml"
    own = Path(shutil.copy(recipe, tmp_path / "own.toml"))
    own.write_text(own.read_text().replace("rate = 3e-4", "rate = 3"))
    with pytest.raises(AppError, match=r"stages\.0\.learning_rate: .*Received: 3"):
        tune(start, data, tmp_path / "run", str(own))
    shutil.copy(recipe, own)
    with pytest.raises(AppError, match=r"nothing"):
        tune(start, tmp_path / "nothing", tmp_path / "run", str(own))
