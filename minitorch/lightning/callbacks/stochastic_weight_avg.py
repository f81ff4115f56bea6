"""`StochasticWeightAveraging`: near the end of a training the weights of each epoch are averaged, and the averages are what comes out.

From `swa_epoch_start` on the learning rate goes to `swa_lrs` and stays there, so that the weights wander around a good place; their mean is
nearer to its middle (Izmailov et al., 2018). Batch norm's running means belong to other weights then: one more pass over the data, without
training, measures them anew. Read next: `minitorch/optim/swa_utils.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import minitorch
from minitorch.lightning.callbacks.callback import Callback
from minitorch.lightning.optimizers import LRSchedulerConfig
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import rank_zero_info, rank_zero_warn
from minitorch.nn.modules.batchnorm import _BatchNorm
from minitorch.optim.swa_utils import SWALR
from minitorch.tensor import Tensor

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule
    from minitorch.lightning.trainer import Trainer

__all__ = ["StochasticWeightAveraging"]


class StochasticWeightAveraging(Callback):
    """Averages the weights over the last epochs.

    swa_lrs: the learning rate then, a float or one for each group. swa_epoch_start: from this epoch on (int, counted from 1), or from this
    share of max_epochs on (float). annealing_epochs, annealing_strategy ("cos", "linear"): how the rate gets there. avg_fn(average, new, n):
    the average, the mean of all if not given. device: where the averages are, None for the module's. One optimizer, at most one scheduler.
    """

    def __init__(
        self,
        swa_lrs: float | list[float],
        swa_epoch_start: int | float = 0.8,
        annealing_epochs: int = 10,
        annealing_strategy: str = "cos",
        avg_fn: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
        device: Any = "cpu",
    ) -> None:
        _check_arguments(swa_lrs, swa_epoch_start, avg_fn)
        self._swa_lrs = swa_lrs
        self._swa_epoch_start = swa_epoch_start
        self._annealing_epochs, self._annealing_strategy = annealing_epochs, annealing_strategy
        self._avg_fn = avg_fn or self.avg_fn
        self._device = device
        self.n_averaged: Tensor | None = None
        self._average_model: Any = None
        self._initialized = False
        self._swa_scheduler: Any = None
        self._scheduler_state: dict[str, Any] | None = None  # of a checkpoint
        self._init_n_averaged = 0
        self._latest_update_epoch = -1
        self._model_contains_batch_norm = False
        self.momenta: dict[Any, float | None] = {}

    @property
    def swa_start(self) -> int:
        """The first epoch that counts, from 0."""
        return max(int(self._swa_epoch_start) - 1, 0)

    @property
    def swa_end(self) -> int | float:
        """The last epoch of training."""
        return float("inf") if self._max_epochs == -1 else self._max_epochs - 1

    # ---- before training ----

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._average_model = deepcopy(pl_module)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if len(trainer.optimizers) != 1:
            raise MisconfigurationException("SWA currently works with 1 `optimizer`.")
        if len(trainer.lr_scheduler_configs) > 1:
            raise MisconfigurationException("SWA currently not supported for more than 1 `lr_scheduler`.")
        assert trainer.max_epochs is not None
        self._max_epochs = trainer.max_epochs
        if isinstance(self._swa_epoch_start, float):
            if trainer.max_epochs == -1:
                raise MisconfigurationException(
                    "SWA with `swa_epoch_start` as a float is not supported when `max_epochs=-1`. Please provide `swa_epoch_start` as"
                    " an integer."
                )
            self._swa_epoch_start = int(trainer.max_epochs * self._swa_epoch_start)
        self._model_contains_batch_norm = any(isinstance(module, _BatchNorm) for module in pl_module.modules())
        if self._model_contains_batch_norm and trainer.max_epochs != -1:
            trainer.fit_loop.max_epochs = trainer.max_epochs + 1  # one more, for the running means
        if self._scheduler_state is not None:
            trainer.lr_scheduler_configs.clear()  # the state in the checkpoint is that of the scheduler that comes below

    # ---- each epoch ----

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        epoch = trainer.current_epoch
        if self.swa_start <= epoch <= self.swa_end:
            if not self._initialized:
                self._begin(trainer, pl_module)
            if epoch > self._latest_update_epoch:
                assert self.n_averaged is not None
                self.update_parameters(self._average_model, pl_module, self.n_averaged, self._avg_fn)
                self._latest_update_epoch = epoch
        if epoch == self.swa_end + 1:
            self._begin_to_measure(trainer, pl_module)

    def _begin(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The first epoch that counts: the learning rate's schedule is exchanged."""
        self._initialized = True
        self._average_model = self._average_model.to(self._device or pl_module.device)
        optimizer = trainer.optimizers[0]
        if isinstance(self._swa_lrs, float):
            self._swa_lrs = [self._swa_lrs] * len(optimizer.param_groups)
        for lr, group in zip(self._swa_lrs, optimizer.param_groups):
            group["initial_lr"] = lr
        self._swa_scheduler = SWALR(
            optimizer,
            swa_lr=self._swa_lrs,  # type: ignore[arg-type]
            anneal_epochs=self._annealing_epochs,
            anneal_strategy=self._annealing_strategy,  # type: ignore[arg-type]
            last_epoch=trainer.max_epochs if self._annealing_strategy == "cos" else -1,  # type: ignore[arg-type]
        )
        if self._scheduler_state is not None:
            self._swa_scheduler.load_state_dict(self._scheduler_state)
        elif trainer.current_epoch != self.swa_start:
            rank_zero_warn(
                "SWA is initializing after swa_start without any checkpoint data. This may be caused by loading a checkpoint from an"
                " older version of PyTorch Lightning."
            )
        self._exchange_schedules(trainer)
        if self.n_averaged is None:
            self.n_averaged = minitorch.tensor(self._init_n_averaged, dtype=minitorch.long, device=pl_module.device)

    def _exchange_schedules(self, trainer: Trainer) -> None:
        for config in trainer.lr_scheduler_configs:
            if config.interval != "epoch" or config.frequency != 1:
                rank_zero_warn(f"SWA is currently only supported every epoch. Found {config}")
            rank_zero_info(
                f"Swapping scheduler `{type(config.scheduler).__name__}` for `{type(self._swa_scheduler).__name__}`"
            )
        trainer.lr_scheduler_configs[:] = [LRSchedulerConfig(self._swa_scheduler)]

    @staticmethod
    def update_parameters(average_model: Any, model: Any, n_averaged: Tensor, avg_fn: Callable[..., Tensor]) -> None:
        """One more set of weights is in the averages."""
        for average, new in zip(average_model.parameters(), model.parameters()):
            average, new = average.detach(), new.detach().to(average.device)
            average.copy_(new if n_averaged == 0 else avg_fn(average, new, n_averaged.to(average.device)))
        n_averaged += 1

    @staticmethod
    def avg_fn(averaged_model_parameter: Tensor, model_parameter: Tensor, num_averaged: Tensor) -> Tensor:
        """a + (θ − a) / (n + 1): the mean of all"""
        return averaged_model_parameter + (model_parameter - averaged_model_parameter) / (num_averaged + 1)

    @staticmethod
    def transfer_weights(src_pl_module: Any, dst_pl_module: Any) -> None:
        """The weights of one module into another."""
        for source, target in zip(src_pl_module.parameters(), dst_pl_module.parameters()):
            target.detach().copy_(source.to(target.device))

    # ---- the pass that measures ----

    def _begin_to_measure(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The averages are the weights now; the epoch that follows only runs forward."""
        self.transfer_weights(self._average_model, pl_module)
        self.reset_batch_norm_and_save_state(pl_module)
        loop = trainer.fit_loop
        assert isinstance(loop.max_batches, int), "Iterable-style datasets are not supported"
        loop.max_batches += 1  # no batch is the last one then, and none makes a step
        loop.skip_backward = True
        self._accumulate_grad_batches = trainer.accumulate_grad_batches
        trainer.accumulate_grad_batches = loop.max_batches

    def reset_batch_norm_and_save_state(self, pl_module: LightningModule) -> None:
        """Batch norm begins anew, and takes the mean of all batches."""
        self.momenta = {}
        for module in pl_module.modules():
            if isinstance(module, _BatchNorm):
                module.running_mean = minitorch.zeros_like(module.running_mean)
                module.running_var = minitorch.ones_like(module.running_var)
                self.momenta[module] = module.momentum
                module.momentum = None
                module.num_batches_tracked *= 0

    def reset_momenta(self) -> None:
        """Batch norm's own momentum again."""
        for module, momentum in self.momenta.items():
            module.momentum = momentum

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        trainer.fit_loop.skip_backward = False

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        last = trainer.current_epoch - 1  # the epoch has been counted
        if self._model_contains_batch_norm and last == self.swa_end + 1:
            trainer.accumulate_grad_batches = self._accumulate_grad_batches
            trainer.fit_loop.max_batches -= 1
            assert trainer.fit_loop.max_epochs is not None
            trainer.fit_loop.max_epochs -= 1
            self.reset_momenta()
        elif last == self.swa_end or self._max_epochs == -1:
            self.transfer_weights(self._average_model, pl_module)

    # ---- in a checkpoint ----

    def state_dict(self) -> dict[str, Any]:
        """The averages, how many they are of, and the schedule."""
        return {
            "n_averaged": 0 if self.n_averaged is None else self.n_averaged.item(),
            "latest_update_epoch": self._latest_update_epoch,
            "scheduler_state": None if self._swa_scheduler is None else self._swa_scheduler.state_dict(),
            "average_model_state": None if self._average_model is None else self._average_model.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with these averages."""
        self._init_n_averaged = state_dict["n_averaged"]
        self._latest_update_epoch = state_dict["latest_update_epoch"]
        self._scheduler_state = state_dict["scheduler_state"]
        if self._average_model is not None:
            self._average_model.load_state_dict(state_dict["average_model_state"])


def _check_arguments(swa_lrs: Any, swa_epoch_start: Any, avg_fn: Any) -> None:
    early = swa_epoch_start < 1 if isinstance(swa_epoch_start, int) else not 0 <= swa_epoch_start <= 1
    if early:
        raise MisconfigurationException(
            f"swa_epoch_start should be a >0 integer or a float between 0 and 1, got {swa_epoch_start}."
        )
    rates = swa_lrs if isinstance(swa_lrs, list) else [swa_lrs]
    if not all(isinstance(lr, float) and lr > 0 for lr in rates):
        raise MisconfigurationException(
            f"The `swa_lrs` should a positive float, or a list of positive floats, got {swa_lrs!r}"
        )
    if avg_fn is not None and not callable(avg_fn):
        raise MisconfigurationException("The `avg_fn` should be callable.")
