import re
import time
from pathlib import Path
from typing import Literal

import pytest
from conftest import (
    ROOT,
    VOCABULARY,
    VQA_SPACE,
    VQA_VOCABULARY,
    tiny_config,
    tiny_model,
    tiny_vqa_config,
    tiny_vqa_model,
)
from pydantic import Field, ValidationError

import captioner.config
from captioner.config import CaptionerConfig, FinetuneConfig
from captioner.search.config import DecodingConfig
from rnn.comparing.config import CompareConfig
from rnn.config import RnnConfig
from shared.config import (
    Config,
    format_config,
    parse_config,
    read_config,
    recipe_names,
    revise_config,
)
from shared.errors import AppError
from vqa.config import FinetuneConfig as VqaFinetuneConfig
from vqa.config import VqaConfig


class Part(Config):
    size: int = Field(ge=1, le=9)


class Whole(Config):
    part: Part
    mode: Literal["fast", "slow"] = "fast"


def test_toml_becomes_a_frozen_config():
    config = parse_config('mode = "slow"\n[part]\nsize = 3', Whole, "a.toml")
    assert config == Whole(part=Part(size=3), mode="slow")
    with pytest.raises(ValidationError, match="frozen"):
        config.mode = "fast"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[part]\nsize = 3\ncolour = 1", r"part\.colour: unknown key\. Remove it"),
        ("mode = 'fast'", r"part: missing\. Add it"),
        ("[part]", r"part\.size: missing"),
        ("[part]\nsize = 10", r"part\.size: .*less than or equal to 9.*Received: 10"),
        ("[part]\nsize = 'x'", r"part\.size: .*valid integer.*Received: 'x'"),
        ("mode = 'idle'\n[part]\nsize = 1", r"mode: .*'fast' or 'slow'.*'idle'"),
        ("[part", r"a\.toml is not valid TOML: "),
        ("size = 1\nsize = 2", r"a\.toml is not valid TOML"),
    ],
)
def test_a_refusal_says_where_and_why(text, message):
    with pytest.raises(AppError, match=message):
        parse_config(text, Whole, "a.toml")


LONG = 120_000
HOSTILE = {
    "dots": ".".join(["a"] * (LONG // 2)) + " = 1",
    "dots in a table's name": "[" + " . ".join(["a"] * (LONG // 4)) + "]",
    "dots between quotes": "x = {" + ".".join(['"="'] * (LONG // 4)) + " = 1}",
    "brackets": "a = " + "[" * LONG,
    "brackets that close": "a = " + "[" * 600 + "]" * 600,
    "braces": "a = " + "{a=" * (LONG // 3),
    "digits": "seed = " + "9" * LONG,
    "hexadecimal digits": "seed = 0x" + "f" * LONG,
    "fewer of them": "seed = 0x" + "f" * 3000,
    "keys": "".join(f"a.b.c{i} = 1\n" for i in range(LONG // 14)),
    "unknown keys": "".join(f"a{i} = 1\n" for i in range(LONG // 14)),
    "a key": "a" * LONG + " = 1",
    "a value": f"seed = '{'a' * LONG}'",
    "tables": "[[stages]]\n" * (LONG // 11),
    "quotes": '"' + '\\"' * (LONG // 2),
    "open quotes": "'''\\" * (LONG // 4),
    "not a number": "seed = nan",
    "infinity": "seed = -inf",
    "a date": "seed = 1979-05-27T07:32:00Z",
    "a zero byte": "seed = 1\x00",
    "too much": "#" * 200_000,
}


@pytest.mark.parametrize("schema", [CaptionerConfig, VqaConfig])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_refused_at_once_and_in_short(text, schema):
    start = time.process_time()
    with pytest.raises(AppError, match=r"a\.toml (is refused|is not|has)") as caught:
        parse_config(text, schema, "a.toml")
    assert time.process_time() - start < 2
    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize("quote", ['"', '"""', "'", "'''"])
def test_text_between_quotes_may_have_any_number_of_dots(quote):
    about = f"about = {quote}{'e.g. this. ' * 1000}{quote} # {'a.' * 100}\n"
    recipe = (ROOT / "configs" / "finetune-captioner.toml").read_text("utf-8")
    recipe = "".join(x for x in recipe.splitlines(True) if not x.startswith("about"))
    config = parse_config(about + recipe, FinetuneConfig, "a.toml")
    assert config.about.count(".") == 3000


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("attention_units", [0, 30])
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.usefixtures("small_net")
def test_a_captioner_has_the_weights_that_its_config_tells(
    layers, attention_units, tied
):
    sizes = {"units": 40, "embed_dim": 30, "region_units": 50, "tied": tied}
    sizes |= {"layers": layers, "attention_units": attention_units}
    config = tiny_config(decoder=sizes)
    least = config.decoder.least_weights(len(VOCABULARY))
    found = tiny_model(config).decoder.count_params()
    assert 0.9 * found < least <= found


@pytest.mark.parametrize("cell", ["gru", "fgr", "mut1"])
@pytest.mark.usefixtures("small_net")
def test_both_count_the_weights_of_other_cells(cell):
    sizes = {"cell": cell, "units": 40, "layers": 2, "embed_dim": 30}
    config = tiny_config(decoder={**sizes, "region_units": 50})
    found = tiny_model(config).decoder.count_params()
    assert 0.9 * found < config.decoder.least_weights(len(VOCABULARY)) <= found
    vqa = tiny_vqa_config(**sizes)
    found = tiny_vqa_model(vqa).answerers[0].count_params()
    least = vqa.net.least_weights(len(VQA_VOCABULARY), len(VQA_SPACE))
    assert 0.8 * found < least <= found


@pytest.mark.parametrize("objective", ["answers", "choices", "boxes"])
@pytest.mark.parametrize("fusion", ["product", "concat", "sum"])
@pytest.mark.parametrize(
    ("hops", "layers", "bag_units", "pairs"),
    [(0, 1, 0, 0), (2, 2, 7, 0), (1, 1, 7, 9)],
)
@pytest.mark.usefixtures("small_net")
def test_a_vqa_model_has_the_weights_that_its_config_tells(
    objective, fusion, hops, layers, bag_units, pairs
):
    sizes = {"units": 40, "joint_units": 30, "question_units": 50, "fusion": fusion}
    sizes |= {"hops": hops, "layers": layers, "bag_units": bag_units, "pairs": pairs}
    config = tiny_vqa_config(objective, **sizes)
    answers = len(VQA_SPACE) if objective == "answers" else 0
    least = config.net.least_weights(len(VQA_VOCABULARY), answers)
    found = tiny_vqa_model(config).answerers[0].count_params()
    assert 0.8 * found < least <= found


def test_all_problems_are_named_at_once():
    with pytest.raises(AppError, match=r"(?s)size: .*\n.*mode: .*\n.*other: unknown"):
        parse_config("mode = 1\nother = 2\n[part]\nsize = 0", Whole, "a.toml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])  # as Notepad saves it
def test_a_config_is_read_from_a_file(tmp_path, encoding):
    path = tmp_path / "mine.toml"
    path.write_text("[part]\nsize = 4", encoding=encoding)
    assert read_config(str(path), Whole, "captioner").part.size == 4


@pytest.mark.parametrize("name", ["mine.toml", "captioner-tyni", "a\0b", "a" * 5000])
def test_a_missing_config_lists_the_recipes(tmp_path, name):
    names = re.escape(", ".join(recipe_names("captioner")))
    with pytest.raises(AppError, match=rf"no config .*{name[:9]}.*one of {names}\."):
        read_config(str(tmp_path / name), Whole, "captioner")


TOML = "[part]\nsize = 4\n"
UNREADABLE = {
    "little end first": (TOML.encode("utf-16"), "line 1 .* it is UTF-16. Save .*UTF-8"),
    "big end first": (b"\xfe\xff" + TOML.encode("utf-16-be"), "it is UTF-16"),
    "no mark": (TOML.encode("utf-16-le"), "line 1 is not UTF-8 text: it holds a NUL"),
    "Latin-1": ("[part]\n# groß".encode("latin-1"), "line 2 is not UTF-8 text"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_a_config_that_is_not_utf_8_says_so(tmp_path, case):
    content, match = UNREADABLE[case]
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(AppError, match=rf"mine\.toml.*{match}"):
        read_config(str(path), Whole, "captioner")


def test_a_config_that_is_a_link_to_nothing_is_named(tmp_path):
    path = tmp_path / "mine.toml"
    path.symlink_to(tmp_path / "gone.toml")
    with pytest.raises(AppError, match=r"mine\.toml cannot be read: No such file"):
        read_config(str(path), Whole, "captioner")


SCHEMAS = {
    "captioner": CaptionerConfig,
    "vqa": VqaConfig,
    "rnn": RnnConfig,
    "compare": CompareConfig,
    "finetune-captioner": FinetuneConfig,
    "finetune-captioner-new-words": FinetuneConfig,
    "finetune-captioner-known-words": FinetuneConfig,
    "finetune-vqa": VqaFinetuneConfig,
    "finetune-vqa-few": VqaFinetuneConfig,
}
RECIPES = sorted(Path(captioner.config.__file__).parents[1].glob("configs/*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_accepted(path):
    prefix = path.stem.partition("-")[0]
    schema = SCHEMAS[path.stem if prefix == "finetune" else prefix]
    assert path.stem in recipe_names(prefix)
    config = read_config(path.stem, schema, prefix)
    assert config == read_config(str(path), schema, prefix)
    assert config == parse_config(format_config(config), schema, "copy")


SMALL = """
[encoder]
name = "mobilenet_v2"
[decoder]
units = 4
embed_dim = 4
region_units = 4
"""
STAGE = '[[stages]]\nname = "a"\nepochs = 1\nlearning_rate = 1e-3\n'


def test_a_small_captioner_config_has_defaults_for_the_rest():
    config = parse_config(SMALL + STAGE, CaptionerConfig, "a.toml")
    assert config.encoder.image_size == 224
    assert config.stages[0].captions == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SMALL, "stages: missing"),
        (SMALL + STAGE + STAGE, r"\n  stages need different names\. .*\['a', 'a'\]\.$"),
        (SMALL + STAGE + "encoder_rate = 1e-4", "`encoder_rate` .* go together"),
        (SMALL + STAGE + 'encoder_from = "all"', "`encoder_rate` .* go together"),
        (
            SMALL + STAGE + 'objective = "self_critical"\ncaptions = 1',
            r"stages\.0: `captions` must be at least 2 .* compares them\.$",
        ),
        (SMALL + STAGE + "warmup = 1.0", r"stages\.0\.warmup: .*less than 1"),
        (SMALL + STAGE + "average = nan", r"stages\.0\.average: "),
        (SMALL + STAGE.replace('"a"', '"../a"'), r"stages\.0\.name: .*pattern"),
        (SMALL.replace("units = 4", 'units = "4"', 1) + STAGE, r"units: .*integer"),
        (SMALL + STAGE + "clip_norm = inf", r"stages\.0\.clip_norm: .*finite"),
        (SMALL.replace("units = 4", "units = 0", 1) + STAGE, r"decoder\.units: "),
        (
            SMALL.replace("units = 4", 'units = 4\ncell = "LSTM"', 1) + STAGE,
            r"decoder\.cell: no cell 'LSTM'\. There are lstm, gru, .*, mut3\.$",
        ),
        (
            SMALL.replace("units = 4", 'units = 4\ncell = "gru"\nforget_bias = 1.0', 1)
            + STAGE,
            r"decoder: `forget_bias` 1 needs a forget gate, .* 'gru' has none",
        ),
        (
            SMALL.replace('name = "', 'name = "my') + STAGE,
            r"encoder\.name: no encoder 'my.*'\. There are small, .*mobilenet_v2",
        ),
    ],
)
def test_a_captioner_config_refuses_what_cannot_be_trained(text, message):
    with pytest.raises(AppError, match=message):
        parse_config(text, CaptionerConfig, "a.toml")


class Odd(Config):
    """Text and nesting that a careless writer of TOML breaks on."""

    text: str = 'a "b" \\ é\n\t#'
    rate: float = 1e-05
    flag: bool = True
    names: tuple[str, ...] = ()
    part: Part = Part(size=2)
    parts: tuple[Part, ...] = (Part(size=1), Part(size=3))


def test_a_config_survives_its_file():
    config = Odd()
    assert parse_config(format_config(config), type(config), "a.toml") == config


def test_a_revised_config_has_the_changes_and_the_rest_of_the_old_one():
    config = Odd(rate=0.5)
    new = revise_config(config, {"names": ["é", "b"], "part": {"size": 4}}, "It")
    assert new == Odd(rate=0.5, names=("é", "b"), part=Part(size=4))
    assert config == Odd(rate=0.5)
    assert revise_config(config, {}, "It") == config
    assert revise_config(config, {"names": ("b",)}, "It").names == ("b",)


def test_half_an_emoji_is_left_out_of_a_revised_config():
    assert revise_config(Odd(), {"text": "a\ud83d b"}, "It").text == "a b"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"colour": 1},
            r"^The request is refused:\n  colour: unknown key\. Remove[^\n]*$",
        ),
        ({"beam-size": 1}, r"\n  beam-size: unknown key\."),
        ({"beam_size": 0}, r"\n  beam_size: .*greater than or equal to 1\. .*: 0\.$"),
        ({"beam_size": "3"}, r"\n  beam_size: .*valid integer\. Received: '3'\.$"),
        ({"must": ["a", 3]}, r"\n  must\.1: .*valid string\. Received: 3\.$"),
        ({"must": "dog"}, r"\n  must: .*valid array\. Received: 'dog'\.$"),
        ({"top_p": float("nan")}, r"\n  top_p: .*finite number\. Received: nan\.$"),
        (
            {"length_penalty": 9},
            r"\n  length_penalty: .*equal to 5\. .*\n  length_penalty: .*'average'",
        ),
        (
            {"min_words": 9, "max_words": 8},
            r"\n  min_words 9 is more than max_words 8: give a min_words of at most 8,",
        ),
        (
            {"groups": 3, "beam_size": 4},
            r"\n  groups 3 do not share beam_size 4 .*: give a beam_size of 3, 6, 9\.$",
        ),
        (
            {"groups": 7},
            r"groups 7 .* beam_size 3 .*: give a beam_size of 7, 14, 21\.$",
        ),
        ({"groups": 40, "beam_size": 50}, r": give a beam_size of 40\.$"),
    ],
)
def test_a_revised_config_is_checked_again(changes, message):
    with pytest.raises(AppError, match=message):
        revise_config(DecodingConfig(), changes, "The request")


@pytest.mark.parametrize(("beam_size", "groups"), [(1, 1), (6, 3), (50, 50), (6, 1)])
def test_groups_of_equal_size_are_accepted(beam_size, groups):
    changes = {"beam_size": beam_size, "groups": groups}
    assert revise_config(DecodingConfig(), changes, "It").groups == groups
