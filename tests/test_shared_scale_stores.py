"""What is done with addresses in a store: a folder stands in for it, without Ray."""

import io
import json
import pickle
import tarfile
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from test_shared_scale import Work, do, here, photos  # noqa: F401

from captioner.photos import addressed
from captioner.photos.inputs import find_photos, find_places
from captioner.photos.sources import find_shares
from shared.errors import AppError
from shared.files.resuming import list_digest
from shared.scale import claims, stores
from shared.scale.claims import Claim
from shared.scale.output import PartedOutput
from shared.scale.parts import Parts
from shared.scale.shares import Listed, files_state
from shared.scale.stores import Address, to_place

fs = pytest.importorskip("pyarrow.fs")


class Whole(io.BytesIO):
    """A file that is there when it is closed."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def close(self):
        if not self.closed:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            new = self.path.with_name(f".{threading.get_ident()}")
            new.write_bytes(self.getvalue())
            new.replace(self.path)
        super().close()


class Folder:
    """A folder that does what a store does."""

    def __init__(self, place):
        place.mkdir()
        self.place = place
        self.files = fs.SubTreeFileSystem(str(place), fs.LocalFileSystem())

    def __getattr__(self, name):
        return getattr(self.files, name)

    def open_output_stream(self, path):
        return Whole(self.place / path)


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    found = Folder(tmp_path / "store")
    monkeypatch.setattr(stores, "connect", lambda scheme, bucket: found)
    for name in ("BEAT", "PATIENCE", "SETTLE"):
        monkeypatch.setattr(claims, name, 0.02)
    return found


def put(*names, data=b"x"):
    for name in names:
        Address(f"s3://box/{name}").write_bytes(data)


def look(*words, recursive=False):
    def listed():
        return b"s3://box/in/1.jpg\nlocal.jpg\n"

    def seen(word):
        return addressed.look(word, recursive)

    found = find_places(words, recursive, listed, print, look=seen)
    return [place.as_posix().removeprefix("s3://box/in/") for place in found]


def test_an_address_is_what_a_path_is():
    address = to_place(Path("s3://box/in/a%20b.tar.jpg"))  # which has lost a slash
    assert str(address) == "s3://box/in/a%20b.tar.jpg"
    assert (address.bucket, address.name, address.stem, address.suffix) == (
        *("box", "a%20b.tar.jpg"),
        *("a%20b.tar", ".jpg"),
    )
    assert address.parent / "x" == Address("S3://box/in/x")
    assert len({address, pickle.loads(pickle.dumps(address))}) == 1
    assert to_place("in/s3.jpg") == Path("in/s3.jpg")
    Path("s3:/box").mkdir(parents=True)
    assert to_place("s3://box") == Path("s3:/box")


def test_what_was_begun_is_read_once_and_no_more_than_there_is_room_for(monkeypatch):
    put(*map(str, range(40)))
    all_of_them = [Address(f"s3://box/{i}") for i in range(40)]
    for address in all_of_them * 2:
        address.begin()
    assert sum(a._coming is not None for a in all_of_them) == stores.BEGUN
    assert {a.read_bytes() for a in all_of_them} == {b"x"}
    put("0", data=b"y")
    assert all_of_them[0].read_bytes() == b"y"
    gone = Address("s3://box/gone")
    gone.begin()
    with pytest.raises(FileNotFoundError):
        gone.read_bytes()
    assert stores._room._value == stores.BEGUN


def test_photos_of_a_folder_come_in_the_order_of_a_disk():
    put("in/10.jpg", "in/2.JPG", "in/a.txt", "in/.b.jpg", "in/d e/1.png")
    put("in/@eaDir/2.jpg", "in/d e/.x/3.jpg", "in/f/2.jpg")
    assert look("s3://box/in/") == look("s3://box/in") == ["2.JPG", "10.jpg"]
    every = ["2.JPG", "10.jpg", "d e/1.png", "f/2.jpg"]
    assert look("s3://box/in/", recursive=True) == every
    assert look("s3://box/in/**") == look("s3://box/in/**/*.[jJpP]*[gG]") == every
    assert look("s3://box/in/*/[!1].jpg", "s3://box/in/f/*") == ["f/2.jpg"]
    assert look("s3://box/in/?.JPG", "-") == ["2.JPG", "1.jpg", "local.jpg"]
    with pytest.raises(AppError, match=r"holds no photos\. Check the address, a"):
        look("s3://box/")
    with pytest.raises(AppError, match=r"Nothing matches s3://box/in/\*\.bmp"):
        look("s3://box/in/*.bmp")
    with pytest.raises(AppError, match="name of the bucket, without a pattern"):
        look("s3://b*/in")
    with pytest.raises(AppError, match="read by `captioner caption` with --engine ray"):
        find_photos(["s3://box/in"], False, bytes, print)


def items(*words):
    shares = find_shares(words, lambda given: list(map(to_place, given)), None)
    return [item for share in shares for some in share.read() for item in some]


def test_tables_and_archives_are_read_from_a_store():
    import pyarrow as pa
    from pyarrow import parquet

    put("in/list.csv", data="path\na.jpg\ns3://away/b.jpg\n\xe9\u2028.jpg\n".encode())
    found = [item.as_posix() for item in items("s3://box/in/*.csv")]
    assert found == [
        "s3://box/in/a.jpg",
        "s3://away/b.jpg",
        "s3://box/in/\xe9\u2028.jpg",
    ]
    Path("here.csv").write_text("path\ns3://box/c.jpg\n")
    assert items("here.csv") == [Address("s3://box/c.jpg")]
    kept = io.BytesIO()
    parquet.write_table(pa.table({"bytes": [b"1", b"2"]}), kept)
    put("rows.parquet", data=kept.getvalue())
    assert [row.read_bytes() for row in items("s3://box/rows.parquet")] == [b"1", b"2"]
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for i in range(40):
            info = tarfile.TarInfo(f"{i}.jpg" if i else "0.txt")
            info.size = 1000
            tar.addfile(info, io.BytesIO(b"%02d" % i * 500))
    put("0.tar", data=packed.getvalue())
    put("1.tar", data=packed.getvalue()[:2000])
    put("2.tar", data=b"\x1f\x8b compressed")
    *found, rest, other = items("s3://box/*.tar")
    assert [one.read_bytes()[:2] for one in found[:39]] == [
        b"%02d" % i for i in range(1, 40)
    ]
    assert found[0].name == "s3://box/0.tar/1.jpg" and len(found) == 39
    for one in (rest, other):
        with pytest.raises(OSError, match="the archive is cut off, damaged or compr"):
            one.read_bytes()
    with pytest.raises(AppError, match=r"s3://box/none\.csv cannot be read as a table"):
        items("s3://box/none.csv")


def output(paths, folder="s3://box/out", form=".jsonl", **rules):
    parts = Parts(Address(folder), form, {"image": str, "caption": str, "error": str})
    some = [paths[i : i + 4] for i in range(0, len(paths), 4)]
    shares = [Listed(one, list_digest(map(str, one)), one) for one in some]
    return PartedOutput(parts, "test", "photos", shares, Work().settings, **rules)


def read():
    parts = Address("s3://box/out").glob("part-*")
    return [json.loads(line) for p in parts for line in p.read_bytes().splitlines()]


def test_an_output_in_a_store_goes_on_and_is_replaced(capsys):
    names = [f"in/{i}.jpg" for i in range(10)]
    put(*names)
    inside = [Address(f"s3://box/{name}") for name in names]
    do(output(inside), 0, 2)
    put("out/part-00001.jsonl", data=b"half")  # without a receipt
    again = output(inside, resume=True)
    with again:
        assert (again.todo, again.done) == ([1], 6)
    do(output(inside, resume=True))
    assert [row["image"] for row in read()] == [str(a) for a in inside]
    put("in/5.jpg", data=b"another")
    inside = [Address(str(a)) for a in inside]
    changed = output(inside, resume=True)
    do(changed)
    assert "done again, because the photos have changed: 1" in capsys.readouterr().err
    assert len(read()) == 10
    with pytest.raises(AppError, match=r"holds an output already\. Add --resume"):
        output(inside).__enter__()
    with pytest.raises(AppError, match=r"10 photos .* now 8 photos"):
        output(inside[:8], resume=True).__enter__()
    do(output(inside[:3], overwrite=True))
    assert len(read()) == 3
    put("diary/mine.txt")
    with pytest.raises(AppError, match=r"it holds mine\.txt"):
        output(inside, "s3://box/diary").__enter__()


def test_a_part_in_a_store_that_is_damaged_is_refused():
    put("1.jpg")
    do(output([Address("s3://box/1.jpg")]))
    put("out/part-00000.jsonl", data=b"{}\n")
    again = output([Address("s3://box/1.jpg")], resume=True)
    with pytest.raises(AppError, match=r"part-00000\.jsonl was changed or damaged"):
        again.__enter__()
    Address("s3://box/out/part-00000.jsonl").unlink()
    with pytest.raises(AppError, match="cannot be read: there is no such file"):
        again.__enter__()


def test_two_runs_into_one_output_in_a_store_are_refused(capsys, monkeypatch):
    monkeypatch.setattr(claims, "PATIENCE", 1.0)
    Path("0.jpg").touch()
    with output([Path("0.jpg")]), pytest.raises(AppError, match="is in use by `test`"):
        output([Path("0.jpg")]).__enter__()
    assert "waiting whether another run" in capsys.readouterr().err
    held = Address("s3://box/out/_sightread/claim.json")
    assert not held.parent.glob("claim*")
    put("out/_sightread/claim.json", data=b'{"id": "of one that was killed"}')
    with output([Path("0.jpg")], overwrite=True):
        assert json.loads(held.read_bytes())["what"] == "`test`"


def test_of_two_runs_that_come_at_once_one_is_refused(monkeypatch):
    both = threading.Barrier(2)  # have written; then, have read
    monkeypatch.setattr(claims, "time", SimpleNamespace(sleep=lambda _: both.wait(9)))
    refused = []

    def run():
        held = None
        try:
            held = Claim(Address("s3://box/out/_sightread/claim.json"), "x")
        except AppError as error:
            refused.append(str(error))
        both.wait(9)
        if held:
            held.release()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (said,) = refused
    assert "s3://box/out is in use by x: process" in said


def test_photos_that_are_gone_have_no_state():
    put("1.jpg")
    inside = Address("s3://box/1.jpg")
    assert files_state([inside]) != files_state([Address("s3://box/2.jpg")])
    put("1.jpg", data=b"longer")
    assert files_state([inside]) != files_state([Address("s3://box/1.jpg")])
