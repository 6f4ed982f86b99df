"""What visitors of the page are told: nothing of options, recipes and folders."""

import re
import sys
from pathlib import Path

import pytest
from conftest import VOCABULARY, fake_answerer, small_net  # noqa: F401

from captioner.page.controls import TERMS, own_search, to_changes
from captioner.search.config import DecodingConfig
from captioner.search.rules import make_rules
from shared.config import revise_config
from shared.errors import AppError
from shared.vision.images import read_image
from shared.web.wording import NOT_HERE, UNKNOWN, problem, to_visitors
from vqa.answering.replies import Asked

OURS = re.compile(r"--|pip |_|\b(must|prefix|method|recipe|config|train|request)\b")
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(100)


@pytest.mark.parametrize(
    "asked, told",
    [
        ({"min_words": 9, "max_words": 5}, "“Words at least” 9 is more than “Words at"),
        ({"must": "zzz"}, '“Words that it must have”: "zzz": the model has not learnt'),
        ({"must": "a dog"}, '“Words that it must have”: "a dog" is 2 words here'),
        ({"must": "dog", "ban": "dog"}, '"dog" is both a word that it must have and'),
        ({"must": "dog", "method": "Sampling"}, "Use “Beam search”, or"),
        ({"ban": "a dog"}, '“Words that it must not have”: "a dog" is 2 words'),
        ({"prefix": "!"}, '“It starts with” "!" holds no word'),
        ({"prefix": "a dog on a", "max_words": 3}, "“Words at most” 3"),
        ({"prefix": "a dog", "ban": "dog"}, "Change “It starts with”, or"),
        (
            {"prefix": "a", "must": "dog, hat", "max_words": 2},
            "“Words at most” 2 is too",
        ),
        ({"must": "dog, hat, on, grass, a"}, "5 words that it must have are too"),
    ],
)
def test_what_cannot_be_is_said_in_the_words_of_the_page(asked, told):
    decoding = DecodingConfig()
    own = own_search(decoding)
    with pytest.raises(AppError) as caught:
        changes = to_changes(own._replace(**asked), own)
        make_rules(revise_config(decoding, changes, "The request"), VOCABULARY)
    found = problem(caught.value, TERMS)["problem"]
    assert told in found
    without = re.sub(r'“[^”]*”|"[^"]*"|it must have', "", found)
    assert not OURS.search(without), found


def test_nobody_is_asked_to_install_anything(monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(AppError, match="pip install") as caught:
        read_image(HEIC, 8)
    found = problem(caught.value)["problem"]
    assert found.endswith("which cannot be read here; save it as JPEG.")


@pytest.mark.usefixtures("small_net")
@pytest.mark.parametrize(
    "objective, told", [("choices", "give some."), ("boxes", "Choose another model.")]
)
def test_a_model_that_needs_more_says_so_without_options(objective, told):
    with pytest.raises(AppError) as caught:
        fake_answerer(objective=objective).check(Asked("what is it?"))
    found = problem(caught.value)["problem"]
    assert found.endswith(told)
    assert "--" not in found


@pytest.mark.parametrize(
    "text",
    [
        "LiteRT cannot run this: add --runtime keras.",
        "Too many. (--batch-size 3)",
        "`--all` is missing.",
        "It is missing: pip install 'sightread[x]'",
        f"{Path.home()}/models/a.toml is missing.",
        f"The file {Path.cwd()}/x is no text.",
    ],
)
def test_what_is_not_theirs_goes_to_the_log(caplog, text):
    assert problem(AppError(text)) == {"problem": NOT_HERE}
    assert text in caplog.text


@pytest.mark.parametrize(
    "text",
    [
        "Too dark.",
        "photos/me--and-you.jpg: the image is cut off or damaged.",
        'The word "--dog" is not known. A pip, or a python?',
        "There is no photo yet. Drop one on the page.",
    ],
)
def test_all_else_is_told_as_it_is(caplog, text):
    assert to_visitors(text) == text
    assert caplog.text == ""


def test_what_was_not_foreseen_tells_nothing(caplog):
    assert problem(KeyError("/etc/passwd")) == {"problem": UNKNOWN}
    assert "/etc/passwd" in caplog.text
