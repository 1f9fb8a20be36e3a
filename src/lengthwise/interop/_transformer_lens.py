"""The layouts of TransformerLens: `HookedTransformer` of 3.x, and the bridge of 4.x."""

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from .._core import InputError
from ..models import TransformerConfig
from ._layout import TURNED, AbstractLayout, Form, Part, check_finite, count_blocks


COLUMNS_BY_HEAD = Form(
    lambda x, heads: x.reshape(len(x), heads, -1).swapaxes(0, 1),
    lambda x, heads: x.swapaxes(0, 1).reshape(x.shape[1], -1),
)
"""(width, heads * d) there as (heads, width, d)."""
ROWS_BY_HEAD = Form(
    lambda x, heads: x.reshape(heads, -1, x.shape[1]), lambda x, heads: x.reshape(-1, x.shape[2])
)
"""(heads * d, width) there as (heads, d, width)."""
BIAS_BY_HEAD = Form(lambda x, heads: x.reshape(heads, -1), lambda x, heads: x.reshape(-1))
"""(heads * d) there as (heads, d)."""

ONLY: dict[str, tuple[Any, ...]] = {
    "normalization_type": ("LN", "LNPre"),
    "positional_embedding_type": ("standard",),
    "attention_dir": ("causal",),
    "eps": (1e-5,),
    "use_attn_scale": (True,),
    "attn_only": (False,),
    "gated_mlp": (False,),
    "parallel_attn_mlp": (False,),
    "use_local_attn": (False,),
    "final_rms": (False,),
    "post_embedding_ln": (False,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "use_normalization_before_and_after": (False,),
    "use_qk_norm": (False,),
    "clip_qkv": (None,),
    "num_experts": (None,),
    "attn_scores_soft_cap": (None, -1, -1.0),
    "output_logits_soft_cap": (None, -1, -1.0),
}
"""Arguments that must have one of these values, if they are given."""
GELUS = {"exact": "gelu", "tanh": "gelu_new"}


class TransformerLens(AbstractLayout):
    """The state dictionary of `HookedTransformer` (TransformerLens 1 to 3), weights as they are.

    4.x reads it by its own `convert_tl_checkpoint`. What is read may be folded (`LNPre`: no norm has
    weights), as the OthelloGPT that is published in this layout is.
    """

    name: ClassVar[str] = "transformer-lens"
    gelus: ClassVar[Mapping[str, str]] = GELUS
    mlp_ratio: ClassVar[int | None] = None
    heads_name: ClassVar[str] = "n_heads"

    def parts(self) -> tuple[Part, ...]:
        """`embed.W_E`, `pos_embed.W_pos`, `blocks.N...`, `ln_final`, `unembed.W_U`."""
        block = (
            ("ln1.w", "norm_attention.gain", None),
            ("ln1.b", "norm_attention.shift", None),
            ("attn.W_Q", "attention.query.weight", COLUMNS_BY_HEAD),
            ("attn.W_K", "attention.key.weight", COLUMNS_BY_HEAD),
            ("attn.W_V", "attention.value.weight", COLUMNS_BY_HEAD),
            ("attn.b_Q", "attention.query.bias", BIAS_BY_HEAD),
            ("attn.b_K", "attention.key.bias", BIAS_BY_HEAD),
            ("attn.b_V", "attention.value.bias", BIAS_BY_HEAD),
            ("attn.W_O", "attention.output.weight", ROWS_BY_HEAD),
            ("attn.b_O", "attention.output.bias", None),
            ("ln2.w", "norm_mlp.gain", None),
            ("ln2.b", "norm_mlp.shift", None),
            ("mlp.W_in", "mlp.up.weight", None),
            ("mlp.b_in", "mlp.up.bias", None),
            ("mlp.W_out", "mlp.down.weight", None),
            ("mlp.b_out", "mlp.down.bias", None),
        )
        return (
            Part("embed.W_E", "embedding"),
            Part("pos_embed.W_pos", "position_params"),
            *_blocks(block),
            Part("ln_final.w", "norm_final.gain"),
            Part("ln_final.b", "norm_final.shift"),
            Part("unembed.W_U", "unembedding"),
        )

    def constants(self, layers: int, max_len: int, vocabulary: int) -> dict[str, np.ndarray]:
        """The bias of the logits, which ours do not have. Buffers are left out: they differ by version."""
        del layers, max_len
        return {"unembed.b_U": np.zeros(vocabulary, np.float32)}

    def arguments(
        self, config: TransformerConfig, *, vocabulary: int, max_len: int
    ) -> dict[str, Any]:
        """The arguments of `HookedTransformerConfig` (3.x) and of `TransformerBridgeConfig` (4.x)."""
        ratio = config.mlp_ratio
        assert ratio is not None
        return {
            "n_layers": config.layers,
            "d_model": config.width,
            "n_heads": config.heads,
            "d_head": config.width // config.heads,
            "d_mlp": ratio * config.width,
            "d_vocab": vocabulary,
            "n_ctx": max_len,
            "act_fn": self.gelus[config.gelu],
            "normalization_type": "LN",
            "positional_embedding_type": "standard",
            "attention_dir": "causal",
            "eps": 1e-5,
        }

    def check_arguments(self, arguments: Mapping[str, Any], *, source: str) -> None:
        """Refuse the first that a model of our shape cannot have."""
        _check(arguments, source)

    def heads(self, arrays: Mapping[str, np.ndarray]) -> int | None:
        """The first axis of `W_Q`."""
        query = arrays.get("blocks.0.attn.W_Q")
        return None if query is None or query.ndim != 3 else query.shape[0]

    def gelu(self, arguments: Mapping[str, Any]) -> str | None:
        """By `act_fn`, which the arrays do not tell."""
        return _gelu(arguments)

    def completed(self, arrays: Mapping[str, np.ndarray], *, source: str) -> dict[str, np.ndarray]:
        """All but the buffers; folded norms get weights of one and zero, a bias of logits is moved."""
        kept = {n: x for n, x in arrays.items() if not n.endswith((".attn.mask", ".attn.IGNORE"))}
        return _completed(kept, ("w", "b"), "unembed.W_U", "unembed.b_U", source)


class TransformerLensBridge(AbstractLayout):
    """The state dictionary of `TransformerBridge.boot_native` (TransformerLens 4.x)."""

    name: ClassVar[str] = "transformer-lens-4"
    gelus: ClassVar[Mapping[str, str]] = GELUS
    mlp_ratio: ClassVar[int | None] = None
    heads_name: ClassVar[str] = "n_heads"

    def parts(self) -> tuple[Part, ...]:
        """The same parts, with the names and the orientation of PyTorch's `Linear`."""
        products = {
            "attn.q": "attention.query",
            "attn.k": "attention.key",
            "attn.v": "attention.value",
            "attn.o": "attention.output",
            "mlp.in": "mlp.up",
            "mlp.out": "mlp.down",
        }
        block = (
            *((f"{theirs}.weight", f"{ours}.weight", TURNED) for theirs, ours in products.items()),
            *((f"{theirs}.bias", f"{ours}.bias", None) for theirs, ours in products.items()),
            ("ln1.weight", "norm_attention.gain", None),
            ("ln1.bias", "norm_attention.shift", None),
            ("ln2.weight", "norm_mlp.gain", None),
            ("ln2.bias", "norm_mlp.shift", None),
        )
        return (
            Part("embed.weight", "embedding"),
            Part("pos_embed.weight", "position_params"),
            *_blocks(block),
            Part("ln_final.weight", "norm_final.gain"),
            Part("ln_final.bias", "norm_final.shift"),
            Part("unembed.weight", "unembedding", TURNED),
        )

    def constants(self, layers: int, max_len: int, vocabulary: int) -> dict[str, np.ndarray]:
        """The bias of the logits, which ours do not have."""
        del layers, max_len
        return {"unembed.bias": np.zeros(vocabulary, np.float32)}

    def arguments(
        self, config: TransformerConfig, *, vocabulary: int, max_len: int
    ) -> dict[str, Any]:
        """Those of `TransformerLens`."""
        return TransformerLens().arguments(config, vocabulary=vocabulary, max_len=max_len)

    def check_arguments(self, arguments: Mapping[str, Any], *, source: str) -> None:
        """Refuse the first that a model of our shape cannot have."""
        _check(arguments, source)

    def heads(self, arrays: Mapping[str, np.ndarray]) -> None:
        """The shapes do not tell it."""
        del arrays

    def gelu(self, arguments: Mapping[str, Any]) -> str | None:
        """By `act_fn`, which the arrays do not tell."""
        return _gelu(arguments)

    def completed(self, arrays: Mapping[str, np.ndarray], *, source: str) -> dict[str, np.ndarray]:
        """Folded norms get weights of one and zero, a bias of logits is moved."""
        turned = {n: x.T if n == "unembed.weight" else x for n, x in arrays.items()}
        ends = ("weight", "bias")
        whole = _completed(turned, ends, "unembed.weight", "unembed.bias", source)
        return {n: x.T if n == "unembed.weight" else x for n, x in whole.items()}


def _blocks(block: tuple[tuple[str, str, Form | None], ...]) -> tuple[Part, ...]:
    return tuple(
        Part(f"blocks.{{n}}.{theirs}", f"blocks.{{n}}.{ours}", *([form] if form else []))
        for theirs, ours, form in block
    )


def _check(arguments: Mapping[str, Any], source: str) -> None:
    for name, values in ONLY.items():
        value = arguments.get(name, values[0])
        if value not in values:
            raise InputError(
                f"`{source}` must be of a model with `{name}` in {list(values)}, but got "
                f"({name}={value!r}): only models of the shape of OthelloGPT are read."
            )
    width, scale = arguments.get("d_head", 1), arguments.get("attn_scale", -1)
    numbers = all(isinstance(x, int | float) for x in (width, scale)) and width > 0
    if scale != -1 and not (numbers and math.isclose(scale, math.sqrt(width))):
        raise InputError(
            f"`{source}` must be of a model with `attn_scale == sqrt(d_head)`, but got "
            f"(attn_scale={scale!r}, d_head={width!r}): only models of the shape of OthelloGPT are read."
        )


def _gelu(arguments: Mapping[str, Any]) -> str | None:
    theirs = arguments.get("act_fn")
    ours = {name: gelu for gelu, name in GELUS.items()} | {"gelu_pytorch_tanh": "tanh"}
    if theirs is not None and not (isinstance(theirs, str) and theirs in ours):
        raise InputError(
            f"`act_fn` must be one of {sorted(ours)}, but got (act_fn={theirs!r}): only models with a "
            "GELU are read."
        )
    return None if theirs is None else ours[theirs]


def _completed(
    arrays: Mapping[str, np.ndarray],
    ends: tuple[str, str],
    unembedding: str,
    bias: str,
    source: str,
) -> dict[str, np.ndarray]:
    """The arrays with the norms' weights where none has any, and without the bias of the logits."""
    whole = dict(arrays)
    layers = count_blocks(whole)
    norms = [f"blocks.{n}.{norm}" for n in range(layers) for norm in ("ln1", "ln2")] + ["ln_final"]
    names = [f"{norm}.{end}" for norm in norms for end in ends]
    if unembedding not in whole or whole[unembedding].ndim != 2:
        return whole  # it will be missed by name
    matrix = whole[unembedding]
    if not any(name in whole for name in names):
        for norm in norms:
            whole[f"{norm}.{ends[0]}"] = np.ones(len(matrix), matrix.dtype)
            whole[f"{norm}.{ends[1]}"] = np.zeros(len(matrix), matrix.dtype)
    constant = whole.pop(bias, None)
    shift = f"ln_final.{ends[1]}"
    if constant is None or shift not in whole:
        return whole
    shapes = {unembedding: matrix.shape, shift: matrix.shape[:1], bias: matrix.shape[1:]}
    for name, shape in shapes.items():
        got = constant if name == bias else whole[name]
        if got.shape != shape or got.dtype != np.float32:
            raise InputError(
                f"`{source}` must hold `{name}` as float32{list(shape)}, as its unembedding says, but got "
                f"{got.dtype}{list(got.shape)}: convert it."
            )
        check_finite(name, got, source=source)
    if constant.any():
        whole[shift] = whole[shift] + _shift(matrix, constant, bias, source)
    return whole


def _shift(matrix: np.ndarray, constant: np.ndarray, bias: str, source: str) -> np.ndarray:
    """The shift of the last norm that gives this bias of the logits: `shift @ matrix == constant`.

    Folding makes the bias of such a shift, so it can be undone where the unembedding has its rank.
    """
    wide = matrix.astype(np.float64)
    found = np.linalg.lstsq(wide.T, constant.astype(np.float64), rcond=None)[0]
    shift = found.astype(matrix.dtype)
    off = np.abs(shift.astype(np.float64) @ wide - constant).max()
    # Rounding of the shift and of the bias itself, to their own dtype.
    unit = float(np.finfo(matrix.dtype).eps)
    allowed = unit * (np.abs(found) @ np.abs(wide) + np.abs(constant)).max()
    if not off <= allowed:
        raise InputError(
            f"`{source}` must have a `{bias}` that a shift of the last norm can give, but it is off by "
            f"({off:.2g}): our models have no bias of logits."
        )
    return shift
