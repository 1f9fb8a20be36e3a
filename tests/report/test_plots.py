import math

import numpy as np
import pytest

from lengthwise._core import InputError, read_run
from lengthwise.report import plot_by_length
from lengthwise.report._training import extremes, running_mean

from . import helpers


class Result:
    def rows(self):
        return helpers.evaluation_rows()


def lines(figure):
    """The curves of a figure: those with a point for each length and no dashes."""
    found = [line for line in figure.axes[0].lines if line.get_linestyle() == "-"]
    return [
        np.asarray(line.get_xydata())
        for line in found
        if len(np.asarray(line.get_xydata())) == len(helpers.LENGTHS)
    ]


@pytest.mark.parametrize("kind", ["record", "path", "result", "rows"])
def test_every_source_draws_the_same_curves(run, kind):
    source = {"record": read_run(run), "path": run, "result": Result(), "rows": Result().rows()}
    raw, average = lines(plot_by_length(source[kind]))
    np.testing.assert_array_equal(raw, [[s, s / 10] for s in helpers.LENGTHS])
    np.testing.assert_allclose(average[:, 1], 0.8 * raw[:, 1])


def test_figure_shows_itself_in_a_notebook(run):
    figure = plot_by_length(run, "kl")
    assert figure._repr_png_()[:4] == b"\x89PNG"
    assert figure.axes[0].get_yscale() == "log"


def test_rows_with_the_least_columns_are_enough():
    rows = [
        {"weights": "_mine", "temperature": "given", "length": n, "seen": n < 3, "itr": y}
        for n, y in [(1, 0.0), (2, math.inf), (3, math.nan), (4, 0.5)]
    ]
    assert plot_by_length(rows, log=True)._repr_png_()


def test_unknown_metric_names_the_columns():
    with pytest.raises(InputError, match="'displacement'"):
        plot_by_length(Result(), "nonsense")


def test_running_mean_is_the_mean_of_finite_neighbours():
    values = np.arange(600.0)
    values[[0, 300]] = np.nan
    mean, half = running_mean(values), 600 // 120
    for i in (1, 7, 250, 299, 598):
        assert mean[i] == pytest.approx(np.nanmean(values[max(i - half, 0) : i + half + 1]))
    assert np.isnan(mean[300])


def test_extremes_keep_every_peak():
    x, y = np.arange(50_000.0), np.zeros(50_000)
    y[[123, 40_001]] = 7, -3
    thin_x, thin_y = extremes(x, y)
    assert len(thin_x) <= 1000
    assert {(123, 7), (40_001, -3)} <= set(zip(thin_x, thin_y, strict=True))
