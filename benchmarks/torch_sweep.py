"""A sweep as a PyTorch and Optuna user who cares about speed would write it: our sweep's peer.

It needs the peer environment (constraints-peer.txt) and neither JAX nor the library; the model and
its training step are those of `torch_peer.py`. Two modes, each with a `plan` that `sweep.py` writes,
each printing one JSON object:

    python torch_sweep.py run --plan plan.json --processes 2 --threads 1 --storage journal.log
    python torch_sweep.py check --plan plan.json --weights w.safetensors --batches b.safetensors \\
        --examples e.safetensors --rows 0 1

`run` completes every trial of the plan. `check` takes the first steps of some of them on given
batches, without dropout, and prints the losses and what the evaluation finds after them.
"""

import argparse
import functools as ft
import itertools as it
import json
import math
import multiprocessing
import os

import optuna
import torch
import torch.nn.functional as F
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from safetensors.torch import load_file

from torch_peer import COMPILE_OPTIONS, EMA, Trainer


CHUNK = 100
"""Steps whose batches are drawn at once."""


class BEMA:
    """A bias-corrected average (arXiv 2508.00180); its value is made when it is asked for."""

    def __init__(self, values, kappa=0.5, eta=0.2, gamma=1.0, rho=10.0):
        self.first = [value.clone() for value in values]
        self.average = [value.clone() for value in values]
        self.values = values
        self.kappa, self.eta, self.gamma, self.rho = kappa, eta, gamma, rho
        self.count = 0

    def update(self, values):
        self.count += 1
        share = (self.rho + self.gamma * self.count) ** -self.kappa
        torch._foreach_lerp_(self.average, values, share)

    def value(self):
        alpha = (self.rho + self.gamma * self.count) ** -self.eta
        moved = torch._foreach_sub(self.values, self.first)
        return torch._foreach_add(self.average, moved, alpha=alpha)


AVERAGES = {"EMA": EMA, "BEMA": BEMA}


def exact_targets(tokens, vocab):
    """The uniform distribution over the tokens that are absent from each prefix."""
    absent = (F.one_hot(tokens, vocab).cumsum(-2) == 0).float()
    return absent / absent.sum(-1, keepdim=True)


def draw_batches(plan, exact):
    """The tokens and labels of many steps, from as many random orders of the vocabulary."""
    vocab, length = plan["model"]["vocab_size"], plan["length"]
    order = torch.rand(CHUNK, plan["batch"], vocab).argsort(-1)
    tokens = order[..., :length]
    return tokens, exact_targets(tokens, vocab) if exact else order[..., 1 : length + 1]


@torch.inference_mode()
def total_variation(model, sequences, vocab):
    """The mean total variation after each prefix of the sequences."""
    p = model(sequences).softmax(-1)
    return (p - exact_targets(sequences, vocab)).abs().sum(-1).mean(0) / 2


def evaluate(trainer, plan, sampled):
    """The total variation of every set of weights at every length, few inputs taken whole."""
    model, vocab = trainer.model.eval(), plan["model"]["vocab_size"]
    exhaustive = 0
    while math.perm(vocab, exhaustive + 1) <= plan["exhaustive_inputs"]:
        exhaustive += 1
    every = torch.tensor(list(it.permutations(range(vocab), exhaustive)))
    weights = [[value.clone() for value in trainer.values]]
    weights += [average.value() for average in trainer.averages]
    found = []
    for values in weights:
        torch._foreach_copy_(trainer.values, values)
        short = total_variation(model, every, vocab)
        long = total_variation(model, sampled, vocab)[exhaustive:]
        found.append(torch.cat([short, long]).tolist())
    return found


def make_trainer(plan, hparams, weights=None, compile_options=None):
    """The trainer of one trial."""
    settings = plan["optimizer"] | {
        name: hparams[name] for name in ("learning_rate", "weight_decay", "cosine")
    }
    averages = [ft.partial(AVERAGES[name], **fields) for name, fields in plan["averages"]]
    config = plan["model"] | {"optimizer": settings}
    return Trainer(config, hparams["dropout"], weights, compile_options, averages)


def run_trial(plan, hparams, seed, compile_options):
    """Train and measure; the total variation by set of weights and length."""
    torch.manual_seed(seed)
    trainer = make_trainer(plan, hparams, compile_options=compile_options)
    for _ in range(plan["steps"] // CHUNK):
        tokens, labels = draw_batches(plan, hparams["exact_loss"])
        for step in range(CHUNK):
            loss = trainer.step(tokens[step], labels[step])
        if not loss.isfinite():
            raise optuna.TrialPruned("the loss is not finite")
    vocab, examples = plan["model"]["vocab_size"], plan["examples"]
    sampled = torch.rand(examples, vocab).argsort(-1)[:, : plan["model"]["max_len"]]
    return evaluate(trainer, plan, sampled)


def suggest(trial, plan):
    """The hyperparameters, from the space written the way Optuna wants it."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.3, log=True),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5) if plan["dropout"] else 0.0,
        "cosine": trial.suggest_categorical("cosine", (0.0, 1.0)),
        "exact_loss": trial.suggest_categorical("exact_loss", (0.0, 1.0)),
    }


def objective(trial, plan, compile_options):
    """The mean log total variation of the raw weights beyond the training length."""
    if "seed" not in trial.user_attrs:  # another process took the last row
        raise optuna.TrialPruned("no row was left")
    hparams = suggest(trial, plan)
    trial.set_user_attr("process", os.getpid())
    found = run_trial(plan, hparams, trial.user_attrs["seed"], compile_options)
    trial.set_user_attr("tv", found)
    unseen = found[0][plan["length"] :]
    return sum(math.log(max(value, 1e-12)) for value in unseen) / len(unseen)


def open_study(path):
    """The study of the journal, the storage that Optuna advises for processes on one machine."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = JournalStorage(JournalFileBackend(path))
    return optuna.create_study(storage=storage, study_name="sweep", load_if_exists=True)


def work(arguments, plan, index):
    """One process: trials until none waits."""
    cores = sorted(os.sched_getaffinity(0))
    if arguments.threads * arguments.processes <= len(cores) and arguments.threads == 1:
        os.sched_setaffinity(0, {cores[index]})  # as our workers do
    # As XLA does. Before any parallel work: threads inherit the setting when they start.
    torch.set_flush_denormal(True)
    torch.set_num_threads(arguments.threads)
    torch._dynamo.config.recompile_limit = 1000  # each new dropout rate compiles anew
    compile_options = COMPILE_OPTIONS.get(arguments.compile)
    study = open_study(arguments.storage)
    run = ft.partial(objective, plan=plan, compile_options=compile_options)
    while study.get_trials(deepcopy=False, states=(TrialState.WAITING,)):
        study.optimize(run, n_trials=1)


def run_sweep(arguments, plan):
    """Enqueue the rows, run the processes, return the complete trials."""
    study = open_study(arguments.storage)
    for row in plan["rows"]:
        study.enqueue_trial(row["hparams"], user_attrs={"seed": row["seed"]})
    context = multiprocessing.get_context("fork")  # PyTorch is imported once
    numbers = range(arguments.processes)
    workers = [context.Process(target=work, args=(arguments, plan, i)) for i in numbers]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    trials = [
        {
            "process": trial.user_attrs["process"],
            "completed": trial.datetime_complete.timestamp(),
            "value": trial.value,
        }
        for trial in study.get_trials(states=(TrialState.COMPLETE,))
    ]
    return {"trials": trials}


def run_check(arguments, plan):
    """The losses of the first steps and the evaluation after them, for each draw asked for."""
    torch.set_flush_denormal(True)
    batches, examples = load_file(arguments.batches), load_file(arguments.examples)
    found = []
    for index in arguments.rows:
        hparams = plan["rows"][index]["hparams"] | {"dropout": 0.0}
        trainer = make_trainer(plan, hparams, arguments.weights)
        losses = []
        for tokens, labels in zip(batches["tokens"], batches["labels"], strict=True):
            if hparams["exact_loss"]:
                labels = exact_targets(tokens, plan["model"]["vocab_size"])
            losses.append(trainer.step(tokens, labels).item())
        found.append({"losses": losses, "tv": evaluate(trainer, plan, examples["tokens"])})
    return {"rows": found}


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    modes = parser.add_subparsers(dest="mode", required=True)
    run = modes.add_parser("run", help="run a whole sweep")
    run.add_argument("--storage", required=True, help="a new file for Optuna's journal")
    run.add_argument("--processes", type=int, default=2)
    run.add_argument("--threads", type=int, default=1)
    run.add_argument("--compile", choices=("none", *COMPILE_OPTIONS), default="none")
    run.set_defaults(run=run_sweep)
    check = modes.add_parser("check", help="print losses and measures on given batches")
    for name in ("weights", "batches", "examples"):
        check.add_argument(f"--{name}", required=True)
    check.add_argument("--rows", type=int, nargs="+", default=[0])
    check.set_defaults(run=run_check)
    for mode in (run, check):
        mode.add_argument("--plan", required=True)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    with open(arguments.plan, encoding="utf-8") as file:
        plan = json.load(file)
    print(json.dumps(arguments.run(arguments, plan)))


if __name__ == "__main__":
    main()
