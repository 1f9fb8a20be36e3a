import math

import numpy as np
import pytest

from lengthwise._core import InputError
from lengthwise.report import plot_prediction


def rows(capped=True):
    return [
        {
            "length": s,
            "earlier": 2 / s if s > 1 else math.nan,
            "earlier_min": 1 / s if s > 1 else math.nan,
            "earlier_max": 3 / s if s > 1 else math.nan,
            "last": 2.5 / s,
            "last_min": 1 / s,
            "last_max": 4 / s,
            "predicted_earlier": 2.1 / s if s > 1 else math.nan,
            "predicted_last": 2.4 / s,
            "cap": 3.3 / s if capped else math.nan,
        }
        for s in (3, 1, 2)
    ]


def test_lines_hold_predictions_and_circles_hold_means():
    figure = plot_prediction(rows())
    drawn = [np.asarray(line.get_xydata()) for line in figure.axes[0].lines]
    predicted, measured, last, _, cap = drawn[:5]
    np.testing.assert_allclose(predicted, [[1, math.nan], [2, 2.1 / 2], [3, 2.1 / 3]])
    np.testing.assert_allclose(measured[1:], [[2, 1], [3, 2 / 3]])
    np.testing.assert_allclose(last[:, 1], [2.4, 1.2, 0.8])
    np.testing.assert_allclose(cap[:, 1], [3.3, 3.3 / 2, 1.1])
    assert figure._repr_png_()[:4] == b"\x89PNG"


def test_a_cap_that_is_not_known_is_not_drawn():
    labels = lambda figure: [text.get_text() for text in figure.legends[0].get_texts()]
    assert "cap on the smallest, any attention" in labels(plot_prediction(rows()))
    assert "cap on the smallest, any attention" not in labels(plot_prediction(rows(False)))


def test_other_rows_are_refused():
    with pytest.raises(InputError, match="predicted_earlier"):
        plot_prediction([{"length": 1, "earlier": 2.0, "last": 1.0}])
