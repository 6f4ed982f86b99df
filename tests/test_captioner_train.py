"""Short runs of a tiny net on drawn shapes: whole, broken off, gone on with.

Every run has the recipe below, changed here and there. The net has a patch of 8 px
for each region and batch statistics, so that all that real ones need is used.
"""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from conftest import tiny_config, write_concepts, write_shapes
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
    patches,
    progress_of,
    spoil,
    stop_before_training,
    values,
)

from captioner.config import CaptionerConfig
from captioner.describing.captions import Caption
from captioner.describing.confidence import Evidence, judge
from captioner.describing.predict import load_bundle, load_captioner
from captioner.jobs.export import export
from captioner.metrics.report import score_captions
from captioner.net.model import build_captioner
from captioner.training import finish as finish_module
from captioner.training import train as train_module
from captioner.training.batches import Texts, shift
from captioner.training.changes import choose_photos, tell_changes
from captioner.training.finish import _find_confidence, _find_unsure
from captioner.training.reports import draw_curves, draw_samples, write_card
from captioner.training.task import CaptionTask
from captioner.training.train import train
from shared.bundles.folder import add_part, has_part
from shared.concepts.imagined import Imagined
from shared.concepts.net import load_concepts
from shared.concepts.table import TABLE, read_table
from shared.config import parse_config
from shared.data.captioned import Record, read_dataset, select
from shared.data.shapes import COLOURS, draw_shape
from shared.errors import AppError
from shared.runs import training
from shared.runs.checkpoints import save_arrays
from shared.runs.folder import hold_run
from shared.runs.trainer import Trainer
from shared.runs.training import grow
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary

TOP = f"""
seed = 3
{ENCODER}
[decoder]
units = 16
embed_dim = 12
region_units = 16
attention_units = 8
region_dropout = 0.1
embed_dropout = 0.1
output_dropout = 0.1

[decoding]
beam_size = 2
max_words = 5
"""
STAGE = {"epochs": 2, "batch_size": 16, "captions": 1, "learning_rate": 0.01}
FROZEN = {"name": "frozen", **STAGE, "average": 0.9, "label_smoothing": 0.1}
JOINT = {
    "name": "joint",
    **STAGE,
    "encoder_rate": 0.001,
    "encoder_from": "norm",
    "attention_penalty": 0.1,
}
CRITICAL = {"name": "reward", **STAGE, "captions": 3, "objective": "self_critical"}
LONGER = {"batch_size": 10, "epochs": 15}  # of those that learn something


@pytest.fixture(autouse=True)
def small_net(monkeypatch):
    add_patches(monkeypatch)


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return write_shapes(tmp_path_factory.mktemp("data") / "shapes", 60)


@pytest.fixture
def run(tmp_path, data, monkeypatch):
    leave_out_pictures(monkeypatch, finish_module)
    return Run(train, tmp_path, data, TOP)


TOLD = {**FROZEN, "texts": 0.5, "blind": 0.3}
WITH_CONCEPTS = TOP + "\n[concepts]\nslots = 3\nunits = 6\nalways = []\n"
HARD = 'attention = "hard"'
SHAPES = ("circle", "square", "red", "green", "blue")


@pytest.fixture(scope="session")
def concepts(tmp_path_factory):
    """What `captioner teach` writes, here of a net that knows nothing."""
    return write_concepts(tmp_path_factory.mktemp("concepts"), SHAPES)


@pytest.fixture(scope="session")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "captions.txt"
    path.write_text("a blue square\na yellow square\na red circle\n" * 20)
    return str(path)


@pytest.fixture
def own_shapes(tmp_path):
    """Shapes that a test may spoil."""
    return write_shapes(tmp_path / "shapes", 20)


@pytest.mark.slow
def test_the_tiny_recipe_learns_shapes_and_leaves_all_it_should(tmp_path):
    data, out, said = write_shapes(tmp_path / "photos", 240), tmp_path / "run", []
    bundle = train("captioner-tiny", str(data), out, announce=said.append)

    assert bundle == out / "bundle"
    captioner = load_captioner(bundle)
    dev = select(read_dataset(data), "dev")
    found = [
        captions[0].text
        for batch in captioner.caption_all(record.image for record in dev)
        for _, captions in batch
    ]
    wanted = [record.captions[0] for record in dev]
    pairs = list(zip(found, wanted, strict=True))
    assert sum(text == caption for text, caption in pairs) > 20  # by chance, 8
    assert sum(t.split()[1:2] == c.split()[1:2] for t, c in pairs) > 36  # by chance, 16

    assert {path.name for path in out.iterdir()} == {
        *("config.toml", "vocabulary.txt", "skipped.csv", "checkpoint.npz"),
        *("best.npz", "logs", "bundle", "run.json", "curves.png", "samples.png"),
    }
    assert set(Vocabulary.load(out / "vocabulary.txt").words[4:]) == {
        *("a", "red", "green", "blue", "circle", "square")
    }
    record = json.loads((out / "run.json").read_text())
    assert record["data"] == {
        "source": "photos",
        "train_photos": 192,
        "train_captions": 192,
        "dev_photos": 48,
    }
    assert record["versions"]["keras"] == keras.__version__
    assert record["scores"]["scores"]["CIDEr-D"] > 100
    assert record["recipe"]["encoder"]["name"] == "mobilenet_v3_small"
    assert [epoch["epoch"] for epoch in record["history"]] == list(range(1, 13))
    for name in ("curves.png", "samples.png"):
        with Image.open(out / name) as image:
            image.load()
            assert min(image.size) > 200
    assert any(path.stat().st_size for path in (out / "logs").glob("events*"))
    card = (bundle / "card.md").read_text()
    assert "photos: 192 photos with 192 captions" in card
    assert "48 other photos" in card
    assert any("192 photos to learn from, 48 to choose by" in text for text in said)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_concepts_and_texts_come_along(run, data, concepts, texts, tmp_path):
    other = write_shapes(tmp_path / "others", 30)
    bundle = run(
        {**TOLD, "epochs": 1},
        {**CRITICAL, "epochs": 1, "texts": 0.4},
        top=WITH_CONCEPTS,
        data=[str(data), str(other)],
        concepts=concepts,
        texts=[texts],
    )
    assert (bundle / TABLE).read_text() == (concepts / TABLE).read_text()
    captioner = load_captioner(bundle)
    assert captioner.concept_words == SHAPES
    assert "yellow" in captioner.vocabulary.ids  # which no photo shows
    record = json.loads((run.folder / "run" / "run.json").read_text())
    assert record["data"]["source"] == "shapes, others"
    for epoch in record["history"]:
        assert epoch["dev_cider_d"] == pytest.approx(
            np.mean(epoch["dev_sets"]), abs=2e-3
        )
    # 48 and 24 photos, the fewer ones as often; so many texts after each sixteen
    assert [epoch["steps"] for epoch in record["history"]] == [8, 8]


def test_concepts_and_recipe_go_together(run, concepts, texts):
    given = {"concepts": concepts, "texts": [texts]}
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
    with pytest.raises(AppError, match=r"concepts\.tsv is missing, or not a file"):
        run(FROZEN, top=WITH_CONCEPTS, concepts=run.folder)
    assert not (run.folder / "run").exists()


def test_texts_alone_teach_to_speak_of_what_is_told(concepts):
    """A net that never sees a photo says what its concepts say."""
    keras.utils.set_random_seed(3)
    vocabulary = Vocabulary([*SPECIAL_WORDS, "a", *SHAPES])
    config = parse_config(WITH_CONCEPTS + format_stages([FROZEN]), CaptionerConfig, "")
    model = build_captioner(config, vocabulary, None, load_concepts(concepts))
    wanted = [
        ["a", colour, shape] for colour in SHAPES[2:] for shape in ("circle", "square")
    ]
    places = {word: place for place, word in enumerate(SHAPES)}
    mentioned = [[places[word] for word in words[1:]] for words in wanted]
    told = np.array([[0.9 * (c in row) + 0.05 for c in range(5)] for row in mentioned])
    imagined = Imagined(told[..., None], [[row] for row in mentioned])
    source = Texts([wanted], [mentioned], vocabulary, 4, imagined)
    model.compile(optimizer=keras.optimizers.Adam(0.02), jit_compile=False)
    rng = np.random.default_rng(0)
    for _ in range(120):
        drawn = source.draw(24, rng)
        x = {**drawn.batch, "tokens": shift(drawn.targets)}
        model.train_on_batch(x, drawn.targets)
    said, targets = (
        told.astype("float32"),
        np.concatenate([vocabulary.encode(words, 4)[None, None] for words in wanted]),
    )
    logits, _ = model({"said": said, "tokens": shift(targets)})
    assert (ops.convert_to_numpy(logits).argmax(-1) == targets).all()


@pytest.fixture
def unfinished(monkeypatch):
    """End runs with the model, before its bundle and reports, which take long."""
    monkeypatch.setattr(train_module, "finish", lambda recipe, model, *_: model)


# What is trained, and after how many steps it is killed; None is between its stages.
CASES = {
    "boundary": ([FROZEN, JOINT], None),
    "hard": (
        [{**TOLD, "epochs": 1, "scheduled_sampling": 0.5}, {**CRITICAL, "epochs": 1}],
        4,
    ),
    "second stage": ([{**FROZEN, "epochs": 1}, {**JOINT, "average": 0.9}], 5),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_run_broken_off_ends_as_one_that_was_not(
    run, monkeypatch, request, unfinished, case, concepts, texts
):
    if case != "boundary":  # where nothing that was traced before may be taken
        request.getfixturevalue("eager")
    stages, steps = CASES[case]
    given = {}
    if case == "hard":  # with all that it could get in the way of
        given = {"concepts": concepts, "texts": [texts]}
        given["top"] = WITH_CONCEPTS.replace("[decoder]", f"[decoder]\n{HARD}")
    run(*stages, out="whole", **given)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)  # after every step
    with monkeypatch.context() as patch, pytest.raises(Killed):
        if not steps:
            patch.setattr(CaptionTask, "prepare", die_before(stages[-1]["name"]))
        run(*stages, out="broken", tick=kill_after(steps or 99), **given)
    run.said.clear()
    run(*stages, out="broken", **given)
    assert any(text.startswith("Going on with stage") for text in run.said)

    whole, broken = run.folder / "whole", run.folder / "broken"
    assert_same_end(whole, broken, ("checkpoint.npz", "best.npz"))


def die_before(name):
    """Give a `prepare` that does not get as far as a stage."""
    prepare = CaptionTask.prepare

    def die_or_prepare(self, stage):
        if stage.name == name:
            raise Killed
        prepare(self, stage)

    return die_or_prepare


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_features_need_not_be_kept(run, unfinished):
    kept = {**FROZEN, "epochs": 1, "augment": False}
    run(kept, out="kept")
    run({**kept, "features": "online"}, out="online")
    assert (run.folder / "kept" / "features").exists()
    assert not (run.folder / "online" / "features").exists()
    one, other = (
        progress_of(run.folder / name)["history"][0] for name in ("kept", "online")
    )
    assert one["loss"] == pytest.approx(other["loss"], rel=0.005)  # float16 or not


SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = {paths!r}
import short_runs
import tensorflow as tf
from captioner.training.train import train
from shared.vision import names
from shared.runs import training
names.ENCODERS["patches"] = names.Source(short_runs.patches, "unit")
training.CHECKPOINT_SECONDS = -1
tf.config.run_functions_eagerly(True)
train({config!r}, {data!r}, Path({out!r}), tick=lambda *a: print("tick", flush=True))
"""


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_process_that_was_killed_can_be_gone_on_with(run, data, unfinished):
    stages, out = [FROZEN], run.folder / "killed"
    here = Path(__file__).parent
    script = SCRIPT.format(
        paths=[str(here), str(here.parent)],
        config=run.recipe(*stages),
        data=str(data),
        out=str(out),
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    )
    ticks = 0
    while ticks < 4:
        line = process.stdout.readline()
        assert line, "it ended by itself"
        ticks += line == "tick\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()

    assert not (out / "bundle").exists()
    run(*stages, out="killed")
    run(*stages, out="whole")
    first = arrays(run.folder / "whole" / "checkpoint.npz")
    second = arrays(out / "checkpoint.npz")
    for key in first:
        np.testing.assert_allclose(first[key], second[key], atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_finished_run_writes_its_reports_again(run):
    stages, out = [{**FROZEN, "epochs": 1}], run.folder / "run"
    run(*stages)
    before = {
        name: (out / name).read_bytes() for name in ("checkpoint.npz", "best.npz")
    }
    first = values(load_bundle(out / "bundle")[2].weights)
    add_part(out / "bundle", "litert", {"encoder.tflite": b"old"}, "## As litert")
    (out / "run.json").unlink()
    (out / "samples.png").unlink()
    run(*stages, tick=kill_after(0))
    assert not has_part(out / "bundle", "litert")  # it was made from other weights
    assert not (out / "bundle" / "litert").exists()
    assert "As litert" not in (out / "bundle" / "card.md").read_text()
    assert (out / "run.json").exists()
    assert (out / "samples.png").exists()
    assert before == {name: (out / name).read_bytes() for name in before}
    for old, new in zip(
        first, values(load_bundle(out / "bundle")[2].weights), strict=True
    ):
        np.testing.assert_array_equal(old, new)


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


def test_other_data_does_not_go_on_with_a_run(begun, own_shapes):
    with pytest.raises(AppError, match=r"another recipe or other data.*--out"):
        begun(FROZEN, data=own_shapes)


def test_a_recipe_written_otherwise_is_the_same(begun):
    top = TOP.replace("[decoding]", "[decoding]\nlength_penalty = 0.0")
    with pytest.raises(Killed):
        begun(FROZEN, top="# a remark\n" + top)


def test_a_run_keeps_its_words_whatever_would_be_chosen_now(begun, monkeypatch):
    before = (begun.folder / "run" / "vocabulary.txt").read_text()
    monkeypatch.setattr(Vocabulary, "from_sentences", None)
    with pytest.raises(Killed):
        begun(FROZEN)
    assert (begun.folder / "run" / "vocabulary.txt").read_text() == before


@pytest.mark.parametrize("content", [b"", b"PK damaged"])
def test_a_corrupt_checkpoint_is_named(begun, monkeypatch, content):
    monkeypatch.undo()
    add_patches(monkeypatch)
    (begun.folder / "run" / "checkpoint.npz").write_bytes(content)
    with pytest.raises(AppError, match=r"checkpoint.npz is not a checkpoint.*--out"):
        begun(FROZEN)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_full_disk_keeps_the_last_checkpoint(run, monkeypatch):
    def savez(file, **content):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    path = run.folder / "run" / "checkpoint.npz"
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)
    with pytest.raises(Killed):
        run(FROZEN, tick=kill_after(2))
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", savez)
        with pytest.raises(AppError, match=r"checkpoint .*No space left.*goes on"):
            run(FROZEN)
    assert path.read_bytes() == before
    assert not list(path.parent.glob(".*.part"))
    with pytest.raises(Killed):
        run(FROZEN, tick=kill_after(0))
    assert any("epoch 1, step 3" in text for text in run.said)


def test_a_run_without_a_checkpoint_may_become_another(begun):
    (begun.folder / "run" / "checkpoint.npz").unlink()
    with pytest.raises(Killed):
        begun({**FROZEN, "epochs": 5})
    assert "epochs = 5" in (begun.folder / "run" / "config.toml").read_text()


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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_named(run):
    run.folder.joinpath("locked").mkdir(mode=0o500)
    with pytest.raises(AppError, match=r"cannot be written.*--out"):
        run(FROZEN, out="locked/run")


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("units = 16\nembed", "units = -1\nembed", r"decoder.units: .*Received: -1"),
        ("seed", "speed = 1\nseed", r"speed: unknown key"),
        ("units = 16\nembed", "size = 2\nembed", r"decoder.units: missing"),
        ("seed = 3", "seed =", r"not valid TOML"),
    ],
)
def test_a_bad_recipe_is_refused_before_anything_is_written(run, old, new, match):
    with pytest.raises(AppError, match=match):
        run(FROZEN, top=TOP.replace(old, new, 1))
    assert not (run.folder / "run").exists()


@pytest.mark.parametrize(
    ("stage", "old", "new", "match"),
    [
        (
            {"encoder_from": "nrom"},
            "",
            "",
            r"stages\.joint\.encoder_from.*'nrom'.*norm",
        ),
        ({}, "beam_size = 2", 'method = "sample"', r"decoding\.method"),
        ({}, "beam_size = 2", "beam_size = 2\ngroups = 2", r"reward\.captions: the 3"),
        ({}, "beam_size = 2", 'must = ["red"]\nban = ["red"]', r"decoding: .*banned"),
        ({}, "beam_size = 2", 'prefix = "a b c d e"', r"decoding: .*max_words 5"),
        ({}, "beam_size = 2", 'must = ["two words"]', r"decoding: must .*2 words"),
        ({}, '"none"', '"a/b.h5"', r"No encoder weights at a/b\.h5"),
        ({}, "attention_units = 8", "", r"joint\.attention_penalty: .*no attention"),
    ],
)
def test_what_a_stage_cannot_do_is_refused_before_the_data_is_read(
    run, monkeypatch, stage, old, new, match
):
    monkeypatch.setattr(train_module, "read_datasets", None)
    with pytest.raises(AppError, match=match):
        run(FROZEN, {**JOINT, **stage}, CRITICAL, top=TOP.replace(old, new, 1))
    assert not (run.folder / "run").exists()


def test_a_word_that_cannot_be_said_is_refused_before_the_features(run):
    with pytest.raises(AppError, match=r'must "zebra": the model has not learnt'):
        run(FROZEN, top=TOP.replace("beam_size = 2", 'must = ["zebra"]'))
    assert not (run.folder / "run" / "features").exists()


def test_a_second_training_is_refused_before_it_reads_data(run, monkeypatch):
    monkeypatch.setattr(train_module, "read_datasets", None)
    with (
        hold_run(run.folder / "run", "`vqa train`"),
        pytest.raises(AppError, match=r"run is in use by `vqa train`: process"),
    ):
        run(FROZEN)


@pytest.mark.parametrize("name", ["best.npz", "vocabulary.txt", "checkpoint.npz"])
def test_a_run_that_has_lost_a_part_is_not_gone_on_with(begun, monkeypatch, name):
    out = begun.folder / "run"
    save_arrays(out / "best.npz", [], {})
    values = progress_of(out) | {"best": 1.0}
    with np.load(out / "checkpoint.npz") as file:
        kept = [file[str(i)] for i in range(len(file.files) - 1)]
    save_arrays(out / "checkpoint.npz", kept, values)
    monkeypatch.undo()
    add_patches(monkeypatch)
    (out / name).unlink()
    with pytest.raises(AppError, match=rf"{name}.*--out"):
        begun(FROZEN)


@pytest.mark.parametrize("name", ["vocabulary.txt", "skipped.csv"])
def test_a_run_whose_words_or_photos_were_changed_is_not_gone_on_with(
    begun, monkeypatch, name
):
    monkeypatch.undo()
    add_patches(monkeypatch)
    path = begun.folder / "run" / name
    changed = {
        "vocabulary.txt": path.read_text().replace("circle", "ring"),
        "skipped.csv": "0.png,it was broken then\n",
    }
    path.write_text(changed[name])
    with pytest.raises(AppError, match=r"learnt from other photos or words.*--out"):
        begun(FROZEN)


def test_a_run_one_of_whose_photos_was_replaced_is_not_gone_on_with(
    run, own_shapes, unable_to_train, monkeypatch
):
    with pytest.raises(Killed):
        run(FROZEN, data=own_shapes)
    monkeypatch.undo()
    add_patches(monkeypatch)
    one, other = own_shapes / "0.png", own_shapes / "1.png"
    one.write_bytes(other.read_bytes())
    with pytest.raises(AppError, match=r"photos were replaced.*--out"):
        run(FROZEN, data=own_shapes)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_photo_that_is_lost_keeps_the_steps_that_are_done(run, own_shapes):
    def lose(stage, epoch, step, *_):
        if (epoch, step) == (0, 1):
            spoil(own_shapes, [f"{i}.png" for i in range(20)])

    stage = {**JOINT, "batch_size": 2}
    with pytest.raises(AppError, match=r"can no longer be read.*\.png.*same command"):
        run(stage, data=own_shapes, tick=lose)
    assert progress_of(run.folder / "run")["step"] > 0


def test_an_unknown_recipe_lists_the_known(run):
    with pytest.raises(AppError, match=r"no config captioner-tin\. .*captioner-tiny"):
        run(config="captioner-tin")
    with pytest.raises(AppError, match=r"--config, or a bundle with --from"):
        run(config=None)


def test_an_unknown_encoder_can_be_corrected_in_the_same_folder(run, unable_to_train):
    with pytest.raises(AppError, match=r"encoder.name: no encoder 'patchs'"):
        run(FROZEN, top=TOP.replace('"patches"', '"patchs"'))
    with pytest.raises(Killed):
        run(FROZEN)


def test_missing_encoder_weights_are_named(run):
    with pytest.raises(AppError, match=r"No encoder weights at a/b.h5"):
        run(FROZEN, encoder_weights="a/b.h5")


def test_given_encoder_weights_are_used(run, unable_to_train, tmp_path):
    net, path = patches(None, False, (32, 32, 3)), tmp_path / "net.weights.h5"
    net.save_weights(path)
    with pytest.raises(Killed):
        run(FROZEN, encoder_weights=str(path))
    kept = arrays(run.folder / "run" / "checkpoint.npz").values()
    for weight in values(net.weights):
        assert any(np.array_equal(array, weight) for array in kept)


def test_broken_and_missing_photos_are_left_out(run, own_shapes, unable_to_train):
    spoil(own_shapes, ["0.png", "4.png"])
    (own_shapes / "1.png").unlink()
    with pytest.raises(Killed):
        run(FROZEN, data=own_shapes)
    skipped = (run.folder / "run" / "skipped.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in skipped] == ["0.png", "1.png", "4.png"]
    assert any("3 photos are left out, listed in" in text for text in run.said)
    assert any("14 photos to learn from, 3 to choose by" in text for text in run.said)
    assert any("3 photos are too few to judge" in text for text in run.said)
    assert any("training with this recipe will take about" in t for t in run.said)


@pytest.mark.parametrize(
    ("names", "purpose"), [(range(20), "learn from"), (range(4, 20, 5), "choose by")]
)
def test_photos_that_are_all_broken_end_a_run_until_they_are_mended(
    run, own_shapes, unable_to_train, names, purpose
):
    spoil(own_shapes, [f"{i}.png" for i in names])
    with pytest.raises(AppError, match=f"No photo is left to {purpose}.*not an image"):
        run(FROZEN, data=own_shapes)
    for i in names:
        Image.new("RGB", (40, 40)).save(own_shapes / f"{i}.png")
    with pytest.raises(Killed):
        run(FROZEN, data=own_shapes)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_characters_are_words_if_asked_for_from_data_to_bundle(run, own_shapes):
    words = {"red": "红色的", "green": "绿色的", "blue": "蓝色的"}
    words |= {" circle.": "圆", " square.": "方块", "A ": "一个"}
    rewrite(own_shapes, *words.items())
    units = TOP.replace("[vocabulary]", '[vocabulary]\nunits = "character"')
    bundle = run(FROZEN, CRITICAL, data=own_shapes, top=units)
    known = (bundle / "vocabulary.txt").read_text().split()[4:]
    assert set(known) == set("".join(words.values()))
    captioner = load_captioner(bundle)
    caption = captioner.caption(own_shapes / "0.png", prefix="一个", max_words=6)[0]
    assert caption.text.startswith("一个")
    assert " " not in caption.text
    assert caption.words[:2] == ("一", "个")
    assert captioner.alternatives(own_shapes / "0.png", "一个红")
    further = run.folder / "further.toml"
    further.write_text("[vocabulary]\nmin_count = 1\n" + format_stages([FROZEN]))
    tuned = run(config=str(further), data=own_shapes, from_bundle=bundle, out="further")
    assert load_bundle(tuned)[1].units == "character"


def rewrite(folder, *changes):
    path = folder / "captions.csv"
    text = path.read_text()
    for old, new in changes:
        text = text.replace(old, new)
    path.write_text(text)


def test_data_without_photos_to_learn_from_is_refused(run, own_shapes):
    rewrite(own_shapes, (",train", ",test"))
    with pytest.raises(AppError, match=r"no photos with captions in split 'train'"):
        run(FROZEN, data=own_shapes)
    assert not (run.folder / "run").exists()


@pytest.mark.parametrize("text", ["", "image,caption\n"])
def test_an_empty_caption_file_is_refused(run, own_shapes, text):
    (own_shapes / "captions.csv").write_text(text)
    with pytest.raises(AppError, match=r"captions.csv (is empty|holds no captions)"):
        run(FROZEN, data=own_shapes)


def test_captions_without_a_frequent_word_are_refused(run, own_shapes):
    with pytest.raises(AppError, match=r"No word occurs 90 times.*min_count"):
        run(
            FROZEN,
            data=own_shapes,
            top=TOP.replace("min_count = 1", "min_count = 90"),
        )


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_a_training_that_breaks_down_says_so(run, own_shapes, monkeypatch):
    monkeypatch.setattr(
        "captioner.net.model.caption_loss", lambda logits, *_: ops.sum(logits) * np.nan
    )
    with pytest.raises(AppError, match=r"loss is not a number.*Lower the rates"):
        run(FROZEN, data=own_shapes)


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_weights_that_are_no_numbers_are_noticed_when_validated(run, own_shapes):
    def break_down(*_):
        for variable in kept[0].trainable_variables:
            variable.assign(variable * np.nan)

    kept, init = [], CaptionTask.__init__

    def remember(self, config, model, *args):
        kept.append(model)
        init(self, config, model, *args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CaptionTask, "__init__", remember)
        with pytest.raises(AppError, match=r"loss is not a number"):
            run({**CRITICAL, "batch_size": 16}, data=own_shapes, tick=break_down)


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
def test_another_metric_can_choose_and_reward(run):
    stages = {**FROZEN, "epochs": 1}, {**CRITICAL, "epochs": 1, "reward": "ROUGE-L"}
    bundle = run(*stages, top='choose_by = "ROUGE-L"\n' + TOP)
    record = json.loads((run.folder / "run" / "run.json").read_text())
    scores = [epoch["dev_rouge_l"] for epoch in record["history"]]
    assert progress_of(run.folder / "run")["best"]["best.npz"] == pytest.approx(
        max(scores), abs=1e-3
    )
    assert load_bundle(bundle)[0].choose_by == "ROUGE-L"
    assert 0 < record["history"][1]["loss"] <= 10  # the mean reward
    assert all(epoch["gradient_norm"] > 0 for epoch in record["history"])


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
        (name, 0, i, 3) for name in ("frozen", "joint") for i in (1, 2, 3)
    ]
    for name, moved in (("conv", False), ("norm", True)):
        for old, new in zip(
            values(frozen.get_layer(name).weights[:2]),  # not its statistics
            values(joint.get_layer(name).weights[:2]),
            strict=True,
        ):
            assert np.array_equal(old, new) is not moved


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("attention_units", [0, 2])
def test_growing_keeps_what_was_learnt(tmp_path, tied, attention_units):
    config = parse_config(TOP + format_stages([FROZEN]), CaptionerConfig, "recipe")
    changes = {"tied": tied, "attention_units": attention_units}
    decoder = config.decoder.model_copy(update=changes)
    config = config.model_copy(update={"decoder": decoder})
    old, new = (
        build_captioner(config, Vocabulary([*SPECIAL_WORDS, *"abcde"[:count]]), None)
        for count in (2, 5)
    )
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
    inputs = {
        "features": np.random.default_rng(0).normal(size=(2, 16, 16)),
        "tokens": np.array([[[2, 4, 5]], [[2, 5, 4]]], np.int32),
    }
    for first, second in zip(old(inputs), new(inputs), strict=True):
        first, second = ops.convert_to_numpy(first), ops.convert_to_numpy(second)
        size = min(first.shape[-1], second.shape[-1])
        np.testing.assert_allclose(first[..., :size], second[..., :size], atol=1e-5)


def test_a_finetuning_recipe_takes_the_net_from_its_bundle(run, tmp_path):
    with pytest.raises(AppError, match=r"No trained model in .*missing"):
        run(config=None, from_bundle=tmp_path / "missing")


@pytest.mark.slow
def test_a_captioner_learns_new_words_and_keeps_the_old(run, tmp_path):
    rng, photos = np.random.default_rng(5), tmp_path / "yellow"
    run({**JOINT, **LONGER, "patience": 15, "encoder_rate": 0.003}, out="first")
    bundle = run.folder / "first" / "bundle"
    _, old_words, old = load_bundle(bundle)
    assert "yellow" not in old_words

    write_shapes(photos, 40)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(COLOURS, "yellow", (240, 220, 20))
        for i in range(0, 40, 2):
            draw_shape("yellow", "circle", rng).save(photos / f"{i}.png")
        lines = (photos / "captions.csv").read_text().splitlines()
        for i in range(0, 40, 2):
            split = lines[i + 1].rsplit(",", 1)[1]
            lines[i + 1] = f"{i}.png,A yellow circle.,{split}"
        (photos / "captions.csv").write_text("\n".join(lines))

        seen, prepare = [], CaptionTask.prepare

        def remember(self, stage):
            seen.append([values(self.model.weights), self.vocabulary])
            prepare(self, stage)
            if stage.name == "words":
                assert not self.model.encoder.trainable_variables

        patch.setattr(CaptionTask, "prepare", remember)
        config = tmp_path / "finetune.toml"
        top = "[vocabulary]\nmin_count = 1\nmax_words = 5\n"
        stages = [
            {**FROZEN, **LONGER, "name": "words", "epochs": 10, "patience": 10},
            {**JOINT, **LONGER, "epochs": 6, "patience": 6},
        ]
        config.write_text(top + format_stages(stages))
        tuned = run(config=str(config), data=photos, from_bundle=bundle, out="second")
        yellow = [np.asarray(draw_shape("yellow", "circle", rng)) for _ in range(6)]

    start, vocabulary = seen[0]
    assert vocabulary.words == (*old_words.words, "yellow")
    for before, after in zip(values(old.weights), start, strict=True):
        np.testing.assert_array_equal(after[tuple(map(slice, before.shape))], before)
    first, second = (
        [w for w in snapshot if w.shape == (8, 8, 3, 16)]
        for snapshot in (values(old.weights), seen[1][0])
    )
    np.testing.assert_array_equal(first, second)  # frozen in the first stage
    captioner = load_captioner(tuned)
    assert captioner.vocabulary.words == vocabulary.words
    texts = [captioner.caption(image)[0].text for image in yellow]
    assert texts.count("A yellow circle.") >= 4

    again = {"config": str(config), "data": photos, "out": "second"}
    run(**again, from_bundle=bundle, tick=kill_after(0))  # knows it is finished
    recipe = json.loads((run.folder / "second" / "run.json").read_text())["recipe"]
    assert recipe["decoder"]["units"] == 16
    with pytest.raises(AppError, match=r"encoder: unknown key"):
        run(FROZEN, from_bundle=bundle, out="third")


@pytest.mark.slow
@pytest.mark.usefixtures("eager")
def test_hard_attention_is_trained_further(run, tmp_path):
    """First new words alone, which leave the rest as it is, and then all of it."""
    bundle = run(
        {**FROZEN, "epochs": 1}, top=TOP.replace("[decoder]", f"[decoder]\n{HARD}")
    )
    words, old = load_bundle(bundle)[1:]
    photos = write_shapes(tmp_path / "photos", 20)
    table = photos / "captions.csv"
    table.write_text(table.read_text().replace("red", "scarlet"))
    seen, prepare = [], CaptionTask.prepare

    def remember(self, stage):
        seen.append(values(self.model.decoder.weights))
        prepare(self, stage)

    config = tmp_path / "finetune.toml"
    stages = [{**FROZEN, "name": "words", "epochs": 1, "learns": "new words"}, FROZEN]
    config.write_text(
        "[vocabulary]\nmin_count = 1\nmax_words = 5\n" + format_stages(stages)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CaptionTask, "prepare", remember)
        tuned = run(config=str(config), data=photos, from_bundle=bundle, out="more")
    for before, between in zip(values(old.decoder.weights), seen[1], strict=True):
        np.testing.assert_array_equal(between[tuple(map(slice, before.shape))], before)
    captioner = load_captioner(tuned)
    assert captioner.vocabulary.words == (*words.words, "scarlet")
    assert captioner.config.decoder.attention == "hard"
    (caption, *_) = captioner.caption(photos / "0.png")
    np.testing.assert_array_equal(caption.attention.max(-1), 1)


@pytest.mark.slow
def test_few_photos_teach_words_of_ones_own(run, concepts, tmp_path):
    stage = {**FROZEN, **LONGER, "learning_rate": 0.02}
    bundle = run(stage, top=WITH_CONCEPTS, concepts=concepts)
    old_words, old = load_bundle(bundle)[1:]
    mine = write_shapes(tmp_path / "mine", 12)
    lines, rng = ["image,caption"], np.random.default_rng(5)
    for i in range(12):
        colour, text = ("blue", "A blue square.") if i % 2 else ("yellow", "A miso.")
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(COLOURS, "yellow", (240, 220, 20))
            draw_shape(colour, "square", rng).save(mine / f"{i}.png")
        lines.append(f"{i}.png,{text}")
    (mine / "captions.csv").write_text("\n".join(lines))

    own = run(config=None, data=mine, from_bundle=bundle, out="own")
    assert any("12 photos with new words" in line for line in run.said)
    assert "of the same photos" in (own / "card.md").read_text()
    words, new = load_bundle(own)[1:]
    assert words.words == (*old_words.words, "miso")
    for before, after in zip(
        values(old.decoder.weights), values(new.decoder.weights), strict=True
    ):
        np.testing.assert_array_equal(after[tuple(map(slice, before.shape))], before)
    assert [row.example for row in read_table(own)] == [*[None] * len(SHAPES), 0]

    export(own, "litert", str(mine), precision="float16", max_loss=100)
    for name in ("keras", "litert"):
        captioner = load_captioner(own, runtime=name)
        photos = [mine / f"{i}.png" for i in range(12)]
        texts = [captioner.caption(photo)[0].text.lower() for photo in photos]
        assert sum("miso" in text for text in texts[::2]) >= 5, texts
        assert not any("miso" in text for text in texts[1::2]), texts
        there = {c.word: c.there for c in captioner.concepts(photos[0])}
        assert there["miso"] > 0.5


def test_what_a_run_starts_from_is_scored_with_what_is_there(concepts, monkeypatch):
    def remember(config, vocabulary, runtime, batch_size, concepts, own):
        raise Killed(concepts)

    monkeypatch.setattr(finish_module, "KerasRuntime", lambda *_: None)
    monkeypatch.setattr(finish_module, "PhotoCaptioner", remember)
    model = SimpleNamespace(concepts=load_concepts(concepts))
    with pytest.raises(Killed, match=re.escape(str(SHAPES))):
        finish_module.score_model(model, None, None, [])


def test_what_a_training_forgets_is_said():
    own = [
        Record(f"{i}.jpg", Path(f"{i}.jpg"), (caption,), "dev")
        for i, caption in enumerate(["A cat sleeps.", "A red train.", "Hm.", "A dog."])
    ]
    photos = choose_photos(own)
    along = [photo.name for photo in photos[len(own) :]]
    assert "examples/cat.jpg" in along and len(along) == 8
    said = {photo.name: photo.captions[-1] for photo in photos}
    before = {**said, "0.jpg": "A bus."}
    after = {**said, "1.jpg": "A bus.", "examples/cat.jpg": "A dog."}
    del after["3.jpg"]  # went bad meanwhile
    lines = tell_changes(photos, before, after)
    assert "Of 2 photos of yours" in lines[0] and "of 1; before this" in lines[0]
    assert lines[1] == 'No longer named: 1.jpg, "A red train.", is now "A bus."'
    assert "that come along" in lines[2]
    assert lines[3].startswith("No longer named: examples/cat.jpg")
    assert len(lines) == 4
    assert tell_changes(photos, {}, after) == []


def test_a_run_from_another_model_is_not_gone_on_with(begun):
    words = Vocabulary([*SPECIAL_WORDS, "horse"])
    with pytest.raises(AppError, match=r"started from another model"):
        train_module._choose_words(begun.folder / "run", [], [], 1, words, True)


def test_curves_are_drawn_of_epochs_without_a_loss(tmp_path):
    epoch = {"stage": "a", "loss": None, "dev_cider_d": 1.0}
    draw_curves([epoch, {**epoch, "loss": 2.0}], "CIDEr-D", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as image:
        image.load()


def test_samples_are_drawn_whatever_the_captions_hold(tmp_path, own_shapes):
    dev = select(read_dataset(own_shapes), "dev")
    odd = [r"costs $\frac$ a$b^^c$", "", "$", "狗" * 300]
    texts = {r.name: text for r, text in zip(dev, odd, strict=True)}
    spoil(own_shapes, [dev[0].name])
    draw_samples(dev, texts, {dev[1].name: "狗 $"}, tmp_path / "samples.png")
    with Image.open(tmp_path / "samples.png") as image:
        image.load()


def test_the_threshold_is_found_on_the_dev_photos():
    """Captions of little confidence are wrong here: a threshold lies above them."""
    texts = ["a red dog runs on the grass", "two men play in the blue water"]
    found, references = {}, {}
    for number in range(200):
        wrong = number % 10 == 0
        words = tuple(texts[(number + wrong) % 2].split())
        log_prob = -len(words) * (2 if wrong else 0.5) - number / 1e3
        found[str(number)] = Caption(" ".join(words), words, log_prob, (), None)
        references[str(number)] = [texts[number % 2]]
    unsure = _find_unsure(found, references, Vocabulary(SPECIAL_WORDS))
    sure = [caption.confidence for caption in found.values()]
    assert np.exp(-2) < unsure < max(sure)
    assert 35 <= sum(one < unsure for one in sure) <= 40
    few = dict(list(found.items())[:50])
    assert _find_unsure(few, references, Vocabulary(SPECIAL_WORDS)) == 0


def test_whether_captions_are_right_is_learnt_from_the_dev_photos():
    """Wrong captions name what is hardly there; of some photos nothing is known."""
    found, references = {}, {}
    for number in range(200):
        wrong = number % 5 == 0
        evidence = Evidence(-1.0, -3.0 if wrong else -1.0, -0.5, 0.1)
        known = "A cat.", ("a", "cat"), -3.0, (), None
        found[str(number)] = Caption(*known, evidence)
        references[str(number)] = ["a dog", "a dog"] if wrong else ["a cat", "a dog"]
    found |= {"foreign": found["0"], "old": found["1"]._replace(evidence=None)}
    references |= {"foreign": ["ein Hund"], "old": ["a cat"]}
    weights = _find_confidence(found, references)
    assert weights.least > 0 == weights.words == weights.missed
    assert judge(found["0"].evidence, weights) < 0.2
    assert judge(found["1"].evidence, weights) > 0.9
    assert _find_confidence({"old": found["old"]}, references) is None


@pytest.mark.parametrize("start", [None, "a cat"])
def test_a_card_shows_the_scores_before_beside_those_after(start):
    references = {"1.png": ["a red dog runs"]}

    def score(text):
        return score_captions({"1.png": text}, references).to_dict()

    sizes = {"train_photos": 9, "train_captions": 9, "dev_photos": 1}
    run = {
        "data": {"source": "mine", **sizes},
        "scores": score("a red dog runs"),
        "scores_before": start and score(start),
        "history": [],
    }
    card = write_card(run, tiny_config(), 3)
    assert ("| BLEU-1 | 18.4 | 100.0 |" in card) == bool(start), card
    assert ("| BLEU-1 | 100.0 |" in card) == (not start)
    assert "of each data set" not in card
    history = [
        {"dev_cider_d": 2.0, "dev_sets": [1.0, 3.0]},
        {"dev_cider_d": 5.0, "dev_sets": [6.0, 4.0]},
        {"dev_cider_d": 3.0, "dev_sets": [3.0, 3.0]},
    ]
    data = run["data"] | {"source": "mine, yours"}
    card = write_card(run | {"history": history, "data": data}, tiny_config(), 3)
    assert "mine 6.0, yours 4.0." in card
