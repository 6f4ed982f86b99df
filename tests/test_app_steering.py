"""What is chosen or typed on the page reaches the search, and comes back, as typed."""

from types import SimpleNamespace

import pytest
from conftest import ROOT

pytest.importorskip("gradio", reason="pip install gradio")
pytest.importorskip("ai_edge_litert")

from captioner.describing.predict import load_captioner
from captioner.page.describe_tab import DescribeTab
from shared.vision.photo_cache import Photos, view_of

VISITOR = SimpleNamespace(username="anna", session_hash="1", request=None)


@pytest.fixture(scope="module")
def tab():
    """The tab, with a photo, of the included model."""
    captioner = load_captioner(runtime="litert")
    photos = Photos({view_of(captioner)})
    tab = DescribeTab({"one": captioner}, photos)
    tab.photo = photos.add((ROOT / "examples" / "photographer.jpg").read_bytes())
    return tab


@pytest.fixture
def steer(tab, monkeypatch):
    """Choose something of what the page shows, as its script does."""
    monkeypatch.setattr(tab.photos, "get", lambda owner: tab.photo)
    monkeypatch.setattr("captioner.page.describe_tab.owner_of", lambda visitor: "anna")
    controls = tab.own["one"]

    def steer(**data):
        event = SimpleNamespace(_data=data)
        return tab._steer(VISITOR, event, "one", *controls)

    return steer


def text(value):
    return value["captions"][value["chosen"]]["text"]


TYPED = [
    "In Paris, Anna-Maria O'Neil's",
    "a photo of NASA's \N{ROCKET} (1969):",
    "McDonald's, i.e. a man, cannot",
    "Élodie et “Zoë”",
    "a man",
]


@pytest.mark.parametrize("typed", TYPED)
def test_what_was_typed_stays_when_a_later_word_is_chosen(tab, steer, typed):
    value = tab.describe("one", tab.photo, {"prefix": typed})
    for place in range(len(tab.captioners["one"].vocabulary.split(typed)), 9):
        if place >= len(value["words"]):
            break
        word = value["words"][place]
        assert text(value).startswith(word["before"])
        again = steer(prefix=word["before"], word="XYZ-Ltd")
        shown = typed[0].upper() + typed[1:] if typed == typed.lower() else typed
        assert text(again).startswith(f"{word['before']} XYZ-Ltd ")
        assert text(again).startswith(shown)
        assert again["words"][place]["word"] == "xyz-ltd"


def test_a_chain_of_own_words_stays_as_it_was_typed(tab, steer):
    value = tab.describe("one", tab.photo, {})
    for place, own in enumerate(["Two", "iPhones", "'s", "and", "TVs"]):
        value = steer(prefix=value["words"][place]["before"], word=own)
    assert text(value).startswith("Two iPhones's and TVs ")


def test_a_capital_is_the_sentences_only_where_nobody_typed_it(tab, steer):
    first = tab.describe("one", tab.photo, {})
    assert text(steer(prefix="", word="two")).startswith("Two ")
    assert text(steer(prefix="", word="iPads")).startswith("iPads ")
    later = steer(prefix=first["words"][1]["before"], word="Bob")
    assert text(later).startswith("A Bob ")  # the model's first word keeps its capital


def test_other_captions_to_choose_are_those_that_were_shown(tab, steer):
    value = tab.describe("one", tab.photo, {"prefix": "Here, Anna and"})
    value = steer(prefix=value["words"][3]["before"], word="Bob")
    for place in range(1, len(value["captions"])):
        chosen = steer(prefix=value["prefix"], chosen=place)
        assert chosen["captions"] == value["captions"]
        assert chosen["chosen"] == place


@pytest.mark.parametrize(
    "data",
    [
        {"prefix": 3},
        {"prefix": None, "word": "a"},
        {"word": ["a"]},
        {"prefix": "a" * 250, "word": "b" * 250},
        {"chosen": -1},
        {"chosen": True},
        {"chosen": "1"},
    ],
)
def test_what_is_no_choice_is_a_problem(steer, data):
    assert "Words of up to 400 letters can be chosen" in steer(**data)["problem"]
