"""What the Trainer's options become: limits, callbacks, loggers; and what is checked before a run, so that mistakes are said in words."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import minitorch
from minitorch.lightning.calls import call_module, is_overridden, takes
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import PossibleUserWarning, rank_zero_info, rank_zero_warn

if TYPE_CHECKING:
    from minitorch.lightning.trainer import Trainer

__all__ = ["checked", "make_callbacks", "make_loggers", "verify"]


# ---- options ----


def checked(given: dict[str, Any]) -> dict[str, Any]:
    """The options with their defaults, checked one against the other; `device` among them."""
    options = dict(given)
    if options["barebones"]:
        _make_bare(options)
    defaults = {
        "logger": True, "enable_checkpointing": True, "enable_progress_bar": True, "enable_model_summary": True,
        "log_every_n_steps": 50, "num_sanity_val_steps": 2,
    }  # fmt: skip
    options.update({name: default for name, default in defaults.items() if options[name] is None})
    options["device"] = _device(options)
    _check_numbers(options)
    for name in (
        "limit_train_batches",
        "limit_val_batches",
        "limit_test_batches",
        "limit_predict_batches",
        "overfit_batches",
    ):
        options[name] = _limit(options[name], name)
    if options["overfit_batches"]:
        options["limit_train_batches"] = options["limit_val_batches"] = options["overfit_batches"]
    interval, options["val_check_seconds"] = options["val_check_interval"], None
    if isinstance(interval, (str, dict, timedelta)):
        options["val_check_interval"], options["val_check_seconds"] = 1.0, seconds(interval)
    else:
        options["val_check_interval"] = _limit(interval, "val_check_interval")
    if options["num_sanity_val_steps"] == -1:
        options["num_sanity_val_steps"] = float("inf")
    if options["fast_dev_run"]:
        _make_fast(options)
    return options


def _check_numbers(options: dict[str, Any]) -> None:
    clip, algorithm = options["gradient_clip_val"], options["gradient_clip_algorithm"]
    if clip is not None and not isinstance(clip, (int, float)):
        raise TypeError(f"`gradient_clip_val` should be an int or a float. Got {clip}.")
    if algorithm is not None and algorithm.lower() not in ("norm", "value"):
        raise MisconfigurationException(
            f"`gradient_clip_algorithm` {algorithm} is invalid. Allowed algorithms: ['value', 'norm']."
        )
    every = options["check_val_every_n_epoch"]
    if every is not None and not isinstance(every, int):
        raise MisconfigurationException(f"`check_val_every_n_epoch` should be an integer, found {every!r}.")
    if every is None and isinstance(options["val_check_interval"], float):
        raise MisconfigurationException(
            "`val_check_interval` should be an integer or a time-based duration (str 'DD:HH:MM:SS', datetime.timedelta, or dict"
            " kwargs for timedelta) when `check_val_every_n_epoch=None`."
        )
    reload = options["reload_dataloaders_every_n_epochs"]
    if not isinstance(reload, int) or reload < 0:
        raise MisconfigurationException(f"`reload_dataloaders_every_n_epochs` should be an int >= 0, got {reload}.")
    for name in ("max_epochs", "max_steps"):
        if isinstance(options[name], int) and options[name] < -1:
            raise MisconfigurationException(f"`{name}` must be a non-negative integer or -1. You passed in {options[name]}.")
    if options["fast_dev_run"] < 0:
        raise MisconfigurationException(
            f"fast_dev_run={options['fast_dev_run']!r} is not a valid configuration. It should be >= 0."
        )


def _limit(given: int | float | None, name: str) -> int | float:
    """A number of batches (int), or a share of them (float, at most 1)."""
    if given is None:
        return 1.0
    if 0 <= given <= 1:
        return given
    if given > 1 and given % 1.0 == 0:
        return int(given)
    raise MisconfigurationException(
        f"You have passed invalid value {given} for {name}, it has to be in [0.0, 1.0] or an int."
    )


def _make_fast(options: dict[str, Any]) -> None:
    """`fast_dev_run`: n batches of everything, once, and nothing is written."""
    batches = int(options["fast_dev_run"])
    options["fast_dev_run"] = True if batches == 1 else batches
    if not options["overfit_batches"]:
        options["limit_train_batches"] = options["limit_val_batches"] = batches
    options.update(
        limit_test_batches=batches, limit_predict_batches=batches, max_steps=batches, num_sanity_val_steps=0, max_epochs=1,
        val_check_interval=1.0, val_check_seconds=None, check_val_every_n_epoch=1,
    )  # fmt: skip
    rank_zero_info(
        f"Running in `fast_dev_run` mode: will run the requested loop using {batches} batch(es)."
        " Logging and checkpointing is suppressed."
    )


_OFF = {
    "enable_checkpointing": False, "logger": False, "enable_progress_bar": False, "enable_model_summary": False,
    "log_every_n_steps": 0, "num_sanity_val_steps": 0, "fast_dev_run": False, "detect_anomaly": False, "profiler": None,
}  # fmt: skip


def _make_bare(options: dict[str, Any]) -> None:
    """`barebones`: the loop and nothing beside it."""
    for name, off in _OFF.items():
        if options[name] is not None and options[name] != off:
            raise ValueError(f"`Trainer(barebones=True, {name}={options[name]!r})` was passed, but barebones turns it off")
    options.update(_OFF)


def seconds(duration: str | dict[str, int] | timedelta) -> float:
    """A duration as "DD:HH:MM:SS", as a timedelta or as its arguments, in seconds."""
    if isinstance(duration, dict):
        duration = timedelta(**duration)
    if isinstance(duration, timedelta):
        return duration.total_seconds()
    parts = duration.split(":")
    if len(parts) != 4 or not all(part.strip().isdigit() for part in parts):
        raise MisconfigurationException(f"Invalid time format: {duration!r}. Expected 'DD:HH:MM:SS'.")
    days, hours, minutes, secs = map(int, parts)
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=secs).total_seconds()


# ---- the machine ----

_ONE_PROCESS = (
    "this Trainer trains on one device in one process; for several start the script with `python -m minitorch.distributed.run`"
    " and wrap the network in `nn.parallel.DistributedDataParallel`"
)


def _device(options: dict[str, Any]) -> Any:
    """The device of `accelerator` and `devices`."""
    accelerator, devices = options["accelerator"], options["devices"]
    cuda = minitorch.cuda.is_available()
    if options["strategy"] not in ("auto", "single_device") or options["num_nodes"] != 1:
        raise MisconfigurationException(
            f"Trainer(strategy={options['strategy']!r}, num_nodes={options['num_nodes']}): {_ONE_PROCESS}"
        )
    for name in ("profiler", "plugins"):
        if options[name] is not None:
            raise MisconfigurationException(f"Trainer({name}={options[name]!r}): there are no {name}s here; leave it out")
    if accelerator not in ("auto", "cpu", "gpu", "cuda"):
        raise ValueError(
            f"You selected an invalid accelerator name: `accelerator={accelerator!r}`. Available names are: auto, cpu, cuda, gpu."
        )
    if accelerator == "auto":
        accelerator = "cuda" if cuda else "cpu"
    if accelerator in ("gpu", "cuda") and not cuda:
        raise MisconfigurationException(
            f"No supported gpu backend found: Trainer(accelerator={options['accelerator']!r}) needs a GPU and CuPy; use accelerator='cpu'"
        )
    number = _number_of(devices)
    if accelerator == "cpu":
        return minitorch.device("cpu")
    return minitorch.device("cuda", number)


def _number_of(devices: Any) -> int:
    """Which of the devices: the one that is listed, else the first; MisconfigurationException if there are several."""
    if isinstance(devices, str) and devices != "auto":
        devices = [int(part) for part in devices.split(",") if part.strip()] if "," in devices else int(devices)
    if devices in ("auto", 1, -1):
        return 0
    if isinstance(devices, (list, tuple)) and len(devices) == 1:
        return int(devices[0])
    if devices == 0 or devices == []:
        raise MisconfigurationException(f"Trainer(devices={devices!r}): expected 1, for something has to compute")
    raise MisconfigurationException(f"Trainer(devices={devices!r}): {_ONE_PROCESS}")


def set_determinism(deterministic: bool | str | None, benchmark: bool | None) -> None:
    """`deterministic`: True refuses what is not, "warn" only says so."""
    if deterministic is not None:
        minitorch.use_deterministic_algorithms(bool(deterministic), warn_only=deterministic == "warn")
    if benchmark is not None:
        minitorch.backends.cudnn.benchmark = benchmark  # type: ignore[attr-defined]


# ---- callbacks and loggers ----


def make_callbacks(trainer: Trainer, options: dict[str, Any]) -> list[Any]:
    """The given callbacks and, unless they are turned off or given, those for checkpoints, time, progress and a summary; savers last."""
    from minitorch.lightning.callbacks import (
        Callback,
        Checkpoint,
        ModelCheckpoint,
        ModelSummary,
        ProgressBar,
        Timer,
        TQDMProgressBar,
    )

    given = options["callbacks"]
    callbacks = [given] if isinstance(given, Callback) else list(given or [])
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise TypeError(f"Trainer(callbacks=…): expected Callbacks, got {type(callback).__name__}")

    def has(kind: type) -> bool:
        return any(isinstance(callback, kind) for callback in callbacks)

    for kind, option in ((Checkpoint, "enable_checkpointing"), (ProgressBar, "enable_progress_bar")):
        if has(kind) and not options[option]:
            named = "ModelCheckpoint" if kind is Checkpoint else kind.__name__
            raise MisconfigurationException(
                f"Trainer was configured with `{option}=False` but found `{named}` in callbacks list."
            )
    if sum(isinstance(callback, ProgressBar) for callback in callbacks) > 1:
        raise MisconfigurationException(
            "You added multiple progress bar callbacks to the Trainer, but currently only one progress bar is supported."
        )
    if options["enable_checkpointing"] and not has(Checkpoint):
        callbacks.append(ModelCheckpoint())
    if options["max_time"] is not None and not has(Timer):
        callbacks.append(Timer(duration=options["max_time"], interval="step"))
    if options["enable_progress_bar"] and not has(ProgressBar):
        callbacks.append(TQDMProgressBar())
    if options["enable_model_summary"] and not has(ModelSummary):
        callbacks.append(ModelSummary())
    _check_state_keys(callbacks)
    return _savers_last(callbacks)


def _savers_last(callbacks: list[Any]) -> list[Any]:
    from minitorch.lightning.callbacks import Checkpoint

    return sorted(callbacks, key=lambda callback: isinstance(callback, Checkpoint))


def _check_state_keys(callbacks: list[Any]) -> None:
    from minitorch.lightning.callbacks import Callback

    seen = set()
    for callback in callbacks:
        if is_overridden("state_dict", callback, Callback):
            if callback.state_key in seen:
                raise RuntimeError(
                    f"Found more than one stateful callback of type `{type(callback).__name__}`. In the current configuration, this"
                    " callback does not support being saved alongside other instances of the same type. HINT: The"
                    " `callback.state_key` must be unique among all callbacks in the Trainer."
                )
            seen.add(callback.state_key)


def add_callbacks_of_model(trainer: Trainer) -> None:
    """Callbacks of `configure_callbacks`: they take the place of the Trainer's of the same class, or of a base of it."""
    from minitorch.lightning.callbacks import Callback

    own = call_module(trainer, "configure_callbacks")
    if not own:
        return
    own = list(own) if isinstance(own, (list, tuple)) else [own]
    replaced = {
        type(c) for c in trainer.callbacks if type(c) is not Callback and any(issubclass(type(o), type(c)) for o in own)
    }
    if replaced:
        rank_zero_info(
            "The following callbacks returned in `LightningModule.configure_callbacks` will override existing callbacks passed to"
            f" Trainer: {', '.join(sorted(kind.__name__ for kind in replaced))}"
        )
    trainer.callbacks = _savers_last([c for c in trainer.callbacks if type(c) not in replaced] + own)


def make_loggers(trainer: Trainer, logger: Any) -> list[Any]:
    """The given logger or loggers; True: TensorBoard's, if the package tensorboard is installed, else CSV files."""
    from minitorch.lightning.loggers import CSVLogger, Logger, TensorBoardLogger
    from minitorch.lightning.loggers.logger import DummyLogger

    if not logger:
        return []
    if trainer.fast_dev_run:
        return [DummyLogger()]
    if logger is True:
        from importlib.util import find_spec

        kind = TensorBoardLogger if find_spec("tensorboard") else CSVLogger
        return [kind(save_dir=trainer.default_root_dir)]
    loggers = list(logger) if isinstance(logger, (list, tuple)) else [logger]
    for one in loggers:
        if not isinstance(one, Logger):
            raise TypeError(f"Trainer(logger=…): expected True, False, a Logger or a list of them, got {type(one).__name__}")
    return loggers


def log_hyperparameters(trainer: Trainer) -> None:
    """The module's and the datamodule's hyperparameters, and the module's graph, to all loggers."""
    module, data = trainer.lightning_module, trainer.datamodule
    owners = [owner for owner in (module, data) if owner is not None and owner._log_hyperparams]
    if len(owners) == 2:
        one, other = (owner.hparams_initial for owner in owners)
        differing = [
            key for key in one.keys() & other.keys() if type(one[key]) is not type(other[key]) or one[key] != other[key]
        ]
        if differing:
            raise RuntimeError(
                f"Error while merging hparams: the keys {differing} are present in both the LightningModule's and"
                " LightningDataModule's hparams but have different values."
            )
    merged = {key: value for owner in owners for key, value in owner.hparams_initial.items()}
    for logger in trainer.loggers:
        if owners:
            logger.log_hyperparams(merged)
        logger.log_graph(module)
        logger.save()


# ---- before a run ----


def verify(trainer: Trainer) -> None:
    """MisconfigurationException if the module lacks what the run needs."""
    module = trainer.lightning_module
    if trainer.fn == "fit":
        for name in ("training_step", "configure_optimizers"):
            if not is_overridden(name, module):
                raise MisconfigurationException(
                    f"No `{name}()` method defined. Lightning `Trainer` expects as minimum a `training_step()`, `train_dataloader()`"
                    " and `configure_optimizers()` to be defined."
                )
        _verify_validation(trainer)
        _verify_manual(trainer)
    elif trainer.fn == "predict":
        if not is_overridden("predict_step", module) and not is_overridden("forward", module):
            raise MisconfigurationException("`Trainer.predict` requires `forward` method to run.")
    else:
        step = "validation_step" if trainer.fn == "validate" else "test_step"
        if not is_overridden(step, module):
            raise MisconfigurationException(f"No `{step}()` method defined to run `Trainer.{trainer.fn}`.")
    for step in ("training_step", "validation_step", "test_step", "predict_step"):
        if takes(getattr(module, step), "dataloader_iter", explicit=True):
            raise MisconfigurationException(
                f"`{type(module).__name__}.{step}` takes a `dataloader_iter`; here a step takes (batch, batch_idx)"
            )
    for stage in ("training", "validation", "test"):
        if callable(getattr(module, f"{stage}_epoch_end", None)):
            hook = f"on_{'train' if stage == 'training' else stage}_epoch_end"
            raise NotImplementedError(
                f"Support for `{stage}_epoch_end` has been removed in v2.0.0. `{type(module).__name__}` implements this method."
                f" You can use the `{hook}` hook instead. To access outputs, save them in-memory as instance attributes."
            )


def _verify_validation(trainer: Trainer) -> None:
    has_loader = trainer.fit_loop.val_loop.data.is_defined()
    has_step = is_overridden("validation_step", trainer.lightning_module)
    if has_loader and not has_step:
        rank_zero_warn("You passed in a `val_dataloader` but have no `validation_step`. Skipping val loop.")
    if has_step and not has_loader:
        rank_zero_warn(
            "You defined a `validation_step` but have no `val_dataloader`. Skipping val loop.", category=PossibleUserWarning
        )


def _verify_manual(trainer: Trainer) -> None:
    if trainer.lightning_module.automatic_optimization:
        return
    if trainer.gradient_clip_val:
        raise MisconfigurationException(
            "Automatic gradient clipping is not supported for manual optimization. Remove"
            f" `Trainer(gradient_clip_val={trainer.gradient_clip_val})` or switch to automatic optimization."
        )
    if trainer.accumulate_grad_batches != 1:
        raise MisconfigurationException(
            "Automatic gradient accumulation is not supported for manual optimization. Remove"
            f" `Trainer(accumulate_grad_batches={trainer.accumulate_grad_batches})` or switch to automatic optimization."
        )
