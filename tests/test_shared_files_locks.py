import errno
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from shared.errors import AppError
from shared.files import locks
from shared.files.locks import hold

HOLDER = """
import sys
from pathlib import Path
from shared.files.locks import hold
lock = hold(Path(sys.argv[1]), "`captioner train`")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture(params=["captions.csv", "a run", "x" * 250])
def path(tmp_path, request):
    if request.param == "a run":
        (tmp_path / request.param).mkdir()
    return tmp_path / request.param


def names(folder):
    return {p.relative_to(folder) for p in folder.rglob("*") if not p.is_dir()}


def test_a_second_one_is_refused_at_once_and_told_by_whom(path):
    with hold(path, "`vqa ask`"):
        who = rf"in use by `vqa ask`: process {os.getpid()} on \S+, since \d{{4}}-"
        with pytest.raises(AppError, match=rf"{re.escape(str(path))} is {who}"):
            hold(path, "another")
    hold(path, "after it").release()


def test_nothing_is_left_behind(path, tmp_path):
    lock = hold(path, "one")
    assert len(names(tmp_path)) == 1
    lock.release()
    lock.release()
    assert not names(tmp_path)


def test_a_link_and_its_target_are_one_file(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "target.csv")
    with hold(tmp_path / "link.csv", "one"), pytest.raises(AppError, match="in use"):
        hold(tmp_path / "target.csv", "two")


def test_a_folder_that_is_replaced_stays_held(tmp_path):
    folder = tmp_path / "bundle"
    folder.mkdir()
    with hold(folder, "`vqa train`", inside=False):
        assert not list(folder.iterdir())
        folder.rename(tmp_path / "old")
        folder.mkdir()
        with pytest.raises(AppError, match="in use by `vqa train`"):
            hold(folder, "`vqa export`", inside=False)


def test_a_process_that_is_killed_holds_nothing(path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(AppError, match=f"train`: process {process.pid} on"):
            hold(path, "second")
        process.send_signal(getattr(signal, "SIGKILL", signal.SIGTERM))
        process.wait()
    with hold(path, "third"), pytest.raises(AppError, match="third"):
        hold(path, "fourth")


def test_no_two_threads_ever_hold_it_together(tmp_path):
    inside, most, taken = [], [], []
    start = threading.Barrier(4)

    def work(number):
        start.wait()
        for _ in range(200):
            try:
                with hold(tmp_path / "out.jsonl", "a thread"):
                    inside.append(number)
                    most.append(len(inside))
                    inside.remove(number)
            except AppError:
                taken.append(number)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert most
    assert max(most) == 1
    assert len(most) + len(taken) == 800
    assert not names(tmp_path)


def test_a_file_system_without_locks_is_told(tmp_path, monkeypatch, capsys):
    def refuse(number):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "_lock", refuse)
    with hold(tmp_path / "out.csv", "one"):
        pass
    assert "has no locks" in capsys.readouterr().err
    assert not names(tmp_path)


@pytest.mark.skipif(not hasattr(os, "O_NOFOLLOW"), reason="no such flag")
def test_a_planted_link_empties_nothing(tmp_path):
    (tmp_path / "diary").write_text("dear diary")
    (tmp_path / ".out.csv.lock").symlink_to(tmp_path / "diary")
    with pytest.raises(AppError, match="cannot be written"):
        hold(tmp_path / "out.csv", "one")
    assert (tmp_path / "diary").read_text() == "dear diary"


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(AppError, match="cannot be written"):
        hold(tmp_path / "none" / "out.csv", "one")


def test_a_folder_that_vanishes_meanwhile_is_none(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with hold(folder, "one"):
        (folder / ".sightread.lock").unlink()
        folder.rmdir()
