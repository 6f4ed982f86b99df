"""What a photo would show, made up for a caption that has none."""

from collections.abc import Sequence

import numpy as np

from shared.concepts.words import PERSON, Mentions

CANDIDATES = 32  # real photos to choose from, for each caption
PRIOR = 5.0  # mentions that the mean of all words counts for, beside a word's own
NOISE = 0.15  # added to how surely a word is told, to deal probabilities out


class Imagined:
    """Make up the probabilities of concepts, such that they look like those of photos.

    A net that learns from them must trust its concepts as far as they deserve, no
    further. So nothing is invented: a real photo with one of its captions is taken,
    right ones and wrong ones, and the concepts that its caption mentions are replaced
    by those of the caption at hand. What the two captions have in common keeps its
    probabilities; the others are dealt out, the surest to what is told most surely as
    a rule. Where the photo has fewer, concepts are left out; what else was told of the
    photo stays, to be distrusted.

    Axes: N photos, C concepts, F figures of each.

    Args:
        told: float (N, C, F), what was told of photos; the first figure is the one to
            deal out by. Of photos that taught who tells it, it must come from one whom
            they did not teach.
        mentioned: for each photo, for each of its captions, the concepts mentioned.
        agree: a concept, such as that of a person: the photo's caption mentions it if
            and only if the caption at hand does. None is no such concept.

    Source: Feng et al. 2019, arXiv:1811.10787, for captions without photos.
    """

    def __init__(
        self,
        told: np.ndarray,
        mentioned: Sequence[Sequence[Sequence[int]]],
        agree: int | None = None,
    ):
        self.told = told
        concepts = told.shape[1]
        pairs = [
            (row, sorted(set(caption)))
            for row, captions in enumerate(mentioned)
            for caption in captions
        ]
        self._photos = np.array([row for row, _ in pairs])
        longest = max((len(caption) for _, caption in pairs), default=1)
        # Filled up with C, which no caption mentions.
        self._mentioned = np.full((len(pairs), max(longest, 1)), concepts, np.int32)
        for place, (_, caption) in zip(self._mentioned, pairs, strict=True):
            place[: len(caption)] = caption
        self._counts = (self._mentioned < concepts).sum(axis=1)
        self._agreeing = [np.arange(len(pairs))] * 2
        self._agree = agree
        if agree is not None:
            has = (self._mentioned == agree).any(axis=1)
            self._agreeing = [np.flatnonzero(~has), np.flatnonzero(has)]
        self._usual, self._unsaid = self._measure()

    @classmethod
    def of_photos(
        cls,
        told: np.ndarray,
        captions: Sequence[Sequence[Sequence[str]]],
        concepts: Sequence[str],
        turns: np.ndarray,
    ) -> "Imagined":
        """Begin with photos, that agree about whether there are people.

        Args:
            told: float (N, C, F), as above.
            captions: of each photo, as words.
            concepts: the C concepts.
            turns: int (N,), how much each photo counts.
        """
        places = {concept: place for place, concept in enumerate(concepts)}
        mentions = Mentions(concepts)
        mentioned = [
            [[places[word] for word in mentions.find(words)] for words in some]
            for some in captions
        ]
        rows = np.repeat(np.arange(len(told)), turns)
        return cls(told[rows], [mentioned[row] for row in rows], places.get(PERSON))

    def _measure(self) -> tuple[np.ndarray, np.ndarray]:
        """Give what is told of each concept when it is mentioned, and when it is not.

        Returns:
            float32 (C,), and (C, F).
        """
        concepts = self.told.shape[1]
        rows, places = np.nonzero(self._mentioned < concepts)
        words, photos = self._mentioned[rows, places], self._photos[rows]
        first = self.told[photos, words, 0].astype(np.float32)
        count = np.bincount(words, minlength=concepts)
        total = np.bincount(words, first, minlength=concepts)
        mean = first.mean() if len(first) else 0.5
        usual = (total + PRIOR * mean) / (count + PRIOR)
        others = self.told.astype(np.float32)
        others[photos, words] = np.nan
        others[0] = np.where(np.isnan(others).all(axis=0), 0.0, others[0])
        unsaid = np.nanmedian(others, axis=0)
        return usual.astype(np.float32), unsaid.astype(self.told.dtype)

    def draw(self, mentioned: Sequence[int], rng: np.random.Generator) -> np.ndarray:
        """Make up what is told of a photo with such a caption.

        Args:
            mentioned: the concepts that the caption mentions.

        Returns:
            (C, F), of the type of `told`.
        """
        concepts = self.told.shape[1]
        wanted = np.zeros(concepts + 1, bool)
        wanted[list(mentioned)] = True
        pair = self._choose(wanted, len(mentioned), rng)
        made = self.told[self._photos[pair]].copy()
        own = self._mentioned[pair, : self._counts[pair]]
        spare = own[~wanted[own]]
        wanted[own] = False
        missing = np.flatnonzero(wanted)
        figures = made[spare]
        made[spare] = self._unsaid[spare]
        noise = rng.normal(scale=NOISE, size=len(missing))
        surest = np.argsort(-figures[:, 0].astype(np.float32), kind="stable")
        likeliest = missing[np.argsort(-self._usual[missing] - noise)]
        count = min(len(surest), len(likeliest))
        made[likeliest[:count]] = figures[surest[:count]]
        return made

    def _choose(self, wanted: np.ndarray, count: int, rng: np.random.Generator) -> int:
        """Choose a photo and caption that have much in common with what is wanted."""
        among = self._agreeing[self._agree is not None and bool(wanted[self._agree])]
        if not len(among):
            among = np.arange(len(self._photos))
        tried = among[rng.integers(len(among), size=CANDIDATES)]
        shared = wanted[self._mentioned[tried]].sum(axis=1)
        distance = np.abs(self._counts[tried] - count)
        return int(tried[np.argmax(shared - 0.5 * distance)])
