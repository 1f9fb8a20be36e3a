"""A law in Optuna's words."""

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from ._laws import Choice, Conditional, Law, LogUniform
from ._paths import DROPOUT


def distribution_of(path: str, law: Law) -> BaseDistribution:
    """The law in Optuna's words; a dropout rate may be 0 too, which is the twin's."""
    law = law.then if isinstance(law, Conditional) else law
    also = path.startswith(DROPOUT)
    if isinstance(law, Choice):
        return CategoricalDistribution(
            law.values if 0.0 in law.values or not also else (0.0, *law.values)
        )
    low = min(law.low, 0.0) if also else law.low
    return FloatDistribution(low, law.high, log=isinstance(law, LogUniform))
