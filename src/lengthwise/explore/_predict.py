"""What a model says of a whole game at once: one shape, so one compiled program."""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from .._core import InputError
from ..evaluation import measure
from ..models import AbstractModel, Transformer, attention_weights


class Prediction(NamedTuple):
    """The next token after every prefix of one input, and the attention of one of its tokens.

    - `probabilities`: of each token.
    - `itr`, `tv`, `top1_illegal`: the metrics of `lengthwise.evaluation` at every position.
    - `top1`: the most probable token; where a legal and an illegal one tie, the illegal one.
    - `attention`: of the token at `position` on every token, zero on later ones; `None` for a model
      that is no `Transformer`.
    """

    probabilities: Float32[np.ndarray | Array, "len vocab"]
    itr: Float32[np.ndarray | Array, " len"]
    tv: Float32[np.ndarray | Array, " len"]
    top1_illegal: Float32[np.ndarray | Array, " len"]
    top1: Int[np.ndarray | Array, " len"]
    attention: Float32[np.ndarray | Array, "layers heads len"] | None


def predict(
    model: AbstractModel,
    tokens: Int[np.ndarray, " len"],
    targets: Float32[np.ndarray, "len vocab"],
    position: int,
) -> Prediction:
    """Run the model once.

    **Arguments:**

    - `model`: which one; all of one structure share the compiled program.
    - `tokens`: the input, padded on the right to a length that does not change between calls.
    - `targets`: the exact distribution at every position; zeros where none is known.
    - `position`: of the token whose attention is wanted.

    **Raises:** `InputError` if the model gives no numbers.
    """
    found = _predict(model, jnp.asarray(tokens), jnp.asarray(targets), jnp.asarray(position))
    prediction: Prediction = jax.tree.map(np.asarray, found)
    if not np.isfinite(prediction.probabilities).all():
        raise InputError(
            "The probabilities of a model must be numbers, but these weights give NaN: they have "
            "diverged; explore another run."
        )
    return prediction


def predict_traces() -> int:
    """How often `predict` has been traced in this process: once for each structure and shape."""
    return eqx.debug.get_num_traces(_predict)


def _trace(
    model: AbstractModel,
    tokens: Int[Array, " len"],
    targets: Float[Array, "len vocab"],
    position: Int[Array, ""],
) -> Prediction:
    logits = model(tokens).astype(jnp.float32)
    measured = measure(logits, targets, jnp.ones((), logits.dtype))
    illegal = measured["top1_illegal"]
    first = jnp.where((targets > 0) == (illegal == 0)[:, None], logits, -jnp.inf)
    attention = None
    if isinstance(model, Transformer):
        rows = [weights[:, position] for weights in attention_weights(model, tokens)]
        attention = jnp.stack(rows).astype(jnp.float32)
    return Prediction(
        jax.nn.softmax(logits, axis=-1),
        measured["itr"],
        measured["tv"],
        illegal,
        jnp.argmax(first, axis=-1),
        attention,
    )


_predict = eqx.filter_jit(eqx.debug.assert_max_traces(_trace, max_traces=None))
