"""Where batches come from: who is asked for loaders, how many batches of each are used, and whether a batch is the last.

`Fetcher` looks one batch ahead where a loader has no length, for the loop must know its last batch when it is at it. Several loaders are one:
`utilities/combined_loader.py`. Read next: `loop.py`.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from minitorch.lightning.calls import call_datamodule, is_overridden
from minitorch.lightning.utilities.combined_loader import CombinedLoader, Item, len_or_none, length_of
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import PossibleUserWarning, rank_zero_warn
from minitorch.utils.data import DataLoader, IterableDataset, RandomSampler, SequentialSampler

if TYPE_CHECKING:
    from minitorch.lightning.trainer import Trainer

__all__ = ["DataSource", "Fetcher", "batches_of"]


class Fetcher:
    """Takes batches from a CombinedLoader; `done` is true once the last one has been given out."""

    def __init__(self, loader: CombinedLoader) -> None:
        self.loader = loader
        self.fetched = 0
        self.done = False

    def start(self) -> Fetcher:
        """Make the loaders' iterators: what shuffles draws its order now."""
        self._items = iter(self.loader)
        length = len_or_none(self.loader)
        self.fetched, self.length, self.done = 0, length, length == 0
        self._ahead: list[Item] = []
        if length is None:
            self._look_ahead()
        return self

    def _look_ahead(self) -> None:
        """Keep a batch in hand; if there is none, the one before was the last."""
        try:
            self._ahead.append(next(self._items))
            self.fetched += 1
        except StopIteration:
            self.done = not self._ahead

    def __iter__(self) -> Fetcher:
        return self

    def __next__(self) -> Item:
        if self._ahead:
            item = self._ahead.pop()
            self._look_ahead()
            return item
        if self.done:
            raise StopIteration
        try:
            item = next(self._items)
        except StopIteration:
            self.done = True
            raise
        self.fetched += 1
        self.done = self.length is not None and self.fetched >= self.length
        return item


class DataSource:
    """Loaders as they were given, or whoever is asked for them: the module's or the datamodule's method `name`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.instance: Any = None

    @property
    def is_module(self) -> bool:
        """Whether somebody is asked."""
        from minitorch.lightning.datamodule import LightningDataModule
        from minitorch.lightning.module import LightningModule

        return isinstance(self.instance, (LightningModule, LightningDataModule))

    def is_defined(self) -> bool:
        """Whether there are loaders."""
        return not self.is_module or is_overridden(self.name, self.instance)

    def request(self, trainer: Trainer, mode: str, shown_to: str) -> CombinedLoader:
        """The loaders as a CombinedLoader; TypeError if they cannot be iterated over."""
        loaders = self.instance
        if self.is_module:
            if self.instance is trainer.datamodule:
                loaders = call_datamodule(trainer, self.name)
            else:
                from minitorch.lightning.calls import call_module

                loaders = call_module(trainer, self.name)
        combined = loaders if isinstance(loaders, CombinedLoader) else CombinedLoader(loaders, mode)
        for loader in combined.flattened:
            self._check(loader, shown_to)
        return combined

    def _check(self, loader: Any, shown_to: str) -> None:
        if isinstance(loader, DataLoader):
            return
        try:
            iter(loader)
        except TypeError:
            stage = self.name.removesuffix("_dataloader")
            if not self.is_module:
                argument = f"{'' if shown_to != 'fit' else stage + '_'}dataloaders"
                raise TypeError(
                    f"An invalid dataloader was passed to `Trainer.{shown_to}({argument}=...)`. Found {loader}."
                ) from None
            if not is_overridden(self.name, self.instance):
                raise TypeError(
                    f"An invalid dataloader was passed to `Trainer.{shown_to}(...)`. Found {loader}. Either pass the dataloader to"
                    f" the `.{shown_to}()` method OR implement `def {self.name}(self):` in your LightningModule/LightningDataModule."
                ) from None
            raise TypeError(
                f"An invalid dataloader was returned from `{type(self.instance).__name__}.{self.name}()`. Found {loader}."
            ) from None


# ---- how many batches ----


def batches_of(stage: str, loader: Any, limit: int | float) -> int | float:
    """How many batches of a loader are used: an int `limit` is a number of batches, a float a share of them."""
    length = length_of(loader)
    if length == 0:
        rank_zero_warn(
            f"Total length of `{type(loader).__name__}` across ranks is zero. Please make sure this was your intention."
        )
        return 0
    if isinstance(limit, int):
        return min(length, limit)
    if length == float("inf"):
        if limit != 1.0:
            raise MisconfigurationException(
                f"When using an `IterableDataset`, `Trainer(limit_{stage}_batches)` must be `1.0` or an int."
                f" An int specifies `num_{stage}_batches` to use."
            )
        return length
    number = int(length * limit)
    if number == 0 and limit > 0:
        raise MisconfigurationException(
            f"You requested to check {limit} of the `{stage}_dataloader` but {limit} * {length} < 1. Please increase the"
            f" `limit_{stage}_batches` argument. Try at least `limit_{stage}_batches={1.0 / length}`"
        )
    return number


# ---- small changes to loaders ----


def without_shuffling(combined: CombinedLoader, stage: str) -> None:
    """For `overfit_batches`: the same batches in every epoch."""
    if all(isinstance(loader.sampler, SequentialSampler) for loader in combined.flattened if hasattr(loader, "sampler")):
        return
    rank_zero_warn(
        f"You requested to overfit but enabled {stage} dataloader shuffling. We are turning off the {stage} dataloader shuffling for you."
    )
    combined.flattened = [_in_order(loader) for loader in combined.flattened]


def _in_order(loader: Any) -> Any:
    if not hasattr(loader, "dataset") or isinstance(loader.dataset, IterableDataset):
        return loader
    return DataLoader(
        loader.dataset,
        loader.batch_size,
        sampler=SequentialSampler(loader.dataset),
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        drop_last=loader.drop_last,
        worker_init_fn=loader.worker_init_fn,
        generator=loader.generator,
    )


def warn_of_shuffling(loader: Any, stage: str) -> None:
    """Validation and test in a random order: probably a mistake."""
    if isinstance(getattr(loader, "sampler", None), RandomSampler):
        rank_zero_warn(
            f"Your `{stage}_dataloader`'s sampler has shuffling enabled, it is strongly recommended that you turn shuffling off for"
            " val/test dataloaders.",
            category=PossibleUserWarning,
        )


def seed_workers(loader: Any) -> None:
    """After `seed_everything(seed, workers=True)`: NumPy and `random` are seeded in each worker process, too."""
    import os

    from minitorch.lightning.utilities.seed import pl_worker_init_function

    wanted = os.environ.get("PL_SEED_WORKERS", "0") == "1"
    if wanted and hasattr(loader, "worker_init_fn") and loader.worker_init_fn is None:
        loader.worker_init_fn = pl_worker_init_function


def set_epoch(loader: Any, epoch: int) -> None:
    """Tell samplers that shuffle by the epoch's number which one it is."""
    samplers = {
        id(s): s
        for s in (getattr(loader, "sampler", None), getattr(getattr(loader, "batch_sampler", None), "sampler", None))
    }
    for sampler in samplers.values():
        with contextlib.suppress(AttributeError):
            sampler.set_epoch(epoch)  # type: ignore[union-attr]
