"""Looking inside a transformer: the residual stream after every layer."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from ._config import DropoutRates
from ._transformer import Transformer, check_length


def residual_streams(
    model: Transformer, tokens: Int[Array, "*batch len"]
) -> tuple[Float[Array, "*batch len width"], ...]:
    """What goes into the first block, and what comes out of every block, without dropout.

    **Arguments:**

    - `model`: with weights of any kind, raw or averaged.
    - `tokens`: inputs, of the shapes that the model takes.

    **Returns:** `layers + 1` arrays `(*batch, len, width)`, of the dtype of the activations. The last one
    is read by the unembedding, after the final norm if the model has one.

    **Example:** `residual_streams(model, jnp.array([[3, 1, 2]]))[0]`, the embeddings with positions.
    """
    check_length(tokens, model.sizes)
    places = model.positions.places(tokens.shape, key=None)
    x = model.embed(jnp.asarray(tokens), places)
    return model.streams(x, places, DropoutRates(), [None] * len(model.blocks))
