"""The recipe of a training that goes on with a finished model."""

from collections.abc import Sequence

from shared.bundles.reading import read_bundle_config
from shared.runs.recipes import FEW, adapt_recipe
from vqa.answering.predict import SHIPPED
from vqa.config import FinetuneConfig, VqaConfig
from vqa.data import Record

FINETUNE = "finetune-vqa"
FEW_QUESTIONS = f"{FINETUNE}-few"


def is_few(records: Sequence[Record]) -> bool:
    """Whether the photos to learn from are few, those drawn to choose by included."""
    learn = {r.name for r in records if r.split == "train" or r.is_drawn}
    return 0 < len(learn) < FEW


def read_further(records: Sequence[Record] = ()) -> tuple[VqaConfig, str]:
    """Read what `--from included` does with such records, loading no model.

    Returns:
        the whole recipe, and what to call it.
    """
    name = FEW_QUESTIONS if is_few(records) else FINETUNE
    known = read_bundle_config(SHIPPED, "vqa", VqaConfig)
    recipe = adapt_recipe(known, name, FinetuneConfig, FINETUNE)
    return recipe, f"{name} --from included"
