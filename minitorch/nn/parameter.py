"""`Parameter` and `Buffer`: tensors that register themselves when assigned to a module.

A Parameter is trained (`requires_grad=True`); a Buffer is state that moves and is saved with the module but is not
trained, such as batch norm's running mean. Read next: `Module.__setattr__` in `minitorch/nn/modules/module.py`.
"""

from __future__ import annotations

from typing import Any

from minitorch.tensor import Tensor
from minitorch.tensor.copying import attributes


class Parameter(Tensor):
    """A tensor a module trains; it shares memory with `data` and requires grad, under `no_grad` too.

    >>> Parameter(minitorch.tensor([1.0, 2.0]))
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True) -> None:
        _share_memory(self, data)
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Parameter containing:\n{super().__repr__()}"

    def __deepcopy__(self, memo: dict[int, Any]) -> Parameter:
        if id(self) not in memo:
            memo[id(self)] = type(self)(self.data.clone(), self.requires_grad)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _rebuild, (self.data, self.requires_grad, attributes(self))

    def __copy__(self) -> Parameter:
        return _rebuild(self.data, self.requires_grad, attributes(self))


def _rebuild(data: Tensor, requires_grad: bool, state: dict[str, Any]) -> Parameter:
    """What unpickling calls. As in torch, an object of a subclass comes out as a Parameter."""
    made = Parameter(data, requires_grad)
    made.__dict__.update(state)
    return made


class Buffer(Tensor):
    """A tensor a module carries but does not train; `persistent=False` leaves it out of the state dict.

    >>> from minitorch import nn
    >>> module = nn.Module()
    >>> module.mean = Buffer(minitorch.zeros(2))
    >>> list(module.state_dict())
    ['mean']
    """

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True) -> None:
        _share_memory(self, data)
        self.persistent = persistent


def _share_memory(new: Tensor, data: Tensor | None) -> None:
    """Make `new` a tensor on the memory of `data`, with the same version counter and no history."""
    source = Tensor(()) if data is None else data.detach()
    new._array, new._counter = source._array, source._counter
