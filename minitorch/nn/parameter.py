"""`Parameter` and `Buffer`: tensors that register themselves when assigned to a module.

A Parameter is trained (`requires_grad=True`); a Buffer is state that moves and is saved with the module but is not
trained, such as batch norm's running mean. What is uninitialized has a dtype and a device but no shape yet: a lazy module
gives it one (`minitorch/nn/modules/lazy.py`). Read next: `Module.__setattr__` in `minitorch/nn/modules/module.py`.
"""

from __future__ import annotations

from typing import Any, NoReturn

import minitorch
from minitorch.arrays import dtypes
from minitorch.arrays.device import device
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


# ---- tensors whose shape is not known yet ----


class UninitializedTensorMixin:
    """A dtype and a device, and no numbers: `materialize` makes it a tensor. Until then it can be moved, and nothing else."""

    cls_to_become: type
    _blank: Tensor  # empty, of its dtype, where it is to be

    @property
    def _array(self) -> NoReturn:  # what every op looks at first
        raise ValueError(
            f"Attempted to use an uninitialized parameter: this {type(self).__name__} of a lazy module has no shape yet; call the "
            "module with a dummy batch first"
        )

    @property
    def shape(self) -> NoReturn:
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer: call the lazy module with a dummy batch first. "
            "(It happens too where an uninitialized state is loaded into an initialized module.)"
        )

    @property
    def data(self) -> Tensor:
        return self._blank

    @data.setter
    def data(self, value: Tensor) -> None:
        self._blank = value.data

    @property
    def dtype(self) -> dtypes.dtype:
        return self._blank.dtype

    @property
    def device(self) -> device:
        return self._blank.device

    def is_floating_point(self) -> bool:
        return self._blank.is_floating_point()

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """One that will be elsewhere, or of another dtype."""
        moved = self._blank.to(*args, **kwargs)
        return self if moved is self._blank else self._again(moved.device, moved.dtype)

    def _again(self, device: Any, dtype: Any) -> Any:
        return type(self)(self.requires_grad, device, dtype)  # type: ignore[call-arg, attr-defined]

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become a tensor of that shape, in place: its numbers are undefined."""
        made = minitorch.empty(shape, device=device or self.device, dtype=dtype or self.dtype)
        self.__class__ = self.cls_to_become
        self._array = made._array  # type: ignore[misc]

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return type(self), (self.requires_grad,)  # type: ignore[attr-defined]

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if id(self) not in memo:
            memo[id(self)] = self._again(self.device, self.dtype)
        return memo[id(self)]


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]
    """A Parameter whose shape is not known yet; `materialize(shape)` makes it one."""

    cls_to_become = Parameter

    def __init__(self, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> None:
        self._blank = minitorch.empty(0, device=device, dtype=dtype)
        self.requires_grad_(requires_grad)


class UninitializedBuffer(UninitializedTensorMixin, Tensor):  # type: ignore[misc]
    """A buffer whose shape is not known yet; `materialize(shape)` makes it a Tensor."""

    cls_to_become = Tensor

    def __init__(self, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True) -> None:
        self._blank = minitorch.empty(0, device=device, dtype=dtype)
        self.persistent = persistent
        self.requires_grad_(requires_grad)


def is_lazy(param: Any) -> bool:
    """Whether it is an UninitializedParameter or UninitializedBuffer."""
    return isinstance(param, UninitializedTensorMixin)
