"""Effects that are planted are found, and effects that are not there are not."""

import json
import math

import numpy as np
import pytest
import scipy.stats

from lengthwise._core import InputError, StorageError
from lengthwise.cli._exit_codes import ExitCode
from lengthwise.cli._sweep_effects import SweepEffects
from lengthwise.report import (
    _sweep_page,
    _sweep_statistics,
    effects_table,
    read_trials,
    sweep_effects,
    sweep_of,
    verdicts,
)
from lengthwise.report._sweep_pairs import ENDPOINTS, averaging_pairs, dropout_pairs
from lengthwise.report._sweep_statistics import (
    bootstrap_difference,
    bootstrap_median,
    detectable_difference,
    detectable_shift,
    holm,
    rank_sum_p,
    sign_p,
    signed_rank_p,
)
from lengthwise.report._sweep_trials import rate_bin

from . import sweeps


PRIMARY = "log_tv_unseen"
RESAMPLES = _sweep_statistics.RESAMPLES
HARMLESS = lambda rate, width: 0.0
HELPS_WIDE = lambda rate, width: -0.8 if width == 256 and rate <= 0.15 else 0.6
SPREADS = lambda rate, width: 0.8 if width == 256 and rate <= 0.15 else 0.0
NOISE = lambda exact: 0.0 if exact else -0.6


@pytest.fixture(scope="module", autouse=True)
def fewer_resamples():
    """For tests of what is compared with what; those of the intervals set the shipped number."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sweep_statistics, "RESAMPLES", 300)
        yield


@pytest.fixture
def as_shipped(monkeypatch):
    monkeypatch.setattr(_sweep_statistics, "RESAMPLES", RESAMPLES)


def binomial_range(trials, p):
    """What a count falls into but for once in 10^4."""
    return scipy.stats.binom.interval(1 - 1e-4, trials, p)


def row_of(rows, family, endpoint=PRIMARY, **cell):
    found = [
        row
        for row in rows
        if row["family"] == family
        and row["endpoint"] == endpoint
        and all(row[name] == cell.get(name, "all") for name in ("rate", "width", "schedule"))
        and all(row[name] == cell.get(name, "all") for name in ("learning_rate", "loss"))
        and row["weights"] == cell.get("weights", "raw")
    ]
    assert len(found) == 1
    return found[0]


@pytest.fixture(scope="module")
def planted():
    """100 draws in which dropout helps in one cell and harms elsewhere, and averaging cuts noise."""
    trials = sweeps.make_trials(
        100, dropout=HELPS_WIDE, mediator=SPREADS, averaging=NOISE, noise=0.25, seed=3
    )
    return sweep_effects(sweep_of(trials))


@pytest.fixture(scope="module")
def null():
    return sweep_effects(sweep_of(sweeps.make_trials(100, seed=4, noise=0.02)))


def test_intervals_cover_the_median_about_as_often_as_they_say(as_shipped):
    """Percentile intervals of a median at n = 25: within 2 % of 95 %, and the binomial noise."""
    rng, runs = np.random.default_rng(0), 300
    covered = 0
    for _ in range(runs):
        low, high = bootstrap_median(rng.normal(0.3, 1, 25))
        covered += low <= 0.3 <= high
    assert binomial_range(runs, 0.93)[0] <= covered <= binomial_range(runs, 0.97)[1]


def test_unpaired_intervals_cover_the_difference(as_shipped):
    rng, runs = np.random.default_rng(1), 150
    covered = 0
    for _ in range(runs):
        low, high = bootstrap_difference(rng.normal(0.5, 1, 30), rng.normal(0, 1, 25))
        covered += low <= 0.5 <= high
    assert covered >= binomial_range(runs, 0.93)[0]


def test_null_p_values_are_uniform():
    """At n = 25 the exact distribution has steps below 0.01 near any level tested here."""
    rng, runs = np.random.default_rng(2), 800
    pairs = [rng.laplace(size=25) for _ in range(runs)]
    paired = np.array([signed_rank_p(x) for x in pairs])
    unpaired = np.array([rank_sum_p(x, y) for x, y in zip(pairs[::2], pairs[1::2], strict=True)])
    for p_values in (paired, unpaired):
        for level in (0.05, 0.2, 0.5):
            low, high = binomial_range(len(p_values), level)
            assert low - 5 <= np.sum(p_values <= level) <= high + 5


def test_families_without_an_effect_rarely_find_one():
    """The family-wise error of Holm over the whole of `sweep_effects`' machinery, on 10 cells."""
    rng, runs = np.random.default_rng(5), 150
    wrong = sum(
        min(holm([signed_rank_p(rng.normal(size=20)) for _ in range(10)])) < 0.05
        for _ in range(runs)
    )
    assert wrong <= binomial_range(runs, 0.05)[1]


@pytest.mark.parametrize("draw", ["normal", "laplace"])
def test_detectable_shift_is_found_with_80_per_cent(draw):
    rng, n, runs = np.random.default_rng(6), 40, 400
    sample = lambda: getattr(rng, draw)(size=n)
    shift = float(np.mean([detectable_shift(sample(), level=0.05) for _ in range(100)]))
    power = sum(signed_rank_p(sample() + shift) < 0.05 for _ in range(runs))
    low, high = binomial_range(runs, 0.8)
    assert low - 0.03 * runs <= power <= high + 0.03 * runs  # the formula is asymptotic
    of_two = np.mean([detectable_difference(sample(), sample(), level=0.05) for _ in range(40)])
    power = sum(rank_sum_p(sample() + of_two, sample()) < 0.05 for _ in range(runs))
    assert low - 0.03 * runs <= power <= high + 0.03 * runs


def test_detectable_shift_of_normal_differences_is_the_classical_one():
    """Efficiency 3 / pi against the t test: (1.96 + 0.84) sigma / sqrt(n 3 / pi)."""
    rng = np.random.default_rng(7)
    found = np.mean([detectable_shift(rng.normal(0, 2, 100), level=0.05) for _ in range(30)])
    assert found == pytest.approx(2.8016 * 2 / math.sqrt(100 * 3 / math.pi), rel=0.05)


def test_holm_is_the_definition():
    rng = np.random.default_rng(8)
    for m in (1, 2, 5, 12):
        p = rng.uniform(size=m) ** 3
        order = np.argsort(p)
        wanted = [
            max(min(1.0, float((m - j) * p[order[j]])) for j in range(list(order).index(i) + 1))
            for i in range(m)
        ]
        np.testing.assert_allclose(holm(list(p)), wanted, rtol=1e-12)
    assert holm([0.01, math.nan, 0.04])[0] == pytest.approx(0.03)
    assert holm([0.01, math.nan, 0.04])[2] == pytest.approx(0.08)
    assert math.isnan(holm([0.01, math.nan, 0.04])[1])


def test_contrasts_are_those_of_the_pairs_taken_by_hand():
    trials = sweeps.make_trials(60, seed=9, dropout=lambda rate, width: -0.1)
    rows = sweep_effects(sweep_of(trials))
    x = []
    for trial, twin in zip(trials[::2], trials[1::2], strict=True):
        rate, width = (trial["params"][f] for f in ("hparams.dropout.residual", "model.width"))
        if 0.15 < rate <= 0.3 and width == 64:
            x.append(trial["weights"]["raw"][PRIMARY] - twin["weights"]["raw"][PRIMARY])
    row = row_of(rows, "dropout", rate="(0.15, 0.3]", width="64")
    assert row["n"] == len(x) > 6
    assert row["median"] == np.median(x)
    assert row["p"] == scipy.stats.wilcoxon(x)[1]
    assert row["share_improved"] == np.mean(np.array(x) < 0)
    itr = row_of(rows, "dropout", "itr_unseen", rate="(0.15, 0.3]", width="64")
    assert itr["median"] == pytest.approx(np.median(x))  # the rate is half the variation: same log
    separation = row_of(rows, "dropout", "separation_unseen", rate="(0.15, 0.3]", width="64")
    assert separation["median"] == pytest.approx(-np.median(x))
    assert separation["share_improved"] == row["share_improved"]


def test_a_draw_and_its_twin_are_one_observation_of_an_average():
    sweep = sweep_of(sweeps.make_trials(10))
    pairs = averaging_pairs(sweep.draws, ENDPOINTS[0], "BEMA", seen=None)
    first = [t["weights"]["BEMA"][PRIMARY] - t["weights"]["raw"][PRIMARY] for t in sweep.trials[:2]]
    assert pairs.differences.shape == (10,)
    assert pairs.differences[0] == pytest.approx(np.mean(first))


def test_planted_effects_are_found_with_their_sign(planted):
    good = row_of(planted, "dropout", rate="(0, 0.15]", width="256")
    assert good["p_holm"] < 0.05
    assert good["low"] < -0.8 < good["high"] < 0
    bad = row_of(planted, "dropout", rate="> 0.3", width="64")
    assert bad["p_holm"] < 0.05
    assert 0 < bad["low"] < bad["high"]
    for name in sweeps.AVERAGES:
        sampled = row_of(planted, "averaging", weights=name, loss="sampled")
        assert sampled["p_holm"] < 0.05
        assert sampled["high"] < 0
        assert row_of(planted, "averaging", weights=name, loss="exact")["p_holm"] > 0.05
        shrinks = row_of(planted, "averaging by loss", weights=name, loss="sampled - exact")
        assert shrinks["p_holm"] < 0.05
        assert shrinks["low"] < 0.6 < shrinks["high"]
    mediator = row_of(
        planted, "dropout mediator", "displacement_ratio", rate="(0, 0.15]", width="256"
    )
    assert mediator["low"] < 0.8 < mediator["high"]
    assert mediator["p_holm"] < 0.05


def test_verdicts_follow_what_was_planted(planted, null):
    assert [v["verdict"] for v in verdicts(planted)] == ["holds", "holds"]
    assert [v["verdict"] for v in verdicts(null)] == ["does not hold", "does not hold"]
    few = sweep_effects(sweep_of(sweeps.make_trials(6, dropout=HELPS_WIDE, averaging=NOISE)))
    assert [v["verdict"] for v in verdicts(few)] == ["undecided", "undecided"]
    text = verdicts(planted)[0]["text"]
    assert "rate (0, 0.15] at width 256" in text
    assert text.count(". ") == 1


def test_benefit_without_its_mechanism_does_not_hold():
    trials = sweeps.make_trials(
        90, dropout=lambda rate, width: -0.8, averaging=lambda exact: -0.8, noise=0.05, seed=10
    )
    assert [v["verdict"] for v in verdicts(sweep_effects(sweep_of(trials)))] == [
        "does not hold",
        "does not hold",
    ]


def test_missing_twins_and_diverged_trials_are_counted_and_judged():
    trials = sweeps.make_trials(20, dropout=lambda rate, width: -0.5, noise=0.01)
    trials[0] = sweeps.diverged(trials[0])  # with dropout: the worse
    trials[3] = sweeps.diverged(trials[3])  # a twin: dropout is better
    trials[4], trials[5] = sweeps.diverged(trials[4]), sweeps.diverged(trials[5])  # a tie
    trials[6]["weights"]["raw"][PRIMARY] = math.nan
    del trials[9]
    sweep = sweep_of(trials)
    count = sweep.counts()
    assert (count["trials"], count["diverged"], count["without_twin"]) == (39, 4, 1)
    assert count["not_finite"] == 1
    row = row_of(sweep_effects(sweep), "dropout")
    assert (row["n"], row["without_twin"], row["diverged"], row["not_finite"]) == (15, 1, 3, 1)
    assert (row["sign_pairs"], row["sign_gains"]) == (18, 16)
    assert row["sign_p"] == sign_p(16, 2)
    text = "\n".join(sweep.notes())
    assert "4 trials diverged" in text
    assert "1 draws have no twin" in text
    assert "1 without twin, 3 diverged, 1 not finite; sign test 16 of 18" in effects_table(
        [row]
    ).replace("\n", " ")


def test_rates_fall_into_their_bins():
    rates = {0.0: "0", 1e-9: "(0, 0.15]", 0.15: "(0, 0.15]", 0.16: "(0.15, 0.3]"}
    for rate, name in (rates | {0.3: "(0.15, 0.3]", 0.31: "> 0.3"}).items():
        assert rate_bin(rate) == name


def test_table_fits_in_80_columns(planted):
    for endpoint in ("log_tv_unseen", "itr_unseen", "separation_unseen"):
        text = effects_table(planted, endpoint=endpoint)
        assert max(map(len, text.splitlines())) <= 80
        assert "rate (0, 0.15], width 256" in text
        assert "sampled - exact" in text


def test_seen_length_is_found_where_the_displacement_ratio_is_one():
    trials = sweeps.make_trials(3)
    assert sweep_of(trials).seen == sweeps.T
    assert sweep_of([{**trial, "seen": 7} for trial in trials]).seen == 7
    blind = [{**trial, "mediators": {}} for trial in trials]
    assert sweep_of(blind).seen is None
    assert not any("mediator" in row["family"] for row in sweep_effects(sweep_of(blind)))


def test_mediators_that_were_not_measured_are_counted():
    trials = sweeps.make_trials(8)
    for trial in trials:
        trial["mediators"]["effective_tokens"] = None  # of a model without attention
    rows = sweep_effects(sweep_of(trials))
    row = row_of(rows, "dropout mediator", "effective_tokens")
    assert (row["n"], row["not_finite"]) == (0, 8)
    assert row_of(rows, "dropout mediator", "displacement_ratio")["n"] == 8


def test_what_is_no_sweep_is_refused(tmp_path):
    with pytest.raises(StorageError, match="check the path"):
        read_trials(tmp_path)
    trials = sweeps.make_trials(2)
    directory = sweeps.write_sweep(tmp_path, [{k: v for k, v in trials[0].items() if k != "seed"}])
    with pytest.raises(StorageError, match="seed"):
        read_trials(directory)
    averages = {name: one for name, one in trials[2]["weights"].items() if name != "raw"}
    with pytest.raises(StorageError, match=r"line 2 is damaged \(missing=\['weights.raw'\]\)"):
        sweep_of([trials[0], trials[2] | {"weights": averages}])
    for change, word in (({"seed": 1}, "seed"), ({"params": trials[0]["params"]}, "dropout")):
        with pytest.raises(InputError, match=word):
            sweep_of([trials[0], trials[1] | change])


def test_a_line_that_was_cut_short_and_repeated_ones(tmp_path):
    trials = sweeps.make_trials(3)
    directory = sweeps.write_sweep(tmp_path, [*trials, trials[2] | {"seconds": 9.0}])
    with (directory / "trials.jsonl").open("a") as file:
        file.write('{"trial": 6, "dr')
    sweep = read_trials(directory)
    assert [trial["trial"] for trial in sweep.trials] == list(range(6))
    assert sweep.trials[2]["seconds"] == 9.0
    assert sweep.counts()["repeated"] == 1


def test_nothing_yet_is_no_error():
    assert sweep_effects(sweep_of([])) == []
    pairs = dropout_pairs([], ENDPOINTS[0], seen=None)
    assert pairs.differences.size == 0
    trials = [sweeps.diverged(trial) for trial in sweeps.make_trials(2)]
    assert all(math.isnan(row["median"]) for row in sweep_effects(sweep_of(trials)))


def test_command_prints_and_writes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(_sweep_page, "sweep_charts", lambda sweep: [])  # tested with the page
    directory = sweeps.write_sweep(tmp_path / "sweep", sweeps.make_trials(8))
    outcome = SweepEffects(directory).run()
    assert outcome.code is ExitCode.COMPLETED
    assert (directory / "effects" / "index.html").is_file()
    assert (directory / "effects" / "effects.csv").is_file()
    json.dumps(outcome.values)
    text = capsys.readouterr().out
    assert "Dropout counters attention dispersion: undecided" in text
    assert str(directory / "effects" / "effects.csv") in text
