"""What is shared out of folders, tables and archives."""

import io
import re
import tarfile
from pathlib import Path

import pytest

from captioner.photos.members import Member
from captioner.photos.sources import find_shares
from shared.errors import AppError
from shared.scale.shares import files_state
from shared.vision.images import read_image

pa = pytest.importorskip("pyarrow")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def names(*words, column=None):
    shares = find_shares(words, lambda given: [Path(word) for word in given], column)
    items = [item for share in shares for some in share.read() for item in some]
    assert sum(share.count for share in shares) == len(items)
    return [item.as_posix() for item in items]


def write_table(name, **columns):
    from pyarrow import parquet

    parquet.write_table(pa.table(columns), name, row_group_size=2)


def write_tar(name, **files):
    with tarfile.open(name, "w") as tar:
        for inner, data in files.items():
            info = tarfile.TarInfo(inner.replace("__", "."))
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_paths_of_tables_count_from_the_table_and_each_photo_once():
    Path("in").mkdir()
    Path("in/a.jpg").touch()
    Path("in/list.csv").write_text("id,path\n1,a.jpg\n2,b.jpg\n3,\n4,in/a.jpg\n")
    assert names("in/list.csv") == ["in/a.jpg", "b.jpg", "in/list.csv#2"]
    assert names("in/a.jpg", "in/list.csv")[0] == "in/a.jpg"
    write_table("list.parquet", path=["x.jpg", None], caption=["a", "b"])
    assert names("list.parquet") == ["x.jpg", "list.parquet#1"]


def test_the_column_of_photos_is_known_or_named():
    Path("a.tsv").write_text("caption\twhere\nhello\tx.jpg\n")
    assert names("a.tsv", column="where") == ["x.jpg"]
    with pytest.raises(AppError, match=r"called like photos; it has caption, where"):
        names("a.tsv")
    with pytest.raises(AppError, match=r"no column path; it has caption, where"):
        names("a.tsv", column="path")
    write_table("b.parquet", image=[1, 2])
    with pytest.raises(AppError, match="column image holds int64"):
        names("b.parquet")


def test_rows_of_bytes_are_shared_out_by_row_groups():
    rows = [{"bytes": b"1", "path": "a.jpg"}, {"bytes": b"2", "path": None}, None]
    write_table("hf.parquet", image=rows)
    assert names("hf.parquet") == ["a.jpg", "hf.parquet#1", "hf.parquet#2"]
    write_table("raw.parquet", bytes=[b"1", b"2", b"3", b"4", b"5"])
    shares = find_shares(["raw.parquet"], list, None)
    assert [share.count for share in shares] == [2, 2, 1]
    assert len({share.digest for share in shares}) == 3
    found = [one.read_bytes() for share in shares for one in next(share.read())]
    assert found == [b"1", b"2", b"3", b"4", b"5"]


def test_members_of_archives_are_read_where_they_lie():
    photo = Path(__file__).parents[1] / "examples" / "cat.jpg"
    write_tar("s-1.tar", a__jpg=photo.read_bytes(), a__txt=b"a cat", b__png=b"broken")
    write_tar("s-0.tar", c__jpg=b"")
    assert names("s-*.tar") == ["s-0.tar/c.jpg", "s-1.tar/a.jpg", "s-1.tar/b.png"]
    (share,) = find_shares(["s-1.tar"], list, None)
    ((good, bad),) = share.read()
    assert (read_image(good) == read_image(photo)).all()
    with pytest.raises(
        AppError, match=re.escape("s-1.tar/b.png: this is not an image")
    ):
        read_image(bad)
    before = files_state(share.files)
    write_tar("s-1.tar", a__jpg=b"another")
    assert files_state(share.files) != before
    with pytest.raises(AppError, match="ends in the middle of it"):
        read_image(Member(Path("s-1.tar"), "a.jpg", 10**6, 5))


@pytest.mark.parametrize("name", ["x.tar", "x.parquet", "x.csv"])
def test_what_is_damaged_is_a_sentence(name):
    Path(name).write_bytes(b"\xff\xfe\x00 no such thing" * 50)
    with pytest.raises(
        AppError, match=f"{name} (is cut off|cannot be read|has no col)"
    ):
        names(name)
    Path(name).unlink()
    with pytest.raises(AppError, match=f"{name} cannot be read"):
        names(name)


def test_a_pattern_that_matches_nothing_is_a_sentence():
    with pytest.raises(AppError, match=r"Nothing matches no/\*\.tar"):
        names("no/*.tar")
