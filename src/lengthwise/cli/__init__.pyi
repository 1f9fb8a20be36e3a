from ._exit_codes import ExitCode as ExitCode
from ._main import main as main
from ._presets import PRESETS as PRESETS, ExperimentConfig as ExperimentConfig
from ._run import build_experiment as build_experiment, train_run as train_run
