"""Visitors of the page: each sends photos as a browser does, and waits for captions."""

import http.client
import json
import secrets
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from photos import crops

SIZE = (1152, 868)  # px: 1 megapixel
PATIENCE = 60  # seconds


class Person:
    """Somebody who uses the page.

    Args:
        port: the page's.
        event: which is started by a photo, as `find_event` describes it.
    """

    def __init__(self, port: int, event: dict[str, Any]):
        self._port, self._event = port, event
        self._session = secrets.token_hex(6)

    def describe(self, photo: bytes) -> float:
        """Drop a photo on the page; give the seconds until it is described.

        Raises:
            RuntimeError: if it is not.
        """
        started = time.perf_counter()
        data = list(self._event["values"])
        data[self._event["place"]] = {
            "path": self._send(photo),
            "meta": {"_type": "gradio.FileData"},
        }
        self._post(
            "/gradio_api/queue/join",
            json.dumps(
                {
                    "data": data,
                    "fn_index": self._event["id"],
                    "session_hash": self._session,
                }
            ).encode(),
            "application/json",
        )
        found = self._wait()
        if not any(isinstance(one, dict) and "captions" in one for one in found):
            raise RuntimeError(f"no caption: {str(found)[:300]}")
        return time.perf_counter() - started

    def _send(self, photo: bytes) -> str:
        boundary = secrets.token_hex(16)
        body = (
            f"--{boundary}\r\nContent-Disposition: form-data; name=files; "
            f"filename=photo.jpg\r\nContent-Type: image/jpeg\r\n\r\n"
        ).encode()
        body += photo + f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        (path,) = json.loads(self._post("/gradio_api/upload", body, kind))
        return str(path)

    def _post(self, url: str, body: bytes, kind: str) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, PATIENCE)
        try:
            connection.request("POST", url, body, {"Content-Type": kind})
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise RuntimeError(f"{url}: {response.status} {answer[:300]!r}")
        return answer

    def _wait(self) -> list[Any]:
        """Read the stream of the page's events to the end of ours."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, PATIENCE)
        try:
            url = f"/gradio_api/queue/data?session_hash={self._session}"
            connection.request("GET", url)
            for line in connection.getresponse():
                if line.startswith(b'data: {"msg":"process_completed"'):
                    message = json.loads(line[6:])
                    if not message["success"]:
                        raise RuntimeError(str(message["output"])[:300])
                    return list(message["output"]["data"])
        finally:
            connection.close()
        raise RuntimeError("the page's events ended early")


def find_event(port: int) -> dict[str, Any]:
    """Ask the page which event a photo starts, and with what.

    Returns:
        "id"; "values" of its inputs when the page opens; "place" of the photo in them.
    """
    connection = http.client.HTTPConnection("127.0.0.1", port, PATIENCE)
    connection.request("GET", "/config")
    config = json.loads(connection.getresponse().read())
    connection.close()
    parts = {part["id"]: part for part in config["components"]}
    (photo,) = (
        number
        for number, part in parts.items()
        if part["props"].get("elem_id") == "photo"
    )
    event = next(
        one for one in config["dependencies"] if [photo, "upload"] in one["targets"]
    )
    return {
        "id": event["id"],
        "values": [parts[number]["props"].get("value") for number in event["inputs"]],
        "place": event["inputs"].index(photo),
    }


def draw(count: int) -> list[bytes]:
    """Draw JPEGs of 1 megapixel."""
    with tempfile.TemporaryFile() as file:
        found = []
        for image in crops(SIZE, count):
            file.seek(0)
            file.truncate()
            image.save(file, "JPEG", quality=90)
            file.seek(0)
            found.append(file.read())
    return found


def visit(
    people: Sequence[Person], photos: Sequence[bytes]
) -> tuple[list[float], list[str], float]:
    """Let people describe photos, the same number each, all at once.

    Returns:
        seconds for each photo, errors, and the seconds that all took.
    """
    each = len(photos) // len(people)
    errors: list[str] = []

    def drop(place: int) -> list[float]:
        took = []
        for photo in photos[place * each : (place + 1) * each]:
            try:
                took.append(people[place].describe(photo))
            except (OSError, RuntimeError, http.client.HTTPException) as error:
                errors.append(f"{type(error).__name__}: {error}")
        return took

    started = time.perf_counter()
    with ThreadPoolExecutor(len(people)) as threads:
        seconds = [
            took for one in threads.map(drop, range(len(people))) for took in one
        ]
    return seconds, errors, time.perf_counter() - started
