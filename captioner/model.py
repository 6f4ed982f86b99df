"""The captioner: an encoder, maybe a concept net, and a recurrent decoder, as one."""

import keras

from captioner.config import CaptionerConfig
from captioner.decoder import Decoder
from captioner.losses import attention_loss, caption_loss, region_loss
from shared.concepts.net import ConceptNet
from shared.concepts.slots import ConceptSlots
from shared.nets.attention import Sampled
from shared.nets.precision import dtype_policy
from shared.text.vocabulary import Vocabulary
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
            y: int32 (B, K, T), the word after each token.
            sample_weight: float (B, K) or None, the weight of each caption.
        """
        logits, alpha = y_pred
        loss = caption_loss(logits, y, self.label_smoothing, sample_weight)
        if isinstance(alpha, Sampled):
            loss += self._region_loss(logits, alpha, y)
            alpha = alpha.probs
        if self.attention_penalty and alpha.shape[-1] > 1:  # there are photos
            loss += self.attention_penalty * attention_loss(alpha, y)
        return loss

    def _region_loss(self, logits, sampled, targets):
        """Give `region_loss`, and let its baseline follow."""
        baseline = self.decoder.baseline
        loss, reached = region_loss(
            logits, sampled, targets, baseline, self.attention_entropy
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
