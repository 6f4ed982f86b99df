"""Captions for other programs, as endpoints of the page."""

from typing import Annotated, TypedDict

from pydantic import Field

from captioner.describing.captions import Caption
from captioner.describing.photo_captioner import PhotoCaptioner
from captioner.search.config import DecodingConfig
from shared.vision.photo_cache import grids
from shared.web.api import Endpoints, Line, Upload, Words

MOST = 10  # captions of one call, and beams
MOST_WORDS = 50

Beams = Annotated[int, Field(ge=1, le=MOST)]


class Described(TypedDict):
    """A caption."""

    text: str
    confidence: float
    unsure: bool | None


class Word(TypedDict):
    """A word of a caption."""

    word: str
    prob: float
    attention: list[float]


class Candidate(TypedDict):
    """A caption, word by word."""

    text: str
    confidence: float
    words: list[Word]


class Next(TypedDict):
    """A word that may come next."""

    word: str
    prob: float


class CaptionApi(Endpoints[PhotoCaptioner]):
    """Captions, for each of the models that can be chosen."""

    def caption(
        self,
        photo: Upload,
        prefix: Line = "",
        must: Words | None = None,
        ban: Words | None = None,
        beam_size: Beams | None = None,
        model: Line | None = None,
    ) -> Described:
        """Describe a photo in a sentence.

        Args:
            photo: the photo, as it was uploaded.
            prefix: how the sentence starts.
            must: words that it has, up to 4 of them.
            ban: words that it does not have.
            beam_size: captions that are considered at once, 1 to 10.
            model: the name of a model on the page; the first one by default.

        Returns:
            text: the sentence
            confidence: 0 to 1, the probability that it is right about its main thing;
                of models without concepts, how much its words were to be expected
            unsure: whether that is so little that it should not be relied on; null
                if that is not known of the model
        """
        changes: dict = {"prefix": prefix, "must": must or [], "ban": ban or []}
        with self.using(photo, model) as (file, captioner):
            if beam_size:
                changes |= _widen(captioner.config.decoding, beam_size)
            found = captioner.caption(file, **changes)[0]
        return {
            "text": found.text,
            "confidence": round(found.confidence, 4),
            "unsure": found.unsure,
        }

    def caption_candidates(
        self,
        photo: Upload,
        count: Beams = 3,
        attention: bool = False,
        model: Line | None = None,
    ) -> list[Candidate]:
        """Describe a photo in several sentences, with each word's probability.

        Args:
            photo: the photo, as it was uploaded.
            count: sentences to give at most, 1 to 10.
            attention: whether to tell where the model looked at each word.
            model: the name of a model on the page; the first one by default.

        Returns:
            best first, each with text, confidence (0 to 1) and words
            of a word, prob: its probability after the words before it
            of a word, attention: to regions, row by row of their grid; if wanted
        """
        with self.using(photo, model) as (file, captioner):
            changes: dict[str, int] = {}
            if count > captioner.config.decoding.beam_size:
                changes = _widen(captioner.config.decoding, count)
            found = captioner.caption(file, **changes)
        return [_candidate(one.original or one, attention) for one in found[:count]]

    def alternatives(
        self,
        photo: Upload,
        words_so_far: Line = "",
        count: Annotated[int, Field(ge=1, le=MOST_WORDS)] = 10,
        model: Line | None = None,
    ) -> list[Next]:
        """Tell which words may come next in a caption.

        Args:
            photo: the photo, as it was uploaded.
            words_so_far: the caption up to there.
            count: words to give, 1 to 50.
            model: the name of a model on the page; the first one by default.

        Returns:
            likeliest first: word, empty for the end of the sentence, and prob, 0 to 1
        """
        with self.using(photo, model) as (file, captioner):
            found = captioner.alternatives(file, words_so_far, count)
        return [{"word": word, "prob": round(prob, 4)} for word, prob in found]


def _widen(decoding: DecodingConfig, beam_size: int) -> dict[str, int]:
    """Let a model consider so many captions; beams that differ stay different."""
    return {"beam_size": beam_size, "groups": beam_size if decoding.groups > 1 else 1}


def _candidate(caption: Caption, attention: bool) -> Candidate:
    maps = grids(caption.attention) if attention else [[]] * len(caption.words)
    return {
        "text": caption.text,
        "confidence": round(caption.confidence, 4),
        "words": [
            {"word": word, "prob": round(prob, 4), "attention": grid}
            for word, prob, grid in zip(caption.words, caption.probs, maps, strict=True)
        ],
    }
