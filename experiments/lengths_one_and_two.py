"""The theorem's figure: minimal models trained on lengths 1 and 2 only, certified at every length.

Claim (arXiv 2510.08341, section 4): balanced displacement at lengths 1 and 2 carries over to longer
lengths with precision 2/s. Here v = d = 16, one head, trained with the exact loss and with sampled
tokens. Expected: under the exact loss every length is proved solved, with an illegal token rate
below chance at every length up to 4, twice the training length, in each seed.

    .venv/bin/python experiments/lengths_one_and_two.py        # about 2 minutes on 2 cores, no GPU

Writes experiments/records/lengths_one_and_two.csv and docs/figures/certificate.svg. Exits 1 if the
claim fails for the exact loss.
"""

import pathlib

import jax.random as jr

import lengthwise as lw
from lengthwise._core import write_csv
from lengthwise.report import plot_certificate
from lengthwise.theory import certify


ROOT = pathlib.Path(__file__).parents[1]
VOCAB, WIDTH, SEEN, SEEDS = 16, 16, 2, range(3)
TRAINING = lw.TrainingConfig(
    steps=6000,
    batch_size=256,
    lengths=lw.FixedLength(SEEN),
    evaluate_every=0,
    checkpoint_every=0,
)


def run(seed: int, exact_loss: float) -> lw.RunResult:
    """A minimal model trained on lengths 1 and 2."""
    hparams = lw.Hparams(
        learning_rate=1e-2, weight_decay=0.0, cosine=1.0, exact_loss=exact_loss, averages=()
    )
    task, config = lw.SetComplement(VOCAB), lw.minimal_config(WIDTH)
    return lw.train(task, config, TRAINING, hparams, key=jr.key(seed))


def main() -> None:
    """Train, certify, print, write the record and the figure."""
    rows, proved, shown, means, law = [], 0, {}, {}, {}
    for loss, share in (("exact", 1.0), ("sampled", 0.0)):
        for seed in SEEDS:
            result = run(seed, share)
            certificate = certify(result.models["raw"])
            evaluation = result.evaluations["raw"]
            mean, measured = evaluation.column("itr"), evaluation.column("displacement")
            for row in certificate.rows():
                rows.append({"loss": loss, "seed": seed} | row)
                rows[-1] |= {"mean_itr": mean[row["length"]]}
                rows[-1] |= {"mean_displacement": measured[row["length"]]}
            below = all(row.itr < row.chance for row in certificate.lengths[: 2 * SEEN])
            proved += loss == "exact" and below
            print(f"{loss:8s} seed {seed}: {certificate.summary()}")
            if seed == 0:
                name = f"{loss} loss"
                shown[name], law[name] = certificate.rows(), measured[2]
                means[name] = [r for r in evaluation.rows if r["temperature"] == "given"]
    write_csv(ROOT / "experiments/records/lengths_one_and_two.csv", rows)
    figure = plot_certificate(shown, measured=means, law=law, seen=SEEN)
    figure.savefig(ROOT / "docs/figures/certificate.svg", metadata={"Date": None})
    print(f"below chance at every length up to {2 * SEEN}, exact loss: {proved} of {len(SEEDS)}")
    raise SystemExit(0 if proved == len(SEEDS) else 1)


if __name__ == "__main__":
    main()
