import pytest

from lengthwise._core import read_run
from lengthwise.report import summary_table
from lengthwise.report._format import format_change, format_value
from lengthwise.report._terminal import chosen_lengths

from . import helpers


def test_summary_fits_in_80_columns(run):
    text = summary_table(read_run(run))
    assert max(map(len, text.splitlines())) <= 80
    raw, average = ([*filter(None, line.split())] for line in text.splitlines()[4:6])
    # Unseen lengths are 4 to 7, with a mean rate of 0.55 for the raw weights.
    assert raw == ["raw", "0", "0.300", "0.700", "0.550", "0.550", "0.550"]
    assert average == ["EMA_decay0.9", "0.100", "0.240", "0.560", "0.440", "0.440", "0.440"]


def test_long_names_and_markup_are_kept(tmp_path):
    run = helpers.write_run(tmp_path / "r")
    name = "[bold]BEMA_kappa0.75_eta0.2_gamma0.5_rho10.0_tau0_phi1_conventionpaper"
    for file in (run / "evaluation.csv", run / "record.json"):
        file.write_text(file.read_text().replace("EMA_decay0.9", name))
    text = summary_table(read_run(run))
    assert max(map(len, text.splitlines())) <= 80
    assert "[bold]BEMA" in text
    assert "0.440" in text


@pytest.mark.parametrize("status", ["interrupted", "diverged", "under way"])
def test_unfinished_runs_say_so(tmp_path, status):
    run = helpers.write_run(tmp_path / "r", status=status, evaluation=False)
    assert status in summary_table(read_run(run))


def test_chosen_lengths_hold_the_ends_and_T():
    for last in range(1, 70):
        for seen in range(1, last + 1):
            chosen = chosen_lengths(list(range(1, last + 1)), seen)
            assert {1, seen, last} <= set(chosen)
            assert len(chosen) == min(last, 8)
            assert chosen == sorted(chosen)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.32, "0.320"),
        (0.0, "0"),
        (2.5e-5, "2.5e-5"),
        (123.4, "123"),
        (-0.25069, "-0.251"),
        (float("nan"), "\N{EN DASH}"),
        (None, "\N{EN DASH}"),
        (float("inf"), "inf"),
        (True, "yes"),
        (7, "7"),
    ],
)
def test_numbers_as_text(value, text):
    assert format_value(value) == text


def test_changes_have_a_sign():
    assert format_change(-0.2) == "-20.0 %"
    assert format_change(0.2) == "+20.0 %"
