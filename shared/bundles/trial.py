"""Try the files of a bundle in a process of its own, so that they cannot end this one.

A damaged file can end the process that opens it: of 300 weights files with changed
bytes, 22 did so inside HDF5, and of 300 changed graphs, 24 inside LiteRT. A checksum
does not help, as whoever changes a file can renew it. So a file that has not been seen
before is opened, and used once, by another process, of bounded memory and time.

What passed is remembered by its checksum in the user's cache, where nothing else is
kept; and the files that come along are known. Only others pay for this, once.
"""

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from shared.bundles.manifests import MANIFEST, locate, size_of
from shared.errors import AppError
from shared.included import get_again, included_model

ROOT = Path(__file__).parents[2]
TASKS = ("captioner", "rnn", "vqa")
SHIPPED = tuple(included_model(task) / MANIFEST for task in TASKS)
MEMORY = 640 * 2**20  # bytes, and as many for each byte of the files as
MEMORY_FACTOR = 16
SECONDS = 6.0  # of a processor, and one more for as many bytes as
BYTES_A_SECOND = 4e6
ENDINGS = (".h5", ".tflite")
_START = (
    "import sys; sys.path.append({!r}); from shared.bundles.trial import main; main()"
)


def try_files(folder: Path, digests: Mapping[str, str]) -> None:
    """Make sure that files of a checked bundle do not end the process.

    Args:
        folder: the bundle.
        digests: SHA-256 in hexadecimal of its files by name, as its manifest says;
            those with other endings than `ENDINGS` are left out.

    Raises:
        AppError: if one does, or cannot be used, or takes far more memory or time than
            its size explains.
    """
    known = _known() if digests else set()
    new = {
        name: found
        for name, found in digests.items()
        if name.endswith(ENDINGS) and found not in known and not _mark(found).exists()
    }
    if not new or not sys.executable:
        return
    _try(folder, list(new))
    for found in new.values():
        try:
            _mark(found).parent.mkdir(parents=True, exist_ok=True)
            _mark(found).touch()
        except OSError:  # then it is tried again next time
            return


def _known() -> set[str]:
    """Give the checksums of the files that come with the package."""
    known = set()
    for path in SHIPPED:
        try:
            known |= set(json.loads(path.read_text("utf-8"))["files"].values())
        except (OSError, ValueError, LookupError):
            continue
    return known


def _mark(found: str) -> Path:
    """Give the empty file that remembers a file that passed."""
    return _cache() / "tried" / found


def _cache() -> Path:
    folder = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.path.expanduser(folder), "sightread")  # noqa: PTH111 - never raises


def _try(folder: Path, names: list[str]) -> None:
    size = sum(size_of(folder, name) for name in names)
    seconds = SECONDS + size / BYTES_A_SECOND
    limits = [str(MEMORY + MEMORY_FACTOR * size), str(int(seconds) + 1)]
    command = [sys.executable, "-P", "-c", _START.format(str(ROOT)), *limits]
    paths = [str(locate(folder, name).absolute()) for name in names]
    try:
        done = subprocess.run(
            [*command, *itertools.chain(*zip(names, paths, strict=True))],
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=10 * seconds,  # other programs may have the processors
        )
        output, code = done.stdout, done.returncode
    except subprocess.TimeoutExpired as error:
        output, code = error.stdout or b"", -1
    if code == 0:
        return
    last = output.decode("utf-8", "replace").rpartition("\n> ")[2]
    name, _, reason = last.partition("\n")
    reason = reason.strip() or "it crashes the program that opens it, or never ends."
    raise AppError(f"{folder / name} cannot be used: {reason} {get_again(folder)}")


def main() -> None:
    """Use files once: memory, seconds, and a name and a path of each are arguments."""
    memory, seconds, *files = sys.argv[1:]
    _limit(int(memory), int(seconds))
    for name, path in zip(files[::2], files[1::2], strict=True):
        print(f"\n> {name}", flush=True)
        try:
            _use(Path(path))
        except MemoryError:
            print("it takes more memory than its size explains.")
            sys.exit(1)
        except Exception as error:  # whatever comes of a stranger's file
            print((str(error) or type(error).__name__).splitlines()[0][:300])
            sys.exit(1)


def _use(path: Path) -> None:
    if path.suffix == ".tflite":
        from shared.bundles.litert import try_graph

        try_graph(path)
    else:
        from shared.bundles.packed import unpack_file

        unpack_file(path)


def _limit(memory: int, seconds: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
