"""Photos in any folders, each with its captions in a text beside it."""

from collections.abc import Iterator
from pathlib import Path

from shared.data.captions.rows import Row
from shared.data.layouts import Layout, itself
from shared.data.reading import read_lines
from shared.data.walking import is_photo_name, walk

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
    found: dict[Path, list[Path]] = {}
    for root, names in walk(folder):
        texts: dict[str, str] = {}
        for name in names:
            if Path(name).suffix.lower() in ENDINGS:
                texts[name] = name
                texts.setdefault(name.lower(), name)
        for photo in (Path(root, name) for name in names if is_photo_name(name)):
            if photo.is_file():
                beside = [photo.with_suffix(ending).name for ending in ENDINGS]
                of_it = [texts.get(name) or texts.get(name.lower()) for name in beside]
                files = [Path(root, name) for name in of_it if name]
                found[photo] = [file for file in files if file.is_file()]
    for photo in sorted(found):
        yield photo, found[photo]


LAYOUT = Layout(
    """\
  pictures in any folders, each with its captions in a .txt or .caption of its name""",
    (),
    _fits,
    itself,
    _rows,
)
