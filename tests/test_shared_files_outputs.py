import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shared.errors import AppError
from shared.files import outputs
from shared.files.formats import write_jsonl
from shared.files.outputs import Kind, Output
from shared.files.resuming import Item

ROOT = Path(__file__).parents[1]
SUFFIXES = [".jsonl", ".csv"]
NAMES = ["b/1.jpg", "b/2.jpg", "ü 狗.jpg", "9.jpg", "10.jpg"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("b").mkdir()
    for name in NAMES:
        Path(name).write_text(f"photo {name}")


def record(name, told="caption"):
    if name == "b/2.jpg":
        return {"image": name, "error": "the file is empty."}
    return {"image": name, "captions": [f"{told} of {name}"]}


def output(path, names=NAMES, batch=2, by="captioner caption", settings=None, **rules):
    return Output(
        Path(path),
        [Item(name, Path(name)) for name in names],
        Kind(by, "photos", dict.fromkeys(SUFFIXES, write_jsonl)),
        lambda: settings or {"beam_size": 4, "runtime": "litert"},
        batch=batch,
        **rules,
    )


def run(path, names=NAMES, batch=2, stop=99, told="caption", **options):
    """Write records batch by batch, as commands do; give what was done anew."""
    anew = []
    with output(path, names, batch, **options) as out:
        for start in range(0, len(out.todo), batch):
            if start >= stop:
                break
            places = out.todo[start : start + batch]
            for place in places:
                out.note(place)
            out.append([(place, record(names[place], told)) for place in places])
            anew += [names[place] for place in places]
        else:
            if not out.finished:
                out.finish()
    assert out.done == len(names) or stop < 99
    return anew


def told(path):
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def listed():
    return sorted(p.name for p in Path().iterdir() if "out" in p.name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_hidden_file_stays_beside_a_finished_one(suffix):
    run(f"out{suffix}")
    assert listed() == [f".out{suffix}.journal", f"out{suffix}"]
    assert told(f"out{suffix}") == [record(name) for name in NAMES]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("stop", [0, 2, 4])
def test_an_unchanged_list_goes_on_at_whole_batches(suffix, stop):
    run(f"whole{suffix}")
    run(f"out{suffix}", stop=stop)
    assert run(f"out{suffix}", resume=True) == NAMES[stop:]
    assert Path(f"out{suffix}").read_bytes() == Path(f"whole{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("stop", [4, 99])
def test_what_is_done_stays_done_whatever_the_list_becomes(suffix, stop, capsys):
    run(f"out{suffix}", stop=stop)
    undone = NAMES[stop:]
    Path("0.jpg").write_text("new")
    names = ["0.jpg", "9.jpg", "b/1.jpg", *NAMES[4:]]  # two are gone, the order is not
    assert run(f"out{suffix}", names, resume=True) == ["0.jpg", *undone]
    assert told(f"out{suffix}") == [record(name) for name in names]
    assert "not asked for now, which leave it: 2" in capsys.readouterr().err
    # Nothing that was ever done is lost.
    assert run(f"out{suffix}", NAMES, resume=True) == []
    assert told(f"out{suffix}") == [record(name) for name in NAMES]


def replace_anew():
    Path("b/1.jpg").write_text("another")


def replace_same_size_and_time():
    found = Path("b/1.jpg").stat()
    Path("b/1.jpg").write_text("photo b/7.jpg")
    os.utime("b/1.jpg", ns=(found.st_atime_ns, found.st_mtime_ns))
    assert Path("b/1.jpg").stat().st_size == found.st_size


def replace_by_rename():
    Path("other").write_text("photo b/7.jpg")
    shutil.copystat("b/1.jpg", "other")
    Path("other").replace("b/1.jpg")


def remove():
    Path("b/1.jpg").unlink()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("stop", [2, 99])
@pytest.mark.parametrize(
    "change", [replace_anew, replace_same_size_and_time, replace_by_rename, remove]
)
def test_a_photo_that_was_replaced_is_done_again(suffix, stop, change):
    run(f"out{suffix}", stop=stop)
    change()
    anew = run(f"out{suffix}", resume=True, told="new")
    assert anew == ["b/1.jpg", *NAMES[stop:]]
    assert told(f"out{suffix}")[0] == record("b/1.jpg", "new")
    assert [r["image"] for r in told(f"out{suffix}")] == NAMES


@pytest.mark.parametrize("stop", [2, 99])
def test_a_photo_that_was_only_touched_or_copied_is_not(stop):
    run("out.csv", stop=stop)
    os.utime("b/1.jpg")
    shutil.copy("b/1.jpg", "copy")
    Path("copy").replace("b/1.jpg")
    assert run("out.csv", resume=True) == NAMES[stop:]


def test_a_photo_that_changes_while_it_is_read_is_done_again():
    with output("out.csv") as out:
        out.note(0)
        Path("b/1.jpg").write_text("changed after it was read")
        out.append([(0, record("b/1.jpg"))])
    assert run("out.csv", resume=True) == NAMES


def test_what_is_to_be_done_again_is():
    with output("out.csv") as out:
        for place in range(5):
            out.note(place)
        out.append([(i, record(name)) for i, name in enumerate(NAMES)], again={3})
        out.finish()
    assert run("out.csv", resume=True) == ["9.jpg"]


def test_errors_are_counted_truly_on_a_finished_file():
    run("out.csv")
    with output("out.csv", resume=True) as out:
        assert (out.finished, out.done, out.errors, out.todo) == (True, 5, 1, [])


@pytest.mark.parametrize("stop", [2, 99])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"settings": {"beam_size": 1, "runtime": "litert"}},
            r"--beam-size 4, now --beam-size 1\. Give those",
        ),
        (
            {"settings": {"beam_size": 4, "runtime": "keras"}},
            "--runtime litert, now --runtime keras",
        ),
        ({"by": "vqa ask"}, "by `captioner caption`, not by `vqa ask`"),
    ],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_settings_are_refused_with_both_values(suffix, stop, options, message):
    run(f"out{suffix}", stop=stop)
    before = Path(f"out{suffix}").exists() and Path(f"out{suffix}").read_bytes()
    with pytest.raises(AppError, match=message):
        run(f"out{suffix}", resume=True, **options)
    assert before == (
        Path(f"out{suffix}").exists() and Path(f"out{suffix}").read_bytes()
    )
    run(f"out{suffix}", overwrite=True, **options)


def test_a_model_is_told_by_its_content():
    def model(content, folder):
        return {"model": {"sha256": content * 64, "folder": folder}}

    run("out.csv", stop=2, settings=model("a", "runs/a"))
    with pytest.raises(AppError, match=r"runs/a \(a{12}\), now --model runs/a \(b{12}"):
        run("out.csv", resume=True, settings=model("b", "runs/a"))
    assert run("out.csv", resume=True, settings=model("a", "moved")) == NAMES[2:]


def test_another_batch_size_is_told_and_goes_on(capsys):
    """Who was told that the memory is full has to be able to."""
    run("out.csv", stop=2)
    run("out.csv", batch=1, resume=True)
    assert "begun 2 at a time, and goes on 1 at a time" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_exists_is_only_replaced_if_asked(suffix):
    target = Path(f"out{suffix}")
    target.write_text("old")
    with pytest.raises(AppError, match=r"out\.\w+ exists. Add --resume"):
        run(target)
    assert target.read_text() == "old"
    run(target, overwrite=True)
    run(f"new{suffix}")
    assert target.read_bytes() == Path(f"new{suffix}").read_bytes()
    run(f"half{suffix}", stop=2)
    with pytest.raises(AppError, match=rf"half{suffix}.partial.jsonl exists. Add"):
        run(f"half{suffix}")


def test_an_empty_file_is_none():
    Path("out.csv").touch()
    run("out.csv")
    assert len(told("out.csv")) == 5


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", ["hello", "image,caption\na,b\n", "[]\n", "{}\n"])
def test_a_strangers_file_is_refused_and_left_alone(suffix, content):
    target = Path(f"out{suffix}")
    target.write_text(content)
    with pytest.raises(AppError, match=r"was not written by `captioner caption`"):
        run(target, resume=True)
    assert target.read_text() == content
    assert listed() == [target.name]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("stop", [2, 99])
def test_a_strangers_file_beside_our_journal_is_refused(suffix, stop):
    run(f"out{suffix}", stop=stop)
    target = Path(f"out{suffix}")
    target.write_text("somebody else's\n")
    with pytest.raises(AppError, match=r"out\.\w+"):
        run(target, resume=True)
    assert target.read_text() == "somebody else's\n"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_people_changed_in_a_finished_file_is_not_lost(suffix):
    run(f"out{suffix}")
    changed = Path(f"out{suffix}").read_text().replace("caption", "better")
    Path(f"out{suffix}").write_text(changed)
    with pytest.raises(AppError, match="was changed since it was written"):
        run(f"out{suffix}", [*NAMES, "b"], resume=True)
    assert Path(f"out{suffix}").read_text() == changed


def test_a_file_that_appears_meanwhile_is_not_replaced():
    with pytest.raises(AppError, match="has written out"), output("out.csv") as out:
        out.append([(i, record(name)) for i, name in enumerate(NAMES)])
        Path("out.csv").write_text("mine")
        out.finish()
    assert Path("out.csv").read_text() == "mine"
    Path("out.csv").unlink()
    run("out.csv", resume=True)


def test_a_file_that_was_moved_away_is_begun_anew():
    run("out.csv")
    Path("out.csv").rename("elsewhere.csv")
    assert run("out.csv", resume=True) == NAMES


def test_none_of_the_photos_asked_for_is_another_list():
    run("out.csv")
    with pytest.raises(AppError, match="belongs to other photos: none of its 5"):
        run("out.csv", ["other.jpg"], resume=True)


def test_a_question_may_be_asked_twice():
    names = ["9.jpg", "9.jpg", "10.jpg"]
    run("out.csv", names, batch=1, stop=1)
    assert run("out.csv", names, batch=1, resume=True) == ["9.jpg", "10.jpg"]
    assert [r["image"] for r in told("out.csv")] == names


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_journal_torn_at_any_byte_is_continued(suffix):
    run(f"whole{suffix}")
    whole = Path(f"whole{suffix}").read_bytes()
    journal = Path(f".whole{suffix}.journal").read_bytes()
    partial = Path(f"out{suffix}.partial.jsonl")
    first = journal.index(b"\n") + 1
    for size in [*range(first, len(journal), 29), len(journal)]:
        for tail in (b"", bytes(9)):
            for path in Path().glob("*out*"):
                path.unlink()
            partial.write_bytes(journal[:size] + tail)
            anew = run(f"out{suffix}", resume=True)
            assert anew in (NAMES, NAMES[2:], NAMES[4:], [])
            assert Path(f"out{suffix}").read_bytes() == whole


@pytest.mark.parametrize(
    "line",
    [
        {"key": 1, "photo": None, "left": 0, "record": {}},
        {"key": "9.jpg", "photo": [1], "left": 0, "record": {}},
        {"key": "9.jpg", "photo": None, "left": "0", "record": {}},
        {"key": "9.jpg", "photo": None, "left": 0, "record": 5},
        {"finished": 5},
        {"journal": 1, "settings": 5},
        [],
    ],
)
def test_an_odd_line_ends_a_journal(line):
    run("out.csv", stop=2)
    with Path("out.csv.partial.jsonl").open("a") as file:
        file.write(f"{json.dumps(line)}\n")
    try:
        assert run("out.csv", resume=True) == NAMES[2:]
    except AppError as error:
        assert "not by `captioner caption`" in str(error)


@pytest.mark.parametrize("size", [1, 20])
def test_a_torn_first_line_is_nothing_done(size):
    Path("out.csv").write_text("older")
    run("out.csv", stop=2, overwrite=True)
    partial = Path("out.csv.partial.jsonl")
    partial.write_bytes(partial.read_bytes()[:size])
    assert run("out.csv", resume=True) == NAMES


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_crash_while_the_file_is_written(suffix, monkeypatch):
    run(f"whole{suffix}")
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(f"out{suffix}")
    assert f"out{suffix}.partial.jsonl" in listed()
    assert run(f"out{suffix}", resume=True) == []
    assert Path(f"out{suffix}").read_bytes() == Path(f"whole{suffix}").read_bytes()


@pytest.mark.parametrize("moment", ["finish", "move"])
def test_a_crash_after_the_file_was_written(moment, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(outputs.Journal, moment, lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run("out.jsonl")
    assert run("out.jsonl", resume=True) == []
    assert listed() == [".out.jsonl.journal", "out.jsonl"]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("room", [0, 150, 500, 900])
def test_a_full_disk_keeps_whole_records(suffix, room):
    run(f"whole{suffix}")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(AppError, match=r"out.* cannot be written: File too large"):
            run(f"out{suffix}")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    run(f"out{suffix}", resume=True)
    assert Path(f"out{suffix}").read_bytes() == Path(f"whole{suffix}").read_bytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("vanish", "message"),
    [
        (shutil.rmtree, "was deleted .*the 2 records in it are lost"),
        (lambda p: p.rename("moved"), "was moved .* 2 records in it are kept"),
    ],
)
@pytest.mark.parametrize("at_the_end", [False, True])
def test_a_folder_that_vanishes_is_an_error(suffix, vanish, message, at_the_end):
    Path("folder").mkdir()
    names = NAMES[:2] if at_the_end else NAMES
    target = Path("folder") / f"out{suffix}"
    with pytest.raises(AppError, match=message), output(target, names) as out:
        for place in range(2):
            out.note(place)
        out.append([(0, record("b/1.jpg")), (1, record("b/2.jpg"))])
        vanish(Path("folder"))
        if not at_the_end:
            out.append([(2, record("9.jpg"))])
        out.finish()
    if Path("moved").exists():
        Path("moved").rename("folder")
        assert run(f"folder/out{suffix}", resume=True) == NAMES[2:]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_link_stays_and_its_target_is_written(suffix):
    Path("there").mkdir()
    Path(f"out{suffix}").symlink_to(f"there/real{suffix}")
    run(f"out{suffix}", stop=2)
    run(f"out{suffix}", resume=True)
    assert Path(f"out{suffix}").is_symlink()
    assert len(told(f"there/real{suffix}")) == 5
    assert listed() == [f"out{suffix}"]
    assert run(f"there/real{suffix}", resume=True) == []


def test_a_name_of_any_length_is_continued():
    name = "o" * 250 + ".csv"
    run(name, stop=2)
    assert run(name, resume=True) == NAMES[2:]
    assert len(told(name)) == 5


def test_a_file_is_held_from_the_first_moment_to_the_last():
    with output("out.csv") as first:
        for rules in ({}, {"resume": True}, {"overwrite": True}):
            with pytest.raises(AppError, match="in use by `captioner"):
                run("out.csv", **rules)
        first.append([(i, record(name)) for i, name in enumerate(NAMES)])
        first.finish()
    assert len(told("out.csv")) == 5


@pytest.mark.parametrize("old", ["out.csv", "out.jsonl", "out.csv.partial.jsonl"])
def test_what_version_0_1_left_is_refused(old):
    """It does not tell which model wrote it, and with which settings."""
    lines = json.dumps(record("b/1.jpg"))
    Path(old).write_text(lines)
    with pytest.raises(AppError, match=r"was not written by .*--overwrite"):
        run(old.removesuffix(".partial.jsonl"), resume=True)
    assert Path(old).read_text() == lines


def test_no_room_for_the_final_file_keeps_the_journal(monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[__name__], "write_jsonl", full)
        with pytest.raises(AppError, match="cannot be written: No space"):
            run("out.csv")
    assert run("out.csv", resume=True) == []


PROGRAM = """
import os, sys, time
import test_shared_files_outputs as tests
path, moment = sys.argv[1:]

class Killing(tests.outputs.Journal):
    def append(self, rows):
        super().append(rows)
        if moment == "append" and len(self.entries) >= 4:
            os.kill(os.getpid(), 9)
    def finish(self, told):
        if moment == "finish":
            os.kill(os.getpid(), 9)
        super().finish(told)
    def move(self, path):
        if moment == "move":
            os.kill(os.getpid(), 9)
        super().move(path)

tests.outputs.Journal = Killing
if moment == "stream":
    def half(file, data):
        file.write(data[:9])
        os.kill(os.getpid(), 9)
    tests.outputs.write_all = half
if moment == "hold":
    with tests.output(path):
        print("held", flush=True)
        sys.stdin.read()
else:
    tests.run(path, resume=True)
"""


def start(path, moment):
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, path, moment],
        env={**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("moment", ["append", "stream", "finish", "move"])
def test_kill_9_at_any_moment(suffix, moment):
    if (suffix, moment) == (".csv", "stream"):
        pytest.skip("no such moment")
    run(f"whole{suffix}")
    process = start(f"out{suffix}", moment)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    run(f"out{suffix}", resume=True)
    assert Path(f"out{suffix}").read_bytes() == Path(f"whole{suffix}").read_bytes()
    assert listed() == [f".out{suffix}.journal", f"out{suffix}"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_second_process_is_refused(suffix):
    with start(f"out{suffix}", "hold") as first:
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(AppError, match=f"process {first.pid} on"):
            run(f"out{suffix}", overwrite=True)
        first.kill()
    run(f"out{suffix}")


def test_what_was_written_while_the_lock_was_waited_for_is_kept(tmp_path, monkeypatch):
    path = tmp_path / "a.jsonl"
    really_hold = outputs.hold

    def hold_late(target, what):
        target.write_text("another's")  # between the look and the lock
        return really_hold(target, what)

    with monkeypatch.context() as patch:
        patch.setattr(outputs, "hold", hold_late)
        with pytest.raises(AppError, match=r"a\.jsonl exists\. Add --overwrite"):
            outputs.claim(path, (".jsonl",), "`a test`", overwrite=False)
    with (
        outputs.claim(path, (".jsonl",), "`a test`", overwrite=True),  # was let go
        pytest.raises(AppError, match="in use by `a test`"),
    ):
        outputs.claim(path, (".jsonl",), "`another`", overwrite=True)
    assert path.read_text() == "another's"
