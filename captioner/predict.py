"""A trained captioner at work: images in, ranked sentences out."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from captioner.config import DecodingConfig
from captioner.decoding import FOUND, Sequences, beam_search, sample
from captioner.model import Captioner
from shared.text import BOS, EOS, PAD, UNK, Vocabulary, join_words


class Caption(NamedTuple):
    """A sentence about an image.

    Attributes:
        text: the sentence.
        words: its words, as the model wrote them.
        log_prob: natural log of the model's probability of these words.
    """

    text: str
    words: tuple[str, ...]
    log_prob: float


class Search(keras.Model):
    """A captioner with a search behind it, as one compiled function.

    Args:
        captioner: the trained model; its weights are read at every call.
        decoding: how to search.
        temperature: None for beam search, otherwise that of sampling.

    Call arguments:
        inputs: dict of "images" or "features", as of `Captioner`; to sample, also
            "noise" float (B, K, T), see `captioner.decoding.sample`.

    Returns:
        Sequences.
    """

    def __init__(
        self,
        captioner: Captioner,
        decoding: DecodingConfig,
        temperature: float | None = None,
    ):
        super().__init__()
        self.captioner = captioner
        self.decoding = decoding
        self.temperature = temperature

    def call(self, inputs):
        """Search for the captions of a batch."""
        decoder = self.captioner.decoder
        sampling = self.temperature is not None
        sequences = inputs["noise"].shape[1] if sampling else self.decoding.beam_size
        memory, state = decoder.start(self.captioner.features(inputs), sequences)

        def step(tokens, state):
            hidden, state, _ = decoder.step(decoder.embedding(tokens), state, memory)
            return ops.log_softmax(decoder.predict(hidden)), state

        rules = {"bos_id": BOS, "eos_id": EOS, "pad_id": PAD, "banned_ids": (UNK,)}
        if sampling:
            noise = ops.cast(inputs["noise"], "float32")
            return sample(step, state, noise, temperature=self.temperature, **rules)
        return beam_search(
            step,
            state,
            max_length=self.decoding.max_words + 1,  # eos
            length_penalty=self.decoding.length_penalty,
            **rules,
        )


def to_captions(found: Sequences, vocabulary: Vocabulary) -> list[list[Caption]]:
    """Write sequences as sentences, best first, those of one image in a list."""
    tokens = ops.convert_to_numpy(found.tokens)
    log_probs = ops.convert_to_numpy(found.log_probs)
    return [
        [
            _caption(vocabulary.decode(row.tolist()), float(log_prob))
            for row, log_prob in zip(rows, scores, strict=True)
            if log_prob > FOUND
        ]
        for rows, scores in zip(tokens, log_probs, strict=True)
    ]


def _caption(words: Sequence[str], log_prob: float) -> Caption:
    return Caption(join_words(words), tuple(words), log_prob)
