"""Addresses of the web are refused by name, wherever a file or folder is wanted."""

from pathlib import Path

import pytest
from conftest import write_files

from captioner import cli as captioner
from rnn import cli as rnn
from shared.addresses import is_address
from shared.errors import AppError
from shared.vision.encoders import Encoder
from vqa import cli as vqa

CSV = "image,caption\na.jpg,A dog\n"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_files(tmp_path, {"captions.csv": CSV, "a.jpg": None})


@pytest.mark.parametrize("main", [captioner.main, vqa.main], ids=["captioner", "vqa"])
@pytest.mark.parametrize(
    ("words", "what"),
    [
        ("data {}", "captions|questions"),
        ("train --data {} --out run --config {task}-tiny", "captions|questions"),
        ("train --data . --out run --config {}", "recipes"),
        ("train --data . --out run --from {}", "models"),
        ("evaluate --data {} --split dev", "captions|questions"),
        ("evaluate --data . --split dev --model {}", "models"),
        ("score {} .", "captions|answers"),
        ("score out.jsonl {}", "references|questions"),
        ("export {} --format litert --data .", "models"),
    ],
)
def test_every_command_says_that_nothing_is_fetched(capsys, main, words, what):
    task = "captioner" if main is captioner.main else "vqa"
    said = {"image": "a.jpg", "caption": "A dog", "question": "?", "answer": "x"}
    rows = [said | {"split": word, "id": word} for word in ("train", "dev")]
    table = {"captioner": "captions.json", "vqa": "questions.json"}[task]
    Path("captions.csv").unlink()
    files = {table: [rows[1] | {"image": "b.jpg"}, rows[0]], "b.jpg": None}
    write_files(Path(), files | {"out.jsonl": said})
    status = main(words.format("https://example.org/x.json", task=task).split())
    out, err = capsys.readouterr()
    assert (status, out) == (1, "")
    *_, line = err.splitlines()
    assert line.startswith("error: https:/")
    assert "example.org/x.json: this is an address, and nothing is fetched" in line
    assert any(f"network: {one} are read from this" in line for one in what.split("|"))
    assert "Download it, and give the file or folder." in line


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (lambda url: captioner.main(["caption", "a.jpg", "--model", url]), "models"),
        (lambda url: vqa.main(["ask", "a.jpg", "is it?", "--model", url]), "models"),
        (lambda url: vqa.main(["ask", "--batch", url]), "questions"),
        (lambda url: vqa.main(["ask", url, "is it?"]), "photos"),
        (lambda url: vqa.main(["questions", url, "-o", "q.jsonl"]), "captions"),
    ],
)
def test_so_do_questions_and_models(capsys, read, what):
    url = "https://example.org/x.jsonl"
    assert read(url) == 1
    err = capsys.readouterr().err
    assert f"this is an address, and nothing is fetched over the network: {what}" in err


@pytest.mark.parametrize(
    ("main", "words", "command"),
    [
        (captioner.main, ["caption", "s3://box/a.csv"], "captioner caption"),
        (vqa.main, ["ask", "--batch", "s3://box/a.csv"], "vqa ask"),
    ],
)
def test_what_is_in_a_store_is_for_the_engine(capsys, main, words, command):
    assert main(words) == 1
    assert capsys.readouterr().err.startswith(
        f"error: s3://box/a.csv: what is in a store is read by `{command}` with -"
    )


@pytest.mark.parametrize(
    "words",
    ["train --config rnn-tiny --out run --text {}", "errors included --text {}"],
)
def test_so_do_texts(capsys, words):
    assert rnn.main(words.format("https://example.org/book.txt").split()) == 1
    said = capsys.readouterr().err
    assert "book.txt: this is an address, and nothing is fetched over the netw" in said
    assert "network: texts are read from this computer only" in said
    assert not Path("run").exists()


def test_weights_and_photos_of_a_data_set(capsys):
    with pytest.raises(AppError, match="network: weights are read from this computer"):
        Encoder("mobilenet_v2", 32, "https://example.org/w.h5")
    Path("captions.csv").write_text("image,caption\nhttps://example.org/a.jpg,A dog\n")
    assert captioner.main(["data", "."]) == 1
    said = capsys.readouterr().err
    assert "line 2: 'https://example.org/a.jpg': this is an address" in said


def test_what_looks_like_an_address_may_be_there(capsys):
    write_files(Path(), {"http:/x/captions.csv": CSV, "http:/x/a.jpg": None})
    captioner.main(["data", "http://x"])
    assert "captions" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("https://x", True),
        ("https:/x", True),  # as pathlib writes it
        ("data:image/png;base64,AAAA", True),
        ("hf://datasets/x", True),
        ("C:/photos", False),
        ("tfds:coco_captions", False),
        ("tfds:coco_captions:/data", False),
        ("a/b.jpg", False),
        ("12:30/a.jpg", False),
    ],
)
def test_addresses_are_told_from_paths(name, is_one):
    assert is_address(name) == is_one
