"""Files are whole or absent; tables come back as they were; one writer at a time."""

import os
import pathlib

import pytest
from hypothesis import given, strategies as st

import lengthwise as lw
from lengthwise._core import (
    UNBEGUN,
    append_lines,
    new_directory,
    read_csv,
    read_json,
    read_lines,
    require,
    sole_writer,
    whole_directory,
    write_bytes,
    write_csv,
    write_json,
)


VALUES = st.one_of(
    st.integers(-(10**9), 10**9), st.booleans(), st.none(), st.floats(allow_nan=False)
)
ROWS = st.lists(st.fixed_dictionaries({"a": VALUES, "b": VALUES}), min_size=1, max_size=5)


@given(ROWS)
def test_tables_return_with_every_digit(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("table") / "table"
    write_csv(path, rows)
    assert read_csv(path) == rows
    types = lambda rows: [{name: type(x) for name, x in row.items()} for row in rows]
    assert types(read_csv(path)) == types(rows)
    append_lines(path.with_suffix(".jsonl"), rows)
    append_lines(path.with_suffix(".jsonl"), rows)
    assert read_lines(path.with_suffix(".jsonl")) == rows + rows


def test_a_line_cut_short_is_dropped_and_damage_is_named(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert read_lines(path) == []
    append_lines(path, [{"step": 1}, {"step": 2}])
    whole = path.read_bytes()
    path.write_bytes(whole[:-3])
    assert read_lines(path) == [{"step": 1}]
    path.write_bytes(b"{nonsense\n" + whole)
    with pytest.raises(lw.StorageError, match="damaged"):
        read_lines(path)


def test_json_cut_short_or_missing_is_named(tmp_path):
    path = tmp_path / "config.json"
    with pytest.raises(lw.StorageError, match=r"config.json.*No such file"):
        read_json(path)
    write_json(path, {"b": [1, 2.5], "a": None})
    assert read_json(path) == {"b": [1, 2.5], "a": None}
    path.write_text(path.read_text()[:-4])
    with pytest.raises(lw.StorageError, match="must hold whole JSON"):
        read_json(path)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "sub" / "file"
    write_bytes(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(lw.StorageError, match=r"No space left.*free some space"):
        write_bytes(path, b"new and longer")
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_a_new_directory_is_new(tmp_path):
    assert new_directory(tmp_path / "a" / "b").is_dir()
    assert new_directory(tmp_path / "a" / "b")  # still empty
    (tmp_path / "a" / "b" / "config.json").write_text("{}")
    with pytest.raises(lw.InputError, match=r"must be a new directory.*resume"):
        new_directory(tmp_path / "a" / "b")
    with pytest.raises(lw.InputError, match="must be a new directory"):
        new_directory(tmp_path / "a" / "b" / "config.json")


def test_a_new_directory_may_hold_what_a_run_left_that_never_began(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for name in (".lock", ".config.json-12.tmp", "checkpoints/step-000000000.json"):
        (tmp_path / name).touch()
    assert new_directory(tmp_path, may_hold=UNBEGUN) == tmp_path
    for name in ("checkpoints/step-000000010.json", "config.json", "notes"):
        (tmp_path / name).touch()
        with pytest.raises(lw.InputError, match="must be a new directory"):
            new_directory(tmp_path, may_hold=UNBEGUN)
        (tmp_path / name).unlink()


def test_a_whole_directory_takes_the_place_of_an_empty_one(tmp_path, monkeypatch):
    replaced, replace = [], os.replace

    def on_windows(source, target):
        replaced.append(target.exists())
        replace(source, target)

    monkeypatch.setattr(os, "replace", on_windows)
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "out")
    with whole_directory(tmp_path / "link") as folder:
        (folder / "a").touch()
    assert replaced == [False]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "out"]


def test_a_whole_directory_cannot_be_the_current_one(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    for name in (".", str(here), "../here"):
        with pytest.raises(lw.InputError, match="must be a new directory"):
            with whole_directory(pathlib.Path(name)):
                raise AssertionError("something was computed for it")
    assert list(tmp_path.rglob("*")) == [here]


def test_one_writer_at_a_time(tmp_path):
    with sole_writer(tmp_path), pytest.raises(lw.StorageError, match="must have one writer"):
        with sole_writer(tmp_path):
            pass
    with sole_writer(tmp_path):
        pass


def test_read_run_of_no_run(tmp_path):
    with pytest.raises(lw.StorageError, match=r"config.json"):
        lw.read_run(pathlib.Path(tmp_path))


def test_require_states_condition_values_and_remedy():
    require(True, "`x > 0`", "raise `x`", x=1)
    with pytest.raises(lw.InputError) as caught:
        require(False, "`x > 0`", "raise `x`", x=-1, y="b")
    assert str(caught.value) == "`x > 0` must hold, but got (x=-1, y='b'): raise `x`."
    assert isinstance(caught.value, ValueError)
