"""What a recipe says of the concepts that a model is told beside a photo's regions."""

from typing import Annotated

from pydantic import Field, model_validator

from shared.config import Config

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
