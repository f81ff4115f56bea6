"""Callbacks: saving, stopping early and the like, at the points that `callback.py` lists."""

from minitorch.lightning.callbacks.callback import Callback
from minitorch.lightning.callbacks.checkpoint import Checkpoint
from minitorch.lightning.callbacks.early_stopping import EarlyStopping
from minitorch.lightning.callbacks.finetuning import BackboneFinetuning, BaseFinetuning
from minitorch.lightning.callbacks.gradient_accumulation_scheduler import GradientAccumulationScheduler
from minitorch.lightning.callbacks.lambda_function import LambdaCallback
from minitorch.lightning.callbacks.lr_monitor import LearningRateMonitor
from minitorch.lightning.callbacks.model_checkpoint import ModelCheckpoint
from minitorch.lightning.callbacks.model_summary import ModelSummary
from minitorch.lightning.callbacks.on_exception_checkpoint import OnExceptionCheckpoint
from minitorch.lightning.callbacks.progress import ProgressBar, TQDMProgressBar
from minitorch.lightning.callbacks.stochastic_weight_avg import StochasticWeightAveraging
from minitorch.lightning.callbacks.timer import Timer

__all__ = [
    "BackboneFinetuning",
    "BaseFinetuning",
    "Callback",
    "Checkpoint",
    "EarlyStopping",
    "GradientAccumulationScheduler",
    "LambdaCallback",
    "LearningRateMonitor",
    "ModelCheckpoint",
    "ModelSummary",
    "OnExceptionCheckpoint",
    "ProgressBar",
    "StochasticWeightAveraging",
    "TQDMProgressBar",
    "Timer",
]
