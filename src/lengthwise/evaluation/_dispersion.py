r"""Attention dispersion: over how many tokens each head spreads its attention, by length.

Of the attention $a$ of the last token of a sequence on its n tokens (and a begin token, where there is
one):

    entropy     -sum a log a, nats; log n if the attention is uniform
    effective   exp(entropy): the number of tokens over which uniform attention has that entropy
    largest     the largest weight
    own         the weight on the last token itself
"""

import dataclasses
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.scipy.special as jsp
import numpy as np
from jaxtyping import PRNGKeyArray

from .._core import require
from ..models import Transformer, attention_weights
from ..tasks import AbstractTask
from ._config import EvaluationConfig
from ._examples import exhaustive_length, make_examples
from ._tally import Tally


DISPERSION = ("entropy", "effective", "largest", "own")
"""What is measured of the attention of each layer and head at each length."""


@dataclasses.dataclass(frozen=True)
class Dispersion:
    """The dispersion of every layer and head at every length.

    `rows` holds one dictionary for each layer, head and length, with `layer`, `head`, `length`, `seen`,
    `inputs`, `exhaustive`, `attended` (the number of tokens attended to, n), and for each `m` of
    `DISPERSION`: `m` (mean), `m_low`, `m_high` (95 % interval), `m_min`, `m_max`.
    """

    rows: list[dict[str, Any]]

    def column(self, name: str, *, layer: int = 0, head: int = 0) -> dict[int, Any]:
        """The values of a column by length, of one head."""
        chosen = [r for r in self.rows if r["layer"] == layer and r["head"] == head]
        require(
            bool(chosen) and name in chosen[0],
            "A column, layer and head of the rows",
            "choose those of the model",
            name=name,
            layer=layer,
            head=head,
        )
        return {r["length"]: r[name] for r in chosen}


def attention_dispersion(
    task: AbstractTask,
    model: Transformer,
    config: EvaluationConfig | None = None,
    *,
    seen: int,
    key: PRNGKeyArray,
) -> Dispersion:
    """How the attention of the last token spreads, at every length, layer and head.

    It assumes an attention whose weights sum to one, such as `Softmax`.

    **Arguments:**

    - `task`, `config`, `seen`, `key`: as of `evaluate`; the same ones give the same examples.
    - `model`: any transformer.

    **Example:** `attention_dispersion(task, model, seen=8, key=jr.key(0)).column("effective", head=1)`
    """
    config = config or EvaluationConfig()
    require(
        task.lengths()[0] <= seen <= task.lengths()[-1],
        f"`{task.lengths()[0]} <= seen <= {task.lengths()[-1]}`",
        "give the longest training length",
        seen=seen,
    )
    tallies: dict[tuple[int, int, int], Tally] = {}
    for batch in make_examples(task, config, key=key):
        # A padded position's values enter nowhere; (layers, heads, measures, batch, len)
        values = np.asarray(_measured(model, batch.tokens))
        for index in np.ndindex(values.shape[:3]):
            tally = Tally.of(values[index], batch.counted)
            tallies[index] = tallies[index].merge(tally) if index in tallies else tally
    longest = exhaustive_length(task, config)
    rows = []
    for layer, head in sorted({index[:2] for index in tallies}):
        for length in task.lengths():
            position = task.position(length)
            exhaustive = longest is not None and length <= longest
            drawn = int(tallies[layer, head, 0].count[position])
            row = {
                "layer": layer,
                "head": head,
                "length": length,
                "seen": length <= seen,
                "inputs": int(task.count_inputs(length)) if exhaustive else drawn,
                "exhaustive": exhaustive,
                "attended": position + 1,
            }
            for measure, name in enumerate(DISPERSION):
                summary = tallies[layer, head, measure].summary(
                    position, proportion=False, exact=exhaustive
                )
                row[name] = summary.pop("mean")
                row |= {f"{name}_{end}": value for end, value in summary.items()}
            rows.append(row)
    return Dispersion(rows)


def _measure(model: Transformer, tokens):
    """`(layers, heads, measures, batch, len)`, compiled once for each shape."""
    layers = []
    for weights in attention_weights(model, jnp.asarray(tokens)):
        entropy = -jnp.sum(jsp.xlogy(weights, weights), axis=-1)  # (batch, heads, len)
        own = jnp.diagonal(weights, axis1=-2, axis2=-1)
        values = jnp.stack([entropy, jnp.exp(entropy), jnp.max(weights, axis=-1), own])
        layers.append(jnp.moveaxis(values, 2, 0))
    return jnp.stack(layers)


_measured = eqx.filter_jit(eqx.debug.assert_max_traces(_measure, max_traces=None))
