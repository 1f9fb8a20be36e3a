from ._average import (
    EMA as EMA,
    AbstractAverage as AbstractAverage,
    NoAverage as NoAverage,
    PowerEMA as PowerEMA,
    average_name as average_name,
    interpolate as interpolate,
)
from ._bema import BEMA as BEMA, CONVENTIONS as CONVENTIONS
from ._checkpoint import (
    DamagedCheckpoint as DamagedCheckpoint,
    config_hash as config_hash,
    load_checkpoint as load_checkpoint,
    save_checkpoint as save_checkpoint,
)
from ._chunk import (
    StepMetrics as StepMetrics,
    TrainState as TrainState,
    averaged_models as averaged_models,
    build_averages as build_averages,
    chunk_traces as chunk_traces,
    init_state as init_state,
    make_chunk as make_chunk,
    traced_hparams as traced_hparams,
)
from ._config import (
    Hparams as Hparams,
    TrainingConfig as TrainingConfig,
    check_hparams as check_hparams,
)
from ._devices import (
    Devices as Devices,
    choose_devices as choose_devices,
    devices_in_words as devices_in_words,
)
from ._experiment import (
    ExperimentConfig as ExperimentConfig,
    build_experiment as build_experiment,
    build_task as build_task,
)
from ._feed import Feed as Feed, make_feed as make_feed
from ._gradient_noise import (
    NOISE as NOISE,
    GradientNoise as GradientNoise,
    gradient_noise as gradient_noise,
)
from ._loss import mixed_loss as mixed_loss, summed_loss as summed_loss
from ._optimizer import learning_rate as learning_rate, make_optimizer as make_optimizer
from ._population import (
    member_bytes as member_bytes,
    population_traces as population_traces,
    train_population as train_population,
)
from ._processes import by_first as by_first, in_any as in_any, is_first as is_first
from ._result import RunResult as RunResult
from ._streams import STREAMS as STREAMS, stream as stream
from ._train import (
    check_lengths as check_lengths,
    describe_run as describe_run,
    described_model as described_model,
    load_config as load_config,
    resume as resume,
    train as train,
)
from ._weights import (
    arrays_from_bytes as arrays_from_bytes,
    arrays_to_bytes as arrays_to_bytes,
    load_weights as load_weights,
    save_weights as save_weights,
    tree_from_arrays as tree_from_arrays,
    tree_from_bytes as tree_from_bytes,
    tree_to_arrays as tree_to_arrays,
    tree_to_bytes as tree_to_bytes,
)
