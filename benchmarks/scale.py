"""The rate of workers beside that of the command alone, on the same photos.

    python benchmarks/scale.py                  # 20,000 links to those in examples/
    python benchmarks/scale.py 2000 --data DIR

Prints the photos a second of `captioner caption` and of `--engine ray`, start included,
their ratio, the most memory of the process that sends the work, and whether both have
written the same.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from shared.data.walking import is_photo_name

ROOT = Path(__file__).parents[1]


def link(source: Path, folder: Path, count: int) -> None:
    """Fill a folder with hard links to photos, or copies on another disk."""
    photos = [path for path in sorted(source.iterdir()) if is_photo_name(path.name)]
    folder.mkdir()
    for number in range(count):
        photo = photos[number % len(photos)]
        target = folder / f"{number:06d}{photo.suffix}"
        try:
            os.link(photo, target)
        except OSError:
            target.write_bytes(photo.read_bytes())


def run(*options: str, folder: Path) -> tuple[float, float]:
    """Caption the photos of a folder; give the seconds, and the most memory in MB."""
    command = [sys.executable, "-m", "captioner", "caption", "photos", *options]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=environment)
    _, status, usage = os.wait4(process.pid, 0)
    if os.waitstatus_to_exitcode(status):
        raise SystemExit("it failed")
    return time.monotonic() - started, usage.ru_maxrss / 1000


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("count", nargs="?", type=int, default=20_000)
    parser.add_argument("--data", type=Path, default=ROOT / "examples")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        link(args.data, folder / "photos", args.count)
        alone, _ = run("-o", "alone.jsonl", folder=folder)
        shared, memory = run("-o", "parts", "--engine", "ray", folder=folder)
        parts = sorted((folder / "parts").glob("part-*"))
        same = b"".join(p.read_bytes() for p in parts)
        equal = same == (folder / "alone.jsonl").read_bytes()
    rates = args.count / alone, args.count / shared
    print(f"{args.count} photos, start included")
    print(f"alone  {rates[0]:.1f} a second")
    print(f"ray    {rates[1]:.1f} a second, {rates[1] / rates[0]:.2f} of it")
    print(f"       {memory:.0f} MB in the process that sends the work")
    print(f"       {'the same' if equal else 'OTHER'} records")


if __name__ == "__main__":
    main()
