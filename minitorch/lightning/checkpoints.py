"""Checkpoints: all that a run needs to go on as if it had never stopped, under Lightning's keys, so that each library reads the other's.

    epoch, global_step                  where it is (for people: the run goes by `loops`)
    pytorch-lightning_version           the version of the format
    state_dict                          the module's weights and buffers
    loops                               the counters of each loop, from which `resuming.py` finds the place
    callbacks, optimizer_states, lr_schedulers, MixedPrecision      their states
    hparams_name, hyper_parameters      what `load_from_checkpoint` makes the module with

and what the datamodule and the hooks `on_save_checkpoint` add. A file is replaced only once the new one is whole.
"""

from __future__ import annotations

import copy
import os
from typing import TYPE_CHECKING, Any

import minitorch
from minitorch.lightning import resuming
from minitorch.lightning.calls import call_callbacks, call_datamodule, call_module
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import rank_zero_info, rank_zero_warn

if TYPE_CHECKING:
    from minitorch.lightning.trainer import Trainer

__all__ = ["VERSION", "dump", "path_of", "read", "restore_module_and_callbacks", "restore_training", "save"]

VERSION = "2.6.6"  # of the Lightning whose format this is


# ---- writing ----


def save(trainer: Trainer, path: str | os.PathLike[str], weights_only: bool = False) -> None:
    """Write `dump` to a file; of several processes the first does."""
    if trainer.lightning_module is None:
        raise AttributeError(
            "Saving a checkpoint is only possible if a model is attached to the Trainer. Did you call `Trainer.save_checkpoint()`"
            " before calling `Trainer.{fit,validate,test,predict}`?"
        )
    path, checkpoint = os.fspath(path), dump(trainer, weights_only)
    if trainer.is_global_zero:
        os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
        minitorch.save(checkpoint, path)


def dump(trainer: Trainer, weights_only: bool = False) -> dict[str, Any]:
    """The checkpoint as a dict; `weights_only` leaves out optimizers, schedulers and callbacks."""
    module, data = trainer.lightning_module, trainer.datamodule
    checkpoint: dict[str, Any] = {
        "epoch": trainer.current_epoch,
        "global_step": trainer.global_step,
        "pytorch-lightning_version": VERSION,
        "state_dict": module.state_dict(),
        "loops": _loops(trainer),
    }
    if not weights_only:
        states = {callback.state_key: callback.state_dict() for callback in trainer.callbacks}
        checkpoint["callbacks"] = {key: state for key, state in states.items() if state}
        checkpoint["optimizer_states"] = [optimizer.state_dict() for optimizer in trainer.optimizers]
        checkpoint["lr_schedulers"] = [config.scheduler.state_dict() for config in trainer.lr_scheduler_configs]
        scaling = trainer.precision_plugin.state_dict()
        if scaling:
            checkpoint[type(trainer.precision_plugin).__qualname__] = scaling
    for owner in (module, data):
        if owner is not None and owner.hparams:
            if hasattr(owner, "_hparams_name"):
                checkpoint[owner.CHECKPOINT_HYPER_PARAMS_NAME] = owner._hparams_name
            checkpoint[owner.CHECKPOINT_HYPER_PARAMS_KEY] = dict(owner.hparams)
    of_data = call_datamodule(trainer, "state_dict")
    if of_data:
        checkpoint[type(data).__qualname__] = of_data
    if not weights_only:
        call_callbacks(trainer, "on_save_checkpoint", checkpoint)
    call_module(trainer, "on_save_checkpoint", checkpoint)
    return checkpoint


def _loops(trainer: Trainer) -> dict[str, Any]:
    """The counters of the four loops."""
    fit = trainer.fit_loop
    stateful = fit.combined.state_dicts() if fit.combined is not None else []
    return {
        "fit_loop": {
            "state_dict": {"combined_loader": stateful} if stateful else {},
            "epoch_loop.state_dict": {"_batches_that_stepped": fit.batches_that_stepped},
            "epoch_loop.automatic_optimization.state_dict": {},
            "epoch_loop.manual_optimization.state_dict": {},
            "epoch_loop.val_loop.state_dict": {},
            **{name: progress.state_dict() for name, progress in fit.counters().items()},
        },
        "validate_loop": _loop(trainer.validate_loop),
        "test_loop": _loop(trainer.test_loop),
        "predict_loop": _loop(trainer.predict_loop),
    }


def _loop(loop: Any) -> dict[str, Any]:
    return {"state_dict": {}, "batch_progress": loop.batch_progress.state_dict()}


# ---- reading ----


def read(trainer: Trainer, path: str | None) -> dict[str, Any]:
    """The checkpoint at `path`, on the CPU; {} if there is none. Reading runs no code of the file."""
    trainer._ckpt_path = path
    if path is None:
        return {}
    rank_zero_info(f"Restoring states from the checkpoint path at {path}")
    return minitorch.load(path, map_location="cpu")


def restore_module_and_callbacks(trainer: Trainer, checkpoint: dict[str, Any]) -> None:
    """Weights, the datamodule's state, the callbacks' states."""
    if not checkpoint:
        return
    module, data = trainer.lightning_module, trainer.datamodule
    call_module(trainer, "on_load_checkpoint", checkpoint)
    module.load_state_dict(checkpoint["state_dict"], strict=module.strict_loading)
    if data is not None and type(data).__qualname__ in checkpoint:
        call_datamodule(trainer, "load_state_dict", checkpoint[type(data).__qualname__])
    states = checkpoint.get("callbacks")
    if states is None:
        return
    missing = [key for key in states if key not in {callback.state_key for callback in trainer.callbacks}]
    if missing:
        rank_zero_warn(
            "Be aware that when using `ckpt_path`, callbacks used to create the checkpoint need to be provided during `Trainer`"
            f" instantiation. Please add the following callbacks: {missing}."
        )
    call_callbacks(trainer, "on_load_checkpoint", checkpoint)
    for callback in trainer.callbacks:
        if states.get(callback.state_key):
            callback.load_state_dict(copy.deepcopy(states[callback.state_key]))


def restore_training(trainer: Trainer, checkpoint: dict[str, Any]) -> None:
    """The GradScaler, the loops' counters and, in `fit`, optimizers and schedulers."""
    if not checkpoint:
        return
    name = type(trainer.precision_plugin).__qualname__
    if name in checkpoint:
        trainer.precision_plugin.load_state_dict(checkpoint[name])
    loops = checkpoint.get("loops")
    if trainer.fn != "fit":
        loop = {"validate": trainer.validate_loop, "test": trainer.test_loop, "predict": trainer.predict_loop}[
            trainer.fn or ""
        ]
        if loops is not None:
            loop.batch_progress.load_state_dict(loops[f"{trainer.fn}_loop"]["batch_progress"])  # type: ignore[attr-defined]
        return
    if loops is not None:
        resuming.load(trainer.fit_loop, loops["fit_loop"])
    if trainer.max_epochs not in (None, -1) and trainer.current_epoch > (trainer.max_epochs or 0):
        raise MisconfigurationException(
            f"You restored a checkpoint with current_epoch={trainer.current_epoch}, but you have set"
            f" Trainer(max_epochs={trainer.max_epochs})."
        )
    for key, what in (("optimizer_states", "optimizer"), ("lr_schedulers", "learning rate scheduler")):
        if key not in checkpoint:
            raise KeyError(
                f"Trying to restore {what} state but checkpoint contains only the model. This is probably due to"
                " `ModelCheckpoint.save_weights_only` being set to `True`."
            )
    for optimizer, state in zip(trainer.optimizers, checkpoint["optimizer_states"]):
        optimizer.load_state_dict(state)
    for config, state in zip(trainer.lr_scheduler_configs, checkpoint["lr_schedulers"]):
        config.scheduler.load_state_dict(state)


# ---- which file ----


def path_of(trainer: Trainer, ckpt_path: Any, model_given: bool) -> str | None:
    """The file of `ckpt_path`: a path, "best" or "last". Where no model was given, "best" is the default."""
    from minitorch.lightning.callbacks import OnExceptionCheckpoint

    fn = trainer.fn
    if ckpt_path is None and fn == "fit" and any(isinstance(c, OnExceptionCheckpoint) for c in trainer.callbacks):
        ckpt_path = "last"  # a run that broke goes on
    if ckpt_path is None:
        if model_given:
            return None
        ckpt_path = "best"
        rank_zero_warn(
            f"`.{fn}(ckpt_path=None)` was called without a model. The best model of the previous `fit` call will be used."
            f" You can pass `.{fn}(ckpt_path='best')` to use the best model or `.{fn}(ckpt_path='last')` to use the last model."
            " If you pass a value, this warning will be silenced."
        )
    if ckpt_path == "best":
        return _best(trainer)
    return _last(trainer) if ckpt_path == "last" else os.fspath(ckpt_path)


def _best(trainer: Trainer) -> str:
    fn, callback = trainer.fn, trainer.checkpoint_callback
    if len(trainer.checkpoint_callbacks) > 1:
        rank_zero_warn(
            f'`.{fn}(ckpt_path="best")` is called with Trainer configured with multiple `ModelCheckpoint` callbacks.'
            " It will use the best checkpoint path from first checkpoint callback."
        )
    if callback is None:
        raise ValueError(f'`.{fn}(ckpt_path="best")` is set but `ModelCheckpoint` is not configured.')
    best = getattr(callback, "best_model_path", None)
    if best:
        return best
    if trainer.fast_dev_run:
        raise ValueError(
            f'You cannot execute `.{fn}(ckpt_path="best")` with `fast_dev_run=True`.'
            f" Please pass an exact checkpoint path to `.{fn}(ckpt_path=...)`"
        )
    raise ValueError(f'`.{fn}(ckpt_path="best")` is set but `ModelCheckpoint` is not configured to save the best model.')


def _last(trainer: Trainer) -> str | None:
    found = {getattr(callback, "ckpt_path", None) for callback in trainer.callbacks}  # OnExceptionCheckpoint's
    for callback in trainer.checkpoint_callbacks:
        if hasattr(callback, "_find_last_checkpoints"):
            found |= set(callback._find_last_checkpoints(trainer))
    there = [path for path in found if path and os.path.exists(path)]
    if there:
        return max(there, key=os.path.getmtime)
    rank_zero_warn(
        f'.{trainer.fn}(ckpt_path="last") is set, but there is no last checkpoint available. No checkpoint will be loaded.'
        " HINT: Set `ModelCheckpoint(..., save_last=True)`."
    )
    return None
