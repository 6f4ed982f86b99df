"""Lets `python -m rnn` do what `rnn` does."""

import sys

from rnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
