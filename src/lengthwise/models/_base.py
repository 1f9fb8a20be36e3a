"""The contract of a model: tokens in, logits out, causal and right-padded."""

import abc
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float, Int, PRNGKeyArray

from ._config import DropoutRates


class AbstractModel(eqx.Module):
    """A causal model of token sequences.

    Logits at a position depend on no later token, so right padding needs no mask: whatever stands
    after an example's end cannot reach it.

    - `config`: the frozen dataclass that rebuilds the model by `config.build(sizes, key=key)`; a run
      directory stores it. Weights are all inexact arrays of the tree.
    """

    config: eqx.AbstractVar[Any]

    @abc.abstractmethod
    def __call__(
        self,
        tokens: Int[Array, "*batch len"],
        *,
        dropout: DropoutRates | None = None,
        key: PRNGKeyArray | None = None,
    ) -> Float[Array, "*batch len vocab"]:
        """Logits of the next token after every prefix.

        **Arguments:**

        - `tokens`: any leading axes, then positions, at most the model's `max_len`.
        - `dropout`: rates (traced) of the dropouts that exist; `None` for none.
        - `key`: randomness of dropout; `None` for a deterministic pass. (Keyword only argument.)
        """
