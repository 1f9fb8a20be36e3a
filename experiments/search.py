"""The random search: what dropout and averaging do to the error at unseen lengths.

Claims (arXiv 2510.08341, abstract): dropout counters attention dispersion, averaging counters noisy
updates, both by random hyperparameter search. The default search: 100 random configurations (v = 16,
T = 5, 4000 steps; width, layers, norm placement, learning rate, weight decay, dropout, schedule, loss)
and for each its twin without dropout, with the same seed. The second search: 100 and their twins of the
theory's models, one attention-only layer without norms. How both are judged was written before the
searches were run (`lengthwise.report`, `_sweep_verdict`). Expected, by this rule:

- default: dropout undecided (it raises the error in five of six cells of rate and width, and is
  found to lower it in none); averaging holds.
- attention-only: dropout does not hold; averaging undecided.

    .venv/bin/python experiments/search.py        # from the records, 20 s

The records were made by the following, and any three of their trials are run again by the last two:

    lengthwise sweep run default --seed 0 --out sweeps/default                # 78 min on 2 shared cores
    lengthwise sweep run attention-only --seed 0 --out sweeps/attention-only  # 12 min
    lengthwise sweep replicate sweeps/default
    lengthwise sweep check experiments/records/sweep_default
    lengthwise sweep check experiments/records/sweep_attention_only

They hold space.json and trials.jsonl.gz of each; the seed of a trial and the table of all are a function
of the seed 0. Writes effects.csv beside them. Exits 1 if a verdict is not the one expected.
"""

import pathlib

from lengthwise._core import write_csv
from lengthwise.report import effects_table, read_trials, sweep_effects, verdicts


RECORDS = pathlib.Path(__file__).parent / "records"
EXPECTED = {
    "sweep_default": ["undecided", "holds"],
    "sweep_attention_only": ["does not hold", "undecided"],
}


def main() -> None:
    """Test every contrast of both records, print the tables and the verdicts, write effects.csv."""
    as_expected = True
    for name, expected in EXPECTED.items():
        sweep = read_trials(RECORDS / name)
        rows = sweep_effects(sweep)
        judged = verdicts(rows)
        print(f"\n{name}: {sweep.counts()}\n{effects_table(rows)}")
        for verdict in judged:
            print(f"\n{verdict['text']}")
        write_csv(RECORDS / name / "effects.csv", rows)
        as_expected &= [verdict["verdict"] for verdict in judged] == expected
    raise SystemExit(0 if as_expected else 1)


if __name__ == "__main__":
    main()
