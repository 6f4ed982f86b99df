"""The recipe of a training, as its command names it, without loading a model."""

from collections.abc import Sequence
from pathlib import Path

from captioner.config import CaptionerConfig, FinetuneConfig
from captioner.describing import predict
from captioner.describing.predict import SHIPPED
from shared.bundles.manifests import VOCABULARY
from shared.config import read_config
from shared.data.captioned import Record
from shared.runs.recipes import FEW, adapt_recipe
from shared.text.vocabulary import SPECIAL_WORDS, Vocabulary

FINETUNE = "finetune-captioner"
NEW_WORDS, KNOWN_WORDS = f"{FINETUNE}-new-words", f"{FINETUNE}-known-words"


def read_recipe(
    config: str | None, from_bundle: Path | None, records: Sequence[Record] = ()
) -> tuple[CaptionerConfig, str, Sequence[str]]:
    """Read what to train, and how.

    Args:
        config: a recipe's name or file; None is the recipe for training further.
        from_bundle: the trained model to start from, or `included`, which is the
            default without `config`.
        records: the photos, if they are to tell which recipe for training further.

    Returns:
        the recipe, what to call it, and the words that the model knows already.

    Raises:
        AppError: if the recipe or the bundle is refused.
    """
    if config and from_bundle is None:
        return read_config(config, CaptionerConfig, "captioner-"), config, SPECIAL_WORDS
    is_included = from_bundle is None or str(from_bundle) == "included"
    folder = SHIPPED if is_included else Path(str(from_bundle))
    words = Vocabulary.load(folder / VOCABULARY)
    known = predict.read_config(folder)
    name = config or choose(known, words.in_units(known.vocabulary.units), records)
    start = "included" if is_included else str(from_bundle)
    return further(known, name), f"{name} --from {start}", words.words


def choose(known: CaptionerConfig, words: Vocabulary, records: Sequence[Record]) -> str:
    """Name the recipe for training a model further that suits the photos.

    Of few photos, a model with concepts learns only the words that it does not know.

    Args:
        known: the recipe of the model.
        words: those that it knows.
        records: all photos; none are as many as there may be.
    """
    learn = [record for record in records if record.split == "train" or record.is_drawn]
    if not known.concepts or not 0 < len(learn) < FEW:
        return FINETUNE
    said = {w for r in learn for text in r.captions for w in words.split(text)}
    return NEW_WORDS if said - {*words.words} else KNOWN_WORDS


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
