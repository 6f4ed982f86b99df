"""A job of any command: what is done, kept, printed and said."""

from itertools import islice
from pathlib import Path

import pytest

from shared.errors import AppError
from shared.files.formats import write_jsonl
from shared.files.jobs import Job, in_order
from shared.files.outputs import Kind, Output
from shared.files.resuming import Item

NAMES = ["a.jpg", "b.jpg", "broken.jpg", "c.jpg", "d.jpg"]


class Shouting:
    """Writes names large, two at a time; some photos cannot be read."""

    unit, noun, verbose = "photo", "shout", False

    def __init__(self, stop=99):
        self.stop, self.read = stop, []

    def load(self):
        def tell(names):
            while some := list(islice(names, 2)):
                self.read += some
                if len(self.read) > self.stop:
                    raise KeyboardInterrupt
                yield list(map(self.record, some))

        return in_order(tell)

    @staticmethod
    def record(name):
        if name == "broken.jpg":
            return {"image": name, "error": "it is\nbroken."}
        return {"image": name, "shout": name.upper()}

    def lines(self, record):
        return [record["image"], record["shout"]]

    def remarks(self, record):
        return ["note: it is loud"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        (tmp_path / name).write_text(name)


def output(path, **rules):
    kind = Kind("app shout", "photos", {".jsonl": write_jsonl})
    items = [Item(name, Path(name)) for name in NAMES]
    return Output(Path(path), items, kind, dict, **rules)


def test_records_are_printed_and_errors_said_in_a_line(capsys):
    job = Job(NAMES, Shouting())
    job.run()
    out, err = capsys.readouterr()
    assert out == "a.jpg\nA.JPG\nb.jpg\nB.JPG\nc.jpg\nC.JPG\nd.jpg\nD.JPG\n"
    said = ["note: it is loud", r"error: broken.jpg: it is\nbroken."]
    assert err.splitlines() == [*said, "4 shouts, 1 error"]
    assert (job.done, job.errors) == (5, 1)


def test_what_is_told_of_many_items_is_said_once(capsys):
    Job(["broken.jpg"] * 5, Shouting()).run()
    assert capsys.readouterr().err.count("broken.jpg") == 1


@pytest.mark.parametrize("stop", [0, 2, 4])
def test_an_interrupted_job_goes_on(stop, capsys):
    Job(NAMES, Shouting(), output("whole.jsonl")).run()
    capsys.readouterr()
    with pytest.raises(KeyboardInterrupt):
        Job(NAMES, Shouting(stop), output("out.jsonl")).run()
    told = f"note: {stop} of 5 photos are kept in out.jsonl.partial.jsonl; go on with"
    assert (told in capsys.readouterr().err) == bool(stop)
    work = Shouting()
    again = Job(NAMES, work, output("out.jsonl", resume=True))
    again.run()
    assert work.read == NAMES[stop:]
    assert (again.done, again.errors) == (5, 1)
    assert Path("out.jsonl").read_text() == Path("whole.jsonl").read_text()


def test_a_finished_job_loads_nothing(capsys):
    Job(NAMES, Shouting(), output("out.jsonl")).run()
    work = Shouting()
    work.load = None
    Job(NAMES, work, output("out.jsonl", resume=True)).run()
    assert "out.jsonl is finished already; --overwrite" in capsys.readouterr().err


def test_what_the_target_could_not_keep_is_an_error(capsys):
    class Full:
        todo, done, errors, finished = [1, 3], 3, 1, False

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.finished = True

        def note(self, place):
            assert not self.finished

        def append(self, batch):
            return [(i, {"image": r["image"], "error": "full."}) for i, r in batch]

        def finish(self):
            assert not self.finished

    job = Job(NAMES, Shouting(), Full())
    job.run()
    assert (job.done, job.errors) == (5, 3)
    assert "error: b.jpg: full.\nerror: c.jpg: full." in capsys.readouterr().err


def test_a_model_that_is_refused_is_the_jobs_error():
    work = Shouting()

    def refuse():
        raise AppError("there is no model.")

    work.load = refuse
    with pytest.raises(AppError, match="no model"):
        Job(NAMES, work, output("out.jsonl")).run()
