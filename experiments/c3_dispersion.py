"""C3. Does attention dispersion erode the separation, in trained models of 1 to 4 layers?

    lengthwise reproduce C3 --budget cpu        # about 10 core minutes, no GPU

v = 16, trained on lengths up to 8, 1 to 4 layers of width 64 (pre-norm) and the theory's model without
norm and MLP, 3 seeds each. Of every model, at every length: displacement, separation, and over how
many tokens attention spreads. Expected: docs/results.md.
"""

import dataclasses

import numpy as np

import lengthwise as lw
from lengthwise.reproduce import Claim, Verdict, paired_ratio


SEEN, LONGEST, SEEDS = 8, 15, 3
PRE = lw.TransformerConfig(layers=1, heads=4, width=64)
MODELS = {f"{n} layers": dataclasses.replace(PRE, layers=n) for n in (1, 2, 3, 4)}
MODELS |= {"attention only": lw.minimal_config(16)}
MEASURES = ("displacement", "separation", "separated", "itr", "tv")


def parts(budget):
    """A model and a seed; smoke trains one layer for 20 steps, gpu has more seeds."""
    if budget == "smoke":
        return [{"model": "1 layers", "seed": 0, "steps": 20}]
    seeds = 10 if budget == "gpu" else SEEDS
    return [{"model": m, "seed": s, "steps": 3000} for m in MODELS for s in range(seeds)]


def run(part):
    """Train, and measure the logits and the attention at every length."""
    import jax

    from lengthwise.evaluation import attention_dispersion
    from lengthwise.training import stream

    task, key = lw.SetComplement(16), jax.random.key(part["seed"])
    model = MODELS[part["model"]].build(task.sizes, key=stream(key, "model"))
    config = lw.TrainingConfig(
        steps=part["steps"], chunk_steps=20, lengths=lw.FixedLength(SEEN), evaluate_every=0,
        checkpoint_every=0,
    )  # fmt: skip
    hparams = lw.Hparams(learning_rate=2e-3, averages=())
    result = lw.train(task, model, config, hparams, key=key)
    spread = attention_dispersion(task, result.models["raw"], seen=SEEN, key=key).rows
    found = result.evaluations["raw"]
    rows = []
    for length in found.column("length"):
        row = {"model": part["model"], "seed": part["seed"], "length": length}
        row |= {name: found.column(name)[length] for name in MEASURES}
        for name in ("entropy", "effective"):
            row[name] = float(np.mean([r[name] for r in spread if r["length"] == length]))
        rows.append(row | {"seen": length <= SEEN, "weights": "raw", "temperature": "given"})
    return rows


def at(rows, model, name, length):
    """A measure of a model at a length, by seed."""
    return [r[name] for r in rows if (r["model"], r["length"]) == (model, length)]


def judge(rows):
    """The rule, model by model."""
    numbers, words, held, refuted = {}, [], [], []
    for model in dict.fromkeys(row["model"] for row in rows):
        short, long = (
            {n: at(rows, model, n, length) for n in ("displacement", "effective", "separation")}
            for length in (SEEN, LONGEST)
        )
        # A displacement that is no longer positive is eroded as far as a ratio can say.
        eroded = [max(value, 1e-3) for value in long["displacement"]]
        ratio = paired_ratio(eroded, short["displacement"])
        tokens = paired_ratio(long["effective"], short["effective"])
        numbers[model] = {"displacement": ratio, "effective": tokens}
        lost = [b < a for a, b in zip(short["separation"], long["separation"], strict=True)]
        held.append(ratio["high"] < 1 and tokens["low"] > 1 and all(lost))
        refuted.append(ratio["low"] > 1 or tokens["high"] < 1)
        words.append(
            f"{model}: displacement times {ratio['ratio']:.2f} ({ratio['low']:.2f} to "
            f"{ratio['high']:.2f}), attended tokens {np.mean(short['effective']):.1f} to "
            f"{np.mean(long['effective']):.1f}, separation lower in {sum(lost)} of {len(lost)}"
        )
    verdict = "holds" if all(held) else "does not hold" if all(refuted) else "undecided"
    text = f"From length {SEEN} (T) to {LONGEST}. {'; '.join(words)}."
    return Verdict(verdict, text, numbers)


def figures(rows):
    """Displacement, attended tokens and separation by length, a figure each."""
    from lengthwise.report import plot_seeds

    groups = {m: [r for r in rows if r["model"] == m] for m in MODELS}
    groups = {m: found for m, found in groups.items() if found}
    return {n: plot_seeds(groups, n) for n in ("displacement", "effective", "separation")}


CLAIM = Claim(
    name="C3",
    title="Dispersion erodes the separation",
    paper="Softmax compresses the logit displacement as sequences grow (attention dispersion), which "
    "erodes the separation of valid from invalid tokens (abstract).",
    rule="For each model, from the training length 8 to the longest, 15: the t interval of the mean "
    "log ratio of the displacement over 3 seeds is below 1, that of the effective number of attended "
    "tokens is above 1, and the separation is lower in every seed. The claim holds if all three are "
    "so for every depth from 1 to 4 layers and for the attention-only model; it does not hold if for "
    "every one of them the first interval is above 1 or the second below 1; else it is undecided.",
    differs="v = 16, T = 8, width 64, 3,000 steps; the paper's sizes and its measure of dispersion "
    "are not known to us in detail.",
    parts=parts,
    run=run,
    judge=judge,
    figures=figures,
    tolerance=0.2,
)
