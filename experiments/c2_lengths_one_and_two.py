"""C2. Does balance at lengths 1 and 2 imply longer lengths, with precision 2/s?

    lengthwise reproduce C2 --budget cpu        # about 2 core minutes, no GPU

The theory's model, v = d = 16, one head, trained on lengths 1 and 2 only with the exact loss and with
sampled tokens, 5 seeds each, and certified at every length. Expected: under the exact loss the certified
illegal token rate is below chance at every length up to 15 in 5 of 5 seeds, and 3 of 5 are proved to
separate legal from illegal at every length. Seed 2 has a token with r = -2.2 and so a horizon, at length
9; seed 3 merged two tokens (B + D of rank v - 2). With sampled tokens the proof ends between 3 and 6.
"""

import lengthwise as lw
from lengthwise.reproduce import Claim, Verdict


VOCAB, WIDTH, SEEN, SEEDS = 16, 16, 2, 5
LOSSES = {"exact": 1.0, "sampled": 0.0}


def parts(budget):
    """A loss and a seed; smoke trains 100 steps of one, gpu has more seeds."""
    if budget == "smoke":
        return [{"loss": "exact", "seed": 0, "steps": 100}]
    seeds = 50 if budget == "gpu" else SEEDS
    return [{"loss": loss, "seed": s, "steps": 3000} for loss in LOSSES for s in range(seeds)]


def run(part):
    """Train on lengths 1 and 2, certify, and measure."""
    import jax.random as jr

    from lengthwise.theory import certify

    hparams = lw.Hparams(
        learning_rate=1e-2, weight_decay=0.0, cosine=1.0, exact_loss=LOSSES[part["loss"]], averages=()
    )  # fmt: skip
    training = lw.TrainingConfig(
        steps=part["steps"], batch_size=128, lengths=lw.FixedLength(SEEN), evaluate_every=0,
        checkpoint_every=0,
    )  # fmt: skip
    task, (key, model_key) = lw.SetComplement(VOCAB), jr.split(jr.key(part["seed"]))
    model = lw.minimal_config(WIDTH).build(task.sizes, key=model_key)
    result = lw.train(task, model, training, hparams, key=key)
    measured = {
        r["length"]: r for r in result.evaluations["raw"].rows if r["temperature"] == "given"
    }
    about = {"loss": part["loss"], "seed": part["seed"]}
    rows = []
    for row in certify(result.models["raw"]).rows():
        found = measured[row["length"]]
        names = ("seen", "itr", "itr_low", "itr_high", "displacement", "separation_min")
        rows.append(about | row | {f"measured_{name}": found[name] for name in names})
    return rows


def judge(rows):
    """The rule, under the exact loss; sampled tokens beside it."""
    words, numbers = [], {}
    for loss in LOSSES:
        runs = {}
        for row in rows:
            if row["loss"] == loss:
                runs.setdefault(row["seed"], []).append(row)
        if not runs:
            continue
        below = sum(all(r["itr"] < r["chance"] for r in run) for run in runs.values())
        proved = sum(all(r["margin"] > 0 for r in run) for run in runs.values())
        ends = [
            next((r["length"] - 1 for r in run if r["margin"] <= 0), run[-1]["length"])
            for run in runs.values()
        ]
        law = [
            r["measured_displacement"] / (2 / r["length"] * run[1]["measured_displacement"])
            for run in runs.values()
            for r in run[2:]
        ]
        numbers[loss] = {"seeds": len(runs), "below": below, "proved": proved, "ends": ends}
        numbers[loss] |= {"law_low": min(law), "law_high": max(law)}
        words.append(
            f"{loss} loss: certified ITR below chance at every length in {below} of {len(runs)} "
            f"seeds, every length proved separated in {proved}, proof reaching lengths {min(ends)} to "
            f"{max(ends)}; mean displacement over 2/s of that at length 2: {min(law):.2f} to {max(law):.2f}"
        )
    one = numbers["exact"]
    verdict = "undecided"
    if one["below"] == one["seeds"] and 2 * one["proved"] > one["seeds"]:
        verdict = "holds"
    elif one["proved"] == 0 and min(one["ends"]) <= SEEN:
        verdict = "does not hold"
    return Verdict(verdict, f"Trained on lengths 1 and 2. {'. '.join(words)}.", numbers)


def figures(rows):
    """Worst margin and illegal token rate by length, proved and measured, of seed 0."""
    from lengthwise.report import plot_certificate

    shown, means, law = {}, {}, {}
    for loss in LOSSES:
        own = [r for r in rows if (r["loss"], r["seed"]) == (loss, 0)]
        if not own:
            continue
        name, prefix = f"{loss} loss", "measured_"
        shown[name], law[name] = own, own[1]["measured_displacement"]
        means[name] = [
            {
                n.removeprefix(prefix): v
                for n, v in r.items()
                if n.startswith(prefix) or n == "length"
            }
            for r in own
        ]
    return {"certificate": plot_certificate(shown, measured=means, law=law, seen=SEEN)}


CLAIM = Claim(
    name="C2",
    title="Lengths 1 and 2 decide the longer ones",
    paper="Balanced logit displacement at lengths 1 and 2 implies longer lengths, with precision reduced "
    "to 2/s (abstract, section 4).",
    rule="Of models trained on lengths 1 and 2 with the exact loss: the claim holds if in every seed the "
    "certified worst-case ITR is below chance at every length up to v - 1, and in more than half of the "
    "seeds every length is proved to separate legal from illegal tokens. It does not hold if no seed is "
    "proved to separate every length and one is refuted at a training length; else it is undecided.",
    differs="A certificate for all sequences in place of a sample; v = d = 16.",
    parts=parts,
    run=run,
    judge=judge,
    figures=figures,
    tolerance=0.2,
)
