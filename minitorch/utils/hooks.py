"""Hook handles, and how a module's full backward hook listens to gradients.

`RemovableHandle` is what every `register_*hook` returns. `BackwardHook` puts one identity node before and one after a
module's forward; backward passes the second first and the first last, so that pair sees the gradients of the
module's outputs and inputs. Read next: `minitorch/nn/modules/hooks.py`, which calls it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from minitorch.arrays.warning import warn
from minitorch.autograd import Function, is_grad_enabled
from minitorch.autograd.hooks import unserializable_hook as unserializable_hook
from minitorch.autograd.hooks import warn_if_has_hooks as warn_if_has_hooks
from minitorch.tensor import Tensor


class RemovableHandle:
    """A handle that removes its hook from `hooks_dict`; as a context manager, on leaving the block.

    >>> hooks = {}
    >>> handle = RemovableHandle(hooks)
    >>> hooks[handle.id] = print
    >>> handle.remove()
    >>> hooks
    {}
    """

    next_id: int = 0

    def __init__(self, hooks_dict: dict[int, Any], *, extra_dict: Any = None) -> None:
        """extra_dict: another dictionary, or a list of them, that forgets the id together with `hooks_dict`."""
        # A dictionary that was unpickled may hold ids this process has not given out yet.
        self.id = max(RemovableHandle.next_id, 1 + max(hooks_dict, default=-1))
        self.hooks_dict = hooks_dict
        self.extra_dicts = [extra_dict] if isinstance(extra_dict, dict) else extra_dict or []
        RemovableHandle.next_id = self.id + 1

    def remove(self) -> None:
        for hooks in (self.hooks_dict, *self.extra_dicts):
            hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def add_hook(
    hooks: OrderedDict[int, Any], hook: Any, *, prepend: bool = False, marks: Sequence[dict[int, bool]] = ()
) -> RemovableHandle:
    """Put `hook` into `hooks`, last (or first, with `prepend`), and return the handle that removes it.

    marks: dictionaries in which the hook's id says something about it, as `with_kwargs`; it is entered there too.
    """
    handle = RemovableHandle(hooks, extra_dict=list(marks))
    hooks[handle.id] = hook
    for mark in marks:
        mark[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


class BackwardHook:
    """Calls a module's backward hooks with the gradients of one call's inputs and outputs.

    inputs → identity → module.forward → identity → outputs

    In backward the right identity gives `grad_outputs`, the left one `grad_inputs`; the hooks run when both are known.
    A Tensor that does not require grad has gradient zero, any other argument None. If no input requires grad, there is
    no left identity and the hooks run at the right one.
    """

    def __init__(self, module: Any, hooks: Sequence[Callable], pre_hooks: Sequence[Callable]) -> None:
        self.module, self.hooks, self.pre_hooks = module, hooks, pre_hooks
        self.grad_outputs: tuple[Any, ...] | None = None
        self.input_places: list[int] | None = None  # which arguments require grad; None: no left identity

    def watch_inputs(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        self.n_inputs = len(args)
        self.constants = [(i, arg) for i, arg in enumerate(args) if isinstance(arg, Tensor) and not arg.requires_grad]
        args, self.input_places = _through_identity(args, self._on_grad_inputs)
        return args

    def watch_outputs(self, result: Any) -> Any:
        outputs = result if isinstance(result, tuple) else (result,)
        self.n_outputs = len(outputs)
        outputs, self.output_places = _through_identity(outputs, self._on_grad_outputs)
        return outputs if isinstance(result, tuple) else outputs[0]

    def _on_grad_outputs(self, _: Any, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        assert self.output_places is not None
        grad_outputs = _spread(grads, self.output_places, self.n_outputs)
        for hook in self.pre_hooks:
            changed = hook(self.module, grad_outputs)
            if changed is not None:
                grad_outputs = _same_length(changed, grad_outputs, "Backward pre hook", "grad_output")
        if self.input_places is None:
            self._run_hooks_without_inputs(grad_outputs)
        else:
            self.grad_outputs = grad_outputs
        return tuple(grad_outputs[place] for place in self.output_places)

    def _on_grad_inputs(self, grads: tuple[Any, ...], _: Any) -> tuple[Any, ...] | None:
        if self.grad_outputs is None:  # the gradient came past the module's outputs, as in double backward
            return None
        assert self.input_places is not None
        zeros = [arg.new_zeros(arg.shape) for _, arg in self.constants]
        places = [*self.input_places, *(i for i, _ in self.constants)]
        grad_inputs = _spread([*grads, *zeros], places, self.n_inputs)
        for hook in self.hooks:
            changed = hook(self.module, grad_inputs, self.grad_outputs)
            if changed is not None:
                grad_inputs = _same_length(changed, grad_inputs, "Backward hook", "grad_input")
        self.grad_outputs = None
        return tuple(grad_inputs[place] for place in self.input_places)

    def _run_hooks_without_inputs(self, grad_outputs: tuple[Any, ...]) -> None:
        warn(
            "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
            "require gradients."
        )
        for hook in self.hooks:
            changed = hook(self.module, (None,) * self.n_inputs, grad_outputs)
            if changed is not None and any(grad is not None for grad in changed):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None for "
                    "all gradients."
                )


def _through_identity(values: tuple[Any, ...], hook: Callable) -> tuple[tuple[Any, ...], list[int] | None]:
    """Pass the `values` that require grad through one node that calls `hook(grad_inputs, grad_outputs)`.

    Also returns where they are among the values; None if there are none, or nothing is being recorded.
    """
    places = [i for i, value in enumerate(values) if isinstance(value, Tensor) and value.requires_grad]
    if not places or not is_grad_enabled():
        return values, None
    passed = dict(zip(places, _BackwardHookFunction.apply(*(values[i] for i in places)), strict=True))
    passed[places[0]].grad_fn.register_hook(hook)
    return tuple(passed.get(i, value) for i, value in enumerate(values)), places


class _BackwardHookFunction(Function):
    """The identity of several tensors, as one node."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, ...]:
        return grads


def _spread(values: Sequence[Any], places: Sequence[int], length: int) -> tuple[Any, ...]:
    """A tuple of `length` with `values` at `places`, None elsewhere."""
    spread: list[Any] = [None] * length
    for place, value in zip(places, values, strict=True):
        spread[place] = value
    return tuple(spread)


def _same_length(changed: Any, given: tuple[Any, ...], who: str, what: str) -> tuple[Any, ...]:
    if len(changed) != len(given):
        raise RuntimeError(f"{who} returned an invalid number of {what}, got {len(changed)}, but expected {len(given)}")
    return tuple(changed)
