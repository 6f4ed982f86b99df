"""Parts of an output and the workers that write them, without Ray."""

import json
import pickle
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from shared import processors
from shared.errors import AppError
from shared.files.locks import hold
from shared.files.resuming import list_digest
from shared.scale import cluster
from shared.scale.attempts import BLAMED, PROBLEM, WHOLE, Lost
from shared.scale.cluster import check_installed, connected
from shared.scale.output import PartedOutput
from shared.scale.parts import ABOUT, Parts
from shared.scale.shares import Listed, cut
from shared.scale.worker import Worker

COLUMNS = {"image": str, "caption": str, "error": str, "words": [{"prob": float}]}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(processors, "_most", sys.maxsize)


@dataclass(frozen=True)
class Work:
    """Say of photos how long they are, and of broken ones that they are."""

    model: str = "a" * 64
    unit, noun, verbose = "photo", "caption", False

    def settings(self):
        return {"model": {"folder": "m", "sha256": self.model}, "beam_size": 3}

    def load(self):
        def do(items, todo, note):
            for place in todo:
                photo = items[place]
                yield [(place, {"image": str(photo), **self.tell(photo)})]

        return do

    def tell(self, photo):
        if photo.stem.startswith("broken"):
            return {"error": "it is broken."}
        return {"caption": f"{photo.stat().st_size} bytes"}


def photos(count, broken=()):
    paths = [Path(f"broken{i}" if i in broken else f"{i}") for i in range(count)]
    for path in paths:
        if not path.exists():
            path.write_text(path.name)
    return paths


def shares(paths, size=4):
    some = [paths[i : i + size] for i in range(0, len(paths), size)]
    return [Listed(one, list_digest(map(str, one)), one) for one in some]


def open_parts(paths, work=Work(), folder="out", form=".jsonl", **rules):
    parts = Parts(Path(folder), form, COLUMNS)
    by, unit = "captioner caption", "photos"
    return PartedOutput(parts, by, unit, shares(paths), work.settings, **rules)


def do(output, *numbers, work=None):
    """Do shares as a worker does, all that are left by default; give what it tells."""
    with output:
        worker = Worker(
            pickle.dumps(work or Work()),
            pickle.dumps(output.parts),
            output.settings,
            ".",
            [],
        )
        told = []
        for number in numbers or output.todo:
            share = pickle.dumps(output.shares[number])
            row = worker({"number": [number], "share": [share]})
            told.append(json.loads(row["told"][0]))
            if not told[-1]["problem"]:
                output.add(number)
    return told


def read(folder="out"):
    lines = "".join(p.read_text() for p in sorted(Path(folder).glob("part-*")))
    return [json.loads(line) for line in lines.splitlines()]


def test_many_items_make_large_shares_and_few_make_many():
    sizes = {n: [len(some) for some in cut(range(n))] for n in (1, 60, 20_000, 10**6)}
    assert sizes[1] == [1] and sizes[60] == [8] * 7 + [4]
    assert set(sizes[20_000][:-1]) == {320} and set(sizes[10**6][:-1]) == {1024}
    assert [x for some in cut(range(1000)) for x in some] == list(range(1000))


def test_parts_one_after_the_other_are_what_one_process_writes():
    output = open_parts(photos(10, broken=[2, 9]))
    told = do(output, 2, 0, 1)
    assert [r["image"] for r in read()] == [str(p) for p in photos(10, broken=[2, 9])]
    assert (output.done, output.errors, output.total) == (10, 2, 10)
    assert told[1]["said"] == [["broken2", "it is broken."]]


def test_a_killed_run_goes_on_and_writes_unfinished_parts_again():
    do(open_parts(photos(12)), 0, 2)
    Path("out/part-00001.jsonl").write_text("half")  # without a receipt
    Path("out/.part-00001.jsonl.0a.part").write_text("less")
    output = open_parts(photos(12), resume=True)
    with output:
        assert (output.todo, output.done) == ([1], 8)
    do(output)
    assert [r["image"] for r in read()] == [str(i) for i in range(12)]
    assert not list(Path("out").glob(".part*"))
    with open_parts(photos(12), resume=True) as finished:
        assert not finished.todo


@dataclass(frozen=True)
class Deadly(Work):
    """End the process at some photos, others once."""

    def tell(self, photo):
        if isinstance(photo, Lost):
            return {"error": photo.problem}
        if photo.name in ("3", "6") or (photo.name == "1" and not Path("met").exists()):
            Path("met").touch()
            raise KeyboardInterrupt
        return {"caption": f"{photo.stat().st_size} bytes"}


def test_photos_that_end_their_workers_are_found_and_left_out():
    output, share = open_parts(photos(8)), pickle.dumps(shares(photos(8), 8)[0])
    arguments = pickle.dumps(Deadly()), pickle.dumps(output.parts)
    ended = 0
    with output:
        while True:
            worker = Worker(*arguments, output.settings, ".", [])
            try:
                told = worker({"number": [0], "share": [share]})["told"]
                break
            except KeyboardInterrupt:
                ended += 1
    assert ended == WHOLE + 2 * BLAMED
    said = json.loads(told[0])["said"]
    assert said == [["3", PROBLEM], ["6", PROBLEM]]
    assert [row["image"] for row in read()] == list("01234567")
    assert ["error" in row for row in read()] == [i in (3, 6) for i in range(8)]
    assert not list(Path("out", ABOUT).glob(".part*"))


def test_a_part_is_done_again_when_a_photo_has_changed(capsys):
    do(open_parts(photos(8)))
    Path("5").write_text("another photo")
    output = open_parts([Path(str(i)) for i in range(8)], resume=True)
    do(output)
    assert "done again, because the photos have changed: 1" in capsys.readouterr().err
    assert read()[5]["caption"] == "13 bytes" and len(read()) == 8


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({}, "holds an output already. Add --resume"),
        ({"resume": True, "work": Work("b" * 64)}, r"--model m \(aaaaaaaaaaaa\), now"),
        ({"resume": True, "paths": 7}, r"8 photos \(\w{12}\), now 7 photos"),
        ({"resume": True, "form": ".parquet"}, r"other parts: .jsonl, now .parquet"),
    ],
)
def test_another_output_is_refused_with_both_values(change, match):
    do(open_parts(photos(8)))
    before = read()
    paths = photos(change.pop("paths", 8))
    with pytest.raises(AppError, match=match), open_parts(paths, **change):
        pass
    assert read() == before


def test_a_damaged_part_is_refused_until_its_receipt_is_gone():
    do(open_parts(photos(8)))
    part, receipt = Path("out/part-00001.jsonl"), Path(f"out/{ABOUT}/part-00001.json")
    part.write_text(part.read_text()[:-20])
    again = partial(open_parts, photos(8), resume=True)
    with (
        pytest.raises(AppError, match=r"part-00001\.jsonl was changed or damaged"),
        again(),
    ):
        pass
    receipt.write_text("{")
    with (
        pytest.raises(AppError, match=r"part-00001\.json is damaged\. Delete it"),
        again(),
    ):
        pass
    receipt.unlink()
    do(again())
    assert len(read()) == 8


def test_two_runs_into_one_output_are_refused():
    Path("out").mkdir()
    refused = pytest.raises(AppError, match="out is in use by `another`")
    with hold(Path("out"), "`another`"), refused:
        open_parts(photos(8)).__enter__()


def test_what_is_not_ours_is_left_alone():
    Path("out").mkdir()
    Path("out/diary.txt").write_text("mine")
    for rules in ({}, {"resume": True}, {"overwrite": True}):
        with pytest.raises(AppError, match=r"it holds diary\.txt"):
            open_parts(photos(4), **rules).__enter__()
    Path("file").touch()
    with pytest.raises(AppError, match="file is a file"):
        open_parts(photos(4), folder="file")
    with pytest.raises(AppError, match="no folder there"):
        open_parts(photos(4), folder="there/out")


def test_an_output_is_replaced_but_not_what_lies_beside_it():
    do(open_parts(photos(12)))
    Path("out/notes.txt").write_text("mine")
    do(open_parts(photos(4), overwrite=True))
    assert len(read()) == 4 and Path("out/notes.txt").exists()


def test_parquet_holds_the_same_in_every_part():
    parquet = pytest.importorskip("pyarrow.parquet")
    parts = Parts(Path(), ".parquet", COLUMNS)
    good = {"image": "a", "caption": "x", "words": [{"prob": 0.5}, {"prob": 1}]}
    Path(ABOUT).mkdir()
    parts.write(0, iter([good]), "")
    parts.write(1, iter([{"image": "b\udcff", "error": "it is broken."}]), "")
    tables = [parquet.read_table(parts.path(n)) for n in (0, 1)]
    assert tables[0].schema == tables[1].schema
    assert tables[0].to_pylist() == [good | {"error": None}]
    assert tables[1].to_pylist()[0]["image"] == r"b\udcff"


def test_a_worker_says_what_is_wrong_on_its_machine():
    output = open_parts(photos(4))
    (told,) = do(output, 0, work=Work("c" * 64))
    assert "would run 'cccc" in told["problem"] and "model" in told["problem"]
    with open_parts(photos(4), overwrite=True) as output:
        arguments = pickle.dumps(Work()), pickle.dumps(output.parts), output.settings
        worker = Worker(*arguments, ".", ["/nowhere/at all"])
        row = {"number": [0], "share": [pickle.dumps(output.shares[0])]}
        told = json.loads(worker(row)["told"][0])
    assert "does not see /nowhere/at all" in told["problem"]


def test_a_part_that_only_a_worker_sees_is_noticed():
    refused = pytest.raises(AppError, match="that all machines of the cluster share")
    with open_parts(photos(4)) as output, refused:
        output.add(0)


def test_a_worker_counts_one_processor(monkeypatch):
    do(open_parts(photos(4)))
    assert processors.usable_processors() == 1


def test_ray_that_is_not_installed_is_a_sentence(monkeypatch):
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    refused = pytest.raises(AppError, match=r"pip install 'sightread\[ray\]'")
    with refused:
        check_installed()


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("127.0.0.1:1", "127.0.0.1:1 does not answer"),
        ("here", "takes auto or HOST:PORT"),
        ("ray://127.0.0.1:10001", "takes auto or HOST:PORT"),
    ],
)
def test_an_address_that_leads_nowhere_is_a_sentence(address, match):
    with pytest.raises(AppError, match=match), connected(address):
        pass
