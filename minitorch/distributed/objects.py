"""Python objects between processes: `broadcast_object_list`, `all_gather_object`, …

They are pickled. Whoever unpickles runs what the sender wrote; so send objects only between ranks of one run. A group of gloo lets in
nobody else: see `authenticated.py`. An object is a tensor of bytes on its way, and its length goes before it.
"""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np

from ..arrays.device import as_array, device, to_numpy
from ..tensor import Tensor
from .collectives import _root, _validate_output_list_for_rank, all_gather, broadcast, gather, scatter
from .groups import _group_or_default_group, _rank_not_in_group, _warn_not_in_group
from .messages import recv, send
from .process_group import ProcessGroup


def all_gather_object(object_list: list[Any], obj: Any, group: ProcessGroup | None = None) -> None:
    """object_list[r] = rank r's object."""
    if _rank_not_in_group(group):
        return _warn_not_in_group("all_gather_object")
    members = _group_or_default_group(group)
    data = _pickled(obj)
    sizes = _all_sizes(data, members)
    outs = [_bytes(max(sizes), members) for _ in sizes]
    all_gather(outs, _padded(data, max(sizes), members), members)
    for rank, (out, size) in enumerate(zip(outs, sizes)):
        object_list[rank] = _object(out, size)


def gather_object(
    obj: Any,
    object_gather_list: list[Any] | None = None,
    dst: int | None = None,
    group: ProcessGroup | None = None,
    group_dst: int | None = None,
) -> None:
    """On rank dst (0 unless told): object_gather_list[r] = rank r's object."""
    if _rank_not_in_group(group):
        return _warn_not_in_group("gather_object")
    members = _group_or_default_group(group)
    root = _root("gather", group, 0 if dst is None and group_dst is None else dst, group_dst)
    is_root = members.rank() == root
    _validate_output_list_for_rank(is_root, object_gather_list)
    data = _pickled(obj)
    sizes = _all_sizes(data, members)
    outs = [_bytes(max(sizes), members) for _ in sizes] if is_root else None
    gather(_padded(data, max(sizes), members), outs, group=members, group_dst=root)
    if is_root and object_gather_list is not None and outs is not None:
        for rank, (out, size) in enumerate(zip(outs, sizes)):
            object_gather_list[rank] = _object(out, size)
    return None


def broadcast_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: ProcessGroup | None = None,
    device: Any = None,
    group_src: int | None = None,
) -> None:
    """The elements of object_list = those of rank src's list (0 unless told); all lists have one length."""
    if _rank_not_in_group(group):
        return _warn_not_in_group("broadcast_object_list")
    members = _group_or_default_group(group)
    root = _root("broadcast", group, 0 if src is None and group_src is None else src, group_src)
    is_root = members.rank() == root
    data = [_pickled(each) for each in object_list] if is_root else [np.empty(0, np.uint8)] * len(object_list)
    sizes = _numbers([len(each) for each in data], members)
    broadcast(sizes, group=members, group_src=root)
    lengths = to_numpy(sizes._array).tolist()
    body = _tensor(np.concatenate(data), members) if is_root else _bytes(sum(lengths), members)
    broadcast(body, group=members, group_src=root)
    if not is_root:
        for index, piece in enumerate(np.split(to_numpy(body._array), np.cumsum(lengths)[:-1])):
            object_list[index] = pickle.loads(piece.data)
    return None


def scatter_object_list(
    scatter_object_output_list: list[Any],
    scatter_object_input_list: list[Any] | None = None,
    src: int | None = None,
    group: ProcessGroup | None = None,
    group_src: int | None = None,
) -> None:
    """scatter_object_output_list[0] = scatter_object_input_list[this rank] of rank src (0 unless told)."""
    if _rank_not_in_group(group):
        return _warn_not_in_group("scatter_object_list")
    members = _group_or_default_group(group)
    root = _root("scatter", group, 0 if src is None and group_src is None else src, group_src)
    if not isinstance(scatter_object_output_list, list) or not scatter_object_output_list:
        raise ValueError("Expected argument scatter_object_output_list to be a list of size at least 1.")
    data = None
    if members.rank() == root:
        if scatter_object_input_list is None:
            raise ValueError("source rank must provide non-None scatter_object_input_list")
        data = [_pickled(each) for each in scatter_object_input_list]
    sizes = _numbers([0] * members.size() if data is None else [len(each) for each in data], members)
    broadcast(sizes, group=members, group_src=root)
    lengths = to_numpy(sizes._array).tolist()
    out = _bytes(max(lengths), members)
    pieces = None if data is None else [_padded(each, max(lengths), members) for each in data]
    scatter(out, pieces, group=members, group_src=root)
    scatter_object_output_list[0] = _object(out, lengths[members.rank()])
    return None


def send_object_list(
    object_list: list[Any],
    dst: int | None = None,
    group: ProcessGroup | None = None,
    device: Any = None,
    group_dst: int | None = None,
    use_batch: bool = False,
) -> None:
    """Send the objects to rank dst, which calls `recv_object_list` with a list of the same length."""
    if _rank_not_in_group(group):
        return _warn_not_in_group("send_object_list")
    members = _group_or_default_group(group)
    data = [_pickled(each) for each in object_list]
    send(_numbers([len(each) for each in data], members), dst, members, group_dst=group_dst)
    send(_tensor(np.concatenate(data), members), dst, members, group_dst=group_dst)
    return None


def recv_object_list(
    object_list: list[Any],
    src: int | None = None,
    group: ProcessGroup | None = None,
    device: Any = None,
    group_src: int | None = None,
    use_batch: bool = False,
) -> int:
    """The elements of object_list = those that rank src (or anybody) sends; returns the sender's rank."""
    if _rank_not_in_group(group):
        _warn_not_in_group("recv_object_list")
        return -1
    members = _group_or_default_group(group)
    sizes = _numbers([0] * len(object_list), members)
    source = recv(sizes, src, members, group_src=group_src)
    lengths = to_numpy(sizes._array).tolist()
    body = _bytes(sum(lengths), members)
    recv(body, source, members)
    for index, piece in enumerate(np.split(to_numpy(body._array), np.cumsum(lengths)[:-1])):
        object_list[index] = pickle.loads(piece.data)
    return source


# ---- objects as tensors ----


def _pickled(obj: Any) -> Any:
    return np.frombuffer(pickle.dumps(obj), np.uint8)


def _object(data: Tensor, size: int) -> Any:
    return pickle.loads(to_numpy(data._array)[:size].data)


def _tensor(data: Any, members: ProcessGroup) -> Tensor:
    """An array as a tensor on a device that the group's backend is for."""
    return Tensor._wrap(as_array(device(next(iter(members.devices))).xp, data))


def _bytes(size: int, members: ProcessGroup) -> Tensor:
    return _tensor(np.empty(size, np.uint8), members)


def _numbers(values: list[int], members: ProcessGroup) -> Tensor:
    return _tensor(np.array(values, np.int64), members)


def _padded(data: Any, size: int, members: ProcessGroup) -> Tensor:
    made = np.zeros(size, np.uint8)
    made[: len(data)] = data
    return _tensor(made, members)


def _all_sizes(data: Any, members: ProcessGroup) -> list[int]:
    """How many bytes each rank has."""
    outs = [_numbers([0], members) for _ in range(members.size())]
    all_gather(outs, _numbers([len(data)], members), members)
    return [int(out.item()) for out in outs]
