"""Working on the graph itself: hooks on what is saved for backward, edges, versions.

`saved_tensors_hooks` puts a function of yours between an op and what it keeps: `pack` sees each tensor when it is saved, and
what it returns is kept in its place until `unpack` is asked to give the tensor back. Moving to the CPU, compressing, or
recomputing (`utils/checkpoint.py`) are all of this form.
Read next: `node.py`, where nodes save and unpack.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from ..arrays.threads import of_each_thread
from . import node as graph_node
from .grad_mode import no_grad, users_code
from .leaves import AccumulateGrad, gradient_edge
from .node import Node

__all__ = [
    "GradientEdge", "Node", "disable_saved_tensors_hooks", "get_gradient_edge", "increment_version", "save_on_cpu",
    "saved_tensors_hooks",
]  # fmt: skip


class GradientEdge(NamedTuple):
    """A place in the graph: output `output_nr` of `node`. `grad` and `backward` take it where they take a tensor."""

    node: Node
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """Where the gradient of this tensor goes; holding it does not hold the tensor's memory."""
    edge = gradient_edge(tensor) if tensor.requires_grad else None
    if edge is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge of a Tensor that does not require gradients: call requires_grad_() "
            "on it, or on what it is made of"
        )
    return GradientEdge(*edge)


def increment_version(tensor: Any) -> None:
    """Count a write that autograd did not see (through `.data` or another library), so that it is noticed."""
    tensors = [tensor] if hasattr(tensor, "_array") or not isinstance(tensor, Iterable) else list(tensor)
    if not all(hasattr(t, "_array") for t in tensors):
        raise RuntimeError(f"increment_version expect a Iterable[Tensor] as input, or a Tensor, not {type(tensor).__name__}")
    for t in tensors:
        t._bump()


class _Hooks(threading.local):
    def __init__(self) -> None:
        self.stack: list[saved_tensors_hooks] = []  # the innermost is used
        self.refusal: str | None = None  # why none may be entered


_active = of_each_thread(_Hooks())


before_writes: list[Callable[[Any], None]] = []  # called with each tensor that is about to be written to


class saved_tensors_hooks:
    """In this block, each tensor an op saves for backward is kept as `pack_hook(tensor)`; `unpack_hook` gives it back.

    >>> import numpy
    >>> x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    >>> with saved_tensors_hooks(lambda t: t.numpy().astype("float16"), lambda a: minitorch.tensor(a).float()):
    ...     y = x.exp()
    >>> y.grad_fn.saved[0].value.dtype
    dtype('float16')
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if _active.refusal is not None:
            raise RuntimeError(_active.refusal)
        _active.stack.append(self)
        graph_node.watchers.append(self._pack)

    def __exit__(self, *exc: Any) -> None:
        graph_node.watchers.remove(self._pack)
        _active.stack.pop()

    def _pack(self, node: Any) -> None:
        """Let the hook have everything that a new node of this thread has saved."""
        if not _active.stack or _active.stack[-1] is not self:
            return
        for k, version in enumerate(node.versions):
            if version >= 0:
                packed = _Packed(node.saved[k], self.pack_hook, self.unpack_hook)
                node.keep_instead(k, packed, graph_node.PACKED)


class _Packed:
    """A saved tensor as its pack hook wants it kept, and where its gradient goes once it is unpacked."""

    __slots__ = ("edge", "unpack_hook", "value")

    def __init__(self, tensor: Any, pack_hook: Callable, unpack_hook: Callable) -> None:
        self.edge = gradient_edge(tensor)
        self.unpack_hook = unpack_hook
        before = tensor._version
        with no_grad():
            self.value = pack_hook(tensor)
        if tensor._version != before:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook can not be "
                "modified by in-place operations as this can lead to unexpected side-effects; work on a clone()."
            )

    def unpack(self) -> Any:
        with users_code():
            tensor = self.unpack_hook(self.value)
        if not hasattr(tensor, "_array"):
            raise TypeError(
                f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type {type(tensor).__name__}"
            )
        if self.edge is None:
            return tensor
        again = tensor.detach()
        again._requires_grad = True
        if isinstance(self.edge[0], AccumulateGrad):  # a leaf once more, whose gradient goes to the one that was saved
            again._accumulator = weakref.ref(self.edge[0])
        else:
            again._grad_fn, again._output_nr = self.edge
        return again


def hooks_are_active() -> bool:
    """Whether this thread is inside a `saved_tensors_hooks` block."""
    return bool(_active.stack)


def keep(tensor: Any) -> Any:
    """Save a tensor as a node would, through the active hooks: `.unpack()` gives it back, unless it was overwritten."""
    if not _active.stack:
        return _Watched(tensor)
    hooks = _active.stack[-1]
    return _Packed(tensor, hooks.pack_hook, hooks.unpack_hook)


class _Watched:
    """A saved tensor and the version it was saved at."""

    def __init__(self, tensor: Any) -> None:
        self.tensor, self.version = tensor, tensor._version

    def unpack(self) -> Any:
        if self.tensor._version != self.version:
            raise RuntimeError(
                "one of the variables needed for gradient computation has been modified by an inplace operation: a saved "
                f"tensor of shape {tuple(self.tensor.shape)} is at version {self.tensor._version}; expected version "
                f"{self.version} instead. Give the in-place operation a clone()."
            )
        return self.tensor


class save_on_cpu(saved_tensors_hooks):
    """In this block, what is saved for backward waits in the CPU's memory, and comes back to its device when needed."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(lambda tensor: (tensor.device, tensor.cpu()), lambda packed: packed[1].to(packed[0]))


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """In this block, entering `saved_tensors_hooks` raises RuntimeError with this message; so does being in one already."""
    if _active.stack:
        raise RuntimeError(error_message)
    before, _active.refusal = _active.refusal, error_message
    try:
        yield
    finally:
        _active.refusal = before
