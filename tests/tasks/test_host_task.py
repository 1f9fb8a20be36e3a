"""A task whose examples are made on the host conforms and is evaluated."""

import math
import zlib

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest

import lengthwise as lw
from lengthwise.tasks import Batch
from lengthwise.testing import TaskSuite
from oracles import set_complement as oracle


class Hosted(lw.AbstractHostTask):
    """Set complement from NumPy, with examples of random lengths and no enumeration."""

    vocab: int

    @property
    def sizes(self):
        return lw.Sizes(self.vocab, self.vocab, self.vocab - 1)

    @property
    def first_length(self):
        return 1

    def label(self, tokens):
        return lw.SetComplement(self.vocab).label(tokens)

    def count_inputs(self, length):
        return math.inf

    def enumerate_inputs(self, length):
        raise lw.InputError(f"Inputs of this task are not enumerated, but got ({length=}).")

    def batch(self, index, size, positions, *, stream, seed):
        rng = np.random.default_rng([zlib.crc32(stream.encode()), seed, index])
        order = np.argsort(rng.random((size, self.vocab)), axis=1).astype(np.int32)
        tokens, sampled = order[:, :positions], order[:, 1 : positions + 1]
        targets = [oracle.label(row.tolist(), self.vocab) for row in tokens]
        own = rng.integers(1, positions + 1, size)
        mask = np.arange(positions) < own[:, None]
        return Batch(tokens, sampled, np.array(targets, np.float32), mask)


class TestHostTaskConforms(TaskSuite):
    @pytest.fixture
    def task(self):
        return Hosted(4)


def test_host_examples_are_evaluated_where_their_mask_says():
    config = lw.EvaluationConfig(examples=40, batch_size=16)
    flat = lambda tokens: np.zeros((*tokens.shape, 4), np.float32)
    got = lw.evaluate(Hosted(4), flat, config, seen=2, key=jr.key(0))
    for s in (1, 2, 3):
        assert got.column("itr")[s] == pytest.approx(s / 4, abs=1e-6)
    assert not any(got.column("exhaustive").values())
    inputs = got.column("inputs")  # counted under the mask: all reach length 1, a third length 3
    assert inputs[1] == 40 > inputs[2] > inputs[3] > 0


def test_host_labels_are_those_of_the_device_task():
    batch = Hosted(5).batch(0, 4, 4, stream="evaluation", seed=0)
    for tokens, targets in zip(batch.tokens, batch.targets, strict=True):
        np.testing.assert_array_equal(lw.SetComplement(5).label(jnp.asarray(tokens)), targets)
