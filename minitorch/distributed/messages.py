"""What two processes do: `send`, `recv`, and the same without waiting, `isend`, `irecv`, `batch_isend_irecv`.

Read next: `collectives.py`, what all do together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..tensor import Tensor
from .collectives import _check_single_tensor
from .groups import (
    _canonicalize_group_rank,
    _group_or_default_group,
    _rank_not_in_group,
    _warn_not_in_group,
    get_global_rank,
    get_rank,
)
from .process_group import Message, ProcessGroup, Work


def isend(
    tensor: Tensor, dst: int | None = None, group: ProcessGroup | None = None, tag: int = 0, group_dst: int | None = None
) -> Work | None:
    """Begin to send the tensor to rank dst. It may not be written to before the Work has ended."""
    _check_single_tensor(tensor, "tensor")
    if _rank_not_in_group(group):
        return _warn_not_in_group("isend")
    members = _group_or_default_group(group)
    peer = _peer(members, dst, group_dst)
    return _begin("send", members, tensor, lambda c: c.isend(tensor._array, peer, tag))


def irecv(
    tensor: Tensor, src: int | None = None, group: ProcessGroup | None = None, tag: int = 0, group_src: int | None = None
) -> Work | None:
    """Begin to receive into the tensor, from rank src or from whoever sends first."""
    _check_single_tensor(tensor, "tensor")
    if _rank_not_in_group(group):
        return _warn_not_in_group("irecv")
    members = _group_or_default_group(group)
    peer = None if src is None and group_src is None else _peer(members, src, group_src)
    return _begin("recv", members, tensor, lambda c: c.irecv(tensor._array, peer, tag))


def send(
    tensor: Tensor, dst: int | None = None, group: ProcessGroup | None = None, tag: int = 0, group_dst: int | None = None
) -> None:
    """Send the tensor to rank dst, whose `recv` has the same tag. Returns when the tensor may be written to again."""
    if not _rank_not_in_group(group):
        members = _group_or_default_group(group)
        _check_not_self_rank(members, _canonicalize_group_rank(members, dst, group_dst), "destination")
    work = isend(tensor, dst, group, tag, group_dst)
    if work is not None:
        work.wait()


def recv(
    tensor: Tensor, src: int | None = None, group: ProcessGroup | None = None, tag: int = 0, group_src: int | None = None
) -> int:
    """Receive into the tensor, from rank src or from whoever sends first; returns the sender's rank."""
    if not _rank_not_in_group(group) and (src is not None or group_src is not None):
        members = _group_or_default_group(group)
        _check_not_self_rank(members, _canonicalize_group_rank(members, src, group_src), "source")
    work = irecv(tensor, src, group, tag, group_src)
    if work is None:
        return -1
    work.wait()
    assert isinstance(work, Message)
    return get_global_rank(_group_or_default_group(group), work.source_rank())


def _begin(name: str, members: ProcessGroup, tensor: Tensor, begin: Callable[[Any], Any]) -> Work:
    if not tensor._array.flags.c_contiguous:
        raise RuntimeError("input tensor has to be contiguous")
    communicator = members.communicator(tensor.device.type)
    return Message(name, members.timeout, begin(communicator), tensor)


def _peer(members: ProcessGroup, rank: int | None, group_rank: int | None) -> int:
    peer = _canonicalize_group_rank(members, rank, group_rank)
    if not 0 <= peer < members.size():
        raise ValueError(f"there is no rank {peer} in a group of {members.size()}")
    return peer


def _check_not_self_rank(members: ProcessGroup, rank: int, kind: str) -> None:
    if members.rank() == rank:
        raise ValueError(f"Invalid {kind} rank: {kind} rank should not be the same as the rank of the current process.")


class P2POp:
    """One of the messages of `batch_isend_irecv`: `op` is `isend` or `irecv`, `peer` the other rank."""

    __module__ = "minitorch.distributed"

    def __init__(
        self,
        op: Callable[..., Any],
        tensor: Tensor,
        peer: int | None = None,
        group: ProcessGroup | None = None,
        tag: int = 0,
        group_peer: int | None = None,
    ) -> None:
        if op not in (isend, irecv):
            raise ValueError(
                "Invalid ``op``. Expected ``op`` to be of type ``minitorch.distributed.isend`` or ``minitorch.distributed.irecv``."
            )
        _check_single_tensor(tensor, "tensor")
        self.op, self.tensor, self.tag = op, tensor, tag
        self.group = _group_or_default_group(group)
        self.peer = _canonicalize_group_rank(self.group, peer, group_peer, return_global=True)
        self.group_peer = _canonicalize_group_rank(self.group, peer, group_peer)

    def __repr__(self) -> str:
        ends = [get_rank(self.group), self.group_peer]
        source, destination = ends if self.op is isend else ends[::-1]
        return (
            f"P2POp({self.op.__name__} pg={self.group.group_name}, group_src={source}, group_dst={destination},  {self.tensor.shape}, "
            f"{self.tensor.dtype})"
        )


def batch_isend_irecv(p2p_op_list: list[P2POp]) -> list[Work]:
    """Begin all of the messages; returns their Works."""
    if not isinstance(p2p_op_list, list) or not all(isinstance(each, P2POp) for each in p2p_op_list):
        raise ValueError("Invalid ``p2p_op_list``. Each op is expected to to be of type ``minitorch.distributed.P2POp``.")
    if any(each.group is not p2p_op_list[0].group for each in p2p_op_list):
        raise ValueError("All ops need to use the same group.")
    works = []
    for each in p2p_op_list:
        end = "group_dst" if each.op is isend else "group_src"
        works.append(each.op(each.tensor, group=each.group, tag=each.tag, **{end: each.group_peer}))
    return works
