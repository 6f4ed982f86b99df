"""Feed the readers of files what nobody would write, for as long as you like.

python tests/fuzz.py images 600        one target, so many seconds
python tests/fuzz.py all 1800          all of them in turn, in that time together

Needs `pip install atheris` (Linux), which steers by the lines of Python that an input
reaches. A reader may refuse an input with an AppError; any other exception, ten
seconds or 2 GB end the run, and the input is kept in a file that is named. What is
found becomes a plain test beside the others.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

# Names by which readers tell forms apart; the first byte of an input chooses.
CAPTION_FILES = """
    captions.csv captions.jsonl captions.txt captions.tsv Flickr8k.token.txt
    results_20130124.token captions_train2014.json dataset_coco.json captions.json
    metadata.csv metadata.jsonl results.csv VizWiz_train.json a.txt a.caption
""".split()  # noqa: SIM905  # as many as there are, a list of strings is longer
QUESTION_FILES = """
    questions.csv questions.jsonl questions.json qa.894.raw.train.txt
    v2_OpenEnded_mscoco_train2014_questions.json dataset_v7w_telling.json
    OpenEnded_abstract_v002_train2015_questions.json train_balanced_questions.json
    CLEVR_train_questions.json question_answers.json TextVQA_0.5.1_train.json
    aokvqa_v1p0_train.json
""".split()  # noqa: SIM905
RESULT_FILES = ["results.json", "results.jsonl", "results.csv"]


def images(data: bytes) -> None:
    """Read a photo in all the ways there are."""
    from shared.vision.images import read_image, read_preview, weigh_image

    for read in (
        lambda: weigh_image(data, 4_000_000),
        lambda: read_image(data, size=32),
        lambda: read_preview(data, 40),
    ):
        _refused(read)


def recipes(data: bytes) -> None:
    """Parse a config of either task."""
    from captioner.config import CaptionerConfig
    from shared.config import parse_config
    from vqa.config import VqaConfig

    text = data.decode("utf-8", "surrogateescape")
    for schema in (CaptionerConfig, VqaConfig):
        _refused(lambda schema=schema: parse_config(text, schema, "it"))


def captions(data: bytes) -> None:
    """Read a file of captions."""
    from shared.data.captioned import read_dataset

    with _written(data, CAPTION_FILES) as path:
        _refused(lambda: read_dataset(path))
        _refused(lambda: read_dataset(path.parent))


def questions(data: bytes) -> None:
    """Read a file of questions, to learn from or to answer."""
    from vqa.data import read_dataset
    from vqa.files.inputs import read_questions

    with _written(data, QUESTION_FILES) as path:
        _refused(lambda: read_dataset(path))
        _refused(lambda: read_dataset(path.parent))
        _refused(lambda: read_questions(path))


def results(data: bytes) -> None:
    """Read a file of captions or answers to score."""
    from captioner.files.results import read_results as read_captions
    from vqa.files.results import read_results as read_answers

    with _written(data, RESULT_FILES) as path:
        _refused(lambda: read_captions(path))
        _refused(lambda: read_answers(path))


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (images, recipes, captions, questions, results)
}


def _refused(read: Callable[[], object]) -> None:
    from shared.errors import AppError

    try:
        read()
    except AppError as error:
        str(error)


class _written:
    """A file of a name that the first byte chooses, in a folder with a photo."""

    def __init__(self, data: bytes, names: list[str]):
        self.name = names[data[0] % len(names)] if data else names[0]
        self.data = data[1:]

    def __enter__(self) -> Path:
        memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
        self.folder = tempfile.TemporaryDirectory(dir=memory)
        path = Path(self.folder.name, self.name)
        path.write_bytes(self.data)
        (path.parent / "a.jpg").touch()
        return path

    def __exit__(self, *_: object) -> None:
        self.folder.cleanup()


def seeds(target: str) -> Iterator[bytes]:
    """Give inputs that are right, to start from."""
    if target == "images":
        yield from _photos()
        yield from _tiffs()
    elif target == "recipes":
        yield from (path.read_bytes() for path in (ROOT / "configs").glob("*.toml"))
    elif target == "captions":
        yield from _files(CAPTION_FILES, _CAPTIONS)
    elif target == "questions":
        yield from _files(QUESTION_FILES, _QUESTIONS)
    else:
        yield from _files(RESULT_FILES, _RESULTS)


def _photos() -> Iterator[bytes]:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (24, 20, 4), np.uint8)
    for mode in ("RGB", "L", "RGBA", "P", "1", "CMYK", "I;16"):
        image = Image.fromarray(pixels).convert("L" if mode == "I;16" else mode)
        if mode == "I;16":
            image = Image.fromarray(pixels[..., 0].astype(np.uint16) * 200)
        for form in ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF"):
            for options in ({}, {"compression": "tiff_lzw"}, {"progressive": True}):
                file = BytesIO()
                try:
                    image.save(file, form, **options)
                except (OSError, ValueError, KeyError):
                    continue
                yield file.getvalue()


def _tiffs() -> Iterator[bytes]:
    """TIFFs of signed numbers, floats, alpha that was multiplied, and few bits."""
    from test_shared_vision_images import tiff

    grey = np.arange(256).reshape(16, 16)
    colours = np.stack([grey] * 4, -1)
    for order in "<>":
        for is_packed in (False, True):
            for kind in (np.int8, np.int16, np.int32, np.float32):
                yield tiff(grey.astype(kind), 1, order=order, is_packed=is_packed)
            for kind in (np.uint8, np.uint16):
                for extra in (0, 1, 2):
                    pixels = colours.astype(kind)
                    yield tiff(pixels, 2, extra=extra, order=order, is_packed=is_packed)


def _files(names: list[str], contents: dict[str, list[bytes]]) -> Iterator[bytes]:
    for place, name in enumerate(names):
        ending = name.rsplit(".", 1)[1]
        for content in contents.get(ending, contents["json"]):
            yield bytes([place]) + content


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


_COCO = {
    "images": [{"id": 0, "file_name": "a.jpg"}],
    "annotations": [{"id": 1, "image_id": 0, "caption": "a cat"}],
}
_KARPATHY = {
    "images": [{"filename": "a.jpg", "split": "val", "sentences": [{"raw": "a"}]}]
}
_TEXTS = b"a.jpg#0\ta cat\na.jpg#1\ta dog\n"
_CAPTIONS = {
    "csv": [
        b"image,caption,split\na.jpg,a cat,train\n",
        b'file_name,text\na.jpg,"a\n"\n',
        b"image_name| comment_number| comment\na.jpg| 0| a cat\n",
    ],
    "jsonl": [
        b'{"image": "a.jpg", "caption": "a cat"}\n',
        b'{"file_name": "a.jpg", "text": "x"}',
    ],
    "txt": [_TEXTS, b"image,caption\na.jpg,a cat\n", b"a cat\n"],
    "token": [_TEXTS],
    "tsv": [_TEXTS],
    "caption": [b"a cat\n"],
    "json": [
        _json(_COCO),
        _json(_KARPATHY),
        _json([{"image": "a.jpg", "captions": ["a cat"]}]),
    ],
}
_ASKED = {"image": "a.jpg", "question": "is it?", "answer": "yes", "question_id": 0}
_ASKED |= {"image_id": 0, "answers": [{"answer": "yes"}] * 3, "choices": ["yes", "no"]}
_PAIR = {"qa_id": 0, "question": "is it?", "answer": "yes", "multiple_choices": ["no"]}
_SEVEN = {"filename": "a.jpg", "image_id": 0, "split": "train", "qa_pairs": [_PAIR]}
_QUESTIONS = {
    "csv": [b"image,question,answer,split\na.jpg,is it?,yes,train\n"],
    "jsonl": [_json(_ASKED) + b"\n"],
    "txt": [b"what is on the wall in the image1 ?\nclock\n"],
    "json": [
        _json([_ASKED]),
        _json({"questions": [_ASKED | {"image_filename": "a.jpg"}]}),
        _json({"images": [_SEVEN]}),
        _json({"1": {"imageId": "a", "question": "is it?", "answer": "yes"}}),
        _json([{"id": 0, "qas": [_ASKED]}]),
        _json({"data": [_ASKED]}),
        _json([_ASKED | {"correct_choice_idx": 0, "direct_answers": ["yes"]}]),
    ],
}
_RESULTS = {
    "csv": [
        b"image,caption,log_prob,error\na.jpg,a cat,-1,\n",
        b"image,question,answer,confidence,error\na.jpg,is it?,yes,0.5,\n",
    ],
    "jsonl": [
        b'{"image": "a.jpg", "caption": "a"}',
        b'{"image": "a.jpg", "question": "?", "answer": "a"}',
    ],
    "json": [
        _json([{"image_id": 0, "caption": "a"}]),
        _json([{"question_id": 0, "answer": "a"}]),
        _json([{"questionId": "0", "prediction": "a"}, {"image": "a", "answer": "b"}]),
        _json({"0": {"multiple_choice": "a", "direct_answer": "b"}, "1": "c"}),
    ],
}


def fuzz(target: str, seconds: int) -> None:
    """Feed one target; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["shared", "captioner", "vqa", "PIL"]):
        TARGETS[target](next(seeds(target)))
    corpus = Path(tempfile.mkdtemp(prefix=f"fuzz-{target}-"))
    for number, seed in enumerate(seeds(target)):
        (corpus / f"{number:03}").write_bytes(seed)
    words = sorted({word for seed in seeds(target) for word in _words(seed)})
    dictionary = corpus.with_suffix(".dict")
    dictionary.write_text("".join(f'"{word}"\n' for word in words))
    limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048"]
    limits += ["-max_len=5000", f"-dict={dictionary}", f"-artifact_prefix={corpus}."]
    limits += ["-print_final_stats=1", str(corpus)]
    atheris.Setup([sys.argv[0], *limits], TARGETS[target])
    atheris.Fuzz()


def _words(seed: bytes) -> Iterator[str]:
    text = re.sub(r"\W", " ", seed.decode("ascii", "ignore"), flags=re.ASCII)
    yield from (word for word in text.split() if 3 < len(word) < 30)


def main() -> int:
    """Feed one target, or all in turn; the status is not 0 if something was found."""
    target, seconds = sys.argv[1], int(sys.argv[2])
    if target != "all":
        fuzz(target, seconds)
    os.environ["PYTHONWARNINGS"] = "ignore"
    share = str(seconds // len(TARGETS))
    return max(
        subprocess.run([sys.executable, __file__, name, share]).returncode
        for name in TARGETS
    )


if __name__ == "__main__":
    sys.exit(main())
