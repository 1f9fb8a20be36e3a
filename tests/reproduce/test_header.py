"""A claim's words are those of its file's header; a variant is what its values say."""

import dataclasses
import json

import pytest

from lengthwise import (
    EvaluationConfig,
    Hparams,
    InputError,
    TrainingConfig,
    TransformerConfig,
    train,
)
from lengthwise.reproduce import Verdict, claim_of, grid, read_header, train_variant
from lengthwise.tasks import SetComplementConfig
from lengthwise.training import ExperimentConfig, build_experiment


HEADER = """C3. Sums: do they grow?

    lengthwise reproduce C3 --budget cpu        # a minute

Paper: They grow: "in all
cases" (caption).

Rule: Holds above 1;
  else not.

Differs: All.

Expected: 2.0, as in
docs/results.md.
"""


PARTS = {"smoke": grid(n=[0]), "cpu": grid(n=range(3)), "gpu": grid(n=range(9))}


def run(part):
    return [dict(part)]


def judge(rows):
    return Verdict("holds", str(len(rows)))


def test_header_gives_the_words_without_line_breaks():
    assert read_header(HEADER) == {
        "name": "C3",
        "title": "Sums: do they grow?",
        "paper": 'They grow: "in all cases" (caption).',
        "rule": "Holds above 1; else not.",
        "differs": "All.",
    }


def test_claim_of_a_header():
    claim = claim_of(HEADER, PARTS, run, judge, version=2, tolerance=0.5)
    assert (claim.name, claim.rule) == ("C3", "Holds above 1; else not.")
    assert (claim.version, claim.tolerance, claim.run, claim.judge) == (2, 0.5, run, judge)
    assert claim.parts("cpu") == [{"n": 0}, {"n": 1}, {"n": 2}]
    claim.parts("cpu").clear()
    assert len(claim.parts("cpu")) == 3


@pytest.mark.parametrize(
    ("header", "missing"),
    [
        (None, "title', 'paper', 'rule', 'differs"),
        (HEADER.replace("Rule: ", "The rule is "), "rule"),
        (HEADER.replace("C3. ", ""), "title"),
        (HEADER.replace("Differs: All.", "Differs: "), "differs"),
    ],
)
def test_a_header_that_lacks_something_is_refused(header, missing):
    with pytest.raises(InputError) as error:
        claim_of(header, PARTS, run, judge)
    assert f"missing=['{missing}']" in str(error.value)


def test_every_budget_has_parts():
    with pytest.raises(InputError, match="Parts for each budget"):
        claim_of(HEADER, {"smoke": [], "cpu": []}, run, judge)


@pytest.fixture(scope="module")
def tiny():
    small = EvaluationConfig(examples=16, batch_size=16, exhaustive_inputs=16)
    training = TrainingConfig(
        steps=40, chunk_steps=20, evaluate_every=20, checkpoint_every=20, batch_size=8,
        lengths='lengthwise.tasks:FixedLength {"max_length": 2}', evaluation=small,
    )  # fmt: skip
    model = TransformerConfig(layers=1, heads=2, width=8)
    return ExperimentConfig(SetComplementConfig(5), model, training, Hparams(averages=()), seed=7)


def test_a_variant_is_trained_as_by_hand(tiny):
    found = train_variant(
        tiny, {"seed": 1, "steps": 10, "norm": "post"},
        model={"norm": "post"}, training={"batch_size": 4}, hparams={"exact_loss": 1.0},
    )  # fmt: skip
    training = dataclasses.replace(
        tiny.training, steps=10, chunk_steps=10, batch_size=4, evaluate_every=0, checkpoint_every=0
    )
    task, model, key = build_experiment(
        ExperimentConfig(
            tiny.task, TransformerConfig(layers=1, heads=2, width=8, norm="post"), training, seed=1
        )
    )
    by_hand = train(task, model, training, Hparams(averages=(), exact_loss=1.0), key=key)
    assert found.rows() == by_hand.rows()
    assert (found.steps, found.history) == (10, [])


def test_a_variant_without_changes_is_the_experiment_with_the_seed(tiny):
    found, other = (train_variant(tiny, {"seed": seed}) for seed in (7, 8))
    task, model, key = build_experiment(tiny)
    by_hand = train(task, model, tiny.training, tiny.hparams, key=key)
    assert json.dumps(found.rows()) == json.dumps(by_hand.rows())
    assert json.dumps(other.rows()) != json.dumps(by_hand.rows())
    assert found.steps == 40


def test_a_rule_of_two_paragraphs_is_refused():
    with pytest.raises(InputError, match="One paragraph of the header for `Rule:`"):
        read_header(HEADER + "\n\nRule: Or else.")
