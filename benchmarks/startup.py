"""How long it takes to start, against importing TensorFlow.

    python benchmarks/startup.py [--quick]

Each row is a whole process, from before its start until after its end: the page of
help, and one photo described, by LiteRT and by Keras. A round runs every command once,
so that a slow minute of the machine slows them alike; one round before them goes
uncounted, after which all files are in memory. The ratios are of the fastest runs, and
of the medians. With --quick, a third of the rounds, and not the last row. Nothing else
should run on the machine meanwhile.
"""

import argparse
import sys

from photos import CAPTIONER, EXAMPLES, describe_machine, print_starts

PHOTO = str(EXAMPLES / "photographer.jpg")
TENSORFLOW = "import tensorflow"
COMMANDS = {  # name -> command, rounds
    TENSORFLOW: ([sys.executable, "-c", TENSORFLOW], 5),
    "captioner --help": ([*CAPTIONER, "--help"], 9),
    "captioner caption PHOTO": ([*CAPTIONER, "caption", PHOTO], 9),
    "the same, --runtime keras": (
        [*CAPTIONER, "caption", PHOTO, "--runtime", "keras"],
        3,
    ),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    commands = COMMANDS
    if parser.parse_args().quick:
        commands = {name: (words, n // 3) for name, (words, n) in COMMANDS.items()}
        del commands["the same, --runtime keras"]
    print(describe_machine())
    print_starts(commands)


if __name__ == "__main__":
    main()
