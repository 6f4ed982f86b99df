"""How well and how fast `captioner find` finds photos by a sentence.

    python benchmarks/retrieval.py rank FLICKR8K archive.db [--queries N]
    python benchmarks/retrieval.py grow archive.db large.db [--photos 100000]
    python benchmarks/retrieval.py time large.db

`rank` ranks the photos of an archive by the captions that people wrote for those of
Flickr8k's dev split, as `captioner find` does: an archive of that split is made by
`captioner index`. A caption finds its photo at a rank among all photos of the archive;
printed are the shares of captions whose photo comes first, among the first 5 and among
the first 10, and the median rank. N captions are drawn, the same for the same N.

`grow` makes a large archive of a small one: its photos again and again, with noise on
their features, and captions in which a word is another photo's. `time` finds some
sentences in it: each by a process of its own, and again and again by one that is open.
"""

import argparse
import shutil
import sqlite3
import sys
import time
from pathlib import Path
from statistics import median

import numpy as np
from photos import CAPTIONER, describe_machine, run

from captioner.archive.features import leave_out, pack_memory, unpack
from captioner.archive.finding import open_archive
from captioner.archive.ranking import read_query
from shared.data.captioned import read_files

SENTENCES = (
    "two dogs playing in the snow",
    "a man in a red shirt climbing a rock",
    "a little girl in a pink dress on a swing",
    "people sitting at a table with food",
    "animal",
)


def rank(data: Path, archive: Path, count: int) -> None:
    """Print how well the captions of people find their photos."""
    dev = [record for record in read_files(data) if record.split == "dev"]
    pairs = [(record.name, text) for record in dev for text in record.captions]
    drawn = np.random.default_rng(0).permutation(len(pairs))[:count]
    ranks = []
    with open_archive(archive) as finder:
        database = sqlite3.connect(archive)
        numbers = {
            Path(path).name: photo
            for path, photo in database.execute("SELECT path, photo FROM files")
        }
        captioner = finder.captioner
        for done, place in enumerate(drawn, start=1):
            name, text = pairs[place]
            query = read_query(text, captioner.vocabulary, captioner.concept_words)
            photos = finder.rank(query).photos
            wanted = numbers[Path(name).name]
            # Of a sentence of which nothing is known, none is found.
            places = np.flatnonzero(photos == wanted)
            ranks.append(1 + places[0] if len(places) else len(numbers))
            if done % 100 == 0 or done == len(drawn):
                _say(ranks, len(numbers))


def _say(ranks: list[int], photos: int) -> None:
    found = np.array(ranks)
    print(
        f"{len(found)} captions, {photos} photos: R@1 {100 * (found <= 1).mean():.1f}  "
        f"R@5 {100 * (found <= 5).mean():.1f}  R@10 {100 * (found <= 10).mean():.1f}  "
        f"median {np.median(found):g}",
        flush=True,
    )


def grow(source: Path, target: Path, count: int) -> None:
    """Make an archive of so many photos."""
    shutil.copy(source, target)
    rng, database = np.random.default_rng(0), sqlite3.connect(target)
    rows = database.execute(
        "SELECT photos.*, odds, outline, path, s.caption, candidates, concepts, edit "
        "FROM photos JOIN glances ON glances.photo = id JOIN files ON files.photo = id "
        "JOIN search AS s ON s.rowid = id"
    ).fetchall()
    names = [c[1] for c in database.execute("PRAGMA table_info(photos)")]
    place = {name: i for i, name in enumerate(names)}
    for number in range(len(rows) + 1, count + 1):
        row = list(rows[rng.integers(len(rows))])
        odds, same, path, *words = row[len(names) :]
        other = rows[rng.integers(len(rows))][len(names) + 3].split()
        said = words[0].split()
        said[rng.integers(len(said))] = other[rng.integers(len(other))]
        words[0] = row[place["caption"]] = " ".join(said)
        noise = rng.integers(-3, 4, len(odds))
        noisy = (np.frombuffer(odds, np.uint8) + noise).clip(0, 255)
        odds = noisy.astype(np.uint8).tobytes()
        tables = {
            f"{i:02}": table * rng.normal(1, 0.05, table.shape)
            for i, table in enumerate(unpack(row[place["features"]]))
        }
        row[place["features"]] = pack_memory(tables)
        row[place["id"]], row[place["sha256"]] = number, f"{number:064}"
        marks = ", ".join("?" * len(names))
        database.execute(f"INSERT INTO photos VALUES ({marks})", row[: len(names)])
        glance = number, row[place["model"]], leave_out(odds), odds, same
        database.execute("INSERT INTO glances VALUES (?, ?, ?, ?, ?)", glance)
        file = f"{number}-{path}", number
        database.execute("INSERT INTO files VALUES (?, ?, 0, 0, NULL, NULL)", file)
        database.execute(
            "INSERT INTO search (rowid, caption, candidates, concepts, edit) "
            "VALUES (?, ?, ?, ?, ?)",
            (number, *words),
        )
    database.commit()
    database.execute("INSERT INTO search (search) VALUES ('optimize')")
    database.commit()
    print(f"{target}: {target.stat().st_size / count / 1000:.1f} kB a photo")


def measure(archive: Path) -> None:
    """Print how long sentences take, cold and warm."""
    print(describe_machine())
    command = [*CAPTIONER, "find", "--db", str(archive), "--top", "5"]
    cold = [run([*command, text]).seconds for text in SENTENCES * 2]
    print(f"a process each: median {median(cold):.2f} s, fastest {min(cold):.2f} s")
    with open_archive(archive) as finder:
        finder.find(SENTENCES[0])
        took = []
        for text in SENTENCES * 4:
            begun = time.perf_counter()
            finder.find(text)
            took.append(time.perf_counter() - begun)
    print(f"in an open archive: median {median(took):.2f} s, fastest {min(took):.2f} s")


def main() -> None:
    """Do what is asked."""
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("rank", "grow", "time"))
    parser.add_argument("paths", nargs="+", type=Path)
    parser.add_argument("--queries", type=int, default=sys.maxsize)
    parser.add_argument("--photos", type=int, default=100_000)
    given = parser.parse_args()
    if given.what == "rank":
        rank(given.paths[0], given.paths[1], given.queries)
    elif given.what == "grow":
        grow(given.paths[0], given.paths[1], given.photos)
    else:
        measure(given.paths[0])


if __name__ == "__main__":
    main()
