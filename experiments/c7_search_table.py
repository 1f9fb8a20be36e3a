"""C7. The random search table: how far do the best models get, made again with fresh seeds?

    lengthwise reproduce C7 --budget cpu        # about 8 core minutes, no GPU

The best of each static shape of the default search (chosen by its error, so too good on average), the
three best of all made again with 5 fresh seeds, and the preset `solved` (one attention-only layer with the
norm after attention and no residual, exact loss) with one thing changed at a time. Expected: `solved` stays
below 5e-4 at every length up to 15 (1.2e-4 measured, at most 3e-4 for any sequence by proof, in 5 of 5
earlier seeds; 5 to 9 are run here); without a norm it is 0.18 at length 15; with sampled tokens 0.014.
"""

import dataclasses
import pathlib

from lengthwise.cli import PRESETS
from lengthwise.reproduce import Claim, Verdict


RECORD = pathlib.Path(__file__).parent / "records" / "sweep_default"
BOUND, SEEDS = 5e-4, range(5, 10)
PRESET = PRESETS["solved"]
MODELS = {
    "solved": {},
    "solved, with residual": {"residual": True},
    "solved, pre-norm": {"norm": "pre", "residual": True},
    "solved, no norm": {"norm": "none", "residual": True},
    "solved, sampled": {},
}


def parts(budget):
    """The table of the search, and the preset's variants; smoke trains 100 steps."""
    if budget == "smoke":
        return [{"table": "search"}, {"model": "solved", "seed": 0, "steps": 100}]
    return [{"table": "search"}] + [
        {"model": m, "seed": s, "steps": 10000} for m in MODELS for s in SEEDS
    ]


def run(part):
    """The search's best by shape and its replicates; or a variant, measured and certified."""
    if "table" in part:
        return search_table()
    import lengthwise as lw
    from lengthwise.theory import certify
    from lengthwise.training import build_experiment

    name, training = part["model"], dataclasses.replace(PRESET.training, steps=part["steps"])
    training = dataclasses.replace(training, evaluate_every=0, checkpoint_every=0)
    exact = float("sampled" not in name)
    experiment = dataclasses.replace(
        PRESET,
        seed=part["seed"],
        model=dataclasses.replace(PRESET.model, **MODELS[name]),
        hparams=PRESET.hparams._replace(exact_loss=exact, averages=()),
    )
    task, model, key = build_experiment(experiment)
    result = lw.train(task, model, training, experiment.hparams, key=key)
    itr = result.evaluations["raw"].column("itr")
    proved = max(row.itr for row in certify(result.models["raw"]).lengths)
    about = {"model": name, "seed": part["seed"], "fresh": True}
    return [about | {"worst_itr": max(itr.values()), "itr_longest": itr[15], "itr_proved": proved}]


def search_table():
    """Each shape's best trial by total variation, and every replicate of the three best."""
    from lengthwise.report import read_replicates, read_trials

    best = {}
    for trial in read_trials(RECORD).trials:
        for weights, found in trial["weights"].items():
            row = one_row(trial, weights, found) | {"fresh": False, "seed": trial["seed"]}
            shape = trial["shape"]
            if shape not in best or row["log_tv_unseen"] < best[shape]["log_tv_unseen"]:
                best[shape] = row
    again = []
    for line in read_replicates(RECORD):
        found = line["weights"][line["of_weights"]]
        row = one_row(line, line["of_weights"], found) | {"model": f"trial {line['of']}"}
        again.append(row | {"fresh": True, "seed": line["seed"]})
    return [*best.values(), *again]


def one_row(trial, weights, found):
    """A trial's errors with one set of weights."""
    params, itr = trial["params"], found["by_length"]["itr"]
    shape = (
        f"{params['model.layers']} layers, width {params['model.width']}, {params['model.norm']}"
    )
    errors = {
        "log_tv_unseen": found["log_tv_unseen"],
        "worst_itr": max(itr),
        "itr_longest": itr[-1],
    }
    return {"model": shape, "weights": weights} | errors


def judge(rows):
    """Whether the search's best, made again, are below the bound; the preset stands beside them."""
    groups = {}
    for row in rows:
        if row["fresh"]:
            groups.setdefault(row["model"], []).append(row["worst_itr"])
    below = {name: sum(x < BOUND for x in values) for name, values in groups.items()}
    chosen = [row["worst_itr"] for row in rows if not row["fresh"]]
    ranges = {n: f"{min(v):.2g} to {max(v):.2g}, {below[n]} of {len(v)}" for n, v in groups.items()}
    said = "; ".join(f"{name}: {found}" for name, found in ranges.items())
    text = (
        f"Largest ITR over all lengths, range over fresh seeds and how many are below {BOUND:g}: {said}. "
        f"Of the best trials of the {len(chosen)} shapes of the search as they were selected, "
        f"{sum(x < BOUND for x in chosen)} are below."
    )
    best = [name for name in groups if name.startswith("trial ")]
    solved = [below[name] == len(groups[name]) for name in best]
    verdict = "holds" if best and all(solved) else "undecided" if any(solved) else "does not hold"
    return Verdict(verdict, text, {"below": below})


CLAIM = Claim(
    name="C7",
    title="The best models of the search solve the task",
    paper='The table of the best models by random search: "we do not display ITR values as they are below '
    '5e-4 in all cases" (caption).',
    rule="Of the three best configurations of the search, each made again with 5 fresh seeds: the "
    "claim holds if all have an illegal token rate below 5e-4 at every length up to v - 1 in "
    "every seed; it is undecided if one or two have, and does not hold if none has. Values as "
    "selected do not decide, as the best of many is too good; nor does the preset `solved`, "
    "which is none of the search.",
    differs="v = 16 with T = 5 in the search and T = 8 in the preset, which is trained on exact "
    "targets. The replicates were known when this rule was written.",
    parts=parts,
    run=run,
    judge=judge,
    config=lambda part: None if "table" in part else PRESET,
    tolerance=0.5,
)
