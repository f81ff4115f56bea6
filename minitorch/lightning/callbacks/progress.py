"""`TQDMProgressBar`: how far a run is, with the numbers that are logged with `prog_bar=True`.

`ProgressBar` is the base of bars of your own: it knows how many batches there are, and which numbers to show.
"""

from __future__ import annotations

import math
import os
import sys
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from minitorch.lightning.callbacks.callback import Callback
from minitorch.lightning.utilities.rank_zero import rank_zero_warn

if TYPE_CHECKING:
    from minitorch.lightning.module import LightningModule
    from minitorch.lightning.trainer import Trainer

__all__ = ["ProgressBar", "TQDMProgressBar"]

WIDTH = 5  # of a number


class ProgressBar(Callback):
    """Base of progress bars: write `enable`, `disable`, and the hooks that show something."""

    sanity_check_description = "Sanity Checking"
    train_description = "Training"
    validation_description = "Validation"
    test_description = "Testing"
    predict_description = "Predicting"

    def __init__(self) -> None:
        self._trainer: Trainer | None = None
        self._current_eval_dataloader_idx: int | None = None

    @property
    def trainer(self) -> Trainer:
        """The running Trainer."""
        if self._trainer is None:
            raise TypeError(f"The `{type(self).__name__}._trainer` reference has not been set yet.")
        return self._trainer

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._trainer = trainer
        if not trainer.is_global_zero:
            self.disable()

    def enable(self) -> None:
        """Show something."""
        raise NotImplementedError

    def disable(self) -> None:
        """Show nothing."""
        raise NotImplementedError

    def print(self, *args: Any, **kwargs: Any) -> None:
        """Print without breaking the bar."""
        print(*args, **kwargs)

    # ---- how much there is ----

    @property
    def total_train_batches(self) -> int | float:
        """Batches in this epoch, ∞ if nobody knows."""
        trainer = self.trainer
        batches = trainer.num_training_batches
        if trainer.max_epochs == -1 and trainer.max_steps > 0:
            return min(batches, trainer.max_steps - trainer.global_step)
        return batches

    @property
    def total_val_batches_current_dataloader(self) -> int | float:
        """Batches of the validation loader at hand."""
        trainer = self.trainer
        return self._of_loader(trainer.num_sanity_val_batches if trainer.sanity_checking else trainer.num_val_batches)

    @property
    def total_test_batches_current_dataloader(self) -> int | float:
        """Batches of the test loader at hand."""
        return self._of_loader(self.trainer.num_test_batches)

    @property
    def total_predict_batches_current_dataloader(self) -> int | float:
        """Batches of the loader at hand that is predicted."""
        return self._of_loader(self.trainer.num_predict_batches)

    @property
    def total_val_batches(self) -> int | float:
        """Batches of all validation loaders, 0 in an epoch without validation."""
        return sum(self.trainer.num_val_batches) if self.trainer.fit_loop.validates_in_this_epoch() else 0

    def _of_loader(self, batches: list[int | float]) -> int | float:
        assert self._current_eval_dataloader_idx is not None
        return batches[self._current_eval_dataloader_idx]

    def has_dataloader_changed(self, dataloader_idx: int) -> bool:
        """Whether this is another loader than the batch before was of."""
        before, self._current_eval_dataloader_idx = self._current_eval_dataloader_idx, dataloader_idx
        return before != dataloader_idx

    def reset_dataloader_idx_tracker(self) -> None:
        """No loader is at hand."""
        self._current_eval_dataloader_idx = None

    # ---- what is shown ----

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """The numbers behind the bar: those of `prog_bar=True`, and the run's version as `v_num`."""
        standard, logged = _standard(trainer), trainer.progress_bar_metrics
        twice = list(standard.keys() & logged.keys())
        if twice:
            rank_zero_warn(
                f"The progress bar already tracks a metric with the name(s) '{', '.join(twice)}' and `self.log('{twice[0]}', ...,"
                " prog_bar=True)` will overwrite this value.  If this is undesired, change the name or override `get_metrics()` in the"
                " progress bar callback."
            )
        return {**standard, **logged}


def _standard(trainer: Trainer) -> dict[str, Any]:
    """The version of the run, of a long text its end."""
    versions = list(dict.fromkeys(logger.version for logger in trainer.loggers))
    version = versions[0] if len(versions) == 1 else "_".join(map(str, versions))
    if version in ("", None):
        return {}
    return {"v_num": version[-4:] if isinstance(version, str) else version}


class Bar(tqdm):
    """A bar whose numbers keep their width: 0.5 is shown as 0.500, so that what is behind it stands still."""

    @staticmethod
    def format_num(n: Any) -> str:
        text = n if isinstance(n, str) else tqdm.format_num(n)
        if not isinstance(n, (float, str)) or "e" in text:
            return text
        if "." not in text and len(text) < WIDTH:
            try:
                float(text)
            except ValueError:
                return text
            text += "."
        return text.ljust(WIDTH, "0")


class TQDMProgressBar(ProgressBar):
    """A bar for training, one below it for validation. refresh_rate: after so many batches, 0 for no bar; the environment's
    TQDM_MINITERS is the least. process_position: so many lines further down. leave: a bar stays for each epoch."""

    BAR_FORMAT = "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]"

    def __init__(self, refresh_rate: int = 1, process_position: int = 0, leave: bool = False) -> None:
        super().__init__()
        self._refresh_rate = max(int(os.environ.get("TQDM_MINITERS", 0)), refresh_rate)
        self._process_position, self._leave, self._enabled = process_position, leave, True
        self._bars: dict[str, Any] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_bars": {}}  # a bar cannot be copied

    @property
    def refresh_rate(self) -> int:
        """The bar moves after so many batches."""
        return self._refresh_rate

    @property
    def process_position(self) -> int:
        """So many lines further down."""
        return self._process_position

    @property
    def is_enabled(self) -> bool:
        """Whether anything is shown."""
        return self._enabled and self.refresh_rate > 0

    @property
    def is_disabled(self) -> bool:
        """Whether nothing is shown."""
        return not self.is_enabled

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    # ---- the bars: override one to change it ----

    def _new(self, desc: str, position: int = 0, leave: bool = True, **options: Any) -> Any:
        return Bar(
            desc=desc, position=2 * self.process_position + position, disable=self.is_disabled, leave=leave,
            dynamic_ncols=True, file=sys.stdout, bar_format=self.BAR_FORMAT, **options,
        )  # fmt: skip

    def init_sanity_tqdm(self) -> Any:
        """The bar of the sanity check."""
        return self._new(self.sanity_check_description, leave=False)

    def init_train_tqdm(self) -> Any:
        """The bar of training."""
        return self._new(self.train_description, smoothing=0)

    def init_validation_tqdm(self) -> Any:
        """The bar of validation, in `fit` below that of training."""
        below = self.trainer.fn != "validate"
        return self._new(self.validation_description, position=int(below), leave=not below)

    def init_test_tqdm(self) -> Any:
        """The bar of the test."""
        return self._new(self.test_description)

    def init_predict_tqdm(self) -> Any:
        """The bar of prediction."""
        return self._new(self.predict_description, smoothing=0)

    @property
    def train_progress_bar(self) -> Any:
        """The bar of training."""
        return self._bar("train")

    @property
    def val_progress_bar(self) -> Any:
        """The bar of validation."""
        return self._bar("val")

    @property
    def test_progress_bar(self) -> Any:
        """The bar of the test."""
        return self._bar("test")

    @property
    def predict_progress_bar(self) -> Any:
        """The bar of prediction."""
        return self._bar("predict")

    def _bar(self, name: str) -> Any:
        if name not in self._bars:
            raise TypeError(f"The `{type(self).__name__}._{name}_progress_bar` reference has not been set yet.")
        return self._bars[name]

    # ---- training ----

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._bars["train"] = self.init_train_tqdm()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._leave:
            self._bars["train"] = self.init_train_tqdm()
        _begin(self.train_progress_bar, self.total_train_batches, f"Epoch {trainer.current_epoch}")

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self._advance("train", batch_idx):
            self.train_progress_bar.set_postfix(self.get_metrics(trainer, pl_module))

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        bar = self.train_progress_bar
        if not bar.disable:
            bar.set_postfix(self.get_metrics(trainer, pl_module))
        if self._leave:
            bar.close()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.train_progress_bar.close()

    # ---- validation, test, prediction ----

    def on_sanity_check_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._bars["val"] = self.init_sanity_tqdm()

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.val_progress_bar.close()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.sanity_checking:
            self._bars["val"] = self.init_validation_tqdm()

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if self.has_dataloader_changed(dataloader_idx):
            what = self.sanity_check_description if trainer.sanity_checking else self.validation_description
            _begin(self.val_progress_bar, self.total_val_batches_current_dataloader, f"{what} DataLoader {dataloader_idx}")

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._advance("val", batch_idx)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.val_progress_bar.close()
        self.reset_dataloader_idx_tracker()
        if "train" in self._bars and trainer.fn == "fit":
            self.train_progress_bar.set_postfix(self.get_metrics(trainer, pl_module))

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._bars["test"] = self.init_test_tqdm()

    def on_test_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if self.has_dataloader_changed(dataloader_idx):
            total = self.total_test_batches_current_dataloader
            _begin(self.test_progress_bar, total, f"{self.test_description} DataLoader {dataloader_idx}")

    def on_test_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._advance("test", batch_idx)

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.test_progress_bar.close()
        self.reset_dataloader_idx_tracker()

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._bars["predict"] = self.init_predict_tqdm()

    def on_predict_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        if self.has_dataloader_changed(dataloader_idx):
            total = self.total_predict_batches_current_dataloader
            _begin(self.predict_progress_bar, total, f"{self.predict_description} DataLoader {dataloader_idx}")

    def on_predict_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        self._advance("predict", batch_idx)

    def on_predict_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.predict_progress_bar.close()
        self.reset_dataloader_idx_tracker()

    # ---- on the screen ----

    def print(self, *args: Any, sep: str = " ", **kwargs: Any) -> None:
        """Print above the bar that is shown."""
        shown = next((self._bars[name] for name in ("train", "val", "test", "predict") if name in self._bars), None)
        if shown is not None and not shown.disable:
            shown.write(sep.join(map(str, args)), **kwargs)

    def _advance(self, name: str, batch_idx: int) -> bool:
        """Move the bar to this batch, if it is one at which bars move."""
        bar, done = self._bar(name), batch_idx + 1
        moves = self.is_enabled and (done % self.refresh_rate == 0 or done == bar.total)
        if moves and not bar.disable:
            bar.n = done
            bar.refresh()
        return moves


def _begin(bar: Any, total: int | float, description: str) -> None:
    bar.reset()
    bar.total = None if math.isinf(total) else total
    bar.initial = 0
    bar.set_description(description)
