"""Views and writing in place: how the version, the history and the views of a tensor follow a write to its memory.

A view shares its base's version counter and remembers how to be made again (`_replay`). To write is to run the op out of place, put
the result into the memory, count a version, and take over the result's history; a view hands the change on to its base, whose
other views then make their history anew when asked. What cannot be followed is refused before anything is written.
Read next: `tensor.py`, `ops/index.py` for `write_view`, the derivative of a write through a view.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import dtypes
from ..arrays.device import mixed_devices
from ..arrays.memory import overlap, repeats, same_data
from ..autograd import graph, leaves, node
from ..autograd.grad_mode import grad_mode
from ..autograd.hooks import hooks_of
from ..op import Op
from ..ops.inplace import copy, fill, zero

if TYPE_CHECKING:
    from .tensor import Tensor


class Version:
    """How often a piece of memory has been written to; shared by all tensors that view it."""

    n = 0


class InferenceVersion(Version):
    """What stands in the counter's place of a tensor made in `inference_mode`: it has no version to read."""

    @property
    def n(self) -> int:  # type: ignore[override]
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in inference mode in "
            "computation tracked by autograd. To work around this, you can make a clone to get a normal tensor and use it "
            "in autograd, or use `no_grad()` instead of `inference_mode()`."
        )


INFERENCE = InferenceVersion()


class Writing:
    """What a tensor knows about the memory it shares, and how it is written to."""

    _array: Any
    _requires_grad: bool
    _grad_fn: Any
    _output_nr: int
    _retains_grad: bool
    _alias: Callable[[], Tensor]
    requires_grad: Any
    is_leaf: Any
    shape: Any
    dtype: Any
    device: Any
    _counter: Version | None = None
    _base: Tensor | None = None
    _replay: Any = None  # for views: the function that makes this view again from `_base`; None where writing is refused
    _views: list | None = None  # for bases: weak references to their views
    _views_limit = 16
    _refusal: str = ""  # for views with no replay: why writing through them cannot be differentiated
    _maker: Any = None  # for views whose `_grad_fn` is STALE: their history
    _seen_version = -1  # for views: the version at which their history was made

    # ---- views ----

    def _is_view(self) -> bool:
        return self._base is not None

    def _adopt_view(self, view: Tensor, op: Op | None, rest: tuple) -> None:
        """`view` shows this tensor's memory: share the version, remember the base and how to make the view again."""
        if self._counter is None:
            self._counter = Version()
        view._counter = self._counter
        if self is view:
            return
        base: Any = self if self._base is None else self._base
        view._base = base
        if self._counter is INFERENCE:
            return
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
        wants = base._requires_grad or view._grad_fn is not None
        if wants and (view._replay is None or not base._requires_grad):  # the latter: the base was detached in place
            view._borrow_history()
        base._watch(view)

    def _has_no_maker(self) -> bool:
        """Whether no recorded op made this tensor, said without asking a view for a history that may be lost."""
        return self._grad_fn is None or (self._grad_fn is leaves.STALE and self._replay is None and self._maker is None)

    def _borrow_history(self) -> None:
        """This view requires grad because its base does, and has the history it has now, until somebody writes to it."""
        self._maker = self._grad_fn
        self._requires_grad, self._grad_fn = True, leaves.STALE

    def _watch(self, view: Tensor) -> None:
        """Remember a view weakly; the dead are swept out whenever the list has doubled."""
        if self._views is None:
            self._views = []
        elif len(self._views) >= self._views_limit:
            self._views = [reference for reference in self._views if reference() is not None]
            self._views_limit = 2 * len(self._views) + 16
        self._views.append(weakref.ref(view))

    # ---- writes ----

    def _bump(self) -> None:
        """Count a write to this memory."""
        if self._counter is None:
            self._counter = Version()
        if self._counter is not INFERENCE:
            self._counter.n += 1

    def _accumulate(self, g: Any) -> None:
        """self += g, an array or a Tensor, in this memory, unrecorded: how `.grad` grows when backward comes by again."""
        try:
            self._array += getattr(g, "_array", g)
        except ValueError:
            raise RuntimeError(
                f"output with shape {list(self.shape)} cannot take in a gradient of shape {list(g.shape)}: the .grad that is "
                "there has been reshaped in place since; set it to None, or undo that"
            ) from None
        self._bump()

    def _update(self, op: Callable, *args: Any, **kwargs: Any) -> Any:
        """The in-place form of any op: write op(self, …) into this memory, and take over its history."""
        self._check_writable(*args, *kwargs.values())
        if repeats(self._array) and not _writes_the_same_everywhere(self, op, args):
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
                "Please clone() the tensor before performing the operation."
            )
        if any(isinstance(x, Writing) and self._overlaps(x, "partial") for x in args):
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
        if type(out._array) is not type(self._array) and (mixed := mixed_devices([out._array, self._array])):
            raise mixed
        if self._requires_grad and grad_mode.enabled and not out._requires_grad:  # a comparison, say: its gradient is 0
            out = copy(self, out)
        if isinstance(out._grad_fn, node.OpNode):
            out._grad_fn.keep_copy(self)
        self._array[...] = out._array  # rounded here, if it is of another dtype
        self._bump()
        if out._requires_grad:
            out._grad_fn.show_output(out._output_nr, self)
            self._take_history(out)
        return self

    def _turn(self, view: Callable, *args: Any) -> Any:
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
        if self._counter is INFERENCE and not grad_mode.inference:
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a normal "
                "tensor before doing inplace update."
            )
        wants = self._requires_grad or any(getattr(x, "requires_grad", False) for x in others)
        if wants and grad_mode.enabled:
            self._check_history()
        if type(array) is np.ndarray and not array.flags.writeable:
            raise RuntimeError("the NumPy array this tensor was made from is not writable; clone() the tensor first")

    def _apart_from(self, *others: Any) -> Any:
        """This tensor, unless it lies where `others`, inputs of the coming write, are read."""
        for other in others:
            if isinstance(other, Writing) and (other is self or self._overlaps(other, "partial", "full")):
                raise RuntimeError(_OVERLAP)
        return self

    def _overlaps(self, other: Any, *kinds: str) -> bool:
        a, b = self._array, other._array
        return type(a) is type(b) and self.device.xp.may_share_memory(a, b) and overlap(a, b) in kinds

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
            from ..ops.index import write_view

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
            if view._retains_grad and view._grad_fn is not leaves.STALE:
                hooks_of(view._grad_fn).retain.pop(view._output_nr, None)
            view._requires_grad, view._grad_fn = True, leaves.STALE


_OVERLAP = (
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. "
    "Please clone() the tensor before performing the operation."
)


def _writes_the_same_everywhere(tensor: Any, op: Callable, args: tuple) -> bool:
    """Whether it does not matter that elements of the tensor coincide: to fill with a number, to copy it to itself."""
    return (
        op is zero
        or (op is fill and not isinstance(args[0], Writing))
        or (op is copy and same_data(tensor._array, args[0]._array))
    )
