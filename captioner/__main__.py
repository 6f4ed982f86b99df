"""Lets `python -m captioner` do what `captioner` does."""

import sys

from captioner.cli import main

if __name__ == "__main__":
    sys.exit(main())
