"""What a recipe says of the concepts that a model is told beside a photo's regions."""

from typing import Annotated

from pydantic import Field, model_validator

from shared.config import Config
from shared.errors import AppError
from shared.runs.recipes import PhotoStageConfig, RecipeConfig

Word = Annotated[str, Field(min_length=1, max_length=100)]


class ConceptsConfig(Config):
    """How many concepts of a photo a net attends to, and which are never left out.

    Attributes:
        slots: the likeliest concepts of the photo that are attended to.
        units: size that a concept's vector is brought to.
        always: concepts that always have a slot: a low probability tells as much, such
            as that nobody is there.
    """

    slots: int = Field(16, ge=1, le=256)
    units: int = Field(256, ge=1, le=8192)
    always: tuple[Word, ...] = ("person",)

    @model_validator(mode="after")
    def _always_fit(self) -> "ConceptsConfig":
        if len(set(self.always)) != len(self.always):
            raise ValueError(f"`always` names a word twice: {list(self.always)}")
        if len(self.always) > self.slots:
            raise ValueError(
                f"`always` names {len(self.always)} words, and there are {self.slots} "
                "`slots`: name fewer words, or set more `slots`"
            )
        return self


def contradicts(
    place: str, stage: PhotoStageConfig, concepts: ConceptsConfig | None
) -> list[str]:
    """Say what in a stage of training cannot be had together, with concepts or without.

    Args:
        place: of the stage, for messages.
        concepts: of the recipe.
    """
    if not concepts and (stage.texts or stage.blind):
        return [
            f"{place}: `texts` and `blind` are about concepts, and the recipe has "
            "no [concepts]. Leave them out, or add it."
        ]
    if stage.features == "online" and stage.encoder_rate:
        return [
            f"{place}.features: photos are read for each step wherever the encoder is "
            "trained. Leave it out."
        ]
    if concepts and stage.features == "online":
        return [
            f"{place}.features: the concepts are read from features that are kept. "
            "Leave it out."
        ]
    if concepts and stage.encoder_rate:
        return [
            f"{place}.encoder_rate: the concepts are read from the features of the "
            "encoder as it is, so it cannot be trained. Leave it out."
        ]
    return []


def check_texts(source: str, recipe: RecipeConfig) -> None:
    """Make sure that there is what a recipe would learn from without photos.

    Args:
        source: the recipe's name or file, for the message.

    Raises:
        AppError: if there is nothing, and should be.
    """
    if any(stage.texts for stage in recipe.stages) and not recipe.texts:
        raise AppError(
            f"{source} learns from captions without photos: name files of them with "
            "--texts, or in its `texts`; or set the `texts` of its stages to 0."
        )
