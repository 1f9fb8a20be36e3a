"""The contract of a construction: explicit weights that solve the task, as the ordinary model."""

import abc
from typing import TYPE_CHECKING, Any


if TYPE_CHECKING:
    import numpy as np

    from ..models import Transformer


class AbstractConstruction(abc.ABC):
    """A closed form of weights, with the displacement that it must have.

    Final classes are frozen dataclasses of plain numbers and tuples, so that a command line can name
    them as `module:Class {"field": value}`. `build` returns the ordinary model class, which the
    ordinary evaluation measures; the proof stands in the class's file as numbered steps.
    """

    vocab: Any
    """The number of tokens, v."""

    @abc.abstractmethod
    def build(self) -> "Transformer":
        """The model, for `SetComplement(vocab)`, lengths 1 to v - 1."""

    @abc.abstractmethod
    def displacements(self, tokens: "np.ndarray") -> "np.ndarray":
        """The closed form: the logit displacement of each token of each sequence.

        **Arguments:**

        - `tokens`: sequences of one length, shape `(batch, length)`, integers.

        **Returns:** float64, shape `(batch, length)`: common logit of the valid tokens minus the
        logit of the token at that place.
        """
