"""The page's tab that describes many photos: a table to correct and take along.

The browser sends a few photos, gets their rows, and sends the next ones: what runs is
stopped by sending no more, and goes on where it was. The server keeps nothing between
two requests; photos are deleted once they are described. A request waits for those of
others outside of Gradio's own line, so that the rest of the page does not wait for it.
"""

import asyncio
import base64
import io
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

from gradio.utils import get_upload_folder

from captioner.describing.captions import Caption
from captioner.describing.photo_captioner import PhotoCaptioner
from captioner.files.formats import FORMATS, to_record
from shared.errors import AppError
from shared.files.formats import Record, write_jsonl
from shared.vision.images import IMAGE_SUFFIXES
from shared.vision.photo_cache import Unread
from shared.vision.pipeline import READERS
from shared.web.components import component, previews
from shared.web.turns import Turns
from shared.web.wording import problem, to_visitors

MOST = 500  # photos in the table
MOST_LETTERS = 500  # of a caption
MOST_NAME = 1000  # letters of a photo's name, with its folders
MOST_BYTES = 180  # of a text file's name; file systems take 255

# How the browser names what it sends, at random, in the folder that Gradio makes of a
# file's content: nobody else's photo goes by that name, so that ours can be deleted.
_UPLOADED = re.compile(r"[0-9a-f]{32,128}[/\\]folder-[0-9a-f]{32}\.[a-z0-9]{1,5}")
_NO_TEXT = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_NO_NAME = re.compile(r'[<>:"|?*\x00-\x1f\x7f-\x9f]')
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
# Excel and others take a cell that starts so for a formula, and run it.
_FORMULA = re.compile(r"[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001  # wide ones count


class FolderTab:
    """The tab, for each of the models that can be chosen.

    Args:
        captioners: models by name, at least one.
        largest: of an uploaded photo, MB.
    """

    def __init__(self, captioners: Mapping[str, PhotoCaptioner], largest: int):
        self.captioners, self.largest = captioners, largest
        self._turns = Turns(1)

    def build(self) -> None:
        """Add the tab's content to the page."""

        async def describe_photos(asked: Any) -> dict[str, Any]:
            return await self.describe_in_turn(asked)

        def make_file(asked: Any) -> dict[str, str]:
            return _try(make_download, asked)

        value = {
            "models": [*self.captioners],
            "batch": min(one.batch_size for one in self.captioners.values()),
            "suffixes": sorted(IMAGE_SUFFIXES),
            "most": MOST,
            "letters": MOST_LETTERS,
            "largest": self.largest,
        }
        functions = [describe_photos, make_file]
        component("showFolder", value, elem_id="folder", server_functions=functions)

    async def describe_in_turn(self, asked: Any) -> dict[str, Any]:
        """Describe photos once those who came before have been served."""
        try:
            async with self._turns.turn((None, None)):
                return await asyncio.to_thread(_try, self.describe, asked)
        except AppError as error:
            return problem(error)

    def describe(self, asked: Any) -> dict[str, Any]:
        """Describe uploaded photos, and delete them.

        Args:
            asked: "model", its name, and "paths" of the photos, a batch at most; from
                the network, so that it may be anything.

        Returns:
            "rows", for each photo "caption", "log_prob", "confidence", "unsure" and
            "preview", or "error".

        Raises:
            AppError: if `asked` is not as above.
        """
        asked = asked if isinstance(asked, dict) else {}
        model, paths = asked.get("model"), asked.get("paths")
        if not isinstance(model, str) or model not in self.captioners:
            raise AppError("There is no such model here. Load the page again.")
        captioner = self.captioners[model]
        photos = find_uploads(paths, captioner.batch_size)
        try:
            unread = [Unread(str(photo)) for photo in photos]
            results = [
                result for batch in captioner.caption_all(unread) for _, result in batch
            ]
            with ThreadPoolExecutor(READERS) as readers:  # for the small pictures
                return {"rows": list(readers.map(_row, photos, results))}
        finally:
            for photo in photos:
                with suppress(OSError):  # Gradio deletes it within minutes
                    photo.unlink()


def _try(answer: Callable[[Any], dict[str, Any]], asked: Any) -> dict[str, Any]:
    try:
        return answer(asked)
    except Exception as error:
        return problem(error)


def _row(photo: Path, result: list[Caption] | AppError) -> dict[str, Any]:
    record = to_record("", result, str(photo))
    if isinstance(result, AppError):
        return {"error": to_visitors(record["error"])}
    return {
        **record["captions"][0],
        "preview": previews([photo])[0]["preview"],
    }


def find_uploads(paths: Any, most: int) -> list[Path]:
    """Find the files that the browser has sent for this tab.

    Only the ends of the paths are used, so that they cannot point anywhere else.

    Args:
        paths: as the browser got them for its uploads; may be anything.
        most: how many there may be.

    Raises:
        AppError: if they are not paths of uploads, or too many.
    """
    if not isinstance(paths, list) or not 1 <= len(paths) <= most:
        raise AppError(f"1 to {most} photos can be described at once.")
    folder = Path(get_upload_folder())
    found = []
    for path in paths:
        parts = re.split(r"[/\\]", path[-MOST_NAME:]) if isinstance(path, str) else []
        if not _UPLOADED.fullmatch("/".join(parts[-2:])):
            raise AppError("This is no photo that was sent here. Load the page again.")
        found.append(folder.joinpath(*parts[-2:]))
    return found


def make_download(asked: Any) -> dict[str, str]:
    """Make a file of captions, which is not stored here.

    Args:
        asked: "format", a key of `FILES`, and "rows", each with "image", "caption" and
            what `describe` says of it, or none of that, or with "image" and "error";
            may be anything.

    Returns:
        "name", "type" and "data", its bytes in base64.

    Raises:
        AppError: if `asked` is not as above.
    """
    asked = asked if isinstance(asked, dict) else {}
    form = asked.get("format")
    if not isinstance(form, str) or form not in FILES:
        raise AppError(f"Files can be {', '.join(FILES)}.")
    name, kind, write = FILES[form]
    data = base64.b64encode(write(read_records(asked.get("rows")))).decode()
    return {"name": name, "type": kind, "data": data}


def read_records(rows: Any) -> list[Record]:
    """Check rows that the browser sent, and make records of them.

    Captions become one line each; those without a log-probability were written by
    people, so that no model is sure of them. For records see `captioner.files.formats`.

    Raises:
        AppError: if they are not as `make_download` wants them.
    """
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST:
        raise AppError(f"A file is made of 1 to {MOST} photos.")
    return [_read_record(row if isinstance(row, dict) else {}) for row in rows]


def _read_record(row: Mapping[str, Any]) -> Record:
    image, caption, error = row.get("image"), row.get("caption"), row.get("error")
    if not isinstance(image, str) or not 1 <= len(image) <= MOST_NAME:
        raise AppError(f"The name of a photo has 1 to {MOST_NAME} letters.")
    image = _NO_TEXT.sub("_", image)
    if isinstance(error, str) and len(error) <= MOST_NAME:
        return {"image": image, "error": _one_line(error)}
    if not isinstance(caption, str) or len(caption) > MOST_LETTERS:
        raise AppError(f"{image}: a caption has at most {MOST_LETTERS} letters.")
    log_prob = row.get("log_prob")
    if log_prob is not None and not (
        type(log_prob) in (int, float) and -1e6 <= log_prob <= 0  # false for NaN
    ):
        raise AppError(f"{image}: a log-probability is a number up to 0, or missing.")
    sure, unsure = row.get("confidence"), row.get("unsure")
    if sure is not None and not (type(sure) in (int, float) and 0 <= sure <= 1):
        raise AppError(f"{image}: a confidence is a number from 0 to 1, or missing.")
    if unsure is not None and not isinstance(unsure, bool):
        raise AppError(f"{image}: a caption is unsure or not, true or false.")
    known = {"log_prob": log_prob, "confidence": sure, "unsure": unsure}
    best = {"caption": _one_line(caption), **known}
    return {"image": image, **best, "captions": [best]}


def _one_line(text: str) -> str:
    return " ".join(_NO_TEXT.sub("", text).split())


def to_csv(records: Sequence[Record]) -> bytes:
    """Write the columns of `captioner caption -o captions.csv`.

    What a spreadsheet would take for a formula is changed as little as can be: a name
    is led by ./ and names the same file, a text by an apostrophe.
    """
    harmless = []
    for record in records:
        record = dict(record)
        if _FORMULA.match(record["image"]):
            record["image"] = f"./{record['image']}"
        if _FORMULA.match(record.get("error", "")):
            record["error"] = f"'{record['error']}"
        if _FORMULA.match(record.get("caption", "")):
            changed = f"'{record['caption']}"
            record["captions"] = [{**record["captions"][0], "caption": changed}]
        harmless.append(record)
    file = io.StringIO(newline="")
    FORMATS[".csv"](harmless, file, Path())
    return file.getvalue().encode()


def to_jsonl(records: Sequence[Record]) -> bytes:
    """Write the lines of `captioner caption -o captions.jsonl`."""
    file = io.StringIO(newline="")
    write_jsonl(records, file, Path())
    return file.getvalue().encode()


def to_texts(records: Sequence[Record]) -> bytes:
    """Write a zip with a text file for each photo that has a caption.

    Raises:
        AppError: if none has.
    """
    captioned = [record for record in records if record.get("caption")]
    if not captioned:
        raise AppError("None of these photos has a caption.")
    names = name_texts([record["image"] for record in captioned])
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as texts:
        for record, name in zip(captioned, names, strict=True):
            texts.writestr(name, f"{record['caption']}\n")
    return file.getvalue()


FILES: dict[str, tuple[str, str, Callable[[Sequence[Record]], bytes]]] = {
    "csv": ("captions.csv", "text/csv", to_csv),
    "jsonl": ("captions.jsonl", "application/jsonl", to_jsonl),
    "txt": ("captions.zip", "application/zip", to_texts),
}


def name_texts(images: Sequence[str]) -> list[str]:
    """Name a text file for each photo, as `captioner caption --sidecar` does.

    They share one folder, so that photos of one name are named by all of their path:
    a/1.jpg and 1.png become a_1.jpg.txt and 1.png.txt. No name is taken twice, letters
    compared without case, and each is fit for every file system.
    """
    parts = [_safe_parts(image) for image in images]
    short = [PurePosixPath(names[-1]).stem for names in parts]
    shared = Counter(name.casefold() for name in short)
    found: dict[str, str] = {}
    for name, names in zip(short, parts, strict=True):
        name = "_".join(names) if shared[name.casefold()] > 1 else name
        free, number = _fit(name), 2
        while free.casefold() in found:
            free, number = f"{_fit(name)} ({number})", number + 1
        found[free.casefold()] = f"{free}.txt"
    return list(found.values())


def _safe_parts(image: str) -> list[str]:
    names = [
        _NO_NAME.sub("_", name).rstrip(". ").lstrip()
        for name in re.split(r"[/\\]", image)
    ]
    return [name for name in names if name] or ["photo"]


def _fit(name: str) -> str:
    if _DEVICES.fullmatch(name):
        name = f"_{name}"
    return name.encode()[:MOST_BYTES].decode(errors="ignore").rstrip(". ") or "photo"
