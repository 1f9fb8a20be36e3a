"""The claims of `experiments/`: their parts, and their rules on rows made for them."""

import itertools as it
import json
import pathlib
import subprocess
import sys

import pytest


FOLDER = pathlib.Path(__file__).parents[2] / "experiments"
NAMES = [f"C{n}" for n in range(1, 11)]


@pytest.fixture(scope="module")
def claims():
    from lengthwise.reproduce import find_claims

    return {name: found.claim for name, found in find_claims(FOLDER).items()}


def test_every_claim_of_the_paper_is_there(claims):
    assert list(claims) == NAMES


def test_parts_are_data_and_differ(claims):
    from lengthwise.reproduce import BUDGETS, part_hash

    for claim in claims.values():
        for budget in BUDGETS:
            parts = claim.parts(budget)
            assert parts
            assert all(json.loads(json.dumps(part)) == part for part in parts)
            assert len({part_hash(claim, part) for part in parts}) == len(parts)


def test_claims_are_found_without_jax():
    """So that `reproduce --list` and `--help` answer at once; it is imported where a part is run."""
    code = (
        "import pathlib, sys; from lengthwise.reproduce import BUDGETS, find_claims;"
        f"found = find_claims(pathlib.Path({str(FOLDER)!r}));"
        "assert all(one.claim.parts(budget) for one in found.values() for budget in BUDGETS);"
        "sys.exit('jax' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def rows_by_seed(about, values, *, seen=8, lengths=(8, 12, 15), **more):
    """Evaluation rows of one set of weights: the ITR of each seed at every length."""
    return [
        about | more | {"seed": seed, "length": n, "seen": n <= seen, "itr": value, "temperature": kind}
        for seed, value in enumerate(values)
        for n in lengths
        for kind in ("given", "fitted")
    ]  # fmt: skip


def noisy(middle, count):
    """Values that differ by a percent from seed to seed."""
    return [middle * (1 + 0.01 * (-1) ** seed * (seed + 1)) for seed in range(count)]


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ([0.9] * 6, "holds"),
        ([0.9] * 5 + [1.01], "undecided"),
        ([0.9, 1.05, 0.8, 1.1, 0.7, 0.99], "undecided"),
        ([1.1] * 6, "does not hold"),
    ],
)
def test_othello(claims, ratios, verdict):
    raw = noisy(0.3, 6)
    averaged = [a * r for a, r in zip(raw, ratios, strict=True)]
    rows = []
    for weights, values in (("raw", raw), ("EMA", averaged), ("BEMA", noisy(0.4, 6))):
        rows += rows_by_seed({"preset": "othello"}, values, weights=weights)
        rows += rows_by_seed({"preset": "othello-gpt1"}, noisy(0.4, 3), weights=weights)
    assert claims["C8"].judge(rows).verdict == verdict


@pytest.mark.parametrize(
    ("post", "formula", "verdict"),
    [
        ((0.2, 0.3), 1.0, "holds"),
        ((0.2, 0.3), 1.01, "undecided"),
        ((0.2, 0.9), 1.0, "undecided"),
        ((0.9, 0.9), 1.0, "does not hold"),
    ],
)
def test_post_norm(claims, post, formula, verdict):
    rows = [{"kind": "closed form, rms", "displacement": 2.0, "formula": 2.0 * formula}]
    for rate, its in zip((1e-3, 3e-3), post, strict=True):
        for norm, value in (("none", 0.5), ("pre", 0.6), ("post", its)):
            for weights in ("raw", "BEMA"):
                about = {"kind": "trained", "norm": norm, "rate": rate}
                rows += rows_by_seed(about, noisy(value, 5), weights=weights)
    assert claims["C9"].judge(rows).verdict == verdict


@pytest.mark.parametrize(
    ("sampled", "exact", "verdict"),
    [
        (0.7, 0.9, "holds"),
        (0.7, 0.7, "undecided"),
        (0.7, 0.5, "does not hold"),
        (1.2, 1.3, "does not hold"),
    ],
)  # fmt: skip
def test_exact_control(claims, sampled, exact, verdict):
    rows = []
    for loss, raw, gain in (("sampled", 0.3, sampled), ("exact", 0.01, exact)):
        values, about = noisy(raw, 5), {"loss": loss}
        wobble = [1 + 0.001 * (i % 3) for i in range(5)]
        if sampled == exact:
            wobble = [1 + 0.1 * (-1) ** i * (loss == "exact") for i in range(5)]
        averaged = [v * gain * w for v, w in zip(values, wobble, strict=True)]
        rows += rows_by_seed(about, values, weights="raw")
        rows += rows_by_seed(about, averaged, weights="EMA_decay0.998")
    fresh = [row | {"seed": row["seed"] + 5} for row in rows]
    # Seeds 0 to 4, which were known, would give another verdict: their gains stand the other way round.
    other = {"sampled": "exact", "exact": "sampled"}
    known = [row | {"loss": other[row["loss"]]} for row in rows]
    assert claims["C10"].judge(fresh).verdict == verdict
    assert claims["C10"].judge(known + fresh).verdict == verdict
    if verdict == "holds":
        assert claims["C10"].judge(known).verdict == "does not hold"


@pytest.mark.parametrize(
    ("at_15", "verdict"),
    [
        ((0.5, 10.0, -1.0), "holds"),
        ((-0.5, 10.0, -1.0), "holds"),
        ((1.5, 10.0, -1.0), "does not hold"),
        (None, "undecided"),
    ],
)
def test_dispersion(claims, at_15, verdict):
    rows = []
    for model in ("1 layers", "2 layers"):
        later = at_15 or ((0.5, 10.0, -1.0) if model == "1 layers" else (1.5, 5.0, 1.0))
        for seed, (length, found) in it.product(range(3), ((8, (1.0, 6.0, 0.5)), (15, later))):
            values = [value * (1 + 0.01 * seed) for value in found]
            names = ("displacement", "effective", "separation")
            row = {"model": model, "seed": seed, "length": length}
            rows.append(row | dict(zip(names, values, strict=True)))
    assert claims["C3"].judge(rows).verdict == verdict


def test_dispersion_in_three_seeds_that_scatter_is_not_refuted(claims):
    rows = []
    for seed, (length, scale) in it.product(range(3), ((8, 1.0), (15, 0.55))):
        value = scale * ((0.6, 1.0, 1.7)[seed] if length == 15 else 1.0)
        row = {"model": "1 layers", "seed": seed, "length": length, "separation": -scale}
        rows.append(row | {"displacement": value, "effective": length / 2})
    assert claims["C3"].judge(rows).verdict == "undecided"


@pytest.mark.parametrize(
    ("slope", "growth", "verdict"),
    [(1, 2.0, "holds"), (1, 1.0, "undecided"), (-1, 0.5, "does not hold")],
)
def test_noise(claims, slope, growth, verdict):
    rows = []
    for vocab, seed, loss in it.product((8, 24), range(3), ("sampled", "exact")):
        about = {"vocab": vocab, "seed": seed, "loss": loss}
        scale = (growth if vocab == 24 else 1.0) * (1 + 0.01 * seed) ** (1 if vocab == 24 else 2)
        for length in range(1, 5):
            label = scale * (1 - 0.1 * slope * length)
            row = {"length": length, "valid": vocab - length, "label": label, "noise": label}
            rows.append(about | row)
        rows.append(about | {"length": None, "valid": None, "label": scale, "noise": scale})
    assert claims["C4"].judge(rows).verdict == verdict


@pytest.mark.parametrize(
    ("worst", "verdict"),
    [
        ([1e-4, 2e-4, 4e-4], "holds"),
        ([1e-4, 2e-4, 6e-4], "undecided"),
        ([1e-2, 1e-3, 6e-4], "does not hold"),
    ],
)
def test_search_table(claims, worst, verdict):
    rows = [
        {"model": f"trial {n}", "fresh": True, "worst_itr": value}
        for n, value in enumerate(worst)
        for _ in range(5)
    ]
    rows += [
        {"model": "solved", "fresh": True, "worst_itr": 1e-5, "itr_proved": 2e-5}
    ]  # does not decide
    rows.append({"model": "chosen", "fresh": False, "worst_itr": 1e-6})
    assert claims["C7"].judge(rows).verdict == verdict
    if verdict == "holds":
        rows[4]["worst_itr"] = 6e-4  # one seed
        assert claims["C7"].judge(rows).verdict == "undecided"


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "holds"),
        ({"itr_proved": 0.5}, "does not hold"),
        ({"found": 0.9, "ratio": 0.9}, "does not hold"),
        ({"found": 4.0, "ratio": 4.0}, "undecided"),
    ],
)
def test_dimension_bounds(claims, changes, verdict):
    built = {"v": 5, "longest": 4, "itr_proved": 0.01}
    found = {"v": 5, "floor": 1.0, "found": 1.2, "ratio": 1.2}
    for row in (built, found):
        row.update({name: value for name, value in changes.items() if name in row})
    assert claims["C1"].judge([built, found]).verdict == verdict


@pytest.mark.parametrize(
    ("predicted", "certified", "refuted", "law", "models", "verdict"),
    [
        (9, 8, 9, 1.0, 3, "holds"),
        (9, 8, 9, -0.3, 3, "undecided"),  # not 2/s at length 1
        (16, 15, 16, 1.0, 3, "holds"),  # no length fails, as predicted
        (9, 8, 9, 1.0, 2, "undecided"),  # too few
        (9, 8, 9, 0.3, 3, "undecided"),  # not 2/s before it
        (9, 7, 9, 1.0, 3, "undecided"),  # length 8 is neither proved nor refuted
        (9, 9, 10, 1.0, 3, "undecided"),  # later than predicted
        (9, 4, 5, 1.0, 3, "does not hold"),
        (None, 1, 2, 1.0, 3, "undecided"),  # lengths 1 and 2 are not solved
    ],
)
def test_lengths_one_and_two(claims, predicted, certified, refuted, law, models, verdict):
    rows, place, law = [], 5 if law > 0 else 1, abs(law)
    for loss, seed, n in it.product(("exact", "sampled"), range(10, 10 + models), range(1, 16)):
        row = {"loss": loss, "seed": seed, "length": n, "mean_displacement": 2 / n}
        if n == place:
            row["mean_displacement"] *= law
        rows.append(row | {"predicted": predicted, "certified": certified, "refuted": refuted})
    assert claims["C2"].judge(rows).verdict == verdict
    # Seeds below 10 were known: a verdict of theirs would be another.
    contrary = {"predicted": 9, "certified": 3, "refuted": 4} if verdict != "does not hold" else {}
    contrary = contrary or {"predicted": 16, "certified": 15, "refuted": 16}
    known = [row | {"seed": row["seed"] - 10} | contrary for row in rows]
    assert claims["C2"].judge(known + rows).verdict == verdict


@pytest.mark.parametrize("name", ["C5", "C6"])
def test_searches_are_judged_by_the_default_one(claims, name):
    """The verdict of the rule that the sweep's own tests know."""
    claim = claims[name]
    rows = [row for part in claim.parts("smoke") for row in claim.run(part)]
    assert claim.judge(rows).verdict == "undecided"  # the default search is not there
    renamed = [row | {"search": "sweep_default"} for row in rows]
    expected = {"C5": "does not hold", "C6": "undecided"}[name]
    assert claim.judge(renamed).verdict == expected


def test_every_budget_is_judged(claims):
    """A preset of another board decides as the default one does."""
    rows = []
    for weights, scale in (("raw", 1.0), ("EMA", 0.9)):
        values = [value * scale for value in noisy(0.3, 3)]
        rows += rows_by_seed({"preset": "othello8"}, values, weights=weights)
    assert claims["C8"].judge(rows).verdict == "holds"


def test_figures_are_drawn(claims):
    """Of the committed records, and of rows of which only the shape counts."""
    from lengthwise.reproduce import check_whole, committed_record

    drawn, page = 0, (FOLDER.parent / "docs/results.md").read_text()
    for claim in claims.values():
        record = committed_record(
            FOLDER / "records/reproduce", claim, "cpu"
        )  # refuses another rule
        assert record is not None
        check_whole(claim, record)
        found = claim.judge(record.rows)
        # `lengthwise reproduce --results` writes the page again.
        assert f"**Here: {found.verdict}.** {found.text}" in page
        assert found.headline
        assert f"| **{found.verdict}** | {found.headline} |" in page
        drawn += len(claim.figures(record.rows))
    assert drawn


def test_the_rows_of_smoke_parts_are_judged(claims):
    """Those of the committed record that stand for the same values, so that nothing is trained here."""
    from lengthwise.reproduce import committed_record

    for claim in claims.values():
        record = committed_record(FOLDER / "records/reproduce", claim, "cpu")
        assert record is not None
        rows = []
        for part in claim.parts("smoke"):
            wanted = {n: v for n, v in part.items() if n not in ("steps", "smoke", "seed")}
            same = [one for one in record.done if wanted.items() <= one.part.items()]
            assert same, (claim.name, wanted)
            rows += same[0].rows
        assert claim.judge(rows).text


def test_equal_rows_give_equal_figures(claims, tmp_path):
    """So that the results page changes with the records alone."""
    from lengthwise.reproduce import committed_record

    record = committed_record(FOLDER / "records/reproduce", claims["C8"], "cpu")
    assert record is not None
    paths = [tmp_path / f"{n}.svg" for n in range(2)]
    for path in paths:
        claims["C8"].figures(record.rows)["itr"].savefig(path, metadata={"Date": None})
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_means_and_ranges_over_seeds():
    from lengthwise.report import over_seeds

    rows = rows_by_seed({}, [0.1, 0.2, 0.6], weights="raw", chance_itr=0.5)
    found = [row for row in over_seeds(rows, "itr") if row["temperature"] == "given"]
    assert [row["length"] for row in found] == [8, 12, 15]
    for row in found:
        assert row["itr"] == pytest.approx(0.3)
        assert (row["itr_low"], row["itr_high"], row["chance_itr"]) == (0.1, 0.6, 0.5)
