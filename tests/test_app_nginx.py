"""The page behind nginx, as docs/nginx.md has it."""

import json
import os
import re
import shutil
import socket
import subprocess
import time

import pytest
from conftest import ROOT, answer, serve_page

pytest.importorskip("gradio", reason="pip install gradio")

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
NAME = "photos.example.org"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NGINX is None, reason="apt-get install nginx-light"),
]


def find_free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """The address of nginx before a page; it speaks HTTP here."""
    folder, port = tmp_path_factory.mktemp("nginx"), find_free_port()
    text = (ROOT / "docs" / "nginx.md").read_text("utf-8")
    (options,) = re.findall(r"^captioner demo (.*)$", text, re.MULTILINE)
    (config,) = re.findall(r"```nginx\n(.*?)```", text, re.DOTALL)
    with serve_page(folder, *options.split()) as (_, page):
        config = config.replace("listen 443 ssl", f"listen 127.0.0.1:{port}")
        config = config.replace("http://127.0.0.1:7860", page)
        config = re.sub(r"    ssl_.*\n", "", config)
        places = "".join(
            f"{kind}_temp_path {folder / kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        file = folder / "nginx.conf"
        user = "user root;" if os.getuid() == 0 else ""  # else it may not write here
        file.write_text(
            f"{user} daemon off; pid {folder / 'pid'}; error_log {folder / 'errors'};\n"
            f"events {{}}\nhttp {{ access_log off;\n{places}{config}}}\n"
        )
        nginx = subprocess.Popen([NGINX, "-c", str(file), "-p", str(folder)])
        try:
            for _ in range(100):
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            nginx.terminate()
            nginx.wait()


def test_a_photo_is_described_behind_it(where):
    own = {"Host": NAME, "Origin": f"https://{NAME}"}
    assert answer(f"{where}/", own)[0] == 200
    photo = (ROOT / "examples" / "photographer.jpg").read_bytes()
    body = b"--x\r\nContent-Disposition: form-data; name=files; filename=a.jpg\r\n\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    status, text = answer(
        f"{where}/gradio_api/upload", own | kind, body + photo + b"\r\n--x--\r\n"
    )
    assert status == 200
    photo = {"path": json.loads(text)[0], "meta": {"_type": "gradio.FileData"}}
    kind = {"Content-Type": "application/json"}
    asked = json.dumps({"photo": photo}).encode()
    call = f"{where}/gradio_api/call/v2/caption"
    event = json.loads(answer(call, own | kind, asked)[1])["event_id"]
    found = answer(f"{where}/gradio_api/call/caption/{event}", own)[1]
    assert "camera" in found


def test_other_pages_are_refused_behind_it(where):
    for headers in (
        {"Host": "evil.example"},
        {"Host": NAME, "Origin": "https://evil.example"},
        {"Host": NAME, "Origin": "https://evil.example", "X-Forwarded-Host": "evil.x"},
    ):
        assert answer(f"{where}/config", headers)[0] == 403


def test_an_address_that_asks_too_often_is_slowed_by_it(where):
    found = [answer(f"{where}/robots.txt", {"Host": NAME})[0] for _ in range(400)]
    assert found[0] == 200
    assert 503 in found
