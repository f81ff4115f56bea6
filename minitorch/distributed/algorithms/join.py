"""`Join`: uneven inputs. A process that has no more answers the collective calls of the others until they have none either.

Before each iteration whoever still has inputs adds 1 to a sum over the group, and whoever has none adds 0: so all know when to end.
Read next: `nn/parallel/distributed.py`, `_Shadow`, the answers of a DistributedDataParallel.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple

import minitorch

from .. import distributed_c10d as dist


class JoinHook:
    """How a joined process answers."""

    def main_hook(self) -> None:
        """Make the collective calls that an iteration of the others makes."""

    def post_hook(self, is_last_joiner: bool) -> None:
        """All have joined; `is_last_joiner`: whether this process was one of the last."""


class JoinConfig(NamedTuple):
    """What a Joinable knows of the Join that it is in."""

    enable: bool = False
    throw_on_early_termination: bool = False
    is_first_joinable: bool = False


class Joinable:
    """What can take part: it has a hook, and calls `Join.notify_join_context` before the calls of each iteration."""

    _join_config: JoinConfig

    def __init__(self) -> None:
        self._join_config = JoinConfig()

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """The hook; kwargs: what was given to Join."""
        raise NotImplementedError

    @property
    def join_device(self) -> Any:
        """Where the sums over the group are computed."""
        raise NotImplementedError

    @property
    def join_process_group(self) -> Any:
        """The group."""
        raise NotImplementedError


class Join:
    """`with Join([ddp]): …` around a loop over inputs of which processes may have different numbers.

    enable: False, nothing of it. throw_on_early_termination: RuntimeError everywhere as soon as one has no more.
    """

    def __init__(
        self, joinables: Sequence[Joinable], enable: bool = True, throw_on_early_termination: bool = False, **kwargs: Any
    ) -> None:
        if not joinables:
            raise ValueError("The join context manager requires at least one joinable")
        if any(j.join_process_group is not joinables[0].join_process_group for j in joinables):
            raise ValueError("Using join context manager with multiple process groups")
        self.joinables, self.enable, self.throw = list(joinables), enable, throw_on_early_termination
        self.hooks = [j.join_hook(**kwargs) for j in joinables]
        for place, joinable in enumerate(joinables):
            joinable._join_config = JoinConfig(enable, self.throw, is_first_joinable=place == 0)

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if self.enable and kind is None:
                self._answer_until_all_have_joined()
        finally:
            for joinable in self.joinables:
                joinable._join_config = JoinConfig()

    def _answer_until_all_have_joined(self) -> None:
        last = True
        while _sum(self.joinables[0], 0):
            last = False
            if self.throw:
                _sum(self.joinables[0], 1)
                raise RuntimeError(_EXHAUSTED)
            for hook in self.hooks:
                hook.main_hook()
        for hook in self.hooks:
            hook.post_hook(last)

    @staticmethod
    def notify_join_context(joinable: Joinable) -> int | None:
        """Say that this process still has inputs; how many have. None outside of a Join, and for all joinables but the first."""
        config = joinable._join_config
        if not config.enable or not config.is_first_joinable:
            return None
        active = _sum(joinable, 1)
        if config.throw_on_early_termination and active < dist.get_world_size(joinable.join_process_group):
            _sum(joinable, 0)
            raise RuntimeError(_EXHAUSTED)
        return active


_EXHAUSTED = "Detected at least one rank that exhausted inputs. Throwing across all ranks."


def _sum(joinable: Joinable, n: int) -> int:
    """The sum of all processes' n."""
    total = minitorch.tensor([n], device=joinable.join_device)
    dist.all_reduce(total, group=joinable.join_process_group)
    return int(total.item())
