import gzip
import lzma
import math

import numpy as np
import pytest

from lengthwise._core import StorageError
from lengthwise.report import read_replicates, read_trials, replication, replication_table
from lengthwise.report._sweep_replicates import replication_charts

from . import sweeps


def replicates(values, *, of=4, weights="BEMA", selected=-3.0):
    """Lines of `replicates.jsonl`; None is a replicate that diverged."""
    trial = sweeps.make_trials(3)[of]
    lines = []
    for number, value in enumerate(values, 1):
        measured = {weights: trial["weights"][weights] | {"log_tv_unseen": value}}
        one = trial | {"weights": measured} if value is not None else sweeps.diverged(trial)
        about = {"of": of, "replicate": number, "of_weights": weights, "selected": selected}
        lines.append(about | {"candidates": 18} | {n: v for n, v in one.items() if n != "trial"})
    return lines


def test_replication_is_the_mean_and_spread_of_the_replicates():
    second, first = replication(
        [*replicates([-2.0, -2.5, None, -1.0], of=2, selected=-4.0), *replicates([-2.9])]
    )[::-1]
    assert (first["trial"], first["n"], first["without_value"]) == (2, 3, 1)
    values = [-2.0, -2.5, -1.0]
    assert first["mean"] == pytest.approx(np.mean(values))
    assert first["sd"] == pytest.approx(np.std(values, ddof=1))
    assert (first["min"], first["max"]) == (-2.5, -1.0)
    assert first["change"] == pytest.approx(np.mean(values) + 4.0)
    assert math.isnan(second["sd"])
    assert second["change"] == pytest.approx(0.1)


def test_table_says_that_the_selected_value_is_optimistic():
    rows = replication(replicates([-2.0, -2.5, None], weights="EMA_decay0.99"))
    text = replication_table(rows)
    assert max(map(len, text.splitlines())) <= 80
    assert "the lowest of 18, optimistic" in text
    assert "2-1  -2.250  0.354  -2.500  -2.000  +0.750" in text
    assert replication_table([]) == ""
    assert replication_charts([]) == []
    [chart] = replication_charts(replication(replicates([None])))
    assert [row["kind"] for row in chart.rows] == ["selected"]


@pytest.mark.parametrize(("suffix", "write"), [(".gz", gzip.open), (".xz", lzma.open)])
def test_compressed_records_are_read(suffix, write, tmp_path):
    directory = sweeps.write_sweep(tmp_path, sweeps.make_trials(3))
    whole = read_trials(directory)
    plain = directory / "trials.jsonl"
    packed = directory / f"trials.jsonl{suffix}"
    with write(packed, "wt") as file:
        file.write(plain.read_text())
    plain.unlink()
    assert read_trials(directory) == read_trials(packed) == whole
    assert read_replicates(directory) == []
    data = packed.read_bytes()
    for damaged in (data[: len(data) // 2], b"not compressed"):
        packed.write_bytes(damaged)
        with pytest.raises(StorageError, match=r"trials\.jsonl"):
            read_trials(directory)
