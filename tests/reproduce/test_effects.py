"""What claims read from rows: tables by plain loops, ratios by SciPy's paired test."""

import math

import numpy as np
import pytest
import scipy.stats

from lengthwise import InputError
from lengthwise.reproduce import (
    by_seed,
    columns,
    compare,
    compare_each,
    decide,
    grid,
    group,
    label,
    paired_ratio,
    select,
    unseen_mean,
)


ROWS = [
    {"kind": "a", "seed": seed, "length": n, "seen": n <= 2, "weights": w, "itr": value + seed * n}
    for seed in (3, 1, 2)
    for w, value in (("raw", 5.0), ("EMA", 1.0))
    for n in (1, 2, 3, 4)
]
"""Out of order by seed, two unseen lengths each."""
OTHER = {"kind": "b", "displacement": 1.0}


def test_grid_varies_the_last_axis_fastest():
    assert grid(loss={"x": 0, "y": 1}, seed=range(2), steps=[9]) == [
        {"loss": "x", "seed": 0, "steps": 9},
        {"loss": "x", "seed": 1, "steps": 9},
        {"loss": "y", "seed": 0, "steps": 9},
        {"loss": "y", "seed": 1, "steps": 9},
    ]


def test_labels_leave_out_how_long_and_other_columns():
    part = {"loss": "x", "seed": 3, "steps": 100}
    rows = label([{"itr": 0.5, "tv": 0.25, "length": 1}], part, ("itr", "length"), kind="trained")
    assert rows == [{"loss": "x", "seed": 3, "kind": "trained", "itr": 0.5, "length": 1}]
    with pytest.raises(KeyError):
        label([{"itr": 0.5}], part, ("tv",))


def test_selected_rows_have_the_values_and_the_columns():
    assert select([*ROWS, OTHER], kind="b") == [OTHER]
    assert select([{"length": None}, {"length": 1}, {}], length=None) == [{"length": None}]
    found = select(ROWS, weights="raw", seen=False)
    assert [(r["seed"], r["length"]) for r in found] == [(s, n) for s in (3, 1, 2) for n in (3, 4)]


def test_groups_come_in_the_order_of_the_rows():
    found = group([OTHER, *ROWS], "seed", "weights")
    assert list(found) == [(s, w) for s in (3, 1, 2) for w in ("raw", "EMA")]
    assert [row["length"] for row in found[1, "EMA"]] == [1, 2, 3, 4]
    assert list(group([OTHER, *ROWS], "kind")) == ["b", "a"]
    assert group([OTHER], "seed") == {}


def test_columns_of_rows():
    rows = [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]
    assert columns(rows) == {"a": [1, 2], "b": ["x", "y"]}
    assert columns([]) == {}


def test_means_over_unseen_lengths_by_seed():
    assert by_seed(ROWS, "itr", weights="raw") == {s: 5 + s * 3.5 for s in (1, 2, 3)}
    assert list(by_seed(ROWS, "itr", weights="raw")) == [1, 2, 3]
    assert unseen_mean(ROWS, "itr", weights="raw") == 5 + 2 * 3.5


def test_paired_ratios_are_those_of_scipy():
    rng = np.random.default_rng(0)
    theirs = rng.lognormal(size=7)
    ours = theirs * rng.lognormal(0.3, 0.1, size=7)
    found = paired_ratio(ours, theirs, comparisons=2)
    test = scipy.stats.ttest_rel(np.log(ours), np.log(theirs))
    interval = test.confidence_interval(0.975)
    assert np.log(found.low) == pytest.approx(interval.low)
    assert np.log(found.high) == pytest.approx(interval.high)
    assert found.ratio == pytest.approx(scipy.stats.gmean(ours / theirs))
    assert (found.below, found.seeds) == (sum(ours < theirs), 7)
    assert (found.ours, found.theirs) == (pytest.approx(ours.mean()), pytest.approx(theirs.mean()))
    assert found.ratios == pytest.approx(list(ours / theirs))


def test_one_pair_says_nothing_about_others():
    found = paired_ratio([1.0], [2.0])
    assert (found.ratio, found.low, found.high) == (0.5, 0.0, math.inf)
    assert found.below_all
    assert not found.lowers
    assert not found.raises


@pytest.mark.parametrize(
    ("ratios", "lowers", "raises", "below_all"),
    [
        ([0.50, 0.51, 0.49], True, False, True),
        ([0.50, 0.90, 0.99], False, False, True),
        ([0.50, 0.51, 1.01], False, False, False),
        ([1.50, 1.51, 1.49], False, True, False),
    ],
)
def test_what_an_interval_says(ratios, lowers, raises, below_all):
    found = paired_ratio(ratios, [1.0, 1.0, 1.0])
    assert (found.lowers, found.raises, found.below_all) == (lowers, raises, below_all)
    below = f"below 1 in {sum(r < 1 for r in ratios)} of 3"
    assert found.text == f"{found.ratio:.3g} ({found.low:.3g} to {found.high:.3g}; {below})"


def test_conditions_are_compared_seed_by_seed():
    ours, theirs = ([base + s * 3.5 for s in (1, 2, 3)] for base in (1, 5))
    mixed = sorted(ROWS, key=lambda row: (row["weights"], -row["seed"]))
    assert compare(mixed, "itr", weights=("EMA", "raw")) == paired_ratio(ours, theirs)
    wide = compare(mixed, "itr", weights=("EMA", "raw"), comparisons=4)
    assert wide == paired_ratio(ours, theirs, comparisons=4)
    twice = [row | {"rate": rate, "itr": row["itr"] * rate} for row in ROWS for rate in (1, 2)]
    found = compare_each(twice, ["rate"], "itr", weights=("EMA", "raw"))
    assert {rate: one.ratios for rate, one in found.items()} == dict.fromkeys(
        (1, 2), paired_ratio(ours, theirs).ratios
    )
    assert found[2].ours == pytest.approx(2 * np.mean(ours))


@pytest.mark.parametrize("averaged", [(1, 2), (1, 2, 4), ()])
def test_conditions_have_the_same_seeds(averaged):
    """Else values of different seeds would be paired."""
    raw = select(ROWS, weights="raw")
    rows = [row | {"weights": "EMA", "seed": seed} for row in raw[:4] for seed in averaged]
    with pytest.raises(InputError, match="Two conditions with the same seeds"):
        compare(raw + rows, "itr", weights=("EMA", "raw"))


def test_a_rule_of_two_conditions():
    found = [
        decide("so", holds=a, refuted=b) for a, b in ((1 > 0, False), (False, True), (False, False))
    ]
    assert [one.verdict for one in found] == ["holds", "does not hold", "undecided"]
    assert found[0].text == "so"
    with pytest.raises(InputError, match="holds, or does not, or neither"):
        decide("so", holds=True, refuted=True)


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ([1.0, 2.0, 3.0], [2.0], "As many values"),
        ([], [], "As many values"),
        ([np.inf, 1.0], [1.0, 1.0], "Positive and finite"),
        ([np.nan, 1.0], [1.0, 1.0], "Positive and finite"),
        ([0.0, 1.0], [1.0, 1.0], "Positive and finite"),
    ],
)
def test_what_has_no_ratio_is_refused(ours, theirs, said):
    with pytest.raises(InputError, match=said):
        paired_ratio(ours, theirs)
