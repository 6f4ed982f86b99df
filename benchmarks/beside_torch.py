"""Steps of a training in processes that take turns: sightread's, and PyTorch's."""

import subprocess
import sys
from pathlib import Path
from statistics import median

TURNS, TAKEN = 3, 8  # processes of each side, and steps that are timed in each


def compare(
    script: str | Path, name: str, torch_name: str, code: str, count: int, unit: str
) -> None:
    """Measure both sides, and print a table.

    Args:
        script: prints, if --own is given, the seconds of each of sightread's steps.
        name: of what it measures.
        torch_name: of the other side.
        code: Python that prints the same of PyTorch.
        count: how many of the unit are in a step.
        unit: such as "photos/s".
    """
    sides = {name: [sys.executable, str(script), "--own"]}
    if torch := _find_torch():
        sides[torch_name] = [torch, "-c", code]
    else:
        print("PyTorch is not here (give --torch PYTHON): nothing to compare with.")
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(TURNS):
        for side, command in sides.items():
            seconds[side] += map(float, _output(command).split())
    print("| training | fastest | median | of PyTorch: fastest | median |")
    print("|---|---|---|---|---|")
    base = seconds.get(torch_name)
    for side, took in seconds.items():
        best, usual = (count / of(took) for of in (min, median))
        ratios = "| |"
        if base:
            ratios = (
                f"{min(base) / min(took):.2f} | {median(base) / median(took):.2f} |"
            )
        print(f"| {side} | {best:,.0f} {unit} | {usual:,.0f} | {ratios}")


def _find_torch() -> str:
    """Give an interpreter that has PyTorch; empty if there is none."""
    words = sys.argv[1:]
    python = words[1] if words[:1] == ["--torch"] and words[1:] else sys.executable
    found = subprocess.run([python, "-c", "import torch"], capture_output=True)
    return "" if found.returncode else python


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
