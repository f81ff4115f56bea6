"""`LightningModule`: a network with its training: what a step is, which optimizer, what is logged. The Trainer owns the loop.

A subclass writes `training_step` (batch → loss) and `configure_optimizers`; whatever else it writes of the steps and hooks is called at its place.
Read next `loop.py`, which calls it.
"""

from __future__ import annotations

import contextlib
import numbers
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import minitorch
from minitorch import nn
from minitorch.lightning.hooks import CheckpointHooks, DataHooks, ModelHooks
from minitorch.lightning.hyperparameters import HyperparametersMixin
from minitorch.lightning.optimization import OptimizationMixin
from minitorch.lightning.results import _default_dtype, check_logging
from minitorch.lightning.transfer import move_data_to_device
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import rank_zero_warn
from minitorch.tensor import Tensor

if TYPE_CHECKING:
    from minitorch.lightning.trainer import Trainer

__all__ = ["LightningModule"]


class LightningModule(HyperparametersMixin, OptimizationMixin, ModelHooks, DataHooks, CheckpointHooks, nn.Module):
    """A network with its training; `docs/lightning.md` shows one beside the loop that it stands for."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._trainer: Trainer | None = None
        self._current_fx_name: str | None = None  # the hook that is running
        self._automatic_optimization = True
        self._strict_loading: bool | None = None
        self._example_input_array: Any = None
        self._wants_gradient: dict[int, bool] = {}  # while an optimizer is toggled: of each parameter, by id

    # ---- what a subclass writes ----

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The network; `predict_step` calls it."""
        return super().forward(*args, **kwargs)  # type: ignore[misc]

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """(batch, batch_idx) → the loss, a dict with "loss", or None: this batch is left out."""
        rank_zero_warn("`training_step` must be implemented to be used with the Lightning Trainer")

    def validation_step(self, *args: Any, **kwargs: Any) -> Any:
        """(batch, batch_idx[, dataloader_idx]): log what is to be known."""

    def test_step(self, *args: Any, **kwargs: Any) -> Any:
        """(batch, batch_idx[, dataloader_idx]): log what is to be known."""

    def predict_step(self, *args: Any, **kwargs: Any) -> Any:
        """(batch, batch_idx[, dataloader_idx]) → what `Trainer.predict` returns of this batch."""
        return self(args[0] if args else kwargs["batch"])

    def configure_optimizers(self) -> Any:
        """The optimizers and schedulers, in one of the forms that `optimizers.py` lists."""
        rank_zero_warn("`configure_optimizers` must be implemented to be used with the Lightning Trainer")

    def configure_callbacks(self) -> Any:
        """Callbacks that belong to this model; they take the place of the Trainer's of the same class."""
        return []

    # ---- logging ----

    def log(
        self,
        name: str,
        value: Any,
        prog_bar: bool = False,
        logger: bool | None = None,
        on_step: bool | None = None,
        on_epoch: bool | None = None,
        reduce_fx: str | Callable[..., Any] = "mean",
        enable_graph: bool = False,
        sync_dist: bool = False,
        sync_dist_group: Any = None,
        add_dataloader_idx: bool = True,
        batch_size: int | None = None,
        metric_attribute: str | None = None,
        rank_zero_only: bool = False,
    ) -> None:
        """Log a number: for this step (`on_step`), for the epoch (`on_epoch`: the mean over its samples, or `reduce_fx`), or both.

        In `training_step` on_step is the default, in `validation_step` and `test_step` on_epoch. With both there are two names,
        `name_step` and `name_epoch`. prog_bar: it is shown. logger: it goes to the loggers. batch_size: how many samples it is the mean
        of; found in the batch if it is not given. With several loaders the name ends with `/dataloader_idx_1`, unless
        `add_dataloader_idx` is False. ValueError if `value` is not one number.
        """
        if isinstance(value, Mapping):
            raise ValueError(
                f"`self.log({name}, {value})` was called, but dictionaries cannot be logged; use `self.log_dict`"
            )
        trainer = self._trainer
        if trainer is None:
            rank_zero_warn(
                "You are trying to `self.log()` but the `self.trainer` reference is not registered on the model yet."
                " This is most likely because the model hasn't been passed to the `Trainer`"
            )
            return
        if trainer.barebones:
            rank_zero_warn("You are trying to `self.log()` but `Trainer(barebones=True)` is configured, which logs nothing.")
            return
        results, hook = trainer._results, self._current_fx_name
        if results is None:
            raise MisconfigurationException(
                "You are trying to `self.log()` but the loop's result collection is not registered yet. This is most likely"
                " because you are trying to log in a `predict` hook, but it doesn't support logging"
            )
        if hook is None:
            raise MisconfigurationException(
                "You are trying to `self.log()` but it is not managed by the `Trainer` control flow"
            )
        on_step, on_epoch = check_logging(hook, on_step, on_epoch)
        if add_dataloader_idx and "/dataloader_idx_" in name:
            raise MisconfigurationException(
                f"You called `self.log` with the key `{name}` but it should not contain information about `dataloader_idx`"
                " when `add_dataloader_idx=True`"
            )
        tensor = self._number(name, value)
        if logger and trainer.logger is None:
            rank_zero_warn(
                f"You called `self.log({name!r}, ..., logger=True)` but have no logger configured. You can enable one"
                " by doing `Trainer(logger=ALogger(...))`"
            )
        trainer.metrics.logging_from(hook)
        results.log(
            hook,
            name,
            tensor,
            prog_bar=prog_bar,
            logger=logger is not False,
            on_step=on_step,
            on_epoch=on_epoch,
            reduce_fx=reduce_fx,
            enable_graph=enable_graph,
            add_dataloader_idx=add_dataloader_idx,
            batch_size=batch_size,
        )

    def log_dict(self, dictionary: Mapping[str, Any], *args: Any, **kwargs: Any) -> None:
        """`log` each item; the other arguments are those of `log` after `value`."""
        for name, value in dictionary.items():
            self.log(name, value, *args, **kwargs)

    def _number(self, name: str, value: Any) -> Tensor:
        """One number as a tensor without dimensions and without history."""
        if isinstance(value, Tensor):
            value = value.detach().clone()
        elif isinstance(value, numbers.Number):
            value = minitorch.tensor(value, device=self.device, dtype=_default_dtype())
        else:
            raise ValueError(f"`self.log({name}, {value})` was called, but `{type(value).__name__}` values cannot be logged")
        if value.numel() != 1:
            raise ValueError(
                f"`self.log({name}, {value})` was called, but the tensor must have a single element."
                f" You can try doing `self.log({name}, {value}.mean())`"
            )
        return value.squeeze()

    def print(self, *args: Any, **kwargs: Any) -> None:
        """`print`, once however many processes train, and above the progress bar."""
        if self.trainer.is_global_zero:
            bar = self.trainer.progress_bar_callback
            show = bar.print if bar is not None and bar.is_enabled else print
            show(*args, **kwargs)

    # ---- what the Trainer knows ----

    @property
    def trainer(self) -> Trainer:
        """The Trainer that this module is attached to; RuntimeError if there is none."""
        if self._trainer is None:
            raise RuntimeError(f"{type(self).__qualname__} is not attached to a `Trainer`.")
        return self._trainer

    @trainer.setter
    def trainer(self, trainer: Trainer | None) -> None:
        for child in self.children():
            if isinstance(child, LightningModule):
                child.trainer = trainer  # type: ignore[assignment]
        self._trainer = trainer

    @property
    def device(self) -> Any:
        """Where the parameters are."""
        first = next(self.parameters(), None)
        return minitorch.device("cpu") if first is None else first.device

    @property
    def dtype(self) -> Any:
        """The parameters' dtype."""
        first = next(self.parameters(), None)
        return minitorch.get_default_dtype() if first is None else first.dtype

    @property
    def on_gpu(self) -> bool:
        """Whether the parameters are on a GPU."""
        return self.device.type == "cuda"

    @property
    def current_epoch(self) -> int:
        """The Trainer's epoch, 0 without one."""
        return self._trainer.current_epoch if self._trainer else 0

    @property
    def global_step(self) -> int:
        """How many steps optimizers have made, 0 without a Trainer."""
        return self._trainer.global_step if self._trainer else 0

    @property
    def global_rank(self) -> int:
        """This process's number among all."""
        return self._trainer.global_rank if self._trainer else 0

    @property
    def local_rank(self) -> int:
        """This process's number on its machine."""
        return self._trainer.local_rank if self._trainer else 0

    @property
    def logger(self) -> Any:
        """The Trainer's first logger, or None."""
        return self._trainer.logger if self._trainer else None

    @property
    def loggers(self) -> list[Any]:
        """The Trainer's loggers."""
        return self._trainer.loggers if self._trainer else []

    @property
    def example_input_array(self) -> Any:
        """An input that `forward` takes (a tuple or dict: its arguments), for a summary of layers, a graph, an export."""
        return self._example_input_array

    @example_input_array.setter
    def example_input_array(self, example: Any) -> None:
        self._example_input_array = example

    @property
    def automatic_optimization(self) -> bool:
        """Whether the loop calls backward and steps the optimizer; if False, `training_step` does."""
        return self._automatic_optimization

    @automatic_optimization.setter
    def automatic_optimization(self, automatic: bool) -> None:
        self._automatic_optimization = automatic

    @property
    def strict_loading(self) -> bool:
        """Whether a checkpoint must have exactly this module's weights."""
        return self._strict_loading in (None, True)

    @strict_loading.setter
    def strict_loading(self, strict: bool) -> None:
        self._strict_loading = strict

    # ---- the trained module ----

    def freeze(self) -> LightningModule:
        """No parameter wants a gradient; `eval()`."""
        for p in self.parameters():
            p.requires_grad = False
        return self.eval()

    def unfreeze(self) -> LightningModule:
        """Each parameter wants a gradient; `train()`."""
        for p in self.parameters():
            p.requires_grad = True
        return self.train()

    @classmethod
    def load_from_checkpoint(
        cls,
        checkpoint_path: Any,
        map_location: Any = None,
        hparams_file: Any = None,
        strict: bool | None = None,
        weights_only: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """A module made with the hyperparameters of a checkpoint (a path or a file), with its weights; `kwargs` go before them.

        `weights_only` is taken for the name's sake: reading never runs code of the file.
        """
        from minitorch.lightning.saving import load_from_checkpoint

        return load_from_checkpoint(cls, checkpoint_path, map_location, hparams_file, strict, **kwargs)

    def to_onnx(self, file_path: Any = None, input_sample: Any = None, **kwargs: Any) -> Any:
        """`minitorch.onnx.export` of this module in eval mode, on `input_sample` or the `example_input_array`."""
        sample = self._sample("to_onnx", input_sample, "input_sample")
        with self._evaluating(), minitorch.no_grad():
            return minitorch.onnx.export(self, sample, file_path, **kwargs)

    def to_torchscript(
        self, file_path: Any = None, method: str = "script", example_inputs: Any = None, **kwargs: Any
    ) -> Any:
        """`minitorch.jit.script` or, with method "trace", `minitorch.jit.trace` of this module in eval mode."""
        if method not in ("script", "trace"):
            raise ValueError(f"The 'method' parameter only supports 'script' or 'trace', but value given was: {method}")
        with self._evaluating(), minitorch.no_grad():
            if method == "script":
                module = minitorch.jit.script(self, **kwargs)
            else:
                sample = self._sample("to_torchscript", example_inputs, "example_inputs")
                module = minitorch.jit.trace(self, sample, **kwargs)
        if file_path is not None:
            minitorch.jit.save(module, file_path)
        return module

    def _sample(self, method: str, given: Any, argument: str) -> Any:
        sample = self.example_input_array if given is None else given
        if sample is None:
            raise ValueError(f"{method}: give `{argument}`, or set `self.example_input_array`: the module runs on it once")
        return move_data_to_device(sample, self.device)

    @contextlib.contextmanager
    def _evaluating(self) -> Iterator[None]:
        mode = self.training
        self.eval()
        try:
            yield
        finally:
            self.train(mode)

    def __getstate__(self) -> dict[str, Any]:
        """Without the Trainer, for a copy or a saved module belongs to none; hyperparameters as plain dicts, as files hold them."""
        kept: dict[str, Any] = {
            name: dict(self.__dict__[name]) for name in ("_hparams", "_hparams_initial") if name in self.__dict__
        }
        return {**self.__dict__, **kept, "_trainer": None}
