"""The forward pass of OthelloGPT's minGPT, from its state dictionary, in NumPy (float64).

Written from the architecture (Li et al., arXiv 2210.13382; GPT with norms before its branches); it knows
nothing of our names.
"""

import math

import numpy as np


erf = np.vectorize(math.erf)


def forward(state: dict[str, np.ndarray], tokens: np.ndarray, heads: int) -> np.ndarray:
    """Logits (len, vocabulary) for `tokens` (len,) in the published numbers."""
    w = {name: np.asarray(array, np.float64) for name, array in state.items()}
    x = w["tok_emb.weight"][tokens] + w["pos_emb"][0, : len(tokens)]
    block = 0
    while f"blocks.{block}.ln1.weight" in w:
        name = f"blocks.{block}"
        x = x + attend(w, f"{name}.attn", norm(w, f"{name}.ln1", x), heads)
        u = linear(w, f"{name}.mlp.0", norm(w, f"{name}.ln2", x))
        x = x + linear(w, f"{name}.mlp.2", u * (1 + erf(u / math.sqrt(2))) / 2)
        block += 1
    return norm(w, "ln_f", x) @ w["head.weight"].T


def attend(w, name, x, heads):
    query, key, value = (linear(w, f"{name}.{part}", x) for part in ("query", "key", "value"))
    size = x.shape[1] // heads
    rows = []
    for t in range(len(x)):
        mixed = []
        for h in range(heads):
            part = slice(h * size, (h + 1) * size)
            scores = key[: t + 1, part] @ query[t, part] / math.sqrt(size)
            weights = np.exp(scores - scores.max())
            mixed.append(weights / weights.sum() @ value[: t + 1, part])
        rows.append(np.concatenate(mixed))
    return linear(w, f"{name}.proj", np.array(rows))


def norm(w, name, x):
    centred = x - x.mean(axis=1, keepdims=True)
    scale = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    return centred / scale * w[f"{name}.weight"] + w[f"{name}.bias"]


def linear(w, name, x):
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]
