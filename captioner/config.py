"""What a captioner is made of and how it is trained: the schema of a recipe."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from captioner.search.config import DecodingConfig
from captioner.search.strategy import MOST_BEAMS
from shared.concepts.config import ConceptsConfig, contradicts
from shared.config import Config
from shared.nets.names import CELLS
from shared.runs.recipes import (
    CellConfig,
    EncoderConfig,
    MaxWords,
    MaybeUnits,
    PhotoStageConfig,
    Positive,
    Rate,
    RecipeConfig,
    Units,
    check_choice,
)

ENTROPY = 0.002


class DecoderConfig(CellConfig):
    """The recurrent net.

    Attributes:
        embed_dim: size of a word's vector.
        region_units: size that region features are projected to.
        attention_units: hidden size of the attention; 0 is a decoder without it.
        attention: "soft" looks at all regions, at some more than at others; "hard" at
            one for each word (Xu et al. 2015, arXiv:1502.03044).
        tied: whether words share their vectors between input and output.
        region_dropout: share of the region features dropped in training.
        embed_dropout: the same of the words' vectors.
        output_dropout: the same of the layer before the softmax.
    """

    embed_dim: Units
    region_units: Units
    attention_units: MaybeUnits = 0
    attention: Literal["soft", "hard"] = "soft"
    tied: bool = True
    region_dropout: Rate = 0.0
    embed_dropout: Rate = 0.0
    output_dropout: Rate = 0.0

    @property
    def draws(self) -> bool:
        """Whether regions are drawn in training."""
        return self.attention == "hard" and self.attention_units > 0

    def least_weights(self, vocab_size: int) -> int:
        """Count the weights that such a decoder has at the least.

        Left out are those whose number depends on the encoder, and biases.

        Args:
            vocab_size: words, special ones included.
        """
        units, words, regions = self.units, self.embed_dim, self.region_units
        attends = self.attention_units > 0
        inputs = words + regions * attends
        count = vocab_size * words * (1 if self.tied else 2)
        cell = CELLS[self.cell]
        count += cell.count_weights(inputs, units, self.layers)
        count += units * words + regions * words
        if attends:
            count += self.attention_units * (regions + units)
            count += regions * units * (1 + cell.states * self.layers)
        return count


class VocabularyConfig(Config):
    """Which words are learnt.

    Attributes:
        units: "word", or "character" for languages without spaces between words,
            of which each character is then a word, here and in decoding.
        min_count: a word seen less often in the training captions becomes unk.
        max_words: words of a caption that training looks at.
    """

    units: Literal["word", "character"] = "word"
    min_count: Positive = 4
    max_words: MaxWords = 18


class StageConfig(PhotoStageConfig):
    """One stage of training.

    Attributes:
        objective: "cross_entropy", or "self_critical": of the captions that beam
            search finds for a photo, favour those whose reward is above their mean
            (Rennie et al. 2017, arXiv:1612.00563; with beams and their mean as in
            Cornia et al. 2020, arXiv:1912.08226).
        reward: the metric that "self_critical" takes, such as `choose_by`.
        captions: captions of each photo in a step; for "self_critical", the beams.
        attention_penalty: weight of the doubly stochastic regulariser.
        attention_entropy: of hard attention, weight of the entropy of where it looks,
            which keeps it trying. A cross-entropy stage draws the regions of half of
            the photos; "self_critical" looks at the likeliest ones, as they are.
        scheduled_sampling: share of the words read that are the model's own instead
            of the caption's, as it is at the end of a cross-entropy stage (Bengio et
            al. 2015, arXiv:1506.03099).
        sampling_schedule: how that share rises, a key of
            `captioner.training.chances.SCHEDULES`.
        augment: whether photos are mirrored, and cropped and brightened where they
            are read for each step.
        learns: "all", or "new words": of a model that is trained further, only the
            vectors of words that it did not have, all else staying as it was. Of fewer
            than 300 photos, its concepts learn them, too.
    """

    objective: Literal["cross_entropy", "self_critical"] = "cross_entropy"
    reward: str = "CIDEr-D"
    captions: Positive = 5
    attention_penalty: float = Field(0.0, ge=0, le=1e6)
    attention_entropy: float = Field(ENTROPY, ge=0, le=1e6)
    scheduled_sampling: float = Field(0.0, ge=0, le=1)
    sampling_schedule: Literal["linear", "inverse_sigmoid", "exponential"] = "linear"
    augment: bool = True
    learns: Literal["all", "new words"] = "all"

    @model_validator(mode="after")
    def _objective_can_be_trained(self) -> "StageConfig":
        if self.encoder_rate and self.learns == "new words":
            raise ValueError("a stage that `learns` new words leaves the encoder alone")
        if self.objective == "self_critical" and self.scheduled_sampling:
            raise ValueError(
                "`scheduled_sampling` is for the cross_entropy objective; a "
                "self_critical stage reads nothing but the model's own words"
            )
        if self.objective == "self_critical" and self.captions < 2:
            raise ValueError(
                "`captions` must be at least 2 for the self_critical objective, which "
                "compares them"
            )
        return self


class FinetuneConfig(RecipeConfig[StageConfig]):
    """A recipe to train a finished captioner further, on other photos.

    Attributes:
        vocabulary: which new words are learnt.
        choose_by: the metric that tells which epoch is best, a key of
            `captioner.metrics.photo_metrics.PHOTO_METRICS`.
    """

    vocabulary: VocabularyConfig = Field(default_factory=VocabularyConfig)
    choose_by: str = "CIDEr-D"


Weight = Annotated[float, Field(ge=-1000, le=1000)]


class ConfidenceConfig(Config):
    """How probable it is that a caption is right: a logistic regression.

        log-odds = bias + words * e.words + least * e.least + most * e.most
                   + missed * e.missed

    e is the caption's `captioner.describing.confidence.Evidence`; training finds the
    rest.
    """

    bias: Weight
    words: Weight
    least: Weight
    most: Weight
    missed: Weight


class CaptionerConfig(FinetuneConfig):
    """A whole recipe.

    Attributes:
        encoder, decoder: the net.
        concepts: how the decoder is told what the photo shows; None is not at all.
        unsure: captions of less confidence are not to be relied on, see
            `captioner.training.calibration`; training finds it, 0 is unknown.
        confidence: of a model with concepts, how it knows whether a caption is right
            about its main thing; training finds it, None is not at all.
        decoding: how it is used.
    """

    unsure: float = Field(0.0, ge=0, lt=1)
    encoder: EncoderConfig
    decoder: DecoderConfig
    concepts: ConceptsConfig | None = None
    confidence: ConfidenceConfig | None = None
    decoding: DecodingConfig = Field(default_factory=DecodingConfig)


def find_contradictions(recipe: CaptionerConfig, whole: bool) -> list[str]:
    """Say what in a recipe cannot be trained, or would change nothing.

    Old bundles may have the latter, so that it is no part of the schema.

    Args:
        recipe: all of it, for a model that is trained further as well.
        whole: whether all of it was just read, none being that of a model.
    """
    from captioner.metrics.photo_metrics import PHOTO_METRICS  # only trainings need it

    found, decoding = [], recipe.decoding
    found += check_choice("choose_by", recipe.choose_by, PHOTO_METRICS)
    if decoding.strategy.draws:
        found.append(
            f'decoding.method: "{decoding.method}" draws captions at random, which '
            'cannot choose the best epoch. Train with "beam"; `captioner caption '
            "--sample` draws."
        )
    if whole and recipe.decoder.attention == "hard" and not recipe.decoder.draws:
        found.append(
            "decoder.attention: the decoder has no attention "
            "(decoder.attention_units is 0). Leave it out, or give it some."
        )
    for stage in recipe.stages:
        found += _find_in_stage(stage, recipe, whole)
    return found


def _find_in_stage(
    stage: StageConfig, recipe: CaptionerConfig, whole: bool
) -> list[str]:
    from captioner.metrics.photo_metrics import PHOTO_METRICS

    place, decoder = f"stages.{stage.name}", recipe.decoder
    found = check_choice(f"{place}.reward", stage.reward, PHOTO_METRICS)
    critical, groups = stage.objective == "self_critical", recipe.decoding.groups
    if critical and stage.captions > MOST_BEAMS:
        found.append(
            f"{place}.captions: a self_critical stage searches with so many "
            f"beams, at most {MOST_BEAMS}. Received: {stage.captions}."
        )
    if critical and stage.captions % groups:
        found.append(
            f"{place}.captions: the {stage.captions} beams of a self_critical stage "
            f"are not shared in equal parts by decoding.groups {groups}. "
            f"Give a multiple of {groups}."
        )
    found += contradicts(place, stage, recipe.concepts)
    if not whole:
        return found
    if stage.learns == "new words":
        found.append(
            f"{place}.learns: from scratch, all words are new. Leave it out, or "
            "start from a model with --from."
        )
    if stage.attention_penalty and not decoder.attention_units:
        found.append(
            f"{place}.attention_penalty: the decoder has no attention "
            "(decoder.attention_units is 0). Leave it out, or give it some."
        )
    if critical and stage.attention_penalty and decoder.draws:
        found.append(
            f"{place}.attention_penalty: a self_critical stage does not teach hard "
            "attention where to look. Leave it out."
        )
    if stage.attention_entropy != ENTROPY and not decoder.draws:
        found.append(
            f"{place}.attention_entropy: it is about hard attention, and "
            "decoder.attention is not. Leave it out."
        )
    return found
