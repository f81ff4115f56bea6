"""`functional_call`: a module as a function of its parameters, so that the transforms can differentiate by them.

The given tensors stand in the module's registers while it runs, and its own are put back afterwards. Read next: `transforms.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from ..nn import DataParallel, Module
from ..tensor import Tensor


def functional_call(
    module: Module,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """module(*args, **kwargs) with these tensors in place of its parameters and buffers, by name.

    parameter_and_buffer_dicts: a dict or several with different keys. args: a tuple, or one argument.
    tie_weights: a tensor that the module holds under several names is replaced under all of them.
    strict: every name must be given, and no other. A buffer that the module assigns anew is the new one in the dict afterwards.

    >>> lin = minitorch.nn.Linear(2, 1)
    >>> functional_call(lin, {"weight": minitorch.ones(1, 2), "bias": minitorch.zeros(1)}, minitorch.ones(2))
    tensor([2.])
    """
    if isinstance(module, DataParallel):
        raise RuntimeError("The stateless API can't be used with nn.DataParallel module: call it on the `.module` inside")
    given = _one_dict(parameter_and_buffer_dicts)
    tensors = _tied(module, given) if tie_weights else given
    if strict:
        _check_keys(module, tensors)
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _holding(module, tensors, given):
        return module(*args, **(kwargs or {}))


def _one_dict(dicts: Any) -> dict[str, Any]:
    if isinstance(dicts, dict):
        return dicts
    if not isinstance(dicts, Sequence):
        raise ValueError(
            f"Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got {type(dicts).__name__}"
        )
    if not all(isinstance(d, dict) for d in dicts):
        raise ValueError("Expected all elements of parameter_and_buffer_dicts to be dictionaries")
    keys = [key for d in dicts for key in d]
    repeated = sorted({key for key in keys if keys.count(key) > 1})
    if repeated:
        raise ValueError(f"{repeated} appeared in multiple dictionaries, so which one is meant? Give each name once")
    return {key: value for d in dicts for key, value in d.items()}


def _all_names(module: Module) -> dict[str, Tensor]:
    return dict(
        [*module.named_parameters(remove_duplicate=False), *module.named_buffers(remove_duplicate=False)]  # tied ones twice
    )


def _tied(module: Module, tensors: dict[str, Any]) -> dict[str, Any]:
    """The tensors, under every name that the module has for the same tensor."""
    names: dict[int, list[str]] = {}
    for name, tensor in _all_names(module).items():
        names.setdefault(id(tensor), []).append(name)
    result = dict(tensors)
    for group in names.values():
        given = [name for name in group if name in tensors]
        if len({id(tensors[name]) for name in given}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(group)}, which are tied; tie_weights=False"
            )
        result.update({name: tensors[given[0]] for name in group if given})
    return result


def _check_keys(module: Module, tensors: dict[str, Any]) -> None:
    own = _all_names(module)
    lines = [
        f"{kind} key(s): {', '.join(map(repr, keys))}."
        for kind, keys in (
            ("Unexpected", [k for k in tensors if k not in own]),
            ("Missing", [k for k in own if k not in tensors]),
        )
        if keys
    ]
    if lines:
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t" + "\n\t".join(lines))


@contextlib.contextmanager
def _holding(module: Module, tensors: dict[str, Any], given: dict[str, Any]) -> Iterator[None]:
    """In this block, `tensors` are in the registers; what the module writes to its buffers is written to them.

    What it assigns in their place is in `given` afterwards.
    """
    changed: list[tuple[dict, str, str, Any]] = []
    try:
        for path, tensor in tensors.items():
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(f"{path}: {tensor!r} is not an instance of minitorch.Tensor")
            owner_path, _, name = path.rpartition(".")
            register = _register(module.get_submodule(owner_path), name)
            changed.append((register, name, path, register.get(name, _ABSENT)))
            register[name] = tensor
        yield
    finally:
        given.update({path: register[name] for register, name, path, _ in changed if path in given and name in register})
        for register, name, _, before in reversed(changed):
            if before is _ABSENT:
                register.pop(name, None)
            else:
                register[name] = before


def _register(owner: Module, name: str) -> dict:
    """Where `owner` keeps the tensor of that name; an unknown name becomes an attribute for the time of the call."""
    if not name:
        raise KeyError('tensor name can\'t be empty string ""')
    for register in (owner._parameters, owner._buffers):
        if name in register:
            return register
    if hasattr(owner, name) and not isinstance(getattr(owner, name), Tensor):
        raise TypeError(f"attribute `{name}` of {owner._get_name()} is no tensor: it cannot be replaced by one")
    return owner.__dict__


_ABSENT = object()
