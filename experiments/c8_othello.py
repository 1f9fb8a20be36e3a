"""C8. OthelloGPT: does averaging the weights improve the moves beyond the training length?

    lengthwise reproduce C8 --budget cpu        # about 75 core minutes, no GPU

6x6 boards, trained on the first 16 of 32 moves at a constant rate: preset `othello` (pre-norm with
rotary positions, which have a meaning beyond the training length) with 6 seeds, and `othello-gpt1`
(GPT-1 as it stands, post-norm, learned positions, which have none) with 3. Expected: docs/results.md.
"""

import dataclasses

from lengthwise.cli import PRESETS
from lengthwise.reproduce import Claim, Verdict, by_seed, paired_ratio, ratio_text


SEEDS = {"othello": 6, "othello-gpt1": 3}
KEPT = ("length", "seen", "inputs", "temperature", "itr", "itr_low", "itr_high", "chance_itr")
KEPT += ("top1_illegal", "chance_top1_illegal", "tv", "chance_tv", "separated", "coverage")


def parts(budget):
    """A preset and a seed; smoke has one small layer, gpu the published board and model."""
    if budget == "gpu":
        return [{"preset": "othello8", "seed": seed} for seed in range(3)]
    seeds = dict.fromkeys(SEEDS, 1) if budget == "smoke" else SEEDS
    small = {"smoke": True} if budget == "smoke" else {}
    return [{"preset": p, "seed": s} | small for p, count in seeds.items() for s in range(count)]


def run(part):
    """Train, and measure every set of weights after every move."""
    import lengthwise as lw
    from lengthwise.training import build_experiment

    experiment = dataclasses.replace(PRESETS[part["preset"]], seed=part["seed"])
    training = dataclasses.replace(experiment.training, evaluate_every=0, checkpoint_every=0)
    if "smoke" in part:
        model = dataclasses.replace(experiment.model, layers=1, width=16)
        experiment = dataclasses.replace(experiment, model=model)
        few = lw.EvaluationConfig(examples=64, batch_size=64)
        training = dataclasses.replace(training, steps=20, chunk_steps=10, evaluation=few)
    task, model, key = build_experiment(experiment)
    result = lw.train(task, model, training, experiment.hparams, key=key)
    about = {name: part[name] for name in ("preset", "seed")}
    return [about | {n: row[n] for n in ("weights", *KEPT)} for row in result.rows()]


def judge(rows):
    """The rule, and the numbers of every preset, average and temperature."""
    averages = [name for name in dict.fromkeys(row["weights"] for row in rows) if name != "raw"]
    numbers, words = {}, []
    for preset in dict.fromkeys(row["preset"] for row in rows):
        said = []
        for name in averages:
            for kind in ("given", "fitted"):
                ours, raw = (
                    by_seed(rows, "itr", preset=preset, temperature=kind, weights=w)
                    for w in (name, "raw")
                )
                found = paired_ratio(ours, raw, comparisons=len(averages))
                numbers[f"{preset} {name} {kind}"] = found
            as_it_is, fitted = (numbers[f"{preset} {name} {k}"] for k in ("given", "fitted"))
            said.append(
                f"{name} {ratio_text(as_it_is)}, {fitted['ratio']:.3g} at the fitted temperature"
            )
        words.append(f"`{preset}`, raw {as_it_is['theirs']:.3f}: {'; '.join(said)}")
    headline = next(row["preset"] for row in rows if row["preset"] != "othello-gpt1")
    of = [numbers[f"{headline} {name} given"] for name in averages]
    holds = any(one["below"] == one["seeds"] and one["high"] < 1 for one in of)
    some = any(one["ratio"] < 1 for one in of)
    text = f"ITR beyond the training length, average over raw. {'. '.join(words)}."
    return Verdict("holds" if holds else "undecided" if some else "does not hold", text, numbers)


def figures(rows):
    """ITR by move, mean and range over the seeds, a panel for each preset."""
    from lengthwise.report import plot_seeds

    given = [row for row in rows if row["temperature"] == "given"]
    presets = dict.fromkeys(row["preset"] for row in rows)
    groups = {preset: [row for row in given if row["preset"] == preset] for preset in presets}
    return {"itr": plot_seeds(groups, "itr", length="moves read")}


CLAIM = Claim(
    name="C8",
    title="OthelloGPT: averaging improves later moves",
    paper="Exponential moving averages improve the length generalization of a GPT-1 style model "
    "trained on random Othello games cut short (abstract, and the section on OthelloGPT).",
    rule="With the preset `othello`, for each average: its ITR over that of the raw weights of the "
    "same run, each the mean over the moves beyond the training length. The claim holds if for some "
    "average the ratio is below 1 in every seed and the t interval of the mean log ratio (95 % for "
    "both averages together) is below 1; it does not hold if no average has a mean ratio below 1; "
    "else it is undecided. The ratio at the temperature that fits the seen moves best stands beside "
    "it and does not decide.",
    differs="6x6 boards in place of 8x8, 4 layers of width 128, 8,000 steps of 64 games. The headline "
    "model is pre-norm with rotary positions; GPT-1's own shape stands beside it. How the paper "
    "measures by move is not known to us in detail: ITR, total variation, top-1 illegality and "
    "coverage are recorded.",
    parts=parts,
    run=run,
    judge=judge,
    figures=figures,
    config=lambda part: PRESETS[part["preset"]],
    tolerance=0.2,
)
