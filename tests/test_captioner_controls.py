"""The page's controls: at first as the model searches; only what is set changes."""

import pytest

from captioner.page.controls import (
    BEAM,
    DIVERSE,
    GREEDY,
    SAMPLING,
    build_controls,
    follow,
    own_search,
    read_search,
    to_changes,
)
from captioner.search.config import DecodingConfig
from shared.config import revise_config

OWN = [
    DecodingConfig(),
    DecodingConfig(beam_size=1, no_repeat=3),
    DecodingConfig(beam_size=17, length_penalty=0.7, max_words=60, bad_endings=()),
    DecodingConfig(beam_size=6, groups=3, diversity=0.2),
    DecodingConfig(beam_size=4, groups=4, min_words=25, max_words=30),
    DecodingConfig(method="sample", beam_size=5, temperature=3.25, top_k=7, seed=2**31),
    DecodingConfig(prefix="a photo of", must=("dog", "cat"), ban=("a man",)),
    DecodingConfig(ban=("red",), inflections=True),
]
WAYS = [BEAM, GREEDY, BEAM, DIVERSE, DIVERSE, SAMPLING, BEAM, BEAM]


@pytest.mark.parametrize("decoding, way", [*zip(OWN, WAYS, strict=True)])
def test_who_sets_nothing_gets_the_search_of_the_bundle(decoding, way):
    own = own_search(decoding)
    assert own.method == way
    assert revise_config(decoding, to_changes(own, own), "x") == decoding


@pytest.mark.parametrize("decoding", OWN)
def test_only_what_is_set_changes(decoding):
    own = own_search(decoding)

    def change(**controls):
        changes = to_changes(own._replace(**controls), own)
        found = revise_config(decoding, changes, "x").model_dump()
        return {k: v for k, v in found.items() if v != getattr(decoding, k)}

    assert change(max_words=35) == {"max_words": 35}
    assert change(ban="blue, green") == {"ban": ("blue", "green")}
    assert change(prefix="my") == {"prefix": "my"}
    assert change(prefix="", must="", ban="") == {
        k: v
        for k, v in {"prefix": "", "must": (), "ban": ()}.items()
        if v != getattr(decoding, k)
    }
    wide = change(method=DIVERSE, beam_size=8)
    assert (wide["beam_size"], wide["groups"]) == (8, 8)
    assert change(method=SAMPLING, seed=3)["seed"] == 3
    narrow = revise_config(decoding, to_changes(own._replace(method=GREEDY), own), "x")
    assert (narrow.method, narrow.beam_size, narrow.groups) == ("beam", 1, 1)


def test_what_nobody_set_follows_the_model():
    first, second = own_search(OWN[0]), own_search(OWN[6])
    asked = first._replace(beam_size=9, ban="x")
    found = follow(asked, first, second)
    assert found == second._replace(beam_size=9, ban="x")
    assert follow(first, first, second) == second


def test_the_controls_have_room_for_every_model():
    import gradio as gr

    with gr.Blocks():
        controls = build_controls([own_search(decoding) for decoding in OWN])
    shown = [control.value for control in controls]
    assert read_search(shown) == own_search(OWN[0])
    for decoding in OWN:
        own = own_search(decoding)
        for name in ("beam_size", "min_words", "max_words", "temperature"):
            control = getattr(controls, name)
            assert control.minimum <= getattr(own, name) <= control.maximum
        assert own.seed <= controls.seed.maximum


def test_an_empty_field_may_be_none():
    shown = [None if value in ("", 0) else value for value in own_search(OWN[0])]
    assert read_search(shown) == own_search(OWN[0])
