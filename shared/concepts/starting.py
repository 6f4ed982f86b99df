"""What a training that looks at photos starts from: an encoder, and concepts of it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, Protocol, TypeVar

from shared.concepts.config import ConceptsConfig
from shared.concepts.cross_fitting import read_taught
from shared.concepts.net import ConceptNet
from shared.concepts.table import ConceptProbs
from shared.errors import AppError
from shared.runs.photos import check_blocks
from shared.runs.recipes import EncoderConfig, PhotoStageConfig
from shared.vision.encoders import Encoder

R = TypeVar("R")  # recipe
W = TypeVar("W")  # words
M = TypeVar("M")  # model


class Named(NamedTuple):
    """What a command names to start from.

    Attributes:
        config: a recipe's name or file; None with a bundle is the one for fine-tuning.
        from_bundle: a trained model that is trained further.
        encoder_weights: used instead of the recipe's.
        concepts: what `captioner teach` wrote, for a recipe with concepts.
    """

    config: str | None = None
    from_bundle: Path | None = None
    encoder_weights: str | None = None
    concepts: Path | None = None

    def check(self) -> None:
        """Make sure that these go together.

        Raises:
            AppError: if not.
        """
        if self.from_bundle is None:
            if self.config is None:
                raise AppError("Give a recipe with --config, or a bundle with --from.")
        elif self.encoder_weights is not None or self.concepts is not None:
            raise AppError(
                "A model that goes on with --from brings its encoder and concepts: "
                "leave out --encoder-weights and --concepts."
            )


class _Recipe(Protocol):
    """A recipe of a model that looks at photos."""

    @property
    def encoder(self) -> EncoderConfig: ...
    @property
    def concepts(self) -> ConceptsConfig | None: ...
    @property
    def stages(self) -> Sequence[PhotoStageConfig]: ...


class Model(Protocol):
    """A model that looks at photos."""

    encoder: Encoder
    concepts: ConceptNet | None


class Backbone(NamedTuple):
    """What a run looks at photos with.

    Attributes:
        encoder: with its weights.
        concepts: the concept net of this encoder, for a recipe with concepts.
        fitted: what it tells of the photos that taught it, as if it did not know
            them, by their digests.
        origin: for the card: a bundle, or the encoder's weights.
    """

    encoder: Encoder
    concepts: ConceptNet | None
    fitted: Mapping[str, ConceptProbs]
    origin: str | Path


class Start(NamedTuple, Generic[R, W, M]):
    """What a run starts from.

    Attributes:
        recipe: all of it.
        backbone: what it looks at photos with.
        words: what is known by name from the beginning.
        model: what is trained further, if anything is.
        known: the recipe of that model, if nobody chose one for training it further.
    """

    recipe: R
    backbone: Backbone
    words: W
    model: M | None = None
    known: R | None = None


def load_backbone(
    source: str,
    named: Named,
    recipe: _Recipe,
    model: Model | None,
    weights: Mapping[str, Path] | None = None,
) -> Backbone:
    """Give what a recipe looks at photos with: a model's own, or a new one.

    Args:
        source: the recipe's name or file, for messages.
        model: what is trained further.
        weights: of encoders that come along, by the names that a recipe has for them.

    Raises:
        AppError: if the stages cannot be trained with it, or a part is missing or
            superfluous.
    """
    if model and named.from_bundle:
        backbone = Backbone(model.encoder, model.concepts, {}, named.from_bundle)
    else:
        config = recipe.encoder
        name = named.encoder_weights or config.weights
        origin = str((weights or {}).get(name, name))
        start = None if origin == "none" else origin
        encoder = Encoder(config.name, config.image_size, start)
        has_concepts = recipe.concepts is not None
        concepts, fitted = read_taught(source, named.concepts, has_concepts)
        backbone = Backbone(encoder, concepts, fitted, origin)
    check_blocks(backbone.encoder, {s.name: s.encoder_from for s in recipe.stages})
    return backbone
