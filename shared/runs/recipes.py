"""The parts of a recipe that tasks share: its schema, and how a recipe is adapted.

A task builds its recipe from these: `RecipeConfig` of its own stages, which are
`StageConfig`, or `PhotoStageConfig` where an `EncoderConfig` looks at photos.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import Field, model_validator

from shared.config import Config, read_config
from shared.errors import AppError
from shared.nets.names import CELLS, CellName
from shared.vision.names import EncoderName

Rate = Annotated[float, Field(ge=0, lt=1)]
Positive = Annotated[int, Field(ge=1, le=1_000_000_000)]
Units = Annotated[int, Field(ge=1, le=8192)]  # of a layer
MaybeUnits = Annotated[int, Field(ge=0, le=8192)]  # 0 is no such layer
Layers = Annotated[int, Field(ge=1, le=16)]
MaxWords = Annotated[int, Field(ge=1, le=200)]
Precision = Literal["float32", "mixed_bfloat16", "mixed_float16"]
FEW = 300  # photos; further training on fewer has to spare what a model knows
Seed = Annotated[int, Field(ge=0, lt=2**32)]  # as NumPy takes it


class EncoderConfig(Config):
    """The convolutional net.

    Attributes:
        name: a key of `shared.vision.names.ENCODERS`.
        weights: what training starts from: "imagenet", "none", a file's path, or the
            folder of a bundle with such an encoder; of a VQA model also "captioner",
            the encoder of the captioner that comes along: one look at a photo then
            serves both.
        image_size: height and width that it sees, px.
        resize: "squash" ignores the aspect ratio, "crop" keeps the middle square.
    """

    name: EncoderName
    weights: str = "imagenet"
    image_size: int = Field(224, ge=32, le=1024)
    resize: Literal["squash", "crop"] = "squash"


class CellConfig(Config):
    """Recurrent cells on one another, and how their weights start.

    Attributes:
        cell: a key of `shared.nets.names.CELLS`.
        layers: cells stacked on one another.
        units: size of a cell's state.
        recurrent_start: how each matrix between states starts: "orthogonal" (Saxe et
            al. 2014, arXiv:1312.6120), "identity" (Le et al. 2015, arXiv:1504.00941)
            or "glorot_uniform" (Glorot & Bengio 2010); None is as the cell has it,
            mostly orthogonal with all matrices of a cell side by side.
        forget_bias: where the bias of the forget gate starts (Jozefowicz et al. 2015):
            the higher, the longer a new cell remembers. None is 1.
    """

    cell: CellName = "lstm"
    layers: Layers = 1
    units: Units
    recurrent_start: str | None = None
    forget_bias: float | None = Field(None, ge=-20, le=20)

    @model_validator(mode="after")
    def _start_suits_the_cell(self) -> "CellConfig":
        source = CELLS[self.cell]
        if self.recurrent_start not in (None, *source.starts):
            raise ValueError(
                f"`recurrent_start` {self.recurrent_start!r} is none that the cell "
                f"{self.cell!r} can have: {', '.join(source.starts)}. Give one of "
                "them, or leave it out"
            )
        if self.forget_bias is not None and not source.forgets:
            gated = ", ".join(name for name, cell in CELLS.items() if cell.forgets)
            raise ValueError(
                f"`forget_bias` {self.forget_bias:g} needs a forget gate, and the cell "
                f"{self.cell!r} has none. Leave it out, or choose one of {gated}"
            )
        return self

    def make_cells(self) -> list[Any]:
        """Make the cells, the lowest first; this imports Keras."""
        start = {
            "recurrent_start": self.recurrent_start,
            "forget_bias": self.forget_bias,
        }
        source = CELLS[self.cell]
        return [source.make(self.units, **start) for _ in range(self.layers)]


class StageConfig(Config):
    """One stage of training; it starts from the best weights so far.

    Attributes:
        name: for logs and folders.
        epochs: passes over the training data at the most.
        patience: passes without a better score before the stage ends.
        batch_size: examples in a step; of photos, photos.
        learning_rate: highest rate of all but an encoder.
        warmup: share of the steps in which the rate rises from 0; it then falls to
            `final_rate` times its height along a cosine.
        final_rate: see `warmup`.
        weight_decay: of AdamW, for matrices.
        clip_norm: highest norm of a step's gradient.
        clip_value: if given, the largest size of an element of a step's gradient, in
            place of `clip_norm`.
        label_smoothing: share of the target spread over all words, or answers.
        average: momentum of the running mean of the weights, which is what is
            validated and kept; 0 keeps the weights themselves.
    """

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    epochs: Positive
    patience: Positive = 3
    batch_size: Positive = 32
    learning_rate: float = Field(gt=0, le=1)
    warmup: Rate = 0.05
    final_rate: float = Field(0.0, ge=0, le=1)
    weight_decay: float = Field(0.0, ge=0, le=100)
    clip_norm: float = Field(5.0, gt=0, le=1e9)
    clip_value: float | None = Field(None, gt=0, le=1e9)
    label_smoothing: Rate = 0.0
    average: Rate = 0.0


class PhotoStageConfig(StageConfig):
    """A stage that learns from photos.

    Attributes:
        encoder_rate: highest rate of the encoder; 0 leaves it frozen.
        encoder_from: what of the encoder is trained: all, none or its first layer.
        features: of a frozen encoder: "cached" computes them once and keeps them on
            disk; "online" reads the photos for each step, and computes them anew.
        blind: share of the photos whose regions are hidden, so that a net with
            concepts learns to listen to them.
        texts: share of what has no photos among all that the stage learns from.
    """

    encoder_rate: float = Field(0.0, ge=0, le=1)
    encoder_from: str = "none"
    features: Literal["cached", "online"] = "cached"
    blind: Rate = 0.0
    texts: Rate = 0.0

    @property
    def reads_photos(self) -> bool:
        """Whether photos are read for each step, and no features are kept."""
        return self.encoder_rate > 0 or self.features == "online"

    @model_validator(mode="after")
    def _encoder_is_trained_or_not(self) -> "PhotoStageConfig":
        if (self.encoder_rate > 0) != (self.encoder_from != "none"):
            raise ValueError(
                "`encoder_rate` above 0 and `encoder_from` go together: set both to "
                "train the encoder, or neither"
            )
        return self


S = TypeVar("S", bound=StageConfig)


class RecipeConfig(Config, Generic[S]):
    """How a model is trained, whatever it is.

    Attributes:
        about: what the card should say of the data, its licence and limits.
        seed: of new weights, the order of the data, and dropout.
        balance: how several data sets are mixed: what is drawn from each in an epoch
            is as its size to this power, none less than once. 1 draws each example
            once, 0 as many from all sets.
        texts: files of captions without photos, see `shared.data.texts`.
        precision: of the arithmetic in training, but for the encoder's;
            "mixed_bfloat16" is faster on processors with AMX and on GPUs,
            "mixed_float16" on GPUs that lack bfloat16. Weights are always float32.
        stages: trained one after the other.
    """

    about: str = ""
    seed: Seed = 1
    balance: float = Field(0.5, ge=0, le=1)
    texts: tuple[str, ...] = ()
    precision: Precision = "float32"
    stages: Annotated[tuple[S, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _stage_names_differ(self) -> "RecipeConfig[S]":
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError(f"stages need different names. Received: {names}")
        return self


R = TypeVar("R", bound=RecipeConfig)


def name_files(recipe: R, files: Mapping[str, Sequence[str]]) -> R:
    """Set the files of a recipe to those that a command names, if it names any.

    Args:
        files: paths by the recipe's key.
    """
    given = {key: tuple(paths) for key, paths in files.items() if paths}
    return recipe.model_copy(update=given) if given else recipe


def set_precision(recipe: R, precision: Precision | None) -> R:
    """Set the precision of a recipe to that which a command names, if it names one."""
    return recipe.model_copy(update={"precision": precision}) if precision else recipe


def adapt_recipe(known: R, source: str, schema: type[Config], prefix: str) -> R:
    """Give the whole recipe of a model that is trained further.

    Args:
        known: the recipe of the model.
        source, schema, prefix: see `shared.config.read_config`; the schema has what
            may change.

    Raises:
        AppError: if the recipe is refused.
    """
    try:
        change = read_config(source, schema, prefix)
    except AppError as error:
        raise AppError(
            f"{error}\nA recipe to train a model further (--from) has "
            f"{', '.join(schema.model_fields)}; all else comes with the model."
        ) from error
    values = dict(change)
    origin = known.about.strip() or "Nothing."
    about = f"{values['about']}\n\nIt started from a model of which this is said:"
    changes = {**values, "about": f"{about}\n\n{origin}".strip()}
    return known.model_copy(update=changes)


def check_choice(key: str, name: str, choices: Collection[str]) -> list[str]:
    """Say so if a recipe names what there is not.

    Args:
        key: of the recipe, such as "choose_by".
        choices: what there is.
    """
    if name in choices:
        return []
    return [f"{key}: there is no {name!r}. Give one of {', '.join(choices)}."]


def check_batches(stages: Sequence[StageConfig], devices: int) -> list[str]:
    """Say so if a step has fewer examples than there are devices to share them."""
    return [
        f"stages.{stage.name}.batch_size: {stage.batch_size} cannot be shared by "
        f"{devices} devices. Raise it, or lower --devices."
        for stage in stages
        if stage.batch_size < devices
    ]


def refuse(source: str, problems: Sequence[str]) -> None:
    """Refuse a recipe with all its problems, if there are any.

    Raises:
        AppError: if there are.
    """
    if problems:
        raise AppError(f"{source} is refused:\n  " + "\n  ".join(problems))
