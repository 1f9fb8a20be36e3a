"""The built site in Chromium, which may ask this machine's own server and no other."""

import dataclasses
import functools as ft
import http.server
import pathlib
import re
import shutil
import subprocess
import threading

import pytest


SITE = pathlib.Path(__file__).parents[2] / "site"
NAMES = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--enable-logging=stderr",
    "--dump-dom",
)
# Chromium itself refuses whatever a page asks of another origin, and posts what it refused.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; report-uri /refused"
)
CONTROL = '<html><script src="http://elsewhere.example/a.js"></script><p>control</p></html>'
# The index is searched by a worker, for which Chromium does not wait: an image that comes late, when
# something was found, keeps this page from being complete.
SEARCH = """<html><img src="/late"><iframe src="/?q=dispersion+cap"></iframe><script>
setInterval(() => {
  const page = document.querySelector("iframe").contentDocument;
  const links = [...page.querySelectorAll(".md-search-result__link")].map(link => link.href);
  if (links.length) fetch("/found", {method: "POST", body: links.join(" ")});
}, 200)
</script></html>"""
MADE = {"/control.html": CONTROL, "/search.html": SEARCH, "/favicon.ico": ""}

pytestmark = pytest.mark.site


class Handler(http.server.SimpleHTTPRequestHandler):
    """The site under the policy, and what happened to it."""

    def __init__(self, *args, seen, **kwargs):
        self.seen = seen
        http.server.SimpleHTTPRequestHandler.__init__(self, *args, directory=str(SITE), **kwargs)

    def end_headers(self):
        self.send_header("Content-Security-Policy", POLICY)
        http.server.SimpleHTTPRequestHandler.end_headers(self)

    def do_GET(self):
        self.seen.asked.append(self.path)
        if self.path == "/late":
            self.seen.any_found.wait(60)
        if self.path in {*MADE, "/late"}:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(MADE.get(self.path, "").encode())
        else:
            http.server.SimpleHTTPRequestHandler.do_GET(self)

    def do_POST(self):
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send_response(204)
        self.end_headers()
        if self.path == "/refused":
            self.seen.refused.append(text)
        else:
            self.seen.found.append(text)
            self.seen.any_found.set()

    def log_message(self, format, *args):
        del format, args

    def log_error(self, format, *args):
        self.seen.errors.append(format % args)


@dataclasses.dataclass
class Seen:
    """Paths asked for, reports of refused requests, errors such as 404, and results of the search."""

    port: int = 0
    asked: list[str] = dataclasses.field(default_factory=list)
    refused: list[str] = dataclasses.field(default_factory=list)
    errors: list[str] = dataclasses.field(default_factory=list)
    found: list[str] = dataclasses.field(default_factory=list)
    any_found: threading.Event = dataclasses.field(default_factory=threading.Event)


@pytest.fixture
def seen():
    assert (SITE / "index.html").exists(), f"{SITE} must hold the built site: run `make docs`."
    seen = Seen()
    handler = ft.partial(Handler, seen=seen)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        seen.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield seen
        server.shutdown()
        thread.join()


@pytest.fixture
def browse(seen, tmp_path):
    """A function from a path to the page's tree after its scripts ran, and the console's lines."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    assert program, f"One of {NAMES} must be installed: apt-get install chromium."

    def run(path):
        address = f"http://127.0.0.1:{seen.port}/{path}"
        command = [program, *OPTIONS, f"--user-data-dir={tmp_path}", address]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout, [line for line in done.stderr.splitlines() if ":CONSOLE" in line]

    return run


@pytest.mark.parametrize("path", ["", "theory/", "tutorial/", "api/training/"])
def test_a_page_loads_without_the_network(seen, browse, path):
    tree, console = browse(path)
    assert re.search(r"<h1[^>]*>", tree)
    (classes,) = re.findall(r'<html[^>]* class="([^"]*)"', tree)
    assert "js" in classes.split()  # its script ran
    assert any(asked.endswith(".js") for asked in seen.asked)
    assert any(asked.endswith(".css") for asked in seen.asked)
    assert (seen.refused, seen.errors, console) == ([], [], [])


def test_search_finds_a_docstring(seen, browse):
    browse("search.html")
    assert seen.found, "the search showed no result within 60 s"
    links = re.sub(r"\?h=[^#\s]*", "", seen.found[-1]).split()
    address = f"http://127.0.0.1:{seen.port}"
    assert f"{address}/api/theory/#lengthwise.theory.dispersion_cap" in links
    assert f"{address}/theory/#dispersion-cap" in links
    assert (seen.refused, seen.errors) == ([], [])


def test_a_request_to_elsewhere_would_be_seen(seen, browse):
    tree, _ = browse("control.html")
    assert "control" in tree
    assert len(seen.refused) == 1
    assert "elsewhere.example" in seen.refused[0]
