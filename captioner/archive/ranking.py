"""How well photos fit a sentence. Pure: knows no database.

First all photos are judged by their concepts, much as by naive Bayes: with o_c the
log-odds that a caption of the photo mentions the concept c,

    sum of o_c over c that the sentence names
    + `BROADER` sum of o_c over their broader words
    - `LEFT_OUT` sum of log(1 + exp o_c) over all c

The last sum, of what the sentence leaves out, counts less of a sentence of few words,
which leaves out more. To that what the
words of the photo say is added, see `captioner.archive.finding`. The best few are then
ranked by

    + `LIKELIHOOD` log P(sentence | photo)

which the captioner's decoder gives. How much likelier the sentence is than with photos
in general, log P(sentence | photo) - log mean P(sentence | others), is told beside it.

Axes: N photos, C concepts.

Source: Vinyals et al. 2015, arXiv:1411.4555, for ranking by log P(sentence | photo).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from captioner.archive.features import ODDS, unpack_memory
from shared.concepts.words import Mentions
from shared.errors import AppError
from shared.text.vocabulary import UNK, Vocabulary, split_words

if TYPE_CHECKING:
    from captioner.describing.photo_captioner import PhotoCaptioner

# They rank the captions of Flickr8k's dev split best among weights of a coarse grid.
BROADER, LEFT_OUT, LIKELIHOOD = 0.6, 0.9, 2.0
WORDS, TOKENS = 200, 30  # of a query, that are looked for, and that the decoder reads
WHOLE = 8  # words of a sentence that says as much as captions do
SHOWN = -2.2  # least log-odds of what a photo may show: a caption in 10 mentions it
AT_ONCE = 64  # photos for which the decoder reads

# fmt: off
COMMON = frozenset("""
a about above across after against all along am among an and another any are around as
at away back be because been before behind being below beside between both but by can do
does doing down each few for from front get has have having he her hers him his how i if
in inside into is it its just like many me more most my near next no not of off on one
onto or other our out outside over own she so some such than that the their them then
there these they this those through to together too toward towards under up us very was
we were what when where which while who whom whose why will with within without you your
""".split())  # noqa: SIM905
# fmt: on
"""Words that say too little of a photo to be looked for."""


class Query(NamedTuple):
    """A sentence to find photos by.

    Attributes:
        words: in lower case.
        wanted: those of them to look for in the words of photos; never none.
        tokens: ids for the decoder; empty if it knows none of the words.
        named: the concepts that it names, by their numbers.
        broader: numbers of their broader words.
    """

    words: tuple[str, ...]
    wanted: tuple[str, ...]
    tokens: tuple[int, ...]
    named: tuple[int, ...]
    broader: tuple[int, ...]


def read_query(text: str, vocabulary: Vocabulary, concepts: Sequence[str]) -> Query:
    """Read a sentence; of a very long one, its beginning.

    Args:
        text: anything.
        vocabulary: the model's.
        concepts: the C words of its concept net.

    Raises:
        AppError: if there is no word in it.
    """
    words = split_words(text)[:WORDS]
    if not words:
        raise AppError(f"There is no word in {text[:80]!r}. Say what to look for.")
    wanted = [word for word in words if word not in COMMON] or words
    tokens = vocabulary.to_ids(vocabulary.split(text)[:TOKENS])
    if not any(token > UNK for token in tokens):
        tokens = []
    mentions, places = Mentions(concepts), {word: i for i, word in enumerate(concepts)}
    named = mentions.named(words)
    return Query(
        tuple(words),
        tuple(dict.fromkeys(wanted)),
        tuple(tokens),
        tuple(sorted(places[word] for word in named)),
        tuple(sorted(places[word] for word in mentions.find(words) - named)),
    )


def judge(query: Query, odds: np.ndarray, left_out: np.ndarray) -> np.ndarray:
    """Judge all photos by their concepts.

    Args:
        query: of a sentence.
        odds: uint8 (N, C), see `captioner.archive.features`.
        left_out: float32 (N,), see `captioner.archive.features`.

    Returns:
        float32 (N,), log-probabilities; 0 if the sentence names no concept.
    """
    found = np.zeros(len(odds), np.float32)
    if query.named:
        for weight, concepts in ((1.0, query.named), (BROADER, query.broader)):
            for concept in concepts:
                found += weight * ODDS[odds[:, concept]]
        found -= LEFT_OUT * min(1.0, len(query.words) / WHOLE) * left_out
    return found


def shows(query: Query, odds: np.ndarray) -> np.ndarray:
    """Tell which photos seem to show anything that the sentence names.

    Args:
        query, odds: see `judge`.

    Returns:
        bool (N,).
    """
    found = np.zeros(len(odds), bool)
    for concept in query.named:
        found |= ODDS[odds[:, concept]] >= SHOWN
    return found


def read_likelihoods(
    captioner: "PhotoCaptioner", query: Query, photos: Sequence[bytes]
) -> np.ndarray:
    """Let the decoder read the sentence.

    Args:
        captioner: the model that looked at the photos.
        query: with tokens.
        photos: their memories, see `captioner.archive.features`.

    Returns:
        float32 (N,), log P(sentence | photo), natural.

    Raises:
        ValueError: if a memory is damaged, or that of another model.
    """
    _, rules = captioner.request()
    found = [np.zeros(0, np.float32)]
    for start in range(0, len(photos), AT_ONCE):
        memory = unpack_memory(captioner.runtime, photos[start : start + AT_ONCE])
        said = captioner.runtime.score(memory, query.tokens, rules)
        found.append(said.sum(axis=1))
    return np.concatenate(found)
