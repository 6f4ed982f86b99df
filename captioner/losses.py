"""What training a captioner minimises: errors about words, and neglected regions."""

import keras
from keras import ops

from shared.text.vocabulary import PAD


def caption_loss(logits, targets, label_smoothing=0.0, weights=None):
    """Cross-entropy per word, over the words that are not pad.

        loss = sum over words of weight * ((1 - s) * -log p(target)
               + s * mean over V of -log p) / number of words

    Args:
        logits: float (B, K, T, V).
        targets: int32 (B, K, T).
        label_smoothing: s, in [0, 1).
        weights: float (B, K), one a caption, or None for 1.

    Returns:
        float scalar, nats per word.

    Source: Szegedy et al. 2016, arXiv:1512.00567, for the smoothing.
    """
    mask = ops.cast(ops.not_equal(targets, PAD), "float32")
    loss = keras.losses.sparse_categorical_crossentropy(
        targets, logits, from_logits=True
    )
    if label_smoothing:
        spread = ops.logsumexp(logits, axis=-1) - ops.mean(logits, axis=-1)
        loss = (1 - label_smoothing) * loss + label_smoothing * spread
    words = ops.sum(mask)
    if weights is not None:
        mask = mask * ops.cast(weights, "float32")[..., None]
    return ops.sum(loss * mask) / ops.maximum(words, 1.0)


def attention_loss(alpha, targets):
    """Doubly stochastic regulariser: every region should be looked at in all.

        loss = mean over captions and regions of (1 - sum over t of alpha_tr)^2

    Args:
        alpha: float (B, K, T, R).
        targets: int32 (B, K, T); attention at pad does not count.

    Source: Xu et al. 2015, arXiv:1502.03044, section 4.2.1 (there a sum over
        regions).
    """
    mask = ops.cast(ops.not_equal(targets, PAD), "float32")
    seen = ops.sum(alpha * mask[..., None], axis=2)  # (B, K, R)
    return ops.mean(ops.square(1.0 - seen))
