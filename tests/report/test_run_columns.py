"""What a run's table has decides what its page shows: runs of before a metric, and other tasks."""

import pathlib

import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise._core import read_csv, read_json, write_csv, write_json
from lengthwise.report import plot_by_length, plot_probes, probe_table
from lengthwise.report._displacement import displacement_charts
from lengthwise.report._html import charts, to_html
from lengthwise.report._load import load_runs

from . import helpers


RECORDS = pathlib.Path(__file__).parents[2] / "experiments/records"


def othello_run(path, *, coverage=True, label="moves read"):
    """A run as `helpers` writes it, of another task."""
    run = helpers.write_run(path)
    config = read_json(run / "config.json")
    config["task"] = {"class": "lengthwise.tasks:OthelloTask", "fields": {"size": 4}}
    write_json(run / "config.json", config)
    record = read_json(run / "record.json")
    write_json(run / "record.json", record | {"length_label": label})
    rows = read_csv(run / "evaluation.csv")
    if coverage:
        rows = [
            row
            | {"coverage": 1 - row["itr"], "coverage_low": 0.1, "coverage_high": 0.9}
            | {"chance_coverage": 1 - row["chance_itr"], "chance_top1_illegal": row["chance_itr"]}
            for row in rows
        ]
    write_csv(run / "evaluation.csv", rows)
    return run


def probe_rows():
    rows = []
    for weights in ("raw", "EMA_decay0.9", "random"):
        for layer in (0, 1):
            for n in helpers.LENGTHS:
                row = {"weights": weights, "layer": layer, "length": n, "seen": n <= helpers.T}
                row |= {"games": 50, "accuracy": 0.9 - n / 100 - layer / 50, "accuracy_low": 0.7}
                rows.append(row | {"accuracy_high": 0.95, "majority": 0.5 + n / 100})
    return rows


def names(run):
    return [chart.name for chart in charts(load_runs([run]))]


def test_a_run_of_before_the_coverage_has_the_page_that_it_had(run):
    assert names(run) == ["itr", "temperature", "separation", "displacement", "heatmap", "training"]
    assert "coverage" not in to_html(load_runs([run]), [])
    with pytest.raises(lw.InputError, match="`metric` in the rows"):
        plot_by_length(run, "coverage")


def test_coverage_has_a_figure_with_the_chance_of_a_random_order(tmp_path):
    run = othello_run(tmp_path / "run")
    assert names(run)[:4] == ["itr", "temperature", "separation", "coverage"]
    chart = charts(load_runs([run]))[3]
    row = chart.rows[0]
    assert {
        "coverage",
        "coverage_low",
        "chance_coverage",
        "top1_illegal",
        "chance_top1_illegal",
    } <= set(row)
    axes = plot_by_length(run, "coverage").axes[0]
    chance = next(line for line in axes.lines if line.get_linestyle() == "--")
    wanted = [[s, 1 - s / 8] for s in helpers.LENGTHS]
    np.testing.assert_allclose(np.asarray(chance.get_xydata()), wanted)


def test_axes_say_what_a_length_is(tmp_path, run):
    othello = othello_run(tmp_path / "run")
    text = to_html(load_runs([othello]), charts(load_runs([othello])))
    assert "moves read" in text
    assert "length s" not in text
    assert "seen in training, moves read \N{LESS-THAN OR EQUAL TO} 3" in text
    assert plot_by_length(othello).axes[0].get_xlabel() == "moves read"
    assert plot_by_length(run).axes[0].get_xlabel() == "length s"
    (chart,) = displacement_charts(load_runs([run, othello]))
    from lengthwise.report._chart import draw_chart

    assert draw_chart(chart).axes[0].get_xlabel() == "length s / moves read"


def test_the_law_of_the_theory_is_drawn_for_its_task_alone(tmp_path, run):
    (theirs,) = displacement_charts(load_runs([othello_run(tmp_path / "run")]))
    assert "2/s" not in theirs.title + theirs.caption + str([key.label for key in theirs.keys])
    assert len(theirs.panels) == 1
    assert "two_over_s_of_raw" not in theirs.rows[0]
    (ours,) = displacement_charts(load_runs([run]))
    assert "2/s law" in ours.title


def test_probes_of_a_run_are_on_its_page(tmp_path):
    run = othello_run(tmp_path / "run")
    write_csv(run / "probes.csv", probe_rows())
    chart = next(c for c in charts(load_runs([run])) if c.name == "probes")
    assert [panel.title for panel in chart.panels][:2] == ["Embedding", "Layer 1"]
    assert [{n: row[n] for n in probe_rows()[0]} for row in chart.rows] == probe_rows()
    figure = plot_probes(probe_rows())
    majority, raw = (np.asarray(line.get_xydata()) for line in figure.axes[1].lines[:2])
    np.testing.assert_allclose(majority, [[n, 0.5 + n / 100] for n in helpers.LENGTHS])
    np.testing.assert_allclose(raw, [[n, 0.88 - n / 100] for n in helpers.LENGTHS])
    labels = [key.label for key in chart.keys]
    assert labels[:4] == ["raw", "EMA_decay0.9", "fresh weights", "most frequent class at the move"]
    by_layer = np.asarray(figure.axes[2].lines[0].get_xydata())
    unseen = [n for n in helpers.LENGTHS if n > helpers.T]
    mean = 0.9 - sum(unseen) / len(unseen) / 100
    np.testing.assert_allclose(by_layer, [[0, mean], [1, mean - 0.02]])


def test_probes_in_the_terminal(tmp_path):
    lines = probe_table(probe_rows()).splitlines()
    assert max(map(len, lines)) <= 80
    row = next(line for line in lines if line.startswith(" raw")).split()
    assert row == ["raw", "0", "0.880", "0.870", "0.845", "0.830"]


def test_committed_tables_are_read():
    """They were written before the coverage was measured."""
    tables = sorted(RECORDS.rglob("*.csv"))
    assert len(tables) >= 2
    for path in tables:
        assert read_csv(path)


def test_rows_of_before_the_coverage_are_written_beside_new_ones(tmp_path):
    """As the history of a run has them that is resumed by a newer version."""
    write_csv(
        tmp_path / "t.csv", [{"step": 1, "itr": 0.5}, {"step": 2, "itr": 0.25, "coverage": 1.0}]
    )
    rows = read_csv(tmp_path / "t.csv")
    assert rows == [
        {"step": 1, "itr": 0.5, "coverage": None},
        {"step": 2, "itr": 0.25, "coverage": 1.0},
    ]


@pytest.mark.slow
def test_a_run_of_before_the_coverage_is_resumed(tmp_path):
    task = lw.SetComplement(5)
    model = lw.TransformerConfig(1, 1, 4, mlp_ratio=None).build(task.sizes, key=jr.key(0))
    small = lw.EvaluationConfig(examples=8, batch_size=8, exhaustive_inputs=0)
    config = lw.TrainingConfig(
        steps=2,
        chunk_steps=1,
        batch_size=2,
        lengths=lw.FixedLength(3),
        evaluate_every=1,
        checkpoint_every=1,
        evaluation=small,
        history_examples=8,
    )
    run = tmp_path / "run"
    lw.train(task, model, config, lw.Hparams(averages=()), directory=run, key=jr.key(1))
    rows = read_csv(run / "history.csv")
    assert all(row["coverage"] is not None for row in rows)
    old = [{n: v for n, v in row.items() if n != "coverage"} for row in rows if row["step"] < 2]
    write_csv(run / "history.csv", old)
    for file in (run / "checkpoints").glob("step-*2.*"):
        file.unlink()
    (run / "record.json").unlink()
    lw.resume(run)
    again = read_csv(run / "history.csv")
    assert [row["coverage"] is None for row in again] == [row["step"] < 2 for row in rows]
    assert [row["itr"] for row in again] == [row["itr"] for row in rows]
    assert read_json(run / "record.json")["length_label"] == "length s"
    assert "coverage" in names(run)
