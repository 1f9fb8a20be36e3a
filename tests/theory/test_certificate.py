"""Certificates against every sequence of small vocabularies: exact, or on the right side."""

import dataclasses
import html
import itertools as it
import math

import equinox as eqx
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings
from test_one_layer import BASE, CONFIGS, random_model

import lengthwise as lw
from lengthwise.models import LearnedPositions
from lengthwise.theory import Homogeneous, certify, from_matrices, one_layer
from lengthwise.theory._exact import ExactMargins
from lengthwise.theory._fast import FastMargins
from lengthwise.theory._final_norm import normed_margins
from lengthwise.theory._probability import (
    odds_bounds,
    rate_of_odds,
    spread_variation,
    variation_bound,
)
from lengthwise.theory._rounding import Rounded
from oracles.margins import plain_logits, worst


KINDS = ["plain", "balanced", "huge scores", "ties", "near zero", "negative"]


def draw(kind, vocab, heads, seed):
    """B, C, D of an adversarial kind."""
    rng = np.random.default_rng(seed)
    b = rng.normal(size=(vocab, vocab))
    c = rng.normal(size=(heads, vocab, vocab))
    d = rng.normal(size=(heads, vocab, vocab))
    if kind == "huge scores":
        c *= 10 ** rng.uniform(1, 3)  # beyond the range of float64 too
    if kind == "ties":
        b, c, d = np.round(b), np.zeros_like(c), np.round(d)
    if kind == "near zero":
        b *= 1e-9
        d *= 1e-9
    if kind in ("balanced", "negative"):
        own = rng.uniform(1, 3, vocab) * (-1 if kind == "negative" else 1)
        share = rng.uniform(-0.5, 0.5, vocab) * own
        b, d = -np.diag(share), np.stack([-np.diag(own)] * heads) / heads
        least = [np.min(np.delete(own, q)) for q in range(vocab)]
        if kind == "balanced":
            share = np.minimum(share, 0.9 * np.array(least))
            b = -np.diag(share)
            w = (own + share)[:, None] / (own[None, :] - share[:, None])
            c = np.stack([np.log(np.where(np.eye(vocab) > 0, 1.0, w))] * heads)
    return b, c, d


def truth(layer, length):
    """Before any final norm, by trying every sequence with the plain formula."""
    b, c, d = layer.plain_matrices()
    return worst(lambda t: plain_logits(b, c, d, t), layer.vocab, length)


def after_norm(layer, length):
    """With the final norm, by trying every sequence with `OneLayer.logits`, tested elsewhere."""
    return worst(lambda t: list(layer.logits(np.array([t]))[0]), layer.vocab, length)


def rounding(layer):
    """Roundings of a logit: a few hundred units in the last place of the largest entries."""
    b, c, d = layer.plain_matrices()
    size = np.max(np.abs(b)) + np.sum(np.max(np.abs(d), axis=(1, 2)))
    return 2000 * 2.0**-53 * float(size) * (1 + float(np.max(np.abs(c))))


@given(
    kind=st.sampled_from(KINDS),
    vocab=st.integers(3, 6),
    heads=st.sampled_from([1, 1, 2]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=40)
def test_margins_and_spread_against_every_sequence(kind, vocab, heads, seed):
    layer = from_matrices(*draw(kind, vocab, heads, seed))
    exact, fast = ExactMargins(layer), FastMargins(layer)
    slack = rounding(layer)
    single = len(exact.heads) == 1
    for length in range(1, vocab):
        found, quick, real = exact.at(length), fast.at(length), truth(layer, length)
        for name, value in real["margins"].items():
            assert found.lower[name] <= value + slack
            if single:
                assert found.lower[name] >= value - 3 * slack
        for q, value in real["spread"].items():
            assert found.spread[q] >= value - slack
            if single:
                assert found.spread[q] <= value + 3 * slack
            assert quick.spread[q] >= value - slack
        assert quick.margin <= real["margin"] + slack
        own, others, _ = fast._margins(slice(0, vocab), length)
        for (q, x, _), value in real["margins"].items():
            place = x if fast._order is None else int(fast._heads[0].rank[q, x])
            assert (own[q] if x == q else others[q, place]) <= value + slack
        if kind == "balanced":
            assert quick.margin >= real["margin"] - 1e-9
        for tokens in quick.candidates:
            assert sorted(set(map(int, tokens))) == sorted(map(int, tokens))
            assert tokens.shape == (length,)
        for odds, spread in (
            (odds_bounds(found.lower, length), found.spread),
            (quick.odds, quick.spread),
        ):
            rate = rate_of_odds(odds)
            assert np.max(rate) >= real["itr"] - 1e-12
            variation = variation_bound(rate, spread, vocab - length)
            assert np.max(variation) >= real["tv"] - 1e-12


@pytest.mark.parametrize(
    ("models_of_5", "models_of_7"), [(24, 1), pytest.param(600, 40, marks=pytest.mark.slow)]
)
def test_thousands_of_models(models_of_5, models_of_7):
    """Random models with v = 5 and v = 7, of every kind: the worst margin, at one middle length."""
    count = 0
    for vocab, length, models in ((5, 3, models_of_5), (7, 3, models_of_7)):
        tokens = np.array(list(it.permutations(range(vocab), length)))
        legal = np.ones((len(tokens), vocab), bool)
        np.put_along_axis(legal, tokens, False, axis=1)
        for seed in range(models):
            for kind in KINDS:
                layer = from_matrices(*draw(kind, vocab, 1, seed))
                f = layer.logits(tokens)
                margin = np.min(np.where(legal, f, np.inf), 1) - np.max(
                    np.where(legal, -np.inf, f), 1
                )
                lower = ExactMargins(layer).at(length).lower
                slack = rounding(layer)
                assert abs(float(np.min(lower[np.isfinite(lower)])) - np.min(margin)) <= 3 * slack
                assert FastMargins(layer).at(length).margin <= np.min(margin) + slack
                count += 1
    assert count == 6 * (models_of_5 + models_of_7)


@pytest.mark.parametrize("seed", range(3))
def test_exact_equals_rationals(seed):
    """Soundness in exact arithmetic: weights whose exponentials are rational by construction."""
    from fractions import Fraction

    vocab, rng = 5, np.random.default_rng(seed)
    b = rng.integers(-8, 9, (vocab, vocab)) / 4
    d = rng.integers(-8, 9, (vocab, vocab)) / 4
    c = rng.integers(0, 2, (vocab, vocab)) * 0.0  # all attention equal: exp(0) = 1 exactly
    margins = ExactMargins(from_matrices(b, c, d))
    for length in range(1, vocab):
        lower = margins.at(length).lower
        for tokens in it.permutations(range(vocab), length):
            f = [
                Fraction(float(b[tokens[-1], y]))
                + sum(Fraction(float(d[t, y])) for t in tokens) / length
                for y in range(vocab)
            ]
            for x in tokens:
                for y in set(range(vocab)) - set(tokens):
                    assert Fraction(float(lower[tokens[-1], x, y])) <= f[y] - f[x]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("seed", range(2))
def test_every_covered_model(name, seed):
    """Norms, biases, positions and heads: on the right side after the norm, for each triple."""
    vocab = 5
    with jax.enable_x64(True):
        layer = one_layer(random_model(CONFIGS[name], vocab, seed))
    exact = ExactMargins(layer)
    for length in range(1, vocab):
        found = normed_margins(exact, exact.at(length), length)
        real = after_norm(layer, length)
        for triple, value in real["margins"].items():
            assert found.lower[triple] <= value + 1e-9
        for q, value in real["spread"].items():
            assert found.spread[q] >= value - 1e-9
        rate = rate_of_odds(odds_bounds(found.lower, length))
        assert np.max(rate) >= real["itr"] - 1e-9
        assert np.max(variation_bound(rate, found.spread, vocab - length)) >= real["tv"] - 1e-9
        if layer.places == 1:
            quick = FastMargins(layer).at(length)
            assert quick.margin <= real["margin"] + 1e-9
            assert np.max(rate_of_odds(quick.odds)) >= real["itr"] - 1e-9
            assert np.all(quick.spread >= [real["spread"][q] - 1e-9 for q in range(vocab)])


def test_post_norm_bound_is_near():
    """One head before a norm, margins positive: at least half of the true minimum (67 to 100 % in
    trials), and all of it for uniform attention with E = Q.
    """
    vocab, shares = 6, []
    basis = np.linalg.svd(np.eye(vocab) - 1 / vocab)[0][:, : vocab - 1]
    for seed in range(4):
        rng = np.random.default_rng(seed)
        plain = from_matrices(
            np.zeros((vocab, vocab)),
            rng.normal(size=(vocab, vocab)) * (seed > 0) * 0.5,
            np.zeros((vocab, vocab)),
        )
        values = basis + 0.05 * (seed > 0) * rng.normal(size=basis.shape)
        layer = dataclasses.replace(
            plain,
            residual=Rounded.exact(np.zeros((1, *basis.shape))),
            values=Rounded.exact(values[None, None]),
            unembedding=Rounded.exact(-basis.T),
            epsilon=1e-5,
        )
        exact = ExactMargins(layer)
        for length in range(1, vocab):
            found = normed_margins(exact, exact.at(length), length).lower
            real = after_norm(layer, length)
            least = float(np.min(found[np.isfinite(found)]))
            assert least <= real["margin"] + 1e-9
            if real["margin"] > 0:
                shares.append((seed, least / real["margin"]))
    assert len(shares) >= 12
    assert min(share for seed, share in shares if seed == 0) >= 1 - 1e-6
    assert min(share for _, share in shares) >= 0.5


@given(spread=st.floats(0, 12), valid=st.integers(2, 9))
def test_spread_variation_is_the_largest(spread, valid):
    """Against every two-level distribution, and random ones within the spread."""
    bound = float(spread_variation(np.array(spread), valid))
    uniform = 1 / valid
    found = 0.0
    for top in range(1, valid):
        p = np.array([math.exp(spread)] * top + [1.0] * (valid - top))
        found = max(found, float(np.abs(p / p.sum() - uniform).sum() / 2))
    assert abs(bound - found) <= 1e-12
    rng = np.random.default_rng(valid)
    for _ in range(20):
        p = np.exp(rng.uniform(0, spread, valid))
        assert np.abs(p / p.sum() - uniform).sum() / 2 <= bound + 1e-12


def built(vocab, residual=1.0, attention=6.0):
    """A homogeneous balanced model as the ordinary class."""
    return Homogeneous(
        vocab, attention_displacement=attention, residual_displacement=residual
    ).build()


@pytest.mark.parametrize("method", ["exact", "fast"])
def test_a_construction_is_certified_with_its_own_numbers(method):
    """Bound = truth at every length: displacement in closed form, and the illegal token rate."""
    vocab, delta, r = 8, 6.0, 1.0
    with jax.enable_x64(True):
        certificate = certify(built(vocab, r, delta), method=method)
    assert certificate.certified == vocab - 1
    assert certificate.horizon is None
    for row in certificate.lengths:
        s = row.length
        earlier = delta * (delta + r) / (s * delta + (s - 2) * r)
        last = (delta + r) * (delta + (s - 2) * r) / (s * delta + (s - 2) * r)
        least = min(last, earlier) if s > 1 else delta + r
        assert row.margin <= least + 1e-12
        assert row.margin == pytest.approx(least, abs=1e-9)
        assert row.attained == pytest.approx(least, abs=1e-9)
        odds = math.exp(-(last if s > 1 else delta + r)) + (s - 1) * math.exp(-earlier)
        odds /= vocab - s
        assert row.itr == pytest.approx(odds / (1 + odds), rel=1e-9)
        assert row.verdict == "holds"


@pytest.mark.parametrize("method", ["exact", "fast"])
def test_a_perturbed_construction_is_refuted_and_replayed(method):
    """The unembedding is turned: illegal tokens are lifted, and a sequence shows it."""
    model = built(7)
    worse = eqx.tree_at(lambda m: m.unembedding, model, -8 * model.unembedding_matrix())
    certificate = certify(worse, method=method)
    assert certificate.horizon is not None
    row = next(r for r in certificate.lengths if r.verdict == "refuted")
    tokens = np.array([row.witness], np.int32)
    logits = np.asarray(worse(jnp.asarray(tokens)))[0, -1]
    legal = np.setdiff1d(np.arange(7), tokens[0])
    assert np.min(logits[legal]) <= np.max(logits[tokens[0]])
    assert str(row.witness[-1]) in certificate.summary()


def test_the_horizon_of_a_negative_residual_share():
    """r < 0: solved before s = 2 + delta'/|r| = 5, refuted there and after."""
    with jax.enable_x64(True):
        certificate = certify(built(9, residual=-2.01, attention=6.0))
    assert certificate.certified == 4
    assert certificate.horizon == 5
    assert all(row.verdict == "refuted" for row in certificate.lengths[4:])


def test_tolerance_decides_too():
    model = built(6, 4.0, 30.0)
    loose = certify(model, tolerance=0.5)
    strict = certify(model, tolerance=1e-3)
    assert loose.certified == 5
    assert "and the total variation is at most 0.5." in loose.summary()
    assert strict.horizon == 5
    assert strict.lengths[4].replayed_tv > 1e-3
    assert strict.certified == 4


def test_undecided_says_why_and_from_where():
    config = dataclasses.replace(BASE, positions=LearnedPositions(scale=1.0), heads=2)
    certificates = [certify(random_model(config, 5, seed, jnp.float32)) for seed in range(4)]
    for certificate in certificates:
        assert certificate.first_vacuous is not None
        assert f"from length {certificate.first_vacuous} on" in certificate.summary()
        assert not any(row.tight for row in certificate.lengths)
        for row in certificate.lengths:
            assert row.reason or row.verdict != "undecided"
            assert len(row.witness) == row.length


def test_what_the_fast_method_leaves_open_is_called_undecided():
    """A construction with noise in every weight, which the exact method proves at every length."""
    model = built(7)
    leaves, tree = jax.tree.flatten(model)
    keys = jr.split(jr.key(0), len(leaves))
    noisy = [x + 0.03 * jr.normal(key, x.shape) for key, x in zip(keys, leaves, strict=True)]
    model = jax.tree.unflatten(tree, noisy)
    with jax.enable_x64(True):
        fast, exact = (certify(model, method=method) for method in ("fast", "exact"))
    assert exact.certified == 6
    last = fast.certified
    assert 0 < last < 6
    assert fast.horizon is None  # no sequence refutes it
    assert {row.verdict for row in fast.lengths[last:]} == {"undecided"}
    assert all(row.margin <= 0 < row.attained for row in fast.lengths[last:])
    assert f" Undecided from length {last + 1}: the fast method adds" in fast.summary()
    shown = fast._repr_html_()
    assert shown.startswith(f"<p>{html.escape(fast.summary())}</p>")
    assert [text.count("</td>") for text in shown.split("</tr>")] == [0, *[8] * 6, 0]
    assert shown.count("<td>undecided</td>") == 6 - last


def test_bad_input_is_refused():
    model = built(6)
    with pytest.raises(lw.InputError, match=r"1 <= length <= 5"):
        certify(model, lengths=[6])
    with pytest.raises(lw.InputError, match=r"0 < tolerance < 1"):
        certify(model, tolerance=1.5)
    with pytest.raises(lw.InputError, match="theory covers"):
        certify(lw.TransformerConfig().build(lw.SetComplement(5).sizes, key=jr.key(0)))
    config = dataclasses.replace(BASE, positions=LearnedPositions())
    with pytest.raises(lw.InputError, match="without positions"):
        certify(config.build(lw.SetComplement(5).sizes, key=jr.key(0)), method="fast")
    scores = np.zeros((4, 4))
    scores[0, 1] = 1e6
    with pytest.raises(lw.InputError, match=r"C\[q, i\]"):
        ExactMargins(from_matrices(np.zeros((4, 4)), scores, np.zeros((4, 4)))).at(2)


def test_one_trace_for_all_lengths():
    from lengthwise.evaluation import forward_traces

    model = built(11, residual=-2.0)
    certify(model, lengths=[7])
    before = forward_traces()
    assert certify(model).horizon is not None
    assert forward_traces() == before
