"""Small synthetic run directories."""

import json
import math
import pathlib

import lengthwise._core as core


T = 3
LENGTHS = range(1, 8)
METRICS = ("itr", "tv", "kl", "top1_illegal", "log_spread", "displacement", "separation")
CONFIG = {
    "schema": 1,
    "task": {"class": "lengthwise.tasks:SetComplement", "fields": {"vocab_size": 8}},
    "hparams": {
        "class": "lengthwise.training:Hparams",
        "fields": {
            "learning_rate": 0.001,
            "averages": [{"class": "lengthwise.training:EMA", "fields": {"decay": 0.9}}],
        },
    },
}


def evaluation_rows(names=("raw", "EMA_decay0.9"), factor=1.0):
    """Rows like those of `evaluation.csv`; the average has 0.8 of the raw rate."""
    rows = []
    for name in names:
        for temperature in ("given", "fitted"):
            for s in LENGTHS:
                itr = factor * s / 10 * (1 if name == "raw" else 0.8)
                row = {"weights": name, "temperature": temperature, "inverse_temperature": 1.0}
                row |= {"length": s, "seen": s <= T, "inputs": 64, "exhaustive": s < 2}
                for metric in METRICS:
                    value = 6 / s if metric == "displacement" else itr
                    if metric == "separation" and s == LENGTHS[-1]:
                        value = math.nan
                    spread = 0 if s < 2 else value / 10
                    row |= {metric: value, f"{metric}_low": value - spread}
                    row |= {f"{metric}_high": value + spread, f"{metric}_min": value / 2}
                    row[f"{metric}_max"] = value * 2
                row |= {"separated": 0.5, "separated_low": 0.4, "separated_high": 0.6}
                rows.append(row | {"chance_itr": s / 8, "chance_tv": s / 8, "chance_kl": s / 3})
    return rows


def history_rows(names=("raw", "EMA_decay0.9")):
    return [
        {"step": step, "weights": name, "length": s, "seen": s <= T}
        | {metric: s / (10 + step) for metric in METRICS}
        for step in (0, 50, 100)
        for name in names
        for s in LENGTHS
    ]


def write_run(
    path: pathlib.Path, *, status="completed", evaluation=True, history=True, factor=1.0, rate=0.001
) -> pathlib.Path:
    """A run directory; `status` "under way" writes no record."""
    files = core.RunFiles(path)
    config = json.loads(json.dumps(CONFIG))
    config["hparams"]["fields"]["learning_rate"] = rate
    core.write_json(files.config, config)
    steps = [
        {"step": i + 1, "loss": 2 + 1 / (i + 1), "grad_norm": 1 / (i + 1), "learning_rate": 1e-3}
        for i in range(100)
    ]
    core.append_lines(files.metrics, steps)
    rows = evaluation_rows(factor=factor)
    if evaluation:
        core.write_csv(files.evaluation, rows)
    if history:
        core.write_csv(files.history, history_rows())
    if status != "under way":
        record = {"status": status, "message": f"said <b>{status}</b>", "steps": 100, "seen": T}
        record |= {"initial_mass": {"raw": 0.0, "EMA_decay0.9": 0.1}, "device": "1 x cpu (cpu)"}
        record |= {"versions": {"jax": "0"}, "commit": None, "compilations": {"chunk": 1}}
        core.write_json(files.record, record)
    return path
