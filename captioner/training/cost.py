"""What a captioner's training takes, see `shared.runs.cost`."""

from captioner.config import CaptionerConfig, StageConfig
from shared.runs import cost
from shared.runs.cost import REGIONS, STEP, Cost, Epoch

TOKENS = 12  # words of a caption
REFERENCE = 900  # bytes that the reward keeps of one


def estimate_cost(
    recipe: CaptionerConfig, train: int, dev: int, words: int, rate: float
) -> Cost:
    """Estimate what a training takes, within a factor of two.

    Args:
        recipe: with the stages to come, also of a model that is trained further.
        train: photos to learn from.
        dev: photos to choose by.
        words: size of the vocabulary.
        rate: of this computer, see `shared.runs.cost.measure_rate`.
    """
    word = _decoder(recipe, words)
    beams = recipe.decoding.beam_size

    def epoch_of(stage: StageConfig) -> Epoch:
        batch = min(stage.batch_size, max(1, train))
        steps = train // batch
        captions = batch * stage.captions / (1 - stage.texts)
        scores = captions * (recipe.vocabulary.max_words + 1) * words
        kept = 0.0
        if stage.objective == "self_critical":  # which searches first
            captions *= 2
            kept = 5 * train * REFERENCE
        waiting = dev * TOKENS * STEP / 60  # for the steps of searches
        return Epoch(
            steps=steps,
            photos=batch,
            forward=captions * TOKENS * word,
            judging=dev * TOKENS * beams * word,
            weights=word + 2e6,
            waiting=waiting + (steps * STEP if stage.texts else 0.0),
            scores=scores,
            held=kept,
        )

    return cost.estimate_cost(
        recipe.stages,
        recipe.encoder,
        train,
        dev,
        epoch_of,
        lambda stage: stage.augment,
        rate,
    )


def _decoder(recipe: CaptionerConfig, words: int) -> float:
    """Multiplications for one word."""
    net = recipe.decoder
    cell = 4 * net.units * (net.embed_dim + net.region_units + net.units) * net.layers
    attention = REGIONS * (net.attention_units + net.region_units)
    return cell + attention + net.embed_dim * (net.units + words)
