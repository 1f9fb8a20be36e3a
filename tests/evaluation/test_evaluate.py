"""Whole evaluations against brute force over all inputs; functions, traces and refusals."""

import itertools as it
import math

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.evaluation import (
    CHANCE,
    METRICS,
    Evaluator,
    forward,
    forward_traces,
    make_examples,
)
from oracles import metrics as oracle, set_complement


VOCAB = 5
EPS = float(np.finfo(np.float32).eps)
CONFIG = lw.EvaluationConfig(examples=40, batch_size=16, exhaustive_inputs=1024)
SAMPLED = lw.EvaluationConfig(examples=40, batch_size=16, exhaustive_inputs=0)
TABLE = np.random.default_rng(0).normal(size=(VOCAB + 1, VOCAB)).astype(np.float32)
TABLE[:VOCAB] -= 2 * np.eye(VOCAB, dtype=np.float32)  # some knowledge: repeated tokens are unlikely


def predictor(tokens):
    """An arbitrary causal function that is not symmetric: sums of a table, by place and token."""
    places = np.arange(1, tokens.shape[-1] + 1, dtype=np.float32)[:, None]
    return np.cumsum(TABLE[tokens] * places, axis=-2) / places**2 + TABLE[tokens]


@pytest.mark.parametrize("begin", [False, True])
def test_exhaustive_means_equal_brute_force(begin):
    task = lw.SetComplement(VOCAB, begin)
    got = lw.evaluate(task, predictor, CONFIG, seen=2, key=jr.key(0))
    for length in task.lengths():
        found = []
        for t in it.permutations(range(VOCAB), length):
            tokens = np.array([VOCAB] * begin + [*t], np.int32)
            label = set_complement.label([*t, VOCAB], VOCAB)[-1]  # the last token is none of them
            found.append(oracle.measure(predictor(tokens)[-1].tolist(), label))
        for name in METRICS:
            values = [row[name] for row in found]
            wanted = np.array([np.mean(values), min(values), max(values)])
            row = [got.column(f"{name}{end}")[length] for end in ("", "_min", "_max")]
            # Logits are below 8, so a metric of one input is within 8 * 4 v eps of the oracle's.
            np.testing.assert_allclose(row, wanted, rtol=0, atol=32 * VOCAB * EPS, err_msg=name)
            ends = [got.column(f"{name}_{end}")[length] for end in ("low", "high")]
            np.testing.assert_array_equal(ends, [row[0]] * 2)  # all inputs: no interval
    assert set(got.column("exhaustive").values()) == {True}
    assert got.column("inputs") == {s: math.perm(VOCAB, s) for s in task.lengths()}


def test_sampled_means_lie_around_the_exact_ones():
    task = lw.SetComplement(VOCAB)
    exact = lw.evaluate(task, predictor, CONFIG, seen=2, key=jr.key(0))
    config = lw.EvaluationConfig(examples=2000, batch_size=500, exhaustive_inputs=0)
    sampled = lw.evaluate(task, predictor, config, seen=2, key=jr.key(0))
    assert set(sampled.column("inputs").values()) == {2000}
    for name in METRICS:
        for s in task.lengths():
            truth = exact.column(name)[s]
            low, high = (sampled.column(f"{name}_{end}")[s] for end in ("low", "high"))
            # Twice the 95 % interval: 4 standard errors for each of 32 means, fixed key.
            assert abs(sampled.column(name)[s] - truth) <= (high - low) + 32 * VOCAB * EPS, name


def test_some_lengths_exhaustive_and_the_rest_sampled():
    config = lw.EvaluationConfig(examples=40, batch_size=16, exhaustive_inputs=20)
    got = lw.evaluate(lw.SetComplement(VOCAB), predictor, config, seen=2, key=jr.key(0))
    assert got.column("exhaustive") == {1: True, 2: True, 3: False, 4: False}
    assert got.column("inputs") == {1: 5, 2: 20, 3: 40, 4: 40}
    whole = lw.evaluate(lw.SetComplement(VOCAB), predictor, CONFIG, seen=2, key=jr.key(1))
    for s in (1, 2):
        assert got.column("itr")[s] == pytest.approx(whole.column("itr")[s], abs=VOCAB * EPS)


def test_examples_are_counted_once():
    task = lw.SetComplement(VOCAB)
    for config, wanted in ((CONFIG, [120] * 4), (SAMPLED, [40] * 4)):
        batches = make_examples(task, config, key=jr.key(0))
        assert {b.tokens.shape for b in batches} == {(16, 4)}
        assert np.sum([b.counted.sum(0) for b in batches], axis=0).tolist() == wanted
        for batch in batches:
            for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
                wanted_rows = np.array(set_complement.label(tokens.tolist(), VOCAB), np.float32)
                np.testing.assert_array_equal(targets, wanted_rows)


def test_seen_and_unseen_are_split_by_length():
    for begin in (False, True):
        task = lw.SetComplement(VOCAB, begin)
        got = lw.evaluate(task, predictor, CONFIG, seen=3, key=jr.key(0))
        assert got.column("seen") == {s: s <= 3 for s in task.lengths()}
        itr = got.column("itr")
        seen = [itr[s] for s in task.lengths() if s <= 3]
        assert got.mean("itr", seen=True) == pytest.approx(sum(seen) / len(seen), abs=1e-15)
        assert got.mean("itr", seen=False) == itr[4]


@pytest.mark.parametrize("begin", [False, True])
def test_chance_columns_equal_the_closed_form(begin):
    task = lw.SetComplement(VOCAB, begin)
    for config in (CONFIG, SAMPLED):
        got = lw.evaluate(task, predictor, config, seen=2, key=jr.key(0))
        for s in task.lengths():
            share = s / VOCAB
            wanted = {"itr": share, "tv": share, "kl": -math.log(1 - share)}
            wanted |= {"top1_illegal": share, "coverage": 1 - share}
            assert set(wanted) == set(CHANCE)
            for name, value in wanted.items():
                found = got.column(f"chance_{name}")[s]
                assert found == pytest.approx(value, abs=4 * VOCAB * EPS), (name, s)


def test_fitted_metrics_do_not_depend_on_the_scale():
    task = lw.SetComplement(VOCAB)
    run = lambda c: lw.evaluate(
        task, lambda x: np.float32(c) * predictor(x), CONFIG, seen=2, key=jr.key(0)
    )
    runs = {c: run(c) for c in (1.0, 4.0, 0.1)}
    one = runs[1.0]
    factor = one.rows[-1]["inverse_temperature"]
    for c, got in runs.items():
        assert got.rows[0]["inverse_temperature"] == 1.0
        # xatol 1e-6 in the log, see test_temperature.py.
        assert got.rows[-1]["inverse_temperature"] * c == pytest.approx(factor, rel=1e-5)
        for name in METRICS:
            for s in task.lengths():
                a, b = (e.column(name, temperature="fitted")[s] for e in (got, one))
                # The factors differ by 1e-5 at most and logits are below 8 * factor.
                assert a == pytest.approx(b, abs=1e-5 * 8 * max(1, factor)), name
    assert runs[4.0].column("itr") != runs[1.0].column("itr")


def test_models_and_functions_are_measured_alike():
    task = lw.SetComplement(VOCAB)
    model = lw.TransformerConfig(1, 1, 8, mlp_ratio=1).build(task.sizes, key=jr.key(0))
    by_model = lw.evaluate(task, model, CONFIG, seen=2, key=jr.key(0))

    def function(tokens):
        assert isinstance(tokens, np.ndarray)
        return np.asarray(forward(model, tokens))

    assert lw.evaluate(task, function, CONFIG, seen=2, key=jr.key(0)) == by_model
    assert len(by_model._repr_html_().split("<tr>")) == 4 + 2


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_any_floating_dtype_is_accepted(dtype):
    task = lw.SetComplement(VOCAB)
    rounded = lambda x: predictor(x).astype(np.float16)  # exact in all three
    wanted = lw.evaluate(task, rounded, CONFIG, seen=2, key=jr.key(0))
    got = lw.evaluate(task, lambda x: rounded(x).astype(dtype), CONFIG, seen=2, key=jr.key(0))
    assert got == wanted


def test_a_perfect_predictor_may_mask_by_infinity():
    """Logits -inf at illegal tokens are measured as -1e30: no warning, nothing undefined."""
    task = lw.SetComplement(VOCAB)
    label = jax.jit(jax.vmap(task.label))

    def perfect(tokens):
        return np.where(np.asarray(label(jnp.asarray(tokens))) > 0, 0.0, -np.inf).astype(np.float32)

    for config in (CONFIG, SAMPLED):
        got = lw.evaluate(task, perfect, config, seen=2, key=jr.key(0))
        for temperature in ("given", "fitted"):
            assert set(got.column("itr", temperature=temperature).values()) == {0.0}
            assert set(got.column("separated", temperature=temperature).values()) == {1.0}
            assert min(got.column("separation", temperature=temperature).values()) > 1e26
        assert all(
            math.isfinite(x) for row in got.rows for x in row.values() if not isinstance(x, str)
        )


class Lookup(lw.AbstractModel):
    config: None
    table: jax.Array

    def __call__(self, tokens, *, dropout=None, key=None):
        del dropout, key
        return self.table[tokens]


def test_one_trace_for_all_lengths_and_batches():
    """Batches of one shape, the last padded; other weights of one structure share the program."""
    task = lw.SetComplement(VOCAB)
    evaluator = Evaluator(task, CONFIG, seen=2, key=jr.key(0))
    assert len(evaluator.examples) > 1
    before = forward_traces()
    for factor in (1.0, 2.0):
        evaluator.model(Lookup(None, factor * jnp.asarray(TABLE)))
    assert forward_traces() == before + 1


def test_examples_are_a_function_of_the_key():
    task = lw.SetComplement(8)
    tokens = [make_examples(task, SAMPLED, key=jr.key(i))[0].tokens for i in (0, 0, 1)]
    np.testing.assert_array_equal(tokens[0], tokens[1])
    assert (tokens[0] != tokens[2]).any()


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x: np.zeros((*x.shape, 4), np.float32), r"shape \(16, 4, 5\) for tokens of shape"),
        (lambda x: np.zeros((len(x), 5), np.float32), r"but got \(16, 5\)"),
        (lambda x: np.zeros((*x.shape, 5), np.int32), r"floating point logits, but got \(int32\)"),
        (lambda x: np.full((*x.shape, 5), np.nan, np.float32), r"100.0% of them are NaN"),
    ],
)
def test_bad_predictions_are_refused(function, words):
    with pytest.raises(lw.InputError, match=words):
        lw.evaluate(lw.SetComplement(VOCAB), function, CONFIG, seen=2, key=jr.key(0))


def test_bad_configs_are_refused():
    for name, value in (("examples", 0), ("batch_size", 0), ("exhaustive_inputs", -1)):
        with pytest.raises(lw.InputError, match=rf"`{name} >= \d`.*{name}={value}"):
            lw.EvaluationConfig(**{name: value})
    for seen in (0, 5):
        with pytest.raises(lw.InputError, match=rf"`1 <= seen <= 4` must hold.*seen={seen}"):
            lw.evaluate(lw.SetComplement(VOCAB), predictor, CONFIG, seen=seen, key=jr.key(0))
