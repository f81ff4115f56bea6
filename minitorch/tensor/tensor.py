"""`Tensor`: an array, and what autograd needs to know about it.

Here is what a tensor *is*: its array, its place in the graph, its gradient and hooks. How it is viewed and written to is in
`writing.py`; what can be computed with it, in `tensor/methods/` (one-liners) and `ops/` (the mathematics).
Read next: `writing.py`, then `autograd/engine.py` for what `backward` does.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..arrays import dtypes, memory
from ..arrays.batched import running
from ..arrays.determinism import filled
from ..arrays.device import device, device_of
from ..arrays.layout import contiguous_format, lies_in, memory_format, preserve_format, strides_of, suggested
from ..arrays.memory import resized, strided
from ..arrays.recorded import Recorded, with_memory
from ..arrays.size import Size, new_tuple
from ..arrays.warning import warn
from ..autograd import hooks, leaves, node
from ..autograd.grad_mode import grad_mode, inference_blocks
from ..autograd.hooks import Hooks, hooks_of
from ..op import autocast, door, lanes, recipe, signature
from ..op.door import new
from ..op.signature import checked
from ..ops import inplace
from ..ops.dims import as_ints, canonical_dim
from .absent import NotThereYet
from .copying import Copying
from .copying import _rebuild as _rebuild  # where pickles of earlier versions look for it
from .legacy import made
from .methods import TensorMethods
from .sharing import Sharing
from .storage import UntypedStorage
from .writing import INFERENCE, Version, Writing


class Tensor(Writing, Copying, Sharing, TensorMethods, NotThereYet):
    """An n-dimensional array that remembers how it was computed, when asked to (`requires_grad=True`)."""

    __module__ = "minitorch"  # where users find it
    # Class attributes are the defaults, so that the door only writes what differs.
    _array: Any
    _requires_grad: bool = False
    _grad: Any = None
    _grad_fn: Any = None
    _output_nr: int = 0
    _accumulator: Any = None
    _detached_at = -1  # when `detach_` cut it off: nodes born before have saved it with its history
    _retains_grad = False
    _asked = False  # whether it was itself asked to require grad: an unrecorded view of what does is a leaf only then
    _leaf_hooks: Any = None
    _hooks: Any = None  # of what is no leaf: the hooks on its node that are this tensor's
    _post_accumulate_hooks: dict = {}

    __array_priority__ = 1000  # NumPy scalars and arrays on the left of an operator let ours run

    def __new__(cls, *data: Any, **options: Any) -> Any:
        """`Tensor([1, 2])`: a tensor of the default dtype; `tensor(...)` is usually what is wanted. `Tensor(2, 3)`: of that shape."""
        if cls is not Tensor:
            return super().__new__(cls)
        return made(None, (*data, options.pop("data")) if "data" in options else data, **options)

    def __init__(self, *data: Any, **options: Any) -> None:
        if type(self) is not Tensor:  # a class of the user's
            self._array = Tensor(*data, **options)._array

    @classmethod
    def _wrap(cls, array: Any) -> Tensor:
        """A tensor around an array, without a copy."""
        self = new(Tensor)
        is_array = type(array) is np.ndarray or (hasattr(array, "get") and type(array) is not Recorded)
        self._array = array if is_array else with_memory(array)
        if inference_blocks:
            self._mark_inference()
        return self

    def _mark_inference(self) -> None:
        """A tensor made in this thread's inference_mode is known by its counter."""
        if grad_mode.inference:
            self._counter = INFERENCE

    def is_inference(self) -> bool:
        """Whether the tensor was made in `inference_mode`."""
        return self._counter is INFERENCE

    # ---- what it is ----

    @property
    def shape(self) -> Size:
        return new_tuple(Size, self._array.shape)

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
        return self.shape if dim is None else self._array.shape[self._dim(dim)]

    def _dim(self, dim: Any) -> int:
        """A dimension that there is, counted from the front."""
        if not self._array.ndim:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
        return canonical_dim(dim, self._array.ndim)

    def dim(self) -> int:
        """The number of dimensions."""
        return self._array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self._array.size

    nelement, ndimension = numel, dim

    def stride(self, dim: int | None = None) -> Any:
        """For each dimension, how many elements apart its neighbours lie in memory (NumPy counts bytes)."""
        array = self._array
        if not array.size and 0 in array.strides:  # NumPy's of what has no elements; torch counts a size of 0 as 1
            strides = tuple(math.prod(max(n, 1) for n in array.shape[d + 1 :]) for d in range(array.ndim))
        else:
            strides = memory.element_strides(array)
        return strides if dim is None else strides[self._dim(dim)]

    def resize_(self, *size: int, memory_format: memory_format | None = None) -> Tensor:
        """Another shape in the same memory, row by row; new memory, which begins with the old numbers, if there is too little.

        memory_format: in which the numbers are read from then on, of whatever shape they were.
        """
        shape = as_ints(size[0] if len(size) == 1 and not isinstance(size[0], int) else size)
        if self.requires_grad:
            raise RuntimeError("cannot resize variables that require grad: resize .detach(), or use reshape()")
        if min(shape, default=0) < 0:
            raise RuntimeError(f"resize_ expects sizes of 0 or more, got {shape}")
        if memory_format is preserve_format:
            raise RuntimeError("Unsupported memory format Preserve: say in which the numbers are to be read")
        strides = strides_of(shape, memory_format or contiguous_format, self._array.itemsize)
        if shape != self.shape:
            self._array = resized(self._array, filled(self.device.xp.zeros(shape, self._array.dtype)))
            self._bump()
        if memory_format is not None:
            self._array = strided(self._array, shape, strides)
        return self

    def resize_as_(self, other: Tensor, *, memory_format: memory_format | None = None) -> Tensor:
        """`resize_` to the shape of another tensor; preserve_format: and to its format."""
        return self.resize_(
            *other.shape, memory_format=suggested(other._array) if memory_format is preserve_format else memory_format
        )

    @checked
    def is_contiguous(self, *, memory_format: memory_format = contiguous_format) -> bool:
        """Whether the elements lie in memory in row-major order, or in the format that is told, without gaps."""
        return lies_in(self._array, memory_format)

    def element_size(self) -> int:
        """Bytes per element."""
        return self._array.itemsize

    def data_ptr(self) -> int:
        """The address of the first element."""
        return memory.address(self._array)

    def storage_offset(self) -> int:
        """How many elements of its storage come before the first element."""
        return memory.storage_offset(self._array)

    def untyped_storage(self) -> UntypedStorage:
        """The memory that this tensor is a view of."""
        return UntypedStorage(self._array)

    def set_(self, source: Tensor | None = None) -> Tensor:
        """Show the memory of `source` from now on, with its shape and strides; without one, no memory at all."""
        array = self._array[:0].ravel() if source is None else source._array
        if array.dtype != self._array.dtype:
            raise RuntimeError(f"Could not set tensor of type {array.dtype} to a tensor of type {self._array.dtype}")
        shown = None
        if grad_mode.enabled and (self._requires_grad or (source is not None and source._requires_grad)):
            self._check_history()
            if self._base is not None:
                raise RuntimeError("the derivative for set_ is not implemented: write under no_grad(), or assign to .data")
            shown = inplace.set_(self, self if source is None else source)
        self._check_not_inference()
        self._array = array
        self._bump()
        if shown is not None:
            self._succeed(shown)
        return self

    def is_floating_point(self) -> bool:
        """Whether the dtype is a float."""
        return self.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the dtype is complex: none here is."""
        return self.dtype.is_complex

    def is_signed(self) -> bool:
        """Whether the dtype has negative numbers."""
        return self.dtype.is_signed

    def is_nonzero(self) -> bool:
        """Whether the one element is not 0."""
        return bool(self)

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
    def is_cpu(self) -> bool:
        return self.device.type == "cpu"

    @property
    def is_leaf(self) -> bool:
        """True unless an op made it and it requires grad."""
        return not self._requires_grad or self.grad_fn is None

    @property
    def grad_fn(self) -> Any:
        """The node that made this tensor; None for a leaf."""
        return self._make_history() if self._grad_fn is leaves.STALE else self._grad_fn

    @property
    def grad(self) -> Any:
        """The gradient that backward has added up here; None before the first backward."""
        if self._grad is None and self._requires_grad and not self._retains_grad and not self._has_no_maker():
            maker = self._maker if self._grad_fn is leaves.STALE else self._grad_fn
            warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed: "
                f"{maker.name() if maker else 'an op'} made it, and its .grad attribute won't be populated during "
                "autograd.backward(). If you indeed want it to be populated, call .retain_grad() on this Tensor before backward; "
                "if you meant a leaf, access that instead."
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
        if self._counter is INFERENCE:
            raise RuntimeError("Inference tensors do not track version counter.")
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
        made = new(Tensor)
        made._array = self._array
        if self._counter is INFERENCE:
            made._counter = INFERENCE
        return made

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self._requires_grad and not value.dtype.is_floating_point:
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex dtype, got "
                f"{value.dtype!r}; call requires_grad_(False) first"
            )
        if value.dtype is not self.dtype or value.device != self.device:
            self._accumulator = None  # its gradients will be of the new kind; a graph made before keeps the old end
        self._array = value._array
        if self._base is None and self.is_inference() is not value.is_inference():
            self._counter = INFERENCE if value.is_inference() else Version()

    # ---- autograd ----

    def backward(
        self,
        gradient: Tensor | None = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Tensor | Sequence[Tensor] | None = None,
    ) -> None:
        """Add ∂self/∂leaf into `leaf.grad` for every leaf that requires grad. `gradient` is v in vᵀJ, 1 for a scalar."""
        from minitorch.autograd import backward  # (by its whole name Python finds it in half the time)

        if running():
            raise RuntimeError(
                "backward() called inside a functorch transform. This is not supported, please use func.grad or func.vjp instead or "
                "call backward() outside of functorch transforms."
            )
        backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    @property
    def requires_grad(self) -> bool:
        """Whether gradients with respect to this tensor are recorded. The engine itself reads and writes `_requires_grad`."""
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError(f"requires_grad must be a bool, got {type(value).__name__}")
        if not self._has_no_maker() and not self.is_leaf and value:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables: an op made this one, and it requires grad already"
            )
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for gradients from here on (leaves of floating-point dtype only)."""
        if not isinstance(requires_grad, bool):
            raise TypeError(
                f"requires_grad_(): argument 'requires_grad' (position 1) must be bool, not {type(requires_grad).__name__}"
            )
        if requires_grad and not self.dtype.is_floating_point:
            raise RuntimeError(
                f"only Tensors of floating point dtype can require gradients, got {self.dtype!r}; convert with .float()"
            )
        if requires_grad and self.is_inference() and not grad_mode.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed: clone() makes a normal "
                "tensor."
            )
        if not requires_grad and not self._has_no_maker() and not self.is_leaf:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a computed variable in a "
                "subgraph that doesn't require differentiation use var_no_grad = var.detach()."
            )
        self._asked = requires_grad
        if not requires_grad and self._base is not None and self._base._requires_grad:
            return self  # a view requires grad as long as its base does
        if self._views and requires_grad != self._requires_grad:
            self._tell_views(requires_grad)
        self._requires_grad = requires_grad
        return self

    def _tell_views(self, requires_grad: bool) -> None:
        """Views require grad when their base does, though made before they have no history, so no gradient flows there."""
        for view in self._views.alive() if self._views is not None else ():
            if requires_grad and view._grad_fn is None:
                view._has_no_history()
            elif not requires_grad and view._grad_fn is leaves.STALE and view._maker is None:
                view._requires_grad, view._grad_fn = False, None

    def detach(self) -> Tensor:
        """The same memory, cut out of the graph."""
        return self._alias()

    def detach_(self) -> Tensor:
        """Cut this tensor itself out of the graph. (Where there is none, in inference mode, it stays as it is.)"""
        if grad_mode.inference or self.is_inference():
            return self
        if self._base is not None:
            raise RuntimeError("Can't detach views in-place. Use detach() instead.")
        if self._requires_grad:
            self._tell_views(False)
        if self._grad_fn is not None:
            self._detached_at = node.birth()
            node.in_place_detachments[:] = [True]
        self._grad_fn, self._output_nr, self._requires_grad, self._hooks = None, 0, False, None
        return self

    def _alias(self) -> Tensor:
        """A tensor on the same memory with the same version counter and no history."""
        alias = new(Tensor)
        alias._array = self._array
        alias._counter = self._counter or self._counted()
        return alias

    def _bits_as(self, dtype: dtypes.dtype) -> Tensor:
        """The same memory, its bits read as numbers of another dtype: `x.view(dtype)`. It has no derivative."""
        array, old = self._array, dtypes.SCALAR_NAMES[self.dtype.name]
        if dtype.itemsize != self.dtype.itemsize:
            asked = f"to view {old} as {dtypes.SCALAR_NAMES[dtype.name]} (different element sizes)"
            if not array.ndim:
                raise RuntimeError(f"self.dim() cannot be 0 {asked}")
            if array.strides[-1] != array.itemsize:
                raise RuntimeError(f"self.stride(-1) must be 1 {asked}, but got {self.stride(-1)}")
            ratio = max(dtype.itemsize // self.dtype.itemsize, 1)
            if array.shape[-1] % ratio:
                raise RuntimeError(f"self.size(-1) must be divisible by {ratio} {asked}, but got {array.shape[-1]}")
        alias = self._alias()
        alias._array = array.view(dtype.numpy)
        return alias

    def retain_grad(self) -> None:
        """Keep `.grad` of this non-leaf as well when backward passes."""
        if not self._requires_grad:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._retains_grad or self._has_no_maker() or self.is_leaf:
            return
        self._retains_grad = True
        hooks_of(self.grad_fn).retain[self._output_nr] = weakref.ref(self)

    def register_hook(self, hook: Callable) -> Any:
        """Call `hook(grad)` when this tensor's gradient is known; a tensor it returns takes the gradient's place."""
        if not self._requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        # (A view that was hooked as a leaf stays one to its hooks, though it may have lost its history since.)
        is_hooked_leaf = self._leaf_hooks is not None and self._has_no_maker()
        if self._hooks is None and not is_hooked_leaf and not self.is_leaf:
            self._hooks = hooks_of(self.grad_fn).tensor.setdefault(self._output_nr, {})
        if self._hooks is not None:
            return Hooks.add(self._hooks, hook)
        if self._leaf_hooks is None:
            self._leaf_hooks = {}
        # the next accumulator finds the leaf's hooks by itself
        hooks_of(leaves.accumulator(self)).tensor[0] = self._leaf_hooks
        return Hooks.add(self._leaf_hooks, hook)

    def register_post_accumulate_grad_hook(self, hook: Callable) -> Any:
        """Call `hook(leaf)` after backward has added into `leaf.grad`."""
        if not self._requires_grad:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if not self.is_leaf:
            raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
        if not self._post_accumulate_hooks:
            self._post_accumulate_hooks = {}
        return Hooks.add(self._post_accumulate_hooks, hook)

    def __hash__(self) -> int:
        return id(self)


# The one cycle: the rooms below make Tensors, and what a Tensor does is defined by them.
autocast.Tensor = door.Tensor = lanes.Tensor = recipe.Tensor = signature.Tensor = hooks.Tensor = Tensor
