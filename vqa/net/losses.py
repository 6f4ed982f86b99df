"""What training a VQA model minimises: errors about answers."""

from keras import ops

IMPOSSIBLE = -1e9  # score of a choice that only fills the others' row


def answer_loss(scores, targets, soft, label_smoothing, weights=None, whole=None):
    """Cross-entropy per question.

    Args:
        scores: float (B, N, A), before the softmax, or the sigmoid if `soft`.
        targets: float (B, N, A): how right each answer is, 0 to 1.
        soft: whether each answer is right or wrong by itself (a sum of A binary
            cross-entropies); else exactly one of them is right.
        label_smoothing: share of the target spread over all possible answers, if not
            `soft`.
        weights: float (B, N), one a question, or None for 1.
        whole: their sum, if this is a part of a batch; None adds them up.

    Returns:
        float scalar, nats per question of weight 1.
    """
    targets = ops.cast(targets, "float32")
    if soft:
        likely = ops.maximum(scores, 0.0) - scores * targets
        losses = ops.sum(likely + ops.log1p(ops.exp(-ops.abs(scores))), axis=-1)
    else:
        possible = ops.cast(scores > IMPOSSIBLE, "float32")
        even = possible / ops.maximum(ops.sum(possible, axis=-1, keepdims=True), 1.0)
        targets = targets * (1 - label_smoothing) + label_smoothing * even
        losses = ops.logsumexp(scores, axis=-1) * ops.sum(targets, axis=-1)
        losses = losses - ops.sum(targets * scores, axis=-1)
    if weights is None:
        weights = ops.ones_like(losses)
    weights = ops.cast(weights, "float32")
    whole = ops.sum(weights) if whole is None else whole
    return ops.sum(losses * weights) / ops.maximum(whole, 1e-6)
