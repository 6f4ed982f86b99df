"""The captioner: an encoder, maybe a concept net, and a recurrent decoder, as one."""

import keras
import numpy as np

from captioner.config import CaptionerConfig
from captioner.net.decoder import Decoder
from captioner.net.losses import attention_loss, caption_loss, region_loss
from shared.concepts.net import ConceptNet
from shared.concepts.slots import ConceptSlots
from shared.nets.attention import Sampled
from shared.nets.precision import dtype_policy
from shared.runs.devices import WHOLE
from shared.text.vocabulary import PAD, Vocabulary
from shared.vision.encoders import Encoder

OTHERS = ("seen", "region_noise", "word_noise")  # inputs that go to the decoder
FOLLOW = 0.9  # momentum of the baseline, as in Xu et al. 2015


class Captioner(keras.Model):
    """Encoder, concept net and decoder, as one.

    Args:
        encoder: the convolutional net.
        decoder: the recurrent one.
        concepts: tells the words that a photo shows; for a decoder with concepts. It
            is never trained here.

    Call arguments:
        inputs: dict of "images" uint8 (B, H, W, 3), or "features" (B, R, D) where
            they are known already, or neither of captions without photos; "tokens"
            int32 (B, K, T), from bos on; for a decoder with concepts, "said" (B, C)
            where it is known already, and "seen" (B,); and for training,
            "region_noise" and "word_noise" (B, K, T); see `Decoder`.

    Returns:
        logits and alpha, see `Decoder`.
    """

    def __init__(
        self, encoder: Encoder, decoder: Decoder, concepts: ConceptNet | None = None
    ):
        super().__init__(name="captioner")
        self.encoder = encoder
        self.concepts = concepts
        if concepts:
            concepts.freeze(encoder.feature_size)
        self.decoder = decoder
        decoder.build((None, encoder.regions, encoder.feature_size))
        self.built = True
        self.label_smoothing = 0.0
        self.attention_penalty = 0.0
        self.attention_entropy = 0.0

    def look(self, inputs):
        """Give features (B, R, D), and what they show, where either is not known.

        Returns:
            float (B, R, D), or None of captions without photos; float (B, C), or None
            of a decoder without concepts.
        """
        features, said = inputs.get("features"), inputs.get("said")
        if features is None and "images" in inputs:
            features = self.encoder(inputs["images"])
        if said is None and self.concepts:
            said = self.concepts(features).said
        return features, said

    def call(self, inputs, training=False):
        """Give logits and attention for known captions."""
        features, said = self.look(inputs)
        others = {name: inputs[name] for name in OTHERS if name in inputs}
        return self.decoder(
            features, inputs["tokens"], said, **others, training=training
        )

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Give the loss of a training step; see `caption_loss`.

        Args:
            x: inputs; of a part of a batch, with what `count_whole` says of the whole.
            y: int32 (B, K, T), the word after each token.
            sample_weight: float (B, K) or None, the weight of each caption.
        """
        logits, alpha = y_pred
        whole = x.get(WHOLE, {}) if x else {}
        words = whole.get("words")
        loss = caption_loss(logits, y, self.label_smoothing, sample_weight, words)
        if isinstance(alpha, Sampled):
            loss += self._region_loss(logits, alpha, y, words)
            alpha = alpha.probs
        if self.attention_penalty and alpha.shape[-1] > 1:  # there are photos
            looked = attention_loss(alpha, y, whole.get("captions"))
            loss += self.attention_penalty * looked
        return loss

    @staticmethod
    def count_whole(targets, weights):
        """Say what the loss of a batch is divided by, see `divide_steps`."""
        words = np.count_nonzero(targets != PAD)
        return {"words": max(1, words), "captions": len(targets) * targets.shape[1]}

    def _region_loss(self, logits, sampled, targets, words):
        """Give `region_loss`, and let its baseline follow."""
        baseline = self.decoder.baseline
        loss, reached = region_loss(
            logits, sampled, targets, baseline, self.attention_entropy, words
        )
        baseline.assign(FOLLOW * baseline + (1 - FOLLOW) * reached)
        return loss


def build_captioner(
    config: CaptionerConfig,
    vocabulary: Vocabulary,
    encoder: Encoder | None,
    concepts: ConceptNet | None = None,
) -> Captioner:
    """Make an untrained captioner.

    Args:
        vocabulary: the words that it will say.
        encoder: None is that of the config, with random weights.
        concepts: for a config with concepts.
    """
    if encoder is None:
        encoder = Encoder(config.encoder.name, config.encoder.image_size, None)
    with dtype_policy(config.precision):
        slots = None
        if config.concepts and concepts:
            slots = ConceptSlots(config.concepts, concepts.words, vocabulary)
        decoder = Decoder(config.decoder, len(vocabulary), slots, name="decoder")
    return Captioner(encoder, decoder, concepts)
