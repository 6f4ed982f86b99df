"""From scores to confidence: how often an answer like this one is right."""

import numpy as np


def to_confidence(
    scores: np.ndarray, temperature: float, soft: bool = False
) -> np.ndarray:
    """Turn scores into confidence.

    Args:
        scores: float (..., A).
        temperature: what scores are divided by, above 0.
        soft: whether each answer is judged by itself (sigmoid); else they share a
            confidence of 1 (softmax).

    Returns:
        float64 (..., A), 0 to 1.

    Source: Guo et al. 2017, arXiv:1706.04599, for dividing scores by a temperature.
    """
    scaled = np.asarray(scores, np.float64) / temperature
    if soft:
        return 1 / (1 + np.exp(-scaled.clip(-500, 500)))
    raised = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)
