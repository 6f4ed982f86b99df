"""The folder of a training run: held by one process, with parts of this run alone.

Needs no Keras. What is in the folder is told by `captioner.training.train` and
`vqa.training.train`.
"""

import csv
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from shared.bundles.folder import check_replaceable
from shared.config import Config, format_config, parse_config
from shared.console.progress import counted
from shared.data.checking import SMALL, THREADS
from shared.errors import AppError
from shared.files.atomic import replace_file, write_text
from shared.files.fingerprints import UNREADABLE, digest_photos
from shared.files.locks import ENDING, hold
from shared.files.threads import map_in_threads
from shared.vision.images import StoredImage, read_image

CONFIG, CHECKPOINT, BEST = "config.toml", "checkpoint.npz", "best.npz"
SKIPPED, BUNDLE = "skipped.csv", "bundle"
# In the cache: digests of the photos that could be read, and of all by their paths.
FEATURES, READABLE, DIGESTS = "features", "readable.txt", "digests.txt"
ODD = "surrogateescape"  # file names of any bytes


class Pictured(Protocol):
    """What is learnt from: something about a photo."""

    @property
    def name(self) -> str:
        """The photo's, one for one."""

    @property
    def image(self) -> Path | StoredImage:
        """The photo."""


P = TypeVar("P", bound=Pictured)

# Told of every step: stage name, epoch from 0, step from 1, steps, loss.
Tick = Callable[[str, int, int, int, float], None]


class Run(NamedTuple):
    """Where a run is, what it learns from, and who is told how it goes.

    Attributes:
        folder: held by `hold_run`.
        data: sources of what is learnt from.
        cache: folder for features.
        announce: told what happens, a sentence each.
        tick: see `Tick`.
    """

    folder: Path
    data: Sequence[str]
    cache: Path
    announce: Callable[[str], None] = print
    tick: Tick = lambda *_: None

    @classmethod
    def of(
        cls,
        out: Path,
        data: str | Path | Sequence[str | Path],
        cache: Path | None,
        announce: Callable[[str], None],
        tick: Tick,
    ) -> "Run":
        """Describe a run as a command does.

        Args:
            out: its folder.
            data: a source, or several.
            cache: None is `features` in the folder.
            announce, tick: see above.
        """
        several = [data] if isinstance(data, (str, Path)) else data
        sources = [str(source) for source in several]
        return cls(out, sources, cache or out / FEATURES, announce, tick)

    @property
    def memory(self) -> Path | None:
        """The cache, if other runs may share it; None if it is of this run alone."""
        return None if self.cache == self.folder / FEATURES else self.cache


@contextmanager
def hold_run(
    out: Path, what: str, announce: Callable[[str], None] = print
) -> Iterator[None]:
    """Make a run's folder, and keep others from it and its bundle meanwhile.

    Args:
        what: who works on it, such as "`captioner train`".
        announce: told how to go on after an interrupt.

    Raises:
        AppError: if another process works on it, or it cannot be written.
    """
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise AppError(
            f"The run's folder {out} cannot be written: {error}. Choose another one "
            "with --out."
        ) from error
    try:
        with hold(out, what), hold(out / BUNDLE, what, inside=False):
            yield
    except OSError as error:
        raise AppError(
            f"{error.filename or out}: {error.strerror or error}. The run in {out} "
            "keeps what it has saved: mend this and give the same command again, or "
            "choose another folder with --out."
        ) from error
    except KeyboardInterrupt:
        announce(f"Interrupted. The same command goes on with the run in {out}.")
        raise
    finally:
        if new:  # and nothing came of it
            with suppress(OSError):
                out.rmdir()


def open_run(out: Path, recipe: Config, data: str, parts: Sequence[str]) -> bool:
    """Begin a run in its folder, or make sure that the folder holds this very run.

    A run without a checkpoint has nothing to lose, and may become another one.

    Args:
        out: the folder, held by `hold_run`.
        data: a hash of all that is learnt from.
        parts: files that a run with a checkpoint cannot do without.

    Returns:
        whether there is a checkpoint to go on from.

    Raises:
        AppError: if the folder holds something else, or parts are missing.
    """
    header = f"# data {data}\n"
    path = out / CONFIG
    there = {file.name for file in out.iterdir() if not file.name.endswith(ENDING)}
    if CHECKPOINT in there:
        needed = (CHECKPOINT, CONFIG, *parts)  # each may be a link to nothing
        if missing := [name for name in needed if not (out / name).exists()]:
            raise AppError(
                f"{out} holds a run that has lost {' and '.join(missing)}, and cannot "
                "go on without. Bring it back from a copy, or choose another folder "
                "with --out."
            )
        text = read_part(path)
        known = parse_config(text, type(recipe), str(path))
        if not text.startswith(header) or known != recipe:
            raise AppError(
                f"{out} holds a run with another recipe or other data (see {path}). "
                "Give the same ones to go on with it, or another folder with --out."
            )
    elif there and CONFIG not in there:
        raise AppError(
            f"{out} is not empty, and no run. Choose another folder with --out."
        )
    elif kept := there & {BEST, BUNDLE}:
        raise AppError(
            f"{out} holds a run that has lost {CHECKPOINT}, so it cannot go on. Bring "
            f"it back from a copy; or choose another folder with --out; or delete "
            f"{' and '.join(sorted(kept))} there to start anew."
        )
    else:
        (out / SKIPPED).unlink(missing_ok=True)
        write_text(path, header + format_config(recipe))
    if BUNDLE in there:
        check_replaceable(out / BUNDLE)
    return CHECKPOINT in there


def read_part(path: Path) -> str:
    """Read a text of a run's folder.

    Raises:
        AppError: if it is not there, or no text.
    """
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise AppError(
            f"{path} cannot be read: {error}. Bring it back from a copy, or choose "
            "another folder with --out."
        ) from error


def sign(*parts: Sequence[str]) -> str:
    """Give a hash of names, digests and words in their order, to tell runs apart."""
    return hashlib.sha256(repr([tuple(part) for part in parts]).encode()).hexdigest()


def leave_out_broken(
    out: Path,
    learn: list[P],
    dev: list[P],
    announce: Callable[[str], None],
    cache: Path | None = None,
) -> tuple[list[P], list[P]]:
    """Look at every photo once, before hours depend on it; list the bad ones.

    A run that goes on keeps its list. One that is missing, or was spoilt, is made
    anew; `sign` tells whether it became another one.

    Args:
        cache: a folder that remembers what photos hold, so that they need not be
            read again, and which of them could be decoded.

    Returns:
        what is left of `learn` and `dev`.

    Raises:
        AppError: if nothing is left of either.
    """
    path = out / SKIPPED
    photos = {record.name: record.image for record in learn + dev}
    digests = digest_photos(photos.values(), cache / DIGESTS if cache else None)
    skipped = _read_skipped(path)
    if skipped is None or not skipped.keys() <= photos.keys():
        if path.exists():
            announce(f"{path} is damaged; the photos are looked at again.")
        skipped = _find_broken(
            photos,
            dict(zip(photos, digests, strict=True)),
            cache / READABLE if cache else None,
        )
        with (
            replace_file(path) as new,
            new.open("w", encoding="utf-8", errors=ODD, newline="") as file,
        ):
            csv.writer(file).writerows(skipped.items())
    if skipped:
        those = counted(len(skipped), "photo is", "photos are")
        announce(f"{those} left out, listed in {path}.")
    learn = [record for record in learn if record.name not in skipped]
    dev = [record for record in dev if record.name not in skipped]
    if not learn or not dev:
        raise AppError(
            f"No photo is left to {'choose by' if learn else 'learn from'}. The first "
            f"problem: {next(iter(skipped.values()))}. See {path}."
        )
    return learn, dev


def _read_skipped(path: Path) -> dict[str, str] | None:
    """Give the reasons by photo, or None where there is no such list."""
    try:
        with path.open(encoding="utf-8", errors=ODD, newline="") as file:
            return dict(csv.reader(file, strict=True))
    except (OSError, ValueError, csv.Error):  # ValueError: not two columns
        return None


def _find_broken(
    photos: Mapping[str, Path | StoredImage],
    digests: Mapping[str, str],
    memory: Path | None,
) -> dict[str, str]:
    """Give the reasons of the photos that cannot be read.

    Args:
        digests: of the photos.
        memory: a file with the digests of those that could be; it is added to.
    """

    def problem(name: str) -> str | None:
        try:
            read_image(photos[name], SMALL)
        except AppError as error:
            return str(error)
        return None

    known = _read_lines(memory) if memory else set()
    todo = [name for name, digest in digests.items() if digest not in known]
    found = map_in_threads(problem, todo, THREADS)
    problems = dict(zip(todo, found, strict=True))
    new = {digests[name] for name, reason in problems.items() if not reason}
    if memory and new - {UNREADABLE}:
        memory.parent.mkdir(parents=True, exist_ok=True)
        lines = sorted(known | new - {UNREADABLE})
        write_text(memory, "".join(f"{line}\n" for line in lines))
    return {name: reason for name, reason in problems.items() if reason}


def _read_lines(path: Path) -> set[str]:
    """Give the lines of a file; none if it cannot be read."""
    try:
        return set(path.read_text("utf-8").splitlines())
    except (OSError, UnicodeDecodeError):
        return set()
