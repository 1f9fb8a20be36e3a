"""`lengthwise bounds`."""

import dataclasses
import math
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from .._core import InputError, require
from ._cache import start_jax
from ._command import Common, CommonOptions, Outcome
from ._exit_codes import ExitCode


if TYPE_CHECKING:
    from ..theory import FloorRow, RankCheck


@dataclass(frozen=True)
class Bounds:
    """The dimensions that solving the task asks for, and the error of any model with fewer."""

    vocab: int | None = None
    """Number of tokens, v; that of the run if one is given."""
    width: int | None = None
    """Dimension of the embedding, d; v - 2 by default, one less than it takes."""
    value_dims: tuple[int, ...] | None = None
    """Value dimension of each head; one head of dimension d by default."""
    run_dir: Annotated[pathlib.Path | None, tyro.conf.arg(name="run", metavar="RUN")] = None
    """Run directory of a single-layer attention-only model: its dimensions, and its ranks."""
    weights: str = "raw"
    """Which weights of the run: raw, or the name of an average."""
    common: Common = CommonOptions()

    def run(self) -> Outcome:
        """Print bounds and floors, and with a run what the theory says of its ranks."""
        checks: Sequence[RankCheck] = ()
        start_jax(self.common.compile_cache)
        from ..theory import check_ranks, dimension_bounds, floor_table, one_layer  # import JAX

        vocab, width, dims, layer_norm = self.vocab, self.width, self.value_dims, False
        effective, plain = 0, True  # what the floors are about
        if self.run_dir is not None:
            given = {"vocab": vocab, "width": width, "value_dims": dims}
            given = {name: value for name, value in given.items() if value is not None}
            require(not given, "`--run` alone", "leave out the dimensions, which it has", **given)
            from ._evaluate_run import load_model

            model, _ = load_model(self.run_dir, self.weights)
            if not hasattr(model, "config") or not hasattr(model, "unembedding_matrix"):
                raise InputError(
                    f"`--run` must be a run of a `Transformer`, but got ({self.run_dir}), one of "
                    f"{type(model).__name__}: its ranks are not defined."
                )
            checks = check_ranks(one_layer(model))
            attention = model.blocks[0].attention
            vocab, width = model.sizes.vocab, model.config.width
            dims = (attention.value_dim,) * attention.heads
            layer_norm = model.config.norm != "none" and model.config.norm_kind == "layer"
            # A shift lies in the rows of the unembedding, so that floors count all of d; and without
            # one, the output of a LayerNorm has rank d - 1.
            effective = width - (layer_norm and not model.config.bias)
            plain = model.config.norm == "none" and checks[1].missing is None
        if vocab is None:
            raise InputError("`--vocab` or `--run` must be given, but got neither: name one.")
        width = max(vocab - 2, 0) if width is None else width
        dims = (width,) if dims is None else dims
        effective = width if self.run_dir is None else effective
        bounds = dimension_bounds(vocab, heads=max(len(dims), 1), final_layer_norm=layer_norm)
        floors = floor_table(vocab, effective, dims) if vocab >= 4 else []
        floors = [row for row in floors if plain or row.dimension == "d"]
        print(f"v = {vocab}, d = {width}, d_v = {' + '.join(map(str, dims))}")
        for name, least, has, why in (
            ("d", bounds.embedding, width, bounds.length_1),
            ("sum d_v", bounds.value_total, sum(dims), bounds.length_2),
        ):
            verdict = "enough" if has >= least else "too few"
            missing = checks[1].missing if checks and name != "d" else None
            print(f"  {name} >= {least}: {f'not settled, {missing}' if missing else verdict}")
            print(f"      {why}")
        if floors:
            print(_floor_text(floors))
        if checks:
            print(_check_text(checks))
        values: dict[str, Any] = {
            "bounds": dataclasses.asdict(bounds),
            "width": width,
            "value_dims": list(dims),
            "floors": [dataclasses.asdict(row) for row in floors],
            "checks": [_check_values(check) for check in checks],
        }
        return Outcome(ExitCode.COMPLETED, values)


def _floor_text(rows: Sequence["FloorRow"]) -> str:
    lines = [f"\n  {'short of':8}  {'lengths':7}  {'worst input':14}  no model is below"]
    for row in rows:
        lengths = ", ".join(map(str, row.lengths))
        floor = "none proved" if row.floor is None else f"{row.floor:.6g}"
        lines.append(f"  {row.dimension:8}  {lengths:7}  {row.quantity:14}  {floor}")
    lines.append("  (spread: of valid logits; m, m_mid: their lowest, middle above invalid ones)")
    return "\n".join(lines)


def _check_text(checks: Sequence["RankCheck"]) -> str:
    title = f"\n  {'matrix':8}  {'lengths':7}  {'rank':>4} of  sigma_(v-1)  promised  rounding"
    lines = [title]
    for check in checks:
        lengths = ", ".join(map(str, check.lengths))
        sigma = "-" if math.isnan(check.smallest) else f"{check.smallest:.4g}"
        lines.append(
            f"  {check.matrix:8}  {lengths:7}  {check.rank:4} {check.needed:<2}  {sigma:>11}  "
            f"{check.promised:8.4g}  {max(check.radius):8.1e}"
            f"{'' if check.missing is None else '  ' + check.missing}"
        )
    first = checks[0]
    lines.append(
        f"  on length 1: spread {first.spread:.4g}, m {first.margin:.4g}, "
        f"m_mid {first.margin_mid:.4g}"
    )
    return "\n".join(lines)


def _check_values(check: "RankCheck") -> dict[str, Any]:
    values = dataclasses.asdict(check) | {
        "singular_values": check.singular_values.tolist(),
        "radius": check.radius.tolist(),
    }
    return values | {"rank": check.rank, "needed": check.needed, "holds": check.holds}
