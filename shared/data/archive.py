"""The tables of an archive, and the steps from each version of them to the next.

Programs and people may read an archive with `sqlite3`; docs/archive.md tells them how.
A version is the number of steps that were taken, in `PRAGMA user_version`.
"""

import os
from pathlib import Path

from shared.files.databases import Kind

# Times are in UTC, `2026-01-31T12:00:00Z`, unless a line says otherwise.
_FIRST = """
-- What captioned photos: a model, its settings, and the form of the features.
CREATE TABLE models (
    id INTEGER PRIMARY KEY,
    settings TEXT NOT NULL,       -- JSON: the model's SHA-256, options of the search
    features TEXT NOT NULL,       -- what photos.features holds; '' if nothing
    version TEXT NOT NULL,        -- of sightread, when it was first used
    UNIQUE (settings, features)
);

-- A row for each content; rows are never deleted.
CREATE TABLE photos (
    id INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,  -- of the file, 64 hexadecimal digits
    bytes INTEGER NOT NULL,
    taken TEXT,                   -- local time by EXIF, 2019-07-14T18:30:05
    latitude REAL,                -- degrees by EXIF, north and
    longitude REAL,               -- east above zero
    caption TEXT NOT NULL,        -- the model's; a person's is in edits
    log_prob REAL NOT NULL,       -- natural log of the probability of its words
    confidence REAL NOT NULL,     -- 0 to 1
    unsure INTEGER,               -- 1 if it should not be relied on; NULL: not known
    model INTEGER NOT NULL REFERENCES models,
    features BLOB,                -- what the decoder reads, see models.features
    indexed TEXT NOT NULL         -- when it was captioned
);
CREATE INDEX photos_by_model ON photos (model);

-- Where photos lie, or lay; the same content may lie in several places.
CREATE TABLE files (
    path TEXT PRIMARY KEY,        -- absolute; a BLOB if its name is no UTF-8
    photo INTEGER REFERENCES photos,  -- NULL if it cannot be read
    bytes INTEGER NOT NULL,       -- as it was when it was read,
    mtime_ns INTEGER NOT NULL,    -- and the time of its last change
    error TEXT,                   -- why it cannot be read
    vanished TEXT                 -- when it was first found missing; NULL: it is there
) WITHOUT ROWID;
CREATE INDEX files_by_photo ON files (photo);
CREATE INDEX photos_there ON files (photo) WHERE vanished IS NULL;

-- All captions that the search found, best first; the first is what the model wrote,
-- which photos.caption may replace by one that claims less.
CREATE TABLE candidates (
    photo INTEGER NOT NULL REFERENCES photos,
    place INTEGER NOT NULL,       -- from 0
    caption TEXT NOT NULL,
    log_prob REAL NOT NULL,
    confidence REAL NOT NULL,
    PRIMARY KEY (photo, place)
) WITHOUT ROWID;

-- Words that a photo shows, those that are there with 0.2 or more, 12 at most.
CREATE TABLE concepts (
    photo INTEGER NOT NULL REFERENCES photos,
    word TEXT NOT NULL,           -- in the singular or the infinitive
    there REAL NOT NULL,          -- probability that it can be seen
    said REAL NOT NULL,           -- probability that one human caption mentions it
    PRIMARY KEY (photo, word)
) WITHOUT ROWID;
CREATE INDEX concepts_by_word ON concepts (word, there);

-- What all photos are first judged by when one is sought: little, to be read at once.
CREATE TABLE glances (
    photo INTEGER PRIMARY KEY REFERENCES photos,
    model INTEGER NOT NULL REFERENCES models,
    left_out REAL NOT NULL,       -- sum of log(1 + exp(log-odds)) over all concepts
    odds BLOB NOT NULL,           -- log-odds of each concept, see models.features
    outline BLOB NOT NULL         -- bits, alike of copies in other sizes
);

-- What people wrote; no run of `captioner index` writes here.
CREATE TABLE edits (
    photo INTEGER PRIMARY KEY REFERENCES photos,
    caption TEXT NOT NULL,
    edited TEXT NOT NULL
);

-- Full text, its rowid the photo's id. Of a photo that a person described, caption and
-- candidates are empty: what the model wrote was wrong.
CREATE VIRTUAL TABLE search USING fts5 (
    caption,
    candidates,
    concepts,                     -- and the words for what they are a kind of
    edit,
    tokenize = 'porter unicode61 remove_diacritics 2'
);

-- A row for each photo: what to show of it.
CREATE VIEW library AS
SELECT
    photos.id AS photo,
    (SELECT min(path) FROM files WHERE photo = photos.id AND vanished IS NULL) AS path,
    coalesce(edits.caption, photos.caption) AS caption,
    edits.photo IS NOT NULL AS by_person,
    CASE WHEN edits.photo IS NULL THEN photos.confidence END AS confidence,
    CASE WHEN edits.photo IS NULL THEN photos.unsure END AS unsure,
    photos.taken, photos.latitude, photos.longitude, photos.sha256
FROM photos LEFT JOIN edits ON edits.photo = photos.id;
"""

STEPS = (_FIRST,)
ARCHIVE = Kind("archive", "captioner index", 0x53474854, STEPS)  # "SGHT"


def stored_path(path: Path) -> str | bytes:
    """Give a file's path as archives have it; `os.fsdecode` leads back."""
    name = os.path.abspath(path)  # noqa: PTH100
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name)
    return name
