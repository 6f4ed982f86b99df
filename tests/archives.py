"""Archives for tests, captioned by something quick."""

import os
import random
import signal
import sys
import time
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from captioner.archive import features
from captioner.archive.indexing import Indexer
from captioner.describing.captions import Caption
from captioner.describing.concepts import Concept
from captioner.describing.photo_captioner import Written
from captioner.describing.predict import SHIPPED
from captioner.jobs.caption import Captioning
from shared.data.archive import ARCHIVE
from shared.errors import AppError
from shared.files.databases import opened
from shared.vision.images import read_image

PACKED = features.Features(b"", 0.0, b"", b"seen")


class FakeCaptioner:
    """Says how light a photo is.

    Attributes:
        told: photos captioned so far.
    """

    def __init__(self, seconds=0.0):
        self.told, self.seconds = 0, seconds

    def request(self, **changes):
        return ()

    def tell_all(self, sources, tell):
        left = iter(sources)
        while group := list(islice(left, 4)):
            found = {path: self.read(path) for path in group}
            images = [one for one in found.values() if not isinstance(one, AppError)]
            told = iter(tell(SimpleNamespace(images=images)) if images else ())
            self.told += len(images)
            time.sleep(self.seconds)
            yield [
                (path, one if isinstance(one, AppError) else next(told))
                for path, one in found.items()
            ]

    def read(self, path):
        try:
            return read_image(path)
        except AppError as error:
            return error

    def write(self, looked):
        texts = [f"A dog of shade {round(image.mean())}." for image in looked.images]
        captions = [[caption(text), caption("A cat.")] for text in texts]
        return Written(captions, looked)

    def see(self, looked, top, least):
        concepts = [Concept("dog", 0.9, 0.5), Concept("grass", 0.3, 0.1)]
        return [concepts for _ in looked.images]


def caption(text):
    nothing = np.zeros((1, 4), np.float32)
    return Caption(text, ("a",), -1.5, (0.5,), nothing, right=0.7, unsure=False)


def faked(monkeypatch, seconds=0.0):
    """Have photos captioned by a FakeCaptioner, which is given."""
    captioner = FakeCaptioner(seconds)
    monkeypatch.setattr(Captioning, "open", lambda self: (captioner, {}))
    monkeypatch.setattr(
        features, "pack", lambda c, looked: [PACKED] * len(looked.images)
    )
    return captioner


def rows(path, sql, *values):
    """Read rows of an archive as tuples."""
    with opened(Path(path), ARCHIVE) as database:
        return [tuple(row) for row in database.execute(sql, values)]


def index_slowly(folder, path):
    """Index a folder in a process that can be killed."""
    captioner = FakeCaptioner(0.005)
    Captioning.open = lambda self: (captioner, {})
    features.pack = lambda c, looked: [PACKED] * len(looked.images)
    with opened(path, ARCHIVE, write=True, create=True) as database:
        Indexer(database, Captioning(models=[SHIPPED])).run(sorted(folder.iterdir()))


def kill_often(folder, path, times):
    """Index a folder in one process after the other, each killed at some moment.

    Give how many photos the archive had after each kill.
    """
    rng, counts = random.Random(1), [0]
    for _ in range(times):
        child = os.fork()
        if not child:
            index_slowly(folder, path)
            os._exit(0)
        goal, late = counts[-1] + rng.randint(0, 35), time.monotonic() + 20
        while _count(path) < goal and time.monotonic() < late:
            time.sleep(0.002)
        time.sleep(rng.random() / 50)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        if path.exists():
            with opened(path, ARCHIVE, write=True, create=True) as database:
                assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        counts.append(_count(path))
    return counts[1:]


def _count(path):
    try:
        return rows(path, "SELECT count(*) FROM photos")[0][0]
    except AppError:  # it is just being made
        return 0


if __name__ == "__main__":
    where = Path(sys.argv[1]), Path(sys.argv[2])
    Captioning(models=[SHIPPED]).settings()  # reads much, once
    print(*kill_often(*where, 8))
    index_slowly(*where)
