"""`Trainer`: the options of a training, and what is shared while it runs: the module, its optimizers, the callbacks, the loggers, the counters.

`fit`, `validate`, `test` and `predict` all go through `_run`, which prepares everything, runs one loop and tidies up. The loops themselves are in
`loop.py` (training) and `evaluation.py` (the other three): read them first.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import minitorch
from minitorch.lightning import checkpoints, configuration
from minitorch.lightning.calls import call_callbacks, call_datamodule, call_hook, call_module, is_overridden
from minitorch.lightning.datamodule import LightningDataModule
from minitorch.lightning.evaluation import EvaluationLoop, PredictionLoop
from minitorch.lightning.hyperparameters import clean_namespace
from minitorch.lightning.loop import FitLoop
from minitorch.lightning.module import LightningModule
from minitorch.lightning.optimizers import LightningOptimizer, LRSchedulerConfig, configured
from minitorch.lightning.precision import make_precision
from minitorch.lightning.results import Metrics
from minitorch.lightning.trainer_state import TrainerState
from minitorch.lightning.transfer import move_data_to_device
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import PossibleUserWarning, rank_zero_info, rank_zero_warn

__all__ = ["Trainer"]


class Trainer(TrainerState):
    """Runs the loop around a LightningModule. The options are Lightning's.

    max_epochs (1000 if nothing ends the training), min_epochs, max_steps, min_steps, max_time: when it ends.
    limit_train_batches, limit_val_batches, limit_test_batches, limit_predict_batches: so many batches (int), or a share of them (float).
    overfit_batches: train and validate on the same few batches, in order. fast_dev_run: n batches of everything, nothing written.
    val_check_interval: validate after so many batches (int) or parts of an epoch (float); check_val_every_n_epoch; num_sanity_val_steps.
    accumulate_grad_batches, gradient_clip_val, gradient_clip_algorithm ("norm", "value"): the optimizer's step.
    precision: "32-true", "16-mixed", "bf16-mixed", "64-true", "16-true", "bf16-true". accelerator: "cpu", "gpu", "auto"; devices: 1.
    logger, callbacks, log_every_n_steps, enable_checkpointing, enable_progress_bar, enable_model_summary, default_root_dir: what is written.
    deterministic, detect_anomaly, inference_mode, reload_dataloaders_every_n_epochs, barebones: see `docs/lightning.md`.
    """

    def __init__(
        self,
        *,
        accelerator: str = "auto",
        strategy: str = "auto",
        devices: list[int] | str | int = "auto",
        num_nodes: int = 1,
        precision: str | int | None = None,
        logger: Any = None,
        callbacks: Any = None,
        fast_dev_run: int | bool = False,
        max_epochs: int | None = None,
        min_epochs: int | None = None,
        max_steps: int = -1,
        min_steps: int | None = None,
        max_time: Any = None,
        limit_train_batches: int | float | None = None,
        limit_val_batches: int | float | None = None,
        limit_test_batches: int | float | None = None,
        limit_predict_batches: int | float | None = None,
        overfit_batches: int | float = 0.0,
        val_check_interval: Any = None,
        check_val_every_n_epoch: int | None = 1,
        num_sanity_val_steps: int | None = None,
        log_every_n_steps: int | None = None,
        enable_checkpointing: bool | None = None,
        enable_progress_bar: bool | None = None,
        enable_model_summary: bool | None = None,
        accumulate_grad_batches: int = 1,
        gradient_clip_val: int | float | None = None,
        gradient_clip_algorithm: str | None = None,
        deterministic: bool | str | None = None,
        benchmark: bool | None = None,
        inference_mode: bool = True,
        use_distributed_sampler: bool = True,
        profiler: Any = None,
        detect_anomaly: bool = False,
        barebones: bool = False,
        plugins: Any = None,
        sync_batchnorm: bool = False,
        reload_dataloaders_every_n_epochs: int = 0,
        default_root_dir: str | os.PathLike[str] | None = None,
        enable_autolog_hparams: bool = True,
    ) -> None:
        given = {k: v for k, v in locals().items() if k != "self"}
        options = configuration.checked(given)
        self.barebones = barebones
        self.root_device = options["device"]
        self.precision_plugin = make_precision(precision, self.root_device.type)
        configuration.set_determinism(deterministic, benchmark)
        self.inference_mode = inference_mode
        self._detect_anomaly = detect_anomaly
        self._default_root_dir = os.fspath(default_root_dir or os.getcwd())
        self.enable_autolog_hparams = enable_autolog_hparams

        # what runs
        self.lightning_module: Any = None
        self.datamodule: LightningDataModule | None = None
        self.fn: str | None = None  # "fit", "validate", "test", "predict"
        self.stage: str | None = None  # "train", "validate", "test", "predict", "sanity_check"
        self.status = "initializing"
        self.should_stop = False

        # what it steps
        self.optimizers: list[Any] = []
        self.lightning_optimizers: list[LightningOptimizer] = []
        self.lr_scheduler_configs: list[LRSchedulerConfig] = []
        self.accumulate_grad_batches = accumulate_grad_batches
        self.gradient_clip_val = gradient_clip_val
        self.gradient_clip_algorithm = gradient_clip_algorithm and gradient_clip_algorithm.lower()

        # how far, and how often
        for name in (
            "fast_dev_run", "overfit_batches", "limit_train_batches", "limit_val_batches", "limit_test_batches",
            "limit_predict_batches", "val_check_interval", "val_check_seconds", "check_val_every_n_epoch",
            "num_sanity_val_steps", "log_every_n_steps", "reload_dataloaders_every_n_epochs",
        ):  # fmt: skip
            setattr(self, name, options[name])
        self.fit_loop = FitLoop(
            self, options["min_epochs"], options["max_epochs"], options["min_steps"], options["max_steps"]
        )
        self.validate_loop = EvaluationLoop(self, "validate")
        self.test_loop = EvaluationLoop(self, "test")
        self.predict_loop = PredictionLoop(self)

        # who is told
        self.metrics = Metrics(self)
        self.callbacks = configuration.make_callbacks(self, options)
        self.loggers = configuration.make_loggers(self, options["logger"])

    fast_dev_run: int | bool
    overfit_batches: int | float
    limit_train_batches: int | float
    limit_val_batches: int | float
    limit_test_batches: int | float
    limit_predict_batches: int | float
    val_check_interval: int | float
    val_check_seconds: float | None
    check_val_every_n_epoch: int | None
    num_sanity_val_steps: int | float
    log_every_n_steps: int
    reload_dataloaders_every_n_epochs: int

    # ---- the four runs ----

    def fit(
        self,
        model: LightningModule,
        train_dataloaders: Any = None,
        val_dataloaders: Any = None,
        datamodule: LightningDataModule | None = None,
        ckpt_path: str | os.PathLike[str] | None = None,
        weights_only: bool | None = None,
    ) -> None:
        """Train `model` on its own loaders, on those given, or on a datamodule's; from a checkpoint (a path, "best", "last") if there is one."""
        self.should_stop = False
        if isinstance(train_dataloaders, LightningDataModule):
            train_dataloaders, datamodule = None, train_dataloaders
        self._start("fit", "train", model)
        self._ending_well(lambda: self._attach_and_run(
            model, {"train": train_dataloaders, "val": val_dataloaders}, datamodule, ckpt_path, given=True
        ))  # fmt: skip

    def validate(
        self,
        model: LightningModule | None = None,
        dataloaders: Any = None,
        ckpt_path: str | os.PathLike[str] | None = None,
        verbose: bool = True,
        datamodule: LightningDataModule | None = None,
        weights_only: bool | None = None,
    ) -> list[dict[str, float]]:
        """One pass over the validation data: a dict of what was logged for each loader, which is also printed if `verbose`."""
        self.validate_loop.verbose = verbose
        return self._evaluate("validate", "val", model, dataloaders, ckpt_path, datamodule)

    def test(
        self,
        model: LightningModule | None = None,
        dataloaders: Any = None,
        ckpt_path: str | os.PathLike[str] | None = None,
        verbose: bool = True,
        datamodule: LightningDataModule | None = None,
        weights_only: bool | None = None,
    ) -> list[dict[str, float]]:
        """One pass over the test data, as `validate`. Without a model: the last one fitted, at its best checkpoint."""
        self.test_loop.verbose = verbose
        return self._evaluate("test", "test", model, dataloaders, ckpt_path, datamodule)

    def predict(
        self,
        model: LightningModule | None = None,
        dataloaders: Any = None,
        datamodule: LightningDataModule | None = None,
        return_predictions: bool | None = None,
        ckpt_path: str | os.PathLike[str] | None = None,
        weights_only: bool | None = None,
    ) -> list[Any] | None:
        """What `predict_step` returns, batch by batch (for several loaders: a list of such lists)."""
        self.predict_loop.return_predictions = return_predictions is not False
        return self._evaluate("predict", "predict", model, dataloaders, ckpt_path, datamodule)

    def _evaluate(self, fn: str, data: str, model: Any, dataloaders: Any, ckpt_path: Any, datamodule: Any) -> Any:
        given = model is not None
        model = model if given else self.lightning_module
        if model is None:
            raise TypeError(f"`Trainer.{fn}()` requires a `LightningModule` when it hasn't been passed in a previous run")
        if isinstance(dataloaders, LightningDataModule):
            dataloaders, datamodule = None, dataloaders
        self._start(fn, fn, model)
        return self._ending_well(lambda: self._attach_and_run(model, {data: dataloaders}, datamodule, ckpt_path, given))

    def _start(self, fn: str, stage: str, model: Any) -> None:
        if not isinstance(model, LightningModule):
            hint = (
                ": compile a network within it, `self.net = minitorch.compile(net)`" if hasattr(model, "_orig_mod") else ""
            )
            raise TypeError(f"`model` must be a `LightningModule`, got `{type(model).__qualname__}`{hint}")
        if not hasattr(model, "_current_fx_name"):
            raise AttributeError(f"`{type(model).__qualname__}.__init__` has not called `super().__init__()`: call it first")
        self.fn, self.stage, self.status = fn, stage, "running"
        self.lightning_module = model

    # ---- one run ----

    def _attach_and_run(
        self, model: LightningModule, loaders: dict[str, Any], datamodule: Any, ckpt_path: Any, given: bool
    ) -> Any:
        """Say where the data come from, then run."""
        if datamodule is not None and any(loader is not None for loader in loaders.values()):
            names = "`train_dataloader` or `val_dataloaders`" if self.fn == "fit" else "`dataloaders`"
            raise MisconfigurationException(f"You cannot pass {names} to `trainer.{self.fn}(datamodule=...)`")
        for name, sources in self._sources.items():
            for source in sources:
                source.combined = None
                own = loaders.get(name)
                source.data.instance = datamodule if datamodule is not None else model if own is None else own
        if datamodule is not None:
            self.datamodule = datamodule
            datamodule.trainer = self
        model.trainer = self
        return self._run(model, checkpoints.path_of(self, ckpt_path, given))

    @property
    def _sources(self) -> dict[str, list[Any]]:
        """The loops by the data that they take."""
        return {
            "train": [self.fit_loop],
            "val": [self.fit_loop.val_loop, self.validate_loop],
            "test": [self.test_loop],
            "predict": [self.predict_loop],
        }

    def _run(self, model: LightningModule, ckpt_path: str | None) -> Any:
        """Prepare, run one loop, tidy up: the order of the hooks around a loop is here."""
        if self.fn == "fit":
            self._set_limits()
        clean_namespace(model.hparams)
        configuration.add_callbacks_of_model(self)
        for callback in self.callbacks:
            callback.log, callback.log_dict = model.log, model.log_dict
        configuration.verify(self)

        for owner in (self.datamodule, model):
            if owner is not None and is_overridden("prepare_data", owner):
                if owner is model:
                    call_module(self, "prepare_data")
                else:
                    call_datamodule(self, "prepare_data")
        for logger in self.loggers:  # made now, so that hooks find them
            getattr(logger, "experiment", None)
        call_datamodule(self, "setup", stage=self.fn)
        call_hook(self, "setup", stage=self.fn)
        if is_overridden("configure_model", model):
            with self.precision_plugin.module_init_context():
                call_module(self, "configure_model")

        checkpoint = checkpoints.read(self, ckpt_path)
        checkpoints.restore_module_and_callbacks(self, checkpoint)
        self.metrics.reset_results()
        self.metrics.clear()
        self.precision_plugin.convert_module(model)
        model.to(self.root_device)
        if self.fn == "fit":
            self.optimizers, self.lr_scheduler_configs = configured(self)
            self.lightning_optimizers = [LightningOptimizer(optimizer, self) for optimizer in self.optimizers]
            call_hook(self, "on_fit_start")
        if self.enable_autolog_hparams:
            configuration.log_hyperparameters(self)
        checkpoints.restore_training(self, checkpoint)

        results = self._run_stage()

        self._tear_down()
        if self.fn == "fit":
            call_hook(self, "on_fit_end")
        call_datamodule(self, "teardown", stage=self.fn)
        call_hook(self, "teardown", stage=self.fn)
        for logger in self.loggers:
            logger.finalize("success")
        self.status, self.stage = "finished", None
        return results

    def _run_stage(self) -> Any:
        self.lightning_module.zero_grad()
        if self.fn == "validate":
            return self.validate_loop.run()
        if self.fn == "test":
            return self.test_loop.run()
        if self.fn == "predict":
            return self.predict_loop.run()
        self.fit_loop.check_sanity()
        with minitorch.autograd.set_detect_anomaly(self._detect_anomaly):
            self.fit_loop.run()
        return None

    def _set_limits(self) -> None:
        """Defaults of those limits that depend on the others."""
        from minitorch.lightning.callbacks import Timer

        loop = self.fit_loop
        if loop.max_epochs is None:
            endless = loop.max_steps == -1 and not any(isinstance(c, Timer) for c in self.callbacks)
            if endless:
                rank_zero_warn(
                    "`max_epochs` was not set. Setting it to 1000 epochs. To train without an epoch limit, set `max_epochs=-1`.",
                    category=PossibleUserWarning,
                )
            loop.max_epochs = 1000 if endless else -1
        if loop.min_epochs is None:
            loop.min_epochs = 0 if loop.min_steps is None else 1

    def _tear_down(self) -> None:
        """The module back on the CPU; optimizers' states and numbers, too."""
        self.lightning_module.cpu()
        for optimizer in self.optimizers:
            for state in optimizer.state.values():
                state.update(move_data_to_device(dict(state), "cpu"))
        for numbers in (self.metrics.logged, self.metrics.callback):
            numbers.update(move_data_to_device(numbers, "cpu"))

    def _ending_well(self, run: Callable[[], Any]) -> Any:
        """Run; after an error or Ctrl-C callbacks and loggers are told, so that files are whole, and Ctrl-C ends the program."""
        try:
            return run()
        except KeyboardInterrupt as interruption:
            rank_zero_info("\nDetected KeyboardInterrupt, attempting graceful shutdown ...")
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one is not to spoil it
            self._interrupted(interruption)
            self._tear_down()
            signal.signal(signal.SIGINT, before)
            sys.exit(1)
        except BaseException as error:
            self._interrupted(error)
            self._tear_down()
            self.stage = None
            raise

    def _interrupted(self, error: BaseException) -> None:
        self.status = "interrupted"
        call_callbacks(self, "on_exception", error)
        call_datamodule(self, "on_exception", error)
        for logger in self.loggers:
            logger.finalize("failed")

    # ---- checkpoints ----

    def save_checkpoint(
        self, filepath: str | os.PathLike[str], weights_only: bool | None = None, storage_options: Any = None
    ) -> None:
        """Write all there is of this run (or only the weights) to a file, from which `fit(ckpt_path=…)` goes on."""
        checkpoints.save(self, filepath, bool(weights_only))

    @property
    def ckpt_path(self) -> str | None:
        """The checkpoint that the run began with, if any."""
        return self._ckpt_path

    _ckpt_path: str | None = None
