"""Photos in any folders, each with its captions in a text beside it."""

from collections.abc import Iterator
from pathlib import Path

from shared.data.captions.rows import Row
from shared.data.layouts import Layout, itself
from shared.data.reading import read_lines
from shared.vision.images import IMAGE_SUFFIXES

ENDINGS = (".txt", ".caption")


def _fits(folder: Path) -> bool:
    return folder.is_dir() and any(texts for _, texts in _photos(folder))


def _rows(folder: Path, word: str) -> Iterator[Row]:
    """Read the photos by name, each with a caption a line; some may have none."""
    for path, texts in _photos(folder):
        lines = [
            line
            for text in texts
            for _, line in read_lines(text, "captions", may_be_empty=True)
        ]
        yield Row(str(path), (path.relative_to(folder).as_posix(),), lines)


def _photos(folder: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Find photos in any depth, each with its texts; hidden ones do not count."""
    paths = sorted(folder.rglob("*"))
    written: dict[str, Path] = {}
    for path in paths:
        if path.suffix.lower() in ENDINGS:
            written[str(path)] = path
            written.setdefault(str(path).lower(), path)
    for path in paths:
        hidden = any(p.startswith(".") for p in path.relative_to(folder).parts)
        if hidden or path.suffix.lower() not in IMAGE_SUFFIXES or not path.is_file():
            continue
        names = [str(path.with_suffix(ending)) for ending in ENDINGS]
        texts = [written.get(name) or written.get(name.lower()) for name in names]
        yield path, [text for text in texts if text and text.is_file()]


LAYOUT = Layout(
    """\
  pictures in any folders, each with its captions in a .txt or .caption of its name""",
    (),
    _fits,
    itself,
    _rows,
)
