"""A page to look at: small photos with their captions, in one HTML file."""

import base64
import html
import io
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, TextIO
from urllib.parse import quote

from PIL import Image

from shared.console.progress import counted
from shared.errors import AppError
from shared.files.pages import begin_page
from shared.vision.images import read_image

THUMBNAIL = 224  # longer side, px; about 8 kB a photo

_STYLE = """\
:root { color-scheme: light dark; --edge: #ccc; --quiet: #595959; --bad: #a4160e }
@media (prefers-color-scheme: dark) {
  :root { --edge: #444; --quiet: #aaa; --bad: #ff9c92 }
}
body { font: 1rem/1.4 system-ui, sans-serif; margin: 1.5rem }
ul { display: grid; gap: 1rem; list-style: none; margin: 0; padding: 0;
  grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)) }
li { border: 1px solid var(--edge); border-radius: .5rem; padding: .75rem }
figure, p { margin: 0 }
img { display: block; margin: 0 auto .5rem; max-width: 100%; height: auto }
small { color: var(--quiet); overflow-wrap: anywhere }
.error { color: var(--bad); overflow-wrap: anywhere }
"""


def write_sheet(
    records: Iterable[dict[str, Any]],
    file: TextIO,
    folder: Path,
    title: str = "Captions",
) -> None:
    """Write records as a page that needs nothing but itself.

    Args:
        records: see `captioner.files.formats`; a line to be shown with one is its
            "note".
        file: where to.
        folder: where the page will lie; links to the photos start there.
        title: of the page.
    """
    file.write(begin_page(title, _STYLE, images=True))
    file.write(f"<main>\n<h1>{html.escape(title)}</h1>\n<ul>\n")
    records = iter(records)
    captions = errors = 0
    with ThreadPoolExecutor(2) as pool:
        while some := list(islice(records, 64)):  # a page may be of any length
            file.writelines(pool.map(lambda record: _entry(record, folder), some))
            failed = sum("error" in record for record in some)
            captions, errors = captions + len(some) - failed, errors + failed
    file.write(
        f"</ul>\n<p>{counted(captions, 'photo')} with captions, "
        f"{counted(errors, 'error')}</p>\n"
    )
    file.write("</main>\n</html>\n")


def _entry(record: dict[str, Any], folder: Path) -> str:
    name = html.escape(record["image"])
    link = f'<a href="{_address(record["image"], folder)}"><small>{name}</small></a>'
    if "error" in record:
        reason = html.escape(record["error"])
        return f'<li><p class="error">{reason}</p>{link}</li>\n'
    captions = "".join(map(_caption, record["captions"]))
    if note := record.get("note"):
        captions += f"<p><small>{html.escape(note)}</small></p>"
    photo = embed_photo(record["image"], record["caption"])
    return (
        f"<li><figure>{photo}<figcaption>{captions}{link}</figcaption></figure></li>\n"
    )


def _caption(found: dict[str, Any]) -> str:
    doubt = " <small>(not sure)</small>" if found.get("unsure") else ""
    if found.get("by_person"):
        doubt = " <small>(a person's words)</small>"
    return f"<p>{html.escape(found['caption'])}{doubt}</p>"


def embed_photo(photo: str, alt: str) -> str:
    """Write an <img> that holds a small copy of a photo, or that there is none.

    Args:
        photo: path of the file.
        alt: the alternative text.
    """
    try:
        small = Image.fromarray(read_image(photo))
    except AppError:  # gone since it was captioned
        return '<p class="error">The photo cannot be shown.</p>'
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    stored = io.BytesIO()
    small.save(stored, "JPEG", quality=70)
    data = base64.b64encode(stored.getvalue()).decode()
    return (
        f'<img alt="{html.escape(alt)}" width="{small.width}" height="{small.height}" '
        f'src="data:image/jpeg;base64,{data}">'
    )


def _address(name: str, folder: Path) -> str:
    """Address of a photo as seen from a folder."""
    try:
        path = os.path.relpath(name, folder)
    except ValueError:  # another drive of Windows
        path = os.path.abspath(name)  # noqa: PTH100
    if Path(path).is_absolute():
        return html.escape(Path(path).as_uri())
    return quote(Path(path).as_posix().encode("utf-8", "surrogateescape"))
