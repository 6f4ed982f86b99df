"""What the benchmarks share: photos to caption, processes to time, the machine."""

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from threading import Thread
from typing import Any, NamedTuple, TypeVar

import numpy as np
from PIL import Image, ImageChops

from shared.processors import usable_processors

EXAMPLES = Path(__file__).parent.parent / "examples"
CAPTIONER = [sys.executable, "-m", "captioner.cli"]
LARGE = (4000, 3000)  # px: the 12 megapixels of many phones
DIFFERENT_LARGE = 20
GRAIN = 4.5  # standard deviation of the noise; files come to 2 to 3 MB, as phones'

Result = TypeVar("Result")


class Run(NamedTuple):
    """A process that has ended.

    Attributes:
        seconds: from before its start until after its end.
        peak: most memory resident at once, MB; NaN where there is no /proc.
        said: what it wrote to standard error.
    """

    seconds: float
    peak: float
    said: str


def crops(size: tuple[int, int], count: int) -> Iterator[Image.Image]:
    """Cut and squash the example photos, and mirror every other cut."""
    rng = np.random.default_rng(0)
    paths = sorted(EXAMPLES.glob("*.jpg"))
    sources = [Image.open(path).convert("RGB") for path in paths]
    for number in range(count):
        image = sources[number % len(sources)]
        width, height = (rng.uniform(0.5, 1, 2) * image.size).astype(int)
        left = int(rng.integers(image.width - width + 1))
        top = int(rng.integers(image.height - height + 1))
        crop = image.resize(size, box=(left, top, left + width, top + height))
        if number % 2:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        yield crop


def draw_small(folder: Path, count: int, different: int | None = None) -> None:
    """Make a folder of JPEGs of 224 x 224, `different` of them (all, if None)."""
    folder.mkdir()
    images = crops((224, 224), min(count, different or count))
    for number, image in enumerate(images):
        image.save(folder / f"{number:05}.jpg", quality=88)
    _link(folder, different or count, count)


def draw_large(folder: Path, count: int) -> None:
    """Make a folder of JPEGs of 12 megapixels, 20 of them different."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    grain = rng.normal(128, GRAIN, LARGE[::-1]).round().astype(np.uint8)
    noise = Image.merge("RGB", [Image.fromarray(grain)] * 3)
    for number, image in enumerate(crops(LARGE, min(count, DIFFERENT_LARGE))):
        shifted = ImageChops.offset(noise, 97 * number, 61 * number)
        grainy = ImageChops.add(image, shifted, offset=-128)
        grainy.save(folder / f"{number:05}.jpg", quality=90)
    _link(folder, DIFFERENT_LARGE, count)


def _link(folder: Path, different: int, count: int) -> None:
    for number in range(different, count):
        source = folder / f"{number % different:05}.jpg"
        os.link(source, folder / f"{number:05}.jpg")


def run(command: Sequence[str], watch: Callable[[float], None] | None = None) -> Run:
    """Run a command to its end.

    Args:
        watch: told the memory resident now, MB, some 50 times a second.

    Raises:
        RuntimeError: if it fails.
    """
    peaks: list[float] = []

    def sample() -> None:
        while (memory := resident(process.pid)) is not None:
            peaks.append(memory["VmHWM"])
            if watch:
                watch(memory["VmRSS"])
            time.sleep(0.02)

    started = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    sampler = Thread(target=sample)
    sampler.start()
    _, said = process.communicate()
    seconds = time.perf_counter() - started
    sampler.join()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} failed: {said}")
    return Run(seconds, max(peaks, default=float("nan")), said)


def print_starts(commands: Mapping[str, tuple[Sequence[str], int]]) -> None:
    """Measure and print whole processes, as a table in Markdown.

    Args:
        commands: by name, each with its rounds; the others are compared with the first.
    """
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(1 + max(rounds for _, rounds in commands.values())):
        for name, (command, rounds) in commands.items():
            if number <= rounds:
                ended = run(command)
                seconds[name] += [ended.seconds] if number else []
    print("| | fastest | median | of the import: fastest | median |")
    print("|---|---|---|---|---|")
    base = next(iter(seconds.values()))
    for name, took in seconds.items():
        print(
            f"| {name} | {min(took):.3f} s | {median(took):.3f} s | "
            f"{min(took) / min(base):.3f} | {median(took) / median(base):.3f} |",
            flush=True,
        )


def resident(process: int) -> dict[str, float] | None:
    """Give VmRSS and VmHWM in MB; None once the process has ended.

    Not ru_maxrss: that is never below the memory of whoever started the process.
    """
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except OSError:
        return None
    found = re.findall(r"^(VmHWM|VmRSS):\s+(\d+) kB", status, re.MULTILINE)
    memory = {name: int(value) * 1024 / 1e6 for name, value in found}
    return memory if len(memory) == 2 else None


def alone(function: Callable[..., Result], *args: Any) -> Result:
    """Call a function of a script in a process of its own, which imports it anew."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def describe_machine() -> str:
    """Name the processor, its cores, and the versions that speed depends on."""
    model = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        named = re.search(r"^model name\s*:\s*(.+)$", info.read_text(), re.MULTILINE)
        model = named[1] if named else model
    packages = ("ai-edge-litert", "tensorflow", "keras", "numpy", "pillow")
    versions = ", ".join(f"{package} {_version(package)}" for package in packages)
    return (
        f"{model}, {usable_processors()} cores\n"
        f"Python {platform.python_version()}, {versions}"
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "is missing"
