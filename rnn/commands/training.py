"""Commands to train and score a language model."""

from typing import Annotated

import typer

from rnn.commands.options import Bundle, Text
from shared.console import options
from shared.console.progress import TrainingProgress, say
from shared.console.quiet import importing_keras, muted
from shared.errors import AppError

# Heavy imports wait inside the commands: --help takes a tenth of a second.


def train(
    config: Annotated[str, typer.Option(metavar="NAME|FILE", help="The recipe.")],
    text: Text,
    out: options.Out,
) -> None:
    """Train a model, or go on where an interrupted run stopped.

    Prints the folder of the trained model. samples.txt in OUT shows what it writes as
    it learns.
    """
    with muted():
        from rnn.training.train import train as run
    with TrainingProgress() as progress:
        bundle = run(config, text, out, announce=progress.announce, tick=progress.tick)
    print(bundle)


def evaluate(
    bundle: Bundle,
    text: Text,
    split: Annotated[
        options.Split | None,
        typer.Option(help="A part of the text, as in training; default: all of it."),
    ] = None,
) -> None:
    """Measure how well a model predicts a text: nats and bits, perplexity of words."""
    with importing_keras():
        from rnn.net.reader import load_reader
        from rnn.training.evaluate import measure
    from rnn.training.texts import read_texts, read_whole

    read = getattr(read_texts(text, say), split) if split else read_whole(text, say)
    reader = load_reader(bundle)
    ids = reader.symbols.encode(read)
    if not len(ids):
        raise AppError("There is nothing in this text to measure. Give a longer one.")
    print(measure(reader, ids))


COMMANDS = (train, evaluate)
