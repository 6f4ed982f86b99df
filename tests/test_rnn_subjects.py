"""What is inspected: language models, decoders of captions, encoders of questions."""

import numpy as np
import pytest
from conftest import QUOTED as TEXT
from conftest import (
    tiny_config,
    tiny_model,
    tiny_vqa_config,
    tiny_vqa_model,
    write_language_model,
    write_tiny,
    write_tiny_vqa,
)
from keras import ops

from rnn.cells.captions import open_captions
from rnn.cells.questions import open_questions
from rnn.cells.subjects import open_subject
from rnn.cells.watching import watching
from rnn.cli import main
from shared.data.captioned import read_dataset
from shared.errors import AppError
from shared.files.locks import hold
from shared.nets.names import CELLS
from shared.text.vocabulary import BOS
from shared.vision.images import read_image


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_language_model(tmp_path_factory.mktemp("model") / "bundle", layers=2)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.mark.parametrize("name", CELLS)
def test_watched_cells_do_as_always_and_are_left_as_they_were(name):
    cell = CELLS[name].make(3)
    cell.build((None, 2))
    state = tuple(ops.ones((1, 3)) * 0.1 for _ in range(cell.state_count))
    inputs = np.array([[0.5, -1.0]], np.float32)
    expected, _ = cell(inputs, state)
    with watching([cell]) as (steps,):
        found, new = cell(inputs, state)
    cell(inputs, state)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    (step,) = steps
    shown = np.tanh(new[1]) if cell.state_count > 1 else new[0]
    np.testing.assert_allclose(step["shown"], shown, atol=1e-6)
    for gate, values in cell.gates(inputs, state).items():
        np.testing.assert_allclose(step[gate], values, atol=1e-6)


@pytest.mark.parametrize("attention", [4, 0])
def test_a_decoder_reads_captions_about_their_photos(
    attention, tmp_path, small_net, shapes
):
    config = tiny_config({"attention_units": attention, "layers": 2})
    model = tiny_model(config)
    folder = write_tiny(tmp_path / "bundle", config, model)
    subject = open_captions(folder, str(shapes), 10**6, print)
    pieces = list(subject.read())
    records = [r for r in read_dataset(shapes) if r.split == "dev"]
    assert len(pieces) == len(records)
    assert [piece.start for piece in pieces] == list(subject.starts)
    assert subject.shown[:2] == ["▸ ", "a "] and subject.shown[-1][-1] == "\n"
    image = read_image(records[1].image, 32, "squash")
    features = model.encoder(image[None])
    memory, state = model.decoder.start(features, 1)
    tokens = [BOS, 4, 1, 1]  # "a", and two words that it does not know
    logits = []
    for t, token in enumerate(tokens):
        words = model.decoder.embedding(np.array([[token]]))
        hidden, state, _ = model.decoder.step(words, state, memory)
        logits.append(ops.log_softmax(model.decoder.predict(hidden))[0, 0])
        for layer in range(2):
            expected = np.tanh(state[2 * layer + 1])[0, 0]
            # The bundle's weights are rounded.
            np.testing.assert_allclose(pieces[1].outputs[layer][t], expected, atol=0.05)
    assert np.isnan(pieces[1].log_probs[0])
    expected = [logits[t][token] for t, token in enumerate(tokens[1:])]
    np.testing.assert_allclose(pieces[1].log_probs[1:], expected, atol=0.1)
    assert set(pieces[1].gates[0]) == {"i", "f", "o"}


def test_an_encoder_reads_questions(tmp_path, small_net):
    config = tiny_vqa_config(cell="gru")
    model = tiny_vqa_model(config)
    folder = write_tiny_vqa(tmp_path / "bundle", config, model)
    asked = tmp_path / "questions.txt"
    asked.write_text("What color is the hat?\n\nHow many dogs?\n")
    subject = open_questions(folder, str(asked), 10**6, print)
    assert "".join(subject.shown) == "what color is the hat\nhow many dogs\n"
    _, piece = subject.read()
    assert piece.start == 5 and np.isnan(piece.log_probs).all()
    reader = model.answerers[0].reader
    (state,) = (ops.zeros((1, 8)),)
    for t, token in enumerate([12, 13, 1]):  # how, many, and a word that is not known
        _, (state,) = reader.cells[0](reader.embedding(np.array([token])), (state,))
        np.testing.assert_allclose(piece.outputs[0][t], state[0], atol=0.05)
    assert set(piece.gates[0]) == {"z", "r"}


def test_a_command_writes_the_page(bundle, text, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["inspect", str(bundle), "--text", text, "-o", str(page)]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split("\t")[0] for line in lines]
    assert {"inside quotes", "position in the line"} <= set(names)
    assert all(line.split("\t")[1] in "12" for line in lines)
    content = page.read_text("utf-8")
    assert f"{len(TEXT):,} characters of text.txt, taken for prose" in content
    assert "2 layers of 5 lstm cells" in content
    again = ["inspect", str(bundle), "--text", text, "-o", str(page)]
    assert main(again) == 1
    assert "--overwrite" in capsys.readouterr().err
    with hold(page, "another"):
        assert main([*again, "--overwrite"]) == 1
    assert "is in use by another" in capsys.readouterr().err
    assert page.read_text("utf-8") == content


def test_a_model_of_words_is_inspected(tmp_path, text):
    bundle = write_language_model(tmp_path / "bundle", units="word", cell="relu")
    subject = open_subject(str(bundle), [text], 10**6, announce=print)
    assert "".join(subject.shown[:8]) == "he said one or two here\n▸ then "
    assert {"about to stop", "position in the caption"} <= {
        *subject.marks.flags,
        *subject.marks.numbers,
    }
    assert sum(len(piece.log_probs) for piece in subject.read()) == len(subject.shown)


def test_no_more_is_read_than_asked_for(bundle, text):
    subject = open_subject(str(bundle), [text], 500, "c", print)
    assert len(subject.shown) == 500 and "taken for C" in subject.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"too short", "is too short: there are 400 characters or more"),
        (b"\x80\xff\n" * 300, "is not UTF-8"),
        (b"a\0b" * 300, "NUL"),
    ],
)
def test_texts_that_tell_nothing_are_refused(bundle, tmp_path, content, said):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(AppError, match=said):
        open_subject(str(bundle), [str(path)], 10**6, announce=print)


def test_other_bundles_are_refused(bundle, text, tmp_path):
    with pytest.raises(AppError, match="No trained model"):
        open_subject(str(tmp_path), [text], 10**6)
    other = tmp_path / "other"
    other.symlink_to(bundle)
    with pytest.raises(AppError, match="no text in"):
        open_subject(str(other), [str(tmp_path / "none.txt")], 10**6)


def test_a_text_of_one_character_has_no_probes(bundle, tmp_path):
    path, page = tmp_path / "same.txt", tmp_path / "page.html"
    path.write_text("-" * 500)
    assert main(["inspect", str(bundle), "--text", str(path), "-o", str(page)]) == 0
    assert "a probe explains" in page.read_text("utf-8")
