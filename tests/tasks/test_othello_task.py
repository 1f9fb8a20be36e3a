"""The Othello task against the oracle's boards, and its way through training and evaluation."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array

import lengthwise as lw
from lengthwise.othello import PASS
from lengthwise.tasks import OthelloConfig, OthelloTask
from lengthwise.testing import TaskSuite
from oracles import othello as oracle


class TestOthelloConforms(TaskSuite):
    @pytest.fixture(
        params=[OthelloTask(4), OthelloTask(4, "pass", begin_token=True), OthelloTask(6)], ids=str
    )
    def task(self, request):
        return request.param


def labels(task, entries):
    """The exact distribution before every entry and after the last; None after the end."""
    found = []
    for _, player, may in oracle.walk(task.size, entries, task.policy == "pass"):
        legal = may or ({PASS} if task.policy == "pass" else set())
        share = [np.float32(1) / np.float32(len(legal)) if s in legal else 0 for s in task.squares]
        found.append(share if player else None)
    return found


@pytest.mark.parametrize("begin", [False, True])
@pytest.mark.parametrize("policy", ["skip", "pass"])
@pytest.mark.parametrize("size", [4, 6, 8])
def test_batches_and_labels_equal_oracle(size, policy, begin):
    task = OthelloTask(size, policy, begin)
    positions = task.sizes.max_len
    batch = task.batch(2, 6, positions, stream="train", seed=1)
    label = np.asarray(jax.jit(jax.vmap(task.label))(batch.tokens))
    for row in range(6):
        whole = np.concatenate([batch.tokens[row, begin:], batch.sampled[row, -1:]])
        ends = int(batch.mask[row].sum())  # predictions: one for each entry, without a begin token
        entries = [task.squares[token] for token in whole[: ends + task.first_length]]
        if begin:
            assert batch.tokens[row, 0] == task.sizes.vocab
        wanted = labels(task, entries)
        np.testing.assert_array_equal(batch.targets[row, :ends], wanted[task.first_length : -1])
        np.testing.assert_array_equal(label[row, :ends], wanted[task.first_length : -1])
        played = entries[task.first_length :]
        assert [task.squares[token] for token in batch.sampled[row, :ends]] == played
        assert batch.mask[row].tolist() == [i < ends for i in range(positions)]
        if ends < positions:
            assert wanted[-1] is None, "the game was masked before its end"


def test_a_shorter_batch_is_the_beginning():
    task = OthelloTask(6)
    long, short = (task.batch(1, 8, n, stream="train", seed=0) for n in (31, 10))
    for name in ("tokens", "sampled", "targets", "mask"):
        np.testing.assert_array_equal(getattr(short, name), getattr(long, name)[:, :10])


def test_batches_tile_the_stream():
    task = OthelloTask(4)
    ask = lambda index, size: task.batch(index, size, 11, stream="evaluation", seed=5).tokens
    np.testing.assert_array_equal(ask(0, 12), np.concatenate([ask(0, 4), ask(1, 4), ask(2, 4)]))


def test_illegal_tokens_are_labelled_by_something():
    """As padding and a begin token in the middle: what stands before is labelled as ever."""
    task = OthelloTask(6, begin_token=True)
    tokens = jnp.asarray(task.batch(0, 1, 8, stream="train", seed=0).tokens)
    broken = tokens.at[0, 4:].set(jnp.array([32, 0, 0, 31]))
    label = jax.vmap(task.label)
    np.testing.assert_array_equal(
        np.asarray(label(broken))[:, :4], np.asarray(label(tokens))[:, :4]
    )


def test_chance_is_measured_at_every_move():
    task = OthelloTask(6)
    flat = lambda tokens: np.zeros((*tokens.shape, 32), np.float32)
    config = lw.EvaluationConfig(examples=512, batch_size=128)
    found = lw.evaluate(task, flat, config, seen=16, key=jr.key(0))
    itr, inputs = found.column("itr"), found.column("inputs")
    assert list(itr) == list(range(1, 32))
    assert itr[1] == pytest.approx(29 / 32)
    assert [length for length, exact in found.column("exhaustive").items() if exact] == [1, 2]
    assert inputs[2] == 12
    assert inputs[3] == 512 > inputs[31] > 400
    assert 1 - itr[31] == pytest.approx(
        1 / 32, rel=0.05
    )  # hardly ever more than one square is left
    assert itr[12] < itr[31]
    for length in itr:
        assert found.column("chance_itr")[length] == pytest.approx(itr[length], abs=1e-6)


class Table(lw.AbstractModel):
    """The next token by the last one alone: quick to compile, and enough for the first move."""

    config: None = eqx.field(static=True)
    table: Array

    def __init__(self, config, table):
        self.config, self.table = config, table

    def __call__(self, tokens, *, dropout=None, key=None):
        del dropout, key
        return self.table[tokens]


def test_it_is_trained_through_its_config():
    task = OthelloConfig(4, "pass", True).build()
    assert task == OthelloTask(4, "pass", True)
    model = Table(None, jnp.zeros((task.sizes.inputs, task.sizes.vocab)))
    config = lw.TrainingConfig(
        steps=200,
        chunk_steps=100,
        batch_size=32,
        lengths=lw.FixedLength(5),
        evaluate_every=0,
        evaluation=lw.EvaluationConfig(examples=64),
    )
    hparams = lw.Hparams(learning_rate=0.1, averages=())
    result = lw.train(task, model, config, hparams, key=jr.key(1))
    itr = result.evaluations["raw"].column("itr")
    assert list(itr) == list(range(12))
    assert itr[0] < 0.1 < 0.3 < result.evaluations["raw"].column("chance_itr")[0]


@pytest.mark.parametrize("length", [0, 32])
def test_lengths_outside_are_refused(length):
    with pytest.raises(lw.InputError, match=rf"`1 <= length <= 31`.*length={length}"):
        OthelloTask(6).count_inputs(length)
    with pytest.raises(lw.InputError, match=rf"`1 <= positions <= 31`.*positions={length}"):
        OthelloTask(6).batch(0, 1, length, stream="train", seed=0)


def test_other_boards_are_refused():
    with pytest.raises(lw.InputError, match="even side"):
        OthelloConfig(7).build()
    with pytest.raises(lw.InputError, match="not equally likely"):
        OthelloTask(6).enumerate_inputs(3)
