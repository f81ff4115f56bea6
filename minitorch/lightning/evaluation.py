"""Validation, test and prediction: one pass over the data without gradients. Without hooks it is

    module.eval()
    with no_grad():
        for dataloader_idx, loader in enumerate(loaders):
            for batch_idx, batch in enumerate(loader):
                module.validation_step(batch, batch_idx)
    module.train()

`Trainer.fit` has an EvaluationLoop of its own for the validation in the middle of training. Read next: `results.py`, the averaging.
"""

from __future__ import annotations

import inspect
import shutil
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import minitorch
from minitorch.lightning.calls import call_hook, call_module, is_overridden, takes
from minitorch.lightning.loaders import (
    DataSource,
    Fetcher,
    batches_of,
    seed_workers,
    set_epoch,
    warn_of_shuffling,
    without_shuffling,
)  # fmt: skip
from minitorch.lightning.progress import BatchProgress, Progress
from minitorch.lightning.results import Results
from minitorch.lightning.transfer import move_data_to_device, transferred
from minitorch.lightning.utilities.combined_loader import CombinedLoader
from minitorch.lightning.utilities.rank_zero import WarningCache
from minitorch.tensor import Tensor

if TYPE_CHECKING:
    from minitorch.lightning.trainer import Trainer

__all__ = ["EvaluationLoop", "PredictionLoop"]

_said = WarningCache()

# The words that hooks, steps and loaders are named with, by what runs.
_HOOK = {"fit": "validation", "validate": "validation", "test": "test", "predict": "predict"}
_STAGE = {"fit": "val", "validate": "val", "test": "test", "predict": "predict"}


class _Loop:
    """What the three have in common: loaders one after the other, each with its limit."""

    def __init__(self, trainer: Trainer, fn: str) -> None:
        self.trainer = trainer
        self.fn = fn  # "fit": validation within training
        self.hook, self.stage = _HOOK[fn], _STAGE[fn]
        self.data = DataSource(f"{self.stage}_dataloader")
        self.combined: CombinedLoader | None = None
        self._max_batches: list[int | float] = []
        self._modes: list[tuple[Any, bool]] = []

    @property
    def limit(self) -> int | float:
        """`limit_val_batches` and the like."""
        return getattr(self.trainer, f"limit_{self.stage}_batches")

    @property
    def max_batches(self) -> list[int | float]:
        """Batches of each loader."""
        return self._max_batches

    @property
    def loaders(self) -> list[Any]:
        """The loaders one by one."""
        return [] if self.combined is None else self.combined.flattened

    @property
    def iterables(self) -> Any:
        """The loaders as they were given."""
        return None if self.combined is None else self.combined.iterables

    def no_gradients(self) -> Any:
        """The context in which steps run; in training's validation plain `no_grad`, for what comes of it may meet the training again."""
        inference = self.trainer.inference_mode and self.fn != "fit"
        return minitorch.inference_mode() if inference else minitorch.no_grad()

    def load(self) -> None:
        """Ask for the loaders, and count their batches."""
        trainer = self.trainer
        self.combined = self.data.request(trainer, "sequential", self.fn)
        if self.fn == "fit" and trainer.overfit_batches:
            without_shuffling(self.combined, self.stage)
        for loader in self.loaders:
            warn_of_shuffling(loader, self.stage)
            seed_workers(loader)
            if self.fn != "fit":
                set_epoch(loader, trainer.fit_loop.epoch_progress.current.processed)
        self._max_batches = [batches_of(self.stage, loader, self.limit) for loader in self.loaders]

    def fetch(self) -> None:
        """Begin a pass over all batches."""
        assert self.combined is not None
        self.combined.limits = list(self.max_batches)
        self.fetcher = Fetcher(self.combined).start()

    @property
    def several(self) -> bool:
        """Whether steps are told which loader a batch is of."""
        return self.combined is not None and self.combined.mode == "sequential" and len(self.loaders) > 1

    def which(self, batch: Any, batch_idx: int, dataloader_idx: int) -> tuple[Any, ...]:
        """The arguments of a batch's hooks."""
        return (batch, batch_idx, dataloader_idx) if self.several else (batch, batch_idx)

    def step(self, batch: Any, batch_idx: int, dataloader_idx: int) -> Any:
        """The module's step, with those of the arguments that it takes."""
        trainer, name = self.trainer, f"{self.hook}_step"
        arguments = self.which(batch, batch_idx, dataloader_idx)
        if not takes(getattr(trainer.lightning_module, name), "batch_idx", at_least=2):
            arguments = (batch, *arguments[2:])
        with trainer.precision_plugin.forward_context():
            return call_module(trainer, name, *arguments)

    def eval(self) -> None:
        """`eval()`; which layers were in training is kept."""
        module = self.trainer.lightning_module
        self._modes = [(m, m.training) for m in module.modules()]
        call_module(self.trainer, f"on_{self.hook}_model_eval")

    def train(self) -> None:
        """Each layer's mode as it was, unless the module does something else here."""
        name = f"on_{self.hook}_model_train"
        if self.hook != "predict" and is_overridden(name, self.trainer.lightning_module):
            call_module(self.trainer, name)
        else:
            for module, training in self._modes:
                module.training = training
        self._modes = []

    def check_signatures(self) -> None:
        """RuntimeError if a step does not take `dataloader_idx` where there are several loaders, or wants it where there is one."""
        module = self.trainer.lightning_module
        for name in (f"{self.hook}_step", f"on_{self.hook}_batch_start", f"on_{self.hook}_batch_end"):
            method = getattr(module, name)
            taken = takes(method, "dataloader_idx")
            if self.several and not taken:
                raise RuntimeError(
                    f"You provided multiple `{self.stage}_dataloader`, but no `dataloader_idx` argument in"
                    f" `{type(module).__name__}.{name}()`. Try adding `dataloader_idx=0` to its signature."
                )
            parameter = inspect.signature(method).parameters.get("dataloader_idx")
            if not self.several and parameter is not None and parameter.default is parameter.empty:
                raise RuntimeError(
                    f"You provided only a single `{self.stage}_dataloader`, but have included `dataloader_idx` in"
                    f" `{type(module).__name__}.{name}()`. Either remove the argument or give it a default value i.e. `dataloader_idx=0`."
                )


class EvaluationLoop(_Loop):
    """Validation or test."""

    def __init__(self, trainer: Trainer, fn: str) -> None:
        super().__init__(trainer, fn)
        self.verbose = fn != "fit"
        self.results = Results(training=False)
        self.batch_progress = BatchProgress()
        self.has_run = False
        self.restarting = False  # a checkpoint was loaded, and this loop has not run since
        self.resumed_within = False  # … which was written between two batches of this loop
        self._seen: defaultdict[int, int] = defaultdict(int)  # batches of each loader: the step of what is logged by step
        self._loaded_in_epoch = float("-inf")

    @property
    def max_batches(self) -> list[int | float]:
        """Batches of each loader; in the sanity check a few."""
        if not self.trainer.sanity_checking:
            return self._max_batches
        return [min(self.trainer.num_sanity_val_steps, n) for n in self._max_batches]

    def run(self) -> list[dict[str, Any]]:
        """One pass; what was logged, a dict for each loader."""
        with self.no_gradients():
            self.setup_data()
            if not sum(self.max_batches):
                return []
            self.begin()
            self.check_signatures()
            self.eval()
            call_hook(self.trainer, f"on_{self.hook}_start")
            call_hook(self.trainer, f"on_{self.hook}_epoch_start")
            outputs, current = [], 0
            for batch, batch_idx, dataloader_idx in self.fetcher:
                if dataloader_idx != current:
                    outputs.append(self._logged())
                current = dataloader_idx
                self.run_batch(batch, batch_idx, dataloader_idx)
                self.restarting = self.resumed_within = False
            outputs.append(self._logged())
            return self._end(outputs)

    def begin(self) -> None:
        """Counters and an iterator for a new pass."""
        trainer = self.trainer
        self.has_run = False
        if self.restarting and self.fn == "fit":
            self.batch_progress.reset_on_restart()
        else:
            self.batch_progress.reset_on_run()
        if self.fn == "fit":
            for loader in self.loaders:
                set_epoch(loader, trainer.fit_loop.epoch_progress.current.processed)
        self.fetch()
        self.fetcher.fetched += self.batch_progress.current.ready

    def run_batch(self, batch: Any, batch_idx: int, dataloader_idx: int) -> None:
        """One batch from its way to the device to its log."""
        trainer, batches = self.trainer, self.batch_progress
        batches.is_last_batch = self.fetcher.done
        batch = transferred(trainer, batch, dataloader_idx)
        arguments = self.which(batch, batch_idx, dataloader_idx)
        batches.count("ready")
        trainer.metrics.on_batch_start(batch, dataloader_idx if self.several else None)
        call_hook(trainer, f"on_{self.hook}_batch_start", *arguments)
        batches.count("started")
        output = self.step(batch, batch_idx, dataloader_idx)
        batches.count("processed")
        call_hook(trainer, f"on_{self.hook}_batch_end", output, *arguments)
        trainer.metrics.on_batch_end()
        batches.count("completed")
        if not trainer.sanity_checking:
            self.has_run = True
            trainer.metrics.log(self.results.metrics(on_step=True)["log"], step=self._seen[dataloader_idx])
            self._seen[dataloader_idx] += 1

    def _logged(self) -> dict[str, Any]:
        """What was logged for the loader that is done."""
        self.trainer.metrics.epoch_end_reached()
        return {} if self.trainer.sanity_checking else self.trainer.metrics.update()

    def _end(self, outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The last hooks, and the log."""
        trainer, metrics = self.trainer, self.trainer.metrics
        self.results.dataloader_idx = None
        call_hook(trainer, f"on_{self.hook}_epoch_end")
        metrics.on_epoch_end()
        of_all = self._logged()
        if not trainer.sanity_checking:
            metrics.log({name: value for output in (*outputs[::-1], of_all) for name, value in output.items()})
        for output in outputs:
            output.update(of_all)
        call_hook(trainer, f"on_{self.hook}_end")
        metrics.reset_results()
        self.train()
        if self.verbose and trainer.is_global_zero:
            _print_table(outputs, self.fn)
        trainer.fit_loop.last_validation = time.monotonic()
        return [{name: value.item() for name, value in output.items()} for output in outputs]

    def setup_data(self) -> None:
        """The loaders; in `fit` they are kept, unless they are to be reloaded."""
        trainer = self.trainer
        every = trainer.reload_dataloaders_every_n_epochs
        due = bool(every) and trainer.current_epoch - self._loaded_in_epoch >= every
        if self.combined is not None and self.fn == "fit" and not due:
            return
        if self.limit == 0 or not is_overridden(f"{self.hook}_step", trainer.lightning_module):
            return
        if self.fn == "fit" and (not trainer.sanity_checking or trainer.fit_loop.validates_in_this_epoch()):
            self._loaded_in_epoch = trainer.current_epoch
        self.load()
        self._seen.clear()

    def count_as_done(self) -> None:
        """The pass was over when a checkpoint was written: its counters stand at the end."""
        self.setup_data()
        if not sum(self.max_batches):
            return
        self.begin()
        most = max(self.max_batches)
        if most != float("inf"):
            self.batch_progress.count_all(int(most))
            self.batch_progress.is_last_batch = True


class PredictionLoop(_Loop):
    """Prediction: what `predict_step` returns is kept."""

    def __init__(self, trainer: Trainer) -> None:
        super().__init__(trainer, "predict")
        self.return_predictions = True
        self.batch_progress = Progress()

    def run(self) -> list[Any] | None:
        """One pass: a list of the batches' predictions; with several loaders a list of such lists; None if they are not wanted."""
        trainer = self.trainer
        with self.no_gradients():
            if self.limit != 0:
                self.load()
            if not sum(self.max_batches):
                return None
            if self.combined is not None and self.combined.mode != "sequential":
                raise ValueError('`trainer.predict()` only supports the `CombinedLoader(mode="sequential")` mode.')
            self.batch_progress.reset_on_run()
            predictions: list[list[Any]] = [[] for _ in self.loaders]
            self.fetch()
            self.check_signatures()
            self.eval()
            call_hook(trainer, "on_predict_start")
            call_hook(trainer, "on_predict_epoch_start")
            for batch, batch_idx, dataloader_idx in self.fetcher:
                output = self.run_batch(batch, batch_idx, dataloader_idx)
                if self.return_predictions:
                    predictions[dataloader_idx].append(move_data_to_device(output, minitorch.device("cpu")))
            call_hook(trainer, "on_predict_epoch_end")
            call_hook(trainer, "on_predict_end")
            self.train()
        if not self.return_predictions:
            return None
        return predictions if len(predictions) > 1 else predictions[0]

    def run_batch(self, batch: Any, batch_idx: int, dataloader_idx: int) -> Any:
        """The predictions of one batch."""
        trainer, batches = self.trainer, self.batch_progress
        batch = transferred(trainer, batch, dataloader_idx)
        arguments = self.which(batch, batch_idx, dataloader_idx)
        batches.count("ready")
        call_hook(trainer, "on_predict_batch_start", *arguments)
        batches.count("started")
        output = self.step(batch, batch_idx, dataloader_idx)
        if output is None:
            _said.warn("predict returned None if it was on purpose, ignore this warning...")
        batches.count("processed")
        call_hook(trainer, "on_predict_batch_end", output, *arguments)
        batches.count("completed")
        return output


def _print_table(outputs: list[dict[str, Any]], fn: str) -> None:
    """What was logged, a row for each name and a column for each loader."""
    columns = [{name.split("/dataloader_idx_")[0]: value for name, value in output.items()} for output in outputs]
    names = sorted({name for column in columns for name in column})
    if not names:
        return
    heads = [f"{fn.capitalize()} metric", *(f"DataLoader {i}" for i in range(len(columns)))]
    width = max(25, *(len(name) for name in names))
    line = "─" * shutil.get_terminal_size(fallback=(120, 30)).columns
    print(line, "".join(f"{head:^{width}}" for head in heads).rstrip(), line, sep="\n")
    for name in names:
        cells = [_shown(column.get(name)) for column in columns]
        print("".join(f"{cell:^{width}}" for cell in (name, *cells)).rstrip())
    print(line)


def _shown(value: Any) -> str:
    return " " if value is None else str(value.item() if isinstance(value, Tensor) else value)
