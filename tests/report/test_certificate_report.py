"""The certificate's table and figure show the rows that they are given."""

import numpy as np

from lengthwise.report import certificate_table, plot_certificate


def rows():
    return [
        {
            "length": s,
            "margin": 1.0 - s / 4,
            "attained": 1.1 - s / 4,
            "itr": s / 10,
            "chance": s / 8,
            "tv": s / 9,
            "verdict": "holds" if s < 4 else "refuted",
            "witness": " ".join(str(i) for i in range(10 * s)),
        }
        for s in range(1, 6)
    ]


def test_table_has_a_line_for_each_length():
    text = certificate_table(rows())
    assert all(len(line) <= 80 for line in text.splitlines())
    lines = [line for line in text.splitlines() if "holds" in line or "refuted" in line]
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "4", "5"]
    assert "0.500" in lines[1]
    assert lines[0].split()[-3:] == ["7", "8", "9"]
    assert lines[4].endswith("48 49")
    assert "…" in lines[4]


def test_figure_draws_bound_mean_law_and_chance():
    measured = [{"length": s, "displacement": 2 / s, "itr": s / 20} for s in (2, 1, 3)]
    figure = plot_certificate({"one": rows()}, measured={"one": measured}, law={"one": 1.0}, seen=2)
    margin, rate = figure.axes
    drawn = [np.asarray(line.get_xydata()) for line in margin.lines]
    np.testing.assert_allclose(drawn[0][:, 1], [row["margin"] for row in rows()])
    np.testing.assert_allclose(drawn[1], [[1, 2], [2, 1], [3, 2 / 3]])
    np.testing.assert_allclose(drawn[2], [[s, 2 / s] for s in (2, 3, 4, 5)])
    drawn = [np.asarray(line.get_xydata()) for line in rate.lines]
    np.testing.assert_allclose(drawn[0][:, 1], [0.1, 0.2, 0.3, 0.4, 0.5])
    np.testing.assert_allclose(drawn[-1][:, 1], [s / 8 for s in range(1, 6)])
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[0] == "one"
    assert "chance" in labels
