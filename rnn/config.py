"""What a language model is made of and how it is trained: the schema of a recipe."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from shared.config import Config
from shared.nets.names import CELLS
from shared.runs.recipes import (
    CellConfig,
    MaybeUnits,
    Positive,
    Rate,
    RecipeConfig,
    StageConfig,
)


class NetConfig(CellConfig):
    """What reads a text, symbol after symbol, and predicts the next one.

    Attributes:
        embed_dim: size of a symbol's vector; 0 is one-hot vectors.
        dropout: share of each cell's output that is dropped in training, on its way up
            and not from step to step (Zaremba et al. 2014, arXiv:1409.2329).
    """

    embed_dim: MaybeUnits = 0
    dropout: Rate = 0.0

    def least_weights(self, vocab_size: int) -> int:
        """Count the weights that such a net has at the least, without biases."""
        read = self.embed_dim or vocab_size
        count = CELLS[self.cell].count_weights(read, self.units, self.layers)
        return count + vocab_size * (self.embed_dim + self.units)


class VocabularyConfig(Config):
    """Which symbols are learnt.

    Attributes:
        units: what a text is split into: "character", each a code point of Unicode, or
            "word", as `shared.text.vocabulary.split_words` has them, with an end of
            each line.
        min_count: a symbol seen less often in the text to learn from becomes unk.
    """

    units: Literal["character", "word"] = "character"
    min_count: Positive = 1


class ReadingConfig(StageConfig):
    """One stage of training, by truncated back-propagation through time.

    The text is cut into `batch_size` streams that are read side by side, `chunk`
    symbols in a step; the state goes on from chunk to chunk, the gradient does not.

    Attributes:
        batch_size: B, streams.
        chunk: T, symbols of each stream in a step.
    """

    batch_size: Positive = 64
    chunk: Annotated[int, Field(ge=1, le=10_000)] = 64


class RnnConfig(RecipeConfig[ReadingConfig]):
    """A whole recipe.

    Attributes:
        net, vocabulary: the parts.
        samples: steps after which the net writes something into the run's samples.txt.
        sample_length: symbols of each.
        precision: as in `RecipeConfig`, but for float16.
    """

    precision: Literal["float32", "mixed_bfloat16"] = "float32"
    net: NetConfig
    vocabulary: VocabularyConfig = Field(default_factory=VocabularyConfig)
    samples: tuple[Positive, ...] = (100, 300, 500, 700, 1200, 2000)
    sample_length: Annotated[int, Field(ge=1, le=10_000)] = 300

    @model_validator(mode="after")
    def _no_captions(self) -> "RnnConfig":
        if self.texts:
            raise ValueError(
                "`texts` are of captioners. Name a text to learn from with --text"
            )
        return self
