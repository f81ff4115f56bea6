"""`CombinedLoader`: a collection of loaders as one, which draws from all at once or from one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["CombinedLoader"]

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


_OVER = object()


def _at_once(loader: CombinedLoader) -> Iterator[Any]:
    """One batch of each; over when the first of them is ("min_size"), or when all have been ("max_size", "max_size_cycle")."""
    sources = loader.flattened
    iterators = [iter(source) for source in sources]
    over = [False] * len(sources)
    yield None
    index = 0
    while True:
        batches: list[Any] = [None] * len(sources)
        for i, source in enumerate(sources):
            batch = next(iterators[i], _OVER)
            if batch is _OVER:
                over[i] = True
                if loader.mode == "min_size" or all(over):
                    return
                if loader.mode == "max_size_cycle":
                    iterators[i] = iter(source)
                    batch = next(iterators[i], _OVER)
                    if batch is _OVER:  # one that is empty ends all
                        return
            batches[i] = None if batch is _OVER else batch
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
