"""C7. The best models of the search solve the task

    lengthwise reproduce C7 --budget cpu        # about 2 core minutes, no GPU

Paper: The table of the best models by random search: "we do not display ITR values as they are below 5e-4
in all cases" (caption).

Rule: Of the three best configurations of the search, each made again with 5 fresh seeds: the claim holds if
all have an illegal token rate below 5e-4 at every length up to v - 1 in every seed; it is undecided if one
or two have, and does not hold if none has. Values as selected do not decide, as the best of many is too
good; nor does the preset `solved`, which is none of the search.

Differs: v = 16 with T = 5 in the search and T = 8 in the preset, which is trained on exact targets. The
replicates were known when this rule was written.

Expected (docs/results.md): largest ITR over all lengths at least 0.0028 for each of the three; for `solved`
at most 1.3e-4 in 5 of 5 seeds (3.1e-4 by proof), 0.18 without a norm, 0.014 with sampled tokens.
"""

import pathlib

from lengthwise import cli, report, reproduce as rp, theory


RECORD = pathlib.Path(__file__).parent / "records" / "sweep_default"
PRESET, PRIMARY, BOUND = cli.PRESETS["solved"], "log_tv_unseen", 5e-4
MODELS = {
    "solved": {},
    "solved, with residual": {"residual": True},
    "solved, pre-norm": {"norm": "pre", "residual": True},
    "solved, no norm": {"norm": "none", "residual": True},
    "solved, sampled": {},
}
TABLE = rp.grid(table=["search"])
PARTS = {"smoke": TABLE + rp.grid(model=["solved"], seed=[0], steps=[100])}
PARTS["cpu"] = PARTS["gpu"] = TABLE + rp.grid(model=MODELS, seed=range(5, 10), steps=[10000])


def run(part):
    """The best trial of each shape, and all replicates; or a variant of the preset, certified."""
    if "table" in part:
        trials = report.read_trials(RECORD).trials
        shapes = rp.group([errors(one, name) for one in trials for name in one["weights"]], "model")
        best = [min(own, key=lambda row: row[PRIMARY]) for own in shapes.values()]
        return best + [errors(one, one["of_weights"]) for one in report.read_replicates(RECORD)]
    hparams = {"exact_loss": float("sampled" not in part["model"]), "averages": ()}
    result = rp.train_variant(PRESET, part, model=MODELS[part["model"]], hparams=hparams)
    itr = result.evaluations["raw"].column("itr")
    proved = max(row.itr for row in theory.certify(result.models["raw"]).lengths)
    found = {"worst_itr": max(itr.values()), "itr_longest": itr[15], "itr_proved": proved}
    return rp.label([found], part, list(found), fresh=True)


def errors(line, weights):
    """Of a trial or a replicate of the search's record, with one set of weights."""
    found, of = line["weights"][weights], line["params"]
    shape = f"{of['model.layers']} layers, width {of['model.width']}, {of['model.norm']}"
    model, itr = f"trial {line['of']}" if "of" in line else shape, found["by_length"]["itr"]
    row = {"model": model, "fresh": "of" in line, "seed": line["seed"], "weights": weights}
    return row | {"worst_itr": max(itr), "itr_longest": itr[-1], PRIMARY: found[PRIMARY]}


def judge(rows):
    """Whether the search's best, made again, are below the bound; the preset stands beside them."""
    fresh, chosen = (rp.select(rows, fresh=kind) for kind in (True, False))
    itr = {name: rp.columns(own)["worst_itr"] for name, own in rp.group(fresh, "model").items()}
    low = {name: [value < BOUND for value in own] for name, own in itr.items()}
    said = [f"{n}: {min(x):.2g} to {max(x):.2g}, {sum(low[n])} of {len(x)}" for n, x in itr.items()]
    proved = [row["itr_proved"] for row in rp.select(fresh, model="solved")]
    solved = [all(own) for name, own in low.items() if name.startswith("trial ")]
    return rp.decide(
        f"Largest ITR over all lengths, range over fresh seeds and how many are below {BOUND:g}: "
        f"{'; '.join(said)}. Of the best trials of the {len(chosen)} shapes of the search as they were "
        f"selected, {sum(row['worst_itr'] < BOUND for row in chosen)} are below. For any sequence, the "
        f"ITR of `solved` is proved to be at most {max(proved):.2g}.",
        headline=f"{sum(solved)} of the {len(solved)} best configurations are below {BOUND:g} everywhere",
        holds=all(solved),
        refuted=not any(solved),
    )


config = lambda part: None if "table" in part else PRESET
CLAIM = rp.claim_of(__doc__, PARTS, run, judge, config=config, tolerance=0.5)
