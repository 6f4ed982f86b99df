"""What training a captioner minimises: errors about words, and about regions."""

import keras
from keras import ops

from shared.nets.attention import Sampled
from shared.text.vocabulary import PAD

TINY = 1e-30  # the log of less breeds infinity


def caption_loss(logits, targets, label_smoothing=0.0, weights=None, words=None):
    """Cross-entropy per word, over the words that are not pad.

        loss = sum over words of weight * ((1 - s) * -log p(target)
               + s * mean over V of -log p) / number of words

    Args:
        logits: float (B, K, T, V).
        targets: int32 (B, K, T).
        label_smoothing: s, in [0, 1).
        weights: float (B, K), one a caption, or None for 1.
        words: their number, if this is a part of a batch; None counts them.

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
    words = ops.sum(mask) if words is None else words
    if weights is not None:
        mask = mask * ops.cast(weights, "float32")[..., None]
    return ops.sum(loss * mask) / ops.maximum(words, 1.0)


def attention_loss(alpha, targets, captions=None):
    """Doubly stochastic regulariser: every region should be looked at in all.

        loss = mean over captions and regions of (1 - sum over t of alpha_tr)^2

    Args:
        alpha: float (B, K, T, R).
        targets: int32 (B, K, T); attention at pad does not count.
        captions: their number, if this is a part of a batch; None counts them.

    Source: Xu et al. 2015, arXiv:1502.03044, section 4.2.1 (there a sum over
        regions).
    """
    mask = ops.cast(ops.not_equal(targets, PAD), "float32")
    seen = ops.sum(alpha * mask[..., None], axis=2)  # (B, K, R)
    loss = ops.mean(ops.square(1.0 - seen))
    count = targets.shape[1] * ops.cast(ops.shape(targets)[0], "float32")
    return loss if captions is None else loss * count / captions


def region_loss(logits, sampled: Sampled, targets, baseline, entropy=0.0, words=None):
    """Teach hard attention where to look, by what came of looking there.

        q_t      = log p(target_t) - b
        gradient = -(sum over words of (sum over u >= t of q_u) * grad log p(s_t)
                     + e * grad H(alpha_t)) / number of words

    This and the gradient of `caption_loss` together are, in the mean over the regions s
    that are drawn, that of the bound: - sum over s of p(s) log p(targets | s), a word.
    A region is judged by its own word and those after it, as it cannot have changed
    those before. Where the expected context was taken, the sum is 0. The value is that
    of the entropy alone, so that losses can be compared with those of soft attention.

    Axes: see `caption_loss`; R regions.

    Args:
        logits: float (B, K, T, V).
        sampled: its parts float (B, K, T, R).
        targets: int32 (B, K, T).
        baseline: b, nats a word; it changes nothing but the noise of the gradient.
        entropy: e, at least 0.
        words: see `caption_loss`.

    Returns:
        the loss, float scalar; and the mean of log p(target) of these words, from which
        the baseline is made.

    Source: Xu et al. 2015, arXiv:1502.03044, section 4.1; Williams 1992.
    """
    mask = ops.cast(ops.not_equal(targets, PAD), "float32")
    own = ops.maximum(ops.sum(mask), 1.0)
    log_probs = -mask * keras.losses.sparse_categorical_crossentropy(
        targets, ops.stop_gradient(logits), from_logits=True
    )
    gains = mask * (log_probs - baseline)
    gains = ops.flip(ops.cumsum(ops.flip(gains, axis=-1), axis=-1), axis=-1)
    logs = ops.log(ops.maximum(sampled.probs, TINY))
    chosen = ops.sum(ops.stop_gradient(sampled.chosen) * logs, axis=-1)  # (B, K, T)
    score = gains * (chosen - ops.stop_gradient(chosen))
    unsure = -ops.sum(sampled.probs * logs, axis=-1)
    loss = -ops.sum(mask * (score + entropy * unsure))
    return loss / (own if words is None else words), ops.sum(log_probs) / own
