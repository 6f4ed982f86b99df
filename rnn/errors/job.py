"""Reads a text with a net, and studies its errors."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnn.errors.oracles import WINDOWS
from rnn.errors.study import ErrorReport, Text, study_errors
from rnn.training.texts import read_texts, read_whole
from shared.console.progress import progress_bar, say
from shared.console.quiet import importing_keras
from shared.errors import AppError

if TYPE_CHECKING:
    from rnn.net.reader import Reader
    from rnn.net.symbols import Symbols

FEWEST = 100  # symbols that say anything about errors
STREAMS = 64
LEAD = max(WINDOWS)  # symbols before what is judged that oracles may remember
LONGEST_WORD = 20  # in a guess of how many characters these are


def find_errors(
    source: str,
    texts: Sequence[str],
    training: Sequence[str] = (),
    *,
    length: int | None = None,
    pair: str = "{}",
) -> ErrorReport:
    """Study the errors of a model on a text.

    Args:
        source: a bundle's folder, or "included".
        texts: what `rnn.training.texts.read_texts` takes. The test part is judged, and
            the n-gram models learn from the train part, as the net has.
        training: texts for the n-gram models; then all of `texts` is judged.
        length: symbols to judge at most.
        pair: opening and closing brace.

    Raises:
        AppError: if there is no such model or text, too little of it to judge, or
            `pair` is not two characters.
    """
    if len(pair) != 2 or pair[0] == pair[1]:
        raise AppError(
            "The opening and the closing brace are two different characters, such as "
            f"'()'. Received: {pair!r}."
        )
    if training:
        before, judged = "", read_whole(texts, say)
        learnt = read_whole(training, say)
    else:
        parts = read_texts(texts, say)
        before, judged, learnt = parts.train + parts.dev, parts.test, parts.train
    with importing_keras():  # after what may be wrong with the texts
        from rnn.net.reader import load_reader

    reader = load_reader(source)
    known = _split(learnt, reader.symbols)
    lead = _split(before[-LEAD * LONGEST_WORD :], reader.symbols, slice(-LEAD, None))
    own = _split(judged, reader.symbols, slice(length))
    for part, names, purpose in (
        (own, texts, "judge"),
        (known, training or texts, "learn n-grams from"),
    ):
        if len(part.ids) < FEWEST:
            raise AppError(
                f"{', '.join(names)}: there are {len(part.ids)} "
                f"{reader.symbols.units}s to {purpose}; {FEWEST} is the least. Of a "
                "text that is not split, the last tenth is judged. Give a longer one."
            )
    text = Text(
        lead.symbols + own.symbols,  # type: ignore[operator]  # both str, or both list
        np.concatenate([lead.ids, own.ids]),
    )
    return study_errors(
        read_log_probs(reader, text.ids),
        text,
        known,
        len(reader.symbols),
        start=len(lead.ids),
        pair=pair,
    )


def read_log_probs(reader: "Reader", ids: np.ndarray) -> np.ndarray:
    """Read a text in several streams, in sight of the user.

    Args:
        ids: int (T,).

    Returns:
        float32 (T,): natural logarithms of probabilities.
    """
    log_probs, done = np.empty(len(ids), np.float32), 0
    with progress_bar("read", len(ids), unit="symbols") as advance:
        for piece in reader.read(ids, streams=STREAMS):
            log_probs[piece.start : piece.start + len(piece.log_probs)] = (
                piece.log_probs
            )
            done += len(piece.log_probs)
            advance(done)
    return log_probs


def _split(text: str, symbols: "Symbols", part: slice = slice(None)) -> Text:
    return Text(symbols.split(text)[part], symbols.encode(text)[part])


def title(source: str, texts: Sequence[str]) -> str:
    """Name a study, for the head of a page."""
    return f"Errors of {source} on {', '.join(Path(text).name for text in texts)}"
