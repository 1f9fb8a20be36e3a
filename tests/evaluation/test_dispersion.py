"""Dispersion against plain means over every input, and where attention is uniform."""

import itertools as it
import math

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.evaluation import DISPERSION, EvaluationConfig, attention_dispersion
from lengthwise.evaluation._dispersion import _measured
from lengthwise.models import attention_weights


CONFIG = lw.TransformerConfig(layers=2, heads=2, width=4, mlp_ratio=None)


def sharp(task, seed=0):
    """A model whose heads attend unevenly."""
    model = CONFIG.build(task.sizes, key=jr.key(seed))
    wide = lambda m: [block.attention.qkv.weight for block in m.blocks]
    return eqx.tree_at(wide, model, [3 * w for w in wide(model)])


@pytest.mark.parametrize("exhaustive", [True, False])
def test_means_equal_those_of_every_input(exhaustive):
    task = lw.SetComplement(5)
    model = sharp(task)
    config = EvaluationConfig(300, 100, exhaustive_inputs=120 if exhaustive else 0)
    found = attention_dispersion(task, model, config, seen=2, key=jr.key(0))
    assert len(found.rows) == 2 * 2 * 4
    tokens = np.array(list(it.permutations(range(5), 4)), np.int32)
    weights = eqx.filter_jit(attention_weights)(model, jnp.asarray(tokens))
    weights = [np.asarray(w, np.float64) for w in weights]
    for row in found.rows:
        s = row["length"]
        assert (row["seen"], row["attended"], row["exhaustive"]) == (s <= 2, s, exhaustive)
        assert row["inputs"] == (math.perm(5, s) if exhaustive else 300)
        a = weights[row["layer"]][:, row["head"], s - 1, :s]
        entropy = np.array([-sum(p * math.log(p) for p in line) for line in a])
        wanted = {
            "entropy": entropy,
            "effective": np.exp(entropy),
            "largest": np.max(a, axis=1),
            "own": a[:, -1],
        }
        assert set(wanted) == set(DISPERSION)
        for name, values in wanted.items():
            mean = values.mean()
            if exhaustive:
                assert row[name] == pytest.approx(mean, abs=1e-5)
                assert row[f"{name}_low"] == row[f"{name}_high"] == row[name]
                assert row[f"{name}_max"] == pytest.approx(np.max(values), abs=1e-5)
            else:  # within 5 standard errors of 300 samples
                error = values.std() / math.sqrt(300)
                assert abs(row[name] - mean) <= 5 * error + 1e-5
                width = row[f"{name}_high"] - row[f"{name}_low"]
                assert width == pytest.approx(2 * 1.96 * error, rel=0.5, abs=1e-5)


@pytest.mark.parametrize("begin", [False, True])
def test_uniform_attention(begin):
    task = lw.SetComplement(4, begin_token=begin)
    model = sharp(task)
    zero = lambda m: [block.attention.qkv.weight for block in m.blocks]
    model = eqx.tree_at(zero, model, [jnp.zeros_like(w) for w in zero(model)])
    found = attention_dispersion(task, model, EvaluationConfig(8, 32), seen=2, key=jr.key(0))
    for length in task.lengths():
        n = length + begin
        assert found.column("attended", layer=1, head=1)[length] == n
        assert found.column("entropy", layer=1)[length] == pytest.approx(math.log(n), abs=1e-5)
        assert found.column("effective", head=1)[length] == pytest.approx(n, rel=1e-5)
        assert found.column("largest")[length] == pytest.approx(1 / n, rel=1e-5)
        assert found.column("own")[length] == pytest.approx(1 / n, rel=1e-5)


def test_one_compilation_for_all_models_of_a_shape():
    task = lw.SetComplement(4)
    config = EvaluationConfig(10, 5, exhaustive_inputs=5)
    attention_dispersion(task, sharp(task), config, seen=2, key=jr.key(0))
    before = eqx.debug.get_num_traces(_measured)
    attention_dispersion(task, sharp(task, 1), config, seen=3, key=jr.key(1))
    assert eqx.debug.get_num_traces(_measured) == before


def test_wrong_requests_are_refused():
    task = lw.SetComplement(4)
    model = sharp(task)
    with pytest.raises(lw.InputError, match="1 <= seen <= 3"):
        attention_dispersion(task, model, seen=4, key=jr.key(0))
    found = attention_dispersion(task, model, EvaluationConfig(5, 5, 5), seen=2, key=jr.key(0))
    for name, layer, head in (("entropy", 2, 0), ("entropy", 0, 2), ("variance", 0, 0)):
        with pytest.raises(lw.InputError, match="column, layer and head"):
            found.column(name, layer=layer, head=head)
