"""Calling a module: `module(x)` is `forward(x)` with the hooks around it.

forward pre-hooks → forward → forward hooks, and in backward: backward pre-hooks → … → backward hooks. Those of all modules come
before the module's own. Without hooks a call costs one check. The gradients for the backward hooks come from
`minitorch.utils.hooks.BackwardHook`. Read next: `old_backward_hooks.py`, what came before them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from minitorch.arrays.warning import warn
from minitorch.nn.modules.old_backward_hooks import listen
from minitorch.tensor import Tensor
from minitorch.utils.hooks import BackwardHook, RemovableHandle, add_hook

BOTH_KINDS = "Cannot use both regular backward hooks and full backward hooks {where}. Please use only one of them."


class Hooks:
    """The hooks of one module, or those of all: by their ids; other dictionaries hold the ids of hooks that want something special."""

    _forward_pre_hooks: OrderedDict[int, Callable]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks: OrderedDict[int, Callable]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _backward_pre_hooks: OrderedDict[int, Callable]
    _backward_hooks: OrderedDict[int, Callable]
    _is_full_backward_hook: bool | None  # which kind the backward hooks are; None: there was none yet

    def _without_hooks(self) -> None:
        for name in Hooks.__annotations__:
            object.__setattr__(self, name, None if name == "_is_full_backward_hook" else OrderedDict())

    def _make_backward_hooks(self, full: bool, where: str) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(BOTH_KINDS.format(where=where))
        self._is_full_backward_hook = full


OF_ALL = Hooks()
OF_ALL._without_hooks()
_some_of_all: dict[int, bool] = {}  # the ids of all hooks of all modules: one look tells whether there is any


class ModuleHooks(Hooks):
    """The part of `Module` that runs `forward` and the hooks around it."""

    def _forward_unimplemented(self, *input: Any) -> None:
        """What the call computes; every subclass writes its own."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    # An attribute rather than a method, so that subclasses may give forward any signature they like.
    forward: Callable[..., Any] = _forward_unimplemented

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or _some_of_all
        ):
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = None
        started: set[int] = set()  # forward hooks that must not be called again if something raises
        try:
            pre_hooks = [hook for owner in (OF_ALL, self) for hook in owner._backward_pre_hooks.values()]
            full, old = ([*self._backward_hooks_that_are(kind)] for kind in (True, False))
            args, kwargs = self._run_forward_pre_hooks(args, kwargs)
            watch = None
            if full or pre_hooks:
                watch = BackwardHook(self, full, pre_hooks)
                args = watch.watch_inputs(args)
            result = self.forward(*args, **kwargs)
            for owner in (OF_ALL, self):
                for key, hook in tuple(owner._forward_hooks.items()):
                    started.add(key)
                    changed = _after(owner, key, hook, self, args, kwargs, result)
                    result = result if changed is None else changed
            if watch is not None:
                _tell_what_is_not_watched(result)
                result = watch.watch_outputs(result)
            if old:
                listen(self, old, args, result)
            return result
        except Exception:
            self._run_always_called_hooks(started, args, kwargs, result)
            raise

    def _backward_hooks_that_are(self, full: bool) -> Iterator[Callable]:
        for owner in (OF_ALL, self):
            if owner._is_full_backward_hook is full:
                yield from owner._backward_hooks.values()

    def _run_forward_pre_hooks(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for owner in (OF_ALL, self):
            for key, hook in tuple(owner._forward_pre_hooks.items()):
                with_kwargs = key in owner._forward_pre_hooks_with_kwargs
                changed = hook(self, args, kwargs) if with_kwargs else hook(self, args)
                if changed is None:
                    continue
                if not with_kwargs:
                    args = changed if isinstance(changed, tuple) else (changed,)
                elif isinstance(changed, tuple) and len(changed) == 2:
                    args, kwargs = changed
                else:
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}."
                    )
        return args, kwargs

    def _run_always_called_hooks(
        self, started: set[int], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
    ) -> None:
        for owner, which in ((OF_ALL, "global module"), (self, "module")):
            for key, hook in tuple(owner._forward_hooks.items()):
                if key not in owner._forward_hooks_always_called or key in started:
                    continue
                try:
                    changed = _after(owner, key, hook, self, args, kwargs, result)
                    result = result if changed is None else changed
                except Exception as error:  # the error of forward matters more than this one
                    warn(
                        f"{which} forward hook with ``always_call=True`` raised an exception that was silenced as another "
                        f"error was raised in forward: {error}"
                    )

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; what it returns, if anything, replaces the arguments.

        With `with_kwargs` it is `hook(module, args, kwargs)` and returns both as a tuple.
        """
        marks = [self._forward_pre_hooks_with_kwargs] if with_kwargs else []
        return add_hook(self._forward_pre_hooks, hook, prepend=prepend, marks=marks)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; what it returns, if anything, replaces the output.

        With `with_kwargs` it is `hook(module, args, kwargs, output)`; with `always_call` it runs even if forward
        raises (output is then None).
        """
        return add_hook(self._forward_hooks, hook, prepend=prepend, marks=_marks(self, with_kwargs, always_call))

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` in backward; the tuple it returns, if any, replaces `grad_output`."""
        return add_hook(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` in backward; the tuple it returns, if any, replaces `grad_input`.

        Both are tuples, with None where an argument or output is not a Tensor. Keyword arguments are not watched.
        """
        self._make_backward_hooks(True, "on a single Module")
        return add_hook(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """The hook of old: `hook(module, grad_input, grad_output)` with the gradients of the output's node, whatever its inputs are.

        Where forward makes more nodes than one, those are not the module's inputs: use `register_full_backward_hook`.
        """
        self._make_backward_hooks(False, "on a single Module")
        return add_hook(self._backward_hooks, hook)


def _after(owner: Hooks, key: int, hook: Callable, module: Any, args: Any, kwargs: Any, result: Any) -> Any:
    """Call a forward hook as it wants to be called."""
    return hook(module, args, kwargs, result) if key in owner._forward_hooks_with_kwargs else hook(module, args, result)


def _marks(owner: Hooks, with_kwargs: bool, always_call: bool) -> list[OrderedDict[int, bool]]:
    return [
        *([owner._forward_hooks_with_kwargs] if with_kwargs else []),
        *([owner._forward_hooks_always_called] if always_call else []),
    ]


def _tell_what_is_not_watched(result: Any) -> None:
    if not isinstance(result, (Tensor, tuple)):
        warn(
            "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
            f"{type(result)}"
        )


# ---- hooks of all modules ----


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """`register_forward_pre_hook` of every module there is, for debugging and measuring; it runs before theirs."""
    return add_hook(OF_ALL._forward_pre_hooks, hook, marks=[_some_of_all])


def register_module_forward_hook(hook: Callable, *, with_kwargs: bool = False, always_call: bool = False) -> RemovableHandle:
    """`register_forward_hook` of every module there is; it runs before theirs."""
    return add_hook(OF_ALL._forward_hooks, hook, marks=[*_marks(OF_ALL, with_kwargs, always_call), _some_of_all])


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """`register_full_backward_pre_hook` of every module there is; it runs before theirs."""
    return add_hook(OF_ALL._backward_pre_hooks, hook, marks=[_some_of_all])


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """`register_full_backward_hook` of every module there is; it runs before theirs."""
    OF_ALL._make_backward_hooks(True, "as a global Module hook")
    return add_hook(OF_ALL._backward_hooks, hook, marks=[_some_of_all])


def register_module_backward_hook(hook: Callable) -> RemovableHandle:
    """`register_backward_hook` of every module there is; it runs before theirs."""
    OF_ALL._make_backward_hooks(False, "as a global Module hook")
    return add_hook(OF_ALL._backward_hooks, hook, marks=[_some_of_all])


# ---- hooks of registering ----

_registering: dict[str, OrderedDict[int, Callable]] = {kind: OrderedDict() for kind in ("buffer", "module", "parameter")}


def as_registered(kind: str, module: Any, name: str, value: Any) -> Any:
    """The value, or what the hooks of registering put in its place."""
    for hook in tuple(_registering[kind].values()):
        changed = hook(module, name, value)
        value = value if changed is None else changed
    return value


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, buffer)` wherever a buffer is registered; what it returns, if anything, replaces the buffer."""
    return add_hook(_registering["buffer"], hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, submodule)` wherever a child is registered; what it returns, if anything, replaces the child."""
    return add_hook(_registering["module"], hook)


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, parameter)` wherever one is registered; what it returns, if anything, replaces the parameter."""
    return add_hook(_registering["parameter"], hook)
