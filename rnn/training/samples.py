"""What a net in training writes at chosen steps: samples.txt of a run."""

from pathlib import Path

from rnn.net.runtime import Runtime
from rnn.net.symbols import Symbols
from rnn.writing.writer import draw
from shared.files.atomic import write_text

SAMPLES = "samples.txt"


def add_sample(
    path: Path, step: int, runtime: Runtime, symbols: Symbols, length: int
) -> None:
    """Add what a net writes after a step, unless it is there: a run may go on."""
    title = f"== step {step} ==\n"
    before = path.read_text("utf-8") if path.exists() else ""
    if title in before:
        return
    characters = symbols.units == "character"
    ids = draw(runtime, symbols.start, length, seed=step, characters=characters)
    write_text(path, f"{before}{title}{symbols.decode(ids)}\n\n")
