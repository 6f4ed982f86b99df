"""How long `captioner --help` takes, against importing TensorFlow.

    python benchmarks/startup.py

Prints the fastest of some runs of each, as whole processes. Nothing else should
run on the machine meanwhile.
"""

import subprocess
import sys
import time

ROUNDS = 7


def fastest(command: list[str]) -> float:
    """Run a command some times; give the seconds of the fastest run."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def main() -> None:
    """Measure and print."""
    help_page = fastest([sys.executable, "-m", "captioner.cli", "--help"])
    tensorflow = fastest([sys.executable, "-c", "import tensorflow"])
    print(f"captioner --help   {help_page:6.3f} s")
    print(f"import tensorflow  {tensorflow:6.3f} s")
    print(f"ratio              {help_page / tensorflow:6.3f}")


if __name__ == "__main__":
    main()
