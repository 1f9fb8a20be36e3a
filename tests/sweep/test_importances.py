import numpy as np
import pytest


def lines(space, value, *, draws=60, seed=0):
    """Lines of a record whose raw value is a function of the parameters, and whose EMA is chance."""
    from lengthwise.sweep import design

    rng, found = np.random.default_rng(seed), []
    for row in design(space, draws, seed):
        params = {n: v for n, v in row.params.items() if n != "hparams.dropout"}
        params |= {"hparams.dropout.residual": row.params["hparams.dropout"]}
        measured = {"raw": value(row.params), "EMA": rng.normal()}
        weights = {name: {"log_tv_unseen": float(v)} for name, v in measured.items()}
        found.append(vars(row) | {"params": params, "status": "completed", "weights": weights})
    return found


def rate_and_width(params):
    return np.log(params["hparams.learning_rate"]) + 0.001 * params["model.width"]


@pytest.fixture(scope="module")
def rows(tiny):
    from lengthwise.sweep import importances

    return importances(tiny, lines(tiny, rate_and_width), permutations=39)


def test_what_decides_is_important_and_chance_is_not(rows, tiny):
    raw = {row["parameter"]: row for row in rows if row["weights"] == "raw"}
    assert set(raw) == set(tiny.laws)
    assert raw["hparams.learning_rate"]["importance"] > 0.8
    assert raw["hparams.learning_rate"]["p"] == pytest.approx(1 / 40)
    for weights in ("raw", "EMA"):
        mine = [row for row in rows if row["weights"] == weights]
        assert sum(row["importance"] for row in mine) == pytest.approx(1)
        assert {row["n"] for row in mine} == {60}
        assert {row["best"] for row in mine} == {15}
    others = [row["p"] for row in rows if row["parameter"] != "hparams.learning_rate"]
    assert sum(p <= 0.05 for p in others) <= 3  # of 11, at 0.05 each


def test_a_choice_has_the_divergence_of_its_shares(rows, tiny):
    """PED-ANOVA in closed form, for a choice: (k / n)^2 sum of q (p / q - 1)^2, Optuna's smoothed shares.

    A kernel of it has 4/5 at its own level and 1/5 at the other, that of the prior 1/2 at each.
    """
    from lengthwise.sweep import recorded_row

    drawn = [line for line in lines(tiny, rate_and_width) if not line["twin"]]
    values = [line["weights"]["EMA"]["log_tv_unseen"] for line in drawn]
    best = [line for line, v in zip(drawn, values, strict=True) if v <= sorted(values)[14]]
    level = lambda part, one: sum(recorded_row(tiny, t).params["model.width"] == one for t in part)
    share = lambda part, one: (0.2 * len(part) + 0.6 * level(part, one) + 0.5) / (len(part) + 1)
    assert all(0 < level(best, one) < 15 for one in (4, 8))
    wanted = sum(
        share(drawn, one) * (share(best, one) / share(drawn, one) - 1) ** 2 for one in (4, 8)
    )
    [row] = [r for r in rows if (r["parameter"], r["weights"]) == ("model.width", "EMA")]
    assert row["divergence"] == pytest.approx(wanted * (15 / 60) ** 2, rel=1e-6)


def test_diverged_trials_are_in_no_best_quarter_and_few_draws_say_nothing(tiny):
    from lengthwise.sweep import importances

    made = lines(tiny, rate_and_width, draws=40)
    for line in made:
        if line["params"]["hparams.learning_rate"] < 5e-4:  # a third: more than the best quarter
            line |= {"status": "diverged", "weights": {}}
    rows = importances(tiny, made, permutations=1)
    [row] = [r for r in rows if (r["weights"], r["parameter"]) == ("raw", "hparams.learning_rate")]
    assert (row["n"], row["best"]) == (40, 10)
    assert row["importance"] > 0.5
    assert importances(tiny, made[:38], permutations=1) == []


def test_a_condition_that_does_not_hold_is_left_out(tiny):
    from lengthwise.sweep import Conditional, SearchSpace, Uniform, importances

    warm = Conditional("hparams.cosine", 1.0, Uniform(1.0, 9.0), 20.0)
    space = SearchSpace(tiny.base, {**tiny.laws, "hparams.warmup_steps": warm})
    rows = importances(space, lines(space, rate_and_width), permutations=1)
    assert {row["parameter"] for row in rows} == set(space.laws)


def test_where_all_values_are_equal_none_is_best(tiny):
    from lengthwise.sweep import importances

    rows = importances(tiny, lines(tiny, lambda params: 0.0), permutations=1)
    assert {row["weights"] for row in rows} == {"EMA"}


def test_the_command_says_why_it_has_none(tiny, place):
    from lengthwise._core import write_json
    from lengthwise.cli._sweep_effects import _importances

    made = lines(tiny, rate_and_width, draws=40)
    assert "there is no" in _importances(place, made)[1]
    write_json(place / "space.json", tiny.to_json())
    rows, note = _importances(place, made[:38])
    assert (rows, note) == ([], "Importances need 20 draws that are not all alike.")
    rows, note = _importances(place, made)
    assert {row["parameter"] for row in rows} == set(tiny.laws)
    assert note == ""
