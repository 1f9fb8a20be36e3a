"""A PyTorch training step to compare the JAX one against.

The file stands alone: it needs `torch`, `numpy` and `safetensors`, and neither JAX nor the
library. It is written the way a PyTorch user who cares about speed would write it.

Two modes, each printing one JSON object on standard output. `losses` trains on the batches of a
file, without dropout, and prints the loss of every step, to be compared with the JAX step's:

    python torch_peer.py losses --config c.json --weights w.safetensors --batches b.safetensors

`time` measures training steps per second, eagerly and under `torch.compile`; a step samples its
own batch, inside the timed loop:

    python torch_peer.py time --config c.json --batch 64 --length 16 --dropout 0.1 --threads 2

Both take `--device cuda`: with it `losses` multiplies in full float32, and `time` as JAX does by default,
in TF32, or in bfloat16 under autocast with `--bfloat16`.

The configuration holds `vocab_size`, `input_size`, `max_len`, `layers`, `heads`, `width`,
`mlp_ratio` (null for attention only), `norm` (none, pre, post), `norm_kind` (layer, rms),
`positions` (none, learned), `tied`, `bias` and `optimizer`, which holds `learning_rate`, `b1`,
`b2`, `eps`, `weight_decay`, `clip_norm` (null for none), `warmup_steps` and, for a half cosine after
it, `cosine` (the share of the rate that it takes away) and `steps`.
"""

import argparse
import contextlib
import functools as ft
import json
import math
import statistics
import time
from collections import OrderedDict

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from torch.optim.lr_scheduler import LambdaLR


NORM_EPSILON = 1e-5

# How each compiled variant calls torch.compile. Inductor's own random numbers are several times
# slower on a CPU than PyTorch's, hence `fallback_random`. "cpp-wrapper" also compiles the glue
# between kernels; "max-autotune" also tries generated matrix products against the library's.
# (The mode "reduce-overhead" asks for CUDA graphs, so on a CPU it would be "default" again.)
COMPILE_OPTIONS = {
    "default": {"fallback_random": True},
    "cpp-wrapper": {"fallback_random": True, "cpp_wrapper": True},
    "max-autotune": {"fallback_random": True, "max_autotune": True},
}


def make_norm(config):
    """The normalisation layer of the configuration; the identity when it has none."""
    if config["norm"] == "none":
        return nn.Identity()
    if config["norm_kind"] == "rms":
        return nn.RMSNorm(config["width"], eps=NORM_EPSILON)
    return nn.LayerNorm(config["width"], eps=NORM_EPSILON, bias=config["bias"])


def make_dropout(rate):
    """Dropout, or the identity at rate zero so that not even a call is left of it."""
    return nn.Dropout(rate) if rate > 0 else nn.Identity()


class Attention(nn.Module):
    """Causal multi-head self-attention with one fused projection."""

    def __init__(self, config, dropout):
        super().__init__()
        width, self.heads, self.dropout = config["width"], config["heads"], dropout
        self.qkv = nn.Linear(width, 3 * width, bias=config["bias"])
        self.output = nn.Linear(width, width, bias=config["bias"])

    def forward(self, x):
        # (batch, length, 3 * width) to three of (batch, heads, length, head width)
        split = self.qkv(x).unflatten(-1, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4).unbind(0)
        rate = self.dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=rate, is_causal=True)
        return self.output(mixed.transpose(1, 2).flatten(-2))


def make_mlp(config):
    """The two-layer network of a block."""
    width, bias = config["width"], config["bias"]
    hidden = int(config["mlp_ratio"] * width)
    up, down = nn.Linear(width, hidden, bias=bias), nn.Linear(hidden, width, bias=bias)
    return nn.Sequential(OrderedDict(up=up, gelu=nn.GELU(approximate="tanh"), down=down))


class Block(nn.Module):
    """Attention and, unless `mlp_ratio` is null, a perceptron, each residual."""

    def __init__(self, config, dropout):
        super().__init__()
        self.norm_after = config["norm"] == "post"
        self.dropout = make_dropout(dropout)
        self.attention = Attention(config, dropout)
        self.norm_attention = make_norm(config)
        self.mlp = None
        if config["mlp_ratio"] is not None:
            self.mlp = make_mlp(config)
            self.norm_mlp = make_norm(config)

    def residual(self, x, branch, norm):
        if self.norm_after:
            return norm(x + self.dropout(branch(x)))
        return x + self.dropout(branch(norm(x)))

    def forward(self, x):
        x = self.residual(x, self.attention, self.norm_attention)
        if self.mlp is not None:
            x = self.residual(x, self.mlp, self.norm_mlp)
        return x


class Transformer(nn.Module):
    """The decoder; its attribute names are those of the weights file."""

    def __init__(self, config, dropout=0.0):
        super().__init__()
        width = config["width"]
        self.vocab_size = config["vocab_size"]
        self.embedding = nn.Embedding(config["input_size"], width)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.positions = None
        if config["positions"] == "learned":
            self.positions = nn.Parameter(0.02 * torch.randn(config["max_len"], width))
        self.dropout = make_dropout(dropout)
        self.blocks = nn.ModuleList(Block(config, dropout) for _ in range(config["layers"]))
        # Blocks that normalise on the way out need no further normalisation.
        self.norm_final = make_norm(config) if config["norm"] == "pre" else nn.Identity()
        self.unembedding = None
        if not config["tied"]:
            self.unembedding = nn.Linear(width, self.vocab_size, bias=False)

    def forward(self, tokens):
        x = self.embedding(tokens)
        if self.positions is not None:
            x = x + self.positions[: tokens.shape[-1]]
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        x = self.norm_final(x)
        if self.unembedding is not None:
            return self.unembedding(x)
        return F.linear(x, self.embedding.weight[: self.vocab_size])

    def loss(self, tokens, labels):
        """The mean cross entropy over all positions; labels are tokens or distributions of them."""
        return F.cross_entropy(self(tokens).flatten(0, 1), labels.flatten(0, 1))


def load_weights(model, path):
    """Copies a weights file into the model; every name must match.

    The file stores matrices as (in, out), where `nn.Linear` holds (out, in), and calls the
    parameters of a normalisation gain and shift.
    """
    state = {}
    for name, value in load_file(path).items():
        if name == "unembedding" or name.endswith(".weight"):
            value = value.T
        if name in ("embedding", "unembedding"):
            name += ".weight"
        state[name.replace(".gain", ".weight").replace(".shift", ".bias")] = value
    model.load_state_dict(state, strict=True)


class EMA:
    """An exponential moving average of tensors, all of them moved by one call."""

    def __init__(self, values, decay):
        self.average = [value.clone() for value in values]
        self.share = 1.0 - decay

    def update(self, values):
        torch._foreach_lerp_(self.average, values, self.share)

    def value(self):
        return self.average


AVERAGES = (ft.partial(EMA, decay=0.999), ft.partial(EMA, decay=0.99))


def make_schedule(optimizer, settings):
    """Warm-up, then a constant rate, or one that a half cosine lowers."""
    warmup = max(1, settings["warmup_steps"])
    cosine, steps = settings.get("cosine", 0.0), settings.get("steps", 1)

    def factor(step):
        fallen = (1.0 - math.cos(math.pi * step / steps)) / 2.0 if cosine else 0.0
        return min(1.0, (step + 1) / warmup) * (1.0 - cosine * fallen)

    return LambdaLR(optimizer, factor)


class Trainer:
    """A model with its optimizer, learning rate schedule and moving averages."""

    def __init__(
        self,
        config,
        dropout=0.0,
        weights=None,
        compile_options=None,
        averages=AVERAGES,
        device="cpu",
    ):
        self.model = Transformer(config, dropout).train()
        if weights is not None:
            load_weights(self.model, weights)
        self.model.to(device)
        self.loss = self.model.loss
        if compile_options is not None:
            how = {"fullgraph": True, "dynamic": False, "options": compile_options}
            self.loss = torch.compile(self.model.loss, **how)
        settings = config["optimizer"]
        self.clip_norm = settings["clip_norm"]
        self.parameters = list(self.model.parameters())
        matrices = [value for value in self.parameters if value.ndim >= 2]
        vectors = [value for value in self.parameters if value.ndim < 2]
        self.optimizer = torch.optim.AdamW(
            [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}],
            lr=settings["learning_rate"],
            betas=(settings["b1"], settings["b2"]),
            eps=settings["eps"],
            weight_decay=settings["weight_decay"],
            fused=True,
        )
        self.schedule = make_schedule(self.optimizer, settings)
        self.values = [value.detach() for value in self.parameters]
        self.averages = [make(self.values) for make in averages]
        self.precision = contextlib.nullcontext
        if config.get("bfloat16"):
            self.precision = ft.partial(torch.autocast, "cuda", torch.bfloat16)

    def step(self, tokens, labels):
        """Trains on one batch; the loss stays a tensor, so nothing waits for it."""
        self.optimizer.zero_grad(set_to_none=True)
        with self.precision():
            loss = self.loss(tokens, labels)
        loss.backward()
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.clip_norm, foreach=True)
        self.optimizer.step()
        self.schedule.step()
        for average in self.averages:
            average.update(self.values)
        return loss.detach()


def run_losses(arguments, config):
    """The loss of each step on the batches of a file, taken before its update."""
    batches = load_file(arguments.batches)
    trainer = Trainer(config, weights=arguments.weights, device=arguments.device)
    columns = (batches[name].long().to(arguments.device) for name in ("tokens", "labels"))
    pairs = zip(*columns, strict=True)
    losses = [trainer.step(tokens, labels) for tokens, labels in pairs]
    return {"losses": torch.stack(losses).tolist()}


def time_variant(arguments, config, compile_options):
    """Steps and tokens per second of one variant, each batch sampled in its step."""
    torch.manual_seed(0)
    # Forget the earlier variants: their compiled code would be searched at each call.
    torch.compiler.reset()
    device = arguments.device
    trainer = Trainer(config, arguments.dropout, arguments.weights, compile_options, device=device)
    batch, length = arguments.batch, arguments.length
    noise = torch.empty(batch, config["vocab_size"], device=device)

    def sample_and_step():
        order = noise.uniform_().argsort(dim=-1)
        return trainer.step(order[:, :length], order[:, 1 : length + 1])

    def wait():
        if device == "cuda":
            torch.cuda.synchronize()

    start = time.perf_counter()
    first_loss = sample_and_step().item()  # and compiles
    first_seconds = time.perf_counter() - start
    for _ in range(arguments.warmup):
        sample_and_step()
    rates = []
    for _ in range(arguments.repetitions):
        wait()
        start = time.perf_counter()
        for _ in range(arguments.steps):
            loss = sample_and_step()
        wait()
        rates.append(arguments.steps / (time.perf_counter() - start))
    summary = {"median": statistics.median(rates), "min": min(rates), "max": max(rates)}
    return {
        "steps_per_second": summary,
        "tokens_per_second": {name: rate * batch * length for name, rate in summary.items()},
        "first_step_seconds": first_seconds,
        "first_loss": first_loss,
        "last_loss": loss.item(),
    }


def run_time(arguments, config):
    """Times the variants asked for, one after another."""
    if arguments.length >= config["vocab_size"]:
        raise SystemExit("--length must be below vocab_size: labels are one ahead")
    # As XLA does. Before any parallel work: threads inherit the setting when they start.
    torch.set_flush_denormal(True)
    torch.set_num_threads(arguments.threads)
    torch.set_float32_matmul_precision("high")  # TF32 where there is such a thing
    variants = {} if arguments.compile == "compile" else {"eager": None}
    if arguments.compile != "eager":
        variants |= {f"compile {mode}": COMPILE_OPTIONS[mode] for mode in arguments.modes}
    measured = {name: time_variant(arguments, config, how) for name, how in variants.items()}
    return {"torch": torch.__version__, "threads": arguments.threads, "variants": measured}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    modes = parser.add_subparsers(dest="mode", required=True)
    losses = modes.add_parser("losses", help="print the loss of every given batch")
    for name in ("config", "weights", "batches"):
        losses.add_argument(f"--{name}", required=True)
    losses.set_defaults(run=run_losses)
    timing = modes.add_parser("time", help="measure steps per second")
    for mode in (losses, timing):
        mode.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    timing.add_argument("--config", required=True)
    timing.add_argument("--weights", help="without it, freshly drawn weights")
    timing.add_argument("--dropout", type=float, default=0.0)
    for name in ("batch", "length"):
        timing.add_argument(f"--{name}", type=int, required=True)
    timing.add_argument("--steps", type=int, default=200, help="steps in a repetition")
    timing.add_argument("--repetitions", type=int, default=5)
    timing.add_argument("--warmup", type=int, default=20, help="steps before the timed ones")
    timing.add_argument("--threads", type=int, default=1)
    timing.add_argument("--bfloat16", action="store_true", help="under autocast, on a GPU")
    timing.add_argument("--compile", choices=("eager", "compile", "both"), default="both")
    usual = ["default", "cpp-wrapper"]
    timing.add_argument("--modes", nargs="+", choices=tuple(COMPILE_OPTIONS), default=usual)
    timing.set_defaults(run=run_time)
    options = parser.parse_args()
    if getattr(options, "bfloat16", False) and options.device == "cpu":
        parser.error("--bfloat16 must go with --device cuda")
    return options


def main():
    arguments = parse_arguments()
    with open(arguments.config, encoding="utf-8") as file:
        config = json.load(file)
    config["bfloat16"] = getattr(arguments, "bfloat16", False)
    print(json.dumps(arguments.run(arguments, config), indent=2))


if __name__ == "__main__":
    main()
