import os
import subprocess
import sys
from contextlib import closing

import pytest
from conftest import ROOT

from shared.errors import AppError
from shared.files.databases import Kind, opened, transaction
from shared.files.sqlite import sqlite3

FIRST = "CREATE TABLE dogs (name TEXT); -- a remark;\nCREATE TABLE cats (name TEXT);\n"
SECOND = "ALTER TABLE dogs ADD COLUMN age INTEGER;\nUPDATE dogs SET age = 3;\n"
OLD = Kind("kennel", "kennel open", 77, (FIRST,))
NEW = OLD._replace(steps=(FIRST, SECOND))


@pytest.fixture
def path(tmp_path):
    with opened(tmp_path / "a.db", OLD, write=True, create=True) as database:
        database.execute("INSERT INTO dogs VALUES ('Rex')")
    return tmp_path / "a.db"


def rows(path, kind=OLD):
    with opened(path, kind) as database:
        return [tuple(row) for row in database.execute("SELECT * FROM dogs")]


def test_what_is_written_is_read(path):
    assert rows(path) == [("Rex",)]
    with closing(sqlite3.connect(path)) as database:
        assert database.execute("PRAGMA application_id").fetchone() == (77,)
        assert database.execute("PRAGMA user_version").fetchone() == (1,)
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_who_reads_leaves_nothing_behind_and_changes_nothing(path):
    rows(path)
    assert [found.name for found in path.parent.iterdir()] == ["a.db"]
    with (
        pytest.raises(AppError, match="cannot be written"),
        opened(path, OLD) as database,
    ):
        database.execute("DELETE FROM dogs")
    assert rows(path) == [("Rex",)]


def test_where_nothing_may_be_written_all_is_read(path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda place, mode: mode == os.R_OK)
    assert rows(path) == [("Rex",)]
    assert [found.name for found in path.parent.iterdir()] == ["a.db"]
    with (
        pytest.raises(AppError, match="no permission to write"),
        opened(path, OLD, write=True),
    ):
        pass


def test_an_older_one_is_brought_up_to_date_by_who_writes(path):
    with pytest.raises(AppError, match=r"older version.*of version 1, and not 2"):
        rows(path, NEW)
    with opened(path, NEW, write=True):
        pass
    assert rows(path, NEW) == [("Rex", 3)]
    with pytest.raises(AppError, match=r"newer version.*of version 2, and 1 is"):
        rows(path, OLD)


def test_a_step_that_fails_changes_nothing(path):
    broken = NEW._replace(steps=(FIRST, SECOND + "SELECT * FROM nowhere;\n"))
    with (
        pytest.raises(AppError, match="no such table"),
        opened(path, broken, write=True),
    ):
        pass
    assert rows(path) == [("Rex",)]


def test_a_transaction_is_kept_whole_or_not_at_all(path):
    with opened(path, OLD, write=True) as database:
        with pytest.raises(KeyboardInterrupt), transaction(database):
            database.execute("INSERT INTO dogs VALUES ('Ada')")
            raise KeyboardInterrupt
        with transaction(database):
            database.execute("INSERT INTO dogs VALUES ('Eve')")
    assert rows(path) == [("Rex",), ("Eve",)]


def test_what_is_no_such_database_is_refused(path, tmp_path):
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE a (b)")
    text = tmp_path / "text.db"
    text.write_text("These are words, and not a database. " * 50)
    (tmp_path / "empty.db").touch()
    with (
        pytest.raises(AppError, match=r"is empty. `kennel open` fills it"),
        opened(tmp_path / "empty.db", OLD),
    ):
        pass
    with opened(tmp_path / "empty.db", OLD, write=True, create=True):
        pass
    for place, words in (
        (other, "of another program"),
        (text, "is no database"),
        (tmp_path, "is a folder"),
        (tmp_path / "none.db", "There is no kennel"),
        (tmp_path / "none" / "a.db", "There is no kennel"),
    ):
        for write in (False, True):
            with (
                pytest.raises(AppError, match=words),
                opened(place, OLD, write=write),
            ):
                pass
    new = tmp_path / "none" / "a.db"
    with (
        pytest.raises(AppError, match="no folder"),
        opened(new, OLD, write=True, create=True),
    ):
        pass
    assert text.read_text().startswith("These")


def test_a_damaged_one_is_said(path):
    with opened(path, OLD, write=True) as database:
        database.executemany("INSERT INTO dogs VALUES (?)", [("x" * 900,)] * 99)
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(AppError, match="is damaged"):
        rows(path)


def test_one_that_is_locked_is_said(path, monkeypatch):
    monkeypatch.setattr("shared.files.databases.PATIENCE", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert rows(path) == [("Rex",)]  # who reads does not wait
        with (
            pytest.raises(AppError, match="is locked by another process"),
            opened(path, OLD, write=True) as database,
        ):
            database.execute("INSERT INTO dogs VALUES ('Ada')")
    assert rows(path) == [("Rex",)]


def test_a_full_disk_is_said_and_nothing_is_lost(path):
    with (
        pytest.raises(AppError, match="the disk is full"),
        opened(path, OLD, write=True) as database,
    ):
        database.execute("PRAGMA max_page_count = 4")
        with transaction(database):
            database.executemany("INSERT INTO dogs VALUES (?)", [("x" * 900,)] * 99)
    assert rows(path) == [("Rex",)]
    with opened(path, OLD) as database:
        assert database.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


@pytest.mark.parametrize("name", ["a b?.db", "ü#%41.db"])
def test_any_name_can_be_opened(tmp_path, name):
    with opened(tmp_path / name, OLD, write=True, create=True):
        pass
    assert (tmp_path / name).is_file()
    assert rows(tmp_path / name) == []


def test_texts_are_searched_beside_tensorflow_whose_sqlite_cannot():
    code = """
import tensorflow
from shared.files.sqlite import sqlite3
sqlite3.connect(":memory:").execute("CREATE VIRTUAL TABLE t USING fts5(text)")
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
