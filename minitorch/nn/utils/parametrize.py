"""Parametrizations: a parameter that is computed from others, by modules, each time that it is read.

`register_parametrization(layer, "weight", f)` takes the parameter away, keeps it as `parametrizations.weight.original`, and
puts a property in its place that gives f(original). So what is trained is the original, and the layer never notices. A property
belongs to a class: the layer gets one of its own, a subclass of what it was. Read next: `parametrizations.py`.
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any

from minitorch.autograd import no_grad
from minitorch.nn.modules.container import ModuleDict, ModuleList
from minitorch.nn.modules.module import Module
from minitorch.nn.parameter import Parameter
from minitorch.tensor import Tensor

__all__ = [
    "ParametrizationList", "cached", "is_parametrized", "register_parametrization", "remove_parametrizations",
    "transfer_parametrizations_and_params", "type_before_parametrizations",
]  # fmt: skip

_blocks_of_cached = 0
_computed: dict[tuple[int, str], Tensor] = {}  # by the layer and the parameter's name


@contextmanager
def cached() -> Iterator[None]:
    """Within the block every parametrized parameter is computed once, when it is first read: for layers that read one often."""
    global _blocks_of_cached
    _blocks_of_cached += 1
    try:
        yield
    finally:
        _blocks_of_cached -= 1
        if not _blocks_of_cached:
            _computed.clear()


class ParametrizationList(ModuleList):
    """f_n(… f_1(original)): the modules that compute one parameter, and what they compute it from

    That is `original`, or `original0`, `original1`, … if the first module's `right_inverse` gives several tensors.
    """

    def __init__(self, modules: Sequence[Module], original: Tensor | Parameter, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        with no_grad():
            new = self._inverse_as_far_as_there_is(original)
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            self._keep(original, new)
        else:
            self._keep_several(original, new)
        if not unsafe:
            _check_same("A", "the tensor, unless `unsafe` flag is enabled", self(), dtype, shape)

    def _inverse_as_far_as_there_is(self, original: Tensor) -> Any:
        """What the modules would make the parameter of."""
        new: Any = original
        for module in reversed(self):
            if hasattr(module, "right_inverse"):
                with suppress(NotImplementedError):
                    new = module.right_inverse(new)
        if not isinstance(new, (Tensor, Sequence)):
            raise ValueError(
                f"'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got {type(new).__name__}"
            )
        return new

    def _keep(self, original: Tensor, new: Tensor) -> None:
        """Keep the parameter itself, with the new numbers: optimizers may hold it."""
        for what in ("dtype", "device"):
            if getattr(original, what) != getattr(new, what):
                raise ValueError(
                    f"When `right_inverse` outputs one tensor, it may not change the {what}.\n"
                    f"original.{what}: {getattr(original, what)}\nright_inverse(original).{what}: {getattr(new, what)}"
                )
        with no_grad():
            original.set_(new)
        _register(self, "original", original)

    def _keep_several(self, original: Tensor, new: Sequence[Any]) -> None:
        for i, each in enumerate(new):
            if not isinstance(each, Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                    f"Got element {i} of the sequence with type {type(each).__name__}."
                )
            kept = Parameter(each, original.requires_grad) if isinstance(original, Parameter) else each
            _register(self, f"original{i}", kept.requires_grad_(original.requires_grad))

    @no_grad()
    def right_inverse(self, value: Tensor) -> None:
        """Write into the originals what gives `value`: the modules' `right_inverse`, the last first."""
        new: Any = value
        for module in reversed(self):
            if not hasattr(module, "right_inverse"):
                raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
            new = module.right_inverse(new)
        if self.is_tensor:
            if not isinstance(new, Tensor):
                raise ValueError(f"`right_inverse` should return a tensor. Got {type(new).__name__}")
            new = [new]
        elif not isinstance(new, Sequence):
            raise ValueError(f"'right_inverse' must return a sequence of tensors. Got {type(new).__name__}.")
        if len(new) != self.ntensors:
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. "
                f"Got a sequence of length {len(new)}."
            )
        for i, (name, each) in enumerate(zip(self._originals(), new)):
            if not isinstance(each, Tensor):
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors. Got element {i} of type {type(each).__name__}."
                )
            original = getattr(self, name)
            if original.dtype != each.dtype:
                raise ValueError(
                    f"Tensor {i} returned by `right_inverse` has dtype {each.dtype} while `{name}` has dtype {original.dtype}"
                )
            original.set_(each)

    def _originals(self) -> list[str]:
        """The names of what the parameter is computed from."""
        return ["original"] if self.is_tensor else [f"original{i}" for i in range(self.ntensors)]

    def forward(self) -> Tensor:
        first, *rest = self
        x = first(*(getattr(self, name) for name in self._originals()))
        for module in rest:
            x = module(x)
        return x


def register_parametrization(module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False) -> Module:
    """Let `module.<tensor_name>` be parametrization(original) from now on; a second one is applied to what the first gives.

    If it has `right_inverse`, assigning to the parameter works, and the first original is right_inverse(parameter).
    unsafe: it may change shape and dtype. Gives the module back.

    >>> class Symmetric(minitorch.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).T
    >>> layer = minitorch.nn.Linear(2, 2)
    >>> _ = minitorch.nn.utils.parametrize.register_parametrization(layer, "weight", Symmetric())
    >>> bool((layer.weight == layer.weight.T).all()), [name for name, _ in layer.named_parameters()]
    (True, ['bias', 'parametrizations.weight.original'])
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_added(module, tensor_name, parametrization)
        parametrizations: Any = module.parametrizations[tensor_name]
        parametrizations.append(parametrization)
        parametrizations.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        made = ParametrizationList([parametrization], getattr(module, tensor_name), unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _give_it_a_class_of_its_own(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = made
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name '{tensor_name}'"
        )
    return module


def _check_added(module: Module, name: str, parametrization: Module) -> None:
    """A further parametrization may change neither shape nor dtype, nor may its inverse."""
    now = getattr(module, name)
    then = parametrization(now)
    _check_same("A", f"module.{name}, unless the `unsafe` flag is enabled", then, now.dtype, now.shape)
    if hasattr(parametrization, "right_inverse"):
        try:
            back = parametrization.right_inverse(then)
        except NotImplementedError:
            return
        _check_same(
            "The right_inverse of a", f"module.{name}, unless the `unsafe` flag is enabled", back, now.dtype, now.shape
        )


def _check_same(who: str, what: str, found: Any, dtype: Any, shape: Any) -> None:
    if not isinstance(found, Tensor):
        raise ValueError(f"{who} parametrization must return a tensor. Got {type(found).__name__}.")
    for name, before, after in (("dtype", dtype, found.dtype), ("shape", shape, found.shape)):
        if before != after:
            raise ValueError(f"{who} parametrization may not change the {name} of {what}.\nbefore: {before}\nafter: {after}")


def _register(module: Module, name: str, x: Tensor) -> None:
    """As a parameter or as a buffer, whichever it is."""
    (module.register_parameter if isinstance(x, Parameter) else module.register_buffer)(name, x)  # type: ignore[arg-type]


def _give_it_a_class_of_its_own(module: Module) -> None:
    """A subclass for this module alone, which can have properties. It cannot be pickled: nobody could find it again."""
    cls = type(module)

    def __deepcopy__(self: Any, memo: dict) -> Any:
        if id(self) in memo:
            return memo[id(self)]
        copy = memo[id(self)] = self.__new__(type(self))
        copy.__dict__ = deepcopy(self.__dict__, memo)
        for slot in copyreg._slotnames(type(self)):  # type: ignore[attr-defined]
            if hasattr(self, slot):
                setattr(copy, slot, deepcopy(getattr(self, slot), memo))
        return copy

    def __getstate__(self: Any) -> Any:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(). Save module.state_dict(), and load "
            "it into a module with the same parametrizations"
        )

    members: dict[str, Any] = {"__getstate__": __getstate__}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = __deepcopy__
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _inject_property(module: Module, name: str) -> None:
    """Reading the parameter computes it, assigning writes its originals."""
    assert not hasattr(module, name), f"Module already has an attribute named '{name}'"

    def get(self: Any) -> Tensor:
        if not _blocks_of_cached:
            return self.parametrizations[name]()
        key = (id(module), name)
        if key not in _computed:
            _computed[key] = self.parametrizations[name]()
        return _computed[key]

    def assign(self: Any, value: Tensor) -> None:
        self.parametrizations[name].right_inverse(value)

    setattr(type(module), name, property(get, assign))


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module has parametrizations: of this parameter, or of any."""
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make `module.<tensor_name>` an ordinary parameter again: with the numbers computed, or else with the original's."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    parametrizations: Any = module.parametrizations
    made = parametrizations[tensor_name]
    if made.is_tensor:
        kept = made.original
        if leave_parametrized:
            with no_grad():
                kept.set_(getattr(module, tensor_name))
    elif leave_parametrized:
        now = getattr(module, tensor_name)
        kept = Parameter(now) if now.requires_grad else now
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a sequence of "
            "tensors."
        )
    delattr(type(module), tensor_name)
    del parametrizations[tensor_name]
    _register(module, tensor_name, kept)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """The module's class, as it was before it got parametrizations."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(from_module: Module, to_module: Module, tensor_name: str | None = None) -> Module:
    """Give `to_module` the parametrizations and originals of `from_module`: of this parameter, or of all. Gives it back."""
    if not is_parametrized(from_module):
        return to_module
    source: Any = from_module.parametrizations
    for name in source if tensor_name is None else [tensor_name]:
        if not hasattr(to_module, name):  # what it will be parametrized in place of
            setattr(to_module, name, Parameter(getattr(from_module, name)))
        for parametrization in source[name]:
            register_parametrization(to_module, name, parametrization)
        for original in source[name]._originals():
            setattr(to_module.parametrizations[name], original, getattr(source[name], original))
    return to_module
