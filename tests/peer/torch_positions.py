# pyright: reportMissingImports=false
"""`benchmarks/torch_peer.py` with the part that the variable PART names, in PyTorch's own terms.

Rotary positions are products of complex numbers, ALiBi is a mask that is added, sinusoids are a table,
and exact is `nn.GELU()`. Like that file it needs neither JAX nor the library.
"""

import os
import pathlib
import sys
import types

import torch
from torch import nn


sys.path.append(str(pathlib.Path(__file__).parents[2] / "benchmarks"))
import torch_peer as peer


PART = os.environ["PART"]
SLOPES = torch.tensor([1 / 4, 1 / 16, 1 / 64, 1 / 256])  # the paper's, of 4 heads
attend_plainly = peer.F.scaled_dot_product_attention
make_tanh_mlp = peer.make_mlp


def turned(x):
    """The first half of the entries are real parts, the second imaginary ones."""
    pairs = torch.complex(*x.chunk(2, dim=-1))
    rates = 10_000.0 ** (-torch.arange(pairs.shape[-1]) / pairs.shape[-1])
    angles = torch.outer(torch.arange(x.shape[-2]), rates)
    pairs = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.cat([pairs.real, pairs.imag], dim=-1)


def attend(query, key, value, dropout_p, is_causal):
    if PART == "rotary":
        query, key = turned(query), turned(key)
    if PART != "alibi":
        return attend_plainly(query, key, value, dropout_p=dropout_p, is_causal=is_causal)
    places = torch.arange(query.shape[-2])
    distance = places[:, None] - places[None, :]
    mask = torch.where(distance < 0, -torch.inf, -SLOPES[:, None, None] * distance)
    return attend_plainly(query, key, value, attn_mask=mask, dropout_p=dropout_p)


class SinusoidalTransformer(peer.Transformer):
    def __init__(self, config, dropout=0.0):
        super().__init__(config, dropout)
        width = config["width"]
        rates = 10_000.0 ** (-torch.arange(0, width, 2) / width)
        angles = torch.outer(torch.arange(config["max_len"]), rates)
        self.positions = torch.stack([angles.sin(), angles.cos()], -1).flatten(-2) / width**0.5


def make_exact_mlp(config):
    mlp = make_tanh_mlp(config)
    mlp.gelu = nn.GELU()
    return mlp


if PART == "sinusoidal":
    peer.Transformer = SinusoidalTransformer
if PART == "exact":
    peer.make_mlp = make_exact_mlp
peer.F = types.SimpleNamespace(**{**vars(peer.F), "scaled_dot_product_attention": attend})

if __name__ == "__main__":
    peer.main()
