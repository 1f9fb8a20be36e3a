"""Looking inside a transformer: the attention weights of every layer and head."""

from jaxtyping import Array, Float, Int

from ._streams import residual_streams
from ._transformer import Transformer


def attention_weights(
    model: Transformer, tokens: Int[Array, "*batch len"]
) -> tuple[Float[Array, "*batch heads len len"], ...]:
    """How much each token attends to itself and each earlier one, without dropout.

    **Arguments:**

    - `model`: with weights of any kind, raw or averaged.
    - `tokens`: inputs, of the shapes that the model takes.

    **Returns:** for each layer an array `(*batch, heads, len, len)`, query by key, zero where the key
    comes later.

    **Example:** `attention_weights(model, jnp.array([[3, 1, 2]]))[0][0, :, -1]`, the last token's.
    """
    streams = residual_streams(model, tokens)
    positions, params = model.positions, model.position_params
    places = positions.places(tokens.shape, key=None)
    found = []
    for block, x in zip(model.blocks, streams[:-1], strict=True):
        norm = block.norm_attention
        seen = norm(x) if block.norm == "pre" and norm is not None else x
        found.append(block.attention.attend(seen, positions, params, places)[0])
    return tuple(found)
