"""A server of S3, moto's, that fails when it is told to."""

import itertools
import logging
import socket
import threading
from contextlib import contextmanager

import pytest

DENIED = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


def environment(port):
    """Give what a process must have in its own to find the server, and be let in."""
    return {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """Answers requests; what is in buckets is kept in memory.

    Attributes:
        every: each request of this number fails, by turns with status 500 and by
            hanging up; 0 fails none.
        lost: whatever has this in its path always fails.
        failed: how many requests have.
    """

    def __init__(self, app, port):
        from werkzeug.serving import make_server

        self._app, self.every, self.lost, self.failed = app, 0, None, 0
        self._count = itertools.count(1)
        self._server = make_server("127.0.0.1", port, self._answer, threaded=True)
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _answer(self, environ, start):
        path = environ["PATH_INFO"]
        if path.startswith("/denied"):
            start("403 Forbidden", [("Content-Type", "application/xml")])
            return [DENIED]
        lost = self.lost is not None and self.lost in path
        if lost or (self.every and next(self._count) % self.every == 0):
            self.failed += 1
            if self.failed % 2:
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start("500 Internal Server Error", [])
            return [b""]
        return self._app(environ, start)

    def close(self):
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def serving(port):
    """Serve a bucket "box" for the block."""
    reason = "moto is not installed: pip install 'moto[s3]' flask flask-cors"
    found = pytest.importorskip("moto.server", reason=reason)
    from pyarrow import fs

    app = found.DomainDispatcherApplication(found.create_backend_app)
    server = Server(app, port)
    at = environment(port)["AWS_ENDPOINT_URL"]
    fs.S3FileSystem(endpoint_override=at, allow_bucket_creation=True).create_dir("box")
    yield server
    server.close()
