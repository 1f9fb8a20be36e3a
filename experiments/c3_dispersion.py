"""C3. Dispersion erodes the separation

    lengthwise reproduce C3 --budget cpu        # about 6 core minutes, no GPU

Paper: Softmax compresses the logit displacement as sequences grow (attention dispersion), which erodes the
separation of valid from invalid tokens (abstract).

Rule: For each model, from the training length 8 to the longest, 15: the t interval of the mean log ratio of
the displacement over 3 seeds is below 1, that of the effective number of attended tokens is above 1, and
the separation is lower in every seed. The claim holds if all three are so for every depth from 1 to 4
layers and for the attention-only model; it does not hold if for every one of them the first interval is
above 1 or the second below 1; else it is undecided.

Differs: v = 16, T = 8, width 64, 3,000 steps; the paper's sizes and its measure of dispersion are not known
to us in detail. With the budget gpu there are 10 seeds.

Expected (docs/results.md): displacement times 0.99 (0.91 to 1.07) with 1 layer, 0.82 to 0.86 with 2 to 4,
0.53 with attention only; separation lower in 3 of 3 seeds of each depth, in 0 of 3 with attention only.
"""

import numpy as np

import lengthwise as lw
from lengthwise import evaluation, report, reproduce as rp, tasks, training


SEEN, LONGEST, TASK = 8, 15, tasks.SetComplementConfig(16)
MODELS = {f"{n} layers": lw.TransformerConfig(layers=n, heads=4, width=64) for n in (1, 2, 3, 4)}
MODELS |= {"attention only": lw.minimal_config(16)}
TRAINING = lw.TrainingConfig(lengths='lengthwise.tasks:FixedLength {"max_length": 8}')
KEPT = "weights length seen temperature displacement separation separated itr tv".split()
DRAWN = ("displacement", "effective", "separation")
PARTS = {
    "smoke": rp.grid(model=["1 layers"], seed=[0], steps=[20]),
    "cpu": rp.grid(model=MODELS, seed=range(3), steps=[3000]),
    "gpu": rp.grid(model=MODELS, seed=range(10), steps=[3000]),
}


def run(part):
    """Train, and measure the logits and the attention at every length."""
    import jax

    experiment = training.ExperimentConfig(TASK, MODELS[part["model"]], TRAINING)
    result = rp.train_variant(experiment, part, hparams={"learning_rate": 2e-3, "averages": ()})
    model, key = result.models["raw"], jax.random.key(part["seed"])
    heads = evaluation.attention_dispersion(TASK.build(), model, seen=SEEN, key=key).rows
    rows = rp.label(rp.select(result.rows(), temperature="given"), part, KEPT)
    for row in rows:
        own = rp.columns(rp.select(heads, length=row["length"]))
        row |= {name: float(np.mean(own[name])) for name in ("entropy", "effective")}
    return rows


def judge(rows):
    """The rule, model by model."""
    words, held, refuted = [], [], []
    for model, own in rp.group(rows, "model").items():
        short, long = (rp.columns(rp.select(own, length=length)) for length in (SEEN, LONGEST))
        # A displacement that is no longer positive is eroded as far as a ratio can say.
        ratio = rp.paired_ratio(np.maximum(long["displacement"], 1e-3), short["displacement"])
        tokens = rp.paired_ratio(long["effective"], short["effective"])
        lost = np.less(long["separation"], short["separation"])
        held.append(ratio.lowers and tokens.raises and lost.all())
        refuted.append(ratio.raises or tokens.lowers)
        words.append(
            f"{model}: displacement times {ratio.ratio:.2f} ({ratio.low:.2f} to {ratio.high:.2f}), "
            f"attended tokens {tokens.theirs:.1f} to {tokens.ours:.1f}, separation lower in "
            f"{lost.sum()} of {lost.size}"
        )
    text = f"From length {SEEN} (T) to {LONGEST}. {'; '.join(words)}."
    headline = f"displacement, attention and separation erode in {sum(held)} of {len(held)} models"
    return rp.decide(text, headline=headline, holds=all(held), refuted=all(refuted))


def figures(rows):
    """Displacement, attended tokens and separation by length, a figure each."""
    return {name: report.plot_seeds(rp.group(rows, "model"), name) for name in DRAWN}


CLAIM = rp.claim_of(__doc__, PARTS, run, judge, figures=figures, tolerance=0.2)
