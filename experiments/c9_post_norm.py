"""C9. Post-norm resharpens (second version)

    lengthwise reproduce C9 --budget cpu        # about 9 core minutes, no GPU

Paper: A norm after the attention rescales what dispersion has compressed, so that post-norm models
generalize further (v2, section 5).

Rule: ITR of the raw weights, mean over the lengths beyond the training length, at the learning rates 1e-3
and 3e-3. The claim holds if at both post-norm over pre-norm and post-norm over no norm are below 1 in every
seed, with t intervals of the mean log ratio (95 % for all together) below 1, and the closed form agrees
with the model within 0.1 %; it does not hold if at both one of these intervals is above 1; else it is
undecided.

Differs: v = 24, T = 8, 2 layers of width 64, 3,000 steps, no dropout, averages at their defaults. The
second rate and its part of the rule came after the first was seen.

Expected (docs/results.md): post-norm over pre-norm 1.07 at 1e-3 and 0.67 at 3e-3, over no norm 0.64 and
0.61; closed form within 1e-7.
"""

from lengthwise import evaluation, models, report, reproduce as rp, tasks, theory, training


MODEL = models.TransformerConfig(layers=2, heads=4, width=64)
TRAINING = training.TrainingConfig(lengths='lengthwise.tasks:FixedLength {"max_length": 8}')
EXPERIMENT = training.ExperimentConfig(tasks.SetComplementConfig(24), MODEL, TRAINING)
CLOSED = rp.grid(closed_form=["rms", "layer"])
GRID = {"rate": [1e-3, 3e-3], "norm": ["none", "pre", "post"], "steps": [3000]}
PARTS = {
    "smoke": CLOSED + rp.grid(rate=[1e-3], norm=["post"], seed=[0], steps=[20]),
    "cpu": CLOSED + rp.grid(**GRID, seed=range(5)),
    "gpu": CLOSED + rp.grid(**GRID, seed=range(10)),
}


def run(part):
    """Train and measure; or measure explicit weights beside the formula."""
    import jax

    if "norm" in part:
        model, hparams = {"norm": part["norm"]}, {"learning_rate": part["rate"]}
        result = rp.train_variant(EXPERIMENT, part, model=model, hparams=hparams)
        return rp.label(result.rows(), part, kind="trained")
    construction, task = theory.PostNorm(16, norm_kind=part["closed_form"]), tasks.SetComplement(16)
    found = evaluation.evaluate(task, construction.build(), seen=1, key=jax.random.key(0))
    about = {"kind": f"closed form, {part['closed_form']}"}
    return [
        about | {"length": n, "displacement": x, "formula": construction.displacement(n)}
        for n, x in found.column("displacement").items()
    ]


def judge(rows):
    """The rule on raw weights, rate by rate; averages and the formula beside it."""
    words, effects = [], []
    for rate, own in rp.group(rp.select(rows, temperature="given"), "rate").items():
        means, over, raw = [], {}, rp.select(own, weights="raw")
        for norm, one in rp.group(own, "norm").items():
            found = {w: rp.unseen_mean(one, "itr", weights=w) for w in rp.group(one, "weights")}
            means.append(f"{norm} " + ", ".join(f"{w} {x:.3f}" for w, x in found.items()))
            if norm != "post":
                over[norm] = rp.compare(raw, "itr", norm=("post", norm), comparisons=4)
        said = ", ".join(f"over {norm} {one.text}" for norm, one in over.items())
        words.append(f"At the rate {rate:g}: {'; '.join(means)}; post-norm, raw, {said}")
        effects.append(list(over.values()))
    formula = max(abs(row["displacement"] / row["formula"] - 1) for row in rows if "formula" in row)
    return rp.decide(
        f"ITR beyond the training length, mean of the seeds. {'. '.join(words)}. The closed form and the "
        f"model agree within {formula:.1g} at every length.",
        headline=f"post-norm over pre-norm {' and '.join(one[-1].text for one in effects if one)}",
        holds=formula < 1e-3 and all(x.lowers and x.below_all for one in effects for x in one),
        refuted=all(any(x.raises for x in one) for one in effects),
    )


def figures(rows):
    """ITR by length, a panel for each rate and norm placement."""
    given = rp.group(rp.select(rows, temperature="given"), "norm", "rate").items()
    return {"itr": report.plot_seeds({f"{n}, rate {r:g}": own for (n, r), own in given}, "itr")}


CLAIM = rp.claim_of(__doc__, PARTS, run, judge, figures=figures, version=2, tolerance=0.2)
