"""Views and writing in place: how the version, the history and the views of a tensor follow a write to its memory.

A view shares its base's version counter. To write is to run the op out of place, put the result into the memory, count a version,
and take over the result's history; a view hands the change on to its base. A view that was made before the last write makes its
history anew when it is next asked for: a node that shows this part of what the base is now. What cannot be followed is refused
before anything is written. Read next: `tensor.py`, `ops/strided.py` for what a view shows, and `write_view` for the base.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import dtypes
from ..arrays.batched import of_all_samples
from ..arrays.device import has_kernels, mixed_devices
from ..arrays.layout import add_to, write
from ..arrays.memory import Geometry, overlap, repeats, same_data
from ..autograd import graph, leaves, node
from ..autograd.grad_mode import grad_mode, no_grad
from ..autograd.hooks import hooks_of
from ..op import Op
from ..op.autocast import as_it_is
from ..op.door import in_torchs_words
from ..op.into import offered
from ..op.listening import active
from ..ops.about import result_type
from ..ops.inplace import compared, copy, fill, zero
from ..ops.strided import strided, write_view

if TYPE_CHECKING:
    from .tensor import Tensor


class Version:
    """How often a piece of memory has been written to; shared by all tensors that view it."""

    n = 0
    fresh: WeakList | None = None  # the views that have a history, which the next write puts out of date

    def __init__(self) -> None:
        self.lock: Any = (
            threading.RLock()
        )  # held by a write from reading to counting: other threads' writes come before or after

    def count(self) -> None:
        """A write: views will make their history anew."""
        self.n += 1
        if self.fresh is not None:
            for view in self.fresh.alive():
                view._is_out_of_date()
            self.fresh = None

    def watch(self, view: Any) -> None:
        """Tell this view of the next write."""
        if self.fresh is None:
            self.fresh = WeakList()
        self.fresh.add(view)


class WeakList:
    """Tensors, held weakly; the dead are swept out whenever the list has doubled."""

    def __init__(self) -> None:
        self.references: list[weakref.ref] = []
        self.limit = 16

    def add(self, tensor: Any) -> None:
        if len(self.references) >= self.limit:
            self.references = [reference for reference in self.references if reference() is not None]
            self.limit = 2 * len(self.references) + 16
        self.references.append(weakref.ref(tensor))

    def alive(self) -> list[Any]:
        return [tensor for reference in self.references if (tensor := reference()) is not None]


class InferenceVersion(Version):
    """What stands in the counter's place of a tensor made in `inference_mode`: it has no version to read."""

    def __init__(self) -> None:
        self.lock = contextlib.nullcontext()  # all of them share this counter, which is no reason to wait for each other

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
    _hooks: Any
    _alias: Callable[[], Tensor]
    requires_grad: Any
    grad_fn: Any
    _version: Any
    is_leaf: Any
    shape: Any
    dtype: Any
    device: Any
    _counter: Any = None  # a Version, once there is anything to count
    _base: Tensor | None = None
    _views: WeakList | None = None  # for bases: their views
    _refusal: str = ""  # for views: why writing through them, or to their base, cannot be differentiated; "" where it can
    _maker: Any = None  # for views whose `_grad_fn` is STALE: the history they have had
    _seen_version = -1  # for views: the version at which their history was made

    # ---- views ----

    def _is_view(self) -> bool:
        return self._base is not None

    def _adopt_view(self, view: Tensor, several: bool = False) -> None:
        """`view`, perhaps one of several of one op, shows this tensor's memory: share the version, and remember the base."""
        view._counter = self._counted()
        if self is view:
            return
        if self._counter is INFERENCE:  # nothing follows it: what it shows has no history
            view._requires_grad, view._grad_fn = False, None
            return
        base: Any = self if self._base is None else self._base
        view._base, view._seen_version = base, self._counter.n
        if grad_mode.inference:
            view._refusal = "was created in inference mode"
        elif not grad_mode.enabled:
            view._refusal = "was created in no_grad mode"
        elif several:
            view._refusal = "is the output of a function that returns multiple views"
        else:
            view._refusal = self._refusal
        if view._grad_fn is not None:
            self._counter.watch(view)
        elif base._requires_grad:
            view._has_no_history()
        if base._views is None:
            base._views = WeakList()
        base._views.add(view)

    def _has_no_maker(self) -> bool:
        """Whether no recorded op made this tensor, said without asking a view for a history that may be lost."""
        return self._grad_fn is None or (self._grad_fn is leaves.STALE and bool(self._refusal) and self._maker is None)

    def _has_no_history(self) -> None:
        """This view requires grad because its base does; no gradient flows there, until somebody writes to it."""
        self._requires_grad, self._grad_fn, self._maker = True, leaves.STALE, None

    def _is_out_of_date(self) -> None:
        """Somebody has written to the memory of this view: it makes its history anew when it is asked for."""
        if self._grad_fn is not leaves.STALE:
            self._maker, self._grad_fn = self._grad_fn, leaves.STALE

    def _make_history(self) -> Any:
        """The node of this view, made anew if somebody has written since the last was. Hooks stay with the old one."""
        old = self._maker
        if self._seen_version == self._version:
            return old
        if self._refusal:
            raise RuntimeError(
                f"this view {self._refusal}, and its base or another view of its base has been modified inplace. Use an "
                "out-of-place operation instead, or clone() the view first."
            )
        node = self._as_part_of(self._base)
        self._hooks_stay_with(old, node)
        self._grad_fn, self._output_nr, self._maker, self._seen_version = node, 0, None, self._version
        self._counter.watch(self)
        return node

    def _as_part_of(self, base: Any) -> Any:
        """The node of this view as a part of what its base is now; a base without history gives a node that leads nowhere."""
        if not base._requires_grad:
            base = base._before_write()
            base._requires_grad, base._grad_fn, base._seen_version = True, leaves.STALE, base._counter.n
        return strided.record((base, Geometry.of(base._array, self._array)), self)

    # ---- writes ----

    def _bump(self) -> None:
        """Count a write to this memory."""
        if self._counted() is not INFERENCE:
            self._counter.count()

    def _counted(self) -> Version:
        """This memory's counter. (Two threads that are the first to ask get the same.)"""
        return self._counter or self.__dict__.setdefault("_counter", Version())

    def _accumulate(self, g: Any) -> None:
        """self += g, an array or a Tensor, in this memory, unrecorded: how `.grad` grows when backward comes by again."""
        try:
            self._array = add_to(self._array, getattr(g, "_array", g))
        except ValueError:
            raise RuntimeError(
                f"output with shape {list(self.shape)} cannot take in a gradient of shape {list(g.shape)}: the .grad that is "
                "there has been reshaped in place since; set it to None, or undo that"
            ) from None
        self._bump()

    def _update(self, op: Callable, *args: Any, **kwargs: Any) -> Any:
        """The in-place form of any op: write op(self, …) into this memory, and take over its history."""
        try:
            self._check_writable(*args, *kwargs.values())
        except RuntimeError:
            self._check_arguments(op, args, kwargs)
            raise
        if repeats(self._array) and not _writes_the_same_everywhere(self, op, args):
            self._check_arguments(op, args, kwargs)
            raise RuntimeError(
                "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
                "Please clone() the tensor before performing the operation."
            )
        if any(isinstance(x, Writing) and self._overlaps(x, "partial") for x in args):
            raise RuntimeError(_OVERLAP)
        # What a hook or an op inside a composite function keeps of this tensor must be out of the write's reach.
        if graph.hooks_are_active():  # they are users' code, which may wait for another thread
            return self._write(True, op, args, kwargs)
        with self._counted().lock:
            return self._write(not isinstance(op, Op), op, args, kwargs)

    def _write(self, apart: bool, op: Callable, args: tuple, kwargs: dict) -> Any:
        """The write itself, which nothing forbids."""
        at_once = not apart and not active and has_kernels(self)
        apart = apart or (at_once and _keeps_its_first_input(op, (self, *args)))
        followed = grad_mode.enabled and self._base is not None and self._base._requires_grad
        before = self._before_write(apart) if apart or followed else self
        try:
            if at_once:
                with offered(op, self._array):
                    out = op(before, *args, **kwargs)
            else:
                out = as_it_is(op, before, *args, **kwargs) if active else op(before, *args, **kwargs)
        except NotImplementedError:
            # There is no formula for the dtype; but before that torch looks whether a result would fit.
            if isinstance(op, Op) and op.declaration.elementwise and len(op.inputs) > 1:
                self._check_fits(*args)
            raise
        self._check_holds(out._array.shape, out.dtype)
        if type(out._array) is not type(self._array) and (mixed := mixed_devices([out._array, self._array])):
            raise mixed
        if grad_mode.enabled and not out._requires_grad:
            out = self._with_history(out, op, args)
        if not apart and isinstance(out._grad_fn, node.OpNode):
            out._grad_fn.keep_copy(before)
        if out._array is self._array:
            pass  # a kernel has written it there
        elif out._array.dtype == self._array.dtype:
            write(self._array, out._array)
        else:
            with np.errstate(all="ignore"):
                write(self._array, out._array)  # rounded here
        self._bump()
        if out._requires_grad:
            out._grad_fn.show_output(out._output_nr, self)
            self._take_history(out)
        return self

    def _with_history(self, out: Any, op: Any, args: tuple) -> Any:
        """What an op without a derivative gives, a comparison say, as the result of a node that sends zeros, if anybody wants them."""
        other = args[0] if args and isinstance(args[0], Writing) else self
        if not (self._requires_grad or other._requires_grad) or not self.dtype.is_floating_point:
            return out
        out = compared(self, other, out)
        if isinstance(name := getattr(op, "grad_fn", None), str):  # torch numbers the form that compares with a tensor 1
            out._grad_fn.metadata["name"] = name if other is self else f"{name[:-1]}1"
        return out

    def _check_arguments(self, op: Callable, args: tuple, kwargs: dict) -> None:
        """What cannot be read as an argument is refused before all else."""
        if (signature := getattr(op, "signature", None)) is not None:
            signature.check((self, *args), kwargs, ())

    def _check_fits(self, *others: Any) -> None:
        """RuntimeError unless an elementwise result of this tensor and others can be written here."""
        arrays = [x._array for x in (self, *others) if isinstance(x, Writing)]
        try:
            self._check_holds(np.broadcast_shapes(*(a.shape for a in arrays)), self.dtype)
        except ValueError as error:
            raise in_torchs_words(error, arrays) from None
        self._check_holds(self.shape, result_type(self, next(x for x in others if x is not None)))

    def _check_holds(self, shape: tuple, dtype: Any) -> None:
        """RuntimeError unless a result of that shape and dtype can be written here."""
        if shape != self._array.shape:
            raise RuntimeError(
                f"output with shape {list(self.shape)} doesn't match the broadcast shape {list(shape)}: an in-place "
                "operation cannot grow its tensor; use the out-of-place form"
            )
        if not dtypes.can_cast(dtype, self.dtype):
            raise RuntimeError(
                f"result type {dtypes.SCALAR_NAMES[dtype.name]} can't be cast to the desired output type "
                f"{dtypes.SCALAR_NAMES[self.dtype.name]}; convert the tensor first, or use the out-of-place form"
            )

    def _update_apart(self, other: Any, op: Callable, *args: Any, **kwargs: Any) -> Any:
        """`_update` by an op whose result may not lie where `other` is read. What the op itself refuses is refused first."""
        try:
            self._apart_from(other)
        except RuntimeError:
            self._check_writable(*args, *kwargs.values())
            with no_grad():
                op(self, *args, **kwargs)
            raise
        return self._update(op, *args, **kwargs)

    def _update_unrecorded(self, op: Callable, *args: Any) -> Any:
        """`_update` by an op that torch calls not differentiable: the history stays as it is, a leaf may be written to."""
        with no_grad():
            return self._update(op, *args)

    def _turn(self, view: Callable, *args: Any) -> Any:
        """The in-place form of a view op: this tensor itself gets the view's shape and strides."""
        self._check_not_inference()
        recorded = self._requires_grad and grad_mode.enabled
        if recorded:
            self._check_history()
        before = self._alias()
        before._counter = Version()  # what is made of it shall not count as a view that is there to stay
        if recorded:
            before._requires_grad, before._grad_fn, before._output_nr = True, self.grad_fn, self._output_nr
        out = view(before, *args)
        self._array = out._array
        self._bump()
        if recorded:
            out._grad_fn.metadata["name"] = _in_place_name(out._grad_fn.name())
            self._grad_fn, self._output_nr = out._grad_fn, out._output_nr  # hooks, `retain_grad` too, stay with the old node
            if self._base is not None:  # for which nothing has changed
                self._counter.watch(self)
        return self

    def _check_writable(self, *others: Any) -> None:
        """Refuse, before anything is written, what autograd could not follow."""
        array = self._array
        self._check_not_inference()
        wants = self._requires_grad or any(getattr(x, "requires_grad", False) for x in others)
        if wants and grad_mode.enabled:
            self._check_history()
        if type(array) is np.ndarray and not array.flags.writeable:
            raise RuntimeError("the NumPy array this tensor was made from is not writable; clone() the tensor first")
        for warned in graph.before_writes:
            warned(self)

    def _check_not_inference(self) -> None:
        if self._counter is INFERENCE and not grad_mode.inference:
            raise RuntimeError(
                "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get a normal "
                "tensor before doing inplace update."
            )

    def _apart_from(self, *others: Any) -> Any:
        """This tensor, unless it lies where `others`, inputs of the coming write, are read."""
        for other in others:
            if (
                isinstance(other, Writing)
                and self._array.size
                and (other is self or self._overlaps(other, "partial", "full"))
            ):
                raise RuntimeError(_OVERLAP)
        return self

    def _overlaps(self, other: Any, *kinds: str) -> bool:
        a, b = self._array, other._array
        if type(a) is not type(b) or not self.device.xp.may_share_memory(of_all_samples(a), of_all_samples(b)):
            return False
        return overlap(a, b) in kinds

    def _check_history(self) -> None:
        if self._base is not None and self._refusal:
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
        """After a write: this tensor is now what `out` was. A view hands the change on to its base, and shows a part of that."""
        base = self._base
        if base is None:
            self._succeed(out)
        else:
            base._succeed(write_view(base._before_write(), out, Geometry.of(base._array, self._array)))
            self._make_history()

    def _succeed(self, out: Tensor) -> None:
        """Take the history of `out`, and let those of the views that had none require grad."""
        self._hooks_stay_with(self._grad_fn, out._grad_fn, out._output_nr)
        if not self._requires_grad and self._views is not None:
            for view in self._views.alive():
                if view._grad_fn is None:
                    view._has_no_history()
        self._requires_grad, self._grad_fn, self._output_nr = True, out._grad_fn, out._output_nr

    def _hooks_stay_with(self, old: Any, new: Any, nr: int = 0) -> None:
        """Output `nr` of the new node takes the place of the old one: what retains the gradient of this tensor moves there."""
        self._hooks = None
        if self._retains_grad and old is not None:
            hooks_of(old).retain.pop(self._output_nr, None)
            hooks_of(new).retain[nr] = weakref.ref(self)

    def _before_write(self, apart: bool = False) -> Tensor:
        """A stand-in for this tensor before the write, under another object; apart: in memory that the write will not reach.

        Its history is the same, but a view's is that of its part of the base: hooks on the view's own node do not see the gradient.
        """
        before = self._alias()
        if self._base is None:
            before._requires_grad, before._grad_fn, before._output_nr = self._requires_grad, self._grad_fn, self._output_nr
        elif self._base._requires_grad and grad_mode.enabled:
            before._requires_grad, before._grad_fn = True, self._as_part_of(self._base._before_write())
        if apart:
            before._array, before._counter = self._array.copy(), Version()
        return before


_OVERLAP = (
    "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single memory location. "
    "Please clone() the tensor before performing the operation."
)


def _in_place_name(name: str) -> str:
    """What torch calls the node of a turn in place, beside that of the view: it counts on."""
    forms = 3 if name.startswith("Squeeze") else 1
    return f"{name[:-1]}{int(name[-1]) + forms}"


def _keeps_its_first_input(op: Any, args: tuple) -> bool:
    """Whether a call that is recorded now keeps its first input for backward."""
    if not grad_mode.enabled:
        return False
    wanted = {name for name, x in zip(op.parameters, args) if getattr(x, "_requires_grad", False)}
    return any(op.parameters[0] in d.names for d in op.derivatives if wanted.intersection(d.of))


def _writes_the_same_everywhere(tensor: Any, op: Callable, args: tuple) -> bool:
    """Whether it does not matter that elements of the tensor coincide: to fill with a number, to copy it to itself."""
    return (
        op is zero
        or (op is fill and not isinstance(args[0], Writing))
        or (op is copy and same_data(tensor._array, args[0]._array))
    )
