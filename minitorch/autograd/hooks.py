"""What is called when a gradient passes a node: tensor hooks, `retain_grad`, and the node's own pre- and post-hooks.

A node without hooks has None in its slot and pays one look. The walk calls `before` and `after` around a node's derivatives, and
where it stops at a node only `arrived`.
Read next: `engine.py`.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ..arrays.dtypes import SCALAR_NAMES
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

    def arrived(self, grads: list) -> list:
        """What has arrived for each output, None too, as its tensor's hooks leave it, in the order of their registration: Tensors.

        What `retain_grad` keeps is the result.
        """
        grads = as_tensors(grads)
        with users_code():
            for nr, hooks in self.tensor.items():
                for hook in list(hooks.values()):
                    new = hook(grads[nr])
                    grads[nr] = grads[nr] if new is None else checked(grads[nr], new, hook)
            for nr, reference in self.retain.items():
                tensor = reference()
                if tensor is not None and grads[nr] is not None:
                    g = grads[nr] if grad_mode.enabled else grads[nr].detach()
                    tensor._grad = g.clone() if tensor._grad is None else tensor._grad + g
        return grads

    def before(self, node: Any, grads: list) -> list:
        """The same, as the node's prehooks leave it: they see one gradient per differentiable output."""
        grads = self.arrived(grads)
        n = node.outputs_with_gradients
        with users_code():
            for hook in list(self.pre.values()):
                grads[:n] = _all_checked(grads[:n], hook(tuple(grads[:n])), hook)
        if not node.edges:  # a hook may hold what it has seen or given, and a leaf's .grad must be nobody else's memory
            grads = [g if g is None else g.clone() for g in grads]
        return as_carried(grads)

    def after(self, node: Any, results: list, grad_outputs: list) -> list:
        """The node's hooks see one gradient per input, None where none is wanted; back in the order of the edges."""
        places = node.places
        grad_inputs: list = [None] * len(node.next_functions)
        for place, result in zip(places, as_tensors(results)):
            grad_inputs[place] = result
        seen = tuple(as_tensors(grad_outputs[: node.outputs_with_gradients]))
        with users_code():
            for hook in list(self.post.values()):
                grad_inputs = _all_checked(grad_inputs, hook(tuple(grad_inputs), seen), hook)
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
    try:
        hooks = tensor._leaf_hooks if tensor.is_leaf else hooks_of(tensor.grad_fn).tensor.get(tensor._output_nr)
    except RuntimeError:  # a view whose history is lost
        return
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


def checked(old: Any, new: Any, hook: Callable) -> Any:
    """What a hook returned in place of a gradient, which must be one like it."""
    name = getattr(hook, "__name__", "<unknown>")
    if old is None:
        raise RuntimeError(
            f"can't replace a None gradient with a non-None value: hook '{name}' was given None, for an unused output"
        )
    if not isinstance(new, Tensor):
        raise TypeError(
            f"expected Variable, but hook returned '{type_name(new)}': hook '{name}' must return a Tensor or None"
        )
    if new.dtype is not old.dtype or new.device != old.device:
        raise RuntimeError(
            f"hook '{name}' has changed the type of value (was {_kind(old)} got {_kind(new)}); return a gradient of the same "
            "dtype and device"
        )
    if new.shape != old.shape:
        raise RuntimeError(
            f"hook '{name}' has changed the size of value: it returned shape {tuple(new.shape)}, the gradient has {tuple(old.shape)}"
        )
    return new


def _all_checked(old: list, new: Any, hook: Callable) -> list:
    """What a node's hook returned in place of all gradients: None leaves them, None in one's place drops it."""
    if new is None:
        return old
    if not isinstance(new, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type_name(new)}'; put it in a tuple, one for each gradient")
    if len(new) != len(old):
        name = getattr(hook, "__name__", "<unknown>")
        raise RuntimeError(
            f"hook '{name}' has returned an incorrect number of values (got {len(new)}, but expected {len(old)})"
        )
    return [n if n is None else checked(o, n, hook) for o, n in zip(old, new)]


def type_name(x: Any) -> str:
    """The name of a type as errors write it: with its module, but that of Python's own and of tensors."""
    kind = type(x)
    return kind.__name__ if kind.__module__ == "builtins" or isinstance(x, Tensor) else f"{kind.__module__}.{kind.__name__}"


def _kind(tensor: Any) -> str:
    """Dtype and device as torch names them by a class: `minitorch.cuda.FloatTensor`."""
    return f"minitorch.{'' if tensor.is_cpu else 'cuda.'}{SCALAR_NAMES[tensor.dtype.name]}Tensor"
