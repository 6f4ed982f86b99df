"""How sure a caption must be to be relied on, found on the dev photos."""

import numpy as np

UNSURE_SHARE = 0.2  # of the dev photos
LEAST = 100  # of them; fewer say too little about a fifth of them
WORSE = 0.75  # their captions must score so much less than all


def choose_threshold(confidence: np.ndarray, scores: np.ndarray) -> float:
    """Find the confidence below which a caption is not to be relied on.

    A fifth of the captions are below it, if that fifth is much worse than the rest.

    Args:
        confidence: float (photos,), of the best caption of each, see
            `captioner.predict.Caption`.
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
