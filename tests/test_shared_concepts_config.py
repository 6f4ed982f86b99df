"""The part of a recipe that says how concepts are attended to."""

import pytest

from shared.concepts.config import ConceptsConfig
from shared.config import format_config, parse_config
from shared.errors import AppError


def test_usual_values_and_back():
    config = parse_config("", ConceptsConfig, "here")
    assert (config.slots, config.units, config.always) == (16, 256, ("person",))
    assert parse_config(format_config(config), ConceptsConfig, "here") == config


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("slots = 0", "slots"),
        ("slots = 257", "slots"),
        ("units = 0", "units"),
        ('always = [""]', "always"),
        ('always = ["cat", "cat"]', "names a word twice"),
        ('slots = 1\nalways = ["cat", "dog"]', "there are 1 `slots`"),
        ("slot = 3", "slot"),
    ],
)
def test_what_makes_no_sense_is_refused(text, part):
    with pytest.raises(AppError, match=part):
        parse_config(text, ConceptsConfig, "here")
