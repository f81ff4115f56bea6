"""Where batches come from: several loaders as one, how many batches of each are used, and whether a batch is the last.

`CombinedLoader` draws from a collection of loaders: from all at once (a batch is a list, or dict, of their batches), or from one after the other.
`Fetcher` looks one batch ahead where a loader has no length, for the loop must know its last batch when it is at it. Read next: `loop.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from minitorch.lightning.calls import call_datamodule, is_overridden
from minitorch.lightning.utilities.exceptions import MisconfigurationException
from minitorch.lightning.utilities.rank_zero import PossibleUserWarning, rank_zero_warn
from minitorch.utils.data import DataLoader, RandomSampler, SequentialSampler

if TYPE_CHECKING:
    from minitorch.lightning.trainer import Trainer

__all__ = ["CombinedLoader", "DataSource", "Fetcher", "batches_of", "length_of"]

Item = tuple[Any, int, int]  # a batch, its index, its loader's index


class CombinedLoader:
    """A collection (list, tuple, dict, nested) of iterables as one that yields (batch, batch_idx, dataloader_idx).

    mode: "min_size" ends with the shortest; "max_size" with the longest, None standing in for those that are over; "max_size_cycle"
    with the longest, those that are over begin anew; "sequential" takes one after the other.
    """

    def __init__(self, iterables: Any, mode: str = "min_size") -> None:
        if mode not in _MODES:
            raise ValueError(f"CombinedLoader: expected mode to be one of {list(_MODES)}, got {mode!r}")
        self.iterables = iterables
        self.mode = mode
        self.limits: list[int | float] | None = None
        self._items: Iterator[Item] | None = None

    @property
    def flattened(self) -> list[Any]:
        """All iterables, in order."""
        return list(_leaves(self.iterables))

    @flattened.setter
    def flattened(self, new: list[Any]) -> None:
        self.iterables = _rebuild(self.iterables, iter(new))

    def __iter__(self) -> CombinedLoader:
        self._items = _MODES[self.mode](self)
        next(self._items)  # makes the loaders' iterators: they draw their seeds now
        return self

    def __next__(self) -> Item:
        if self._items is None:
            raise RuntimeError("Please call `iter(combined_loader)` first.")
        return next(self._items)

    def __len__(self) -> int:
        lengths = [length_of(iterable) for iterable in self.flattened]
        limits = self.limits or [float("inf")] * len(lengths)
        used = [min(length, limit) for length, limit in zip(lengths, limits)]
        how = {"min_size": min, "sequential": sum}.get(self.mode, max)
        return how(used)  # type: ignore[operator]

    def state_dicts(self) -> list[Any]:
        """The places of those iterables that can say where they are."""
        return [loader.state_dict() for loader in self.flattened if is_stateful(loader)]

    def load_state_dicts(self, states: list[Any]) -> None:
        """Put them back there."""
        stateful = [loader for loader in self.flattened if is_stateful(loader)]
        if len(stateful) != len(states):
            raise RuntimeError(
                f"The CombinedLoader has {len(stateful)} stateful loaders, but found {len(states)} states in the checkpoint. Please make"
                " sure you define the same dataloaders that were used when saving the checkpoint."
            )
        for loader, state in zip(stateful, states):
            loader.load_state_dict(state)


def is_stateful(loader: Any) -> bool:
    return hasattr(loader, "state_dict") and hasattr(loader, "load_state_dict")


def _at_once(loader: CombinedLoader) -> Iterator[Any]:
    """One batch of each; over when the first of them is ("min_size"), or when all have been ("max_size", "max_size_cycle")."""
    sources = loader.flattened
    iterators = [iter(source) for source in sources]
    over = [False] * len(sources)
    yield None
    index = 0
    while True:
        batches: list[Any] = [None] * len(sources)
        for i in range(len(sources)):
            try:
                batches[i] = next(iterators[i])
            except StopIteration:
                over[i] = True
                if loader.mode == "min_size" or all(over):
                    return
                if loader.mode == "max_size_cycle":
                    iterators[i] = iter(sources[i])
                    batches[i] = next(iterators[i])
        yield _rebuild(loader.iterables, iter(batches)), index, 0
        index += 1


def _one_by_one(loader: CombinedLoader) -> Iterator[Any]:
    """All batches of the first, as far as its limit goes, then those of the next."""
    sources = loader.flattened
    iterator = iter(sources[0]) if sources else iter(())
    yield None
    for which, source in enumerate(sources):
        if which:
            iterator = iter(source)
        limit = loader.limits[which] if loader.limits is not None else float("inf")
        index = 0
        while index < limit:
            try:
                batch = next(iterator)
            except StopIteration:
                break
            yield batch, index, which
            index += 1


_MODES = {"min_size": _at_once, "max_size_cycle": _at_once, "max_size": _at_once, "sequential": _one_by_one}


def _leaves(collection: Any) -> Iterator[Any]:
    if isinstance(collection, dict):
        collection = list(collection.values())
    if type(collection) in (list, tuple):
        for part in collection:
            yield from _leaves(part)
    else:
        yield collection


def _rebuild(like: Any, leaves: Iterator[Any]) -> Any:
    if isinstance(like, dict):
        return type(like)((key, _rebuild(part, leaves)) for key, part in like.items())
    if type(like) in (list, tuple):
        return type(like)(_rebuild(part, leaves) for part in like)
    return next(leaves)


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


def len_or_none(thing: Any) -> int | None:
    """`len(thing)`, None where there is none."""
    try:
        return len(thing)
    except (TypeError, NotImplementedError, OverflowError, ValueError):
        return None


def length_of(loader: Any) -> int | float:
    """`len(loader)`, ∞ where there is none."""
    length = len_or_none(loader)
    return float("inf") if length is None else length


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
    combined.flattened = [_in_order(loader) if hasattr(loader, "dataset") else loader for loader in combined.flattened]


def _in_order(loader: DataLoader) -> DataLoader:
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
    samplers = {id(s): s for s in (getattr(loader, "sampler", None), getattr(getattr(loader, "batch_sampler", None), "sampler", None))}
    for sampler in samplers.values():
        with contextlib.suppress(AttributeError):
            sampler.set_epoch(epoch)
