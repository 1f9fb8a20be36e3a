"""Where dropout helps: it keeps attention from collapsing onto one token.

The default search (experiments/search.py) finds no cell in which dropout lowers the error. But two of
its three best configurations have dropout (trials 56 and 120: one layer, width 256, pre-norm, rates
near 0.01, exact loss), and their twins without it are among the worst: each head attends to one token. That
was seen in the record, so it is tested here with the fresh seeds of the replicates: the same rows with
dropout switched off. Expected: at the rate 0.37 (trial 56) dropout lowers the total variation at unseen
lengths in 5 of 5 pairs, from 0.47 to 0.006 (ITR from 0.53 to below 5e-4), and without it the last token
of 15 attends to 1.0 tokens instead of 14.9: the opposite of dispersion. At the rate 0.013 (trial 120)
it does not help: the twin's collapse was the luck of a seed.

    .venv/bin/python experiments/dropout_helps.py        # about 8 minutes on one core, no GPU

Reads experiments/records/sweep_default, writes experiments/records/dropout_helps.csv. Exits 1 if a
pair of trial 56 is the other way round.
"""

import pathlib
import sys

from lengthwise._core import write_csv
from lengthwise.report import read_replicates
from lengthwise.sweep import SearchSpace, read_space, recorded_row, run_trial, twin_of


RECORD = pathlib.Path(__file__).parent / "records" / "sweep_default"
TRIALS = (56, 120)


def measures(result: dict) -> dict:
    """The total variation and the attention of the raw weights."""
    raw, last = result["weights"]["raw"], result["weights"]["raw"]["by_length"]["length"][-1]
    return {
        "log_tv_unseen": raw["log_tv_unseen"],
        "itr_unseen": raw["itr_unseen"],
        "longest": last,
        "effective_tokens": result["mediators"]["effective_tokens"][-1],
        "displacement_ratio": result["mediators"]["displacement_ratio"][-1],
    }


def pairs(space: SearchSpace) -> list[dict]:
    """Every replicate with dropout beside the same one without."""
    rows = []
    for replicate in read_replicates(RECORD):
        if replicate["of"] in TRIALS:
            row = recorded_row(space, replicate | {"trial": replicate["of"]})
            about = {"of": replicate["of"], "seed": row.seed}
            twin = run_trial(space, twin_of(row))
            for dropout, result in ((True, replicate), (False, twin)):
                rows.append(about | {"dropout": dropout} | measures(result))
            print(rows[-2], rows[-1], sep="\n", flush=True)
    return rows


def main() -> None:
    """Run the twins, print and write the record."""
    rows = pairs(read_space(RECORD / "space.json"))
    write_csv(RECORD.parent / "dropout_helps.csv", rows)
    better = dict.fromkeys(TRIALS, 0)
    for drop, twin in zip(rows[::2], rows[1::2], strict=True):
        better[drop["of"]] += drop["log_tv_unseen"] < twin["log_tv_unseen"]
    print("pairs in which dropout lowers the total variation, by trial:", better)
    sys.exit(0 if better[TRIALS[0]] == sum(row["of"] == TRIALS[0] for row in rows) // 2 else 1)


if __name__ == "__main__":
    main()
