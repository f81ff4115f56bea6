"""`Tensor`: an array, and what autograd needs to know about it.

Here is what a tensor *is*: its array, its place in the graph, its version, the view it may be, and how it is read and
written in place. What can be computed with it is in `methods.py` (one-liners) and `ops/` (the mathematics).
Read next: `autograd/engine.py` for what `backward` does.
"""

from __future__ import annotations

import math
import warnings
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import dtypes, signature
from . import op as op_module
from ._memory import address, overlap, repeats, same_data
from .autograd import graph, node
from .autograd.grad_mode import grad_mode
from .autograd.hooks import Hooks, hooks_of
from .device import as_device, device, device_of, to_numpy
from .methods import TensorMethods
from .op import Op, new
from .ops.inplace import copy, fill, zero


class Size(tuple):
    """A tensor's shape: a tuple that prints as torch's does and knows its `numel()`."""

    def numel(self) -> int:
        """The product of the sizes."""
        return math.prod(self)

    def __getitem__(self, key: Any) -> Any:
        item = super().__getitem__(key)
        return Size(item) if isinstance(key, slice) else item

    def __add__(self, other: Any) -> Size:
        return Size(super().__add__(tuple(other)))

    def __repr__(self) -> str:
        return f"minitorch.Size([{', '.join(map(str, self))}])"


_OVERLAP = (
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. "
    "Please clone() the tensor before performing the operation."
)


class Version:
    """How often a piece of memory has been written to; shared by all tensors that view it."""

    __slots__ = ("n",)

    def __init__(self) -> None:
        self.n = 0


class Tensor(TensorMethods):
    """An n-dimensional array that remembers how it was computed, when asked to (`requires_grad=True`)."""

    # Class attributes are the defaults, so that the door only writes what differs.
    _array: Any
    _requires_grad: bool = False
    _grad: Any = None
    _grad_fn: Any = None
    _output_nr: int = 0
    _counter: Version | None = None
    _accumulator: Any = None
    _base: Tensor | None = None
    _replay: Any = None  # for views: the function that makes this view again from `_base`; None where writing is refused
    _views: list | None = None  # for bases: weak references to their views
    _views_limit = 16
    _refusal: str = ""  # for views with no replay: why writing through them cannot be differentiated
    _maker: Any = None  # for views whose `_grad_fn` is STALE: their history
    _seen_version = -1  # for views: the version at which their history was made
    _detached_at = -1  # when `detach_` cut it off: nodes born before have saved it with its history
    _retains_grad = False
    _leaf_hooks: Any = None
    _post_accumulate_hooks: dict = {}

    __array_priority__ = 1000  # NumPy scalars and arrays on the left of an operator let ours run

    def __new__(cls, data: Any = (), *args: Any, **kwargs: Any) -> Any:
        return super().__new__(cls)

    def __init__(self, data: Any = ()) -> None:
        """`Tensor([1, 2])`: a tensor of the default dtype; `tensor(...)` is usually what is wanted."""
        self._array = np.array(data, dtype=dtypes.get_default_dtype().numpy)

    @classmethod
    def _wrap(cls, array: Any) -> Tensor:
        """A tensor around an array, without a copy."""
        self = new(Tensor)
        self._array = array if type(array) is np.ndarray or hasattr(array, "get") else np.asarray(array)
        return self

    # ---- what it is ----

    @property
    def shape(self) -> Size:
        return Size(self._array.shape)

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def dtype(self) -> dtypes.dtype:
        return dtypes.from_numpy_dtype(self._array.dtype)

    @property
    def device(self) -> device:
        return device_of(self._array)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its entry `dim`."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self._array.size

    nelement, ndimension = numel, dim

    def stride(self, dim: int | None = None) -> Any:
        """For each dimension, how many elements apart its neighbours lie in memory (NumPy counts bytes)."""
        strides = tuple(s // self._array.itemsize for s in self._array.strides)
        return strides if dim is None else strides[dim]

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in row-major order without gaps."""
        return self._array.flags.c_contiguous

    def element_size(self) -> int:
        """Bytes per element."""
        return self._array.itemsize

    def data_ptr(self) -> int:
        """The address of the first element."""
        return address(self._array)

    def is_floating_point(self) -> bool:
        """Whether the dtype is a float."""
        return self.dtype.is_floating_point

    def get_device(self) -> int:
        """The GPU's number, −1 on the CPU."""
        return -1 if self.device.index is None else self.device.index

    @property
    def itemsize(self) -> int:
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        return self._array.nbytes

    @property
    def is_cuda(self) -> bool:
        return self.device.type == "cuda"

    @property
    def is_leaf(self) -> bool:
        """True unless an op made it and it requires grad."""
        return not self._requires_grad or self.grad_fn is None

    @property
    def grad_fn(self) -> Any:
        """The node that made this tensor; None for a leaf."""
        if self._grad_fn is not node.STALE:
            return self._grad_fn
        if self._version == self._seen_version:
            return self._maker
        if self._replay is None:
            raise RuntimeError(
                f"this view {self._refusal}, and its base or another view of its base has been modified inplace. Use an "
                "out-of-place operation instead, or clone() the view first."
            )
        base: Any = self._base
        with _recording():
            again = self._replay(base)
        self._grad_fn, self._output_nr, self._seen_version = again._grad_fn, again._output_nr, self._version
        if self._retains_grad:
            hooks_of(self._grad_fn).retain[self._output_nr] = weakref.ref(self)
        return self._grad_fn

    @property
    def grad(self) -> Any:
        """The gradient that backward has added up here; None before the first backward."""
        if self._grad is None and self._requires_grad and not self._retains_grad and not self._has_no_maker():
            maker = self._maker if self._grad_fn is node.STALE else self._grad_fn
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed: "
                f"{maker.name() if maker else 'an op'} made it, and its .grad attribute won't be populated during "
                "autograd.backward(). If you indeed want it to be populated, call .retain_grad() on this Tensor before backward; "
                "if you meant a leaf, access that instead.",
                stacklevel=2,
            )
        return self._grad

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            self._check_grad(value)
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    def _check_grad(self, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"assigned grad expected to be a Tensor or None but got grad of type {type(value).__name__}")
        if value is self:
            raise RuntimeError("can't assign Variable as its own grad")
        if value.dtype is not self.dtype:
            raise RuntimeError(
                f"attempting to assign a gradient with dtype '{value.dtype}' to a tensor with dtype '{self.dtype}'"
            )
        if value.device != self.device:
            raise RuntimeError(
                f"attempting to assign a gradient with device '{value.device}' to a tensor with device '{self.device}'; move "
                "the gradient with .to(device)"
            )
        if value.shape != self.shape:
            raise RuntimeError(
                f"attempting to assign a gradient of size '{list(value.shape)}' to a tensor of size '{list(self.shape)}'. "
                "Please ensure that the gradient and the tensor are the same size"
            )

    @property
    def _version(self) -> int:
        """How often this memory has been written to, through this tensor or a view of it."""
        return 0 if self._counter is None else self._counter.n

    @property
    def output_nr(self) -> int:
        return self._output_nr

    @property
    def retains_grad(self) -> bool:
        return self._retains_grad

    @property
    def data(self) -> Tensor:
        """The same memory outside the graph, with a version counter of its own: writes to it go unnoticed."""
        return Tensor._wrap(self._array)

    @data.setter
    def data(self, value: Tensor) -> None:
        self._array = value._array

    # ---- autograd ----

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Add ∂self/∂leaf into `leaf.grad` for every leaf that requires grad. `gradient` is v in vᵀJ, 1 for a scalar."""
        from .autograd import backward

        backward(self, gradient, retain_graph, create_graph, inputs)

    @property
    def requires_grad(self) -> bool:
        """Whether gradients with respect to this tensor are recorded. The engine itself reads and writes `_requires_grad`."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError(f"requires_grad must be a bool, got {type(value).__name__}")
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients from here on (leaves of floating-point dtype only)."""
        if requires_grad and not self.dtype.is_floating_point:
            raise RuntimeError(
                f"only Tensors of floating point dtype can require gradients, got {self.dtype!r}; convert with .float()"
            )
        if not requires_grad and not self._has_no_maker() and not self.is_leaf:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
                "subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        if self._views and requires_grad != self._requires_grad:
            self._tell_views(requires_grad)
        self._requires_grad = bool(requires_grad)
        return self

    def _tell_views(self, requires_grad: bool) -> None:
        """Views require grad when their base does, though made before they have no history, so no gradient flows there."""
        for view in [reference() for reference in self._views or ()]:
            if view is None:
                continue
            if requires_grad and not view._requires_grad:
                view._borrow_history()
            elif not requires_grad and view._grad_fn is node.STALE and view._maker is None:
                view._requires_grad, view._grad_fn = False, None

    def detach(self) -> Tensor:
        """The same memory, cut out of the graph."""
        return self._alias()

    def detach_(self) -> Tensor:
        """Cut this tensor itself out of the graph."""
        if self._base is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        if self._requires_grad:
            self._tell_views(False)
        if self._grad_fn is not None:
            self._detached_at = node.birth()
            node.in_place_detachments[:] = [True]
        self._grad_fn, self._output_nr, self._requires_grad = None, 0, False
        return self

    def _alias(self) -> Tensor:
        """A tensor on the same memory with the same version counter and no history."""
        alias = new(Tensor)
        alias._array = self._array
        if self._counter is None:
            self._counter = Version()
        alias._counter = self._counter
        return alias

    def retain_grad(self) -> None:
        """Keep `.grad` of this non-leaf as well when backward passes."""
        if not self._requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._has_no_maker() or self.is_leaf or self._retains_grad:
            return
        self._retains_grad = True
        hooks_of(self.grad_fn).retain[self._output_nr] = weakref.ref(self)

    def register_hook(self, hook: Callable) -> Any:
        """Call `hook(grad)` when this tensor's gradient is known; a tensor it returns takes the gradient's place."""
        if not self._requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self.is_leaf:
            if self._leaf_hooks is None:
                self._leaf_hooks = {}
            # the next accumulator finds the leaf's hooks by itself
            hooks_of(node.accumulator(self)).tensor[0] = self._leaf_hooks
            return Hooks.add(self._leaf_hooks, hook)
        hooks = hooks_of(self.grad_fn).tensor.setdefault(self._output_nr, {})
        return Hooks.add(hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable) -> Any:
        """Call `hook(leaf)` after backward has added into `leaf.grad`."""
        if not self._requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if self._grad_fn is not None:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if not self._post_accumulate_hooks:
            self._post_accumulate_hooks = {}
        return Hooks.add(self._post_accumulate_hooks, hook)

    def _reduced_to(self, shape: tuple, numpy_dtype: np.dtype) -> Tensor:
        """A gradient brought back to its input's shape (the adjoint of broadcasting is a sum) and dtype."""
        g: Any = self
        if g._array.shape != shape:
            extra = g.ndim - len(shape)
            dims = [*range(extra), *(i + extra for i, n in enumerate(shape) if n == 1 and g._array.shape[i + extra] != 1)]
            if dims:
                g = g.sum(dims, keepdim=True)
            if g._array.shape != shape:
                g = g.reshape(shape)
        return g if g._array.dtype == numpy_dtype else g.to(dtypes.from_numpy_dtype(numpy_dtype))

    # ---- views and writing in place ----

    def _is_view(self) -> bool:
        return self._base is not None

    def _adopt_view(self, view: Tensor, op: Op | None, rest: tuple) -> None:
        """`view` shows this tensor's memory: share the version, remember the base and how to make the view again."""
        if self._counter is None:
            self._counter = Version()
        view._counter = self._counter
        if self is view:
            return
        view._base = base = self if self._base is None else self._base
        view._seen_version = view._counter.n
        if op is None:
            view._refusal = "is the output of a function that returns multiple views"
        elif not grad_mode.enabled:
            view._refusal = "was created in no_grad mode"
        elif self._base is None:
            view._replay = lambda b: op(b, *rest)
        elif self._replay is not None:
            outer = self._replay
            view._replay = lambda b: op(outer(b), *rest)
        else:
            view._refusal = self._refusal
        if view._replay is None and (base._requires_grad or view._grad_fn is not None):
            view._borrow_history()
        base._watch(view)

    def _has_no_maker(self) -> bool:
        """Whether no recorded op made this tensor, said without asking a view for a history that may be lost."""
        return self._grad_fn is None or (self._grad_fn is node.STALE and self._replay is None and self._maker is None)

    def _borrow_history(self) -> None:
        """This view requires grad because its base does, and has the history it has now, until somebody writes to it."""
        self._maker = self._grad_fn
        self._requires_grad, self._grad_fn = True, node.STALE

    def _watch(self, view: Tensor) -> None:
        """Remember a view weakly; the dead are swept out whenever the list has doubled."""
        if self._views is None:
            self._views = []
        elif len(self._views) >= self._views_limit:
            self._views = [reference for reference in self._views if reference() is not None]
            self._views_limit = 2 * len(self._views) + 16
        self._views.append(weakref.ref(view))

    def _bump(self) -> None:
        """Count a write to this memory."""
        if self._counter is None:
            self._counter = Version()
        self._counter.n += 1

    def _accumulate(self, g: Tensor) -> None:
        """self += g in this memory, unrecorded: how `.grad` grows when backward comes by again."""
        self._array += g._array
        self._bump()

    def _update(self, op: Callable, *args: Any, **kwargs: Any) -> Tensor:
        """The in-place form of any op: write op(self, …) into this memory, and take over its history."""
        self._check_writable(*args, *kwargs.values())
        if repeats(self._array) and not _writes_the_same_everywhere(self, op, args):
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
                "Please clone() the tensor before performing the operation."
            )
        if any(isinstance(x, Tensor) and self._overlaps(x, "partial") for x in args):
            raise RuntimeError(_OVERLAP)
        # What a hook or an op inside a composite function keeps of this tensor must be out of the write's reach.
        apart = graph.hooks_are_active() or not isinstance(op, Op)
        before = self._copy_before_write() if apart else self
        out = op(before, *args, **kwargs)
        if out._array.shape != self._array.shape:
            raise RuntimeError(
                f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(out.shape)}: an in-place "
                "operation cannot grow its tensor; use the out-of-place form"
            )
        if not dtypes.can_cast(out.dtype, self.dtype):
            raise RuntimeError(
                f"result type {dtypes.SCALAR_NAMES[out.dtype.name]} can't be cast to the desired output type "
                f"{dtypes.SCALAR_NAMES[self.dtype.name]}; convert the tensor first, or use the out-of-place form"
            )
        if out._array.dtype != self._array.dtype:
            out = out.to(self.dtype)
        if self._requires_grad and grad_mode.enabled and not out._requires_grad:  # a comparison, say: its gradient is 0
            out = copy(self, out)
        if isinstance(out._grad_fn, node.OpNode):
            out._grad_fn.keep_copy(self)
        self._array[...] = out._array
        self._bump()
        if out._requires_grad:
            out._grad_fn.show_output(out._output_nr, self)
            self._take_history(out)
        return self

    def _turn(self, view: Callable, *args: Any) -> Tensor:
        """The in-place form of a view op: this tensor itself gets the view's shape and strides."""
        if self._base is not None and self.requires_grad:
            raise RuntimeError(
                f"{view.__name__}_() of a view that requires grad is not supported: use the out-of-place {view.__name__}()"
            )
        if self.requires_grad and grad_mode.enabled:
            self._check_history()
        out = view(self._before_write(), *args)
        self._array = out._array
        self._bump()
        for reference in self._views or ():
            seen = reference()
            if seen is not None:  # how to make it again is known only for the old shape
                seen._replay, seen._refusal = None, "was made before the shape of its base was changed in place"
        if self._replay is not None:
            outer = self._replay
            self._replay = lambda base: view(outer(base), *args)
        if self.requires_grad and grad_mode.enabled:
            self._take_history(out)
        return self

    def _check_writable(self, *others: Any) -> None:
        """Refuse, before anything is written, what autograd could not follow."""
        array = self._array
        wants = self._requires_grad or any(getattr(x, "requires_grad", False) for x in others)
        if wants and grad_mode.enabled:
            self._check_history()
        if type(array) is np.ndarray and not array.flags.writeable:
            raise RuntimeError("the NumPy array this tensor was made from is not writable; clone() the tensor first")

    def _apart_from(self, *others: Any) -> Tensor:
        """This tensor, unless it lies where `others`, inputs of the coming write, are read."""
        for other in others:
            if isinstance(other, Tensor) and (other is self or self._overlaps(other, "partial", "full")):
                raise RuntimeError(_OVERLAP)
        return self

    def _overlaps(self, other: Tensor, *kinds: str) -> bool:
        a, b = self._array, other._array
        return self.device.xp.may_share_memory(a, b) and overlap(a, b) in kinds

    def _check_history(self) -> None:
        if self._base is not None and self._replay is None:
            raise RuntimeError(
                f"this view {self._refusal} and is being modified inplace with grad mode enabled; clone() it first, or "
                "use the out-of-place form"
            )
        if self._requires_grad and (self.is_leaf or (self._base is not None and self._base.is_leaf)):
            raise RuntimeError(
                f"{'a' if self._base is None else 'a view of a'} leaf Variable that requires grad is being used in an in-place "
                "operation. To change it without recording (as an optimizer does), write under no_grad(); to differentiate "
                "through the write, write into a clone()."
            )

    def _take_history(self, out: Tensor) -> None:
        """After a write: this tensor is now what `out` was. A view hands the change on to its base."""
        base: Any = self
        if self._base is not None:
            from .ops.index import write_view

            base = self._base
            out = write_view(base._before_write(), out, self._replay)
        if base._retains_grad and base._grad_fn is not None:  # what it wants is the gradient of what it is now
            hooks_of(base._grad_fn).retain.pop(base._output_nr, None)
            hooks_of(out._grad_fn).retain[out._output_nr] = weakref.ref(base)
        base._requires_grad, base._grad_fn, base._output_nr = True, out._grad_fn, out._output_nr
        base._forget_views()

    def _before_write(self) -> Tensor:
        """A stand-in for this tensor before the write: the same history, under another object."""
        before = self._alias()
        before._requires_grad, before._grad_fn, before._output_nr = self._requires_grad, self._grad_fn, self._output_nr
        return before

    def _copy_before_write(self) -> Tensor:
        """The same, in memory that the write will not reach."""
        before = self._before_write()
        before._array, before._counter = self._array.copy(), None
        return before

    def _forget_views(self) -> None:
        """Every view of this base makes its history anew when it is next asked for."""
        for reference in self._views or ():
            view = reference()
            if view is None:
                continue
            if view._retains_grad and view._grad_fn is not node.STALE:
                hooks_of(view._grad_fn).retain.pop(view._output_nr, None)
            view._requires_grad, view._grad_fn = True, node.STALE

    # ---- new tensors like this one ----

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """`to(dtype)`, `to(device)`, `to(device, dtype)`, `to(other)`: this tensor itself if nothing changes."""
        target, dtype, copy = _parse_to(*args, **kwargs)
        out: Any = self
        if target is not None and as_device(target) != self.device:
            from .ops.elementwise import to_device

            out = to_device(out, as_device(target), self.device)
        if dtype is not None and dtype is not out.dtype:
            from .ops.elementwise import to

            out = to(out, dtype)
        return out.clone() if copy and out is self else out

    def new_tensor(self, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
        """A new tensor of `data`, by default with this tensor's dtype and device."""
        from . import creation

        return creation.tensor(data, dtype=dtype or self.dtype, device=device or self.device, requires_grad=requires_grad)

    def new_zeros(self, *size: Any, dtype: Any = None, device: Any = None) -> Tensor:
        """Zeros, by default with this tensor's dtype and device."""
        from . import creation

        return creation.zeros(*size, dtype=dtype or self.dtype, device=device or self.device)

    def new_ones(self, *size: Any, dtype: Any = None, device: Any = None) -> Tensor:
        """Ones, by default with this tensor's dtype and device."""
        from . import creation

        return creation.ones(*size, dtype=dtype or self.dtype, device=device or self.device)

    def new_full(self, size: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Tensor:
        """`fill_value` everywhere, by default with this tensor's dtype and device."""
        from . import creation

        return creation.full(size, fill_value, dtype=dtype or self.dtype, device=device or self.device)

    def new_empty(self, *size: Any, dtype: Any = None, device: Any = None) -> Tensor:
        """Whatever was in memory, by default with this tensor's dtype and device."""
        from . import creation

        return creation.empty(*size, dtype=dtype or self.dtype, device=device or self.device)

    # ---- reading ----

    def item(self) -> Any:
        """The only element, as a Python number."""
        if self._array.size != 1:
            raise RuntimeError(
                f"a Tensor with {self._array.size} elements cannot be converted to Scalar; reduce it first, e.g. .mean()"
            )
        return to_numpy(self._array).item()

    def tolist(self) -> Any:
        """The elements as nested Python lists."""
        return to_numpy(self._array).tolist()

    def numpy(self, *, force: bool = False) -> np.ndarray:
        """The same memory as a NumPy array. `force=True` detaches and copies to the CPU as needed."""
        if self._requires_grad and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        if self.is_cuda and not force:
            raise TypeError(
                f"can't convert {self.device} device type tensor to numpy. Use Tensor.cpu() to copy the tensor to host "
                "memory first."
            )
        return to_numpy(self._array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        array = self.numpy()
        return np.array(array, dtype=dtype, copy=copy) if dtype is not None or copy else array

    def __dlpack__(self, **kwargs: Any) -> Any:
        if self._requires_grad:
            raise BufferError("Can't export tensors that require gradient, use tensor.detach()")
        return self._array.__dlpack__(**kwargs)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    def __repr__(self, *, tensor_contents: Any = None) -> str:
        from ._tensor_str import tensor_repr

        return tensor_repr(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.ndim == 0 and spec else repr(self)

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self._array.shape[0]

    def __iter__(self) -> Any:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __bool__(self) -> bool:
        if self._array.size != 1:
            what = "no values" if self._array.size == 0 else "more than one value"
            raise RuntimeError(f"Boolean value of Tensor with {what} is ambiguous; use .any() or .all()")
        return bool(to_numpy(self._array).item())

    def __int__(self) -> int:
        return int(self._scalar())

    def __float__(self) -> float:
        return float(self._scalar())

    def _scalar(self) -> Any:
        if self._array.size != 1:
            raise ValueError(
                f"only one element tensors can be converted to Python scalars, got shape {tuple(self.shape)}; reduce it first, "
                "e.g. .mean()"
            )
        return to_numpy(self._array).item()

    def __index__(self) -> int:
        if self.dtype.is_floating_point or self._array.size != 1:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())

    def __contains__(self, element: Any) -> bool:
        return bool((self == element).any())

    def __hash__(self) -> int:
        return id(self)

    # ---- copies of the object ----

    def __deepcopy__(self, memo: dict) -> Any:
        if not self.is_leaf:
            raise RuntimeError(
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment. "
                "Copy .detach() or .clone() instead."
            )
        import copy

        made = new(type(self))
        memo[id(self)] = made
        for key, value in self.__dict__.items():
            if not key.startswith("_"):
                setattr(made, key, copy.deepcopy(value, memo))
        made._array, made._requires_grad = self._array.copy(), self._requires_grad
        made._grad = copy.deepcopy(self._grad, memo)
        return made

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not self.is_leaf:
            raise RuntimeError("only leaf tensors can be pickled; pickle .detach() instead")
        state = {k: v for k, v in self.__dict__.items() if not k.startswith("_")} | {"_requires_grad": self._requires_grad}
        return _rebuild, (type(self), to_numpy(self._array), str(self.device), state)


def _writes_the_same_everywhere(tensor: Tensor, op: Callable, args: tuple) -> bool:
    """Whether it does not matter that elements of the tensor coincide: to fill with a number, to copy it to itself."""
    return (
        op is zero
        or (op is fill and not isinstance(args[0], Tensor))
        or (op is copy and same_data(tensor._array, args[0]._array))
    )


def _rebuild(cls: type, array: np.ndarray, device_name: str, state: dict) -> Any:
    """What unpickling calls: the tensor from its parts."""
    made: Any = new(cls)
    made._array = device(device_name).xp.asarray(array)
    made.__dict__.update(state)
    return made


def _parse_to(*args: Any, **kwargs: Any) -> tuple:
    """(device, dtype, copy) from any of the forms of `Tensor.to`."""
    target, dtype, copy = kwargs.pop("device", None), kwargs.pop("dtype", None), kwargs.pop("copy", False)
    kwargs.pop("non_blocking", None)
    if "other" in kwargs:
        args = (kwargs.pop("other"), *args)
    if kwargs:
        raise TypeError(f"to() got an unexpected keyword argument '{next(iter(kwargs))}'")
    for x in args:
        if isinstance(x, Tensor):
            target, dtype = x.device, x.dtype
        elif isinstance(x, dtypes.dtype):
            dtype = x
        elif isinstance(x, (str, device)) or type(x) is int:
            target = x
        elif x is not None and not isinstance(x, bool):
            raise TypeError(f"to() takes a dtype, a device or a tensor, got {type(x).__name__}")
    return target, dtype, copy


class _recording:
    """`enable_grad`, without importing the public class."""

    def __enter__(self) -> None:
        self.before, grad_mode.enabled = grad_mode.enabled, True

    def __exit__(self, *exc: Any) -> None:
        grad_mode.enabled = self.before


op_module.Tensor = signature.Tensor = Tensor  # the door makes Tensors, and Tensors come through the door
