"""What is called when a gradient passes a node: tensor hooks, `retain_grad`, and the node's own pre- and post-hooks.

A node without hooks has None in its slot and pays one look. The walk calls `before` and `after` around a node's derivatives.
Read next: `engine.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from .grad_mode import grad_mode, users_code

Tensor: Any = None  # tensor.py sets this to its class: the one place where the import cycle is cut


class Hooks:
    """What a node's hooks are kept in: most nodes have none, and pay one empty slot."""

    def __init__(self) -> None:
        self.tensor: dict[int, dict] = {}  # output nr → hooks of the tensor that is this output
        self.retain: dict[int, Any] = {}  # output nr → weak reference to a tensor that wants its .grad
        self.pre: dict = {}
        self.post: dict = {}

    @staticmethod
    def add(where: dict, hook: Callable) -> Any:
        from ..utils.hooks import RemovableHandle

        handle = RemovableHandle(where)
        where[handle.id] = hook
        return handle

    def before(self, grads: list) -> list:
        """Tensor hooks in the order they were registered, then retain_grad, then the node's prehooks."""
        grads = as_tensors(grads)
        with users_code():
            for nr, hooks in self.tensor.items():
                for hook in list(hooks.values()):
                    if grads[nr] is not None:
                        grads[nr] = _replaced(grads[nr], hook(grads[nr]), hook)
            for hook in list(self.pre.values()):
                grads = list(_as_tuple(hook(tuple(grads)), grads))
            for nr, reference in self.retain.items():
                tensor = reference()
                if tensor is not None and grads[nr] is not None:
                    g = grads[nr] if grad_mode.enabled else grads[nr].detach()
                    tensor._grad = g.clone() if tensor._grad is None else tensor._grad + g
        return as_carried(grads)

    def after(self, node: Any, results: list, grad_outputs: list) -> list:
        """The node's hooks see one gradient per input, None where none is wanted; back in the order of the edges."""
        places = node.places
        grad_inputs: list = [None] * len(node.next_functions)
        for place, result in zip(places, as_tensors(results)):
            grad_inputs[place] = result
        seen = tuple(as_tensors(grad_outputs))
        with users_code():
            for hook in list(self.post.values()):
                grad_inputs = list(_as_tuple(hook(tuple(grad_inputs), seen), grad_inputs))
        return as_carried([grad_inputs[place] for place in places])


def as_tensor(g: Any) -> Any:
    """A gradient as hooks, users' Functions and leaves want it: what a walk that is not recorded carries are bare arrays."""
    return g if g is None or isinstance(g, Tensor) else Tensor._wrap(g)


def as_tensors(grads: Sequence) -> list:
    """The same for several."""
    return [as_tensor(g) for g in grads]


def as_carried(grads: Sequence) -> list:
    """Gradients from users' code, as this walk carries them."""
    return [g._array if grad_mode.on_arrays and g is not None else g for g in grads]


def warn_if_has_hooks(tensor: Any) -> None:
    """Say that a tensor's hooks stay behind when it is pickled, but for those marked by `unserializable_hook`."""
    hooks = tensor._leaf_hooks if tensor.is_leaf else hooks_of(tensor.grad_fn).tensor.get(tensor._output_nr)
    for hook in (hooks or {}).values():
        if not hasattr(hook, "__torch_unserializable__"):
            warnings.warn(
                f"backward hook {hook!r} on tensor will not be serialized.  If this is expected, you can decorate the function "
                "with @minitorch.utils.hooks.unserializable_hook to suppress this warning",
                stacklevel=2,
            )


def unserializable_hook(hook: Callable) -> Callable:
    """Mark a hook as one that may stay behind, without a warning, when its tensor is pickled."""
    hook.__torch_unserializable__ = True  # type: ignore[attr-defined]
    return hook


def hooks_of(node: Any) -> Hooks:
    """The node's hooks, made on first use."""
    if node.hooks is None:
        node.hooks = Hooks()
    return node.hooks


def _replaced(old: Any, new: Any, hook: Callable) -> Any:
    if new is None:
        return old
    name = getattr(hook, "__name__", hook)
    if not hasattr(new, "_array"):
        raise TypeError(
            f"expected a Tensor or None, but hook {name!r} returned {type(new).__name__!r}; to leave the gradient as it is, "
            "return None"
        )
    if new.shape != old.shape:
        raise RuntimeError(
            f"hook {name!r} has changed the size of the gradient: it returned shape {tuple(new.shape)}, the gradient has "
            f"{tuple(old.shape)}"
        )
    return new


def _as_tuple(new: Any, old: list) -> Any:
    if new is None:
        return old
    return new if isinstance(new, (tuple, list)) else (new,)
