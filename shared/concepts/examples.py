"""Words that somebody teaches a concept net by a few photos of their own.

A word gets a detector of its own, linear in the mean of the regions' features. It is
learnt from the photos at hand alone: those whose captions have the word against the
others, each side counting the same however many photos it has.
"""

from collections.abc import Sequence

import numpy as np
from keras import ops

from shared.concepts.net import ConceptNet
from shared.concepts.regression import regress
from shared.concepts.table import Row

PENALTY = 0.01  # on squared weights, for features whose squares sum up to 1 in the mean
# Few photos can be sure of nothing: the detectors' log odds are small. Made so much
# larger, a word of 0.3 is told as 0.03, and has no slot among those of the likeliest.
# As they are, such words took a decoder's attention from what ordinary photos show.
SCALE, BIAS = 3.0, -1.0
MOST_FOLDS = 32  # of photos left out in turn


def add_words(
    net: ConceptNet, words: Sequence[str], features: np.ndarray, shown: np.ndarray
) -> ConceptNet:
    """Give a net that knows more words than another one, which stays as it is.

    Axes: N photos, R regions, D feature size, W new words.

    Args:
        words: those to add, at least one; the net has none of them.
        features: float (N, R, D), of the encoder that the net was taught with.
        shown: bool (N, W), which photos show what a word names.

    Returns:
        a net with the old words and then the new ones.
    """
    known = sum(row.example is not None for row in net.table)
    more = [Row(word, example=known + i) for i, word in enumerate(words)]
    grown = ConceptNet((*net.table, *more))
    grown.build((None, *features.shape[1:]))
    grown.head.set_weights(net.head.get_weights())
    if net.classifier and grown.classifier:
        grown.classifier.set_weights(net.classifier.get_weights())
    for old, new in ((net.say, grown.say), (net.see, grown.see)):
        for part, source, target in zip(
            (0.0, 0.0, SCALE, BIAS), old.parts, new.parts, strict=True
        ):
            added = np.full(len(words), part, np.float32)
            target.assign(np.concatenate([ops.convert_to_numpy(source), added]))
    kernel, bias = fit_detectors(features.mean(axis=1, dtype=np.float32), shown)
    if net.examples:
        first = net.examples.get_weights()
        kernel = np.concatenate([first[0], kernel], axis=1)
        bias = np.concatenate([first[1], bias])
    if grown.examples:
        grown.examples.set_weights([kernel, bias])
    return grown


def fit_detectors(
    features: np.ndarray, shown: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fit a logistic regression for each word.

    With fewer photos than features, the weights are sums of the photos' features. So
    they are looked for along the features' principal axes, of which there are no more
    than photos.

    Args:
        features: float (N, D).
        shown: bool (N, W).

    Returns:
        float32 (D, W) and (W,): weights, and biases.
    """
    scale = np.sqrt(np.square(features).sum(axis=1).mean()) or 1.0
    inputs = (features / scale).astype(np.float64)
    left, sizes, axes = np.linalg.svd(inputs, full_matrices=False)
    along = (left * sizes).T[..., None]  # (K axes, N, 1)
    # A bias that nothing pulls back would go to infinity where all photos are alike.
    precision = np.full(len(sizes) + 1, PENALTY)
    start = np.zeros((1, len(precision)))
    theta = np.concatenate(
        [
            regress(along, target[:, None], _even_out(target), start, precision)
            for target in shown.T.astype(np.float64)
        ]
    )  # (W, K + 1)
    kernel = axes.T @ theta[:, :-1].T / scale
    return kernel.astype(np.float32), theta[:, -1].astype(np.float32)


def predict_unseen(features: np.ndarray, shown: np.ndarray) -> np.ndarray:
    """Tell how sure detectors are of photos that did not teach them.

    Args:
        features: float (N, D), of at least two photos.
        shown: bool (N, W).

    Returns:
        float32 (N, W), probabilities as a net of `add_words` gives them.
    """
    folds = np.arange(len(features)) % MOST_FOLDS
    odds = np.zeros(shown.shape, np.float32)
    for fold in np.unique(folds):
        out = folds == fold
        kernel, bias = fit_detectors(features[~out], shown[~out])
        odds[out] = features[out] @ kernel + bias
    return 1 / (1 + np.exp(-(SCALE * odds + BIAS)))


def _even_out(target: np.ndarray) -> np.ndarray:
    """Weigh examples so that those for and those against count the same."""
    own, others = max(1.0, target.sum()), max(1.0, (1 - target).sum())
    return target / own + (1 - target) / others
