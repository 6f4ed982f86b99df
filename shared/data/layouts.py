"""The frame of all readers: which files of a data set are read, and in which form."""

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import filter as fnfilter
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Generic, TypeVar

from shared.addresses import refuse_address
from shared.data.reading import SPLITS, find_file, split_files
from shared.data.walking import entries, is_folder, is_left_out
from shared.errors import AppError

Row = TypeVar("Row")
_WORDS = "|".join(sorted({"restval", *SPLITS}, key=len, reverse=True))
_SPLIT = re.compile(rf"((?:{_WORDS})(?:-dev)?)(?:20\d\d)?")


@dataclass(frozen=True)
class Layout(Generic[Row]):
    """A form in which captions or questions are published, or written by anyone.

    Attributes:
        about: its files, as the list of known forms shows them.
        patterns: what to look for in a folder, in lower or upper case: groups of
            patterns, the first group that matches wins; none if the folder itself
            is what is read.
        fits: whether a file, or that folder, is of this form, by its name and what
            lies beside it.
        files: the file and, unless it is to be read alone, those of its other splits;
            each with its split's word, or "" where no name says it.
        read: rows of one of these files, and its word; raises an AppError at the
            latest when a bad row is reached.
        but: a pattern of files which only look as if they were of this form.
    """

    about: str
    patterns: tuple[tuple[str, ...], ...]
    fits: Callable[[Path], bool]
    files: Callable[[Path, bool], list[tuple[Path, str]]]
    read: Callable[[Path, str], Iterable[Row]]
    but: str = ""


@dataclass(frozen=True)
class Layouts(Generic[Row]):
    """The forms in which a kind of data is known.

    Attributes:
        what: "captions" or "questions".
        known: in the order in which they are tried; what anyone may write comes last.
    """

    what: str
    known: tuple[Layout[Row], ...]

    @property
    def about(self) -> str:
        """The known forms, some lines each."""
        return "\n".join(layout.about for layout in self.known)

    def find(self, source: str | Path) -> Path:
        """Give a data set's file; of a folder, the one in it, or in one folder below.

        Returns:
            the file; or the folder, if a layout reads the folder itself.

        Raises:
            AppError: if nothing is recognised, or there are several data sets.
        """
        path = Path(source)
        if not path.exists():
            refuse_address(source, self.what)
            raise AppError(
                f"There is no folder or file {source}. Give a folder with photos and "
                f"{self.what}, in one of these forms:\n{self.about}"
            )
        return self._find_in(path) if path.is_dir() else path

    def read(self, path: Path, alone: bool = False) -> list[tuple[Path, list[Row]]]:
        """Read a file, and those of its other splits.

        Args:
            path: see `find`.
            alone: whether the other splits are left out.

        Returns:
            each file with its rows, train first.

        Raises:
            AppError: if it is of no known form, or not as it should be.
        """
        layout = self.layout_of(path)
        return [
            (file, list(layout.read(file, word)))
            for file, word in layout.files(path, alone)
        ]

    def layout_of(self, path: Path) -> Layout[Row]:
        """Tell the form of a file, or of a folder that is read itself; see `find`.

        Raises:
            AppError: if it is of none.
        """
        layout = next((layout for layout in self.known if layout.fits(path)), None)
        if layout is None:
            raise AppError(
                f"{path} is no {self.what[:-1]} file known here. Known forms:\n"
                f"{self.about}"
            )
        return layout

    def _find_in(self, folder: Path) -> Path:
        if found := self._named_in(folder):
            return found
        if any(layout.fits(folder) for layout in self.known if not layout.patterns):
            return folder
        below = [f for child in subfolders(folder) if (f := self._named_in(child))]
        if len(below) == 1:  # an archive that was unpacked into a folder, or `data`
            return below[0]
        if below:
            files = ", ".join(map(str, below))
            raise AppError(f"{folder} holds several data sets. Name one file: {files}.")
        names = names_in(folder)
        shown = ", ".join(names[:8]) or "nothing"
        raise AppError(
            f"{folder} holds no {self.what} in a known form. It holds "
            f"{shown}{' ...' * (len(names) > 8)}. Known forms:\n{self.about}\n"
            "A file of another name can be given instead of its folder."
        )

    def _named_in(self, folder: Path) -> Path | None:
        """Find the file by what the layouts' patterns look for."""
        files = self._candidates(folder)
        for layout in self.known:
            for patterns in layout.patterns:
                names = dict.fromkeys(
                    name
                    for pattern in patterns
                    for name in _fitting(files, pattern.lower())
                    if not fnmatchcase(name, layout.but) and files[name].is_file()
                )
                if len(_sets(names)) > 1:
                    shown = ", ".join(sorted(str(files[name]) for name in names))
                    raise AppError(
                        f"{folder} has several sets of {self.what}. Name one file: "
                        f"{shown}."
                    )
                if names:
                    return files[min(names, key=_place)]
        return None

    def _candidates(self, folder: Path) -> dict[str, Path]:
        """Map what may be meant, in folders where it is looked for, to the files.

        Names are paths below the folder in lower case; of two alike, the one in lower
        case counts.
        """
        patterns = [
            pattern.lower()
            for layout in self.known
            for group in layout.patterns
            for pattern in group
        ]
        holders = {pattern.rpartition("/")[0] for pattern in patterns} - {""}
        endings = tuple({f".{pattern.rpartition('.')[2]}" for pattern in patterns})
        below = [
            child
            for child in subfolders(folder)
            if any(fnmatchcase(child.name.lower(), holder) for holder in holders)
        ]
        return {
            f"{start}{name}".lower(): place / name
            for place, start in [(folder, ""), *((p, f"{p.name}/") for p in below)]
            for name in names_in(place)
            if name.lower().endswith(endings)
        }


def subfolders(folder: Path) -> list[Path]:
    """List the folders in a folder that may be opened, see `is_left_out`."""
    return [
        folder / entry.name
        for entry in entries(folder)
        if not is_left_out(entry.name)
        and is_folder(entry)
        and os.access(entry.path, os.R_OK | os.X_OK)
    ]


def names_in(folder: Path) -> list[str]:
    """List what a folder holds, by name, without what is hidden."""
    return [e.name for e in entries(folder) if not e.name.startswith(".")]


def _fitting(files: Mapping[str, Path], pattern: str) -> list[str]:
    if "*" not in pattern and "[" not in pattern:
        return [pattern] if pattern in files else []
    depth = pattern.count("/")  # which `*` does not heed
    return [name for name in fnfilter(files, pattern) if name.count("/") == depth]


def _sets(names: Iterable[str]) -> set[tuple[str, int]]:
    """Tell data sets apart: files of different splits are one, of two years are not."""
    seen: dict[tuple[str, ...], int] = {}
    found = set()
    for name in names:
        rest, words = _SPLIT.sub("", name), _SPLIT.findall(name)
        times = seen[rest, *words] = seen.get((rest, *words), 0) + 1
        found.add((rest, times))
    return found


def _place(name: str) -> tuple[bool, bool]:
    """Order a data set's files: that of train is the one to begin with."""
    return "train" not in name, "test-dev" in name


def itself(path: Path, alone: bool) -> list[tuple[Path, str]]:
    """Give the files of a `Layout` of one file, which says the splits within."""
    return [(path, "")]


def by_word(path: Path, alone: bool) -> list[tuple[Path, str]]:
    """Give the files of a `Layout` that may have a split's word in their names."""
    found = [(path if f.samefile(path) else f, w) for f, w in split_files(path)]
    mine = [pair for pair in found if pair[0] is path]
    return (mine or [(path, "")]) if alone else found


def file_name(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of whole names of files; the case of letters does not matter.

    Archives are unpacked, and names typed, in any: what is looked for beside a file is
    found by `shared.data.reading.find_file`, which ignores it, too.
    """
    return re.compile(pattern, re.IGNORECASE)


def named(pattern: str) -> Callable[[Path], bool]:
    """Make `fits` of a `Layout` of files whose names match, see `file_name`."""
    compiled = file_name(pattern)
    return lambda path: compiled.fullmatch(path.name) is not None


def by_name(
    pattern: str, *words: str
) -> tuple[Callable[[Path], bool], Callable[[Path, bool], list[tuple[Path, str]]]]:
    """Make `fits` and `files` of a `Layout` whose names say the split.

    Args:
        pattern: of the whole name, see `file_name`, with a group `word`: the split's.
        words: the splits in the order in which they are read. Of several between bars,
            such as "testdev|test", one is: the one that is named, else the first that
            is there.
    """
    compiled = file_name(pattern)

    def files(path: Path, alone: bool) -> list[tuple[Path, str]]:
        match = compiled.fullmatch(path.name)
        assert match is not None
        own, (start, end) = match["word"].lower(), match.span("word")
        if alone or not any(own in among.split("|") for among in words):
            return [(path, own)]
        found = []
        for among in (word.split("|") for word in words):
            for word in [own] if own in among else among:
                name = path.name[:start] + word + path.name[end:]
                file = path if word == own else find_file(path.parent, name)
                if file:
                    found.append((file, word))
                    break
        return found

    return named(pattern), files
