"""Find photos of an archive: by a sentence, by a photo, those that show the same."""

import math
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, get_args

import numpy as np

from captioner.archive import likeness, ranking, shelf
from captioner.archive.features import ODDS, pack, unpack_regions
from captioner.archive.ranking import LIKELIHOOD, Query
from shared.bundles.manifests import identify
from shared.bundles.runtimes import RuntimeName
from shared.console.quiet import muted
from shared.data.archive import ARCHIVE
from shared.errors import AppError
from shared.files.databases import explained, opened
from shared.files.sqlite import sqlite3
from shared.included import included_model
from shared.text.english import read_word
from shared.text.vocabulary import split_words

if TYPE_CHECKING:
    from captioner.describing.photo_captioner import PhotoCaptioner

TOP = 20
READ = 100  # photos for which the decoder reads a sentence
OTHERS = 16  # photos that stand for photos in general
COMPARED = 500  # photos of which all regions are compared
TEXT, EDIT = 0.25, 2.0  # nats for a point by BM25: of all words, of a person's


class NothingFoundError(AppError):
    """No photo of an archive fits what is sought."""


class Found(NamedTuple):
    """A photo that was found, and why.

    Attributes:
        path: where it lies.
        caption: a person's, or the model's.
        by_person: which of the two.
        score: what it was ranked by; to be compared within one search.
        words: those of the sentence that are among the words of the photo.
        concepts: of those that the sentence names, how probable it is that a caption
            of the photo does, 0 to 1.
        likelihood: by how many nats the sentence is likelier for it than for photos in
            general; None if the decoder has not read it.
    """

    path: Path
    caption: str
    by_person: bool
    score: float
    words: tuple[str, ...] = ()
    concepts: Mapping[str, float] = {}
    likelihood: float | None = None


class Ranked(NamedTuple):
    """All photos that an archive knows something of, the best first.

    Attributes:
        photos: int64 (N,), their numbers.
        scores: float32 (N,).
        likelihoods: of those that the decoder has read, see `Found.likelihood`.
        fits: bool (N,), whether anything tells that it shows what is sought: a word, a
            concept, or a likelihood above that of photos in general.
    """

    photos: np.ndarray
    scores: np.ndarray
    likelihoods: Mapping[int, float]
    fits: np.ndarray


@contextmanager
def open_archive(
    path: str | Path,
    model: Path | Sequence[Path] = (),
    runtime: RuntimeName | None = None,
    captioner: "PhotoCaptioner | None" = None,
) -> Iterator["Finder"]:
    """Open an archive for the block, to find photos in it.

    Args:
        path: its file.
        model, runtime: what captioned it, see
            `captioner.describing.predict.load_captioner`.
        captioner: that model, if it is loaded already, for those who open an archive
            again and again, each thread for itself.

    Raises:
        AppError: if there is none, it is damaged or holds no photos, or there is no
            such model or it did not caption them.
    """
    folders = [model] if isinstance(model, Path) else list(model)
    folders = folders or [included_model("captioner")]
    path = Path(path)
    with opened(path, ARCHIVE) as database:
        # What one runtime remembers of a photo, the others can read.
        same = {identify(folders, name)["sha256"] for name in get_args(RuntimeName)}
        numbers = shelf.find_models(database, path, same)
        # The model comes while glances are read; its libraries announce themselves.
        with muted(), ThreadPoolExecutor(1) as pool:
            loading = pool.submit(lambda: captioner or _load(folders, runtime))
            glances = shelf.read_glances(database, numbers)
        yield Finder(database, path, loading.result(), numbers, glances)


def _load(folders: Sequence[Path], runtime: RuntimeName | None) -> "PhotoCaptioner":
    from captioner.describing.predict import load_captioner

    return load_captioner(folders, runtime=runtime)


class Finder:
    """Finds photos of an archive; see `open_archive`.

    What it knows of the photos is what was there when it was first asked.

    Args:
        database: the archive.
        path: its file, for messages.
        captioner: the model that captioned its photos.
        models: the numbers that this has there.
        glances: what was read of the photos; None reads them when they are needed.
    """

    def __init__(
        self,
        database: sqlite3.Connection,
        path: Path,
        captioner: "PhotoCaptioner",
        models: Sequence[int],
        glances: shelf.Glances | None = None,
    ):
        self.captioner = captioner
        self._read = glances
        self._database, self._path, self._models = database, path, models

    def find(
        self,
        text: str,
        top: int = TOP,
        without: Sequence[str] = (),
        since: str | None = None,
    ) -> list[Found]:
        """Find the photos that fit a sentence, the best first.

        Args:
            text: in English. What looks like SQL or a search language is text, too.
            top: how many at most, at least 1.
            without: words for what must not be there.
            since: a year, month or day, 2019-07-14; only photos taken then or later.

        Raises:
            AppError: if there are none (`NothingFoundError`), or the archive cannot be
                read.
            ValueError: if `top` is less than 1.
        """
        _check_top(top)
        query = ranking.read_query(
            text, self.captioner.vocabulary, self.captioner.concept_words
        )
        ranked = self.rank(query, without, since)
        if not ranked.fits.any():
            raise NothingFoundError(
                f"{self._path}: no photo is found by {text[:80]!r}. Say it in English, "
                "in other words, or with fewer conditions."
            )
        return [
            found._replace(
                words=_shared_words(query, words),
                concepts=self._probs(query, photo),
                likelihood=ranked.likelihoods.get(photo),
            )
            for photo, found, words in self._show(
                ranked.photos[ranked.fits], ranked.scores[ranked.fits], top
            )
        ]

    def like(
        self,
        photo: Path,
        top: int = TOP,
        without: Sequence[str] = (),
        since: str | None = None,
    ) -> list[Found]:
        """Find the photos that show what another one shows, the most alike first.

        Args:
            photo: its file; it need not be in the archive. It is not found itself.
            top, without, since: see `find`. The score is a cosine, 1 of the same photo.

        Raises:
            AppError: as `find`; also if the photo cannot be read.
            ValueError: if `top` is less than 1.
        """
        _check_top(top)
        captioner = self.captioner
        (wanted,) = pack(captioner, captioner.look(captioner.read(photo)[None]))
        with explained(self._path, ARCHIVE):
            glances, allowed = self._glances, self._allowed(without, since)
            own = np.frombuffer(wanted.odds, np.uint8)[None]
            by_odds = likeness.sketch(np.concatenate([own, glances.odds]))
            scores = by_odds[1:] @ by_odds[0]
            places = np.flatnonzero(allowed)
            order = places[np.argsort(-scores[places], kind="stable")][:COMPARED]
            regions = self._regions(order, wanted.memory)
            scores = (scores[order] + regions[1:] @ regions[0]) / 2
            best = np.argsort(-scores, kind="stable")
            found = self._show(glances.photos[order][best], scores[best], top + 1)
        here = photo.absolute()
        others = [one for _, one, _ in found if one.path != here][:top]
        if not others:
            raise AppError(f"{self._path}: there are no other photos to compare.")
        return others

    def near_duplicates(
        self, without: Sequence[str] = (), since: str | None = None
    ) -> list[list[Found]]:
        """Find groups of photos that show the same, such as copies of other sizes.

        Args:
            without, since: see `find`.

        Returns:
            groups of two and more, in the order in which the photos came in.

        Raises:
            AppError: if the archive cannot be read.
        """
        with explained(self._path, ARCHIVE):
            photos = self._glances.photos[self._allowed(without, since)]
            outlines = shelf.read_outlines(self._database, photos)
            groups = []
            for group in likeness.find_same(outlines):
                alike = self._show(photos[group], np.ones(len(group)), len(group))
                groups.append([one for _, one, _ in alike])
        return [group for group in groups if len(group) > 1]

    def count_others(self) -> int:
        """Count the photos that another model has captioned: they are not found."""
        with explained(self._path, ARCHIVE):
            return shelf.count_others(self._database, self._models)

    def rank(
        self, query: Query, without: Sequence[str] = (), since: str | None = None
    ) -> Ranked:
        """Put the photos in order that meet the conditions.

        Args:
            query: of `captioner.archive.ranking.read_query`.
            without, since: see `find`.

        Returns:
            none if nothing is known of what is sought.

        Raises:
            AppError: as `find`.
        """
        with explained(self._path, ARCHIVE):
            glances = self._glances
            words = shelf.names_for(query.wanted)
            points = shelf.match(self._database, words)
            edited = shelf.match(self._database, words, "edit")
            scores = ranking.judge(query, glances.odds, glances.left_out)
            scores += TEXT * glances.spread(points) + EDIT * glances.spread(edited)
            fits = ranking.shows(query, glances.odds) | glances.mark(points)
            places = np.flatnonzero(self._allowed(without, since))
            if not (query.named or points) and (len(places) > READ or not query.tokens):
                places = places[:0]  # nothing tells for which of them to read it
            order = places[np.argsort(-scores[places], kind="stable")]
            best, rest = order[:READ], order[READ:]
            gains = self._gains(query, best)
        scores[best] += LIKELIHOOD * gains
        scores[rest] += LIKELIHOOD * gains.min(initial=0)
        fits[best] |= gains > 0
        best = best[np.argsort(-scores[best], kind="stable")]
        read = glances.photos[order[:READ]].tolist() if query.tokens else []
        order = np.concatenate([best, rest])
        likelihoods = dict(zip(read, gains.round(4).tolist(), strict=False))
        return Ranked(glances.photos[order], scores[order], likelihoods, fits[order])

    def _gains(self, query: Query, best: np.ndarray) -> np.ndarray:
        """Let the decoder read a sentence for some photos, and for photos in general.

        Returns:
            float32, see `Found.likelihood`; 0 if it knows none of the words.
        """
        if not query.tokens or not len(best):
            return np.zeros(len(best), np.float32)
        count = len(self._glances.photos)
        others = np.linspace(0, count - 1, min(OTHERS, count)).astype(int)
        memories = self._memories(np.concatenate([best, others]))
        with self._damage_told():
            found = ranking.read_likelihoods(self.captioner, query, memories)
        usual = np.logaddexp.reduce(found[len(best) :]) - np.log(len(others))
        return found[: len(best)] - usual

    def _regions(self, places: np.ndarray, *more: bytes) -> np.ndarray:
        """Give float32 (N, F) of length 1, regions of photos, first those of more."""
        with self._damage_told():
            memories = [*more, *self._memories(places)]
            if not memories:
                return np.zeros((0, 1), np.float32)
            return likeness.to_unit(unpack_regions(self.captioner.runtime, memories))

    def _memories(self, places: np.ndarray) -> list[bytes]:
        photos = self._glances.photos[places].tolist()
        found = shelf.read_memories(self._database, photos)
        return [found[photo] for photo in photos]

    @contextmanager
    def _damage_told(self) -> Iterator[None]:
        try:
            yield
        except (ValueError, TypeError, KeyError) as error:
            raise AppError(
                f"{self._path}: what it holds of photos is damaged: {error}. Caption "
                "them anew with `captioner index --again`."
            ) from error

    def _allowed(self, without: Sequence[str], since: str | None) -> np.ndarray:
        """Give bool (N,): which photos meet all conditions."""
        glances = self._glances
        allowed = np.ones(len(glances.photos), bool)
        for word in without:
            allowed &= ~glances.mark(shelf.find_excluded(self._database, word))
        if since:
            allowed &= glances.mark(shelf.find_since(self._database, since))
        return allowed

    @cached_property
    def _glances(self) -> shelf.Glances:
        concepts = len(self.captioner.concept_words)
        if self._read and self._read.odds.shape[1] == concepts:
            return self._read
        return shelf.read_glances(self._database, self._models, concepts)

    def _show(
        self, photos: np.ndarray, scores: np.ndarray, top: int
    ) -> Iterator[tuple[int, Found, str]]:
        """Yield the first: number, what is shown, and the words that are searched."""
        first = photos[:top].tolist()
        entries = shelf.read_entries(self._database, first)
        for photo, score in zip(first, scores.tolist(), strict=False):
            if photo in entries:  # and has not vanished since
                path, caption, by_person, words = entries[photo]
                yield photo, Found(path, caption, by_person, round(score, 4)), words

    def _probs(self, query: Query, photo: int) -> dict[str, float]:
        words, glances = self.captioner.concept_words, self._glances
        row = ODDS[glances.odds[np.searchsorted(glances.photos, photo)]]
        return {
            words[one]: round(1 / (1 + math.exp(-row[one])), 4) for one in query.named
        }


def _shared_words(query: Query, words: str) -> tuple[str, ...]:
    there = {_base(word) for word in split_words(words)}
    return tuple(word for word in query.wanted if _base(word) in there)


def _base(word: str) -> str:
    return read_word(word).base or word


def _check_top(top: int) -> None:
    if top < 1:
        raise ValueError(f"`top` must be at least 1. Received: top={top}")
