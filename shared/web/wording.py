"""What the page says when something goes wrong, in the words of its visitors.

They see no command line and no recipe, and can install and start nothing here.
"""

import logging
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

from shared.errors import AppError

UNKNOWN = "Something went wrong here. Try again in a moment, or with another photo."
NOT_HERE = (
    "This cannot be done here. Whoever runs this page finds the reason in its log."
)

# What an error advises on a command line -> what a visitor can do.
_ADVICE = {
    r"; to read it: pip install .*": ", which cannot be read here; save it as JPEG.",
    r"give some with --choices": "give some",
    r" Ask it through a data set with boxes, or use.*": " Choose another model.",
    r", or train the model further on captions that have it": "",
    r"^The request is refused:\s*": "",
}
# Neither options nor packages nor folders of this computer are a visitor's.
_NOT_THEIRS = re.compile(
    r"(^|[\s(`])--[a-z]|\b(pip|python|apt-get|vqa export) |Traceback"
)
_FOLDERS = (Path(__file__).parents[2], Path.home(), Path.cwd(), tempfile.gettempdir())

log = logging.getLogger("sightread")


def problem(error: Exception, terms: Mapping[str, str] | None = None) -> dict[str, str]:
    """Turn an error into what the page shows.

    What is no `AppError` goes to the log, and the page tells nothing of it.

    Args:
        terms: see `to_visitors`.
    """
    if isinstance(error, AppError):
        return {"problem": to_visitors(str(error), terms)}
    log.error("a request failed", exc_info=error)
    return {"problem": UNKNOWN}


def to_visitors(text: str, terms: Mapping[str, str] | None = None) -> str:
    """Word the message of an `AppError` for visitors.

    A message that still names options, commands or folders goes to the log instead.

    Args:
        terms: patterns of further words, and what the page calls these.
    """
    for pattern, words in {**_ADVICE, **(terms or {})}.items():
        text = re.sub(pattern, words, text)
    folders = [str(folder) for folder in _FOLDERS if len(Path(folder).parts) > 1]
    if _NOT_THEIRS.search(text) or any(f"{one}/" in text for one in folders):
        log.warning("a visitor was not told: %s", " ".join(text.split()))
        return NOT_HERE
    return text
