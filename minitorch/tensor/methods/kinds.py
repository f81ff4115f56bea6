"""The methods of Tensor: what kind of tensor it is. Every tensor here is dense, of real numbers, and on the CPU or an NVIDIA GPU.

So most answers are the same for all; they are there because programs ask. Read next: `conversion.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...arrays.layout import layout, strided
from ...arrays.memory import owner, same_data
from ...arrays.transfers import is_pinned, pinned, used_by
from ...arrays.warning import warn
from ...op.signature import checked
from ...ops import real
from ...ops.about import is_tensor
from ..copying import made_again

if TYPE_CHECKING:
    from ..storage import TypedStorage
    from ..tensor import Tensor


def _never(what: str) -> property:
    """A flag that no tensor here has."""
    return property(lambda self: False, doc=f"Whether it is {what}: False.")


class Kinds:
    """What kind of tensor it is."""

    _array: Any
    shape: Any
    ndim: Any

    is_sparse = _never("a sparse tensor")
    is_sparse_csr = _never("a sparse tensor of rows")
    is_nested = _never("a list of tensors of several shapes")
    is_meta = _never("a shape without numbers")
    is_mkldnn = _never("in MKLDNN's memory format")
    is_mps = _never("on Apple's GPU")
    is_xpu = _never("on Intel's GPU")
    is_xla = _never("on an XLA device")
    is_ipu = _never("on an IPU")
    is_maia = _never("on a MAIA device")
    is_mtia = _never("on an MTIA device")
    is_vulkan = _never("on a Vulkan device")

    @property
    def layout(self) -> layout:
        """How its numbers lie: strided."""
        return strided

    @property
    def name(self) -> None:
        """None: tensors have no names."""

    @property
    def volatile(self) -> bool:
        """Removed long ago: False."""
        warn("volatile was removed (Variable.volatile is always False)")
        return False

    @volatile.setter
    def volatile(self, value: Any) -> None:
        warn("volatile was removed and now has no effect. Use `with minitorch.no_grad():` instead.")

    def is_conj(self) -> bool:
        """Whether it is to be conjugated when it is read: False."""
        return False

    def is_neg(self) -> bool:
        """Whether it is to be negated when it is read: False."""
        return False

    def is_distributed(self) -> bool:
        """Whether it is in parts on several machines: False."""
        return False

    def is_coalesced(self) -> bool:
        """RuntimeError: only a sparse tensor is, or not."""
        raise RuntimeError("is_coalesced expected sparse coordinate tensor layout but got Strided")

    def dense_dim(self) -> int:
        """How many dimensions are dense: all."""
        return self.ndim

    def sparse_dim(self) -> int:
        """How many dimensions are sparse: 0."""
        return 0

    def resolve_conj(self) -> Any:
        """The tensor itself."""
        return self

    def resolve_neg(self) -> Any:
        """The tensor itself."""
        return self

    # ---- of real numbers ----

    def conj(self) -> Any:
        """The tensor itself: the conjugate of a real number."""
        return self

    def conj_physical(self) -> Any:
        """The tensor itself: the conjugate of a real number."""
        return self

    @property
    def real(self) -> Any:
        """The tensor itself. `x.real = y` copies y into it."""
        return self

    @real.setter
    def real(self: Any, value: Any) -> None:
        self.copy_(value if is_tensor(value) else self.new_tensor(value))

    @property
    def imag(self: Any) -> Any:
        """RuntimeError: torch refuses the imaginary part of a real number."""
        return real.imag(self)

    def isreal(self: Any) -> Tensor:
        """True everywhere."""
        return real.isreal(self)

    def angle(self: Any) -> Tensor:
        """0 where x ≥ 0, π where x < 0."""
        return real.angle(self)

    @checked
    def is_same_size(self: Any, other: Tensor) -> bool:
        """Whether both have the same shape."""
        return self.shape == other.shape

    @checked
    def is_set_to(self: Any, tensor: Tensor) -> bool:
        """Whether both show the same memory, with the same shape and strides."""
        return same_data(self._array, tensor._array)

    # ---- memory ----

    def is_pinned(self, device: Any = None) -> bool:
        """Whether its memory is page-locked: pages that stay where they are, from which a GPU copies by itself."""
        if device is not None:
            warn(_ARGUMENT.format("is_pinned"), DeprecationWarning)
        return is_pinned(owner(self._array))

    def pin_memory(self: Any, device: Any = None) -> Any:
        """A copy in page-locked memory; itself if it is there. RuntimeError without a GPU, or if it is not on the CPU."""
        if device is not None:
            warn(_ARGUMENT.format("pin_memory"), DeprecationWarning)
        if self.device.type != "cpu":
            raise RuntimeError(f"cannot pin memory: only tensors on the CPU can be pinned, got one on {self.device}")
        return self if self.is_pinned() else made_again(type(self), pinned(self._array), {})

    def record_stream(self: Any, stream: Any) -> None:
        """Say that another stream uses this memory: when the tensor goes, its memory waits for what that stream was given by then."""
        if not self.is_cuda:
            raise NotImplementedError(
                f"record_stream: a tensor on {self.device} is in no stream; it is for tensors on a GPU"
            )
        if not hasattr(stream, "_made"):
            raise TypeError(f"record_stream() takes a minitorch.cuda.Stream, not {type(stream).__name__}")
        used_by(self, stream._made)

    def storage(self) -> TypedStorage:
        """The memory that this tensor is a view of, in numbers of its dtype: the old way; see `untyped_storage`."""
        from ..storage import TypedStorage

        return TypedStorage(self._array)

    # ---- what was said before there were better words ----

    def resize(self: Any, *sizes: Any) -> Any:
        """`reshape`, as it was once said."""
        warn("non-inplace resize is deprecated")
        return self.reshape(*sizes)

    def resize_as(self: Any, tensor: Tensor) -> Any:
        """`reshape_as`, as it was once said."""
        warn("non-inplace resize_as is deprecated")
        return self.reshape(tensor.shape)

    def reinforce(self, reward: Any) -> Any:
        """RuntimeError: it was removed."""
        raise RuntimeError("reinforce() was removed: the loss is −log p(action) · reward, by hand")


_ARGUMENT = "The argument 'device' of Tensor.{}() is deprecated. Please do not pass this argument."
