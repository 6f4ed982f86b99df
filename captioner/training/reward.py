"""Self-critical training: of the captions that a search finds, favour the better."""

from collections.abc import Sequence

import numpy as np

from captioner.metrics.photo_metrics import PhotoMetric
from captioner.net.model import Captioner
from captioner.net.runtime_keras import Search
from captioner.search.config import DecodingConfig
from captioner.search.rules import make_rules
from captioner.search.strategy import FOUND
from shared.data.captioned import Record
from shared.data.mixing import Batch
from shared.text.vocabulary import EOS, PAD, SPECIAL_WORDS, Vocabulary

END = SPECIAL_WORDS[EOS]


def search_plainly(decoding: DecodingConfig, beams: int) -> DecodingConfig:
    """Search for several captions without the rules that keep them from faults.

    It is to unlearn those.
    """
    plain = {"beam_size": beams, "no_repeat": 0, "bad_endings": ()}
    return decoding.model_copy(update=plain)


class SelfCritic:
    """Find captions of photos, and judge each against the photo's others.

    Captions and references end with eos in the reward; without it, captions that
    break off ("a dog with a") would pay.

    Axes: B photos, K beams, T tokens.

    Args:
        beams: K.
        records: the photos, in the order of their rows.
        metric: the reward, scaled to 0 to 10, so that a stage's rate suits any of them.

    Source: Rennie et al. 2017, arXiv:1612.00563; beams and their mean as in Cornia
        et al. 2020, arXiv:1912.08226.
    """

    def __init__(
        self,
        model: Captioner,
        vocabulary: Vocabulary,
        decoding: DecodingConfig,
        beams: int,
        records: Sequence[Record],
        metric: type[PhotoMetric],
    ):
        self.vocabulary = vocabulary
        self.reward = metric(
            [[*vocabulary.split(c), END] for c in r.captions] for r in records
        )
        rules = make_rules(search_plainly(decoding, beams), vocabulary)
        self.search = Search([model], rules)

    def judge(
        self, rows: np.ndarray, batch: Batch
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """Give captions, what each is worth to training, and their mean reward.

        Args:
            rows: int (B,), of the photos.
            batch: of the photos, see `shared.data.mixing.Look`.

        Returns:
            tokens: int32 (B, K, T); a beam that was not found is all pad.
            weights: float32 (B, K), see `weigh`.
            reward: mean of the captions that were found.
        """
        found = self.search.predict_on_batch(batch)
        exists = np.asarray(found.log_probs) > FOUND
        tokens = np.where(exists[..., None], np.asarray(found.tokens, np.int32), PAD)
        captions = [self._words(ids) for beams in tokens.tolist() for ids in beams]
        scores = self.reward.score(np.repeat(rows, tokens.shape[1]).tolist(), captions)
        rewards = np.reshape(scores, exists.shape) * (10 / self.reward.most)
        reward = rewards[exists].mean() if exists.any() else 0.0
        return tokens, weigh(rewards, exists), float(reward)

    def _words(self, ids: list[int]) -> list[str]:
        return self.vocabulary.decode(ids) + ([END] if EOS in ids else [])


def weigh(rewards: np.ndarray, exists: np.ndarray) -> np.ndarray:
    """Weigh captions by how much better they are than the photo's others.

        weight_k = reward_k - mean over the beams j that exist of reward_j

    A search with few possible captions finds fewer than its beams; those that do not
    exist have no part in the mean, and no weight.

    Args:
        rewards: float (B, K).
        exists: bool (B, K).

    Returns:
        float32 (B, K).
    """
    count = exists.sum(axis=1, keepdims=True)
    total = np.where(exists, rewards, 0.0).sum(axis=1, keepdims=True)
    weights = np.where(exists, rewards - total / np.maximum(count, 1), 0.0)
    return weights.astype(np.float32)
