"""The parts of a recipe that tasks share, here of a task that has no photos."""

import pytest

from shared.config import Config, format_config, parse_config
from shared.errors import AppError
from shared.nets.names import CELLS
from shared.runs.recipes import (
    CellConfig,
    PhotoStageConfig,
    RecipeConfig,
    StageConfig,
    adapt_recipe,
    name_files,
    refuse,
)


class Recipe(RecipeConfig[StageConfig]):
    units: int = 1


class Change(Config):
    about: str = ""


STAGE = '[[stages]]\nname = "a"\nepochs = 2\nlearning_rate = 0.1\n'


def read(text=STAGE, schema=Recipe):
    return parse_config(text, schema, "recipe")


def test_a_task_without_photos_has_a_recipe_without_an_encoder():
    recipe = read("units = 3\n" + STAGE)
    assert (recipe.units, recipe.stages[0].epochs, recipe.seed) == (3, 2, 1)
    assert "encoder" not in format_config(recipe)
    assert read(format_config(recipe)) == recipe
    with pytest.raises(AppError, match=r"stages\.0\.encoder_rate: unknown key"):
        read(STAGE + "encoder_rate = 0.1\n")


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", r"stages: missing"),
        ("stages = []", r"stages: .*at least 1"),
        (STAGE + STAGE, r"different names\. Received: \['a', 'a'\]"),
        (STAGE.replace('"a"', '"a b"'), r"stages\.0\.name: "),
        (STAGE.replace("0.1", "2.0"), r"stages\.0\.learning_rate: .*Received: 2"),
        (STAGE.replace("2", "0"), r"stages\.0\.epochs: "),
    ],
)
def test_what_cannot_be_trained_is_refused(text, match):
    with pytest.raises(AppError, match=match):
        read(text)


@pytest.mark.parametrize("line", ["encoder_rate = 0.1", 'encoder_from = "all"'])
def test_an_encoder_is_trained_or_not(line):
    with pytest.raises(AppError, match="`encoder_rate` above 0 and `encoder_from` go"):
        read(STAGE + line, RecipeConfig[PhotoStageConfig])


def test_a_command_names_files_in_place_of_the_recipes_own():
    recipe = read('texts = ["a.txt"]\n' + STAGE)
    assert name_files(recipe, {"texts": []}) is recipe
    assert name_files(recipe, {"texts": ["b.txt"]}).texts == ("b.txt",)


def test_all_problems_of_a_recipe_are_named():
    refuse("recipe", [])
    with pytest.raises(AppError, match=r"(?s)^recipe is refused:\n  one\n  two$"):
        refuse("recipe", ["one", "two"])


def test_a_recipe_to_train_further_says_what_it_may_have(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text("units = 3\n")
    known = read('units = 5\nabout = "Flickr8k."\n' + STAGE)
    with pytest.raises(AppError, match=r"(?s)units: unknown key.*--from\) has about;"):
        adapt_recipe(known, str(path), Change, "finetune")
    path.write_text('about = "Mine."\n')
    recipe = adapt_recipe(known, str(path), Change, "finetune")
    assert recipe.units == 5
    assert recipe.about.startswith("Mine.")
    assert recipe.about.endswith("Flickr8k.")


@pytest.mark.parametrize("name", CELLS)
def test_cells_start_as_a_recipe_says(name):
    source = CELLS[name]
    bias = {"forget_bias": 2.5} if source.forgets else {}
    for start in source.starts:
        recipe = CellConfig(cell=name, units=3, layers=2, recurrent_start=start, **bias)
        cells = recipe.make_cells()
        assert [cell.units for cell in cells] == [3, 3]
        assert {cell.each_start for cell in cells} == {start}
        assert {cell.forget_bias for cell in cells} == {bias.get("forget_bias")}


def test_a_recipe_that_says_nothing_of_the_start_is_written_as_before():
    text = format_config(CellConfig(units=3))
    assert text == 'cell = "lstm"\nlayers = 1\nunits = 3\n'
    assert CellConfig(units=3).make_cells()[0].each_start is None


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            'cell = "lstm"\nrecurrent_start = "identity"',
            r"'identity' is none that the cell 'lstm' can have: orthogonal, glorot_uni",
        ),
        ('cell = "irnn"\nrecurrent_start = "orthogonal"', r"can have: identity\. Give"),
        ('recurrent_start = "zeros"', r"'zeros' .*'lstm'.*Give one of them, or leave"),
        (
            'cell = "gru"\nforget_bias = 1.0',
            r"`forget_bias` 1 .*'gru' has none\. .*choose one of lstm, peephole, nig",
        ),
        ('cell = "nfg"\nforget_bias = 1.0', r"'nfg' has none"),
        ("forget_bias = 21.0", r"forget_bias: .*less than or equal to 20"),
        ("forget_bias = nan", r"forget_bias: .*finite"),
        ('forget_bias = "one"', r"forget_bias: .*Received: 'one'"),
    ],
)
def test_a_start_that_does_not_suit_the_cell_is_refused(text, match):
    with pytest.raises(AppError, match=match):
        read(f"units = 3\n{text}\n", CellConfig)
