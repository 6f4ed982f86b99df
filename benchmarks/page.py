"""How the page does when many people use it at once.

    python benchmarks/page.py [--quick] [--data FOLDER] [--people 20] [--photos 10]
    python benchmarks/page.py --attack [NAME ...]

Starts `app.py` on a free port and prints after how many seconds it answers. Then people
come, all at once; each drops one photo after another, as a browser does it: the file is
sent, the page's own event is started, and its answer is waited for. All photos differ:
JPEGs of 1 megapixel cut from `examples/`, or those of FOLDER. Prints:

- errors;
- seconds from a photo to its caption: median, 95th percentile, longest; and captions a
  second;
- the same of one person alone, after the others;
- processor time of the server for each photo, which other work on the machine disturbs
  less;
- memory of the server before, after a first round that goes uncounted (at least as many
  photos as the page keeps), and at the end.

With --quick 3 photos each. With --attack, 30 people come, with 3 photos each, while one
client of the same address does what `attacks.py` lists, one thing after the other; the
size of the server's log is printed, too. Needs Linux, for the memory. The people run on
this machine, too, and take a part of it. Nothing else should run on it meanwhile.
"""

import argparse
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from attacks import ATTACKS
from photos import describe_machine, resident
from visitors import PATIENCE, Person, draw, find_event, visit

APP = Path(__file__).parent.parent / "app.py"
KEPT = 64  # photos that the page keeps


@contextmanager
def served(log: Any = None) -> Iterator[tuple[int, int, float]]:
    """Serve the page; give its port, its process and the seconds until it answered."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(APP), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=log,
    )
    try:
        while True:
            if process.poll() is not None:
                raise RuntimeError("the page did not start")
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, PATIENCE)
                connection.request("GET", "/")
                if connection.getresponse().status == 200:
                    break
            except OSError:
                time.sleep(0.02)
        yield port, process.pid, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait()


def busy(process: int) -> float:
    """Seconds that a process has worked."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def report(what: str, seconds: list[float], errors: list[str], took: float) -> None:
    """Print what came of a visit."""
    print(f"{what:28} {len(errors)} errors", flush=True)
    for error in sorted(set(errors))[:5]:
        print(f"    {error}")
    if len(seconds) > 1:
        print(
            f"    median {median(seconds):.3f} s, "
            f"95 % within {quantiles(seconds, n=20)[-1]:.3f} s, "
            f"longest {max(seconds):.3f} s; {len(seconds) / took:.1f} a second",
            flush=True,
        )


@contextmanager
def attacked(port: int, name: str) -> Iterator[None]:
    """Let one client do harm from a process of its own."""
    script = str(Path(__file__).with_name("attacks.py"))
    process = subprocess.Popen(
        [sys.executable, script, str(port), name],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(4)  # until it is under way
        if process.poll() is not None:
            raise RuntimeError(f"{name}: it ended with {process.returncode}")
        yield
    finally:
        process.kill()
        process.wait()


def defend(names: Sequence[str]) -> None:
    """Print how 30 people fare while one client does harm."""
    photos = draw(30 * 3)
    with tempfile.TemporaryFile() as log, served(log) as (port, process, _):
        event = find_event(port)

        def come(what: str) -> None:
            people, before = [Person(port, event) for _ in range(30)], busy(process)
            report(what, *visit(people, photos))
            memory, size = resident(process), os.fstat(log.fileno()).st_size
            worked = 1000 * (busy(process) - before) / len(photos)
            print(f"    {worked:.0f} ms of a processor each", end="; ")
            print(f"{memory['VmRSS'] if memory else 0:.0f} MB; log {size} bytes")

        come("nobody else")
        come("nobody else, again")
        for name in names or ATTACKS:
            with attacked(port, name):
                come(name)
        come("afterwards")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--attack", nargs="*", metavar="NAME", help="see attacks.py")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", type=Path, help="a folder with nothing but photos")
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--photos", type=int, default=10, help="of each")
    args = parser.parse_args()
    if args.attack is not None:
        print(describe_machine())
        defend(args.attack)
        return
    each = 3 if args.quick else args.photos
    first = max(args.people, KEPT // args.people * args.people + args.people)
    count = first + args.people * each
    print(describe_machine())
    if args.data:
        names = sorted(args.data.iterdir())[:count]
        photos = [name.read_bytes() for name in names]
        photos = [photos[place % len(photos)] for place in range(count)]
    else:
        photos = draw(count)
    size = sum(map(len, photos)) / len(photos) / 1000
    with served() as (port, process, seconds):

        def settled() -> float:
            time.sleep(1)
            found = resident(process)
            return found["VmRSS"] if found else float("nan")

        print(f"the page answers after       {seconds:.2f} s", flush=True)
        memory = [settled()]
        event = find_event(port)
        people = [Person(port, event) for _ in range(args.people)]
        print(f"photos of {size:.0f} kB on the mean")
        report(f"first {first}, uncounted", *visit(people, photos[:first]))
        memory.append(settled())
        before = busy(process)
        report(
            f"{args.people} people, {each} photos each", *visit(people, photos[first:])
        )
        worked = 1000 * (busy(process) - before) / (count - first)
        print(f"    {worked:.0f} ms of a processor each")
        memory.append(settled())
        report("one person", *visit(people[:1], photos[:20]))
        print(
            f"memory: {memory[0]:.0f} MB, after the first {memory[1]:.0f} MB, "
            f"at the end {memory[2]:.0f} MB"
        )


if __name__ == "__main__":
    main()
