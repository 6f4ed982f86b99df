"""TOML file to frozen, typed, range-checked config."""

import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from shared.addresses import refuse_address
from shared.errors import AppError
from shared.included import included
from shared.utf8 import read_text

MOST_TEXT = 2**17  # characters of a config; those that come along have 4,000
MOST_PROBLEMS = 10  # that one message names
# A key of many parts takes tomllib a time that grows with their square. Strings and
# comments, which may hold any number of dots, are taken out before they are counted;
# one that does not end lasts to the end of its line, or of the text.
_STRINGS = re.compile(
    r'"""(?:\\.|(?!""").)*+(?:"""|\Z)'
    r"|\'\'\'(?:(?!\'\'\').)*+(?:\'\'\'|\Z)"
    r'|"(?:\\.|[^"\\\n])*+"?'
    r"|'[^'\n]*+'?"
    r"|\#[^\n]*+",
    re.DOTALL,
)
_BEYOND = "it has a number of thousands of digits, or hundreds of brackets in brackets."
_LONG_KEY = re.compile(r"(?:\.[^.,=[{}\n]*+){20}")


class Config(BaseModel):
    """A group of settings: immutable, and an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        allow_inf_nan=False,
        defer_build=True,
    )


C = TypeVar("C", bound=Config)


def recipe_names(prefix: str) -> list[str]:
    """Names of the recipes that come with the package and start with `prefix`."""
    return sorted(file.stem for file in included("configs").glob(f"{prefix}*.toml"))


def read_config(source: str, schema: type[C], prefix: str) -> C:
    """Read a recipe by its file's path, or by its name if it comes along.

    Args:
        source: path of a TOML file, or a name from `recipe_names(prefix)`.
        schema: the config to build.
        prefix: start of the recipes' names that fit this schema.

    Raises:
        AppError: if there is no such file or recipe, or its content is refused.
    """
    if source in recipe_names(prefix):
        text = (included("configs") / f"{source}.toml").read_text("utf-8")
        return parse_config(text, schema, source)
    if not os.path.lexists(source):
        refuse_address(source, "recipes")
        raise AppError(
            f"There is no config {source}. Give a TOML file, or one of "
            f"{', '.join(recipe_names(prefix))}."
        )
    text = read_text(Path(source), "a recipe", may_be_empty=True)
    return parse_config(text, schema, source)


def parse_config(text: str, schema: type[C], name: str) -> C:
    """Check TOML text against a schema.

    Args:
        name: what error messages call the text.

    Raises:
        AppError: if the text is not TOML, or longer than a config is, or a key is
            unknown, missing, of the wrong type or out of range; such keys are named.
    """
    return _check(parse_toml(text, name), schema, name)


def parse_toml(text: str, name: str) -> dict[str, Any]:
    """Read TOML text from anybody, in bounded time.

    Args:
        name: what error messages call the text.

    Raises:
        AppError: if the text is not TOML, or longer than a config is.
    """
    if len(text) > MOST_TEXT:
        raise AppError(
            f"{name} has {len(text):,} characters, and a config has {MOST_TEXT:,} at "
            "most. Make it shorter."
        )
    if found := _LONG_KEY.search(_STRINGS.sub("''", text)):
        raise AppError(
            f"{name} is not valid TOML: a key has more parts than any config knows: "
            f"{found[0]!r:.60}. Remove it."
        )
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise AppError(f"{name} is not valid TOML: {error}") from error
    except (ValueError, RecursionError) as error:
        raise AppError(f"{name} is refused: {_BEYOND}") from error


def revise_config(config: C, changes: Mapping[str, Any], name: str) -> C:
    """Set some values of a config anew, as strictly as if a file had them.

    Args:
        changes: values by their keys; lists stand for tuples.
        name: what error messages call the changes.

    Raises:
        AppError: if a key is unknown, or the config with the new values is refused.
    """
    return _check({**config.model_dump(mode="json"), **changes}, type(config), name)


def _check(values: Mapping[str, Any], schema: type[C], name: str) -> C:
    # As JSON, whose strict mode takes a list for a tuple. Half an emoji is no text.
    try:
        text = json.dumps(values, default=str, ensure_ascii=False)
    except (ValueError, RecursionError) as error:
        raise AppError(f"{name} is refused: {_BEYOND}") from error
    try:
        return schema.model_validate_json(text.encode("utf-8", "ignore"))
    except ValidationError as error:
        problems = error.errors()
        # A list whose items are refused is also called too short.
        if len(problems) > 1:
            problems = [p for p in problems if p["type"] != "too_short"]
        lines = [_problem(problem) for problem in problems[:MOST_PROBLEMS]]
        if more := len(problems) - len(lines):
            lines.append(f"and {more} more.")
        raise AppError(f"{name} is refused:\n  " + "\n  ".join(lines)) from error


def format_config(config: Config) -> str:
    """Write a config as TOML that `parse_config` reads back, defaults included.

    What is None is left out, as TOML has no word for it: it must be the default.
    """
    return _table(config.model_dump(mode="json", exclude_none=True), "")


def _table(values: dict[str, Any], path: str) -> str:
    lines = [
        f"{key} = {json.dumps(value, ensure_ascii=False)}"
        for key, value in values.items()
        if not _is_table(value)
    ]
    text = "".join(f"{line}\n" for line in lines)
    for key, value in values.items():
        if isinstance(value, dict):
            text += f"\n[{path}{key}]\n" + _table(value, f"{path}{key}.")
        elif _is_table(value):
            for item in value:
                text += f"\n[[{path}{key}]]\n" + _table(item, f"{path}{key}.")
    return text


def _is_table(value: Any) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], dict)
    )


def _problem(error: Any) -> str:
    place = [_shorten(str(part), 80) for part in error["loc"]]
    if error["type"] == "extra_forbidden":
        return f"{'.'.join(place)}: unknown key. Remove it, or correct its spelling."
    # Of several types that a value may have, the last part says which was tried.
    if place and not re.fullmatch(r"\w+", place[-1]):
        place.pop()
    key = ".".join(place)
    if error["type"] == "missing":
        return f"{key}: missing. Add it."
    if error["type"] == "value_error":  # by a check of ours, whose input is a table
        return (
            f"{key}: {error['ctx']['error']}." if key else f"{error['ctx']['error']}."
        )
    received = _shorten(repr(error["input"]), 200)
    return f"{key}: {error['msg']}. Received: {received}."


def _shorten(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"
