"""The page of a sweep needs nothing else, and holds every trial."""

import json
import re
import subprocess
import sys

import pytest

from lengthwise._core import read_csv
from lengthwise.report._sweep_charts import sweep_charts
from lengthwise.report._sweep_effects import sweep_effects
from lengthwise.report._sweep_importances import importances_table
from lengthwise.report._sweep_noise import noise_correlations
from lengthwise.report._sweep_page import SweepResults, sweep_html
from lengthwise.report._sweep_trials import read_trials, sweep_of

from . import sweeps
from .test_html import NAMESPACES, Page


RENDER = """
import json, sys
import lengthwise.report as report
importances = json.loads(sys.argv[3])
report.render_sweep(sys.argv[1], sys.argv[2], importances=importances)
assert not {"jax", "optuna", "matplotlib.pyplot"} & set(sys.modules)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    trials = sweeps.make_trials(12, seed=1)
    trials[4] = sweeps.diverged(trials[4])
    folder = sweeps.write_sweep(tmp_path_factory.mktemp("sweeps") / "<i>&", trials[:-1])
    about = {"of": 6, "replicate": 1, "of_weights": "BEMA", "selected": -9.0, "candidates": 66}
    (folder / "replicates.jsonl").write_text(json.dumps(about | trials[6]) + "\n")
    return folder


IMPORTANCES = [
    {"weights": weights, "parameter": name, "n": 20, "best": 5, "divergence": 0.1, "p": p}
    | {"importance": share}
    for weights in ("raw", "BEMA")
    for name, share, p in (("hparams.learning_rate", 0.9, 0.01), ("model.<norm>", 0.1, 0.4))
]


@pytest.fixture(scope="module")
def page(directory, tmp_path_factory):
    """The page, made in a process of its own, which checks what is imported."""
    out = tmp_path_factory.mktemp("out")
    command = [sys.executable, "-W", "error", "-c", RENDER, str(directory), str(out)]
    command.append(json.dumps(IMPORTANCES))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return out / "index.html"


def test_page_refers_to_nothing_outside_its_folder(page):
    text = page.read_text()
    for namespace in NAMESPACES:
        text = text.replace(f'="{namespace}"', '=""')
    assert "://" not in text
    assert "@import" not in text
    links = [a.get(n) for _, a in Page(text).found for n in ("src", "href", "xlink:href")]
    links = [link for link in links if link and not link.startswith("#")]
    assert len(links) == 28
    for link in links:
        assert (page.parent / link).is_file()


def test_page_is_well_formed_and_escaped(page):
    text = page.read_text()
    found = Page(text)
    assert found.open == []
    assert len(set(found.ids)) == len(found.ids)
    assert "&lt;i&gt;&amp;" in text
    assert "&lt;b&gt;not finite&lt;/b&gt; after 12 steps" in text
    assert "1 trials diverged" in text
    assert "1 draws have no twin yet" in text


def test_every_trial_is_a_row_that_filters_and_sorts(page, directory):
    text = page.read_text()
    table = text[text.index('id="trials"') :]
    rows = re.findall(r"<tr data-status=.*?</tr>", table, flags=re.DOTALL)
    trials = read_trials(directory).trials
    assert len(rows) == len(trials) == 23
    for row, trial in zip(rows, trials, strict=True):
        assert f'data-status="{trial["status"]}"' in row
        assert f'data-kind="{"twin" if trial["twin"] else "draw"}"' in row
        assert f'data-shape="{trial["shape"]}"' in row
        assert f'<td data-sort="{float(trial["trial"])!r}">{trial["trial"]}</td>' in row
        for weights in trial["weights"].values():
            assert f'data-sort="{weights["log_tv_unseen"]!r}"' in row
        rate = trial["params"]["hparams.learning_rate"]
        assert f'data-sort="{rate!r}"' in row
    for name in ("status", "kind", "dropout", "shape"):
        assert f'<select data-filter="{name}">' in table
    assert "<option>diverged</option>" in table
    assert "data-search" in table


def test_effects_stand_on_the_page_and_in_the_csv(page, directory):
    rows = read_csv(page.parent / "effects.csv")
    wanted = sweep_effects(read_trials(directory))
    for row, truth in zip(rows, wanted, strict=True):
        assert {k: str(v) for k, v in row.items()} == {k: str(v) for k, v in truth.items()}
    text = page.read_text()
    assert len(re.findall("<tr data-table=", text)) == len(rows)
    assert "Averaging counters noisy updates: undecided" in text


def test_noise_importances_and_replication_stand_on_the_page(page, directory):
    text = page.read_text()
    wanted = noise_correlations(read_trials(directory))
    rows = read_csv(page.parent / "correlations.csv")
    assert [row["n"] for row in rows] == [row["n"] for row in wanted]
    assert text.count('<td class="text">log update noise') == len(wanted) / 3
    assert "model.&lt;norm&gt;" in text
    assert "<td>-9.000</td>" in text
    assert "it is called best only after" in text
    points = read_csv(page.parent / "figures" / "noise.csv")
    assert sum(row["average"] == "BEMA" for row in points) == 12
    assert len(read_csv(page.parent / "importances.csv")) == 4
    assert [r["kind"] for r in read_csv(page.parent / "figures" / "replicates.csv")] == [
        "selected",
        "replicate",
    ]


def test_figures_hold_the_trials(page):
    pairs = read_csv(page.parent / "figures" / "pairs.csv")
    assert sum(row["pair"] == "dropout" for row in pairs) == 11
    assert sum(row["pair"] == "BEMA" for row in pairs) == 23
    points = read_csv(page.parent / "figures" / "hyperparameters.csv")
    assert [row["trial"] for row in points] == list(range(23))
    assert "hparams.learning_rate" in points[0]
    assert len(read_csv(page.parent / "figures" / "lengths.csv")) == 22 * len(sweeps.LENGTHS)


@pytest.mark.parametrize("trials", [[], [sweeps.diverged(t) for t in sweeps.make_trials(2)]])
def test_sweep_without_results_has_a_page(trials):
    sweep = sweep_of(trials)
    assert sweep_charts(sweep) == []
    results = SweepResults(sweep_effects(sweep), noise_correlations(sweep), [], [])
    assert results.charts(sweep) == []
    text = sweep_html(sweep, results, [], name="empty")
    assert f"{len(trials)} trials of" in text


def test_importances_in_the_terminal():
    lines = importances_table(IMPORTANCES[::-1]).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split() for line in lines[-2:]] == [
        ["hparams.learning_rate", "0.90", "p", "0.01"],
        ["model.<norm>", "0.10", "p", "0.40"],
    ]
    assert importances_table([row for row in IMPORTANCES if row["weights"] != "raw"]) == ""
