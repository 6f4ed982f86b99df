"""Addresses of pictures in a page: the files of the site that they mean."""

import os
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

from shared.data.walking import is_photo_name

_HERE = "http://site"  # stands for the site while addresses are joined


def find_photo(
    sources: Iterable[str], page: Path, site: Path, base: str = ""
) -> tuple[Path | None, str]:
    """Find the file of a picture; nothing is fetched.

    Args:
        sources: its addresses, in the order to try: relative to the page, or to the
            site if they begin with /; percent-encoded or not.
        page: the page, in the site.
        site: the folder; what is outside is never looked at.
        base: what the page gives as the start of relative addresses.

    Returns:
        the file, and an empty text; or None, and why there is none.
    """
    reasons = []
    for source in sources:
        photo, reason = _find(source, page, site, base)
        if photo:
            return photo, ""
        reasons.append(reason)
    return None, min(reasons, key=lambda why: why == _EMBEDDED)  # the others tell more


_EMBEDDED = "it is embedded in the page"


def _find(source: str, page: Path, site: Path, base: str) -> tuple[Path | None, str]:
    if source.lower().startswith("data:"):
        return None, _EMBEDDED
    folder = page.parent.relative_to(site).as_posix()
    try:
        start = urljoin(f"{_HERE}/{'' if folder == '.' else f'{folder}/'}", base)
        # As browsers do, and as sites need that were made on Windows.
        whole = urlsplit(urljoin(start, source.replace("\\", "/")))
        name = os.fsdecode(unquote_to_bytes(os.fsencode(whole.path)).lstrip(b"/"))
    except ValueError:  # such as http://[
        return None, "its address is broken"
    if f"{whole.scheme}://{whole.netloc}" != _HERE:
        return None, "it is elsewhere; nothing is fetched"
    return _in_site(site / name, site)


def _in_site(path: Path, site: Path) -> tuple[Path | None, str]:
    try:
        real = Path(os.path.realpath(path))
    except (OSError, ValueError):  # a NUL in it
        return None, "its address is broken"
    if not real.is_relative_to(os.path.realpath(site)):
        return None, "it is outside the site"
    if not os.path.isfile(path):  # noqa: PTH113  # pathlib raises for long names
        return None, "there is no such file"
    if not is_photo_name(real.name):
        return None, "it is no photo"
    return path, ""
