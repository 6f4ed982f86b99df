"""What a VQA model is made of and how it is trained: the schema of a recipe."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

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

Temperature = Annotated[float, Field(ge=0.001, le=1000)]


class NetConfig(CellConfig):
    """What answers a question about the features of a photo; cells read the question.

    Attributes:
        embed_dim: size of a word's vector.
        bag_units: size of a second vector of each word, which are summed over the
            question: learnt faster than a cell's state; 0 is the cell alone.
        pairs: slots for pairs of words that follow one another, whose vectors are
            summed as those of the bag; 0 is none. For sets of few questions.
        question_units: size of a question's vector, and of what attention sees.
        hops: times that the question looks at the photo's regions, each time with
            what it saw before (Yang et al. 2016, arXiv:1511.02274); 0 is the mean of
            the regions, without attention (Antol et al. 2015, arXiv:1505.00468).
        attention_units: hidden size of the attention.
        normalize: whether features are brought to one Euclidean length.
        fusion: how question and photo meet: "product" of the two, "concat" side by
            side, or "sum".
        joint_units: size of the two where they meet.
        word_dropout: share of the question's words replaced by unk in training.
        embed_dropout: share of the words' vectors dropped in training.
        region_dropout: the same of the features.
        joint_dropout: the same where question and photo meet.
    """

    embed_dim: Units
    bag_units: MaybeUnits = 0
    pairs: int = Field(0, ge=0, le=1_000_000)
    question_units: Units
    hops: int = Field(2, ge=0, le=8)
    attention_units: Units = 256
    normalize: bool = True
    fusion: Literal["product", "concat", "sum"] = "product"
    joint_units: Units
    word_dropout: Rate = 0.0
    embed_dropout: Rate = 0.0
    region_dropout: Rate = 0.0
    joint_dropout: Rate = 0.0

    @model_validator(mode="after")
    def _pairs_come_with_a_bag(self) -> "NetConfig":
        if self.pairs and not self.bag_units:
            raise ValueError(
                "`pairs` are summed as the words of the bag are, and there is no bag: "
                "set `bag_units`, or no `pairs`"
            )
        return self

    def least_weights(self, vocab_size: int, answers: int) -> int:
        """Count the weights that such a net has at the least.

        Left out are those whose number depends on the encoder, and biases.

        Args:
            vocab_size: words, special ones included.
            answers: of the vocabulary; 0 where they come with the question.
        """
        units, words, asked = self.units, self.embed_dim, self.question_units
        joint = self.joint_units
        count = vocab_size * (words + self.bag_units) + self.pairs * self.bag_units
        cell = CELLS[self.cell]
        count += cell.count_weights(words, units, self.layers)
        found = cell.states * units * self.layers
        found += self.bag_units * (2 if self.pairs else 1)
        count += found * asked
        count += self.hops * (2 * self.attention_units * asked + asked * joint)
        if self.fusion != "concat":
            count += asked * joint
        count += (
            joint
            * {"product": asked, "concat": asked + joint, "sum": joint}[self.fusion]
        )
        return count + answers * joint


class VocabularyConfig(Config):
    """Which words and answers are learnt.

    Attributes:
        min_count: a word seen less often in the training questions becomes unk.
        max_words: words of a question that the model reads.
        answers: so many of the most frequent training answers can be given.
        min_answers: an answer given less often in training is left out.
    """

    min_count: Positive = 2
    max_words: MaxWords = 24
    answers: int = Field(1000, ge=2, le=100_000)
    min_answers: Positive = 1


class StageConfig(PhotoStageConfig):
    """One stage of training.

    Attributes:
        questions: questions of each photo in a step, at most.
        mirror: whether photos are mirrored half of the time, with left and right
            exchanged in their questions and answers.
        augment: whether photos are cropped and brightened, if the encoder is trained.
    """

    questions: Positive = 8
    mirror: bool = True
    augment: bool = False


class AnsweringConfig(Config):
    """How sure an answer must be, found on the dev questions when training ends.

    Attributes:
        temperature: what scores are divided by before the softmax, so that a
            confidence of 0.7 is right in 70 % of the cases (Guo et al. 2017,
            arXiv:1706.04599).
        blind_temperature: the same for the twin that does not see the photo.
        unsure: an answer of less confidence is "not sure".
        openings: first words of the questions that it has learnt from.
    """

    temperature: Temperature = 1.0
    blind_temperature: Temperature = 1.0
    unsure: float = Field(0.0, ge=0, lt=1)
    openings: tuple[str, ...] = ()


class FinetuneConfig(RecipeConfig[StageConfig]):
    """A recipe to train a finished model further, on other photos or questions.

    Attributes:
        vocabulary: which new words and answers are learnt.
        choose_by: the metric that tells which epoch is best, a key of
            `vqa.metrics.criteria.CRITERIA`.
        texts: see `RecipeConfig`; questions are made of them.
        captions: captioned data sets whose photos taught the concept net: what it
            tells of them is made up for `texts` by.
    """

    vocabulary: VocabularyConfig = Field(default_factory=VocabularyConfig)
    choose_by: str = "accuracy"
    captions: tuple[str, ...] = ()


class VqaConfig(FinetuneConfig):
    """A whole recipe.

    Attributes:
        encoder, net: the parts.
        members: nets that learn side by side and answer by the mean of their scores;
            several err less, and take that much longer.
        objective: what a question's answers are: "answers" of the vocabulary,
            "choices" in words that come with the question (Zhu et al. 2016,
            arXiv:1511.03416: telling), or "boxes" of the photo (there: pointing).
        loss: of "answers": "softmax" learns the one that most people gave, "soft"
            all that people gave, by how many did (Teney et al. 2018,
            arXiv:1708.02711).
        answering: how the model is used.
        concepts: how questions are told what the photo shows; None is not at all.
    """

    encoder: EncoderConfig
    net: NetConfig
    concepts: ConceptsConfig | None = None
    members: int = Field(1, ge=1, le=20)
    objective: Literal["answers", "choices", "boxes"] = "answers"
    loss: Literal["softmax", "soft"] = "softmax"
    answering: AnsweringConfig = Field(default_factory=AnsweringConfig)

    @property
    def soft(self) -> bool:
        """Whether each answer is right or wrong by itself, not one of them all."""
        return self.objective == "answers" and self.loss == "soft"


def find_contradictions(recipe: VqaConfig, whole: bool) -> list[str]:
    """Say what in a recipe would change nothing.

    Old bundles may have it, so that it is no part of the schema.

    Args:
        recipe: all of it, for a model that is trained further as well.
        whole: whether all of it was just read, none being that of a model.
    """
    from vqa.metrics.criteria import CRITERIA  # only trainings need it

    found, net = check_choice("choose_by", recipe.choose_by, CRITERIA), recipe.net
    if recipe.concepts and recipe.objective != "answers":
        found.append(
            'concepts: they bear on the objective "answers" alone, not on '
            f'"{recipe.objective}". Leave them out.'
        )
    usual = VocabularyConfig()
    if whole and recipe.objective != "answers":
        alone = f'is about the objective "answers", not "{recipe.objective}"'
        if recipe.loss == "soft":
            found.append(f'loss: "soft" {alone}. Leave it out.')
        found += (
            f"vocabulary.{key}: {alone}. Leave it out."
            for key in ("answers", "min_answers")
            if getattr(recipe.vocabulary, key) != getattr(usual, key)
        )
    unused = NetConfig.model_fields["attention_units"].default
    if whole and not net.hops and net.attention_units != unused:
        found.append(
            "net.attention_units: there is no attention, as net.hops is 0. Leave it "
            "out, or give some hops."
        )
    for stage in recipe.stages:
        place = f"stages.{stage.name}"
        found += contradicts(place, stage, recipe.concepts)
        if stage.augment and not stage.reads_photos:
            found.append(
                f"{place}.augment: photos change only where they are read for each "
                "step, and this stage keeps their features. Leave it out, or train the "
                'encoder, or set features = "online".'
            )
        if stage.label_smoothing and recipe.soft:
            found.append(
                f'{place}.label_smoothing: the loss "soft" has none. Leave it out.'
            )
    return found
