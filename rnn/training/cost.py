"""What a language model's training takes, see `shared.runs.cost`. Needs no Keras."""

from rnn.config import ReadingConfig, RnnConfig
from shared.nets.names import CELLS
from shared.runs.cost import PREPARE, REFERENCE_RATE, START, Cost, Epoch


def estimate_cost(
    recipe: RnnConfig, learn: int, dev: int, symbols: int, rate: float
) -> Cost:
    """Estimate what a training takes, within a factor of two.

    Args:
        recipe: with all its stages.
        learn, dev: symbols of the texts to learn from and to choose by.
        symbols: different ones that are learnt.
        rate: of this computer, see `shared.runs.cost.measure_rate`.
    """
    net = recipe.net
    # What each weight multiplies, a symbol; those of one-hot vectors are looked up.
    weights = CELLS[net.cell].count_weights(net.embed_dim, net.units, net.layers)
    weights += net.units * symbols

    def seconds(stage: ReadingConfig) -> float:
        together = stage.batch_size * stage.chunk
        epoch = Epoch(
            steps=learn // together,
            photos=0,
            forward=together * weights,
            judging=dev * weights,
            weights=weights,
        )
        return PREPARE + stage.epochs * epoch.seconds(0.0, 0)

    slower = REFERENCE_RATE / rate
    stages = tuple((stage.name, slower * seconds(stage)) for stage in recipe.stages)
    return Cost(disk=0, features=0.0, stages=stages, start=slower * START)
