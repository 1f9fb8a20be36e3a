from ._config import EvaluationConfig as EvaluationConfig
from ._dispersion import (
    DISPERSION as DISPERSION,
    Dispersion as Dispersion,
    attention_dispersion as attention_dispersion,
)
from ._evaluate import (
    Evaluator as Evaluator,
    evaluate as evaluate,
    forward as forward,
    forward_traces as forward_traces,
)
from ._evaluation import Evaluation as Evaluation
from ._examples import Examples as Examples, make_examples as make_examples
from ._metrics import (
    CHANCE as CHANCE,
    METRICS as METRICS,
    PROPORTIONS as PROPORTIONS,
    chance as chance,
    measure as measure,
)
from ._tally import Tally as Tally
from ._temperature import fit_inverse_temperature as fit_inverse_temperature
