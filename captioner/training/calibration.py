"""How sure a model may be of its captions, found on the dev photos.

Of models with concepts the confidence is a probability: a logistic regression learns
from what speaks for a caption whether it is right about its main thing. Of others it is
how much the words were to be expected, and only a threshold is found.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from captioner.config import ConfidenceConfig
from captioner.describing.confidence import Evidence, judge
from shared.concepts.regression import regress
from shared.concepts.words import PERSON, broader_words, concept_mentions, widest_words
from shared.text.vocabulary import split_words

UNSURE_SHARE = 0.2  # of the dev photos
LEAST = 100  # of them; fewer say too little about a fifth of them
WORSE = 0.75  # their captions must score so much less than all
LEAST_WRONG = 10  # captions, and as many right ones, to tell them apart
LIKELY = 0.5  # what is less likely right than wrong is not to be relied on
RIDGE = 1.0  # of the squared weights, of evidence with a variance of 1


def choose_threshold(confidence: np.ndarray, scores: np.ndarray) -> float:
    """Find the confidence below which a caption is not to be relied on.

    A fifth of the captions are below it, if that fifth is much worse than the rest.

    Args:
        confidence: float (photos,), of the best caption of each, see
            `captioner.describing.captions.Caption`.
        scores: float (photos,), how close each came to what people wrote, such as
            CIDEr-D.

    Returns:
        0 to 1; 0 if the photos are too few, or confidence says little about scores.
    """
    if len(confidence) < LEAST:
        return 0.0
    threshold = float(np.quantile(confidence, UNSURE_SHARE))
    below = scores[confidence < threshold]
    if not len(below) or below.mean() >= WORSE * scores.mean():
        return 0.0
    return round(threshold, 4)


def names_main_thing(caption: str, references: Sequence[str]) -> bool | None:
    """Whether a caption names what most people name who describe the photo.

    All who are persons are one thing, whether they are called girls or surfers. Who
    names a narrow thing names the wider ones, too, except the widest: "vehicle".

    Returns:
        None if the people name nothing that is a concept, as in another language.
    """
    named = Counter(kind for text in references for kind in _kinds(text))
    most = max(named.values(), default=0)
    main = {kind for kind, count in named.items() if count == most}
    return bool(main & _kinds(caption)) if main else None


def fit_confidence(
    evidence: Sequence[Evidence], right: Sequence[bool]
) -> ConfidenceConfig | None:
    """Learn to tell right captions from wrong ones.

    Args:
        evidence: of the best caption of each photo.
        right: whether it names the main thing.

    Returns:
        None if the photos, or those of one kind, are too few.
    """
    values, known = np.array(evidence, float), np.array(right, float)
    if len(known) < LEAST or not LEAST_WRONG <= known.sum() <= len(known) - LEAST_WRONG:
        return None
    mean, spread = values.mean(axis=0), np.maximum(values.std(axis=0), 0.01)
    scaled = ((values - mean) / spread).T[:, :, None]
    count = len(Evidence._fields)
    precision = np.array([RIDGE] * count + [0.0])
    start, alike = np.zeros((1, count + 1)), np.ones(len(known))
    weights = regress(scaled, known[:, None], alike, start, precision)[0]
    raw = weights[:-1] / spread
    bias = float(weights[-1] - raw @ mean)
    found = dict(zip(Evidence._fields, raw.tolist(), strict=True))
    rounded = {key: round(value, 4) for key, value in {"bias": bias, **found}.items()}
    return ConfidenceConfig(**rounded)


def cross_fit(
    evidence: Sequence[Evidence], right: Sequence[bool], folds: int = 10
) -> np.ndarray | None:
    """Judge each caption by what the captions of other photos taught.

    Args:
        evidence, right: see `fit_confidence`.
        folds: into so many parts the photos are divided; photo i is in part i % folds.

    Returns:
        float (photos,), probabilities; None if the photos are too few.
    """
    found = np.zeros(len(evidence))
    for fold in range(folds):
        others = [i for i in range(len(evidence)) if i % folds != fold]
        weights = fit_confidence(
            [evidence[i] for i in others], [right[i] for i in others]
        )
        if weights is None:
            return None
        for i in range(fold, len(evidence), folds):
            found[i] = judge(evidence[i], weights)
    return found


def _kinds(text: str) -> set[str]:
    """Find the things that a sentence names, by all words that say which they are."""
    lines = (
        [word, *broader_words(word)]
        for word in concept_mentions().named(split_words(text))
    )
    return {
        kind
        for line in lines
        for kind in ([PERSON] if PERSON in line else line)
        if kind == PERSON or kind not in widest_words()
    }
