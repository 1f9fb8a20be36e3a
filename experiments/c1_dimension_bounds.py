"""C1. Are the dimension bounds tight?

    lengthwise reproduce C1 --budget cpu        # about 6 core minutes, no GPU

At d = d_v = v - 1, explicit weights solve every length, by certificate. Below it, the best of 24
optimised models (16 random starts, 8 from the construction without some of its directions), at v = 5..8
and d or d_v from v-3 to v, is compared with the floors of `lengthwise.theory`. Expected, found / floor
of spread and of total variation:

    d   = v-2, length 1          1.00          1.00         d   = v-3    1.05 to 1.11    1.00
    d   = v-2, lengths 1 and 2   1.00          1.2 to 1.3   d   = v-3    1.0 to 2.0      2.0
    d_v = v-2, lengths 1 and 2   1.00          1.6 to 1.7   d_v = v-3    1.5 to 1.6      1.8 to 2.1

So at v-2 the floors of the spread are the truth, and those of the total variation leave a gap at length
2. Attention scores are free numbers (d_k = v), so every one-head model is covered; weights are optimised
by Adam on smoothed maxima and then measured exactly, in float64.
"""

import itertools as it

import jax
import jax.numpy as jnp
import numpy as np
import optax

import lengthwise.theory as theory
from lengthwise.reproduce import Claim, Verdict


RANDOM, BUILT = 16, 8
OBJECTIVES, ITR = ("spread / m_mid", "tv"), 0.01


def inputs(v: int) -> tuple[np.ndarray, np.ndarray]:
    """First and last token of every input of length 1 (they are the same) and 2."""
    pairs = [(x, x) for x in range(v)] + list(it.permutations(range(v), 2))
    return np.array(pairs).T


def logits(weights: dict, v: int, xp) -> np.ndarray:
    """`(inputs, v)` from B = E U, D = X Y U and free scores."""
    first, last = inputs(v)
    b = weights["E"] @ weights["U"]
    d = weights["X"] @ weights["Y"] @ weights["U"]
    a = (1 / (1 + xp.exp(-weights["A"])))[first, last][:, None]
    return b[last] + a * d[first] + (1 - a) * d[last]


def measure(f, v: int, tau: float, xp):
    """Spread, m_mid and TV of each input; with jnp `tau` smooths the maxima, with np they are exact."""
    first, last = inputs(v)
    invalid = xp.asarray((np.eye(v)[first] + np.eye(v)[last]) > 0)

    def highest(x):
        return np.max(x, axis=1) if xp is np else tau * jax.nn.logsumexp(x / tau, axis=1)

    low = -highest(xp.where(invalid, -1e9, -f))
    high = highest(xp.where(invalid, -1e9, f))
    margin = (low + high) / 2 - highest(xp.where(invalid, f, -1e9))
    p = xp.exp(f - xp.max(f, axis=1, keepdims=True))
    p = p / xp.sum(p, axis=1, keepdims=True)
    target = ~invalid / xp.sum(~invalid, axis=1, keepdims=True)
    return high - low, margin, xp.sum(xp.abs(p - target), axis=1) / 2


def start(v: int, d: int, d_v: int, built: bool, rng: np.random.Generator) -> dict:
    """Weights at random, or the construction (B = -P / 2, D = -P) on fewer directions, perturbed."""
    noise = {name: rng.normal(size=(v, v)) for name in "EUXYA"}
    if not built:
        return {name: value / np.sqrt(v) for name, value in noise.items()}
    signs = rng.permuted(np.resize([1.0, -1.0], (3, v)), axis=1) + 0.1 * rng.normal(size=(3, v))
    lost = signs if rng.random() < 0.5 else rng.normal(size=(3, v))
    # Columns: what stays of the centred space, then the directions lost first, then the constants.
    q = np.linalg.qr(np.vstack([np.ones(v), lost, rng.normal(size=(v, v))]).T)[0][:, :v][:, ::-1]
    y = np.eye(v)
    weights = {"E": -0.5 * q, "U": 3 * q.T, "X": -q, "Y": y, "A": np.ones((v, v))}
    return {name: weights[name] + 0.03 * noise[name] for name in weights}


def optimise(starts, masks, long: np.ndarray, v: int, objective: str, steps: int) -> dict:
    """Every model at once; `masks` keep the ranks, `long` says who must know length 2."""
    first, last = inputs(v)
    count = jnp.asarray((first == last)[None] | long[:, None])

    def loss(weights, mask, counted, sharp):
        f = logits({n: w * mask[n] for n, w in weights.items()}, v, jnp)
        if objective == "tv":
            tv = measure(f, v, 1.0, jnp)[2]
            return jnp.log(sharp * jax.nn.logsumexp(jnp.where(counted, tv / sharp, -1e9)))
        f = f / jnp.std(f)
        spread, margin, _ = measure(f, v, sharp, jnp)
        eta = sharp * jax.nn.logsumexp(jnp.where(counted, spread / sharp, -1e9))
        mid = -sharp * jax.nn.logsumexp(jnp.where(counted, -margin / sharp, -1e9))
        return jnp.log(eta) - jnp.log(jax.nn.softplus(20 * mid))

    adam = optax.adam(optax.cosine_decay_schedule(0.05, steps, 1e-3))
    total = lambda w, sharp: jnp.sum(jax.vmap(loss, (0, 0, 0, None))(w, masks, count, sharp))
    high, low = (0.1, 3e-4) if objective == "tv" else (0.3, 3e-3)

    @jax.jit
    def run(weights):
        def step(carry, i):
            weights, state = carry
            gradient = jax.grad(total)(weights, high * (low / high) ** (i / steps))
            updates, state = adam.update(gradient, state)
            return (optax.apply_updates(weights, updates), state), None

        return jax.lax.scan(step, (weights, adam.init(weights)), jnp.arange(steps))[0][0]

    return {n: np.asarray(w, np.float64) * masks[n] for n, w in run(starts).items()}


def optimised(v: int, objective: str, steps: int) -> list[dict]:
    """Every case of one vocabulary and objective, in one program."""
    dims = range(v - 3, v + 1)
    cases = [("d", 1, d, d) for d in dims] + [("d", 2, d, d) for d in dims]
    cases += [("d_v", 2, v, d) for d in dims]
    rng, members, each = np.random.default_rng(v), [], RANDOM + BUILT
    for _, longest, d, d_v in cases:
        keep, keep_v = (np.arange(v) < n for n in (d, d_v))
        mask = {"E": keep[None], "U": keep[:, None], "X": keep_v[None], "A": True}
        mask["Y"] = keep_v[:, None] & keep[None]
        mask = {n: np.broadcast_to(m, (v, v)).astype(np.float32) for n, m in mask.items()}
        for i in range(each):
            members.append((start(v, d, d_v, i >= RANDOM, rng), mask, longest == 2))
    stack = lambda trees: {n: np.stack([t[n] for t in trees]).astype(np.float32) for n in trees[0]}
    starts, masks, long = zip(*members, strict=True)
    found = optimise(stack(starts), stack(masks), np.array(long), v, objective, steps)
    values = []
    for i, is_long in enumerate(long):
        part = slice(None) if is_long else slice(v)
        f = logits({n: w[i] for n, w in found.items()}, v, np)
        spread, margin, tv = (x[part] for x in measure(f, v, 0.0, np))
        ratio = np.max(spread) / np.min(margin) if np.min(margin) > 0 else np.inf
        values.append(np.max(tv) if objective == "tv" else ratio)
    rows = []
    for (dimension, longest, d, d_v), best in zip(
        cases, np.reshape(values, (-1, each)), strict=True
    ):
        table = theory.floor_table(v, d, (d_v,))
        known = [r for r in table if r.quantity == objective and r.lengths[-1] <= longest]
        floor = max(r.floor or 0.0 for r in known)
        row = {"v": v, "short": dimension, "lengths": longest, "d": d, "d_v": d_v}
        row |= {"objective": objective, "floor": float(floor), "found": float(np.min(best))}
        row |= {"from_random": float(np.min(best[:RANDOM]))}
        row |= {"from_built": float(np.min(best[RANDOM:]))}
        rows.append(row | {"ratio": float(row["found"] / floor) if floor else None})
    return rows


def constructed(v: int) -> list[dict]:
    """Explicit weights at d = d_v = v - 1, certified at every length."""
    lengths = theory.certify(theory.Homogeneous.for_precision(v, illegal_token_rate=ITR)).lengths
    worst = max(row.itr for row in lengths)
    return [{"v": v, "d": v - 1, "d_v": v - 1, "longest": lengths[-1].length, "itr_proved": worst}]


def parts(budget):
    """Vocabularies and objectives; smoke optimises for 20 steps, gpu goes to larger vocabularies."""
    built = [{"construct": v} for v in ((5,) if budget == "smoke" else (5, 8, 16, 32))]
    if budget == "smoke":
        return [*built, {"vocab": 5, "objective": "tv", "steps": 20}]
    vocabs = range(5, 12 if budget == "gpu" else 9)
    return built + [{"vocab": v, "objective": o, "steps": 1500} for v in vocabs for o in OBJECTIVES]


def run(part):
    """Certify a construction, or optimise models of too few dimensions."""
    if "construct" in part:
        return constructed(part["construct"])
    return optimised(part["vocab"], part["objective"], part["steps"])


def judge(rows):
    """The rule."""
    built = [r for r in rows if "itr_proved" in r]
    lacking = [r for r in rows if r.get("ratio") is not None]
    solved = sum(r["longest"] == r["v"] - 1 and r["itr_proved"] <= 1.001 * ITR for r in built)
    below = sum(r["found"] < r["floor"] * (1 - 1e-9) for r in lacking)
    far = max(r["ratio"] for r in lacking)
    tight = sum(r["ratio"] < 1.01 for r in lacking)
    verdict = "undecided"
    if solved == len(built) and not below and far <= 3:
        verdict = "holds"
    elif below or solved < len(built):
        verdict = "does not hold"
    text = (
        f"At d = d_v = v - 1 explicit weights are proved to solve every length in {solved} of "
        f"{len(built)} vocabularies (v up to {max(r['v'] for r in built)}). Below it, {below} of "
        f"{len(lacking)} best optimised models are below the floor of their error, {tight} are within "
        f"1 % of it, and the farthest is {far:.2f} times it."
    )
    return Verdict(verdict, text, {"solved": solved, "below": below, "far": far, "tight": tight})


def figures(rows):
    """Found over floor, by v."""
    from lengthwise.report import INK, PALETTE, Key, Panel, compose

    rows = [r for r in rows if r.get("ratio")]
    names = {
        ("d", 1): "d, length 1",
        ("d", 2): "d, lengths 1 and 2",
        ("d_v", 2): "d_v, lengths 1 and 2",
    }

    def draw(ax, objective):
        for (short, longest), colour in zip(names, PALETTE, strict=False):
            chosen = [r for r in rows if r["objective"] == objective]
            chosen = [r for r in chosen if (r["short"], r["lengths"]) == (short, longest)]
            for lack, marker in ((1, "o"), (2, "s")):
                part = [r for r in chosen if r["v"] - 1 - r[short] == lack]
                at, ratio = [r["v"] for r in part], [r["ratio"] for r in part]
                ax.plot(at, ratio, color=colour, marker=marker, ms=4, lw=1)
        ax.axhline(1, color=INK, lw=1)
        label = "v (circles: v-2 dimensions, squares: v-3)"
        ax.set(xticks=sorted({r["v"] for r in rows}), xlabel=label, ylim=(0.8, 3.2))

    panels = [
        Panel(f"Found over floor: {name}", lambda ax, name=name: draw(ax, name))
        for name in OBJECTIVES
    ]
    keys = [Key(label, colour) for label, colour in zip(names.values(), PALETTE, strict=False)]
    return {"floors": compose(panels, [*keys, Key("floor", INK)], columns=2, title="")}


CLAIM = Claim(
    name="C1",
    title="The dimension bounds are tight",
    paper="A single-layer attention-only transformer solves the task only with an embedding and a value "
    "dimension of at least v - 1, and these bounds are attained (abstract, section 3).",
    rule="The claim holds if explicit weights at d = d_v = v - 1 are certified to keep an ITR of at "
    "most 1 % at every length, no optimised model of fewer dimensions is below the floor of its"
    " error, and the best one found is within 3 times that floor in every case. It does not "
    "hold if a construction fails or a model is below its floor; else it is undecided.",
    differs="The floors below the bounds are ours (docs/theory.md); the search is over v = 5 to 8, and "
    "had been run before, by an earlier script, when this rule was written.",
    parts=parts,
    run=run,
    judge=judge,
    figures=figures,
    tolerance=0.05,
)
