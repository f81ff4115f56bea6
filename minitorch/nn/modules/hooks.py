"""Calling a module: `module(x)` is `forward(x)` with the hooks around it.

forward pre-hooks → forward → forward hooks, and in backward: backward pre-hooks → … → backward hooks. Without hooks a
call costs one check. The gradients for the backward hooks come from `minitorch.utils.hooks.BackwardHook`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

from minitorch.arrays.warning import warn
from minitorch.utils.hooks import BackwardHook, RemovableHandle, add_hook


class ForwardHook(NamedTuple):
    """A forward hook or pre-hook and how it wants to be called."""

    hook: Callable
    with_kwargs: bool
    always_call: bool = False

    def __call__(self, module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *result: Any) -> Any:
        return self.hook(module, args, kwargs, *result) if self.with_kwargs else self.hook(module, args, *result)


class ModuleHooks:
    """The part of `Module` that runs `forward` and the hooks around it."""

    _forward_pre_hooks: OrderedDict[int, ForwardHook]
    _forward_hooks: OrderedDict[int, ForwardHook]
    _backward_pre_hooks: OrderedDict[int, Callable]
    _backward_hooks: OrderedDict[int, Callable]

    def _forward_unimplemented(self, *input: Any) -> None:
        """What the call computes; every subclass writes its own."""
        raise NotImplementedError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    # An attribute rather than a method, so that subclasses may give forward any signature they like.
    forward: Callable[..., Any] = _forward_unimplemented

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._forward_hooks or self._forward_pre_hooks or self._backward_hooks or self._backward_pre_hooks:
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs)

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        result = None
        started: set[int] = set()  # forward hooks that must not be called again if something raises
        try:
            args, kwargs = self._run_forward_pre_hooks(args, kwargs)
            watch = None
            if self._backward_hooks or self._backward_pre_hooks:
                hooks, pre_hooks = list(self._backward_hooks.values()), list(self._backward_pre_hooks.values())
                watch = BackwardHook(self, hooks, pre_hooks)
                args = watch.watch_inputs(args)
            result = self.forward(*args, **kwargs)
            for key, hook in tuple(self._forward_hooks.items()):
                started.add(key)
                changed = hook(self, args, kwargs, result)
                result = result if changed is None else changed
            return result if watch is None else watch.watch_outputs(result)
        except Exception:
            self._run_always_called_hooks(started, args, kwargs, result)
            raise

    def _run_forward_pre_hooks(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        for hook in tuple(self._forward_pre_hooks.values()):
            changed = hook(self, args, kwargs)
            if changed is None:
                continue
            if not hook.with_kwargs:
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
        for key, hook in tuple(self._forward_hooks.items()):
            if not hook.always_call or key in started:
                continue
            try:
                changed = hook(self, args, kwargs, result)
                result = result if changed is None else changed
            except Exception as error:  # the error of forward matters more than this one
                warn(
                    "module forward hook with ``always_call=True`` raised an exception that was silenced as another "
                    f"error was raised in forward: {error}"
                )

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before forward; what it returns, if anything, replaces the arguments.

        With `with_kwargs` it is `hook(module, args, kwargs)` and returns both as a tuple.
        """
        return add_hook(self._forward_pre_hooks, ForwardHook(hook, with_kwargs), prepend=prepend)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after forward; what it returns, if anything, replaces the output.

        With `with_kwargs` it is `hook(module, args, kwargs, output)`; with `always_call` it runs even if forward
        raises (output is then None).
        """
        return add_hook(self._forward_hooks, ForwardHook(hook, with_kwargs, always_call), prepend=prepend)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` in backward; the tuple it returns, if any, replaces `grad_output`."""
        return add_hook(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` in backward; the tuple it returns, if any, replaces `grad_input`.

        Both are tuples, with None where an argument or output is not a Tensor. Keyword arguments are not watched.
        """
        return add_hook(self._backward_hooks, hook, prepend=prepend)
