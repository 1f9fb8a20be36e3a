"""Conformance of constructions: the ordinary model has the displacement that the closed form says."""

import itertools as it
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

from ..evaluation import EvaluationConfig, evaluate, forward, make_examples
from ..models import Transformer
from ..tasks import SetComplement
from ..theory import AbstractConstruction
from ._checks import hyperparameters_only, returns_from_json


EXHAUSTIVE_VOCAB, SAMPLED = 6, 128


class ConstructionSuite:
    """Subclass it and supply the fixture `construction`: an `AbstractConstruction` instance.

    ```python
    class TestHomogeneous(ConstructionSuite):
        @pytest.fixture
        def construction(self):
            return Homogeneous(5, attention_displacement=4.0, residual_displacement=2.0)
    ```
    """

    @pytest.fixture
    def construction(self) -> AbstractConstruction:
        """The instance under test."""
        raise NotImplementedError("Supply the fixture `construction` in a subclass.")

    def test_returns_from_json(self, construction):
        """A command line can name it, and it can be static."""
        returns_from_json(construction)
        hyperparameters_only(construction)

    def test_builds_the_ordinary_model(self, construction):
        """Of the task's sizes, in JAX's default precision, the same at each call."""
        model = construction.build()
        assert type(model) is Transformer
        assert model.sizes == SetComplement(construction.vocab).sizes
        leaves = jax.tree.leaves(eqx.filter(model, eqx.is_array))
        assert {leaf.dtype for leaf in leaves} == {jnp.dtype("float32")}
        for a, b in zip(leaves, jax.tree.leaves(construction.build()), strict=True):
            np.testing.assert_array_equal(np.asarray(a), np.asarray(b))

    def test_measured_displacement_equals_the_closed_form(self, construction):
        """In float64, at every length, to rounding; and valid logits are equal to rounding.

        Every sequence for v <= 6, else random ones: each sequence of v - 1 tokens shows all lengths.
        """
        vocab = construction.vocab
        with jax.enable_x64(True):
            model = construction.build()
            tokens = sequences(vocab)
            logits = np.asarray(forward(model, tokens))
        assert logits.dtype == np.float64
        atol = rounding(model, logits)
        for length in range(1, vocab):
            part, after = tokens[:, :length], logits[:, length - 1]
            valid = np.ones(after.shape, bool)
            np.put_along_axis(valid, part, False, axis=1)
            high = np.max(after, axis=1, where=valid, initial=-np.inf)
            low = np.min(after, axis=1, where=valid, initial=np.inf)
            assert np.max(high - low) <= atol, f"valid logits differ at length {length}"
            wanted = construction.displacements(part)
            assert wanted.dtype == np.float64
            assert wanted.shape == part.shape
            mean = np.mean(after, axis=1, where=valid, keepdims=True)
            measured = mean - np.take_along_axis(after, part, axis=1)
            np.testing.assert_allclose(measured, wanted, rtol=0, atol=atol, err_msg=f"{length=}")

    def test_the_ordinary_evaluation_agrees(self, construction):
        """In float32, its mean displacement at each length is that of the closed form."""
        task, model = SetComplement(construction.vocab), construction.build()
        config = EvaluationConfig(examples=16, batch_size=16, exhaustive_inputs=30)
        key = jr.key(0)
        found = evaluate(task, model, config, seen=1, key=key).column("displacement")
        examples = make_examples(task, config, key=key)
        atol = rounding(model, np.asarray(forward(model, examples[0].tokens)))
        for length in task.lengths():
            place = task.position(length)
            wanted = [
                np.mean(construction.displacements(batch.tokens[counted, :length]), axis=1)
                for batch in examples
                if np.any(counted := batch.counted[:, place])
            ]
            np.testing.assert_allclose(
                found[length], np.mean(np.concatenate(wanted)), rtol=0, atol=atol
            )


def sequences(vocab: int) -> np.ndarray:
    """Sequences of v - 1 tokens: every one for small v, else random ones."""
    if vocab <= EXHAUSTIVE_VOCAB:
        return np.array(list(it.permutations(range(vocab), vocab - 1)), np.int32)
    rng = np.random.default_rng(vocab)
    rows = [rng.permutation(vocab)[: vocab - 1] for _ in range(SAMPLED)]
    return np.array(rows, np.int32)


def rounding(model: Any, logits: np.ndarray) -> float:
    """How far rounding can move a logit or a displacement, from sizes alone.

    A logit is reached by products over the width, key and value dimensions and the tokens: n
    operations, each of relative error eps. Scores enter an exponential, which turns an absolute error
    of a score into a relative one of attention: hence the factor 1 + (largest score). What is added up is
    no larger than the widest logit times the root of the width (Cauchy-Schwarz over the features).
    A displacement adds two such errors, and weights are themselves rounded once.
    """
    attention = model.blocks[0].attention
    inner = attention.key_dim + attention.heads * attention.value_dim
    operations = 4 * (2 * model.config.width + inner + 2 * logits.shape[-1])
    eps = float(np.finfo(logits.dtype).eps)
    embedding, weight = np.asarray(model.embedding), np.asarray(attention.qkv.weight)
    keys = attention.heads * attention.key_dim
    query, key = embedding @ weight[:, :keys], embedding @ weight[:, keys : 2 * keys]
    score = float(np.max(np.abs(query @ key.T))) / np.sqrt(attention.key_dim)
    size = max(1.0, float(np.max(np.abs(logits)))) * np.sqrt(model.config.width)
    return operations * eps * size * (1 + score)
