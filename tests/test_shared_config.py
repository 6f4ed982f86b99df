import re
from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError

import captioner.config
from captioner.config import CaptionerConfig, FinetuneConfig
from shared.config import Config, format_config, parse_config, read_config, recipe_names
from shared.errors import AppError


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


def test_all_problems_are_named_at_once():
    with pytest.raises(AppError, match=r"(?s)size: .*\n.*mode: .*\n.*other: unknown"):
        parse_config("mode = 1\nother = 2\n[part]\nsize = 0", Whole, "a.toml")


def test_a_config_is_read_from_a_file(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("[part]\nsize = 4", encoding="utf-8")
    assert read_config(str(path), Whole, "captioner").part.size == 4


@pytest.mark.parametrize("content", [None, b"\xff\xfe[part]"])
def test_an_unreadable_config_lists_the_recipes(tmp_path, content):
    path = tmp_path / "mine.toml"
    if content is not None:
        path.write_bytes(content)
    names = re.escape(", ".join(recipe_names("captioner")))
    with pytest.raises(AppError, match=rf"mine\.toml(?s:.*)one of {names}\."):
        read_config(str(path), Whole, "captioner")


RECIPES = sorted(Path(captioner.config.__file__).parents[1].glob("configs/*.toml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_every_recipe_is_accepted(path):
    schema = FinetuneConfig if "finetune" in path.stem else CaptionerConfig
    prefix = path.stem.partition("-")[0]
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
