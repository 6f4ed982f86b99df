"""Training batches: photos with their captions as ids, in an order fixed by seeds.

Captions without photos come in batches of their own, each after one of photos.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from shared.concepts.imagined import Imagined
from shared.data.captioned import Record
from shared.data.mixing import Batch, Look, choose_mirrored
from shared.text.sentences import Sentences
from shared.text.vocabulary import BOS, Vocabulary


class Drawn(NamedTuple):
    """A batch to learn from.

    Attributes:
        rows: int (B,), of the photos; None of captions without photos.
        batch: what is seen, see `captioner.net.model.Captioner`, without tokens.
        targets: int32 (B, K, T), captions without bos.
    """

    rows: np.ndarray | None
    batch: Batch
    targets: np.ndarray


class Captions:
    """The captions of a data set, as ids.

    Axes: N photos, K captions drawn of each, T tokens.

    Args:
        records: photos; each has at least one caption.
        max_length: T, counting eos.
        said: all captions of the records in their order, if they are split already.

    Attributes:
        rows: for each photo its captions, int32 (captions, T).
    """

    def __init__(
        self,
        records: Sequence[Record],
        vocabulary: Vocabulary,
        max_length: int,
        said: Sentences | None = None,
    ):
        if said is None:
            said = split_captions(records, vocabulary)
        ends = np.cumsum([len(record.captions) for record in records])
        self.rows = np.split(said.encode(vocabulary, max_length), ends[:-1])

    def draw(
        self, rows: np.ndarray, count: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Draw captions of each photo, all of them before any comes again.

        Returns:
            int32 (len(rows), count, T), without bos.
        """
        drawn = []
        for row in rows:
            captions = self.rows[row]
            turns = -(-count // len(captions))
            order = np.concatenate(
                [rng.permutation(len(captions)) for _ in range(turns)]
            )
            drawn.append(captions[order[:count]])
        return np.stack(drawn)


def split_captions(records: Iterable[Record], vocabulary: Vocabulary) -> Sentences:
    """Split all captions of photos into words, one after the other."""
    return Sentences(vocabulary.split(c) for r in records for c in r.captions)


def shift(targets: np.ndarray) -> np.ndarray:
    """Turn the words to predict (B, K, T) into those read before each of them."""
    bos = np.full((*targets.shape[:2], 1), BOS, np.int32)
    return np.concatenate([bos, targets[..., :-1]], axis=-1)


class Texts:
    """Captions without photos, as ids, and what their photos would show.

    Args:
        sources: captions, as words; each source gives as many as the others.
        mentioned: for each of them the concepts that it mentions.
        vocabulary, max_length: see `Captions`.
        imagined: makes up the probabilities of concepts.
    """

    def __init__(
        self,
        sources: Sequence[Sequence[list[str]]],
        mentioned: Sequence[Sequence[Sequence[int]]],
        vocabulary: Vocabulary,
        max_length: int,
        imagined: Imagined,
    ):
        self.mentioned = mentioned
        self.imagined = imagined
        self.tokens = [
            np.stack([vocabulary.encode(words, max_length) for words in captions])
            for captions in sources
        ]

    def draw(self, count: int, rng: np.random.Generator) -> Drawn:
        """Draw captions, each a photo of its own with one caption."""
        chosen = [
            (source, int(rng.integers(len(self.tokens[source]))))
            for source in rng.integers(len(self.tokens), size=count)
        ]
        said = [
            self.imagined.draw(self.mentioned[source][row], rng)[:, 0]
            for source, row in chosen
        ]
        tokens = np.stack([self.tokens[source][row] for source, row in chosen])
        batch = {"said": np.stack(said).astype(np.float32)}
        return Drawn(None, batch, tokens[:, None])


def draw_batches(
    steps: Iterable[tuple[np.ndarray | None, np.random.Generator]],
    look: Look,
    captions: Captions,
    count: int,
    *,
    mirror: bool,
    texts: Texts | None = None,
    texts_count: int = 0,
) -> Iterator[Drawn]:
    """Draw a batch for each step.

    Args:
        steps: see `shared.data.mixing.Order.walk`.
        count: captions drawn of each photo, K.
        mirror: whether half of the photos are mirrored.
        texts: captions without photos, for steps without.
        texts_count: how many of them are a batch.
    """
    for rows, rng in steps:
        if rows is not None:
            seen = look(rows, choose_mirrored(len(rows), mirror, rng), rng)
            yield Drawn(rows, seen, captions.draw(rows, count, rng))
        elif texts:
            yield texts.draw(texts_count, rng)
