"""What the concepts of a photo say to a question."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from keras import layers, ops

from shared.concepts.config import ConceptsConfig
from shared.concepts.slots import ConceptSlots, to_odds
from shared.text.vocabulary import Vocabulary

FAR = 10.0  # more than any odds, for what is not mentioned
FIGURES = 2  # told of each concept: whether it would be said, and whether it is there
ASKED_FIGURES = 2 * FIGURES + 1


class Told(NamedTuple):
    """What is told of photos. Axes: B photos, V concepts.

    Attributes:
        said: float (B, V), the probability that a caption would mention it.
        odds: float (B, V, 2), log odds of that and of its being there, a fifth of them.
    """

    said: Any
    odds: Any


class Facts(NamedTuple):
    """What a net with concepts is given beside features and questions.

    Attributes:
        told: of the photos.
        asked: int32 (B, N, M), the concepts that the questions mention, from 1; 0 is
            none.
        seen: float (B,), 1 where the photo may be looked at, 0 where only the concepts
            may; None is 1.
    """

    told: Told
    asked: Any
    seen: Any = None


def tell(said: Any, there: Any) -> Told:
    """Bring the probabilities of a concept net, float (B, V) each, into that form."""
    return Told(said, to_odds(ops.stack([said, there], axis=-1)))


class Evidence(layers.Layer):
    """Bring concepts to bear on a question, in three ways.

        g_s   = the likeliest concepts, which the question attends to as to regions
        m     = [least l, mean l, any] of the concepts that the question mentions
        n_a   = (W q + b) . l of the concept that answer a names, 0 if it names none

    where l are the log odds of `Told`. "Is there a cat?" is answered by m, "what
    animal is this?" by n: the question says how much the odds of answers count, and
    the rest of the net which answers make sense.

    Axes: B photos, N questions, V concepts, M mentions, S slots, U their units, A
    answers, Q question size.

    Args:
        config: of the slots.
        concepts: V words, in the order of what is told.
        vocabulary: words that have vectors.
        names: int (A,), the concept that each answer names, -1 for none.

    Source: You et al. 2016, arXiv:1603.03925, for attending to concepts; Vinyals et
        al. 2015, arXiv:1506.03134, for pointing at what is to be answered.
    """

    def __init__(
        self,
        config: ConceptsConfig,
        concepts: Sequence[str],
        vocabulary: Vocabulary,
        names: np.ndarray,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.concepts = len(concepts)
        self.units = config.units
        self.names = names
        self.slots = ConceptSlots(config, concepts, vocabulary)
        self.gate = layers.Dense(FIGURES)

    def build(self, vectors_shape: Sequence[int | None], question_size: int) -> None:
        """Create the weights.

        Args:
            vectors_shape: of the words' vectors, (..., E).
            question_size: Q.
        """
        self.slots.build((None, self.concepts), vectors_shape)
        self.gate.build((None, None, question_size))
        self.built = True

    def attend(self, told: Told, embeddings: Any) -> Any:
        """Give what to attend to, float (B, S, U).

        Args:
            embeddings: float (words, E), the words' vectors.
        """
        table = ops.cast(embeddings, self.compute_dtype)
        said = ops.cast(told.said, self.compute_dtype)
        return self.slots(said, self.slots.vectors(table))

    def mentioned(self, told: Told, asked: Any) -> Any:
        """Give m, float (B, N, 5).

        Args:
            asked: see `Facts`.
        """
        odds = ops.cast(told.odds, self.compute_dtype)
        # By a product, since LiteRT has no other way to look up row by row.
        chosen = ops.one_hot(asked - 1, self.concepts, dtype=odds.dtype)
        found = ops.einsum("bnmv,bvf->bnmf", chosen, odds)  # (B, N, M, 2)
        real = ops.cast(ops.expand_dims(asked > 0, -1), odds.dtype)
        count = ops.sum(real, axis=2)  # (B, N, 1)
        some = ops.minimum(count, 1.0)
        least = ops.min(found + FAR * (1 - real), axis=2) * some
        mean = ops.sum(found, axis=2) / ops.maximum(count, 1.0)
        return ops.concatenate([least, mean, some], axis=-1)

    def point(self, told: Told, question: Any) -> Any:
        """Give n, float (B, N, A).

        Args:
            question: float (B, N, Q), the questions' vectors.
        """
        odds = ops.cast(told.odds, self.compute_dtype)
        names = np.maximum(self.names, 0)
        is_name = ops.cast(self.names[:, None] >= 0, odds.dtype)
        odds = ops.take(odds, names, axis=1) * is_name  # (B, A, 2)
        return ops.matmul(self.gate(question), ops.transpose(odds, (0, 2, 1)))
