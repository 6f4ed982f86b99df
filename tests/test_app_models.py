"""The models of the page: loaded once, warm before a visitor comes; their cards."""

import os
import shutil
import threading
import tomllib
from importlib import metadata
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT, fake_answerer, tiny_vqa_config
from packaging.requirements import Requirement

from captioner.commands import demo
from captioner.describing.predict import SHIPPED
from captioner.page import assembly
from captioner.page.assembly import Settings, load_models, load_warm, warm
from shared.bundles.litert import Spec
from shared.errors import AppError
from shared.web.components import MOST_CARD, card_text
from shared.web.turns import Turns
from vqa.net import runtime_litert
from vqa.net.runtime_litert import LiteRTRuntime

SECRET = "what another file says"


# ---- warm


class Watched:
    """A runtime that notes what has worked."""

    def __init__(self, runtime):
        self.runtime, self.used = runtime, set()

    def __getattr__(self, name):
        found = getattr(self.runtime, name)
        self.used.add(name)
        return found


@pytest.mark.parametrize(
    "objective, last",
    [("answers", "encode"), ("choices", "encode"), ("boxes", "encode_boxes")],
)
@pytest.mark.usefixtures("small_net")
def test_every_part_has_worked_before_a_visitor_comes(objective, last):
    answerer = fake_answerer(objective=objective)
    answerer.runtime = Watched(answerer.runtime)
    warm(answerer)
    assert answerer.runtime.used == {"look", "answer", "guess", last}


@pytest.mark.slow
@pytest.mark.skipif(not SHIPPED.exists(), reason="no model is shipped")
def test_no_visitor_waits_for_a_graph(monkeypatch):
    models = load_warm(Settings())
    monkeypatch.setattr(runtime_litert, "Graph", None)  # none is loaded any more
    image = np.zeros((40, 40, 3), np.uint8)
    for answerer in models.answerers.values():
        reply = answerer.ask(
            image, "what is it?", choices=("red dog", "cat"), blind=True
        )
        assert reply.guesses


@pytest.mark.usefixtures("small_net")
@pytest.mark.parametrize("part", ["guess", "encode"])
def test_two_first_questions_load_one_graph(monkeypatch, tmp_path, part):
    loaded, again = [], threading.Event()

    class Graph:
        features, grid = Spec("float32", (1, 4, 3)), (2, 2)

        def __init__(self, path, threads, command):
            loaded.append(path.stem)
            if len(loaded) == 3:  # it takes long enough for another one to begin
                again.wait(0.1)
            elif len(loaded) > 3:
                again.set()

        def check(self, inputs, outputs):
            pass

        def check_images(self, size):
            pass

        def __call__(self, **_):
            zeros = np.zeros((1, 1, 1))
            return dict.fromkeys(("joint", "alpha", "vectors", "blind_vectors"), zeros)

    monkeypatch.setattr(runtime_litert, "Graph", Graph)
    monkeypatch.setattr(runtime_litert, "EncoderGraph", Graph)
    runtime = LiteRTRuntime(tmp_path, 1, tiny_vqa_config(), 0)
    assert loaded == ["encoder", "answer"]
    ask = getattr(runtime, part)
    asking = [threading.Thread(target=ask, args=(np.zeros((1, 1)),)) for _ in range(4)]
    for one in asking:
        one.start()
    for one in asking:
        one.join()
    assert len(loaded) == 3


# ---- cards


@pytest.mark.parametrize(
    "card, shown",
    [
        ("", "This model comes without a card."),
        (" \n", "This model comes without a card."),
        ("# A *card*\n\n| a | b |\n|---|---|\n| 1 | 2 |\n", None),
        ("x < 5, y <= 3, z <2", None),
        ("<!-- part litert -->\n\n## LiteRT\n\n<!-- end -->", "\n\n## LiteRT\n\n"),
        ("<script>x</script>", "&lt;script>x&lt;/script>"),
        (
            "a<!doctype>b<?php <\N{LATIN SMALL LETTER E}",
            "a&lt;!doctype>b&lt;?php &lt;e",
        ),
        ("<!-- never closed <b>", "&lt;!-- never closed &lt;b>"),
        ("![a](https://x/b.png)", "!\\[a](https://x/b.png)"),
    ],
)
def test_a_card_is_words_and_tables_and_nothing_else(card, shown):
    assert card_text(card) == (card if shown is None else shown)


def test_a_card_of_any_length_is_shown_up_to_a_point():
    text = card_text("x" * (MOST_CARD + 1234))
    assert text.startswith("x" * MOST_CARD + "\n")
    assert text.endswith("and 1,234 more letters.")


def link(card, other):
    card.symlink_to(other)


def pipe(card, other):
    os.mkfifo(card)


def change(card, other):
    card.write_bytes(b"# A card\n")


def damage(card, other):
    card.write_bytes(b"\xff\xfe\x00")


def loop(card, other):
    card.symlink_to(card)


def folder(card, other):
    card.mkdir()


@pytest.mark.skipif(os.name != "posix", reason="links and pipes")
@pytest.mark.parametrize("put", [link, pipe, change, damage, loop, folder])
def test_a_card_that_is_no_plain_file_of_the_bundle_is_refused(
    tmp_path, monkeypatch, put
):
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for path in SHIPPED.iterdir():
        if path.is_file() and path.name != "card.md":
            shutil.copy(path, bundle)
    (tmp_path / "other").write_text(SECRET)
    put(bundle / "card.md", tmp_path / "other")
    for loader in (
        "captioner.describing.predict.load_captioner",
        "vqa.answering.predict.load_vqa",
    ):
        monkeypatch.setattr(loader, lambda folder: SimpleNamespace())
    with pytest.raises(AppError, match=r"card\.md") as caught:
        load_models(Settings(captioners=[bundle]))
    assert SECRET not in str(caught.value)


# ---- versions


@pytest.mark.parametrize(
    "version, works",
    [
        *(("1.30.0", True), ("1.21", True), ("1.99.0b1", True)),
        *(("2.0.0", False), ("2.3.0", False), ("1.20.9", False), ("0.9.1", False)),
        ("", False),
    ],
)
def test_tools_need_a_version_that_gradio_knows(monkeypatch, version, works):
    def installed(name):
        assert name == "mcp"
        if not version:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", installed)
    if works:
        demo._check_mcp()
        return
    match = rf"mcp>=1\.21,<2, .*{version}.*pip install 'sightread\[mcp\]'"
    with pytest.raises(AppError, match=match):
        demo._check_mcp()


def test_what_is_refused_is_not_installed_either():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extra = {
        Requirement(one).name: one for one in project["optional-dependencies"]["mcp"]
    }
    assert extra["mcp"] == f"mcp{demo.MCP}"
    ours = Requirement(extra["mcp"]).specifier
    for one in metadata.requires("gradio"):
        required = Requirement(one)
        if required.name == "mcp":  # Gradio's own bound lets nothing else in
            versions = ("1.20.0", "1.21.0", "1.30.0", "2.0.0", "2.3.0")
            assert [v in ours for v in versions] == [
                v in required.specifier for v in versions
            ]


def test_tools_that_are_not_there_in_the_end_are_no_success(monkeypatch):
    """Whatever the reason: a page that answers 404 there is not what was asked for."""
    import gradio as gr

    def fail(blocks):
        raise AttributeError("no attribute 'Server'")

    monkeypatch.setattr("gradio.mcp.GradioMCPServer", fail)
    with gr.Blocks() as page:
        gr.Markdown("x")
    with pytest.raises(AppError, match="no attribute 'Server'"):
        assembly.build_server(page, Settings(mcp=True), Turns(1))
