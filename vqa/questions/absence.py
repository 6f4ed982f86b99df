"""What is hardly in a photo, though captions say only what is."""

import numpy as np

NEIGHBORS = 100
"""Photos alike, of which the usual is learned."""

MOST_REFERENCES = 10_000
"""Photos to look for them among; more would take longer and say the same."""

_BLOCK = 500  # photos compared at once, to keep the table of likeness small
_UNKNOWN = 2.0  # photos that leave a thing unsaid for one that says it, if one caption


class Absence:
    """Tell how likely things are in a photo whose captions do not mention them.

    People leave out the sky, and never the dog. From the photos that mention a thing in
    exactly one and in exactly two of n captions, Chao's estimator says how many have it
    and mention it in none:

        unsaid = (n - 1) / n * once ** 2 / (2 * twice)

    so there are (n - 1) / n * once / (2 * twice) such photos for each that mentions it
    once. Of a photo this is said by those like it: that mention the same things, rare
    ones above all.

    Axes: B photos asked about, N reference photos, W things.

    Args:
        mentions: int (N, W), how many captions of a photo mention each thing.
        captions: n, how many captions a photo has.

    Source: Chao 1987, "Estimating the population size for capture-recapture data with
        unequal catchability", Biometrics 43.
    """

    def __init__(self, mentions: np.ndarray, captions: int = 5):
        once, twice = (mentions == 1).sum(0), (mentions == 2).sum(0)
        share = (captions - 1) / captions
        unsaid = share * (once + 1) / (2 * (twice + 1))  # + 1: rare things are unsure
        self.unsaid = unsaid if captions > 1 else np.full(len(once), _UNKNOWN)  # (W,)
        step = -(-len(mentions) // MOST_REFERENCES) or 1
        references = mentions[::step]
        self.rarity = np.log((1 + len(mentions)) / (1 + (mentions > 0).sum(0)))  # (W,)
        self.vectors = self._vectors(references)  # (N, W)
        self.once = (references == 1).astype(np.float32)
        self.ever = (references > 0).astype(np.float32)

    def doubts(self, mentions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Look at photos alike.

        Args:
            mentions: int (B, W), as above.

        Returns:
            doubt: float (B, W), the chance that a thing is there if unmentioned.
            usual: float (B, W), the share of photos alike that mention it.
        """
        doubt = np.empty(mentions.shape, np.float32)
        usual = np.empty(mentions.shape, np.float32)
        count = min(NEIGHBORS, len(self.vectors))
        for start in range(0, len(mentions), _BLOCK):
            likeness = self._vectors(mentions[start : start + _BLOCK]) @ self.vectors.T
            nearest = np.argpartition(-likeness, count - 1, axis=1)[:, :count]
            for i, (row, near) in enumerate(zip(likeness, nearest, strict=True), start):
                weights = row[near] + 1e-3
                weights /= weights.sum()
                usual[i] = weights @ self.ever[near]
                there = weights @ self.once[near] * self.unsaid
                doubt[i] = there / (there + np.maximum(1 - usual[i], 0.01))
        return doubt, usual

    def _vectors(self, mentions: np.ndarray) -> np.ndarray:
        vectors = np.sqrt(mentions) * self.rarity
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return (vectors / np.maximum(lengths, 1e-6)).astype(np.float32)
