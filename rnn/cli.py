"""Command line of the recurrent laboratory, e.g. `rnn train --config rnn-tiny …`."""

import sys

from rnn.commands.compare import compare
from rnn.commands.errors import errors
from rnn.commands.gradients import gradients
from rnn.commands.inspect import inspect
from rnn.commands.sample import sample
from rnn.commands.training import COMMANDS
from shared.console.commands import new_app, run_app

# Heavy imports wait inside the commands: --help takes a tenth of a second.

app = new_app("rnn", "Train recurrent nets that write, and look at what they do.")

for _command in (*COMMANDS, sample, inspect, errors, gradients, compare):
    app.command()(_command)


def main(argv: list[str] | None = None) -> int:
    """Run one command; see `run_app`."""
    return run_app(app, argv, "Close other programs, or use a smaller model.")


if __name__ == "__main__":
    sys.exit(main())
