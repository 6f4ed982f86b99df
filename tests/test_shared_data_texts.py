import gzip

import pytest

from shared.data.texts import read_texts
from shared.errors import AppError


def test_each_file_gives_its_captions(tmp_path):
    plain, table = tmp_path / "a.txt", tmp_path / "b.tsv.gz"
    plain.write_bytes("\ufeffA dog. \r\n\n ... \nZwei Hunde\tund ein Ball\n".encode())
    with gzip.open(table, "wt", encoding="utf-8") as file:
        file.write("1\tA cat.\n1\tTwo \u2028 cats.\n2\t\n")
    assert read_texts([plain, table]) == [
        ["A dog.", "Zwei Hunde\tund ein Ball"],
        ["A cat.", "Two \u2028 cats."],
    ]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"\n...\n", "holds no caption"),
        ("a.txt", b"\xff\xfea\x00", "not UTF-8"),
        ("a.tsv.gz", b"A dog.", "cannot be read: Not a gzipped file"),
        ("a.txt.gz", gzip.compress(b"A dog." * 99, mtime=0)[:20], "cannot be read"),
        (
            "a.txt.gz",
            gzip.compress(b"A dog.", mtime=0)[:-9] + b"x" * 9,
            "cannot be read",
        ),
        ("a.json", b"[]", r"Received: \.json"),
        ("a.gz", b"", "Received: no ending"),
    ],
)
def test_other_files_are_refused(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(AppError, match=message) as error:
        read_texts([path])
    assert str(path) in str(error.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(AppError, match="No such file"):
        read_texts([tmp_path / "none.txt"])
