"""`allow_mutation_on_saved_tensors`: what was saved for backward may be written to, for it is copied first.

Read next: `graph.py`, for the hooks on what is saved that this is made of; `tensor/writing.py`, which asks here before it writes.
"""

from __future__ import annotations

import weakref
from typing import Any

from .grad_mode import no_grad
from .graph import before_writes, saved_tensors_hooks


class allow_mutation_on_saved_tensors(saved_tensors_hooks):
    """In this block, a write to memory that a node has saved copies it for the node first. Backward must run in the block too.

    >>> with allow_mutation_on_saved_tensors():
    ...     x = minitorch.tensor([1.0, 2.0], requires_grad=True)
    ...     y = x * 1
    ...     z = (y * y).sum()
    ...     _ = y.zero_()
    ...     z.backward()
    >>> x.grad
    tensor([2., 4.])
    """

    def __init__(self) -> None:
        super().__init__(self._keep, self._kept)
        self._of_memory: dict[int, weakref.WeakSet[_Saved]] = {}

    def __enter__(self) -> Any:
        if before_writes:
            raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
        super().__enter__()
        before_writes.append(self.before_write)
        return self

    def __exit__(self, *exc: Any) -> None:
        super().__exit__(*exc)
        before_writes.remove(self.before_write)
        self.clear()

    def clear(self) -> None:
        """Forget all that was saved."""
        for saved in [s for several in self._of_memory.values() for s in several]:
            saved.tensor = None
        self._of_memory.clear()

    def _keep(self, tensor: Any) -> _Saved:
        saved = _Saved(tensor)
        self._of_memory.setdefault(_memory(tensor), weakref.WeakSet()).add(saved)
        return saved

    def _kept(self, saved: _Saved) -> Any:
        if saved.tensor is None:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which the graph was originally "
                "recorded."
            )
        return saved.tensor

    def before_write(self, tensor: Any) -> None:
        """Copy what was saved of this tensor's memory."""
        with no_grad():
            for saved in self._of_memory.get(_memory(tensor), ()):
                if not saved.is_copy:
                    saved.tensor, saved.is_copy = saved.tensor.detach().clone(), True


class _Saved:
    """A tensor that a node has saved, or its copy."""

    def __init__(self, tensor: Any) -> None:
        self.tensor: Any = tensor
        self.is_copy = False


def _memory(tensor: Any) -> int:
    """The same for all tensors on one piece of memory."""
    array = tensor._array
    while getattr(array, "base", None) is not None:
        array = array.base
    return id(array)
