import collections

from hypothesis import given, settings, strategies as st


seeds = st.integers(0, 2**32 - 1)


@given(seed=seeds, draws=st.integers(1, 40), more=st.integers(0, 20))
@settings(max_examples=30)
def test_rows_depend_on_seed_and_number_alone(seed, draws, more, tiny):
    from lengthwise.sweep import design, draw_row

    rows = {row.trial: row for row in design(tiny, draws, seed)}
    later = {row.trial: row for row in design(tiny, draws + more, seed)}
    assert all(later[trial] == row for trial, row in rows.items())
    assert sorted(rows) == list(range(2 * draws))
    assert rows[2 * (draws - 1)] == draw_row(tiny, draws - 1, seed)


@given(seed=seeds, draws=st.integers(1, 40))
@settings(max_examples=30)
def test_shapes_in_order_and_in_equal_shares(seed, draws):
    from lengthwise.sweep import default_space, design

    space = default_space()
    rows = design(space, draws, seed)
    shapes = [row.shape for row in rows]
    assert shapes == sorted(shapes)
    counts = collections.Counter(shapes)
    shares = [counts[shape] for shape in range(len(space.shapes()))]
    assert max(shares) - min(shares) <= 2  # one draw and its twin
    for row in rows:
        static = space.shapes()[row.shape]
        assert {path: row.params[path] for path in static} == static


@given(seed=seeds)
@settings(max_examples=30)
def test_a_twin_is_its_draw_without_dropout(seed, tiny):
    from lengthwise.sweep import design

    rows = design(tiny, 6, seed)
    for row, twin in zip(rows[::2], rows[1::2], strict=True):
        assert (row.twin, twin.twin, twin.draw, twin.trial) == (
            False,
            True,
            row.draw,
            row.trial + 1,
        )
        assert row.params["hparams.dropout"] > 0
        drawn, without = row.experiment(tiny), twin.experiment(tiny)
        assert without.hparams.dropout == (0.0, 0.0, 0.0)
        hparams = without.hparams._replace(dropout=drawn.hparams.dropout)
        assert hparams == drawn.hparams
        for name in ("task", "model", "training", "seed"):
            assert getattr(without, name) == getattr(drawn, name)


@given(seed=seeds)
@settings(max_examples=30)
def test_values_follow_their_laws(seed, tiny):
    from lengthwise.sweep import Choice, Conditional, SearchSpace, Uniform, draw_row

    warm = Conditional("hparams.cosine", 1.0, Uniform(1.0, 9.0), 20.0)
    space = SearchSpace(tiny.base, {**tiny.laws, "hparams.warmup_steps": warm})
    params = draw_row(space, 0, seed).params
    assert 1e-4 <= params["hparams.learning_rate"] <= 1e-2
    warmup = params["hparams.warmup_steps"]
    assert (warmup == 20.0) == (params["hparams.cosine"] == 0.0)
    assert warmup == 20.0 or 1 <= warmup <= 9
    # A condition that does not hold leaves the other draws alone.
    laws = {**space.laws, "hparams.cosine": Choice((0.0, 2.0))}
    other = draw_row(SearchSpace(tiny.base, laws), 0, seed).params
    assert other["hparams.exact_loss"] == params["hparams.exact_loss"]


def test_learning_rates_are_spread_over_the_logarithm(tiny):
    from lengthwise.sweep import design

    rates = [row.params["hparams.learning_rate"] for row in design(tiny, 400, 0)]
    below = sum(rate < 1e-3 for rate in rates) / len(rates)
    assert abs(below - 0.5) < 0.1  # four standard deviations of a half
