"""Synthetic trials of a sweep, with effects that are known."""

import json
import math
import pathlib

import numpy as np


T = 4
LENGTHS = range(1, 11)
AVERAGES = ("EMA_decay0.99", "BEMA")


def make_trials(
    draws=40,
    *,
    seed=0,
    dropout=lambda rate, width: 0.0,
    averaging=lambda exact: 0.0,
    mediator=lambda rate, width: 0.0,
    noise=0.3,
    gradient=lambda exact, rate: -1.5 * exact,
    follows=lambda gradient, rate: 0.0,
):
    """Trials and their twins.

    `dropout` and `averaging` are the true medians of the log ratios of total variation; `mediator`
    is that of the displacement ratio under dropout, `gradient` that of the log gradient noise. `follows`
    adds to the benefit of averaging, from the logs of gradient noise and learning rate.
    """
    rng, gradients = np.random.default_rng(seed), np.random.default_rng([seed, 1])
    trials = []
    for draw in range(draws):
        rate = float(rng.uniform(0.01, 0.45))
        width = int(rng.choice([64, 256]))
        params = {"model.width": width, "model.norm": str(rng.choice(["pre", "post"]))}
        params |= {"hparams.learning_rate": float(10 ** rng.uniform(-4, -2.3))}
        params |= {"hparams.cosine": float(rng.integers(2))}
        params |= {"hparams.exact_loss": float(rng.integers(2))}
        base, drift = rng.normal(-1.5, 0.8), rng.normal(0, 0.2)
        averaged = [rng.normal(averaging(params["hparams.exact_loss"]), noise) for _ in AVERAGES]
        rate_log = math.log(params["hparams.learning_rate"])
        gradient_log = gradients.normal(gradient(params["hparams.exact_loss"], rate_log), 0.8)
        averaged = [effect - follows(gradient_log, rate_log) for effect in averaged]
        for twin in (False, True):
            treated = 0.0 if twin else rng.normal(dropout(rate, width), noise)
            ratio = drift + (0.0 if twin else rng.normal(mediator(rate, width), noise))
            logs = [base + treated, *(base + treated + effect for effect in averaged)]
            trials.append(
                {
                    "trial": 2 * draw + twin,
                    "draw": draw,
                    "twin": twin,
                    "shape": f"width{width}",
                    "seed": 100 + draw,
                    "status": "completed",
                    "message": "",
                    "seconds": 1.5,
                    "params": params | {"hparams.dropout.residual": 0.0 if twin else rate},
                    "weights": {
                        name: _weights(float(log), float(ratio))
                        for name, log in zip(("raw", *AVERAGES), logs, strict=True)
                    },
                    "mediators": {
                        "effective_tokens": [float(s) ** 0.9 for s in LENGTHS],
                        "displacement_ratio": _ratios(float(ratio)),
                        "gradient_noise": math.exp(gradient_log + (0.1 if twin else -0.1)),
                    },
                    "traces": 1,
                }
            )
    return trials


def _weights(log, ratio):
    tv = [math.exp(log) * (0.1 if s <= T else 1.0) for s in LENGTHS]
    by_length = {"length": list(LENGTHS), "tv": tv, "itr": [v / 2 for v in tv]}
    by_length |= {"separation": [-log] * len(tv), "tv_fitted": tv, "itr_fitted": tv}
    by_length |= {"displacement": [3 * r for r in _ratios(ratio)]}
    values = {"log_tv_unseen": log, "itr_unseen": math.exp(log) / 2, "separation_unseen": -log}
    values |= {"log_tv_unseen_fitted": log - 0.1, "itr_unseen_fitted": math.exp(log) / 3}
    return values | {"by_length": by_length}


def _ratios(ratio):
    return [T / s * math.exp(ratio) if s > T else 1.0 + 0.5 * (T - s) for s in LENGTHS]


def diverged(trial):
    """The same trial as one that diverged."""
    return trial | {
        "status": "diverged",
        "message": "<b>not finite</b> after 12 steps",
        "weights": {},
        "mediators": {},
    }


def write_sweep(directory: pathlib.Path, trials) -> pathlib.Path:
    directory.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(trial) + "\n" for trial in trials)
    (directory / "trials.jsonl").write_text(text)
    return directory
