"""Whether the memory of a long run grows.

    python benchmarks/memory.py [COUNT]

Captions a folder of COUNT photos (10,000 unless said otherwise; 200 different JPEGs of
224 x 224 under as many names) with `captioner caption FOLDER -o FILE.jsonl`, and
prints how much of it was resident after the first 1,000 photos (or half of them, if
that is fewer), at the end, and at most. The first two are medians over the tenth of
the photos that follows, or comes last: memory goes up and down with every batch, and
down once the process leaves. Files that are mapped, such as the model's graphs, count
as resident. Needs Linux, for /proc.
"""

import sys
import tempfile
from pathlib import Path
from statistics import median

from photos import CAPTIONER, describe_machine, draw_small, run

DIFFERENT = 200
FIRST = 1000


def main() -> None:
    """Measure and print."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    first, tenth = min(FIRST, count // 2), count // 10
    print(describe_machine())
    with tempfile.TemporaryDirectory() as name:
        photos, output = Path(name, "photos"), Path(name, "captions.jsonl")
        draw_small(photos, count, min(DIFFERENT, count))
        resident: list[tuple[int, float]] = []  # photos done, MB
        size = done = 0

        def watch(memory: float) -> None:
            nonlocal size, done
            if output.exists():
                with output.open("rb") as file:
                    file.seek(size)
                    new = file.read()
                size, done = size + len(new), done + new.count(b"\n")
            resident.append((done, memory))

        ended = run([*CAPTIONER, "caption", str(photos), "-o", str(output)], watch)

    def around(low: int, high: int) -> float:
        found = [memory for done, memory in resident if low <= done < high]
        return median(found) if found else float("nan")

    early, late = around(first, first + tenth), around(count - tenth, count)
    print(
        f"{count} photos: {ended.seconds:.1f} s, {count / ended.seconds:.1f} a second"
    )
    print(f"after {first:6} photos  {early:7.1f} MB")
    print(f"at the end           {late:7.1f} MB, {late - early:+.1f}")
    print(f"at most              {ended.peak:7.1f} MB")


if __name__ == "__main__":
    main()
