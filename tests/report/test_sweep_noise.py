"""The noise of gradients: planted effects are found, chance and confounding are not taken for one."""

import math

import numpy as np
import pytest

from lengthwise.report import (
    _sweep_ranks,
    _sweep_statistics,
    correlations_table,
    noise_correlations,
    sweep_effects,
    sweep_of,
    verdicts,
)
from lengthwise.report._sweep_noise import noise_charts
from lengthwise.report._sweep_ranks import Sample, rank_correlation

from . import sweeps


@pytest.fixture(scope="module", autouse=True)
def fewer_resamples():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_sweep_statistics, "RESAMPLES", 100)
        patch.setattr(_sweep_ranks, "PERMUTATIONS", 999)
        yield


def correlations(**options):
    return noise_correlations(sweep_of(sweeps.make_trials(**options)))


def found(rows, predictor, *, loss="all"):
    """In which direction each average's benefit is found to follow the predictor."""
    mine = [row for row in rows if (row["endpoint"], row["loss"]) == (predictor, loss)]
    assert len(mine) == len(sweeps.AVERAGES)
    return [int(np.sign(row["rho"])) if row["p_holm"] < 0.05 else 0 for row in mine]


@pytest.fixture(scope="module")
def following():
    """Benefit rises with the log update noise."""
    return sweeps.make_trials(
        80, seed=1, noise=0.2, follows=lambda gradient, rate: 0.3 * (gradient + rate)
    )


@pytest.fixture(scope="module")
def effects(following):
    return sweep_effects(sweep_of(following))


def test_a_benefit_that_follows_the_noise_is_found_at_a_fixed_rate_too(following):
    rows = noise_correlations(sweep_of(following))
    for predictor in ("gradient_noise", "gradient_noise_given_rate", "update_noise"):
        assert found(rows, predictor) == [1, 1]
        assert {row["family_size"] for row in rows if row["endpoint"] == predictor} == {6}
    update, noise = (
        np.mean([row["rho"] for row in rows if row["endpoint"] == predictor])
        for predictor in ("update_noise", "gradient_noise")
    )
    assert update > noise


def test_no_effect_is_rarely_found_and_a_reverse_one_has_its_sign():
    null = correlations(draws=80, seed=2)
    assert found(null, "gradient_noise_given_rate") == found(null, "update_noise") == [0, 0]
    falls = correlations(
        draws=60, seed=3, noise=0.2, follows=lambda gradient, rate: -0.4 * gradient
    )
    assert found(falls, "gradient_noise_given_rate") == [-1, -1]


def test_the_learning_rate_is_no_gradient_noise():
    """The rate moves both: a correlation, which is gone at a fixed rate."""
    confounded = correlations(
        draws=80,
        seed=4,
        noise=0.2,
        gradient=lambda exact, rate: 1.5 * rate,
        follows=lambda gradient, rate: 0.4 * rate,
    )
    assert found(confounded, "gradient_noise") == [1, 1]
    assert found(confounded, "gradient_noise_given_rate") == [0, 0]


def test_loss_and_schedule_are_no_gradient_noise():
    """The loss moves both: within a loss there is nothing."""
    trials = sweeps.make_trials(80, seed=5, averaging=lambda exact: -1.0 * (not exact))
    assert found(noise_correlations(sweep_of(trials)), "gradient_noise") == [0, 0]


def test_rows_are_those_of_the_observations_taken_by_hand(following):
    x, y, z, strata = [], [], [], []
    for one, twin in zip(following[::2], following[1::2], strict=True):
        params, two = one["params"], (one, twin)
        x.append(np.mean([math.log(t["mediators"]["gradient_noise"]) for t in two]))
        tv = lambda t, name: t["weights"][name]["log_tv_unseen"]
        y.append(np.mean([tv(t, "raw") - tv(t, "BEMA") for t in two]))
        z.append(math.log(params["hparams.learning_rate"]))
        strata.append(2 * params["hparams.exact_loss"] + params["hparams.cosine"])
    x, y, z, strata = (np.array(values) for values in (x, y, z, strata))
    rows = noise_correlations(sweep_of(following))
    rho = {(r["endpoint"], r["loss"]): r["rho"] for r in rows if r["weights"] == "BEMA"}
    assert rho["gradient_noise", "all"] == pytest.approx(rank_correlation(Sample(x, y, strata)))
    given = rank_correlation(Sample(x, y, strata, z))
    assert rho["gradient_noise_given_rate", "all"] == pytest.approx(given)
    exact = strata >= 2
    update = rank_correlation(Sample((x + z)[exact], y[exact], strata[exact]))
    assert rho["update_noise", "exact"] == pytest.approx(update)
    assert {r["n"] for r in rows if r["loss"] == "all"} == {80}


def test_draws_without_noise_or_value_are_counted(following):
    trials = [dict(trial) for trial in following]
    trials[0] = sweeps.diverged(trials[0])  # its twin is there
    trials[2], trials[3] = sweeps.diverged(trials[2]), sweeps.diverged(trials[3])
    for i in (4, 5):
        trials[i] = trials[i] | {"mediators": trials[i]["mediators"] | {"gradient_noise": None}}
    row = noise_correlations(sweep_of(trials))[0]
    assert (row["n"], row["missing"]) == (78, 2)


def test_trials_from_before_noise_was_measured():
    old = [
        trial
        | {"mediators": {n: v for n, v in trial["mediators"].items() if n != "gradient_noise"}}
        for trial in sweeps.make_trials(12)
    ]
    sweep = sweep_of(old)
    rows = sweep_effects(sweep)
    assert noise_correlations(sweep) == []
    assert noise_charts(sweep, []) == []
    assert not any(row["family"] == "noise by loss" for row in rows)
    assert verdicts(rows, []) == verdicts(rows)
    assert "Gradient noise" not in verdicts(rows)[1]["text"]


def test_the_exact_loss_is_seen_to_cut_the_noise(following, effects):
    [row] = [r for r in effects if r["family"] == "noise by loss"]
    assert row["p"] < 0.05
    assert 0 < row["low"] < 1.5 < row["high"]
    exact = [trial["params"]["hparams.exact_loss"] for trial in following[::2]]
    assert (row["n"], row["n_other"]) == (exact.count(0.0), exact.count(1.0))
    without = sweeps.make_trials(40, seed=6, gradient=lambda exact, rate: 0.0)
    [row] = [r for r in sweep_effects(sweep_of(without)) if r["family"] == "noise by loss"]
    assert row["low"] < 0 < row["high"]


def test_seen_lengths_are_those_up_to_t():
    trials = sweeps.make_trials(20, seed=7)
    for trial in trials:  # a benefit at the seen lengths alone, of a half
        tv = trial["weights"]["BEMA"]["by_length"]["tv"]
        raw = trial["weights"]["raw"]["by_length"]["tv"]
        tv[:] = [v / 2 if s <= sweeps.T else v for s, v in zip(sweeps.LENGTHS, raw, strict=True)]
    rows = [r for r in sweep_effects(sweep_of(trials)) if r["family"] == "averaging, seen lengths"]
    [row] = [r for r in rows if r["weights"] == "BEMA" and r["n"] == 20]
    assert row["median"] == pytest.approx(-math.log(2))
    assert row["family_size"] == len(rows)
    assert row["p_holm"] < 0.05
    trials[0]["weights"]["BEMA"]["by_length"]["tv"][0] = 0.0  # below single precision: 1e-12
    rows = sweep_effects(sweep_of(trials))
    [row] = [r for r in rows if r["endpoint"] == "log_tv_seen" and r["n"] == 20][1:]
    assert row["low"] == pytest.approx(-math.log(2))


def test_the_sentence_tells_and_does_not_decide(following, effects):
    rows, found = effects, noise_correlations(sweep_of(following))
    silent, told = verdicts(rows), verdicts(rows, found)
    assert [v["verdict"] for v in told] == [v["verdict"] for v in silent]
    assert told[0] == silent[0]
    added = told[1]["text"].removeprefix(silent[1]["text"])
    assert added.startswith(" Gradient noise (which does not decide): it is ")
    assert "rise with the update noise for 2, to fall for 0 of 2 averages" in added


def test_table_and_chart(following):
    sweep = sweep_of(following)
    rows = noise_correlations(sweep)
    text = correlations_table(rows)
    assert max(map(len, text.splitlines())) <= 80
    assert text.count("BEMA") == 9
    [chart] = noise_charts(sweep, rows)
    assert len(chart.rows) == 160
    assert [panel.title[-7:-1] for panel in chart.panels] == [
        f" ({row['rho']:+.2f})"[-7:-1]
        for row in rows
        if (row["endpoint"], row["loss"]) == ("update_noise", "all")
    ]
