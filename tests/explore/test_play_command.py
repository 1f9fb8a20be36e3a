"""`lengthwise othello play`: from a run directory to a page, until Ctrl-C."""

import http.client
import json
import os
import re
import signal
import socket
import threading
import time
import webbrowser

import pytest


@pytest.fixture(autouse=True)
def _here(place):
    """Every test of this file runs in an empty directory."""


@pytest.fixture
def opened(monkeypatch):
    """What was opened in the browser."""
    pages = []
    monkeypatch.setattr(webbrowser, "open", pages.append)
    return pages


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def interrupt_after_asking(port, answers):
    """Play a move on the page, keep the answers, and press Ctrl-C."""
    try:
        until = time.monotonic() + 120
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request("GET", "/")
                break
            except ConnectionRefusedError:
                assert time.monotonic() < until
                time.sleep(0.05)
        answers.append(connection.getresponse().read().decode())
        kind = {"Content-Type": "application/json"}
        connection.request("POST", "/position", '{"text": "b1"}', kind)
        answers.append(json.loads(connection.getresponse().read()))
        connection.close()
    finally:
        os.kill(os.getpid(), signal.SIGINT)


def test_it_serves_the_page_until_ctrl_c(run, opened, capsys):
    from lengthwise.cli import main

    port, answers = free_port(), []
    page = threading.Thread(target=interrupt_after_asking, args=[port, answers])
    # A shell's background jobs, such as a CI runner's, begin with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        page.start()
        code = main(["othello", "play", str(run), "--port", str(port), "--json"])
    finally:
        page.join()
        signal.signal(signal.SIGINT, before)
    assert code == 0
    out, err = capsys.readouterr()
    url = f"http://127.0.0.1:{port}/"
    weights = ["raw", "EMA_decay0.9", "BEMA"]
    assert json.loads(out) == {
        "command": "othello",
        "directory": str(run),
        "weights": weights,
        "url": url,
        "exit_code": 0,
    }
    assert f"page    {url}\n" in err
    assert opened == [url]
    text, found = answers
    assert ", trained on the first 6 moves of random games." in text
    assert "A forfeited turn is an entry of its own, a pass." in text
    assert list(found["prediction"]["weights"]) == weights
    shares = [sum(one["probabilities"]) for one in found["prediction"]["weights"].values()]
    assert shares == pytest.approx([1, 1, 1], abs=1e-5)


def refused(argv, code, capsys):
    """The one sentence of a command that must fail."""
    from lengthwise.cli import main

    assert main(["othello", "play", *argv, "--no-browser"]) == code
    out, err = capsys.readouterr()
    assert out == ""
    [line] = err.splitlines()
    return line.removeprefix("lengthwise: ")


def test_runs_that_cannot_be_explored(run, place, capsys):
    assert refused(["nowhere"], 4, capsys).startswith("`nowhere/config.json` could not be read")
    config = json.loads((run / "config.json").read_text())
    own = place / "own"
    own.mkdir()
    (own / "config.json").write_text(json.dumps(config))
    sentence = (
        "`own` must hold the weights of a run that ended, but (raw, EMA_decay0.9, BEMA) are missing"
    )
    assert refused(["own"], 4, capsys).startswith(sentence)
    config["task"] = {
        "class": "lengthwise.tasks._set_complement:SetComplement",
        "fields": {"vocab_size": 8},
    }
    (own / "config.json").write_text(json.dumps(config))
    assert refused(["own"], 2, capsys) == (
        "`own` must be a run of Othello, but its task is (lengthwise.tasks:SetComplement): name another "
        "run, such as one that `lengthwise demo othello` makes."
    )


def test_a_port_in_use(run, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        sentence = refused([str(run), "--port", str(port)], 2, capsys)
    assert re.fullmatch(
        rf"`port` must be free .* \(port={port}\), and another program uses it: .*", sentence
    )
