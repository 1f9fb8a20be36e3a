from ._core import (
    Component as Component,
    InputError as InputError,
    LengthwiseError as LengthwiseError,
    Sizes as Sizes,
    StorageError as StorageError,
    read_run as read_run,
)
from .evaluation import (
    Evaluation as Evaluation,
    EvaluationConfig as EvaluationConfig,
    evaluate as evaluate,
)
from .models import (
    AbstractAttention as AbstractAttention,
    AbstractModel as AbstractModel,
    AbstractPositions as AbstractPositions,
    DropoutRates as DropoutRates,
    Softmax as Softmax,
    TransformerConfig as TransformerConfig,
    minimal_config as minimal_config,
    minimal_matrices as minimal_matrices,
)
from .tasks import (
    AbstractDeviceTask as AbstractDeviceTask,
    AbstractHostTask as AbstractHostTask,
    AbstractTask as AbstractTask,
    Curriculum as Curriculum,
    FixedLength as FixedLength,
    SetComplement as SetComplement,
    UniformLengths as UniformLengths,
)
from .training import (
    BEMA as BEMA,
    EMA as EMA,
    AbstractAverage as AbstractAverage,
    Hparams as Hparams,
    NoAverage as NoAverage,
    PowerEMA as PowerEMA,
    RunResult as RunResult,
    TrainingConfig as TrainingConfig,
    resume as resume,
    train as train,
)
