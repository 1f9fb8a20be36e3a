import io
import json
import pathlib
import shutil
import signal
import sys

import pytest


QUIET = ["--no-report"]
OWN = """
import jax
from lengthwise import AbstractAttention
from lengthwise.models import masked, scaled_scores


class Sharp(AbstractAttention):
    power: float = 2.0

    def init(self, heads, key_dim, *, key):
        return None

    def weights(self, params, query, key, bias, mask):
        return jax.nn.softmax(self.power * masked(scaled_scores(query, key, bias), mask), axis=-1)
"""
OWN_TASK = '''
import math
from dataclasses import dataclass
import jax.numpy as jnp
import jax.random as jr
import equinox as eqx
from jaxtyping import Array
from lengthwise import AbstractDeviceTask, AbstractModel, Sizes


class Repeat(AbstractDeviceTask):
    """The last token again."""

    vocab: int

    @property
    def sizes(self):
        return Sizes(self.vocab, self.vocab, 5)

    @property
    def first_length(self):
        return 1

    def label(self, tokens):
        return jnp.where(tokens[:, None] == jnp.arange(self.vocab)[None], 1.0, 0.0)

    def sample(self, positions, *, key):
        tokens = jr.randint(key, (positions,), 0, self.vocab)
        return tokens, tokens

    def count_inputs(self, length):
        return math.inf

    def enumerate_inputs(self, length):
        raise NotImplementedError


@dataclass(frozen=True)
class TableConfig:
    scale: float = 1.0

    def build(self, sizes, *, key):
        return Table(self, self.scale * jr.normal(key, (sizes.inputs, sizes.vocab)))


class Table(AbstractModel):
    config: TableConfig = eqx.field(static=True)
    table: Array

    def __init__(self, config, table):
        self.config, self.table = config, table

    def __call__(self, tokens, *, dropout=None, key=None):
        return self.table[tokens]
'''
INTERRUPT = """
import signal
from dataclasses import dataclass
from lengthwise.loggers import AbstractLogger


@dataclass
class Interrupt(AbstractLogger):
    at: int = 20

    def start(self, config, *, steps, first_step):
        pass

    def log(self, step, values):
        if step == self.at:
            signal.raise_signal(signal.SIGINT)

    def finish(self, record):
        pass
"""


def call(argv, capsys, code=0):
    """The one JSON object on stdout, read strictly."""
    from lengthwise.cli import main

    def refuse(name):
        raise ValueError(name)

    assert main([*argv, "--json"]) == code
    out = capsys.readouterr().out
    values = json.loads(out, parse_constant=refuse)
    assert values["exit_code"] == code
    assert out.count("\n") == 1
    return values


def test_evaluate_measures_what_training_measured(run, capsys):
    tiny = ["--examples", "64", "--batch-size", "64", "--exhaustive-inputs", "64"]
    values = call(["evaluate", "run", *tiny, "--out", "again.csv"], capsys)
    assert pathlib.Path("again.csv").read_bytes() == (run / "evaluation.csv").read_bytes()
    assert values["summary"] == json.loads((run / "record.json").read_text())["summary"]
    fewer = call(["evaluate", "run", "--examples", "16", "--exhaustive-inputs", "0"], capsys)
    assert [row["weights"] for row in fewer["summary"]] == ["raw", "EMA_decay0.998", "BEMA"]
    assert fewer["summary"] != values["summary"]


def test_train_makes_the_page_and_names_the_run_by_its_config(finished, page, capsys):
    from lengthwise.cli import main

    assert main(["train", "tiny", "--loggers", "lengthwise.loggers:TensorBoard"]) == 0
    out, err = capsys.readouterr()
    [directory] = pathlib.Path("runs").glob("tiny-????????")
    assert page == [([str(directory)], f"{directory}/report")]
    assert f"run     {directory}\nreport  {directory}/report/index.html" in out
    assert "step 40/40 · completed" in err
    assert (directory / "config.json").read_bytes() == (finished / "config.json").read_bytes()
    assert list(pathlib.Path("tensorboard").iterdir())


def test_ctrl_c_leaves_a_run_that_resumes_to_the_same_weights(finished, place, capsys):
    (place / "interrupting.py").write_text(INTERRUPT)
    stop = ["--loggers", "interrupting:Interrupt"]
    values = call(["train", "tiny", "--out", "run", *QUIET, *stop], capsys, 130)
    assert (values["status"], values["steps"]) == ("interrupted", 20)
    assert values["resume"] == "lengthwise train --resume run"
    assert call(["train", "--resume", "run", *QUIET], capsys)["status"] == "completed"
    for path in ("weights/raw.safetensors", "weights/BEMA.safetensors", "evaluation.csv"):
        assert (place / "run" / path).read_bytes() == (finished / path).read_bytes()


def test_ctrl_c_before_there_is_a_run(monkeypatch, capsys):
    monkeypatch.setattr(
        "lengthwise.cli._train.start_jax", lambda cache: signal.raise_signal(signal.SIGINT)
    )
    # A shell's background jobs, such as a CI runner's, begin with the signal ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        values = call(["train", "tiny"], capsys, 130)
    finally:
        signal.signal(signal.SIGINT, before)
    assert values["kind"] == "KeyboardInterrupt"


def test_divergence_has_its_own_status(capsys):
    argv = [
        "train",
        "tiny",
        *QUIET,
        "--hparams.learning-rate",
        "1e30",
        "--hparams.warmup-steps",
        "0",
    ]
    values = call(argv, capsys, 3)
    assert values["status"] == "diverged"
    assert "lower `learning_rate`" in values["message"]


@pytest.mark.parametrize("words", ["train mininal", "train tiny --model.heads 3", "evaluate", "x"])
def test_errors_are_json_too(words, capsys):
    values = call(words.split(), capsys, 2)
    assert set(values) == {"error", "kind", "exit_code"}
    assert values["kind"] in ("InputError", "UsageError")


def test_a_bug_is_json_too(monkeypatch, capsys):
    def fail(cache):
        raise RuntimeError("broken")

    monkeypatch.setattr("lengthwise.cli._demo.start_jax", fail)
    assert call(["demo"], capsys, 1)["kind"] == "RuntimeError"


def test_own_attention(place, capsys):
    (place / "own_attention.py").write_text(OWN)
    own = ["--model", "own_attention:Sharp", "--model.width", "4", "--out", "run"]
    call(["train", "tiny", *QUIET, *own, "--hparams.averages"], capsys)
    config = json.loads(pathlib.Path("run/config.json").read_text())
    assert config["model"]["fields"]["attention"]["class"] == "own_attention:Sharp"
    assert config["model"]["fields"]["width"] == 4
    before = json.loads(pathlib.Path("run/record.json").read_text())["summary"]
    tiny = ["--examples", "64", "--batch-size", "64", "--exhaustive-inputs", "64"]
    assert call(["evaluate", "run", *tiny], capsys)["summary"] == before


def test_own_task_and_own_model_with_their_fields_as_options(place, capsys):
    (place / "own_task.py").write_text(OWN_TASK)
    own = ["--task", "own_task:Repeat", "--task.vocab", "4", "--model=own_task:TableConfig"]
    call(["train", "tiny", *QUIET, *own, "--model.scale", "0.5", "--out", "run"], capsys)
    config = json.loads(pathlib.Path("run/config.json").read_text())
    assert config["task"] == {"class": "own_task:Repeat", "fields": {"vocab": 4}}
    assert config["model"] == {"class": "own_task:TableConfig", "fields": {"scale": 0.5}}
    call(["evaluate", "run", "--examples", "32"], capsys)
    assert (
        "must be a run of a `Transformer`" in call(["bounds", "--run", "run"], capsys, 2)["error"]
    )
    json_fields = ["--task", 'own_task:Repeat {"vocab": 4}', "--model", "own_task:TableConfig"]
    values = call(["train", "tiny", *QUIET, *json_fields, "--model.scale", "0"], capsys)
    assert values["status"] == "completed"


def test_own_positions_take_their_place_in_the_model():
    from lengthwise import Component
    from lengthwise.cli._train import Train

    text = 'lengthwise.models:LearnedPositions {"scale": 0.5}'
    model = Train.parse(["tiny", "--model", text], prog="").experiment.model
    assert model.positions == Component("lengthwise.models:LearnedPositions", '{"scale": 0.5}')


def test_a_reader_that_has_enough_is_no_error(monkeypatch):
    """As `lengthwise bounds --vocab 8 | head -1`."""
    from lengthwise.cli import main

    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stdout", Closed())
    assert main(["bounds", "--vocab", "8"]) == 0
    with sys.stdout:  # another one: what is printed as the process ends is no error either
        print("more")


def test_warnings_of_other_libraries_stay_as_they_are(monkeypatch, capsys):
    import warnings

    from lengthwise.cli._main import _short_warnings

    usual = []
    with monkeypatch.context() as patched, warnings.catch_warnings():
        patched.setattr(warnings, "showwarning", lambda *given: usual.append(str(given[0])))
        warnings.simplefilter("always")
        with _short_warnings():
            warnings.warn("of another library", UserWarning, stacklevel=1)
    assert usual == ["of another library"]
    assert capsys.readouterr().err == ""


def test_numbers_and_components_of_hparams():
    from lengthwise import Component
    from lengthwise.cli._train import Train

    text = 'lengthwise.training:EMA {"decay": 0.9}'
    argv = ["tiny", "--hparams.dropout.attention", "0.1", "--hparams.clip-norm", "inf"]
    hparams = Train.parse([*argv, "--hparams.averages", text], prog="").experiment.hparams
    assert hparams.dropout == (None, 0.1, None)
    assert hparams.clip_norm == float("inf")
    assert hparams.averages == (Component("lengthwise.training:EMA", '{"decay": 0.9}'),)
    none = Train.parse(["tiny", "--hparams.averages"], prog="").experiment.hparams
    assert none.averages == ()
    assert none.dropout == (None, None, None)


def test_report_compares_runs(run, page, capsys):
    values = call(["report", "run", "run2"], capsys)
    assert page == [(["run", "run2"], "run/report")]
    assert values["report"] == "run/report/index.html"
    assert call(["report", "run", "--out", "there"], capsys)["report"] == "there/index.html"


class TestDemo:
    @pytest.fixture(autouse=True)
    def small(self, monkeypatch):
        from lengthwise.cli import PRESETS

        monkeypatch.setitem(PRESETS, "demo", PRESETS["tiny"])

    def test_shown_again(self, page, capsys):
        from lengthwise.cli import main

        first = call(["demo"], capsys)
        record = pathlib.Path(first["directory"], "record.json").read_bytes()
        assert main(["demo"]) == 0
        out = capsys.readouterr().out
        assert f"is shown again; to train anew, delete {first['directory']}" in out
        assert pathlib.Path(first["directory"], "record.json").read_bytes() == record
        assert len(page) == 2

    @pytest.mark.parametrize("begun", [True, False])
    def test_one_that_did_not_end_goes_on(self, run, finished, capsys, begun):
        (run / "record.json").unlink()
        if not begun:  # killed before it had a config: it begins with the same weights
            shutil.rmtree(run)
            (run / "checkpoints").mkdir(parents=True)
            (run / "checkpoints" / "step-000000000.safetensors").write_bytes(b"cut sho")
            (run / ".config.json-7.tmp").write_text("{")
        values = call(["demo", "--out", "run", *QUIET], capsys)
        assert values["status"] == "completed"
        path = "weights/raw.safetensors"
        assert (run / path).read_bytes() == (finished / path).read_bytes()

    def test_another_run_is_left_alone(self, run, capsys):
        values = call(["demo", "--seed", "5", "--out", "run", *QUIET], capsys, 2)
        assert "must be a new directory" in values["error"]
