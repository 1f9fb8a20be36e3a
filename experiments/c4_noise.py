"""C4. Does the noise of the gradient grow with the number of valid tokens?

    lengthwise reproduce C4 --budget cpu        # about 5 core minutes, no GPU

One layer of width 32, trained on lengths up to 8 with v = 10, 16, 24 and 32, 3 seeds each; then the
noise of one batch's gradient at these weights, by length: what sampling the next token adds (label
noise), beside the exact loss, which has none. The number of valid tokens, v - s, differs between
vocabularies at one length, and between lengths in one model. (A first version trained up to v / 2 and
compared gradients of losses over different numbers of lengths, which says nothing; it is gone.)
Expected: docs/results.md.
"""

import itertools as it

import numpy as np
import scipy.stats

import lengthwise as lw
from lengthwise.reproduce import Claim, Verdict, paired_ratio, ratio_text


VOCABS, SEEN, SEEDS = (10, 16, 24, 32), 8, 3


def parts(budget):
    """A vocabulary and a seed; smoke trains 20 steps of one, gpu has more seeds."""
    if budget == "smoke":
        return [{"vocab": 10, "seed": 0, "steps": 20}]
    seeds = 10 if budget == "gpu" else SEEDS
    return [{"vocab": v, "seed": s, "steps": 2000} for v in VOCABS for s in range(seeds)]


def run(part):
    """Train on sampled tokens, and measure the gradient of both losses."""
    import jax

    from lengthwise.training import gradient_noise, stream

    task, key = lw.SetComplement(part["vocab"]), jax.random.key(part["seed"])
    config = lw.TransformerConfig(layers=1, heads=4, width=32)
    model = config.build(task.sizes, key=stream(key, "model"))
    training = lw.TrainingConfig(
        steps=part["steps"], chunk_steps=20, lengths=lw.FixedLength(SEEN), evaluate_every=0,
        checkpoint_every=0,
    )  # fmt: skip
    hparams = lw.Hparams(learning_rate=2e-3, averages=())
    model = lw.train(task, model, training, hparams, key=key).models["raw"]
    rows = []
    for loss, exact in (("sampled", 0.0), ("exact", 1.0)):
        noise = gradient_noise(
            task, model, training, exact_loss=exact, pairs=64, key=stream(key, "noise")
        )
        for row in noise.rows:
            valid = None if row["length"] is None else part["vocab"] - row["length"]
            about = {"vocab": part["vocab"], "seed": part["seed"], "loss": loss, "valid": valid}
            rows.append(about | {n: row[n] for n in ("length", "noise", "label", "signal")})
    return rows


def judge(rows):
    """The rule: between vocabularies at one length, and between lengths in one model."""
    sampled = [r for r in rows if r["loss"] == "sampled" and r["length"] is not None]
    vocabs, models = sorted({r["vocab"] for r in sampled}), {}
    for row in sampled:
        models.setdefault((row["vocab"], row["seed"]), []).append(row)
    seeds = sorted({seed for _, seed in models})
    noise = lambda vocab: [np.mean([r["label"] for r in models[vocab, seed]]) for seed in seeds]
    between = [paired_ratio(noise(b), noise(a)) for a, b in it.pairwise(vocabs)]
    growth = paired_ratio(noise(vocabs[-1]), noise(vocabs[0]))
    ranks = {
        key: float(scipy.stats.spearmanr([r["valid"] for r in own], [r["label"] for r in own])[0])
        for key, own in models.items()
    }
    rising = sum(rank > 0 for rank in ranks.values())
    whole = lambda loss: [r["noise"] for r in rows if r["loss"] == loss and r["length"] is None]
    control = paired_ratio(whole("sampled"), whole("exact"))
    grows, within = growth["low"] > 1, rising == len(ranks)
    neither = growth["high"] < 1 and rising == 0
    verdict = "holds" if grows and within else "does not hold" if neither else "undecided"
    medians = {v: float(np.median([r for (w, _), r in ranks.items() if w == v])) for v in vocabs}
    steps = ", ".join(
        f"v = {b} over {a}: {one['ratio']:.2f}"
        for (a, b), one in zip(it.pairwise(vocabs), between, strict=True)
    )
    ranked = ", ".join(f"v = {v}: {rank:.2f}" for v, rank in medians.items())
    text = (
        f"At equal lengths, label noise at v = {vocabs[-1]} over v = {vocabs[0]}: {ratio_text(growth)}"
        f"{' (' + steps + ')' if steps else ''}. Within a model, rank correlation of label noise with "
        f"the number of valid tokens over the lengths, median of the seeds: {ranked} (above 0 in "
        f"{rising} of {len(ranks)} models). Noise of the sampled loss over that of the exact one: "
        f"{ratio_text(control)}."
    )
    return Verdict(verdict, text, {"ranks": medians, "growth": growth, "control": control})


CLAIM = Claim(
    name="C4",
    title="Noise grows with the number of valid tokens",
    paper="Where many tokens are valid, a sampled next token says little, so that updates are noisy "
    "(abstract and the section on noisy updates).",
    rule="Label noise is E|g_sampled - g_exact|^2 of the gradient of a batch's mean loss at one "
    "length, after training. The claim holds if, over lengths 1 to 8, its mean is larger at v ="
    " 32 than at v = 10 (t interval of the mean log ratio over the seeds above 1), and within "
    "every model it has a positive rank correlation with the number of valid tokens, v - s, "
    "over the lengths. It does not hold if that interval is below 1 and no model has a positive"
    " correlation; else it is undecided.",
    differs="One layer of width 32, 2,000 steps; gradient noise is our measure, as the paper's is not "
    "known to us.",
    parts=parts,
    run=run,
    judge=judge,
    version=2,
    tolerance=0.2,
)
