"""Measure any predictor at every length: one forward pass of one shape per batch."""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from .._core import InputError, require
from ..models import AbstractModel
from ..tasks import AbstractTask
from ._config import EvaluationConfig
from ._evaluation import Evaluation
from ._examples import Examples, exhaustive_length, make_examples
from ._metrics import CHANCE, PROPORTIONS, chance, measure
from ._tally import Tally
from ._temperature import fit_inverse_temperature


class Evaluator:
    """The examples and compiled functions of repeated evaluations of one task.

    **Arguments:**

    - `task`, `config`: what to measure, and how much.
    - `seen`: the longest training length T; lengths up to it count as seen.
    - `key`: draws the examples, once, so that all models see the same. (Keyword only argument.)
    """

    def __init__(
        self, task: AbstractTask, config: EvaluationConfig, *, seen: int, key: PRNGKeyArray
    ):
        require(
            task.lengths()[0] <= seen <= task.lengths()[-1],
            f"`{task.lengths()[0]} <= seen <= {task.lengths()[-1]}`",
            "give the longest training length",
            seen=seen,
        )
        self.task = task
        self.config = config
        self.seen = seen
        self.examples = make_examples(task, config, key=key)
        self._longest_exhaustive = exhaustive_length(task, config)
        self._seen_positions = np.array([length <= seen for length in task.lengths()])
        self._lengths = [self._about(length) for length in task.lengths()]
        guess = [_chance(batch.targets) for batch in self.examples]
        self._chance = self._summaries(self._tallies(guess))

    def model(self, model: AbstractModel, *, fitted: bool = True) -> Evaluation:
        """Evaluate a model, at its own temperature and (if `fitted`) at the one that fits best."""
        return self.function(lambda tokens: np.asarray(forward(model, tokens)), fitted=fitted)

    def function(
        self,
        function: Callable[[Int[np.ndarray, "batch len"]], Float[np.ndarray, "batch len vocab"]],
        *,
        fitted: bool = True,
    ) -> Evaluation:
        """Evaluate any function from tokens to logits, NumPy in, NumPy out.

        **Raises:** `InputError` if it returns another shape, or any NaN.
        """
        logits = [_checked(function(batch.tokens), batch) for batch in self.examples]
        temperatures = {"given": 1.0}
        if fitted:
            keep = [batch.counted & self._seen_positions for batch in self.examples]
            targets = [batch.targets for batch in self.examples]
            temperatures["fitted"] = fit_inverse_temperature(logits, targets, keep)
        rows = []
        for name, factor in temperatures.items():
            measured = [
                _measure(values, batch.targets, jnp.asarray(factor, values.dtype))
                for values, batch in zip(logits, self.examples, strict=True)
            ]
            summaries = self._summaries(self._tallies(measured))
            for position, about in enumerate(self._lengths):
                rows.append(
                    {"temperature": name, "inverse_temperature": factor}
                    | about
                    | summaries[position]
                    | {f"chance_{name}": self._chance[position][name] for name in CHANCE}
                )
        return Evaluation(rows)

    def _tallies(self, measured: list[dict[str, Array]]) -> dict[str, Tally]:
        merged: dict[str, Tally] = {}
        for values, batch in zip(measured, self.examples, strict=True):
            for name, value in values.items():
                tally = Tally.of(np.asarray(value), batch.counted)
                merged[name] = merged[name].merge(tally) if name in merged else tally
        return merged

    def _summaries(self, tallies: dict[str, Tally]) -> list[dict[str, float]]:
        rows = []
        for position, length in enumerate(self.task.lengths()):
            row = {}
            for name, tally in tallies.items():
                summary = tally.summary(
                    position, proportion=name in PROPORTIONS, exact=self._exhaustive(length)
                )
                row[name] = summary.pop("mean")
                row |= {f"{name}_{end}": value for end, value in summary.items()}
            rows.append(row)
        return rows

    def _about(self, length: int) -> dict[str, int | bool]:
        exhaustive = self._exhaustive(length)
        drawn = sum(int(b.counted[:, self.task.position(length)].sum()) for b in self.examples)
        inputs = self.task.count_inputs(length) if exhaustive else drawn
        seen = length <= self.seen
        return {"length": length, "seen": seen, "inputs": int(inputs), "exhaustive": exhaustive}

    def _exhaustive(self, length: int) -> bool:
        return self._longest_exhaustive is not None and length <= self._longest_exhaustive


def _forward(model: AbstractModel, tokens: Int[np.ndarray | Array, "batch len"]):
    """The model's logits, compiled once for each shape."""
    return model(jnp.asarray(tokens))


forward = eqx.filter_jit(eqx.debug.assert_max_traces(_forward, max_traces=None))
"""`forward(model, tokens)`: the logits, by one compiled program for each shape; it counts its traces."""
_measure = eqx.filter_jit(measure)
_chance = eqx.filter_jit(chance)


def forward_traces() -> int:
    """How often a model's evaluation has been traced in this process: once for each shape."""
    return eqx.debug.get_num_traces(forward)


def evaluate(
    task: AbstractTask,
    model: AbstractModel | Callable[[np.ndarray], np.ndarray],
    config: EvaluationConfig | None = None,
    *,
    seen: int,
    key: PRNGKeyArray,
) -> Evaluation:
    """Every metric at every length, for a model or for any function `tokens -> logits`.

    **Arguments:**

    - `task`: says the exact distribution after every prefix.
    - `model`: an `AbstractModel`, or a function from an integer array `(batch, len)` to logits
      `(batch, len, vocab)`, NumPy in and NumPy out, such as a wrapped PyTorch model.
    - `config`: how much to measure.
    - `seen`: the longest training length T.
    - `key`: draws the examples. (Keyword only argument.)

    **Example:**

    ```python
    uniform = lambda tokens: np.zeros((*tokens.shape, 8), np.float32)
    evaluate(SetComplement(8), uniform, seen=3, key=jr.key(0)).column("itr")[4]   # 0.5
    ```
    """
    evaluator = Evaluator(task, config or EvaluationConfig(), seen=seen, key=key)
    if isinstance(model, AbstractModel):
        return evaluator.model(model)
    return evaluator.function(model)


def _checked(logits: np.ndarray, batch: Examples) -> np.ndarray:
    logits = np.asarray(logits)
    if logits.shape != batch.targets.shape:
        raise InputError(
            f"A predictor must return logits of shape {batch.targets.shape} for tokens of shape "
            f"{batch.tokens.shape}, but got {logits.shape}: one row of logits for every position."
        )
    if not np.issubdtype(logits.dtype, np.floating):
        raise InputError(
            f"A predictor must return floating point logits, but got ({logits.dtype}): convert "
            "them, for example by `.astype(numpy.float32)`."
        )
    bad = np.isnan(logits) | np.isposinf(logits)
    if bad.any():
        raise InputError(
            f"Logits must be numbers, but {bad.mean():.1%} of them are NaN or +inf: the weights have "
            "diverged or the function divides by zero."
        )
    # -inf, a masked token, is measured as -1e30: its probability is as exactly zero, and no metric
    # has to subtract infinities.
    return np.clip(logits.astype(np.float64), -1e30, 1e30).astype(np.float32)
