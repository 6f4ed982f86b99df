"""The recipe of a training, as its command names it, without loading a model."""

from collections.abc import Sequence
from pathlib import Path

from captioner import predict
from captioner.config import CaptionerConfig, FinetuneConfig
from captioner.predict import SHIPPED
from shared import bundles
from shared.config import read_config
from shared.runs import adapt_recipe
from shared.text import SPECIAL_WORDS, Vocabulary

FINETUNE = "finetune-captioner"


def read_recipe(
    config: str | None, from_bundle: Path | None
) -> tuple[CaptionerConfig, str, Sequence[str]]:
    """Read what to train, and how.

    Args:
        config: a recipe's name or file; None is the recipe for training further.
        from_bundle: the trained model to start from, or `included`, which is the
            default without `config`.

    Returns:
        the recipe, what to call it, and the words that the model knows already.

    Raises:
        AppError: if the recipe or the bundle is refused.
    """
    if config and from_bundle is None:
        return read_config(config, CaptionerConfig, "captioner-"), config, SPECIAL_WORDS
    is_included = from_bundle is None or str(from_bundle) == "included"
    folder = SHIPPED if is_included else Path(str(from_bundle))
    words = Vocabulary.load(folder / bundles.VOCABULARY)
    recipe = further(predict.read_config(folder), config or FINETUNE)
    start = "included" if is_included else str(from_bundle)
    return recipe, f"{config or FINETUNE} --from {start}", words.words


def further(known: CaptionerConfig, source: str) -> CaptionerConfig:
    """Give the whole recipe of a model that is trained further.

    Args:
        known: the model's; it says what a word is, unless the source does.
        source: a recipe's name or file.

    Raises:
        AppError: if it is refused.
    """
    recipe = adapt_recipe(known, source, FinetuneConfig, FINETUNE)
    if known.concepts and source == FINETUNE:
        # Its concepts are read from the features of the encoder as it is.
        stages = tuple(stage for stage in recipe.stages if not stage.encoder_rate)
        recipe = recipe.model_copy(update={"stages": stages})
    if "units" in recipe.vocabulary.model_fields_set:
        return recipe
    units = {"units": known.vocabulary.units}
    vocabulary = recipe.vocabulary.model_copy(update=units)
    return recipe.model_copy(update={"vocabulary": vocabulary})
