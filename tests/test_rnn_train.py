"""Language models, from the recipe to what they write, by the commands."""

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from conftest import MORE
from short_runs import Killed, Run, arrays, assert_same_end, kill_after

from rnn.cli import main
from rnn.config import NetConfig, RnnConfig
from rnn.net.bundles import find_bundle
from rnn.net.model import LanguageModel
from rnn.net.reader import load_reader
from rnn.net.runtime import load_runtime
from rnn.net.runtime_keras import KerasRuntime
from rnn.net.runtime_litert import LiteRTRuntime
from rnn.training.evaluate import measure
from rnn.training.export import mean_log_prob, write_graph
from rnn.training.train import train
from shared.bundles.folder import has_part, read_card
from shared.bundles.litert import PART
from shared.config import parse_config
from shared.errors import AppError
from shared.nets.names import CELLS
from shared.runs import training

LITERT = pytest.mark.skipif(not find_spec("ai_edge_litert"), reason="LiteRT is missing")
TEXT = "The cat sat on the mat.\nA dog saw the cat, and ran.\n" * 40
TOP = """
samples = [2, 5]
sample_length = 12
[net]
units = 6
HEAD
"""
STAGE = {"name": "text", "epochs": 2, "batch_size": 8, "chunk": 30}
STAGE["learning_rate"] = 0.02


def make_run(folder, top=TOP):
    (folder / "text.txt").write_text(TEXT)
    return Run(train, folder, folder / "text.txt", top)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A run of two epochs of 6 steps."""
    run = make_run(tmp_path_factory.mktemp("done"))
    run.bundle = run(STAGE)
    return run


def test_a_run_leaves_what_it_should(done):
    folder = done.bundle.parent
    report = json.loads((folder / "run.json").read_text())
    assert report["data"]["train_symbols"] == int(0.8 * len(TEXT))
    assert [epoch["steps"] for epoch in report["history"]] == [6, 6]
    first, second = (epoch["dev_nats"] for epoch in report["history"])
    assert 1 < second < first < np.log(30)
    assert (folder / "curves.png").read_bytes()[:4] == b"\x89PNG"
    card = read_card(done.bundle)
    assert f"| test | 208 | {report['scores']['test']['nats']:.4f} |" in card
    assert "1,664 characters" in card


def test_samples_are_written_at_their_steps(done):
    text = (done.bundle.parent / "samples.txt").read_text()
    _, first, second = text.split("== step ")
    assert first.startswith("2 ==\n")
    assert second.startswith("5 ==\n")
    for written in (first, second):
        assert len(written.partition("==\n")[2].removesuffix("\n\n")) == 12


def test_the_scores_are_those_of_what_was_written(done):
    reader = load_reader(str(done.bundle))
    report = json.loads((done.bundle.parent / "run.json").read_text())
    score = measure(reader, reader.symbols.encode(TEXT[int(0.9 * len(TEXT)) :]))
    assert score.nats == pytest.approx(report["scores"]["test"]["nats"])
    assert score.symbols == report["scores"]["test"]["symbols"]


@pytest.mark.parametrize("steps", [3, 6])
def test_a_killed_run_ends_with_the_same_weights(steps, done, tmp_path, monkeypatch):
    run = make_run(tmp_path)
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", -1)  # after every step
    with pytest.raises(Killed):
        run(STAGE, tick=kill_after(steps))
    run(STAGE)
    assert any(line.startswith("Going on with stage text") for line in run.said)
    assert sum("will take about" in line for line in run.said) == 1  # at the start
    whole, broken = done.bundle.parent, tmp_path / "run"
    assert_same_end(whole, broken, ("checkpoint.npz", "best.npz"))
    samples = (folder / "samples.txt" for folder in (whole, broken))
    assert len({file.read_text() for file in samples}) == 1


def test_the_state_goes_on_from_chunk_to_chunk(done):
    states = [a for a in arrays(done.bundle.parent / "checkpoint.npz").values()]
    assert any(a.shape == (8, 6) and a.any() for a in states)


def test_another_text_or_recipe_is_refused(done):
    other = done.folder / "other.txt"
    other.write_text(f"{TEXT}more\n")
    for given in ({"data": str(other)}, {"head": 'cell = "gru"'}):
        with pytest.raises(AppError, match="another recipe or other data"):
            done(STAGE, **given)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("short", "symbols, and the recipe reads 8 streams of 30"),
        (" \n", "is empty. It should hold a text"),
    ],
)
def test_a_text_that_is_too_short_is_refused(text, match, tmp_path):
    run = make_run(tmp_path)
    run.data.write_text(text)
    with pytest.raises(AppError, match=match):
        run(STAGE)


def test_a_recipe_names_what_there_is():
    stage = '[[stages]]\nname = "a"\nepochs = 1\nlearning_rate = 0.1\n'
    with pytest.raises(AppError, match=r"no cell 'lstn'\. There are lstm, gru"):
        parse_config(f'[net]\nunits = 4\ncell = "lstn"\n{stage}', RnnConfig, "mine")
    with pytest.raises(AppError, match="`texts` are of captioners"):
        parse_config(f'texts = ["a"]\n[net]\nunits = 4\n{stage}', RnnConfig, "mine")


@LITERT
def test_litert_reads_as_keras_does(done):
    assert has_part(done.bundle, "litert")
    _, symbols, runtime = load_runtime(done.bundle)
    assert runtime.name == "litert"
    ids = symbols.encode(TEXT[:100])
    keras = KerasRuntime(load_reader(str(done.bundle)).net)
    found, expected = mean_log_prob(runtime, ids), mean_log_prob(keras, ids)
    assert found == pytest.approx(expected, abs=0.01)
    two = runtime.step(np.array([4, 5], np.int32), runtime.begin(2))
    for row, index in enumerate((4, 5)):
        one = runtime.step(np.array([index], np.int32), runtime.begin(1))
        for whole, single in zip(two, one, strict=True):
            np.testing.assert_allclose(whole[row], single[0], atol=0.02)


@LITERT
@pytest.mark.slow
@pytest.mark.parametrize(
    "cell", CELLS if MORE else ["gru", "irnn", "peephole", "cifg", "fgr", "mut1"]
)
def test_every_cell_is_exported(cell, tmp_path):
    config = NetConfig(cell=cell, layers=2, units=6, embed_dim=5)
    net = LanguageModel(config, 20)
    for name, content in write_graph(net).items():
        (tmp_path / PART).mkdir()
        (tmp_path / PART / name).write_bytes(content)
    ids = np.random.default_rng(0).integers(4, 20, 30)
    runtimes = LiteRTRuntime(tmp_path, config, 20), KerasRuntime(net)
    found, expected = (mean_log_prob(runtime, ids) for runtime in runtimes)
    assert found == pytest.approx(expected, abs=0.01)
    states = np.random.default_rng(1).normal(0, 0.5, (2, net.state_size))
    litert, keras = (
        runtime.look(np.array([4, 5], np.int32), states.astype(np.float32))[2]
        for runtime in runtimes
    )
    assert litert.keys() == keras.keys()
    for name, gate in keras.items():
        assert gate.shape == (2, 2 * 6)
        np.testing.assert_allclose(litert[name], gate, atol=0.02)


@LITERT
@pytest.mark.slow
@pytest.mark.parametrize("cell", ["gru", "fgr"])
def test_other_cells_are_trained(cell, tmp_path):
    run = make_run(tmp_path)
    head = f'layers = 2\ncell = "{cell}"\nembed_dim = 5\ndropout = 0.1'
    _, symbols, runtime = load_runtime(run({**STAGE, "epochs": 1}, head=head))
    assert runtime.name == "litert"
    assert mean_log_prob(runtime, symbols.encode(TEXT[:60])) > -np.log(len(symbols))


def test_words_are_trained_and_written(tmp_path, capsys):
    run = make_run(tmp_path, TOP + '[vocabulary]\nunits = "word"\n')
    bundle = run({**STAGE, "chunk": 5, "epochs": 1}, head="embed_dim = 4")
    assert main(["sample", str(bundle), "--prime", "the cat", "--length", "3"]) == 0
    assert capsys.readouterr().out.startswith("the cat")
    assert main(["evaluate", str(bundle), "--text", str(run.data)]) == 0
    assert capsys.readouterr().out.startswith("perplexity ")


def said(capsys, *words):
    status = main([*map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_a_model_writes_on(done, capsys):
    words = ["sample", done.bundle, "--prime", "The c", "--length", 20, "--seed", 3]
    status, out, _ = said(capsys, *words)
    assert status == 0
    assert out.startswith("The c")
    assert len(out) == len("The c") + 20 + 1
    assert said(capsys, *words)[1] == out
    assert said(capsys, *words, "--temperature", "0.5", "--top-k", 3)[0] == 0


def test_a_model_writes_what_is_likely(done, capsys):
    words = ["sample", done.bundle, "--length", 8]
    greedy = said(capsys, *words, "--temperature", 0)[1]
    assert greedy == said(capsys, *words, "--beam-size", 1)[1]
    assert said(capsys, *words, "--beam-size", 5)[0] == 0
    status, _, err = said(capsys, *words, "--beam-size", 5, "--seed", 1)
    assert status == 2
    assert "--beam-size draws nothing" in err


def test_a_prime_of_unknown_characters_is_refused(done, capsys):
    status, out, err = said(capsys, "sample", done.bundle, "--prime", "cat\xe9 \u2603")
    assert (status, out) == (1, "")
    assert "does not know: '\xe9' '\u2603'. It knows" in err


def test_a_text_is_measured(done, capsys):
    words = ["evaluate", done.bundle, "--text", done.data]
    status, out, _ = said(capsys, *words, "--split", "test")
    assert status == 0
    assert out.endswith("; 208 characters\n")
    assert said(capsys, *words)[1].endswith(f"; {len(TEXT):,} characters\n")


def test_bundles_of_other_kinds_are_refused(done, capsys):
    other = Path(find_bundle(None)).parents[1] / "captioner" / "bundle"
    for command in (["sample", other], ["evaluate", other, "--text", done.data]):
        status, _, err = said(capsys, *command)
        assert status == 1
        assert "is a bundle for 'captioner', not for 'rnn'" in err
    status, _, err = said(capsys, "sample", done.folder)
    assert "No trained model in" in err


def test_a_model_comes_along(capsys):
    config, symbols, _ = load_runtime(find_bundle("included"))
    assert (config.net.cell, len(symbols)) == ("lstm", 84)
    sizes = (file.stat().st_size for file in find_bundle(None).rglob("*.*"))
    assert sum(sizes) < 3e6
    words = ["sample", "--prime", "Prince Vas", "--temperature", 0, "--length", 2]
    assert said(capsys, *words)[:2] == (0, "Prince Vasil\n")


def test_the_included_model_predicts_its_language():
    reader = load_reader("included")
    said, shuffled = (
        measure(reader, reader.symbols.encode(text)).nats
        for text in ("He looked at the old prince.\n", "eH koldoe ta hte dol inpcer.\n")
    )
    assert said < 2 < 3 < shuffled
