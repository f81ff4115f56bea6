"""Activation checkpointing: keep only the inputs of a part of the model, and run it again when backward needs the rest.

    y = checkpoint(block, x, use_reentrant=False)      # the values and gradients of block(x), without its activations

Memory for compute: one more forward of the part. Without reentry, hooks on saved tensors (`autograd/graph.py`) keep a number
in place of each tensor; the first that backward asks for runs the function again, and the tensors it saves answer to those
numbers. With reentry, the part is one `Function` whose backward runs forward and backward of the part.
Source: Chen et al., Training Deep Nets with Sublinear Memory Cost, 2016.
"""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from minitorch.arrays.warning import warn

from .. import random
from ..autograd import Function, backward, engine, graph
from ..autograd.grad_mode import enable_grad, is_grad_enabled, no_grad
from ..op.autocast import as_it_was
from ..tensor import Tensor


class CheckpointError(RuntimeError):
    """The second run of a checkpointed function did not save what the first had saved."""


def noop_context_fn() -> tuple[Any, Any]:
    """Two contexts that do nothing, for the first run and for the second."""
    return contextlib.nullcontext(), contextlib.nullcontext()


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    context_fn: Callable[[], tuple[Any, Any]] = noop_context_fn,
    determinism_check: str = "default",
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """function(*args), whose activations are computed again in backward instead of being kept.

    use_reentrant: which of the two forms; False is the better one: it works with `grad`, keywords and any nesting.
    preserve_rng_state: the second run draws the random numbers of the first, so dropout drops the same. An autocast region is
    there again too.
    context_fn: gives the contexts of the two runs. determinism_check: "default" compares what the runs save, "none" does
    not. early_stop: end the second run once everything is there.
    """
    if use_reentrant is None:
        warn(
            "checkpoint: the use_reentrant parameter should be passed explicitly. use_reentrant=False is recommended; True, "
            "which is taken now, is the older form."
        )
        use_reentrant = True
    if use_reentrant:
        if kwargs:
            raise ValueError(f"Unexpected keyword arguments: {','.join(kwargs)}; use_reentrant=False passes them on")
        if context_fn is not noop_context_fn:
            raise ValueError("Passing `context_fn` is only supported when use_reentrant=False.")
        return CheckpointFunction.apply(function, preserve_rng_state, *args)
    if determinism_check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'], but got {determinism_check}")
    first, second = context_fn()
    if not is_grad_enabled():
        return function(*args, **kwargs)
    rerun = _Rerun(function, args, kwargs, preserve_rng_state, second)
    frame = _Frame(rerun, early_stop and _early_stop.enabled, determinism_check == "default")
    with graph.saved_tensors_hooks(frame.pack, frame.unpack), first:
        return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
) -> Any:
    """A Sequential, or a list of functions, run in `segments` checkpointed pieces (the last one is not checkpointed)."""
    functions = list(functions)
    size = len(functions) // segments
    for start in range(0, size * (segments - 1), size):
        piece = functions[start : start + size]
        input = checkpoint(_Chain(piece), input, use_reentrant=use_reentrant, preserve_rng_state=preserve_rng_state)
    return _Chain(functions[size * (segments - 1) :])(input)


class _Chain:
    """f_n(… f_1(x))"""

    def __init__(self, functions: list[Callable]) -> None:
        self.functions = functions

    def __call__(self, x: Any) -> Any:
        for function in self.functions:
            x = function(x)
        return x


class _EarlyStop:
    enabled = True


_early_stop = _EarlyStop()


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """In this block, whether the second run of a checkpoint may end early."""
    before, _early_stop.enabled = _early_stop.enabled, enable
    try:
        yield
    finally:
        _early_stop.enabled = before


# ---- without reentry ----


class _Rerun:
    """The function, its arguments as a node would save them, and where the random numbers stood."""

    def __init__(self, function: Callable, args: tuple, kwargs: dict, preserve_rng_state: bool, context: Any) -> None:
        self.function, self.kwargs, self.context = function, kwargs, context
        self.args = [graph.keep(x) if isinstance(x, Tensor) else x for x in args]
        self.is_tensor = [isinstance(x, Tensor) for x in args]
        self.random_state = random.every_state() if preserve_rng_state else None
        self.autocast = as_it_was()

    def __call__(self) -> None:
        args = [x.unpack() if is_tensor else x for x, is_tensor in zip(self.args, self.is_tensor)]
        with _random_numbers_from(self.random_state), self.autocast, self.context, enable_grad():
            self.function(*args, **self.kwargs)


class _Frame:
    """One checkpointed call: what it saved, by number, and the values of those numbers for each walk that asks."""

    def __init__(self, rerun: _Rerun, early_stop: bool, compare: bool) -> None:
        self.rerun, self.early_stop, self.compare = rerun, early_stop, compare
        self.saved: list[tuple] = []  # shape, dtype and device of each tensor the first run saved
        self.values: Any = weakref.WeakKeyDictionary()  # walk → {number: tensor}

    def pack(self, tensor: Tensor) -> int:
        """In the first run: keep a number."""
        self.saved.append(_looks(tensor))
        return len(self.saved) - 1

    def unpack(self, number: int) -> Tensor:
        """In backward: the tensor of that number, from the second run."""
        walk = engine.running.walk or engine.Walk(False)
        if walk not in self.values:
            self.values[walk] = self._recompute()
        if number not in self.values[walk]:
            raise CheckpointError(
                "Unpack is being triggered for a tensor that was already unpacked once. If you are calling ctx.saved_tensors "
                "in backward, make sure to do so only once."
            )
        return self.values[walk].pop(number)

    def _recompute(self) -> dict[int, Tensor]:
        """Run the function again, and see what it saves."""
        found: dict[int, Tensor] = {}

        def pack(tensor: Tensor) -> Tensor:
            number = len(found)
            if number >= len(self.saved):
                raise CheckpointError(
                    f"trying to save more tensors during recomputation than the {len(self.saved)} of the original forward "
                    "pass. Does the function depend on something that has changed since?"
                )
            found[number] = tensor.detach()
            if self.early_stop and len(found) == len(self.saved):
                raise _Enough
            return found[number]

        with contextlib.suppress(_Enough), graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            self.rerun()
        self._compare(found)
        return found

    def _compare(self, found: dict[int, Tensor]) -> None:
        if len(found) != len(self.saved):
            raise CheckpointError(
                "A different number of tensors was saved during the original forward and recomputation.\n"
                f"Number of tensors saved during forward: {len(self.saved)}\n"
                f"Number of tensors saved during recomputation: {len(found)}"
            )
        changed = [(k, self.saved[k], _looks(t)) for k, t in found.items() if _looks(t) != self.saved[k]]
        if changed and self.compare:
            lines = "\n".join(f"tensor at position {k}: saved {a}, recomputed {b}" for k, a, b in changed)
            raise CheckpointError(
                "Recomputed values for the following tensors have different metadata than during the forward pass.\n" + lines
            )


class _Enough(Exception):
    """Ends the second run: all that was saved is there."""


def _looks(tensor: Tensor) -> tuple:
    return tuple(tensor.shape), tensor.dtype, tensor.device


@contextlib.contextmanager
def _random_numbers_from(state: Any) -> Iterator[None]:
    """In this block, the generators go on from `state`; afterwards from where they were."""
    if state is None:
        yield
        return
    before = random.every_state()
    random.set_every_state(state)
    try:
        yield
    finally:
        random.set_every_state(before)


# ---- with reentry ----


class CheckpointFunction(Function):
    """The function as one node: backward runs it again, recorded, and walks that graph."""

    @staticmethod
    def forward(ctx: Any, function: Callable, preserve_rng_state: bool, *args: Any) -> Any:
        if not any(isinstance(x, Tensor) and x.requires_grad for x in args):
            warn("None of the inputs have requires_grad=True. Gradients will be None")
        ctx.function = function
        ctx.random_state = random.every_state() if preserve_rng_state else None
        ctx.autocast = as_it_was()
        ctx.args = [None if isinstance(x, Tensor) else x for x in args]
        ctx.places = [i for i, x in enumerate(args) if isinstance(x, Tensor)]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        with no_grad():
            return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        walk = engine.running.walk
        if walk is not None and walk.to_inputs:
            raise RuntimeError(
                "When use_reentrant=True, checkpoint is incompatible with .grad() or passing an `inputs` parameter to "
                ".backward(). To resolve this error, you can either set use_reentrant=False, or call .backward() without "
                "passing the `inputs` argument."
            )
        args = list(ctx.args)
        for i, x in zip(ctx.places, ctx.saved_tensors):
            args[i] = x.detach().requires_grad_(x.requires_grad)
        with _random_numbers_from(ctx.random_state), enable_grad(), ctx.autocast:
            outputs = ctx.function(*args)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        roots = [(out, g) for out, g in zip(outputs, grads) if isinstance(out, Tensor) and out.requires_grad]
        if not roots:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        backward([out for out, _ in roots], [g for _, g in roots])
        return None, None, *(x.grad if isinstance(x, Tensor) else None for x in args)
