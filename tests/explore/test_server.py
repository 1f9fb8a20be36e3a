"""The server: answers to its own page, and to nobody else."""

import html.parser
import http.client
import json
import socket
import urllib.parse

import pytest

from lengthwise import InputError
from lengthwise.explore import open_server


def ask(url, method="POST", path="/position", body=b'{"moves": [8]}', headers=None):
    """Status, headers and body of one request."""
    connection = http.client.HTTPConnection(urllib.parse.urlparse(url).netloc, timeout=60)
    given = {"Content-Type": "application/json"} if method == "POST" else {}
    connection.request(method, path, body if method == "POST" else None, given | (headers or {}))
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response.status, response.headers, data


def test_it_gives_what_the_explorer_says(url, explorer):
    status, headers, data = ask(url, body=json.dumps({"moves": [8, 9, 10], "ply": 2}).encode())
    assert (status, headers["Content-Type"]) == (200, "application/json")
    assert json.loads(data) == explorer.position([8, 9, 10], 2)
    connection = http.client.HTTPConnection(urllib.parse.urlparse(url).netloc, timeout=60)
    for _ in range(2):  # on one connection
        connection.request("GET", "/")
        assert connection.getresponse().read().startswith(b"<!doctype html>")
    connection.close()


class Links(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found += [(tag, name, value) for name, value in attrs if name in ("src", "href")]


def test_the_page_is_one_file_that_asks_nobody(url):
    status, headers, data = ask(url, "GET", "/")
    text = data.decode()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    links = Links(text).found
    assert [(tag, name) for tag, name, _ in links] == [("link", "href")]
    assert links[0][2].startswith("data:image/svg+xml,")
    outside = text.replace("http://www.w3.org/2000/svg", "")
    assert "://" not in outside
    assert "@import" not in outside
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'nonce-")
    assert "unsafe" not in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "<title>a &lt;run&gt; &amp; more" in text
    assert "<run>" not in text


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1"]
)
def test_other_hosts_are_refused(url, method, host):
    """As a page whose name has been made to lead here would send them."""
    given = {"Host": host.format(port=urllib.parse.urlparse(url).port)}
    status, _, data = ask(url, method, "/" if method == "GET" else "/position", headers=given)
    assert status == 403
    assert b"Ask by the name of this server: 127.0.0.1:" in data


def test_pages_from_elsewhere_are_refused(url):
    port = urllib.parse.urlparse(url).port
    assert ask(url, headers={"Origin": "http://evil.example"})[0] == 403
    assert ask(url, headers={"Origin": "null"})[0] == 403
    assert (
        ask(url, headers={"Origin": f"http://localhost:{port}", "Host": f"localhost:{port}"})[0]
        == 200
    )
    # What a page may send elsewhere without asking first is no JSON by its type.
    assert ask(url, headers={"Content-Type": "text/plain"})[0] == 415


@pytest.mark.parametrize(
    ("request_", "status", "sentence"),
    [
        ({"body": b'{"moves": [8'}, 400, "must be JSON"),
        ({"body": b"\xff\xfe{}"}, 400, "must be JSON"),
        ({"body": b'{"text": "c2 a1"}'}, 400, "ply=2, move=a1"),
        ({"body": b'{"moves": [1e999]}'}, 400, "whole numbers"),
        ({"body": b"[" * 60000}, 400, "must be JSON"),
        ({"body": b" " * 70000}, 413, "65536 bytes at most"),
        ({"headers": {"Content-Length": "9" * 5000}}, 413, "but got (999999999999...)"),
        ({"headers": {"Content-Length": "-1"}}, 411, "must say its length"),
        ({"path": "/other"}, 404, "nothing at /other"),
        ({"method": "GET", "path": "/play.js"}, 404, "nothing at /play.js"),
        ({"method": "GET", "path": "/../../etc/passwd"}, 404, "nothing at"),
    ],
)
def test_bad_requests_get_a_sentence(url, request_, status, sentence):
    got, _, data = ask(url, **request_)
    assert (got, sentence in json.loads(data)["error"]) == (status, True)


def test_a_bug_is_told_and_the_next_question_answered(url, explorer, monkeypatch, capfd):
    def fail(question):
        raise RuntimeError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(explorer, "answer", fail)
        status, _, data = ask(url)
    assert (status, json.loads(data)["error"]) == (
        500,
        "unexpected RuntimeError('broken'): this is a bug",
    )
    assert "Traceback" in capfd.readouterr().err
    assert ask(url)[0] == 200


def test_it_listens_on_loopback_alone(explorer):
    with open_server(explorer) as server:
        assert server.server_address[0] == "127.0.0.1"
        assert server.server_port > 0


def test_a_port_that_is_taken(explorer):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            InputError, match=rf"\(port={port}\), and another program uses it: choose"
        ):
            open_server(explorer, port)
    with pytest.raises(InputError, match=r"`0 <= port < 65536` must hold, but got \(port=70000\)"):
        open_server(explorer, 70000)
