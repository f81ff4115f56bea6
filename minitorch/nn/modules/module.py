"""`Module`: a tree of parameters, buffers and child modules, with a `forward`.

The one idea: `module.name = value` looks at the value. A Parameter, a Module or a Buffer goes into the module's
registers `_parameters`, `_modules`, `_buffers`; everything else is an ordinary attribute. All traversals
(`parameters()`, `to()`, `state_dict()`, `train()`) walk those registers. What a call does is in `hooks.py`, saving and
loading in `state_dict.py`, beside this file.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import minitorch
from minitorch.arrays import dtypes
from minitorch.arrays.layout import preserve_format
from minitorch.autograd import no_grad
from minitorch.nn.modules.hooks import ModuleHooks, as_registered
from minitorch.nn.modules.hooks import register_module_backward_hook as register_module_backward_hook
from minitorch.nn.modules.hooks import register_module_buffer_registration_hook as register_module_buffer_registration_hook
from minitorch.nn.modules.hooks import register_module_forward_hook as register_module_forward_hook
from minitorch.nn.modules.hooks import register_module_forward_pre_hook as register_module_forward_pre_hook
from minitorch.nn.modules.hooks import register_module_full_backward_hook as register_module_full_backward_hook
from minitorch.nn.modules.hooks import register_module_full_backward_pre_hook as register_module_full_backward_pre_hook
from minitorch.nn.modules.hooks import register_module_module_registration_hook as register_module_module_registration_hook
from minitorch.nn.modules.hooks import (
    register_module_parameter_registration_hook as register_module_parameter_registration_hook,
)
from minitorch.nn.modules.state_dict import ModuleState
from minitorch.nn.parameter import Buffer, Parameter
from minitorch.tensor import Tensor
from minitorch.tensor.methods.conversion import parse_to
from minitorch.utils.names import typename

__all__ = ["Module"]

Self = TypeVar("Self", bound="Module")
T_destination = TypeVar("T_destination", bound=dict[str, Any])
Named = TypeVar("Named")


class Module(ModuleHooks, ModuleState):
    """Base class of all layers and models: assign parts in `__init__`, compute in `forward`, then call it.

    >>> class Affine(Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.scale = Parameter(minitorch.tensor(2.0))
    ...     def forward(self, x):
    ...         return self.scale * x
    >>> Affine()(minitorch.tensor(3.0)).item()
    6.0
    """

    training: bool
    call_super_init: bool = False  # whether Module.__init__ calls the next class's: for classes with several bases
    dump_patches: bool = False  # looked at by nothing
    T_destination = T_destination

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init and (args or kwargs):
            unexpected = (
                f"got an unexpected keyword argument '{next(iter(kwargs))}'"
                if kwargs
                else f"takes 1 positional argument but {len(args) + 1} were given"
            )
            raise TypeError(f"{type(self).__name__}.__init__() {unexpected}")
        for register in ("_parameters", "_buffers", "_modules"):
            object.__setattr__(self, register, {})
        self._without_hooks()
        for moment in ("_state_dict_pre", "_state_dict", "_load_state_dict_pre", "_load_state_dict_post"):
            object.__setattr__(self, f"{moment}_hooks", OrderedDict())
        object.__setattr__(self, "_non_persistent_buffers_set", set())
        object.__setattr__(self, "training", True)
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take back a pickled module; what it did not have when it was pickled is empty."""
        fresh = Module.__new__(Module)
        Module.__init__(fresh)
        self.__dict__.update({**fresh.__dict__, **state})

    # ---- registration ------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        registers = self.__dict__
        if isinstance(value, Parameter):
            self._require_init("parameters")
            self._unregister(name, keep="_parameters")
            self.register_parameter(name, value)
        elif name in registers.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as parameter '{name}' (minitorch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, None)
        elif isinstance(value, Module):
            self._require_init("module")
            self._unregister(name, keep="_modules")
            self._modules[name] = as_registered("module", self, name, value)
        elif name in registers.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{typename(value)}' as child module '{name}' (minitorch.nn.Module or None expected)"
                )
            self._modules[name] = as_registered("module", self, name, None)
        elif isinstance(value, Buffer) or name in registers.get("_buffers", ()):
            if not isinstance(value, Tensor | None):
                raise TypeError(
                    f"cannot assign '{typename(value)}' as buffer '{name}' "
                    "(minitorch.nn.Buffer, minitorch.Tensor or None expected)"
                )
            was_persistent = name not in registers.get("_non_persistent_buffers_set", ())
            persistent = value.persistent if isinstance(value, Buffer) else was_persistent
            self.register_buffer(name, value, persistent)
        else:
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:  # called only for what is not an ordinary attribute
        registers = self.__dict__
        for register in ("_parameters", "_buffers", "_modules"):
            if name in (members := registers.get(register, ())):
                return members[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        for register in (self._parameters, self._buffers, self._modules):
            if name in register:
                del register[name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make `param` this module's parameter `name`; None reserves the name, as Linear(bias=False) does."""
        self._require_init("parameter")
        self._check_name("parameter", name, self._parameters)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' (minitorch.nn.Parameter or None required)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly. To "
                f"express '{name}' as a function of another Tensor, compute the value in the forward() method."
            )
        self._parameters[name] = None if param is None else as_registered("parameter", self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Make `tensor` this module's buffer `name`: moved and (if `persistent`) saved with it, but not trained."""
        self._require_init("buffer")
        self._check_name("buffer", name, self._buffers)
        if not isinstance(tensor, Tensor | None):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' (minitorch Tensor or None required)"
            )
        self._buffers[name] = as_registered("buffer", self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name: str, module: Module | None) -> None:
        """Make `module` this module's child `name`."""
        if not isinstance(module, Module | None):
            raise TypeError(f"{typename(module)} is not a Module subclass")
        self._check_name("module", name, self._modules)
        self._modules[name] = as_registered("module", self, name, module)

    register_module = add_module

    def _require_init(self, what: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"cannot assign {what} before Module.__init__() call")

    def _check_name(self, kind: str, name: str, register: dict[str, Any]) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {typename(name)}")
        if "." in name:
            raise KeyError(f'{kind} name can\'t contain "."' + (f", got: {name}" if kind == "module" else ""))
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in register and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    def _unregister(self, name: str, keep: str) -> None:
        """Forget whatever is called `name`, except in the register that is about to take it."""
        self.__dict__.pop(name, None)
        for register in {"_parameters", "_buffers", "_modules"} - {keep}:
            self.__dict__[register].pop(name, None)
        self._non_persistent_buffers_set.discard(name)

    # ---- traversal ---------------------------------------------------------------------------------------------

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Every parameter once, this module's own first."""
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """`(path, parameter)`; a parameter shared by two modules comes once, under its first path."""
        yield from self._named_members(lambda module: module._parameters, prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        yield from self._named_members(lambda module: module._buffers, prefix, recurse, remove_duplicate)

    def _named_members(
        self, register: Callable[[Module], dict[str, Any]], prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        modules: Iterable[tuple[str, Module]] = [(prefix, self)]
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        members = (
            (_join(path, name), member)
            for path, module in modules
            for name, member in register(module).items()
            if member is not None
        )
        return _once(members) if remove_duplicate else members

    def children(self) -> Iterator[Module]:
        for _, child in self.named_children():
            yield child

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """`(name, module)` of the direct children, each once."""
        return _once((name, child) for name, child in self._modules.items() if child is not None)

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """`(path, module)` of this module (path `prefix`) and all below it, parents first."""
        memo = set() if memo is None else memo
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, child in self._modules.items():
            if child is not None:
                yield from child.named_modules(memo, _join(prefix, name), remove_duplicate)

    def get_submodule(self, target: str) -> Module:
        """The module at the dotted path `target`; the empty path is the module itself."""
        module: Any = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                raise AttributeError(f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put `module` at the dotted path `target`, in the place of a module or, unless `strict`, where nothing was."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{parent._get_name()} has no attribute `{name}`")
        if not isinstance(getattr(parent, name, module), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at the dotted path `target`."""
        owner, name = self._owner_of(target)
        param = getattr(owner, name)
        if not isinstance(param, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return param

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at the dotted path `target`."""
        owner, name = self._owner_of(target)
        if name not in owner._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return getattr(owner, name)

    def _owner_of(self, target: str) -> tuple[Module, str]:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if not hasattr(owner, name):
            raise AttributeError(f"{owner._get_name()} has no attribute `{name}`")
        return owner, name

    # ---- conversion and modes ----------------------------------------------------------------------------------

    def apply(self: Self, fn: Callable[[Module], None]) -> Self:
        """Call `fn` on every module, children first: `net.apply(init_weights)`."""
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    def _apply(self: Self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        """Replace the data of every parameter, its gradient and every buffer by `fn` of it; parameters stay the same
        objects, so an optimizer that holds them keeps working."""
        for child in self.children() if recurse else ():
            child._apply(fn)
        with no_grad():
            for param in self._parameters.values():
                if param is not None:
                    param.data = fn(param)
                    if param.grad is not None:
                        param.grad.data = fn(param.grad)
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self: Self, *args: Any, **kwargs: Any) -> Self:
        """`to(device)`, `to(dtype)`, `to(device, dtype)` or `to(tensor)`, in place. Integer buffers keep their dtype.

        memory_format: of what has four or five dimensions.
        """
        device, dtype, _, form, non_blocking = parse_to(*args, **kwargs)
        if dtype is not None and not dtype.is_floating_point:
            raise TypeError(f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={dtype}")

        def moved(t: Tensor) -> Tensor:
            kept = dtype if t.is_floating_point() else None
            if form is preserve_format or t.ndim not in (4, 5):  # (what has no shape yet has no number of dimensions)
                return t.to(device, kept, non_blocking)
            return t.to(device, kept, non_blocking, memory_format=form)

        return self._apply(moved)

    def double(self: Self) -> Self:
        return self.to(dtypes.float64)

    def type(self: Self, dst_type: Any) -> Self:
        """All parameters and buffers, integers too, in that dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self: Self) -> Self:
        return self.to(dtypes.float32)

    def half(self: Self) -> Self:
        return self.to(dtypes.float16)

    def bfloat16(self: Self) -> Self:
        return self.to(dtypes.bfloat16)

    def cpu(self: Self) -> Self:
        return self.to("cpu")

    def cuda(self: Self, device: Any = None) -> Self:
        return self.to("cuda" if device is None else device)

    def to_empty(self: Self, *, device: Any, recurse: bool = True) -> Self:
        """New memory for all parameters and buffers, on `device`: what stands in it is arbitrary."""
        return self._apply(lambda t: minitorch.empty_like(t, device=device), recurse)

    def xpu(self: Self, device: Any = None) -> Self:
        """Refused, as there are no such devices here."""
        return self._apply(_without_device(AssertionError("minitorch not compiled with XPU enabled")))

    def ipu(self: Self, device: Any = None) -> Self:
        """Refused, as there are no such devices here."""
        return self._apply(_without_device(RuntimeError("minitorch is not linked with support for ipu devices")))

    def mtia(self: Self, device: Any = None) -> Self:
        """Refused, as there are no such devices here."""
        return self._apply(_without_device(AssertionError("minitorch not compiled with MTIA enabled")))

    def share_memory(self: Self) -> Self:
        """Move parameters and buffers to memory that other processes see when the module is sent to them."""
        return self._apply(lambda t: t.share_memory_())

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Call this module as a program from now on, as `minitorch.compile(module)` does, whose arguments these are."""
        from minitorch.compiler import compile

        self.forward = compile(self.forward, *args, **kwargs)  # type: ignore[method-assign]

    def train(self: Self, mode: bool = True) -> Self:
        """Switch to training mode: dropout drops, batch norm uses the batch."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for child in self.children():
            child.train(mode)
        return self

    def eval(self: Self) -> Self:
        """Switch to evaluation mode; this does not stop autograd from recording, `no_grad` does."""
        return self.train(False)

    def requires_grad_(self: Self, requires_grad: bool = True) -> Self:
        """Make all parameters trainable, or freeze them."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or fill them with zeros."""
        for param in self.parameters():
            clear_grad(param, set_to_none)

    # ---- printing ----------------------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What stands between the parentheses of the repr; layers override it."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        children = [f"({name}): {indent(repr(child))}" for name, child in self._modules.items()]
        if len(extra) == 1 and not children:
            return f"{self._get_name()}({extra[0]})"
        body = "".join(f"\n  {line}" for line in extra + children)
        return f"{self._get_name()}({body}\n)" if body else f"{self._get_name()}()"

    def _repr_html_(self) -> str:
        """What a notebook shows: a tree that opens, with the number of parameters of each part."""
        from minitorch.utils.html import module_html

        return module_html(self)

    def __dir__(self) -> list[str]:
        names = [*dir(type(self)), *self.__dict__, *self._parameters, *self._modules, *self._buffers]
        return sorted(name for name in names if not name[0].isdigit())


def indent(text: str) -> str:
    """`text` with two spaces before every line but the first; blank lines stay empty."""
    first, *rest = text.split("\n")
    return "\n".join([first, *(f"  {line}" if line.strip() else "" for line in rest)])


def _without_device(error: Exception) -> Callable[[Tensor], Tensor]:
    """What a module without tensors never meets."""

    def refuse(tensor: Tensor) -> Tensor:
        raise error

    return refuse


def clear_grad(param: Tensor, set_to_none: bool) -> None:
    """Drop the gradient of `param`, or make it a zero without history."""
    if set_to_none:
        param._grad = None
    elif param.grad is not None:
        grad = param.grad if param.grad.grad_fn is None else param.grad.detach_()  # a view (of a bucket) cannot be cut off
        grad.requires_grad_(False).zero_()


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _once(pairs: Iterable[tuple[str, Named]]) -> Iterator[tuple[str, Named]]:
    """The pairs whose second part did not come before."""
    seen = set()
    for name, member in pairs:
        if id(member) not in seen:
            seen.add(id(member))
            yield name, member
