import io
import sys


def test_a_table_reaches_a_stream_that_cannot_encode_it(place, monkeypatch):
    """As on Windows, where a pipe or a file gets the bytes of an old code page."""
    from lengthwise.cli import main

    stream = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", stream)
    assert main(["train", "tiny", "--no-report", "--out", "run"]) == 0
    assert stream.errors == "strict"
    stream.flush()
    text = stream.buffer.getvalue().decode("cp1252")
    assert "ITR at length" in text
    assert "?" * 60 in text  # the rule below a table's head
    assert text.splitlines()[-1].split() == ["run", "run"]
