"""The page and its questions over HTTP, for this machine alone."""

import contextlib
import errno
import json
import sys
import traceback
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from .._core import InputError, LengthwiseError, require
from ._explorer import Explorer
from ._page import page


HOST = "127.0.0.1"
MOST_BYTES = 65536
"""Of a question; that of the longest game has about a hundredth of it."""
IDLE_SECONDS = 60


def open_server(explorer: Explorer, port: int = 0) -> ThreadingHTTPServer:
    """A server that listens on loopback: `serve_forever` makes it answer, and `with` closes it.

    `GET /` is the page; `POST /position` takes and gives JSON, see `Explorer.answer`. A request
    whose Host or Origin is not this server's is refused: a page from elsewhere cannot ask, even if its
    own name has been made to lead here (DNS rebinding).

    **Arguments:**

    - `explorer`: answers.
    - `port`: by default a free one.

    **Raises:** `InputError` if the port cannot be had.
    """
    require(0 <= port < 65536, "`0 <= port < 65536`", "choose another `--port`", port=port)
    text, nonce = page(explorer.about())
    try:
        return ThreadingHTTPServer((HOST, port), _handler(explorer, text.encode(), nonce))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "another program uses it" if taken else f"{error.strerror}".lower()
        raise InputError(
            f"`port` must be free to listen on, but got ({port=}), and {reason}: choose another "
            "`--port`, or leave it out for a free one."
        ) from None


def server_url(server: ThreadingHTTPServer) -> str:
    """Where its page is."""
    return f"http://{HOST}:{server.server_port}/"


def _handler(explorer: Explorer, document: bytes, nonce: str) -> type[BaseHTTPRequestHandler]:
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = IDLE_SECONDS

        def do_GET(self):
            if self._is_own():
                if self.path == "/":
                    self._send(HTTPStatus.OK, document, "text/html; charset=utf-8")
                else:
                    self._refuse(HTTPStatus.NOT_FOUND, f"There is nothing at {self.path}: see /.")

        def do_POST(self):
            if not self._is_own() or (data := self._body()) is None:
                return
            try:
                question = json.loads(data)
            except (ValueError, RecursionError):  # of the decoding too, and nested too deeply
                return self._refuse(HTTPStatus.BAD_REQUEST, "A question must be JSON: correct it.")
            try:
                values = json.dumps(explorer.answer(question), allow_nan=False).encode()
            except LengthwiseError as error:
                return self._refuse(HTTPStatus.BAD_REQUEST, str(error))
            except Exception as error:
                traceback.print_exc(file=sys.stderr)
                why = f"unexpected {error!r}: this is a bug"
                return self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, why)
            self._send(HTTPStatus.OK, values, "application/json")

        def _is_own(self) -> bool:
            """Whether it is asked by its own name, and by its own page or no page."""
            port = self.connection.getsockname()[1]
            names = [f"{host}:{port}" for host in (HOST, "localhost")]
            if port == 80:
                names += [HOST, "localhost"]
            origins = [None, *(f"http://{name}" for name in names)]
            if self.headers.get("Host") in names and self.headers.get("Origin") in origins:
                return True
            self._refuse(HTTPStatus.FORBIDDEN, f"Ask by the name of this server: {names[0]}.")
            return False

        def _body(self) -> bytes | None:
            length = self.headers.get("Content-Length", "")
            if self.path != "/position":
                self._refuse(HTTPStatus.NOT_FOUND, f"There is nothing at {self.path}: see /.")
            elif self.headers.get_content_type() != "application/json":
                self._refuse(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "A question must be JSON.")
            elif not length.isdecimal():
                self._refuse(HTTPStatus.LENGTH_REQUIRED, "A question must say its length.")
            elif (
                len(length) > 12 or int(length) > MOST_BYTES
            ):  # Python reads no number of 5,000 digits
                got = length if len(length) <= 12 else f"{length[:12]}..."
                self._refuse(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"A question must have {MOST_BYTES} bytes at most, but got ({got}): shorten it.",
                )
            else:
                return self.rfile.read(int(length))
            return None

        def _refuse(self, status: HTTPStatus, sentence: str) -> None:
            self.close_connection = True  # what was sent may not have been read
            self._send(status, json.dumps({"error": sentence}).encode(), "application/json")

        def _send(self, status: HTTPStatus, body: bytes, kind: str) -> None:
            with contextlib.suppress(ConnectionError):  # the page was closed meanwhile
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Content-Security-Policy", policy)
                self.send_header("X-Content-Type-Options", "nosniff")
                self.send_header("Referrer-Policy", "no-referrer")
                self.send_header("Cache-Control", "no-store")
                if self.close_connection:
                    self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format, *args):
            """Requests are the page's own; nobody needs to read of them."""

    return Handler
