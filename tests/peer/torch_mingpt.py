# pyright: reportMissingImports=false
"""OthelloGPT's minGPT as a PyTorch module: `torch_mingpt.py JOB.json`, in the peer environment.

Written from the paper (Li et al., arXiv 2210.13382) and the GPT architecture; its state dictionary has the
published names, shapes and buffers. It needs neither JAX nor the library. A job is an object with
`arguments` (of the model), `tokens`, `logits` (a .npy to write), and `read` (a .safetensors to load,
strictly) or `write` (a .ckpt of random weights to make).
"""

import json
import pathlib
import sys

import numpy as np
import safetensors.torch
import torch
from torch import nn


class Attention(nn.Module):
    def __init__(self, width, heads, places):
        super().__init__()
        self.key, self.query, self.value, self.proj = (nn.Linear(width, width) for _ in range(4))
        self.heads = heads
        self.register_buffer("mask", torch.ones(places, places).tril()[None, None])

    def forward(self, x):
        split = lambda part: part(x).unflatten(-1, (self.heads, -1)).transpose(-2, -3)
        query, key, value = split(self.query), split(self.key), split(self.value)
        scores = query @ key.mT / key.shape[-1] ** 0.5
        seen = self.mask[0, 0, : x.shape[-2], : x.shape[-2]] > 0
        weights = scores.masked_fill(~seen, -torch.inf).softmax(-1)
        return self.proj((weights @ value).transpose(-2, -3).flatten(-2))


class Block(nn.Module):
    def __init__(self, width, heads, places):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn = Attention(width, heads, places)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width), nn.Dropout(0.1)
        )

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    def __init__(self, vocab_size, block_size, n_layer, n_head, n_embd):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, n_embd)
        self.pos_emb = nn.Parameter(torch.zeros(1, block_size, n_embd))
        self.blocks = nn.Sequential(*(Block(n_embd, n_head, block_size) for _ in range(n_layer)))
        self.ln_f = nn.LayerNorm(n_embd)
        self.head = nn.Linear(n_embd, vocab_size, bias=False)

    def forward(self, tokens):
        x = self.tok_emb(tokens) + self.pos_emb[:, : tokens.shape[-1]]
        return self.head(self.ln_f(self.blocks(x)))


def main(job):
    torch.manual_seed(0)
    model = GPT(**job["arguments"]).eval()
    if "read" in job:
        model.load_state_dict(safetensors.torch.load_file(job["read"]), strict=True)
    else:
        for weight in model.parameters():  # biases and gains too, which begin as zeros and ones
            nn.init.normal_(weight, std=0.5)
        torch.save(model.state_dict(), job["write"])
    with torch.no_grad():
        np.save(job["logits"], model(torch.tensor(job["tokens"])).numpy())


if __name__ == "__main__":
    main(json.loads(pathlib.Path(sys.argv[1]).read_text()))
