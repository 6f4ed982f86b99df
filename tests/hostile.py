"""Bundles as somebody could have changed them, and a process that uses them.

Run by hand for more than the tests do: `python tests/hostile.py 1000`, or of one task
alone, from a first number on: `python tests/hostile.py 150 0 rnn`.
"""

import ctypes
import hashlib
import itertools
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).parents[1]
DETECTOR = ROOT / "shared" / "vision" / "yolox_nano.tflite"
MEGABYTES, SECONDS = 1000, 10
TASKS, RUNTIMES = ("captioner", "vqa", "rnn"), ("litert", "keras")
TEXT = "text.txt"  # beside a bundle, for language models to read
LARGE = 3 * 2**30

# ---- what is done to one file


def flip(content, rng):
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 4, 64))):
        if content:
            content[rng.randrange(len(content))] = rng.randrange(256)
    return bytes(content)


def flip_end(content, rng):
    """Flip bytes where both HDF5 and LiteRT say what is where."""
    content, reach = bytearray(content), min(len(content), 20_000)
    for _ in range(rng.choice((1, 2, 8))):
        if reach:
            place = rng.randrange(reach)
            place = place if rng.random() < 0.5 else len(content) - 1 - place
            content[place] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return bytes(content)


def large_number(content, rng):
    """Write a number where there may be an offset or a size."""
    if len(content) < 16:
        return content
    content, place = bytearray(content), rng.randrange(len(content) // 8 - 1) * 8
    number = rng.choice((-1, 0, 2**31 - 1, 2**62, 7, len(content) - 8))
    content[place : place + 8] = struct.pack("<q", number)
    return bytes(content)


BYTES = [
    flip,
    flip_end,
    large_number,
    lambda content, rng: content[: rng.randrange(len(content) + 1)],
    lambda content, rng: content + rng.randbytes(rng.randrange(1, 5000)),
    lambda content, rng: rng.randbytes(len(content)),
    lambda content, rng: bytes(len(content)),
    lambda content, rng: b"",
    lambda content, rng: content * 3,
    lambda content, rng: b"\xef\xbb\xbf" + content,
    lambda content, rng: b"\xed\xa0\x80" + content,
]


def exchange(path, rng, outside):
    """Put something else in the place of a file or a folder."""
    kind = rng.randrange(8)
    if path.is_dir():
        moved = outside / f"moved{len(list(outside.iterdir()))}"
        path.rename(moved)
        path.symlink_to(moved)
        return
    path.unlink()
    target = [outside / "secret", Path("/dev/zero"), path.parent / "card.md"]
    if kind < 3:
        path.symlink_to(target[kind])
    elif kind == 3:
        os.mkfifo(path)
    elif kind == 4:
        path.mkdir()
    elif kind == 5:
        path.symlink_to(path)
    elif kind == 6:
        with path.open("wb") as file:
            file.truncate(rng.choice((2**20 + 1, 2**27, LARGE)))


# ---- texts

VALUES = [
    *("0", "-1", "1", "2", "16", "17", "64", "1024", "8192", "8193", "1000000"),
    *("999999999999", "9" * 5000, "0x" + "f" * 4000, "1e308", "nan", "inf", "-0.0"),
    *("true", "''", "'x'", "'\\u001b[2J'", '"\\u202e"', "[]", "[1]", "[[[]]]", "{}"),
    *("1979-05-27", "[" * 3000, "{a=" * 3000, "'" + "a" * 10**5 + "'", "0.5", "1e-320"),
    *("'efficientnet_v2_b0'", "'convnext_base'", "'sample'", "'boxes'", "'choices'"),
    *("'crop'", "'concat'", "'soft'", "'average'", "'mixed_bfloat16'", "'character'"),
    *("'word'", "'gru'", "'fgr'", "'identity'", "'hard'"),
]


def change_config(text, rng):
    lines = text.split("\n")
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.choice([i for i, line in enumerate(lines) if " = " in line])
        key = lines[place].partition(" = ")[0]
        lines[place] = f"{key} = {rng.choice(VALUES)}"
    return "\n".join(lines)


CONFIGS = [
    *[change_config] * 8,
    lambda text, rng: ".".join("a" * 60_000) + " = 1\n" + text,
    lambda text, rng: "".join(f"a.b{i} = 1\n" for i in range(200_000)) + text,
    lambda text, rng: text + "".join(f"[a.b.c{i}]\n" for i in range(9_000)),
    lambda text, rng: text + text,
    lambda text, rng: "\n".join(rng.sample(text.split("\n"), text.count("\n") // 2)),
    lambda text, rng: text + "[[stages]]\n" * 10_000,
    lambda text, rng: text + "#" * 10**8,
]
WORDS = ["", " ", "\x1b[2Jx", "a\u202eb", "a\tb", "<pad>", "dog", "x" * 10**6, "\x00"]
LINES = [
    lambda text, rng: text.replace("\n", "\r\n"),
    lambda text, rng: text + "more\n",
    lambda text, rng: text.rpartition("\n")[0].rpartition("\n")[0] + "\n",
    lambda text, rng: "".join(f"w{i}\n" for i in range(10**7)),
    lambda text, rng: text + "".join(f"w{i}\n" for i in range(400_000)),
    lambda text, rng: "\n".join(reversed(text.split("\n"))),
    lambda text, rng: text.replace("\n", "", 1),
    *[lambda text, rng: text + rng.choice(WORDS) + "\n"] * 4,
    *[lambda text, rng: text.replace("a\n", rng.choice(WORDS) + "\n")] * 3,
]
CELLS = ["-1", "0 1", "0 2", "80", "1 1", "9" * 5000, "x", "0", "1", "7", "\u0663"]


def change_table(text, rng):
    """Change cells of a table of concepts, or exchange them for others."""
    rows = [line.split("\t") for line in text.splitlines()]
    for _ in range(rng.choice((1, 1, 2, 8))):
        row, place = rng.choice(rows), rng.randrange(len(rows[0]))
        if rng.random() < 0.5:
            row[place] = rng.choice((*WORDS, *CELLS))
        else:
            row[place] = rng.choice(rows)[place]
    return "".join("\t".join(row) + "\n" for row in rows)


def many_words(text, rng):
    """Add so many words that the whole has a given size, each with a detector."""
    first = text.count("\n") - 1
    detector = rng.random() < 0.5
    rows = (f"w{i}\t\t\t\t{i if detector else ''}\n" for i in itertools.count(first))
    rows = itertools.islice(rows, rng.choice((1, 100, 20_000, 40_000, 5 * 10**6)))
    return text + "".join(rows)


TABLES = [
    *[change_table] * 8,
    *[many_words] * 3,
    lambda text, rng: text.replace("\n", "\r"),
    lambda text, rng: text + '"' + "x" * 10**6,
    lambda text, rng: text + "dog\t" + "0 1 " * 200_000 + "\t\t\t\n",
    lambda text, rng: (
        text + "".join(f"w{i}\t{i % 80} {-i % 80}\t\t\t\n" for i in range(9999))
    ),
    lambda text, rng: text + text,
]
STRANGE = [None, 0, -1, 2, 10**400, 0.5, "", "x", [], ["x"], {}, {"x": 1}, True]


def change_manifest(text, rng):
    manifest = json.loads(text)
    files = manifest["files"]
    name = rng.choice(list(files))
    kind = rng.randrange(9)
    if kind == 0:
        manifest[rng.choice(list(manifest))] = rng.choice(STRANGE)
    elif kind == 1:
        files[name] = rng.choice(STRANGE)
    elif kind == 2:
        files[
            rng.choice(("../x", "/etc/passwd", "a\0", "C:x", "x" * 9000, "\x1b[2J"))
        ] = ""
    elif kind == 3:
        files |= {f"f{i}": "" for i in range(rng.choice((100, 100_000)))}
    elif kind == 4:
        del files[name]
    elif kind == 5:
        return "[" * 100_000
    elif kind == 6:
        return text + " " * 10**8
    elif kind == 7:
        return json.dumps(manifest).replace("2", "9" * 5000, 1)
    else:
        return f"{text[:-3]}, {text[1:]}"
    return json.dumps(manifest)


TEXTS = {
    "config.toml": CONFIGS,
    "vocabulary.txt": LINES,
    "answers.txt": LINES,
    "concepts.tsv": TABLES,
    "manifest.json": [change_manifest] * 6,
    "card.md": [
        lambda text, rng: "\x1b]0;x\x07" + text,
        lambda text, rng: "x" * 10**8,
    ],
}

# ---- weights and graphs


def change_weights(path, rng, outside):
    """Change an array of HDF5, or put something else in its place."""
    import h5py

    with h5py.File(path, "a") as file:
        names = []
        file.visititems(
            lambda name, item: names.append(name) if hasattr(item, "shape") else None
        )
        name = rng.choice(names)
        array = file[name][()]
        del file[name]
        new = rng.choice(
            (
                h5py.ExternalLink(str(outside / "secret"), "/"),
                h5py.SoftLink("/" + rng.choice(names)),
                array[..., :-1] if array.ndim else array,
                array.astype("f8"),
                array.astype("i1"),
                array.astype("c8"),
                np.full_like(array, np.nan if array.dtype.kind == "f" else -1),
                np.float16(np.inf) + np.zeros(array.shape, np.float16),
                array * 0 + array.dtype.type(120),
                np.array([b"x" * 99], "S99"),
                np.zeros(4_000_000, np.float32),
                np.zeros((3000, 3000), np.int8),
                h5py.Empty("f4"),
                None,
                "bomb",
                "external",
                "deep",
            )
        )
        if isinstance(new, str) and new == "bomb":
            file.create_dataset(name, (10**5, 10**6), "f4", compression="gzip")
        elif isinstance(new, str) and new == "external":
            segments = [(str(outside / "secret"), 0, array.nbytes)]
            file.create_dataset(name, array.shape, array.dtype, external=segments)
        elif isinstance(new, str) and new == "deep":
            file.create_group(name + "/a" * 2000)
        elif new is not None:
            file[name] = new


def change_graph(path, rng, outside):
    """Change what a graph says of its tensors and operations."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    graph = model.subgraphs[0]
    for _ in range(rng.choice((1, 1, 2, 4))):
        tensor, deed = rng.choice(graph.tensors), rng.choice(graph.operators)
        kind = rng.randrange(9)
        sizes = (0, 1, -1, 2, 2**20, 2**30)
        if kind == 0 and tensor.shape is not None:
            new = [rng.choice((*sizes, int(size))) for size in tensor.shape]
            tensor.shape = np.array(new, np.int32)
        elif kind == 1:
            tensor.type = rng.randrange(18)
        elif kind == 2:
            tensor.buffer = rng.randrange(len(model.buffers))
        elif kind in (3, 4) and deed.inputs is not None:
            name = ("inputs", "outputs")[kind - 3]
            new = [
                rng.choice((i, rng.randrange(len(graph.tensors))))
                for i in getattr(deed, name)
            ]
            setattr(deed, name, np.array(new, np.int32))
        elif kind == 5:
            deed.opcodeIndex = rng.randrange(len(model.operatorCodes))
        elif kind == 6:
            code = rng.choice(model.operatorCodes)
            code.builtinCode = rng.randrange(160)
            code.deprecatedBuiltinCode = min(127, code.builtinCode)
        elif kind == 7:
            signature = rng.choice(model.signatureDefs)
            rng.choice(signature.inputs + signature.outputs).name = b"x"
        else:
            group = schema.ExternalBufferGroupT()
            group.name = str(outside / "secret")
            model.externalBufferGroups = [group]
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


# ---- a changed bundle


def list_files(folder, runtime):
    """Name the files of a bundle that a runtime reads."""
    names = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
    )
    if runtime == "keras":
        return [name for name in names if "/" not in name]
    return [name for name in names if not name.endswith(".h5")]


def change_shared(folder, common, rng, runtime):
    """Change what a package has once for its bundles, and the detector in it."""
    files = json.loads((folder / "manifest.json").read_text())["files"]
    names = ("encoder.weights.h5", "concepts.weights.h5")
    for name in ("litert/concepts.tflite",) if runtime == "litert" else names:
        (folder / name).rename(common / (files[name] + Path(name).suffix))
    path = rng.choice(sorted(common.iterdir()))
    deed = rng.choice((*BYTES, "exchange"))
    if deed == "exchange":
        exchange(path, rng, common.parent / "outside")
    else:
        path.write_bytes(deed(path.read_bytes(), rng))
    return f"shared {path.name}"


def change(folder, others, outside, rng, runtime):
    """Change a bundle; say what was done."""
    name = rng.choice(list_files(folder, runtime))
    path = folder / name
    fitting = rng.random() < 0.9
    kind = rng.choices(
        ("bytes", "inner", "exchange", "swap", "links"), (3, 6, 2, 2, 1)
    )[0]
    if kind == "links" and runtime == "litert":
        name, path = "litert", folder / "litert"
    try:
        if kind == "inner" and name in TEXTS:
            deed = rng.choice(TEXTS[name])
            path.write_bytes(
                deed(path.read_text(), rng).encode("utf-8", "surrogatepass")
            )
        elif kind == "inner" and name.endswith(".h5"):
            change_weights(path, rng, outside)
        elif kind == "inner" and name.endswith(".tflite"):
            change_graph(path, rng, outside)
        elif kind in ("exchange", "links"):
            exchange(path, rng, outside)
        elif kind == "swap":
            other = rng.choice(others)
            same = [p for p in other.rglob("*") if p.is_file()]
            shutil.copy(rng.choice(same), path)
        else:
            kind, deed = "bytes", rng.choice(BYTES)
            path.write_bytes(deed(path.read_bytes(), rng))
    except (ValueError, TypeError, OSError, AttributeError, KeyError) as error:
        kind += f" ({type(error).__name__})"
    if fitting and name != "manifest.json":
        renew(folder)
    return f"{kind} {name}"


def renew(folder):
    """Make the checksums fit, of links' targets as well."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in manifest["files"]:
        try:
            if (folder / name).stat().st_size < 2**28 and (folder / name).is_file():
                content = (folder / name).read_bytes()
                manifest["files"][name] = hashlib.sha256(content).hexdigest()
        except OSError:
            continue
    path.write_text(json.dumps(manifest))


# ---- the process that uses bundles


def use(folder, task, runtime, common):
    """Load a bundle and do with it what users do."""
    from shared.bundles import manifests
    from shared.bundles.folder import read_card
    from shared.bundles.runtimes import identify_models
    from shared.vision import detector

    manifests.COMMON = Path(common)
    detector.INCLUDED = manifests.COMMON / detector.INCLUDED.name
    photo = np.random.default_rng(1).integers(0, 256, (40, 48, 3), np.uint8)
    read_card(folder)
    identify_models([folder], None, "export")
    if task == "captioner":
        from captioner.describing.predict import load_captioner

        captioner = load_captioner(folder, runtime=runtime, batch_size=2)
        captioner.caption(photo)
        captioner.alternatives(photo, "a dog")
        if captioner.concept_words:
            captioner.concepts(photo)
    elif task == "rnn":
        read_and_write(folder, runtime)
    else:
        from vqa.answering.predict import load_vqa

        answerer = load_vqa(folder, runtime=runtime)
        answerer.ask(photo, "is it red?", blind=True)
        answerer.ask(photo, "how many dogs are there?")
        answerer.ask(photo, "what color is it?", choices=("red", "blue"))


def read_and_write(folder, runtime):
    """Do what `rnn sample` does, with LiteRT, or `rnn inspect`, with Keras."""
    from rnn.cells.html_page import make_page
    from rnn.cells.inspecting import look_inside
    from rnn.cells.subjects import open_subject
    from rnn.writing.sampling import sample

    if runtime == "litert":
        for options in ({"seed": 1}, {"beam_size": 3}):
            "".join(sample(folder, "", 20, **options)).encode(errors="surrogateescape")
        return
    text = [str(folder.parent / TEXT)]
    subject = open_subject(folder, text, 1000, None, lambda line: None)
    make_page(subject, look_inside(subject)).encode()


def try_one(folder, **request):
    """Use a bundle; give "ok", "refused: …" or a traceback."""
    from shared.errors import AppError

    try:
        use(Path(folder), **request)
    except AppError as error:
        return f"refused: {error}"
    except BaseException:
        return traceback.format_exc()
    return "ok"


def serve():
    """Use a bundle for each line of JSON on standard input, each in a fork."""
    import conftest

    import vqa.net.runtime_keras  # noqa: F401
    from captioner.describing import predict

    predict.FUSED = False  # XLA would compile anew for each bundle
    conftest.leave_graphs_as_traced()
    for line in sys.stdin:
        started = time.monotonic()
        reading, writing = os.pipe()
        if not (child := os.fork()):
            signal.setitimer(signal.ITIMER_PROF, 6 * SECONDS)  # of a processor
            signal.alarm(60 * SECONDS)  # others may have the processors, or it waits
            os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
            result = try_one(**json.loads(line))
            usage = [
                resource.getrusage(who)
                for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
            ]
            most = max(one.ru_maxrss for one in usage) // 1000
            used = sum(one.ru_utime + one.ru_stime for one in usage)
            report = json.dumps([result[-3000:], most, used])
            os.write(writing, report.encode()[:60_000])
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            report = pipe.read()
        _, status = os.waitpid(child, 0)
        result, most, used = (
            json.loads(report) if report else (f"crash {status}", 0, 0.0)
        )
        passed = time.monotonic() - started
        print(json.dumps([result, most, used, passed]), flush=True)


class Case(NamedTuple):
    """What came of a changed bundle.

    Attributes:
        done: what was changed.
        result: "ok", "refused: …", "crash …" or a traceback.
        megabytes, seconds: most memory, and time of processors.
        wrong: what should not have been.
    """

    done: str
    result: str
    megabytes: int
    seconds: float
    wrong: list


class Watch:
    """Tells whether a file was opened by anybody."""

    def __init__(self, path):
        self.libc = ctypes.CDLL(None)
        self.handle = self.libc.inotify_init1(os.O_NONBLOCK)
        self.libc.inotify_add_watch(self.handle, os.fsencode(path), 0x20 | 0x1)

    def opened(self):
        try:
            return bool(os.read(self.handle, 4096))
        except BlockingIOError:
            return False


def run(bundles, count, folder, first=0, tasks=TASKS):
    """Use changed bundles.

    Args:
        bundles: folders by task, and of two by task and "concepts".
        count: of changed bundles.
        first: number of the first one; the same number is changed in the same way.
        tasks: one after the other.

    Yields:
        Case.
    """
    server = subprocess.Popen(
        [sys.executable, __file__, "serve"],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "XDG_CACHE_HOME": str(folder / "cache"),
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    outside = folder / "outside"
    outside.mkdir()
    (folder / TEXT).write_text('He said "one (or two)" here.\nThen "no".\n' * 40)
    (outside / "secret").write_text("what is nobody's business\n" * 400)
    try:
        for index in range(first, first + count):
            rng = random.Random(index)
            turn, task = index // len(tasks), tasks[index % len(tasks)]
            runtime, concepts = RUNTIMES[turn % 2], ("", " concepts")[turn // 2 % 2]
            if task == "rnn":
                concepts = ""
            place, common = folder / "bundle", folder / "common"
            for old in (place, common):
                shutil.rmtree(old, ignore_errors=True)
            shutil.copytree(bundles[task + concepts], place)
            common.mkdir()
            shutil.copy(DETECTOR, common)
            done = f"{index} {task}{concepts} {runtime}: "
            if concepts and rng.random() < 0.2:
                done += change_shared(place, common, rng, runtime)
            else:
                done += change(place, [*bundles.values()], outside, rng, runtime)
            watch = Watch(outside / "secret")
            request = {"folder": str(place), "task": task, "runtime": runtime}
            request["common"] = str(common)
            print(json.dumps(request), file=server.stdin, flush=True)
            result, most, used, passed = json.loads(server.stdout.readline())
            wrong = []
            if result != "ok" and not result.startswith("refused: "):
                wrong.append(result)
            if len(result) > 2500:
                wrong.append(f"{len(result)} characters")
            if watch.opened():
                wrong.append("a file outside was opened")
            os.close(watch.handle)
            if most > MEGABYTES:
                wrong.append(f"{most} MB")
            if used > SECONDS:
                wrong.append(f"{used:.1f} s of processors, {passed:.1f} s")
            yield Case(done, result, most, used, wrong)
    finally:
        server.kill()
        server.communicate()


def make_bundles(folder):
    """Write small bundles of all tasks, with concepts and without, for LiteRT too."""
    import conftest

    from captioner.jobs.export import FORMS
    from captioner.search.rules import make_rules
    from shared.bundles.folder import add_part
    from vqa.jobs.export import write_graphs

    images = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    bundles = {}
    for kind, sizes in (("", None), (" concepts", {"units": 6, "slots": 2})):
        config = conftest.tiny_config(encoder="small", concepts=sizes)
        model = conftest.tiny_model(config)
        place = folder / f"captioner{kind}"
        bundles[f"captioner{kind}"] = conftest.write_tiny(place, config, model)
        rules = make_rules(config.decoding, conftest.VOCABULARY)
        graphs = FORMS["litert"].write(model, rules, images, "float16")
        add_part(place, "litert", graphs, "## LiteRT\n")
        config = conftest.tiny_vqa_config(encoder="small", concepts=sizes)
        model = conftest.tiny_vqa_model(config)
        place = folder / f"vqa{kind}"
        bundles[f"vqa{kind}"] = conftest.write_tiny_vqa(place, config, model)
        graphs = write_graphs(model, config.vocabulary.max_words, images, "float16")
        add_part(place, "litert", graphs, "## LiteRT\n")
    place = folder / "rnn"
    bundles["rnn"] = conftest.write_language_model(place, graph=True, layers=2)
    return bundles


def main():
    """Try as many changed bundles as the first argument says."""
    if sys.argv[1] == "serve":
        serve()
        return
    kinds, most_memory, most_used, failed = Counter(), 0, 0.0, 0
    with tempfile.TemporaryDirectory() as name:
        first = int(sys.argv[2]) if len(sys.argv) > 2 else 0
        tasks = sys.argv[3:] or TASKS
        for done, result, most, used, wrong in run(
            make_bundles(Path(name)), int(sys.argv[1]), Path(name), first, tasks
        ):
            kinds[result.partition(":")[0][:20]] += 1
            most_memory, most_used = max(most_memory, most), max(most_used, used)
            failed += bool(wrong)
            print(
                done,
                "|",
                result[:150].replace("\n", " "),
                most,
                round(used, 1),
                "WRONG" if wrong else "",
            )
            for one in wrong:
                print("   ", one, flush=True)
    print(kinds, f"{most_memory} MB, {most_used:.1f} s, {failed} wrong")


if __name__ == "__main__":
    main()
