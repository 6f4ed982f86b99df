"""What a VQA model's training takes, see `shared.runs.cost`."""

from typing import NamedTuple

from shared.nets.names import CELLS
from shared.runs import cost
from shared.runs.cost import FEATURES, REGIONS, Cost, Epoch
from vqa.config import StageConfig, VqaConfig

# Its products are larger than a captioner's, and so take less time for each
# multiplication; found from the recipes whose trainings were timed.
FASTER = 0.6


class Sizes(NamedTuple):
    """How much there is to learn.

    Attributes:
        train, dev: photos to learn from, and to choose by.
        asked: questions about the latter.
        words, answers: that the model knows.
    """

    train: int
    dev: int
    asked: int
    words: int
    answers: int


def estimate_cost(recipe: VqaConfig, sizes: Sizes, rate: float) -> Cost:
    """Estimate what a training takes, within a factor of two.

    Args:
        recipe: with the stages to come, also of a model that is trained further.
        sizes: of the data.
        rate: of this computer, see `shared.runs.cost.measure_rate`.
    """
    photo = FASTER * _photo(recipe)
    question = FASTER * _question(recipe, sizes.answers)
    weights = recipe.members * recipe.net.least_weights(sizes.words, sizes.answers)

    def epoch_of(stage: StageConfig) -> Epoch:
        batch = min(stage.batch_size, max(1, sizes.train))
        return Epoch(
            steps=sizes.train // batch,
            photos=batch,
            forward=batch * (photo + stage.questions * question) / (1 - stage.texts),
            judging=sizes.dev * photo + sizes.asked * question,
            weights=weights,
            scores=batch * stage.questions * sizes.answers * recipe.members,
        )

    return cost.estimate_cost(
        recipe.stages,
        recipe.encoder,
        sizes.train,
        sizes.dev,
        epoch_of,
        lambda stage: stage.mirror or stage.augment,
        rate,
    )


def _photo(recipe: VqaConfig) -> float:
    """Multiplications for the regions of one photo, whatever is asked."""
    net = recipe.net
    if not net.hops:
        return 0.0
    each = (FEATURES + 2 + net.hops * net.attention_units) * net.question_units
    return recipe.members * REGIONS * each


def _question(recipe: VqaConfig, answers: int) -> float:
    """Multiplications for one question, that of the twin without the photo as well."""
    net, words = recipe.net, recipe.vocabulary.max_words
    cell = CELLS[net.cell].count_weights(net.embed_dim, net.units, net.layers)
    look = net.question_units * net.attention_units
    look += REGIONS * (net.attention_units + net.question_units)
    seen = FEATURES + net.hops * net.question_units
    joint = net.joint_units * (seen + 2 * net.question_units + answers)
    return (recipe.members + 1) * (words * cell + joint) + net.hops * look
