"""What float32 rounding is, by a model's own: the measure of equal logits."""

import jax
import jax.numpy as jnp
import numpy as np

from lengthwise.evaluation import forward


def assert_equal_within_rounding(model, tokens, theirs):
    """`theirs`, computed in float32 elsewhere, are the logits of `model` for `tokens`.

    The exact logits are those of the same weights in float64. Our float32 is off them by its rounding;
    another order of the same sums rounds as much, and 4 times as much at most, where both errors are
    the largest of thousands. The last check keeps the measure itself small.
    """
    ours = np.asarray(forward(model, jnp.asarray(tokens)))
    wide = lambda x: jnp.asarray(np.asarray(x, np.float64)) if hasattr(x, "dtype") else x
    with jax.enable_x64(True):
        exact = np.asarray(forward(jax.tree.map(wide, model), tokens))
    assert exact.dtype == np.float64
    rounding = np.abs(ours - exact).max()
    assert np.abs(theirs - exact).max() <= 4 * rounding
    assert 0 < rounding <= 1e-4 * np.abs(exact).max()
