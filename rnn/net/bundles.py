"""The bundles of language models: which one is meant, and what of it is text."""

from collections.abc import Sequence
from pathlib import Path

from rnn.config import RnnConfig
from rnn.net.symbols import Symbols
from shared.bundles import reading
from shared.bundles.folder import check_size
from shared.included import included_model

TASK, INCLUDED = "rnn", "included"


def find_bundle(source: str | Path | None) -> Path:
    """Give the folder of a bundle: None and "included" are the one that comes along."""
    if source is None or str(source) == INCLUDED:
        return included_model(TASK)
    return Path(source)


def read_bundle(
    folder: Path, graphs: Sequence[str] | None = None
) -> tuple[RnnConfig, Symbols]:
    """Check a bundle, and read its recipe and its symbols.

    Args:
        graphs: see `shared.bundles.reading.read_bundle`.

    Raises:
        AppError: if there is no bundle of a language model, or it is damaged.
    """
    config, vocabulary = reading.read_bundle(
        folder, TASK, RnnConfig, graphs, lambda _: ()
    )
    if graphs is None:
        check_size(folder, config.net.least_weights(len(vocabulary)))
    return config, Symbols(vocabulary, config.vocabulary.units)
