"""The transformer's forward pass on one sequence, in plain NumPy loops (float64).

It reads a model's weights by name and shares no code with it: one token, one head, one score at a
time.
"""

import math
from typing import Any

import numpy as np

from . import positions as places


def forward(model: Any, tokens: np.ndarray) -> np.ndarray:
    """Logits of shape (len, vocab) for `tokens` of shape (len,)."""
    config = model.config
    embedding = _array(model.embedding)
    x = [embedding[t].copy() for t in tokens]
    positions, params = model.positions, model.position_params
    x = [row + places.vector(positions, params, i, len(row)) for i, row in enumerate(x)]
    for block in model.blocks:
        act = lambda y, b=block: attend(config, b, y, positions)
        x = _branch(config, block.norm_attention, x, act)
        if block.mlp is not None:
            act = lambda y, b=block: [_mlp(config, b.mlp, row) for row in y]
            x = _branch(config, block.norm_mlp, x, act)
    if config.norm == "pre":
        x = [_norm(config, model.norm_final, row) for row in x]
    if config.tied:
        unembedding = embedding[: model.sizes.vocab].T
    else:
        unembedding = _array(model.unembedding)
    return np.array([row @ unembedding for row in x])


def attend(config: Any, block: Any, x: list[np.ndarray], positions: Any) -> list[np.ndarray]:
    """Causal softmax attention, one query and one head at a time."""
    attention = block.attention
    heads = config.heads
    d_k = config.key_dim or config.width // heads
    d_v = config.value_dim or config.width // heads
    rows = [_linear(attention.qkv, row) for row in x]
    outputs = []
    for t, row in enumerate(rows):
        mixed = []
        for h in range(heads):
            query = places.turned(positions, row[h * d_k : (h + 1) * d_k], t)
            keys = [r[(heads + h) * d_k : (heads + h + 1) * d_k] for r in rows[: t + 1]]
            keys = [places.turned(positions, key, i) for i, key in enumerate(keys)]
            start = 2 * heads * d_k + h * d_v
            values = [r[start : start + d_v] for r in rows[: t + 1]]
            scores = [sum(query[i] * k[i] for i in range(d_k)) / math.sqrt(d_k) for k in keys]
            scores = [s - places.penalty(positions, h, heads, t - i) for i, s in enumerate(scores)]
            exps = [math.exp(s - max(scores)) for s in scores]
            mixed.append(sum(e / sum(exps) * v for e, v in zip(exps, values, strict=True)))
        outputs.append(_linear(attention.output, np.concatenate(mixed)))
    return outputs


def _branch(config: Any, norm: Any, x: list[np.ndarray], function: Any) -> list[np.ndarray]:
    y = function([_norm(config, norm, row) for row in x] if config.norm == "pre" else x)
    if config.residual:
        y = [a + b for a, b in zip(x, y, strict=True)]
    return [_norm(config, norm, row) for row in y] if config.norm == "post" else y


def _mlp(config: Any, mlp: Any, row: np.ndarray) -> np.ndarray:
    twice_the_share = {
        "tanh": lambda u: 1 + math.tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3)),
        "exact": lambda u: 1 + math.erf(u / math.sqrt(2)),
    }[config.gelu]
    hidden = [0.5 * u * twice_the_share(u) for u in _linear(mlp.up, row)]
    return _linear(mlp.down, np.array(hidden))


def _norm(config: Any, norm: Any, row: np.ndarray) -> np.ndarray:
    if config.norm_kind == "rms":
        return row / math.sqrt(sum(u * u for u in row) / len(row) + 1e-5) * _array(norm.gain)
    centred = row - sum(row) / len(row)
    y = centred / math.sqrt(sum(u * u for u in centred) / len(row) + 1e-5) * _array(norm.gain)
    return y + _array(norm.shift) if config.bias else y


def _linear(linear: Any, row: np.ndarray) -> np.ndarray:
    weight = _array(linear.weight)
    rows, columns = range(weight.shape[0]), range(weight.shape[1])
    y = np.array([sum(row[i] * weight[i, j] for i in rows) for j in columns])
    return y if linear.bias is None else y + _array(linear.bias)


def _array(x: Any) -> np.ndarray:
    return np.asarray(x, np.float64)
