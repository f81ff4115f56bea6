"""What `self.log` keeps, and the averaging: an epoch's value is Σ nᵢ vᵢ / Σ nᵢ over its batches, of nᵢ samples each.

So a last batch that is half as large weighs half as much. A value that is wanted per step and per epoch has two names, `loss_step` and
`loss_epoch`. `Results` holds the running sums of one loop; `Metrics` says at which point of the loop what of them goes to the logger, to the
progress bar and to callbacks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any

import minitorch
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import WarningCache
from minitorch.tensor import Tensor

if TYPE_CHECKING:
    from minitorch.lightning.trainer import Trainer

__all__ = ["Metrics", "Results", "check_logging", "extract_batch_size"]

_said = WarningCache()


# ---- one value ----


@dataclass(frozen=True)
class Meta:
    """How a value is logged: two calls of one name in one hook must agree in all of it."""

    fx: str
    name: str
    prog_bar: bool
    logger: bool
    on_step: bool
    on_epoch: bool
    reduce_fx: str
    enable_graph: bool
    add_dataloader_idx: bool
    dataloader_idx: int | None

    @property
    def suffix(self) -> str:
        """What tells apart the same name of several loaders."""
        several = self.add_dataloader_idx and self.dataloader_idx is not None
        return f"/dataloader_idx_{self.dataloader_idx}" if several else ""

    def forked_name(self, on_step: bool) -> str:
        """The name, with `_step` or `_epoch` if it is logged for both."""
        fork = ("_step" if on_step else "_epoch") if self.on_step and self.on_epoch else ""
        return f"{self.name}{fork}{self.suffix}"


class Entry:
    """One logged value: its last (`step`), and what of all of the epoch is kept (`sum`, `weight`)."""

    _start = {"mean": 0.0, "sum": 0.0, "max": float("-inf"), "min": float("inf")}

    def __init__(self, meta: Meta) -> None:
        self.meta = meta
        self.step: Tensor | None = None
        self.reset()

    def reset(self) -> None:
        """A new epoch: nothing is kept."""
        self.sum: Tensor | float = self._start[self.meta.reduce_fx]
        self.weight = 0
        self.is_reset = True
        self._epoch: Tensor | None = None

    def update(self, value: Tensor, batch_size: int) -> None:
        """The value of one more batch."""
        self.is_reset, self._epoch = False, None
        if self.meta.on_step:
            self.step = value.clone()
        if not self.meta.on_epoch:
            return
        if self.meta.reduce_fx == "mean":
            self.sum = self.sum + value * batch_size
            self.weight += batch_size
        elif self.meta.reduce_fx == "sum":
            self.sum = self.sum + value
        else:
            kept = (
                self.sum
                if isinstance(self.sum, Tensor)
                else minitorch.tensor(self.sum, dtype=value.dtype, device=value.device)
            )
            self.sum = getattr(minitorch, self.meta.reduce_fx)(kept, value)

    def epoch(self) -> Tensor:
        """The value of the epoch so far."""
        if self._epoch is None:
            kept = self.sum if isinstance(self.sum, Tensor) else minitorch.tensor(self.sum)
            self._epoch = kept / self.weight if self.meta.reduce_fx == "mean" else kept
        return self._epoch

    def value(self, on_step: bool) -> Tensor | None:
        """The value for a logger, after a step or after an epoch; None if it is not wanted then."""
        if on_step:
            value = self.step if self.meta.on_step else None
        else:
            value = self.epoch() if self.meta.on_epoch else None
        return value if value is None or self.meta.enable_graph else value.detach()


# ---- all values of a loop ----


class Results(dict[str, Entry]):
    """All that one loop has logged in this epoch, by hook and name."""

    def __init__(self, training: bool) -> None:
        super().__init__()
        self.training = training
        self.batch: Any = None
        self.batch_size: int | None = None  # of the batch at hand, once it has been asked for
        self.dataloader_idx: int | None = None  # None: there is one loader

    def log(
        self,
        fx: str,
        name: str,
        value: Tensor,
        *,
        prog_bar: bool,
        logger: bool,
        on_step: bool,
        on_epoch: bool,
        reduce_fx: str | Callable[..., Any],
        enable_graph: bool,
        add_dataloader_idx: bool,
        batch_size: int | None,
    ) -> None:
        """Take a value that the hook `fx` has logged under `name`."""
        key = f"{fx}.{name}"
        if add_dataloader_idx and self.dataloader_idx is not None:
            key, fx = f"{key}.{self.dataloader_idx}", f"{fx}.{self.dataloader_idx}"
        if not on_step and not on_epoch:
            raise MisconfigurationException("`self.log(on_step=False, on_epoch=False)` is not useful.")
        meta = Meta(
            fx, name, prog_bar, logger, on_step, on_epoch, _name_of(reduce_fx), enable_graph, add_dataloader_idx, self.dataloader_idx,
        )  # fmt: skip
        entry = self.setdefault(key, Entry(meta))
        if entry.meta != meta:
            raise MisconfigurationException(
                f"You called `self.log({name}, ...)` twice in `{fx}` with different arguments. This is not allowed"
            )
        entry.update(_floating(value, meta), self._batch_size(batch_size, meta))

    def _batch_size(self, given: int | None, meta: Meta) -> int:
        """How many samples a value is of: as given, or found in the batch if a mean over the epoch needs it."""
        if given is not None:
            return given
        if self.batch_size is None and self.batch is not None and meta.on_epoch and meta.reduce_fx == "mean":
            self.batch_size = extract_batch_size(self.batch)
        return 1 if self.batch_size is None else self.batch_size

    def metrics(self, on_step: bool) -> dict[str, dict[str, Any]]:
        """What there is now for callbacks ("callback"), loggers ("log") and the progress bar ("pbar")."""
        metrics: dict[str, dict[str, Any]] = {"callback": {}, "log": {}, "pbar": {}}
        for entry in self.values():
            meta = entry.meta
            value = None if entry.is_reset or meta.dataloader_idx != self.dataloader_idx else entry.value(on_step)
            if value is None:
                continue
            forked = meta.forked_name(on_step)
            if meta.logger:
                metrics["log"][forked] = value
            if self.training or (meta.on_epoch and not on_step):
                metrics["callback"][meta.name + meta.suffix] = value
                metrics["callback"][forked] = value
            if meta.prog_bar:
                metrics["pbar"][forked] = value.item()
        return metrics

    def reset(self, fx: str | None = None) -> None:
        """Begin anew: all values, or those of one hook."""
        for entry in self.values():
            if fx is None or entry.meta.fx == fx:
                entry.reset()


def _name_of(reduce_fx: str | Callable[..., Any]) -> str:
    """`reduce_fx` as "mean", "sum", "max" or "min"; it may be the function of that name."""
    name = reduce_fx if isinstance(reduce_fx, str) else getattr(reduce_fx, "__name__", "")
    name = {"avg": "mean"}.get(name.lower(), name.lower())
    known = isinstance(reduce_fx, str) or reduce_fx in (min, max, sum) or reduce_fx is getattr(minitorch, name, None)
    if name not in Entry._start or not known:
        raise MisconfigurationException(
            f"self.log: expected reduce_fx to be one of 'mean', 'sum', 'max', 'min', got {reduce_fx!r};"
            " for another reduction keep the values yourself and log the result in an epoch's last hook"
        )
    return name


def _floating(value: Tensor, meta: Meta) -> Tensor:
    """The value in float32 or float64, in which sums are kept."""
    if not value.is_floating_point():
        _said.warn(
            f"You called `self.log({meta.name!r}, ...)` in your `{meta.fx}` but the value needs to be floating to be reduced."
            f" Converting it to {_default_dtype()}. Convert it yourself to silence this warning."
        )
        return value.to(_default_dtype())
    return value if value.dtype in (minitorch.float32, minitorch.float64) else value.to(_default_dtype())


def _default_dtype() -> Any:
    """The default dtype, but no less than float32."""
    return minitorch.float64 if minitorch.get_default_dtype() == minitorch.float64 else minitorch.float32


def extract_batch_size(batch: Any) -> int:
    """The number of samples in a batch: the length of the first tensor found in it; a warning if others are of another length."""
    found = None
    try:
        for size in _sizes(batch):
            if found is None:
                found = size
            elif size != found:
                _said.warn(
                    f"Trying to infer the `batch_size` from an ambiguous collection. The batch size we found is {found}."
                    " To avoid any miscalculations, use `self.log(..., batch_size=batch_size)`."
                )
                break
    except RecursionError:
        found = None
    if found is None:
        raise MisconfigurationException(
            "We could not infer the batch_size from the batch. Either simplify its structure"
            " or provide the batch_size as `self.log(..., batch_size=batch_size)`."
        )
    return found


def _sizes(batch: Any) -> Iterator[int | None]:
    if isinstance(batch, Tensor):
        yield len(batch) if batch.ndim else 1
    elif isinstance(batch, Iterable) and not isinstance(batch, str):
        for part in batch.values() if isinstance(batch, Mapping) else batch:
            yield from _sizes(part)
    elif is_dataclass(batch):
        for field in fields(batch):
            yield from _sizes(getattr(batch, field.name))
    else:
        yield None


# ---- what goes where, and when ----


class Metrics:
    """The numbers as loggers, progress bar and callbacks know them; the loop tells it at which point it is."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer = trainer
        self.clear()
        self._last_fx: str | None = None  # the hook that logged last
        self._first_batch: bool | None = None  # None: no batch yet, or no more; else whether this is the epoch's first

    def clear(self) -> None:
        """Forget all numbers."""
        self.progress_bar: dict[str, float] = {}
        self.logged: dict[str, Tensor] = {}
        self.callback: dict[str, Tensor] = {}

    # -- points of a loop --

    def on_batch_start(self, batch: Any, dataloader_idx: int | None = None) -> None:
        """A batch is at hand."""
        self._first_batch = self._first_batch is None
        results = self._results
        results.batch, results.batch_size, results.dataloader_idx = batch, None, dataloader_idx

    def on_batch_end(self) -> None:
        """Its hooks have run."""
        self.update()
        self._results.batch = self._results.batch_size = None

    def epoch_end_reached(self) -> None:
        """There are no more batches: from now on values are those of the epoch."""
        self._first_batch = None

    def on_epoch_end(self) -> None:
        """The epoch's last hooks have run."""
        self.update()
        self._last_fx = None

    def update(self) -> dict[str, Tensor]:
        """Take what there is now; give back what of it is for loggers."""
        metrics = self._results.metrics(on_step=self._first_batch is not None)
        self.progress_bar.update(metrics["pbar"])
        self.callback.update(metrics["callback"])
        self.logged.update(metrics["log"])
        return metrics["log"]

    def reset_results(self) -> None:
        """A loop begins, or is over: its sums are zero."""
        if self.trainer._results is not None:
            self.trainer._results.reset()
        self._first_batch = self._last_fx = None

    def logging_from(self, fx: str) -> None:
        """The hook `fx` logs. In an epoch's first batch its sums of the epoch before end."""
        if self._last_fx != fx and self._first_batch is not False:
            self._results.reset(fx)
        self._last_fx = fx

    # -- to loggers --

    def log_step(self) -> None:
        """The numbers of a step of training, every `log_every_n_steps` of them."""
        if self.should_log or self.trainer.fast_dev_run:
            self.log(self._results.metrics(on_step=True)["log"])

    @property
    def should_log(self) -> bool:
        """Whether this step of training is one whose numbers are wanted."""
        trainer = self.trainer
        if trainer.log_every_n_steps == 0:
            return False
        # `+ 1`: it is asked before the step is counted.
        return (trainer.fit_loop.batches_that_stepped + 1) % trainer.log_every_n_steps == 0 or trainer.should_stop

    def log(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Send numbers to all loggers; the step is the one that is logged as "step", else that of the training."""
        if not self.trainer.loggers or not metrics:
            return
        self.logged.update(metrics)
        numbers = {k: v.item() if isinstance(v, Tensor) else v for k, v in metrics.items()}
        if step is None:
            logged_step = numbers.pop("step", None)
            if logged_step is not None:
                step = int(logged_step)
            else:
                numbers.setdefault("epoch", self.trainer.current_epoch)
                step = self.trainer.fit_loop.batches_that_stepped
        for logger in self.trainer.loggers:
            logger.log_metrics(metrics=numbers, step=step)
            logger.save()

    @property
    def _results(self) -> Results:
        results = self.trainer._results
        assert results is not None
        return results


# ---- which hook may log what ----

_EPOCH_HOOKS = {
    "on_train_start", "on_train_epoch_start", "on_train_epoch_end", "on_validation_start", "on_validation_epoch_start",
    "on_validation_epoch_end", "on_test_start", "on_test_epoch_start", "on_test_epoch_end",
}  # fmt: skip
_TRAIN_BATCH_HOOKS = {
    "training_step", "on_train_batch_start", "on_train_batch_end", "on_before_backward", "backward", "on_after_backward",
    "on_before_optimizer_step", "optimizer_step", "configure_gradient_clipping", "clip_gradients", "on_before_zero_grad",
    "optimizer_zero_grad",
}  # fmt: skip
_EVAL_BATCH_HOOKS = {
    "validation_step", "on_validation_batch_start", "on_validation_batch_end", "test_step", "on_test_batch_start", "on_test_batch_end",
}  # fmt: skip


def check_logging(fx: str, on_step: bool | None, on_epoch: bool | None) -> tuple[bool, bool]:
    """(on_step, on_epoch) for a value that the hook `fx` logs: a batch's hooks in training log by step, all others by epoch."""
    if fx in _EPOCH_HOOKS:
        if on_step or on_epoch is False:
            wrong = "on_step=True" if on_step else "on_epoch=False"
            raise MisconfigurationException(
                f"You can't `self.log({wrong})` inside `{fx}`: it runs once an epoch; leave the argument out"
            )
        return False, True
    if fx not in _TRAIN_BATCH_HOOKS | _EVAL_BATCH_HOOKS:
        raise MisconfigurationException(
            f"You can't `self.log()` inside `{fx}`. HINT: You can still log directly to the logger by using `self.logger.experiment`."
        )
    training = fx in _TRAIN_BATCH_HOOKS
    return training if on_step is None else on_step, (not training) if on_epoch is None else on_epoch
