"""Words that somebody teaches a concept net by a few photos of their own.

A word gets a detector of its own, linear in the mean of the regions' features. It is
learnt from the photos at hand alone: those whose captions have the word against the
others, each side counting the same however many photos it has.
"""

from collections.abc import Sequence

import numpy as np
from keras import ops

from shared.concepts.net import ConceptNet
from shared.concepts.table import Row

PENALTY = 0.01  # on squared weights, for features whose squares sum up to 1 in the mean
# Few photos can be sure of nothing: the detectors' log odds are small. Made so much
# larger, a word of 0.3 is told as 0.03, and has no slot among those of the likeliest.
# As they are, such words took a decoder's attention from what ordinary photos show.
SCALE, BIAS = 3.0, -1.0
STEPS = 100  # of Newton's method at most
ENOUGH = 1e-6  # a step that changes less ends it


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

    With fewer photos than features, the weights are sums of the photos' features, so
    that as many numbers as there are photos are looked for.

    Args:
        features: float (N, D).
        shown: bool (N, W).

    Returns:
        float32 (D, W) and (W,): weights, and biases.
    """
    scale = np.sqrt(np.square(features).sum(axis=1).mean()) or 1.0
    inputs = (features / scale).astype(np.float64)
    alike = inputs @ inputs.T  # (N, N)
    found = [_fit(alike, column) for column in shown.T.astype(np.float64)]
    parts, biases = (np.array(one) for one in zip(*found, strict=True))
    return (inputs.T @ parts.T / scale).astype(np.float32), biases.astype(np.float32)


def _fit(alike: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, float]:
    """Minimise the loss by Newton's method; float (N,), and the bias."""
    count = len(target)
    weights = target / max(1.0, target.sum()) + (1 - target) / max(
        1.0, count - target.sum()
    )
    inputs = np.column_stack([alike, np.ones(count)])
    penalty = np.zeros((count + 1, count + 1))
    penalty[:count, :count] = PENALTY * alike
    # A bias that nothing pulls back would go to infinity where all photos are alike.
    penalty[count, count] = PENALTY

    def loss(theta: np.ndarray) -> float:
        odds = inputs @ theta
        fit = (weights * (np.logaddexp(0, odds) - target * odds)).sum()
        return float(fit + theta @ penalty @ theta / 2)

    theta = np.zeros(count + 1)
    for _ in range(STEPS):
        odds = inputs @ theta
        probs = 1 / (1 + np.exp(-odds))
        slope = inputs.T @ (weights * (probs - target)) + penalty @ theta
        spread = weights * probs * (1 - probs)
        curve = (inputs.T * spread) @ inputs + penalty + 1e-9 * np.eye(count + 1)
        step = np.linalg.solve(curve, slope)
        length = 1.0
        while length > ENOUGH and loss(theta - length * step) > loss(theta):
            length /= 2
        theta = theta - length * step
        if length * np.abs(step).max() < ENOUGH:
            break
    return theta[:count], float(theta[count])
