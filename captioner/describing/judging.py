"""How far captions can be relied on, and what is said instead if that is too little.

Of models with concepts, what a photo shows speaks for or against what a caption claims.
"""

from collections.abc import Sequence

import numpy as np

from captioner.config import CaptionerConfig
from captioner.describing.captions import Caption
from captioner.describing.confidence import Evidence, judge
from captioner.describing.grounding import Grounding
from captioner.describing.hedging import Hedging
from captioner.search.config import DecodingConfig
from captioner.search.rules import Rules
from shared.concepts.table import ConceptProbs
from shared.text.vocabulary import Vocabulary


class Judge:
    """Judges the captions of a model, and the words that it may choose.

    Args:
        config: recipe of the model.
        vocabulary: its words.
        concepts: the words of its concept net, if it has one.
        own: those of them that a few examples taught.
    """

    def __init__(
        self,
        config: CaptionerConfig,
        vocabulary: Vocabulary,
        concepts: Sequence[str],
        own: Sequence[str],
    ):
        self.config, self.vocabulary, self.own = config, vocabulary, frozenset(own)
        self.grounding, self.hedging = None, None
        if concepts:
            self.grounding = Grounding(vocabulary.words, concepts, own)
            self.hedging = Hedging(concepts)

    def once(self, decoding: DecodingConfig) -> tuple[tuple[int, ...], ...]:
        """Give the groups of words for things that a caption names once."""
        ids = self.vocabulary.ids
        own = tuple((ids[word],) for word in sorted(self.own) if word in ids)
        if self.grounding is None or not decoding.once:
            return own
        return (*own, *self.grounding.things)

    def bias(
        self, seen: ConceptProbs | None, decoding: DecodingConfig, rules: Rules
    ) -> np.ndarray | None:
        """Tell a search what photos show; see `Grounding.bias`."""
        if self.grounding is None or seen is None:
            return None
        wanted = {word for words in rules.must_ids for word in words}
        return self.grounding.bias(seen, decoding, wanted)

    def judge(
        self,
        captions: Sequence[Sequence[Caption]],
        seen: ConceptProbs | None,
    ) -> list[list[Caption]]:
        """Say of captions how sure they are.

        Args:
            captions: of each photo, best first.
            seen: float (B, C), what the photos show; B may be more.
        """
        if seen is None:
            return [[self._compare(one) for one in found] for found in captions]
        return [
            [self._compare(self._weigh(one, seen.of(i))) for one in found]
            for i, found in enumerate(captions)
        ]

    def hedge(
        self,
        captions: Sequence[Sequence[Caption]],
        seen: ConceptProbs | None,
        decoding: DecodingConfig,
    ) -> list[list[Caption]]:
        """Claim less than captions that are probably wrong, where that is surer.

        Args:
            captions, seen: as for `judge`, which came before.
            decoding: how they were searched.
        """
        if seen is None or not (decoding.hedge and decoding.free):
            return [list(found) for found in captions]
        return [
            [self._hedge(found[0], seen.of(i), decoding), *found[1:]]
            for i, found in enumerate(captions)
        ]

    def _weigh(self, caption: Caption, seen: ConceptProbs) -> Caption:
        """Compare what a caption claims with what its photo shows."""
        if self.grounding is None:
            return caption
        tokens = self.vocabulary.to_ids(caption.words)
        compared = self.grounding.weigh(tokens, seen.there, seen.said)
        evidence = Evidence(caption.mean_log_prob, *compared)
        weights = self.config.confidence
        right = judge(evidence, weights) if weights else None
        return caption._replace(evidence=evidence, right=right)

    def _compare(self, caption: Caption) -> Caption:
        """Say whether a caption is less sure than it should be, if that is known."""
        if not (threshold := self.config.unsure):
            return caption
        return caption._replace(unsure=caption.confidence < threshold)

    def _hedge(
        self, caption: Caption, seen: ConceptProbs, decoding: DecodingConfig
    ) -> Caption:
        """Claim less than a caption that is probably wrong, if that is surer.

        How probable it is was not learnt of captions with somebody's own words.
        """
        if self.hedging is None or caption.right is None or not caption.unsure:
            return caption
        if self.own & {*caption.words}:
            return caption
        less = self.hedging.hedge(seen.there, seen.said, decoding)
        if less is None or less.right <= caption.right:
            return caption
        return caption._replace(text=less.text, right=less.right, original=caption)
