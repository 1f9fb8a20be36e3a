"""The anatomy that belongs to given matrices, where there is no model to read them from."""

import numpy as np

from .._core import require
from ._one_layer import OneLayer
from ._rounding import Rounded


def from_matrices(residual: np.ndarray, scores: np.ndarray, values: np.ndarray) -> OneLayer:
    r"""The layer $f(t) = B[t_s] + \sum_h \sum_i a^h_i D^h[t_i]$, $a^h = softmax_i(C^h[t_s, t_i])$.

    **Arguments:**

    - `residual`: B, shape `(v, v)`; zero for a model without residual path.
    - `scores`: C, shape `(v, v)` or `(heads, v, v)`; row: the last token, column: the attended one.
    - `values`: D, of the shape of `scores`.

    **Returns:** the layer with U = I, so that hidden vectors are logits; dim = key_dim = v.

    **Raises:** `InputError` for other shapes, or a NaN or infinite number.

    **Example:** `from_matrices(-np.eye(4), np.zeros((4, 4)), -2 * np.eye(4)).logits([[0, 1]])`
    """
    residual, scores, values = (np.asarray(x, np.float64) for x in (residual, scores, values))
    scores = scores[None] if scores.ndim == 2 else scores
    values = values[None] if values.ndim == 2 else values
    vocab = residual.shape[-1]
    require(
        residual.shape == (vocab, vocab)
        and scores.shape == values.shape
        and scores.ndim == 3
        and scores.shape[1:] == (vocab, vocab)
        and vocab >= 2,
        "Matrices `(v, v)`, v >= 2, and `scores` and `values` `(heads, v, v)`",
        "give one row and one column for each token",
        residual=residual.shape,
        scores=scores.shape,
        values=values.shape,
    )
    finite = [bool(np.all(np.isfinite(x))) for x in (residual, scores, values)]
    require(
        all(finite),
        "Every entry is a finite number",
        "give numbers",
        finite=dict(zip(("residual", "scores", "values"), finite, strict=True)),
    )
    identity = np.eye(vocab)
    return OneLayer(
        residual=Rounded.exact(residual[None]),
        values=Rounded.exact(values[:, None]),
        queries=Rounded.exact(scores[:, None]),
        keys=Rounded.exact(np.broadcast_to(identity, scores.shape)[:, None]),
        unembedding=Rounded.exact(identity),
        offset=Rounded.exact(np.zeros(vocab)),
        epsilon=None,
    )
