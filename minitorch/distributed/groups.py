"""Groups of processes: the whole world, made by `init_process_group`, and parts of it, made by `new_group`.

Ranks that users give and get count in the world; within a group its members have ranks of their own, in the order in which they
stand there. Read next: `rendezvous.py`, how the world finds together; `collectives.py`, what groups are for.
"""

from __future__ import annotations

import atexit
import contextlib
import io
import multiprocessing.util
import os
import sys
import warnings
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from . import mpi
from .backend import Backend, connector, devices_of
from .constants import default_pg_timeout
from .process_group import Communicator, ProcessGroup
from .rendezvous import Meeting, rendezvous
from .store import PrefixStore, Store


class _World:
    """What is to be known of the groups of this process."""

    def __init__(self) -> None:
        self.group: ProcessGroup | None = None
        self.backend = ""
        self.meeting: Meeting | None = None
        self.store: Store | None = None
        self.groups: dict[ProcessGroup, str] = {}  # with the name of the backend
        self.made = 0  # how many groups, on all ranks alike


_world = _World()


class _Names(type):
    @property
    def WORLD(cls) -> ProcessGroup | None:
        """The group of all processes, None before `init_process_group`."""
        return _world.group


class group(metaclass=_Names):
    """`group.WORLD`: the group of all processes."""

    __module__ = "minitorch.distributed"


class GroupMember(metaclass=_Names):
    """`GroupMember.NON_GROUP_MEMBER` is what `new_group` returns where this process is not in the group."""

    __module__ = "minitorch.distributed"

    NON_GROUP_MEMBER = -100


# ---- making and leaving ----


def init_process_group(
    backend: str | None = None,
    init_method: str | None = None,
    timeout: timedelta | None = None,
    world_size: int = -1,
    rank: int = -1,
    store: Store | None = None,
    group_name: str = "",
    pg_options: Any = None,
    device_id: Any = None,
) -> None:
    """Join the run: return when all `world_size` processes have called this.

    backend: "gloo" (processes of one machine, CPU), "mpi" (CPU, several machines), "nccl" (GPUs), "cpu:gloo,cuda:nccl"; None: gloo for
    tensors on the CPU, nccl for those on a GPU; under mpiexec mpi. They find each other by `init_method`: "env://" (the default; reads
    MASTER_ADDR, MASTER_PORT, RANK, WORLD_SIZE), "tcp://host:port", "file:///path"; or by a `store` that all have. timeout: how long a
    call waits for the others before it raises, 30 minutes. mpi needs none of these. group_name and pg_options do nothing here.
    """
    if _world.group is not None:
        raise ValueError("trying to initialize the default process group twice!")
    if store is not None and init_method is not None:
        raise AssertionError("Cannot specify both init_method and store.")
    if store is not None and world_size <= 0:
        raise AssertionError("world_size must be positive if using store")
    if store is not None and rank < 0:
        raise AssertionError("rank must be non-negative if using store")
    if backend is None and device_id is None and init_method is None and store is None and mpi.is_launched():
        backend = Backend.MPI
    if backend is None and device_id is not None:
        backend = devices_of(Backend.UNDEFINED).get(getattr(device_id, "type", "cuda"))
    name = Backend(backend or Backend.UNDEFINED)
    timeout = _checked_timeout(timeout)
    devices = devices_of(name)
    if name == Backend.MPI:
        if world_size != -1 or rank != -1:
            warnings.warn(
                f"For MPI backend, world_size ({world_size}) and rank ({rank}) are ignored since they are assigned by the MPI runtime.",
                stacklevel=2,
            )
        _world.group = _world_of_mpi(timeout)
    else:
        for each in set(devices.values()) - {Backend.NCCL if name == Backend.UNDEFINED else ""}:
            connector(each)  # what is missing is said before anybody waits
        if store is None:
            store, rank, world_size = next(rendezvous(init_method or "env://", rank, world_size, timeout=timeout))
            store.set_timeout(timeout)
        _world.meeting = Meeting(PrefixStore("default_pg", store), rank, world_size, timeout)
        _world.store = _world.meeting.store
        try:
            _world.group = _new(list(range(world_size)), rank, devices, timeout, "0", "default_pg")
        except BaseException:
            _forget()
            raise
    _world.backend = name
    _world.groups[_world.group] = name
    _world.made = 1
    _leave_at_the_end()
    _say_the_rank_in_tracebacks(_world.group.rank())


def _checked_timeout(timeout: timedelta | None) -> timedelta:
    if timeout is None:
        return default_pg_timeout
    if not isinstance(timeout, timedelta):
        raise TypeError(f"Expected timeout argument to be of type datetime.timedelta, got {timeout}")
    return timeout


def _world_of_mpi(timeout: timedelta) -> ProcessGroup:
    """MPI has started the processes, and knows their ranks."""
    made = connector(Backend.MPI)(None, -1, -1, timeout.total_seconds(), [], "0")
    devices = devices_of(Backend.MPI)
    group = ProcessGroup(
        made.rank, range(made.size), devices, lambda backend: made, timeout.total_seconds(), "0", "default_pg"
    )
    group.communicator("cpu")
    return group


def _new(
    ranks: Sequence[int], rank: int, devices: dict[str, str], timeout: timedelta, name: str, description: str
) -> ProcessGroup:
    """This member's end of a new group, connected for the first kind of device."""
    seconds = timeout.total_seconds()

    def connect(backend: str) -> Communicator:
        store = None if _world.store is None else PrefixStore(f"group {name} {backend}", _world.store)
        if store is not None:
            store._timeout = timeout
        return connector(backend)(store, rank, len(ranks), seconds, ranks, name)

    made = ProcessGroup(rank, ranks, devices, connect, seconds, name, description)
    if "cpu" in devices:
        made.communicator("cpu")
    return made


def destroy_process_group(group: ProcessGroup | None = None) -> None:
    """Leave a group, or with None all groups and the run; another run may follow."""
    if group == GroupMember.NON_GROUP_MEMBER:
        return
    leaving = _group_or_default_group(group)
    if leaving not in _world.groups:
        raise ValueError("Invalid process group specified")
    if leaving is not _world.group:
        leaving.shutdown()
        del _world.groups[leaving]
        return
    _leave("")


def _forget() -> None:
    if _world.meeting is not None:
        _world.meeting.leave()
    _world.__init__()  # type: ignore[misc]


def _leave_at_the_end() -> None:
    """A program that ends without `destroy_process_group` says goodbye all the same, and so does a process of multiprocessing."""
    atexit.register(_leave_quietly)
    multiprocessing.util.Finalize(None, _leave_quietly, exitpriority=100)


def _say_the_rank_in_tracebacks(rank: int) -> None:
    """Several processes write to one terminal: each line of what ends this one begins with `[rank1]: `."""
    usual = sys.excepthook

    def hook(*error: Any) -> None:
        text = io.StringIO()
        with contextlib.redirect_stderr(text):
            usual(*error)
        sys.stderr.write("".join(f"[rank{rank}]: {line}\n" for line in text.getvalue().splitlines()))

    if getattr(usual, "__module__", "") != __name__:
        sys.excepthook = hook


def _leave_quietly() -> None:
    """With the exception that the program ends by, if it does, for the other ranks to see."""
    error = sys.exc_info()[1] or getattr(sys, "last_value", None)
    _leave(": its program has ended" + (f" by {type(error).__name__}: {error}" if error else ""))


def _leave(why: str) -> None:
    for each in reversed(list(_world.groups)):
        each.shutdown(why)
    _forget()


def new_group(
    ranks: Sequence[int] | None = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    use_local_synchronization: bool = False,
    group_desc: str | None = None,
    device_id: Any = None,
    sort_ranks: bool = True,
) -> Any:
    """A group of some ranks, None: of all. Every process of the world calls this, in the same order, whether it is a member or not.

    Where this process is none it returns `GroupMember.NON_GROUP_MEMBER`; calls with that do nothing but warn. With
    `use_local_synchronization` only the members call it. The backend is the world's unless told.
    """
    world = _get_default_group()
    name = Backend(backend or _world.backend)
    timeout = _checked_timeout(timeout)
    if use_local_synchronization:
        if name == Backend.MPI:
            raise ValueError("MPI backend doesn't support use_local_synchronization=True")
        if ranks is not None and world.rank() not in ranks:
            return None
    members = _checked_ranks(list(range(world.size())) if ranks is None else list(ranks), world.size(), sort_ranks)
    if use_local_synchronization:  # the ranks that are no members do not count it
        assert _world.store is not None
        names = PrefixStore(f"members {members}", _world.store)
        number = names.add(f"count of {world.rank()}", 1)
        group_name = f"{members} {number}"
    else:
        group_name, _world.made = str(_world.made), _world.made + 1
    if world.rank() not in members:
        return GroupMember.NON_GROUP_MEMBER
    made = _new(members, members.index(world.rank()), devices_of(name), timeout, group_name, group_desc or "undefined")
    _world.groups[made] = name
    return made


def _checked_ranks(ranks: list[int], size: int, sort: bool) -> list[int]:
    if sort:
        ranks = sorted(ranks)
    if len(set(ranks)) != len(ranks):
        raise ValueError(f"ranks list must not contain duplicate entries, got {ranks}")
    if len(ranks) > size:
        raise ValueError("the new group's world size should be less or equal to the world size set by init_process_group")
    for rank in ranks:
        if not 0 <= rank < size:
            raise ValueError(f"Rank {rank} is out of range. Valid ranks are 0 to {size - 1} (world_size={size})")
    return ranks


def new_subgroups(
    group_size: int | None = None,
    group: ProcessGroup | None = None,
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
) -> tuple[ProcessGroup, list[Any]]:
    """Groups of `group_size` neighbours each, and which is this process's: (its group, all groups)."""
    if group_size is None:
        raise ValueError("Default device not found: tell new_subgroups the group_size")
    if group_size <= 0:
        raise ValueError(f"The arg 'group_size' ({group_size}) must be positive")
    world_size = get_world_size()
    if world_size < group_size:
        raise ValueError(f"The arg 'group_size' ({group_size}) must not exceed the world size ({world_size})")
    if world_size % group_size:
        raise ValueError(f"The world size ({world_size}) must be divisible by 'group_size={group_size}'")
    lists = [list(range(first, first + group_size)) for first in range(0, world_size, group_size)]
    return new_subgroups_by_enumeration(lists, timeout, backend, pg_options, group_desc)


def new_subgroups_by_enumeration(
    ranks_per_subgroup_list: Sequence[Sequence[int]],
    timeout: timedelta | None = None,
    backend: str | None = None,
    pg_options: Any = None,
    group_desc: str | None = None,
) -> tuple[Any, list[Any]]:
    """A group for each list of ranks, which have none in common, and which is this process's: (its group, all groups)."""
    if not ranks_per_subgroup_list:
        raise ValueError("The arg 'ranks_per_subgroup_list' cannot be empty")
    everybody = [rank for ranks in ranks_per_subgroup_list for rank in ranks]
    if len(set(everybody)) != len(everybody):
        raise ValueError("The list of ranks of subgroups must have none in common")
    groups = [
        new_group(list(ranks), timeout, backend, pg_options, group_desc=group_desc) for ranks in ranks_per_subgroup_list
    ]
    mine = [made for made, ranks in zip(groups, ranks_per_subgroup_list) if get_rank() in ranks]
    return mine[0] if mine else None, groups


# ---- questions ----


def is_initialized() -> bool:
    """Whether this process is in a run."""
    return _world.group is not None


def _get_default_group() -> ProcessGroup:
    if _world.group is None:
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")
    return _world.group


def _group_or_default_group(group: ProcessGroup | None) -> ProcessGroup:
    return _get_default_group() if group is None else group


def _rank_not_in_group(group: Any) -> bool:
    return group == GroupMember.NON_GROUP_MEMBER


def _warn_not_in_group(name: str) -> Any:
    warnings.warn(f"Running {name} on global rank {get_rank()} which does not belong to the given group.", stacklevel=3)


def get_rank(group: ProcessGroup | None = None) -> int:
    """This process's rank in the group; −1 if it is not in it."""
    return -1 if _rank_not_in_group(group) else _group_or_default_group(group).rank()


def get_world_size(group: ProcessGroup | None = None) -> int:
    """How many processes are in the group; −1 if this one is not in it."""
    return -1 if _rank_not_in_group(group) else _group_or_default_group(group).size()


def get_backend(group: ProcessGroup | None = None) -> str:
    """The name of a group's backend."""
    if _rank_not_in_group(group):
        raise ValueError("Invalid process group specified")
    asked = _group_or_default_group(group)
    if asked not in _world.groups:
        raise ValueError(
            f"Process group {asked} is not initialized in the world group map. Please initialize the group first."
        )
    return _world.groups[asked]


def get_process_group_ranks(group: ProcessGroup | None) -> list[int]:
    """The ranks in the world of a group's members, in the order of their ranks in the group."""
    return list(_group_or_default_group(group).ranks)


def get_group_rank(group: ProcessGroup, global_rank: int) -> int:
    """The rank in a group of a rank in the world."""
    if group is _world.group:
        return global_rank
    _check_registered(group)
    if global_rank not in group.ranks:
        raise ValueError(f"Global rank {global_rank} is not part of group {group}")
    return group.ranks.index(global_rank)


def get_global_rank(group: ProcessGroup, group_rank: int) -> int:
    """The rank in the world of a rank in a group."""
    if group is _world.group:
        return group_rank
    _check_registered(group)
    if not 0 <= group_rank < len(group.ranks):
        raise ValueError(f"Group rank {group_rank} is not part of group {group}")
    return group.ranks[group_rank]


def _check_registered(group: Any) -> None:
    if group not in _world.groups:
        raise ValueError(f"Group {group} is not registered, please create group with minitorch.distributed.new_group API")


def get_pg_count() -> int:
    """How many groups this process is in."""
    return len(_world.groups)


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """This process's rank on its machine, which the launcher puts into LOCAL_RANK."""
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is not None:
        return int(fallback_rank)
    raise RuntimeError(
        "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow `get_node_local_rank` to work, "
        "assuming you are not running in a multi-device context and want the code to run locally instead."
    )


def _canonicalize_group_rank(
    group: ProcessGroup, global_rank: int | None = None, group_rank: int | None = None, return_global: bool = False
) -> int:
    """The rank in the group (or in the world) of what is given as either."""
    if group_rank is not None:
        if global_rank is not None:
            raise ValueError("Can't specify both group_rank and global_rank")
        return get_global_rank(group, group_rank) if return_global else group_rank
    if global_rank is None:
        raise ValueError("Must specify global_rank or group_rank")
    return global_rank if return_global else get_group_rank(group, global_rank)
