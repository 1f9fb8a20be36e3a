from ._base import AbstractLogger as AbstractLogger
from ._progress import ProgressLine as ProgressLine
from ._tensorboard import TensorBoard as TensorBoard
from ._trackio import Trackio as Trackio
from ._wandb import WandB as WandB
