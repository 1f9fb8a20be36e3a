"""The forward pass of `HookedTransformer` from its state dictionary, head by head, in NumPy (float64).

Written from the definitions of its weights: `W_Q[head]` of shape (d_model, d_head), `W_O[head]` of shape
(d_head, d_model), products from the left. Without `ln1.w` its norms are folded (`LNPre`).
"""

import math

import numpy as np


erf, tanh = np.vectorize(math.erf), np.tanh
GELUS = {
    "gelu": lambda u: u * (1 + erf(u / math.sqrt(2))) / 2,
    "gelu_new": lambda u: u * (1 + tanh(math.sqrt(2 / math.pi) * (u + 0.044715 * u**3))) / 2,
}


def forward(state: dict[str, np.ndarray], tokens: np.ndarray, act_fn: str) -> np.ndarray:
    """Logits (len, vocabulary) for `tokens` (len,)."""
    w = {name: np.asarray(array, np.float64) for name, array in state.items()}
    residual = w["embed.W_E"][tokens] + w["pos_embed.W_pos"][: len(tokens)]
    layer = 0
    while f"blocks.{layer}.attn.W_Q" in w:
        name = f"blocks.{layer}"
        residual = residual + attention(w, f"{name}.attn", norm(w, f"{name}.ln1", residual))
        pre = norm(w, f"{name}.ln2", residual) @ w[f"{name}.mlp.W_in"] + w[f"{name}.mlp.b_in"]
        residual = residual + GELUS[act_fn](pre) @ w[f"{name}.mlp.W_out"] + w[f"{name}.mlp.b_out"]
        layer += 1
    return norm(w, "ln_final", residual) @ w["unembed.W_U"] + w.get("unembed.b_U", 0.0)


def attention(w, name, x):
    causal = np.tril(np.ones((len(x), len(x)), bool))
    total = np.zeros_like(x) + w[f"{name}.b_O"]
    for head in range(len(w[f"{name}.W_Q"])):
        q, k, v = (x @ w[f"{name}.W_{p}"][head] + w[f"{name}.b_{p}"][head] for p in "QKV")
        scores = np.where(causal, q @ k.T / math.sqrt(q.shape[1]), -np.inf)
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        total = total + weights / weights.sum(axis=1, keepdims=True) @ v @ w[f"{name}.W_O"][head]
    return total


def norm(w, name, x):
    centred = x - x.mean(axis=1, keepdims=True)
    y = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    return y * w[f"{name}.w"] + w[f"{name}.b"] if f"{name}.w" in w else y
