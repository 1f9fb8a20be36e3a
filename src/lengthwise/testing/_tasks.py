"""Conformance of a task: its distribution, its samples and its enumeration say the same."""

import collections
import itertools as it
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.stats
from jaxtyping import Array, Key

from .._core import InputError
from ..tasks import AbstractDeviceTask, AbstractHostTask, AbstractTask
from ._checks import returns_from_json


DRAWS = 4096
LEVEL = 1e-6
FEW = 2000


class TaskSuite:
    """Subclass it and supply the fixture `task`: the instance, or several as fixture parameters.

    ```python
    class TestParity(TaskSuite):
        @pytest.fixture(params=[Parity(3), Parity(8)], ids=str)
        def task(self, request):
            return request.param
    ```

    Choose small instances: inputs are enumerated where they are at most 2000. What the suite cannot
    know is the right answer: compare `label` with an independent one in a test of your own.
    """

    @pytest.fixture
    def task(self) -> AbstractTask:
        """The instance under test."""
        raise NotImplementedError("Supply the fixture `task` in a subclass.")

    @pytest.fixture
    def drawn(self, task: AbstractTask) -> tuple[np.ndarray, ...]:
        """(tokens, sampled, targets, mask) of `DRAWS` examples."""
        return _draw(task, seed=0)

    def test_sizes_and_lengths_are_consistent(self, task):
        """One prediction at each of `max_len` positions, of lengths one apart."""
        sizes = task.sizes
        assert min(sizes.vocab, sizes.inputs, sizes.max_len) >= 1
        assert [task.position(n) for n in task.lengths()] == list(range(sizes.max_len))

    def test_returns_from_json(self, task):
        """A run directory can hold it."""
        returns_from_json(task)

    def test_shapes_dtypes_and_ranges(self, task, drawn):
        """Tokens are inputs of the model, sampled tokens are outputs."""
        tokens, sampled, targets, _ = drawn
        positions, sizes = task.sizes.max_len, task.sizes
        assert tokens.shape == sampled.shape == (DRAWS, positions)
        assert targets.shape == (DRAWS, positions, sizes.vocab)
        assert tokens.dtype == sampled.dtype == np.int32
        assert targets.dtype == np.float32
        assert 0 <= tokens.min() <= tokens.max() < sizes.inputs
        assert 0 <= sampled.min() <= sampled.max() < sizes.vocab

    def test_targets_are_distributions(self, task, drawn):
        """Nonnegative, with sum 1 up to the rounding of `vocab` additions."""
        _, _, targets, mask = drawn
        assert targets.min() >= 0
        eps = np.finfo(np.float32).eps
        np.testing.assert_allclose(
            targets[mask].sum(-1, dtype=np.float64), 1, rtol=0, atol=task.sizes.vocab * eps
        )

    def test_sampled_tokens_are_legal(self, drawn):
        """No sampled token has probability zero."""
        _, sampled, targets, mask = drawn
        assert np.take_along_axis(targets, sampled[..., None], -1)[..., 0][mask].min() > 0

    def test_sampled_tokens_follow_the_targets(self, drawn):
        """At each position each token is sampled as often as the targets say.

        Given its input, `[sampled = y] - p*(y)` has mean 0 and variance p*(1 - p*), so its sum over
        independent examples over the root of the summed variances is normal to good approximation
        where that sum is 25 or more. The largest of all is compared at level 1e-6 (Bonferroni).
        """
        _, sampled, targets, mask = drawn
        p = np.where(mask[..., None], targets, 0.0).astype(np.float64)
        hit = (sampled[..., None] == np.arange(p.shape[-1])) & mask[..., None]
        variance = (p * (1 - p)).sum(0)
        enough = variance >= 25
        if not enough.any():
            pytest.skip("every next token is certain")
        z = np.abs((hit - p).sum(0))[enough] / np.sqrt(variance[enough])
        assert z.max() < scipy.stats.norm.isf(LEVEL / (2 * z.size))

    def test_same_key_same_examples(self, task):
        """A sampler is a function of its key, and uses it."""
        one, again, other = (_draw(task, seed=seed) for seed in (1, 1, 2))
        for a, b in zip(one, again, strict=True):
            np.testing.assert_array_equal(a, b)
        assert any((a != b).any() for a, b in zip(one[:2], other[:2], strict=True))

    def test_labels_depend_on_no_later_token(self, task, drawn):
        """The label after a prefix is the same whatever follows."""
        tokens = drawn[0][:64]
        label = jax.jit(jax.vmap(task.label))
        whole = np.asarray(label(tokens))
        for end in range(1, task.sizes.max_len):
            cut = tokens.copy()
            cut[:, end:] = np.roll(tokens, 1, axis=0)[:, end:]
            np.testing.assert_array_equal(np.asarray(label(cut))[:, :end], whole[:, :end])

    def test_labels_agree_with_shorter_inputs(self, task, drawn):
        """A prefix alone is labelled as it is inside a longer input."""
        tokens = drawn[0][:64]
        whole = np.asarray(jax.vmap(task.label)(jnp.asarray(tokens)))
        half = (task.sizes.max_len + 1) // 2
        part = np.asarray(jax.vmap(task.label)(jnp.asarray(tokens[:, :half])))
        np.testing.assert_array_equal(part, whole[:, :half])

    def test_enumeration_is_complete(self, task):
        """`count_inputs` rows, all different, and every sampled input among them."""
        for length in _enumerable(task):
            rows = task.enumerate_inputs(length)
            assert rows.shape == (task.count_inputs(length), task.position(length) + 1)
            listed = {tuple(row) for row in rows.tolist()}
            assert len(listed) == len(rows), f"inputs of length {length} are listed twice"
            tokens, _, _, mask = _draw(task, seed=3)
            position = task.position(length)
            drawn = tokens[mask[:, position], : position + 1]
            assert {tuple(row) for row in drawn.tolist()} <= listed

    def test_prefixes_stand_equally_often_in_longer_inputs(self, task):
        """What makes one pass over the longest inputs exact for the shorter ones too."""
        lengths = _enumerable(task)
        for short, long in it.pairwise(lengths):
            rows = task.enumerate_inputs(long)[:, : task.position(short) + 1]
            counts = collections.Counter(tuple(row) for row in rows.tolist())
            assert set(counts) == {tuple(row) for row in task.enumerate_inputs(short).tolist()}
            assert len(set(counts.values())) == 1

    def test_lengths_outside_the_task_are_refused(self, task):
        """Before the first and after the last length."""
        for length in (task.lengths()[0] - 1, task.lengths()[-1] + 1):
            with pytest.raises(InputError, match=r"must hold|length"):
                task.enumerate_inputs(length)

    def test_host_streams_are_pure_and_apart(self, task):
        """A host task's batch is a function of its arguments, and its streams differ."""
        if not isinstance(task, AbstractHostTask):
            pytest.skip("examples are drawn on the device")
        get = lambda index, stream, seed=0: np.asarray(
            task.batch(index, 32, task.sizes.max_len, stream=stream, seed=seed).tokens
        )
        first = get(0, "train")
        np.testing.assert_array_equal(get(0, "train"), first)
        for other in (get(1, "train"), get(0, "evaluation"), get(0, "train", seed=1)):
            assert (other != first).any()


def _draw(task: AbstractTask, *, seed: int) -> tuple[np.ndarray, ...]:
    positions = task.sizes.max_len
    if isinstance(task, AbstractDeviceTask):
        drawn = _sample(task, positions, jr.split(jr.key(seed), DRAWS))
        tokens, sampled, targets = (np.asarray(x) for x in drawn)
        return tokens, sampled, targets, np.ones((DRAWS, positions), bool)
    assert isinstance(task, AbstractHostTask)
    batch = task.batch(0, DRAWS, positions, stream="train", seed=seed)
    parts = (batch.tokens, batch.sampled, batch.targets, batch.mask)
    return tuple(np.asarray(part) for part in parts)


@eqx.filter_jit
def _sample(task: AbstractDeviceTask, positions: int, keys: Key[Array, " draws"]):
    tokens, sampled = jax.vmap(lambda key: task.sample(positions, key=key))(keys)
    return tokens, sampled, jax.vmap(task.label)(tokens)


def _enumerable(task: AbstractTask) -> list[int]:
    counts = {length: task.count_inputs(length) for length in task.lengths()}
    if all(math.isinf(count) for count in counts.values()):
        pytest.skip("the task does not enumerate its inputs")
    return [length for length, count in counts.items() if count <= FEW]
