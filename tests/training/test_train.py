"""The loop: same key same bytes, one trace, status as a value, resumable."""

import os
import signal
import threading

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from jaxtyping import Array, Float, Int

import lengthwise as lw
from lengthwise.evaluation import EvaluationConfig, forward_traces
from lengthwise.loggers import AbstractLogger
from lengthwise.tasks import AbstractHostTask, Batch
from lengthwise.training import _train, chunk_traces
from lengthwise.training._feed import check_numbered
from lengthwise.training._interrupts import interrupts


TASK = lw.SetComplement(6)
MODEL = lw.TransformerConfig(layers=1, heads=2, width=8, mlp_ratio=2)
CONFIG = lw.TrainingConfig(
    steps=40,
    chunk_steps=10,
    batch_size=4,
    lengths=lw.FixedLength(3),
    evaluate_every=20,
    checkpoint_every=20,
    history_examples=8,
    evaluation=EvaluationConfig(examples=16, batch_size=16, exhaustive_inputs=30),
)
HPARAMS = lw.Hparams(averages=(lw.EMA(0.9), lw.BEMA()), dropout=lw.DropoutRates(residual=0.1))
TABLES = ("metrics.jsonl", "history.csv", "evaluation.csv", "config.json")
WEIGHTS = ("raw", "EMA_decay0.9", "BEMA")


def new_model():
    return MODEL.build(TASK.sizes, key=jr.key(0))


def run(directory=None, config=CONFIG, hparams=HPARAMS, **kwargs):
    return lw.train(
        TASK, new_model(), config, hparams, directory=directory, key=jr.key(1), **kwargs
    )


def written(directory):
    """Every byte of a run that is a function of its config."""
    names = [*TABLES, *(f"weights/{name}.safetensors" for name in WEIGHTS)]
    return {name: (directory / name).read_bytes() for name in names}


class Interrupter(AbstractLogger):
    """Presses Ctrl-C after the chunk that ends at `step`."""

    def __init__(self, step):
        self.step = step
        self.calls = []

    def start(self, config, *, steps, first_step):
        self.calls.append(("start", steps, first_step))

    def log(self, step, values):
        self.calls.append(("log", step, sorted(values)))
        if step == self.step:
            os.kill(os.getpid(), signal.SIGINT)

    def finish(self, record):
        self.calls.append(("finish", record["status"]))


def test_same_config_and_key_give_the_same_bytes(tmp_path):
    results = [run(tmp_path / name) for name in "ab"]
    assert [result.status for result in results] == ["completed"] * 2
    assert written(tmp_path / "a") == written(tmp_path / "b")
    assert len(results[0].metrics) == 40
    other = lw.train(TASK, new_model(), CONFIG, HPARAMS, key=jr.key(2))
    assert other.metrics != results[0].metrics


def test_a_directory_changes_nothing(tmp_path):
    assert run().metrics == run(tmp_path / "a").metrics


def test_interrupted_then_resumed_equals_uninterrupted(tmp_path):
    run(tmp_path / "whole")
    logger = Interrupter(10)
    stopped = run(tmp_path / "cut", loggers=[logger])
    assert (stopped.status, stopped.steps) == ("interrupted", 10)
    assert "resume" in stopped.message
    assert logger.calls[0] == ("start", 40, 0)
    assert logger.calls[-1] == ("finish", "interrupted")
    assert not (tmp_path / "cut" / "evaluation.csv").exists()
    again = Interrupter(None)
    resumed = lw.resume(tmp_path / "cut", loggers=[again])
    assert resumed.status == "completed"
    assert again.calls[0] == ("start", 40, 10)
    assert written(tmp_path / "cut") == written(tmp_path / "whole")


class Broken(AbstractLogger):
    """Its service is gone after the first chunk, and when it is told of the end."""

    def start(self, config, *, steps, first_step):
        pass

    def log(self, step, values):
        raise OSError("no network")

    def finish(self, record):
        raise OSError("still no network")


def test_an_error_reaches_the_loggers_and_a_resumed_run_measures_step_0_once(tmp_path):
    run(tmp_path / "whole")
    logger = Interrupter(None)
    with pytest.raises(OSError, match=r"^no network") as caught:
        run(tmp_path / "cut", loggers=[logger, Broken()])
    assert caught.value.__notes__ == [
        "A logger could not be told of it (OSError('still no network'))."
    ]
    assert [call[0] for call in logger.calls] == ["start", "log", "finish"]
    assert logger.calls[-1] == ("finish", "failed")
    # The step-0 checkpoint is the only one, and the history has its rows already.
    (checkpoint,) = (tmp_path / "cut" / "checkpoints").glob("*.json")
    assert checkpoint.name == "step-000000000.json"
    lw.resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")


def test_resuming_a_completed_run_changes_nothing(tmp_path):
    run(tmp_path / "a")
    before = written(tmp_path / "a")
    assert lw.resume(tmp_path / "a").status == "completed"
    assert written(tmp_path / "a") == before


def test_non_finite_loss_ends_the_run_with_a_sentence_and_the_last_good_weights(tmp_path):
    # Adam's steps have the size of the rate: squares of 1e38 overflow float32 within two steps.
    result = run(tmp_path / "a", hparams=HPARAMS._replace(learning_rate=1e38, warmup_steps=0))
    assert result.status == "diverged"
    assert "not finite at step 2" in result.message
    assert "lower `learning_rate`" in result.message
    assert result.steps == 0
    leaves = jax.tree.leaves(eqx.filter(result.models["raw"], eqx.is_array))
    assert all(bool(jnp.isfinite(leaf).all()) for leaf in leaves)
    assert (tmp_path / "a" / "checkpoints" / "step-000000000.json").exists()
    assert lw.read_run(tmp_path / "a").record["status"] == "diverged"


def test_one_trace_for_a_whole_run_and_for_all_hyperparameters():
    # Shapes that no other test uses, so that the counters start fresh.
    config = lw.TrainingConfig(
        steps=20, chunk_steps=5, batch_size=3, lengths=lw.FixedLength(2), evaluate_every=5,
        evaluation=EvaluationConfig(examples=9, batch_size=7, exhaustive_inputs=6),
    )  # fmt: skip
    before = chunk_traces(), forward_traces()
    for rate in (1e-3, 3e-3):
        hparams = HPARAMS._replace(
            learning_rate=rate, exact_loss=0.5, cosine=1, averages=(lw.EMA(rate), lw.BEMA(phi=2))
        )
        lw.train(TASK, new_model(), config, hparams, key=jr.key(0))
    assert (chunk_traces() - before[0], forward_traces() - before[1]) == (1, 1)


def test_history_covers_raw_and_averages_at_every_length_and_step():
    result = run()
    keys = [(row["step"], row["weights"], row["length"]) for row in result.history]
    expected = [(s, w, n) for s in (0, 20, 40) for w in WEIGHTS for n in TASK.lengths()]
    assert keys == expected
    assert all(row["seen"] == (row["length"] <= 3) for row in result.history)


def test_result_shows_itself():
    result = run()
    shown = result._repr_html_()
    assert "EMA_decay0.9" in shown
    assert f"{result.summary()[0]['itr_at_T']:.4g}" in shown
    assert "<table>" in result.evaluations["raw"]._repr_html_()


def test_user_components_survive_in_config(tmp_path):
    run(tmp_path / "a", hparams=lw.Hparams(averages=(Halves(),)))
    stored = lw.read_run(tmp_path / "a").config
    assert stored["hparams"]["fields"]["averages"] == [
        {"class": f"{__name__}:Halves", "fields": {}}
    ]
    assert lw.resume(tmp_path / "a").status == "completed"


class Halves(lw.AbstractAverage):
    """A user's average: halfway to the newest weights."""

    def init(self, params):
        return params

    def update(self, state, params):
        return jax.tree.map(lambda x, y: (x + y) / 2, state, params)

    def value(self, state):
        return state


class HostComplement(AbstractHostTask):
    """The set complement task made by NumPy, as Othello's engine will make games."""

    vocab_size: int = 6

    @property
    def sizes(self):
        return TASK.sizes

    @property
    def first_length(self):
        return 1

    def label(self, tokens: Int[Array, " len"]) -> Float[Array, "len vocab"]:
        return TASK.label(tokens)

    def count_inputs(self, length):
        return float("inf")

    def enumerate_inputs(self, length):
        raise lw.InputError("too many")

    def batch(self, index, size, positions, *, stream, seed):
        generator = np.random.default_rng([seed, index, ("train", "evaluation").index(stream)])
        orders = generator.permuted(np.tile(np.arange(self.vocab_size), (size, 1)), axis=1)
        tokens = orders[:, :positions].astype(np.int32)
        sampled = orders[:, 1 : positions + 1].astype(np.int32)
        targets = np.asarray(jax.vmap(TASK.label)(jnp.asarray(tokens)))
        return Batch(tokens, sampled, targets, np.ones(tokens.shape, bool))


def test_host_tasks_train_evaluate_and_resume(tmp_path):
    model, task = new_model(), HostComplement()
    whole = lw.train(task, model, CONFIG, HPARAMS, directory=tmp_path / "whole", key=jr.key(1))
    cut = lw.train(
        task, model, CONFIG, HPARAMS, directory=tmp_path / "cut", loggers=[Interrupter(30)],
        key=jr.key(1),
    )  # fmt: skip
    assert (whole.status, cut.status) == ("completed", "interrupted")
    lw.resume(tmp_path / "cut")
    assert written(tmp_path / "cut") == written(tmp_path / "whole")
    assert not any(row["exhaustive"] for row in whole.evaluations["raw"].rows)


@pytest.mark.parametrize(
    ("config", "hparams", "words"),
    [
        (
            {"lengths": lw.FixedLength(6)},
            {},
            r"max_length <= 5.*FixedLength\(max_length=6\).*lengths of the task",
        ),
        ({}, {"averages": (lw.EMA(0.9), lw.EMA(0.9))}, "Averages that differ"),
        ({}, {"averages": (lw.FixedLength(2),)}, "AbstractAverage"),
        ({}, {"learning_rate": -1.0}, "`learning_rate >= 0`"),
        ({}, {"exact_loss": 1.5}, "exact_loss"),
        ({}, {"dropout": lw.DropoutRates(attention=1.0)}, "dropout.attention"),
        ({"steps": 45}, {}, "`steps % chunk_steps == 0`"),
        ({"batch_size": 0}, {}, "`batch_size >= 1`"),
    ],
)
def test_bad_input_is_refused_before_anything_runs(tmp_path, config, hparams, words):
    import dataclasses

    with pytest.raises(lw.InputError, match=words):
        run(config=dataclasses.replace(CONFIG, **config), hparams=HPARAMS._replace(**hparams))


def test_an_existing_run_is_not_overwritten(tmp_path):
    run(tmp_path / "a")
    before = written(tmp_path / "a")
    with pytest.raises(lw.InputError, match="must be a new directory"):
        run(tmp_path / "a")
    assert written(tmp_path / "a") == before


def test_a_second_ctrl_c_does_not_wait_for_the_chunk():
    before = signal.getsignal(signal.SIGINT)
    with interrupts() as asked:
        signal.raise_signal(signal.SIGINT)
        assert asked.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == before


def test_a_thread_leaves_ctrl_c_to_its_owner():
    before, found = signal.getsignal(signal.SIGINT), []

    def work():
        with interrupts() as asked:
            found.append((asked.is_set(), signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [(False, before)]


def test_processes_that_were_asked_for_different_runs_are_refused(monkeypatch):
    """As process 1 sees it, which was given another seed than process 0."""
    monkeypatch.setattr(_train, "by_first", lambda action: action() | {"seed": 0})
    _train._check_same({"seed": 0, "task": {}})
    with pytest.raises(lw.InputError, match=r"theirs differ .* \(here in \['seed'\]\)"):
        _train._check_same({"seed": 1, "task": {}})


def test_processes_cannot_share_examples_that_are_not_numbered():
    """Those of a batch of `HostComplement` depend on how many they are."""
    check_numbered(TASK)  # the device makes its examples
    with pytest.raises(lw.InputError, match=r"they differ for \(HostComplement\)"):
        check_numbered(HostComplement())
