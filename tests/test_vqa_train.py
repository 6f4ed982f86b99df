"""Short runs of a tiny net on drawn shapes: whole, broken off, gone on with.

Every run has the recipe below, changed here and there. The net has a patch of 8 px
for each region and batch statistics, so that all that real ones need is used.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from conftest import (
    VQA_SPACE,
    VQA_VOCABULARY,
    tiny_vqa_config,
    write_concepts,
)
from keras import ops
from PIL import Image
from short_runs import (
    ENCODER,
    Killed,
    Run,
    add_patches,
    arrays,
    assert_same_end,
    format_stages,
    kill_after,
    leave_out_pictures,
    progress_of,
    spoil,
    stop_before_training,
    values,
)

from shared.concepts.starting import Backbone
from shared.concepts.table import TABLE, read_table
from shared.config import parse_config
from shared.data.shapes import COLOURS, draw_shape
from shared.data.shapes import write_captioned_shapes as write_shapes
from shared.errors import AppError
from shared.files.fingerprints import digest_photos
from shared.runs import training
from shared.runs.checkpoints import save_arrays
from shared.runs.trainer import Trainer
from shared.runs.training import grow
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary
from vqa.answering.predict import load_bundle, load_vqa
from vqa.config import VqaConfig
from vqa.data import Record, read_dataset, select
from vqa.metrics.criteria import Outcome
from vqa.metrics.scoring import score_answers
from vqa.net.runtime_keras import build_net
from vqa.questions.captions import read_captions
from vqa.text.answers import AnswerSpace
from vqa.text.words import Words
from vqa.training import finish as finish_module
from vqa.training import train as train_module
from vqa.training.reports import (
    draw_curves,
    draw_samples,
    score_outcome,
    write_card,
)
from vqa.training.shapes import write_asked_shapes
from vqa.training.task import AnswerTask
from vqa.training.train import train

TOP = f"""
seed = 3
HEAD{ENCODER}
[net]
units = 12
embed_dim = 10
attention_units = 8
hops = 1
question_units = 16
joint_units = 16
word_dropout = 0.1
embed_dropout = 0.1
region_dropout = 0.1
joint_dropout = 0.1
"""
STAGE = {"epochs": 2, "batch_size": 4, "questions": 3, "learning_rate": 0.01}
FROZEN = {"name": "frozen", **STAGE, "average": 0.9, "label_smoothing": 0.1}
JOINT = {
    "name": "joint",
    **STAGE,
    "encoder_rate": 0.003,
    "encoder_from": "norm",
    "augment": True,
}
TOLD = {**FROZEN, "texts": 0.5, "blind": 0.3}
WITH_CONCEPTS = TOP + "\n[concepts]\nslots = 3\nunits = 6\nalways = []\n"
SHAPES = ("circle", "square", "red", "green", "blue")
LEARNING = {
    "name": "all",
    "epochs": 20,
    "patience": 20,
    "batch_size": 8,
    "questions": 4,
    "learning_rate": 0.02,
    "encoder_rate": 0.01,
    "encoder_from": "all",
}


@pytest.fixture(autouse=True)
def small_net(monkeypatch):
    add_patches(monkeypatch)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return write_asked_shapes(tmp_path_factory.mktemp("data") / "shapes", 20)


@pytest.fixture
def run(tmp_path, data, monkeypatch):
    leave_out_pictures(monkeypatch, finish_module)
    return Run(train, tmp_path, data, TOP)


@pytest.fixture
def unfinished(monkeypatch):
    """End runs with the model, before its bundle and reports, which take long."""
    monkeypatch.setattr(train_module, "finish", lambda task, *_: task.model)


@pytest.fixture
def own(tmp_path):
    """Shapes that a test may spoil."""
    return write_asked_shapes(tmp_path / "own", 20)


@pytest.mark.slow
def test_the_tiny_recipe_learns_shapes_and_leaves_all_it_should(tmp_path):
    data, out, said = write_asked_shapes(tmp_path / "photos", 90), tmp_path / "run", []
    bundle = train("vqa-tiny", [str(data)], out, announce=said.append)

    assert bundle == out / "bundle"
    assert {path.name for path in out.iterdir()} == {
        *("config.toml", "vocabulary.txt", "answers.txt", "skipped.csv", "logs"),
        *("checkpoint.npz", "best.npz", "best_blind.npz", "bundle", "run.json"),
        *("curves.png", "samples.png"),
    }
    answers = AnswerSpace.load(out / "answers.txt").answers
    assert answers[:2] == ("no", "yes")  # the most frequent first
    assert set(answers) == {"yes", "no", *COLOURS, "circle", "square"}
    record = json.loads((out / "run.json").read_text())
    assert record["data"] == {
        "source": "photos",
        "train_photos": 72,
        "train_questions": 288,
        "dev_photos": 18,
        "dev_questions": 72,
    }
    assert record["versions"]["keras"] == keras.__version__
    assert record["recipe"]["encoder"]["name"] == "small"
    assert len(record["history"]) == 15
    score = next(iter(record["scores"]["scores"].values()))
    assert score["value"] > score["blind"] + 25
    assert score["blind"] < 60  # only the photo tells
    recipe = record["recipe"]["answering"]
    assert set(recipe["openings"]) == {"is it", "what color", "what shape"}
    for name in ("curves.png", "samples.png"):
        with Image.open(out / name) as image:
            image.load()
            assert min(image.size) > 200
    assert any(path.stat().st_size for path in (out / "logs").glob("events*"))
    card = (bundle / "card.md").read_text()
    assert "photos: 288 questions about 72 photos" in card
    assert "72 questions about 18 other photos" in card.replace("\n", " ")
    assert any("288 questions about 72 photos to learn from" in text for text in said)
    assert any("7 answers can be given" in text for text in said)

    answerer = load_vqa(bundle)
    dev = select(read_dataset(data), "dev")
    right = [
        answerer.ask(one.image, one.question, count=1).answers[0].text in one.answers
        for one in dev[:24]
    ]
    assert np.mean(right) > 0.7


def yes_or_no(folder, photos=42):
    """Balanced questions whose answers only the photo tells."""
    rng, lines = np.random.default_rng(0), []
    folder.mkdir()
    names = list(COLOURS)
    for i in range(photos):
        draw_shape(names[i % 3], "square", rng).save(folder / f"{i}.png")
        for k, answer in ((0, "yes"), (1 + i // 3 % 2, "no")):
            row = {"image": f"{i}.png", "question": f"Is it {names[(i + k) % 3]}?"}
            split = "train" if i < photos - 12 else "dev"
            lines.append(json.dumps({**row, "answer": answer, "split": split}) + "\n")
    (folder / "questions.jsonl").write_text("".join(lines))
    return folder


@pytest.mark.slow
def test_without_the_photo_yes_and_no_are_a_coin(run, unfinished, tmp_path):
    run(LEARNING, data=yes_or_no(tmp_path / "coin"), top=without_dropout())
    history = progress_of(run.folder / "run")["history"]
    assert max(epoch["dev_accuracy"] for epoch in history) > 95
    for epoch in history:
        assert epoch["dev_blind"] == pytest.approx(50, abs=5)
        assert 0 < epoch["gradient_norm"] <= epoch["gradient_norm_most"]


def without_dropout():
    return "".join(
        line for line in TOP.splitlines(keepends=True) if "dropout" not in line
    )


CASES = {
    "joint": (
        [
            {**FROZEN, "epochs": 1, "label_smoothing": 0.0},
            {**JOINT, "average": 0.9},
        ],
        'loss = "soft"',
        6,
    ),
    "told": ([{**TOLD, "epochs": 1}], "", 5),
}


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("case", CASES)
def test_a_run_broken_off_ends_as_one_that_was_not(
    run, monkeypatch, unfinished, case, concepts, captions, texts
):
    stages, head, steps = CASES[case]
    given = {"head": head}
    if case == "told":
        given |= {"top": WITH_CONCEPTS, "concepts": concepts, "texts": [texts]}
        given["captions"] = [str(captions)]
    run(*stages, out="whole", **given)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)  # after every step
    with pytest.raises(Killed):
        run(*stages, out="broken", tick=kill_after(steps), **given)
    run.said.clear()
    run(*stages, out="broken", **given)
    assert any(text.startswith("Going on with stage") for text in run.said)

    whole, broken = run.folder / "whole", run.folder / "broken"
    assert_same_end(whole, broken, ("checkpoint.npz", "best.npz", "best_blind.npz"))


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_each_net_ends_as_it_was_when_it_was_best(run):
    bundle = run({**LEARNING, "epochs": 4})
    model = load_bundle(bundle)[3]
    best, blind = (
        arrays(run.folder / "run" / name) for name in ("best.npz", "best_blind.npz")
    )
    # Weights are rounded in a bundle, see `shared.bundles.weights`.
    kept = [array.ravel() for array in best.values()]
    twin = [array.ravel() for array in blind.values()]
    for net, known in ((model.answerers[0], kept), (model.blind, twin)):
        for weight in values(net.weights):
            flat = weight.ravel()
            near = [a for a in known if a.size == flat.size]
            assert (
                min(abs(a - flat).max() for a in near) < 0.02 * abs(flat).max() + 1e-3
            )


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_finished_run_writes_its_reports_again(run):
    stages, out = [{**FROZEN, "epochs": 1}], run.folder / "run"
    run(*stages)
    before = values(load_bundle(out / "bundle")[3].weights)
    report = json.loads((out / "run.json").read_text())
    for name in ("run.json", "samples.png"):
        (out / name).unlink()
    run(*stages, tick=kill_after(0))
    assert json.loads((out / "run.json").read_text()) == report
    assert (out / "samples.png").exists()
    after = values(load_bundle(out / "bundle")[3].weights)
    for old, new in zip(before, after, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_another_metric_can_choose(run, unfinished):
    run({**FROZEN, "epochs": 1}, head='choose_by = "balanced_accuracy"')
    progress = progress_of(run.folder / "run")
    best, (epoch,) = progress["best"], progress["history"]
    assert epoch["dev_balanced_accuracy"] == round(best["best.npz"], 3)
    assert epoch["dev_blind"] == round(best["best_blind.npz"], 3)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_only_a_joint_stage_trains_the_encoder(run, unfinished):
    ticks = []

    def tick(*args):
        ticks.append(args)

    frozen, joint = (
        run({**stage, "epochs": 1}, out=stage["name"], tick=tick).encoder.backbone
        for stage in (FROZEN, JOINT)
    )
    assert [args[:4] for args in ticks] == [
        (name, 0, i, 4) for name in ("frozen", "joint") for i in (1, 2, 3, 4)
    ]
    for name, moved in (("conv", False), ("norm", True)):
        for old, new in zip(
            values(frozen.get_layer(name).weights[:2]),  # not its statistics
            values(joint.get_layer(name).weights[:2]),
            strict=True,
        ):
            assert np.array_equal(old, new) is not moved


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_stage_ends_when_the_score_no_longer_rises(run, unfinished):
    stage = {**FROZEN, "epochs": 9, "patience": 2, "learning_rate": 1e-9}
    run({**stage, "average": 0.0}, {**JOINT, "epochs": 1})
    history = progress_of(run.folder / "run")["history"]
    assert [(epoch["stage"], epoch["epoch"]) for epoch in history] == [
        *(("frozen", i) for i in (1, 2, 3)),  # the first is the best
        ("joint", 1),
    ]


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_training_that_breaks_down_says_so(run, monkeypatch):
    monkeypatch.setattr(
        "vqa.net.model.answer_loss", lambda scores, *_: ops.sum(scores) * np.nan
    )
    with pytest.raises(AppError, match=r"loss is not a number.*Lower the rates"):
        run(FROZEN)


def with_choices(folder):
    """Which of four words is its colour, in any order."""
    write_asked_shapes(folder, 30)
    rows = [
        json.loads(s) for s in (folder / "questions.jsonl").read_text().splitlines()
    ]
    names, lines = [*COLOURS, "purple"], []
    for i, row in enumerate(rows[::4]):
        choices = [names[(i // 3 + k) % 4] for k in range(3 + i % 2)]
        if row["answer"] not in choices:
            choices[0] = row["answer"]
        lines.append(json.dumps({**row, "choices": choices}) + "\n")
    (folder / "questions.jsonl").write_text("".join(lines))
    return folder


def with_boxes(folder):
    """Which half of the photo is red; the other one is blue."""
    folder.mkdir()
    records = []
    left, right = (0.0, 0.0, 40.0, 60.0), (40.0, 0.0, 80.0, 60.0)
    for i in range(40):
        pixels = np.zeros((60, 80, 3), np.uint8)
        pixels[:, :40], pixels[:, 40:] = list(COLOURS.values())[:: 2 - 4 * (i % 2)]
        Image.fromarray(pixels).save(folder / f"{i}.png")
        boxes = (left, right, (0.0, 0.0, 80.0, 60.0))[:: 1 if i // 2 % 2 else -1]
        name, split = f"{i}.png", "train" if i < 32 else "dev"
        for k, half in ((0, left), (1, right)):
            question = f"Which is {('red', 'blue')[(k + i) % 2]}?"
            place = boxes.index(half)
            rest = {"boxes": boxes, "right": place}
            path = folder / name
            records.append(Record(name, path, question, (), split, f"{i}.{k}", **rest))
    return records


@pytest.mark.slow
def test_choices_can_be_learnt(run, tmp_path):
    data = with_choices(tmp_path / "choices")
    stage = {**LEARNING, "label_smoothing": 0.1}
    top = without_dropout()
    bundle = run(stage, data=data, head='objective = "choices"', top=top)
    assert not (bundle / "answers.txt").exists()
    assert not (run.folder / "run" / "answers.txt").exists()
    assert "purple" in load_bundle(bundle)[1]
    history = json.loads((run.folder / "run" / "run.json").read_text())["history"]
    assert max(epoch["dev_accuracy"] for epoch in history) > 80
    assert max(epoch["loss"] for epoch in history) < 10
    answerer = load_vqa(bundle)
    red = np.asarray(draw_shape("red", "square", np.random.default_rng(0)))
    reply = answerer.ask(red, "What color is it?", choices=("blue", "red", "green"))
    assert reply.answer == "red"


@pytest.mark.slow
def test_boxes_can_be_learnt(run, tmp_path, monkeypatch):
    records = with_boxes(tmp_path / "boxes")
    monkeypatch.setattr(train_module, "read_datasets", lambda _: records)
    run(LEARNING, head='objective = "boxes"', top=without_dropout())
    history = json.loads((run.folder / "run" / "run.json").read_text())["history"]
    assert max(epoch["dev_accuracy"] for epoch in history) > 90
    assert all(epoch["dev_blind"] < 80 for epoch in history)
    reply = load_vqa(run.folder / "run" / "bundle").ask(
        records[0].image,
        records[0].question,
        boxes=((0, 0, 0.5, 1), (0.5, 0, 1, 1), (0, 0, 1, 1)),
    )
    assert reply.answer == "0"


@pytest.mark.slow
def test_soft_targets_can_be_learnt(run):
    run(LEARNING, head='loss = "soft"', top=without_dropout())
    record = json.loads((run.folder / "run" / "run.json").read_text())
    assert record["history"][-1]["loss"] < record["history"][0]["loss"] / 1.5
    score = next(iter(record["scores"]["scores"].values()))
    assert score["value"] > 40
    config = load_bundle(run.folder / "run" / "bundle")[0]
    assert config.soft


@pytest.fixture
def unable_to_train(monkeypatch):
    """Stop where training would begin, with a checkpoint."""

    monkeypatch.setattr(Trainer, "train", stop_before_training)


@pytest.fixture
def begun(run, unable_to_train):
    """A run with a checkpoint."""
    with pytest.raises(Killed):
        run(FROZEN)
    return run


def test_another_recipe_does_not_go_on_with_a_run(begun):
    with pytest.raises(AppError, match=r"another recipe or other data.*--out"):
        begun({**FROZEN, "epochs": 3})


def test_other_data_does_not_go_on_with_a_run(begun, own):
    rewrite(own, ("Is it red", "Is it green"))
    with pytest.raises(AppError, match=r"another recipe or other data.*--out"):
        begun(FROZEN, data=own)


@pytest.mark.parametrize("change", ["choices", "boxes", "right", "answers", "weight"])
def test_all_that_is_learnt_from_makes_the_data_what_it_is(change):
    one = Record("a", Path("a"), "b", ("c",), "train", "d")
    other = {
        "choices": ("c", "d"),
        "boxes": ((0.0, 0.0, 1.0, 1.0),),
        "right": 0,
        "answers": ("d",),
        "weight": 2.0,
    }
    changed = Record(
        **{**{f: getattr(one, f) for f in one.__slots__}, change: other[change]}
    )
    assert train_module._data_hash([one]) != train_module._data_hash([changed])


def test_a_recipe_written_otherwise_is_the_same(begun):
    with pytest.raises(Killed):
        begun(FROZEN, head='loss = "softmax"')


def test_a_run_keeps_its_words_and_answers_whatever_would_be_chosen_now(
    begun, monkeypatch
):
    names = ("vocabulary.txt", "answers.txt")
    before = [(begun.folder / "run" / name).read_text() for name in names]
    monkeypatch.setattr(Vocabulary, "from_sentences", None)
    monkeypatch.setattr(AnswerSpace, "from_answers", None)
    with pytest.raises(Killed):
        begun(FROZEN)
    assert [(begun.folder / "run" / name).read_text() for name in names] == before


def test_a_run_without_a_checkpoint_may_become_another(begun):
    (begun.folder / "run" / "checkpoint.npz").unlink()
    with pytest.raises(Killed):
        begun({**FROZEN, "epochs": 5})
    assert "epochs = 5" in (begun.folder / "run" / "config.toml").read_text()


@pytest.mark.parametrize("name", ["best_blind.npz", "answers.txt", "vocabulary.txt"])
def test_a_run_that_has_lost_a_part_is_not_gone_on_with(begun, monkeypatch, name):
    out = begun.folder / "run"
    with np.load(out / "checkpoint.npz") as file:
        kept = [file[str(i)] for i in range(len(file.files) - 1)]
    save_arrays(out / "checkpoint.npz", kept, progress_of(out) | {"best": 1.0})
    save_arrays(out / "best.npz", kept, {})
    (out / name).unlink(missing_ok=True)
    monkeypatch.undo()
    add_patches(monkeypatch)
    with pytest.raises(AppError, match=rf"{name}.*--out"):
        begun(FROZEN)


def test_a_run_whose_answers_were_changed_is_not_gone_on_with(begun, monkeypatch):
    monkeypatch.undo()
    add_patches(monkeypatch)
    path = begun.folder / "run" / "answers.txt"
    path.write_text(path.read_text().replace("circle", "ring"))
    with pytest.raises(AppError, match=r"learnt from other photos or words.*--out"):
        begun(FROZEN)


def test_a_run_one_of_whose_photos_was_replaced_is_not_gone_on_with(
    run, own, unable_to_train, monkeypatch
):
    with pytest.raises(Killed):
        run(FROZEN, data=own)
    monkeypatch.undo()
    add_patches(monkeypatch)
    one, other = own / "0.png", own / "1.png"
    one.write_bytes(other.read_bytes())
    with pytest.raises(AppError, match=r"photos were replaced.*--out"):
        run(FROZEN, data=own)


def test_what_a_stage_cannot_do_is_refused_before_the_data_is_read(run, monkeypatch):
    monkeypatch.setattr(train_module, "read_datasets", None)
    stage = {**FROZEN, "encoder_rate": 0.1, "encoder_from": "nrom"}
    with pytest.raises(AppError, match=r"stages\.frozen\.encoder_from: .*'nrom'"):
        run(stage)
    with pytest.raises(AppError, match=r"stages\.frozen\.augment: photos change"):
        run({**FROZEN, "augment": True})
    assert not (run.folder / "run").exists()


def test_a_folder_with_other_things_is_left_alone(run):
    (run.folder / "run").mkdir()
    (run.folder / "run" / "thesis.tex").write_text("")
    with pytest.raises(AppError, match=r"is not empty, and no run.*--out"):
        run(FROZEN)
    assert [path.name for path in (run.folder / "run").iterdir()] == ["thesis.tex"]


def test_a_file_is_no_folder_for_a_run(run):
    (run.folder / "run").write_text("mine")
    with pytest.raises(AppError, match=r"run cannot be written.*--out"):
        run(FROZEN)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("units = 12", "units = -1", r"net.units: .*Received: -1"),
        ("seed", "speed = 1\nseed", r"speed: unknown key"),
        ("seed", 'objective = "choose"\nseed', r"objective: .*'choose'"),
    ],
)
def test_a_bad_recipe_is_refused_before_anything_is_written(run, old, new, match):
    with pytest.raises(AppError, match=match):
        run(FROZEN, top=TOP.replace(old, new, 1))
    assert not (run.folder / "run").exists()


def test_a_recipe_has_to_be_given(run, tmp_path):
    with pytest.raises(AppError, match=r"no config vqa-tin\. .*vqa-tiny"):
        run(config="vqa-tin")
    with pytest.raises(AppError, match=r"--config, or a bundle with --from"):
        run(config=None)
    with pytest.raises(AppError, match=r"brings its encoder and concepts: leave out"):
        run(config=None, from_bundle=tmp_path / "missing", encoder_weights="none")
    with pytest.raises(AppError, match=r"No trained model in .*missing"):
        run(config=None, from_bundle=tmp_path / "missing")


def test_missing_encoder_weights_are_named(run):
    with pytest.raises(AppError, match=r"No encoder weights at a/b.h5"):
        run(FROZEN, encoder_weights="a/b.h5")


@pytest.mark.parametrize(
    ("objective", "needs"),
    [("choices", "choices, one of them"), ("boxes", "boxes, one")],
)
def test_questions_of_another_kind_are_refused(run, objective, needs):
    match = rf"objective is '{objective}', .*needs {needs}.*'What color is it\?'"
    with pytest.raises(AppError, match=match):
        run(FROZEN, head=f'objective = "{objective}"')
    assert not (run.folder / "run").exists()


def test_boxes_without_answers_are_no_answers(run, tmp_path, monkeypatch):
    records = with_boxes(tmp_path / "boxes")
    monkeypatch.setattr(train_module, "read_datasets", lambda _: records)
    with pytest.raises(AppError, match=r"every question needs answers. .*'Which is"):
        run(FROZEN)


def test_answers_that_are_too_rare_are_refused(run):
    top = TOP.replace("min_count = 1", "min_count = 1\nmin_answers = 500")
    with pytest.raises(AppError, match=r"No answer is left to choose from"):
        run(FROZEN, top=top)


def rewrite(folder, *changes):
    path = folder / "questions.jsonl"
    text = path.read_text()
    for old, new in changes:
        text = text.replace(old, new)
    path.write_text(text)


def test_data_to_test_with_is_not_learnt_from(run, own):
    rewrite(own, ('"dev"', '"test"'), ('"train"', '"test"'))
    with pytest.raises(AppError, match=r"no questions with answers in split 'train'"):
        run(FROZEN, data=own)
    assert not (run.folder / "run").exists()


def test_broken_and_missing_photos_are_left_out(run, own, unable_to_train):
    spoil(own, ["0.png", "4.png"])
    (own / "1.png").unlink()
    with pytest.raises(Killed):
        run(FROZEN, data=own)
    skipped = (run.folder / "run" / "skipped.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in skipped] == ["0.png", "1.png", "4.png"]
    assert any("3 photos are left out, listed in" in text for text in run.said)
    assert any("training with this recipe will take about" in t for t in run.said)
    expected = "56 questions about 14 photos to learn from, 12 about 3 to choose by"
    assert any(expected in text for text in run.said)


@pytest.mark.parametrize(
    ("names", "purpose"), [(range(20), "learn from"), (range(4, 20, 5), "choose by")]
)
def test_photos_that_are_all_broken_end_a_run_until_they_are_mended(
    run, own, unable_to_train, names, purpose
):
    spoil(own, [f"{i}.png" for i in names])
    with pytest.raises(AppError, match=f"No photo is left to {purpose}.*not an image"):
        run(FROZEN, data=own)
    for i in names:
        Image.new("RGB", (40, 40)).save(own / f"{i}.png")
    with pytest.raises(Killed):
        run(FROZEN, data=own)


@pytest.mark.parametrize("objective", ["answers", "choices", "boxes"])
def test_growing_keeps_what_was_learnt(objective):
    config = tiny_vqa_config(objective, hops=1, bag_units=2, pairs=7, layers=2)
    space = more = None
    if objective == "answers":
        new = ("hat", "many red hat dog")
        space, more = VQA_SPACE, AnswerSpace([*VQA_SPACE.answers, *new])
    words = Vocabulary([*VQA_VOCABULARY.words, "yellow", "many-sided"])
    keras.utils.set_random_seed(0)
    old = build_net(config, VQA_VOCABULARY, space, None)
    new = build_net(config, words, more, None)
    fresh = values(new.weights)
    grow(old, new)
    for before, start, after in zip(
        values(old.weights), fresh, values(new.weights), strict=True
    ):
        known = tuple(map(slice, before.shape))
        np.testing.assert_array_equal(after[known], before)
        outside = np.ones(after.shape, bool)
        outside[known] = False
        np.testing.assert_array_equal(after[outside], start[outside])
    rng = np.random.default_rng(0)
    x = {
        "images": rng.integers(0, 256, (2, 32, 32, 3), np.uint8),
        "tokens": rng.integers(4, len(VQA_VOCABULARY), (2, 3, 6)).astype(np.int32),
    }
    if objective == "choices":
        x["choices"] = rng.integers(4, 19, (2, 3, 4, 2)).astype(np.int32)
    if objective == "boxes":
        x["choices"] = np.sort(rng.random((2, 3, 4, 4)).astype(np.float32))
    for first, second in zip(old(x), new(x), strict=True):
        first, second = map(ops.convert_to_numpy, (first, second))
        np.testing.assert_allclose(second[..., : first.shape[-1]], first, atol=1e-5)


@pytest.mark.slow
def test_a_model_learns_new_answers_and_keeps_the_old(run, tmp_path, monkeypatch):
    bundle = run({**LEARNING, "epochs": 6}, out="first", top=without_dropout())
    _, old_words, old_space, old = load_bundle(bundle)
    data = write_asked_shapes(tmp_path / "new", 30)
    rewrite(data, ("square", "box"), ("What shape", "Which form"))

    seen, prepare = [], AnswerTask.prepare

    def remember(self, stage):
        seen.append(values(self.model.weights))
        prepare(self, stage)

    monkeypatch.setattr(AnswerTask, "prepare", remember)
    config = tmp_path / "finetune.toml"
    config.write_text(
        "[vocabulary]\nmin_count = 1\n" + format_stages([{**LEARNING, "epochs": 12}])
    )
    again = {"config": str(config), "data": data, "out": "second"}
    tuned = run(**again, from_bundle=bundle)
    recipe, words, space, _ = load_bundle(tuned)
    assert words.words[: len(old_words)] == old_words.words
    assert {*words.words[len(old_words) :]} == {"which", "form", "box"}
    assert space.answers == (*old_space.answers, "box")
    assert recipe.net.units == 12
    for before, after in zip(values(old.weights), seen[0], strict=True):
        np.testing.assert_array_equal(after[tuple(map(slice, before.shape))], before)
    history = json.loads((run.folder / "second" / "run.json").read_text())["history"]
    assert max(epoch["dev_accuracy"] for epoch in history) > 60

    run(**again, from_bundle=bundle, tick=kill_after(0))  # knows it is finished
    with pytest.raises(AppError, match=r"encoder: unknown key"):
        run(FROZEN, from_bundle=bundle, out="third")


def test_a_run_from_another_model_is_not_gone_on_with(begun):
    recipe = parse_config(
        TOP.replace("HEAD", "") + format_stages([FROZEN]), VqaConfig, "recipe"
    )
    other = Vocabulary([*SPECIAL_WORDS, "horse"])
    with pytest.raises(AppError, match=r"started from another model"):
        backbone = Backbone(None, None, {}, "")
        start = train_module.Start(recipe, backbone, Words(other, None))
        train_module._choose_words(begun.folder / "run", [], [], start, True)


def test_curves_are_drawn_of_epochs_without_a_loss(tmp_path):
    epoch = {"stage": "a", "loss": None, "dev_accuracy": 1.0, "dev_blind": 2.0}
    draw_curves([epoch, {**epoch, "loss": 2.0}], "accuracy", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        image.load()


@pytest.mark.parametrize("loss", ["softmax", "soft"])
def test_samples_are_drawn_whatever_the_questions_hold(tmp_path, own, loss):
    dev = select(read_dataset(own), "dev")
    odd = [r"costs $\frac$ a$b^^c$", "$", "狗" * 300]
    dev = [
        Record(r.name, r.image, odd[i % 3], r.answers, "dev", r.id)
        for i, r in enumerate(dev)
    ]
    spoil(own, [dev[0].name])
    scores = np.random.default_rng(0).normal(size=(len(dev), len(VQA_SPACE)))
    outcome = Outcome(scores, scores, np.zeros_like(scores))
    recipe = tiny_vqa_config(loss=loss)
    draw_samples(dev, VQA_SPACE, outcome, recipe, tmp_path / "samples.png")
    with Image.open(tmp_path / "samples.png") as image:
        image.load()


def test_an_outcome_tells_how_right_its_best_answers_are():
    seen = np.array([[1.0, 2.0, 0.0], [5.0, 2.0, 3.0]])
    targets = np.array([[0.0, 0.3, 1.0], [0.9, 1.0, 0.0]])
    assert Outcome(seen, -seen, targets).right.tolist() == [0.3, 0.9]


def test_answers_in_words_are_not_scored_as_choices():
    """A-OKVQA has both: four choices, and ten answers of people."""
    people, choices = ("ski",) * 10, ("sled", "ski")
    records = [
        Record(
            "a.jpg", Path("a.jpg"), "q", people, "dev", id_, choices=choices, right=0
        )
        for id_ in ("0", "1")
    ]
    targets = np.array([[0.0, 1.0], [0.0, 1.0]])
    outcome = Outcome(np.array([[0.0, 1.0], [1.0, 0.0]]), targets, targets)
    scores = score_outcome(records, outcome, AnswerSpace(["sled", "ski"])).scores
    assert (scores["VQA accuracy"].value, scores["VQA accuracy"].blind) == (50, 100)
    scores = score_outcome(records, outcome, None).scores
    assert scores["multiple choice"].value == 50


@pytest.mark.parametrize("start", [None, "cat"])
def test_a_card_shows_the_scores_before_beside_those_after(start):
    asked = [Record("1", Path("1.png"), "what is it?", ("dog",), "dev", "1")]

    def score(answer):
        return score_answers(asked, {"1": answer}, {"1": "cow"}).to_dict()

    counts = ("train_photos", "train_questions", "dev_photos", "dev_questions")
    run = {
        "data": {"source": "mine", **dict.fromkeys(counts, 1)},
        "scores": score("dog"),
        "scores_before": start and score(start),
        "reliability": [],
        "calibration_error": 0.0,
    }
    card = write_card(run, tiny_vqa_config(), Vocabulary(SPECIAL_WORDS), None)
    assert ("| 0.0 | 100.0 | 0.0 | 1 |" in card) == bool(start), card
    assert ("exact match | 100.0 | 0.0 | 1 |" in card) == (not start)


@pytest.fixture(scope="session")
def captions(tmp_path_factory):
    """Captioned photos of shapes."""
    return write_shapes(tmp_path_factory.mktemp("captions") / "captioned", 20)


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "captions.txt"
    path.write_text("a cat on a blue couch\na zebra\na man rides a horse\n" * 20)
    return str(path)


@pytest.fixture(scope="session")
def concepts(tmp_path_factory, captions):
    """What `captioner teach` writes, here of a net that knows nothing."""
    words = (*SHAPES, "cat", "zebra", "horse", "person")
    photos = digest_photos(photo.image for photo in read_captions(captions))
    return write_concepts(tmp_path_factory.mktemp("concepts"), words, photos)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_concepts_and_texts_come_along(run, data, concepts, captions, texts, tmp_path):
    other = write_asked_shapes(tmp_path / "others", 10)
    bundle = run(
        TOLD,
        top=WITH_CONCEPTS,
        data=[str(data), str(other)],
        concepts=concepts,
        captions=[str(captions)],
        texts=[texts],
    )
    assert (bundle / TABLE).read_text() == (concepts / TABLE).read_text()
    answerer = load_vqa(bundle)
    assert answerer.concepts.words == read_words(concepts)
    assert {"zebra", "horse"} <= set(answerer.space.answers)  # which no photo shows
    record = json.loads((run.folder / "run" / "run.json").read_text())
    assert record["data"]["source"] == "shapes, others"
    assert len(record["history"]) == 2
    reply = answerer.ask(np.zeros((32, 32, 3), np.uint8), "is there a zebra?")
    assert reply.notes == ()  # it has learnt such questions


def read_words(folder):
    return tuple(row.word for row in read_table(folder))


def test_concepts_and_recipe_go_together(run, concepts, texts, captions):
    given = {"concepts": concepts, "texts": [texts], "captions": [str(captions)]}
    with pytest.raises(AppError, match=r"has no \[concepts\]: leave out --concepts"):
        run(FROZEN, concepts=concepts)
    with pytest.raises(AppError, match="give with --concepts the folder"):
        run(FROZEN, top=WITH_CONCEPTS)
    with pytest.raises(AppError, match=r"`texts` and `blind` are about concepts"):
        run(TOLD, texts=[texts])
    with pytest.raises(AppError, match="name files of them with --texts"):
        run(TOLD, top=WITH_CONCEPTS, concepts=concepts)
    with pytest.raises(AppError, match="so it cannot be trained"):
        run(JOINT, top=WITH_CONCEPTS, **given)
    head = 'objective = "boxes"'
    with pytest.raises(AppError, match='they bear on the objective "answers" alone'):
        run(FROZEN, top=WITH_CONCEPTS, head=head, concepts=concepts)
    assert not (run.folder / "run").exists()


def test_texts_need_captions_of_photos_that_taught(run, concepts, texts, tmp_path):
    given = {"concepts": concepts, "texts": [texts], "top": WITH_CONCEPTS}
    with pytest.raises(AppError, match="`captions`: none"):
        run(TOLD, **given)
    other = write_shapes(tmp_path / "strange", 12, 9)
    with pytest.raises(AppError, match=r"`captions`: .*strange"):
        run(TOLD, out="again", captions=[str(other)], **given)
