"""Records by Ray: what one process would write, whatever is killed meanwhile."""

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import ROOT
from PIL import Image
from s3 import environment, free_port, serving

from captioner.cli import main
from shared.errors import AppError
from shared.files.resuming import list_digest
from shared.scale.attempts import Lost
from shared.scale.cluster import _mute
from shared.scale.output import PartedOutput
from shared.scale.parts import Parts
from shared.scale.run import ParallelJob
from shared.scale.shares import Listed
from shared.scale.stores import Address
from vqa.cli import main as vqa
from vqa.jobs.parts import find_questions

pytest.importorskip("ray", reason="ray is not installed: pip install 'sightread[ray]'")
pytestmark = pytest.mark.slow
PORT = free_port()  # of a store, which workers must know before it is there


@pytest.fixture(scope="module")
def cluster():
    """Two nodes of one processor each, whose workers find this module."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "include_dashboard": False}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        for name, value in environment(PORT).items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT / "tests"), str(ROOT)]))
        found = Cluster(initialize_head=True, head_node_args=node)
        found.add_node(num_cpus=1)
        yield found
        found.shutdown()


@pytest.fixture(scope="module")
def store(cluster):
    with serving(PORT) as server:
        yield server


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def jpeg(number):
    file = io.BytesIO()
    color = (17 * number % 256, 91 * number % 256, 43 * number % 256)
    Image.new("RGB", (48, 48), color).save(file, "JPEG")
    return file.getvalue()


def draw(count, folder="photos", broken=()):
    Path(folder).mkdir()
    for i in range(count):
        data = b"nothing" if i in broken else jpeg(i)
        Path(folder, f"{i}.jpg").write_bytes(data)


def read(folder="out"):
    lines = "".join(p.read_text() for p in sorted(Path(folder).glob("part-*")))
    return [json.loads(line) for line in lines.splitlines()]


def test_no_handler_but_that_of_ray_is_muted(monkeypatch):
    """Those of a program around may hear of more than Ray, as those of pytest do."""
    import ray.data  # noqa: F401

    log, own = logging.getLogger("ray.data"), logging.NullHandler()
    (console,) = (handler for handler in log.handlers if handler.name == "console")
    monkeypatch.setattr(console, "level", logging.INFO)
    monkeypatch.setattr(log, "handlers", [*log.handlers, own])
    _mute()
    assert console.level > logging.CRITICAL
    assert {h.level for h in log.handlers if h is not console} == {logging.NOTSET}


def test_photos_of_all_sources_become_what_one_process_writes(cluster, capsys):
    import pyarrow as pa
    from pyarrow import parquet

    draw(20, broken=[7])
    Path("more.csv").write_text("id,path\n1,photos/3.jpg\n2,gone.jpg\n")
    with tarfile.open("shard-0.tar", "w") as tar:
        for name in ("a.jpg", "a.txt", "b.jpg"):
            info = tarfile.TarInfo(name)
            info.size = len(jpeg(1))
            tar.addfile(info, io.BytesIO(jpeg(1)))
    rows = [{"bytes": jpeg(2), "path": "hf.jpg"}, {"bytes": None, "path": None}]
    parquet.write_table(pa.table({"image": rows}), "rows.parquet")
    assert (
        main(["caption", "photos", "gone.jpg", "-o", "local.jsonl", "--details"]) == 1
    )
    sources = ["photos", "more.csv", "shard-*.tar", "rows.parquet"]
    engine = ["--engine", "ray", "--address", cluster.address, "--parts", "parquet"]
    assert main(["caption", *sources, "-o", "out", "--details", *engine]) == 1
    said = capsys.readouterr().err
    assert "gone.jpg: there is no such file" in said and "Traceback" not in said
    found = [
        {key: value for key, value in row.items() if value is not None}
        for part in sorted(Path("out").glob("*.parquet"))
        for row in parquet.read_table(part).to_pylist()
    ]
    local = [json.loads(line) for line in Path("local.jsonl").read_text().splitlines()]
    without = [row | {"captions": None} for row in found]  # nulls are in there, too
    assert without[:21] == [row | {"captions": None} for row in local]
    captions = {row["image"]: row.get("caption") for row in found}
    assert captions["shard-0.tar/a.jpg"] == captions["photos/1.jpg"]
    assert captions["hf.jpg"] == captions["photos/2.jpg"]
    assert [row["image"] for row in found if "error" in row] == [
        *("photos/7.jpg", "gone.jpg", "rows.parquet#1")
    ]


def test_questions_get_the_answers_of_one_process(cluster):
    draw(6)
    asked = [
        {"image": f"photos/{i}.jpg", "question": question, "id": f"{question[:4]}{i}"}
        for question in ("what color is it?", "is it red?")
        for i in range(7)
    ]
    Path("asked.jsonl").write_text("\n".join(map(json.dumps, asked)))
    assert vqa(["ask", "--batch", "asked.jsonl", "-o", "local.jsonl"]) == 1
    engine = ["--engine", "ray", "--address", cluster.address]
    assert vqa(["ask", "--batch", "asked.jsonl", "-o", "out", *engine]) == 1
    local = [json.loads(line) for line in Path("local.jsonl").read_text().splitlines()]
    found = {row["id"]: row for row in read()}
    assert len(read()) == len(found) == 14
    assert found == {row["id"]: row for row in local}


def pack(name, members):
    with tarfile.open(name, "w") as tar:
        for inner, data in members.items():
            info = tarfile.TarInfo(inner)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def upload(*files, folder="s3://box/in"):
    for file in map(Path, files):
        Address(f"{folder}/{file}").write_bytes(file.read_bytes())


def test_photos_in_a_store_become_the_same_though_it_fails_now_and_then(
    cluster, store, capsys
):
    import pyarrow as pa
    from pyarrow import parquet

    draw(10, broken=[7])
    pack("a.tar", {"one.jpg": jpeg(1), "one.txt": b"no photo", "two.jpg": jpeg(2)})
    Path("cut.tar").write_bytes(Path("a.tar").read_bytes()[:1400])
    Path("more.csv").write_text(
        "path\nphotos/3.jpg\ngone.jpg\ns3://box/in/photos/1.jpg\n"
    )
    rows = [{"bytes": jpeg(i), "path": None} for i in range(3)]
    parquet.write_table(pa.table({"image": rows}), "rows.parquet")
    assert main(["caption", "photos", "gone.jpg", "-o", "local.jsonl"]) == 1
    upload(*Path("photos").iterdir(), "a.tar", "cut.tar", "more.csv", "rows.parquet")
    upload("photos/9.jpg")
    Address("s3://box/in/lost.jpg").write_bytes(jpeg(1))
    store.every, store.lost = 6, "lost.jpg"
    sources = ["photos/", "more.csv", "*.tar", "rows.parquet", "lost.jpg"]
    command = ["caption", *(f"s3://box/in/{name}" for name in sources)]
    command += ["-o", "s3://box/out", "--engine", "ray", "--address", cluster.address]
    try:
        assert main(command) == 1
    finally:
        store.every, store.lost = 0, None
    assert store.failed > 10
    said = capsys.readouterr().err
    assert "s3://box/in/gone.jpg: there is no such file" in said
    assert "s3://box/in/lost.jpg: the file cannot be read: the store " in said
    parts = Address("s3://box/out").glob("part-*")
    text = b"".join(part.read_bytes() for part in parts).decode()
    local = (
        Path("local.jsonl").read_text().replace('"image": "', '"image": "s3://box/in/')
    )
    found = dict.fromkeys(text.splitlines())
    assert len(found) == len(text.splitlines()) == 10 + 1 + 2 + 2 + 3 + 1
    assert all(line in found for line in local.splitlines())
    captions = {row["image"]: row.get("caption") for row in map(json.loads, found)}
    for name, alike in {
        "a.tar/two.jpg": 2,
        "cut.tar/one.jpg": 1,
        "rows.parquet#0": 0,
    }.items():
        assert (
            captions[f"s3://box/in/{name}"]
            == captions[f"s3://box/in/photos/{alike}.jpg"]
        )
    rest = json.loads(next(line for line in found if '"s3://box/in/cut.tar"' in line))
    assert "the archive is cut off, damaged or compressed" in rest["error"]

    Address("s3://box/in/photos/0.jpg").write_bytes(jpeg(50))
    Address("s3://box/out/_sightread/part-00001.json").unlink()
    assert main([*command, "--resume"]) == 1
    assert "done again, because the photos have changed: 1" in capsys.readouterr().err
    assert b"".join(p.read_bytes() for p in parts).decode().count("\n") == len(found)


def test_questions_about_photos_in_a_store(cluster, store):
    draw(3)
    asked = [
        {"image": f"photos/{i}.jpg", "question": question}
        for i in range(4)
        for question in ("what color is it?", "how many dogs are there?")
    ]
    Path("local.jsonl").write_text("\n".join(map(json.dumps, asked)))
    assert vqa(["ask", "--batch", "local.jsonl", "-o", "local.json.jsonl"]) == 1
    upload(*Path("photos").iterdir())
    inside = [row | {"image": f"s3://box/in/{row['image']}"} for row in asked[:6]]
    inside += [row | {"image": "s3://box/in/none.jpg"} for row in asked[6:]]
    Path("asked.jsonl").write_text("\n".join(map(json.dumps, inside)))

    def ask_there(file, output):
        engine = ["--engine", "ray", "--address", cluster.address, "-o", output]
        assert vqa(["ask", "--batch", file, *engine]) == 1
        text = b"".join(p.read_bytes() for p in Address(output).glob("part-*"))
        return [json.loads(line) for line in text.splitlines()]

    found = ask_there("asked.jsonl", "s3://box/answers")
    local = Path("local.json.jsonl").read_text().replace("photos/3", "none")
    local = [json.loads(line) for line in local.splitlines()]
    assert [row["image"].removeprefix("s3://box/in/") for row in found] == [
        row["image"] for row in local
    ]
    assert [row | {"image": ""} for row in found] == [
        row | {"image": ""} for row in local
    ]
    upload("local.jsonl", *Path("photos").iterdir(), folder="s3://box/asked")
    assert ask_there("s3://box/asked/local.jsonl", "s3://box/more") == [
        json.loads(line) for line in Path("local.json.jsonl").read_text().splitlines()
    ]


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        (
            "none.jsonl",
            None,
            r"s3://box/in/none.jsonl cannot be read: there is no such",
        ),
        ("cut.jsonl", '{"image": "a.jpg"', r"^s3://box/in/cut.jsonl, line 1 .*JSON"),
        ("empty.jsonl", "", r"^s3://box/in/empty.jsonl is empty"),
    ],
)
def test_questions_in_a_store_that_cannot_be_read(name, text, match, store):
    file = Address(f"s3://box/in/{name}")
    if text is not None:
        file.write_bytes(text.encode())
    with pytest.raises(AppError, match=match):
        find_questions(Path(str(file)))


@pytest.mark.parametrize(
    ("source", "output", "match"),
    [
        ("s3://box/none/", "out", "holds no photos. Check the address"),
        ("s3://denied/photos/", "out", "the store refuses it; see to the credentials"),
        ("s3://box/none/*.tar", "out", r"Nothing matches s3://box/none/\*.tar"),
        ("a.jpg", "s3://denied/out", "cannot be written: the store refuses it"),
        ("a.jpg", "s3://away/out", "cannot be written: there is no bucket away"),
    ],
)
def test_a_store_that_refuses_is_a_sentence(source, output, match, store, capsys):
    assert main(["caption", source, "-o", output, "--engine", "ray"]) == 1
    (said,) = capsys.readouterr().err.splitlines()
    assert re.search(match, said)


@dataclass(frozen=True)
class Fragile:
    """Ends its process at some items, once or each time; takes a while for others."""

    seconds: float = 0.0
    unit, noun, verbose = "photo", "caption", False

    def settings(self):
        return {}

    def load(self):
        def do(items, todo, note):
            for place in todo:
                told = self.meet(items[place])
                time.sleep(self.seconds)
                yield [(place, {"image": str(items[place]), **told})]

        return do

    def meet(self, item):
        if isinstance(item, Lost):
            return {"error": item.problem}
        first = item.name == "once" and not Path("met").exists()
        if first or item.name == "poison":
            Path("met").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return {"caption": "x"}


def job(items, cluster, work, size=1):
    cut = [list(map(Path, items[i : i + size])) for i in range(0, len(items), size)]
    shares = [Listed(some, list_digest(map(str, some)), []) for some in cut]
    parts = Parts(Path("out"), ".jsonl", {})
    output = PartedOutput(parts, "test", "photos", shares, work.settings)
    return ParallelJob(work, output, cluster.address)


def test_a_worker_that_is_killed_loses_nothing_but_what_kills_it(cluster):
    items = ["a", "once", "poison", "b", "c", "d"]
    running = job(items, cluster, Fragile(), size=2)
    running.run()
    assert [row["image"] for row in read()] == items and running.errors == 1
    assert "whatever worker reads it ends" in read()[2]["error"]
    assert not list(Path("out/_sightread").glob(".part*"))


def test_a_node_that_is_removed_loses_nothing(cluster):
    node = cluster.add_node(num_cpus=1)
    items = [str(i) for i in range(30)]
    running = job(items, cluster, Fragile(0.3))
    add = running.output.add

    def remove_then_add(number):
        if not running.output.done:
            cluster.remove_node(node, allow_graceful=False)
        return add(number)

    running.output.add = remove_then_add
    running.run()
    assert [row["image"] for row in read()] == items


def start(*options):
    command = [sys.executable, "-m", "captioner", "caption", "photos", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stderr=subprocess.PIPE, env=environment, text=True)


def test_a_run_that_is_killed_goes_on_without_a_word_of_ray():
    draw(40, broken=[3])
    begun = start("-o", "out", "--engine", "ray")
    while not list(Path("out").glob("_sightread/part-*.json")):
        assert begun.poll() is None, begun.stderr.read()
        time.sleep(0.05)
    begun.send_signal(signal.SIGKILL)
    begun.communicate()
    again = start("-o", "out", "--engine", "ray", "--resume")
    said = again.communicate()[1]
    assert again.returncode == 1
    assert said.splitlines()[-1] == "39 captions, 1 error"
    assert all("photos/3.jpg" in line for line in said.splitlines()[:-1])
    assert main(["caption", "photos", "-o", "local.jsonl"]) == 1
    parts = sorted(Path("out").glob("part-*"))
    assert b"".join(p.read_bytes() for p in parts) == Path("local.jsonl").read_bytes()
