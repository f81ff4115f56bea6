"""A module's state as one flat dictionary, and back: `state_dict`, `load_state_dict`.

Keys are dotted paths (`0.weight`); values are parameters and persistent buffers, sharing memory with the module.
Loading copies into the module's own tensors and reports every missing, unexpected and mis-shaped key at once.
"""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from minitorch.autograd import no_grad
from minitorch.nn.parameter import Parameter, is_lazy
from minitorch.tensor import Tensor
from minitorch.utils.hooks import RemovableHandle, add_hook

EXTRA_STATE = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` returns: the keys that did not match."""

    __slots__ = ()

    def __repr__(self) -> str:
        return super().__repr__() if self.missing_keys or self.unexpected_keys else "<All keys matched successfully>"

    __str__ = __repr__


class WithoutModule(NamedTuple):
    """A hook that does not want to hear of the module."""

    hook: Callable

    def __call__(self, module: Any, *args: Any) -> None:
        self.hook(*args)


class StateDict(OrderedDict):
    """An OrderedDict that also carries `_metadata`: the version of each module by path."""

    _metadata: Mapping[str, dict[str, Any]]


class ModuleState:
    """The part of `Module` that saves and loads."""

    _version: int = 1
    _parameters: dict[str, Parameter | None]
    _buffers: dict[str, Tensor | None]
    _modules: dict[str, Any]
    _non_persistent_buffers_set: set[str]
    _state_dict_pre_hooks: OrderedDict[int, Callable]
    _state_dict_hooks: OrderedDict[int, Callable]
    _load_state_dict_pre_hooks: OrderedDict[int, Callable]
    _load_state_dict_post_hooks: OrderedDict[int, Callable]

    def state_dict(self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False) -> dict[str, Any]:
        """All parameters and persistent buffers by path; detached unless `keep_vars`, never copied.

        Training on changes the values in it: use `copy.deepcopy` to keep them.
        """
        if destination is None:
            destination = StateDict()
            destination._metadata = {}
        local_metadata = {"version": self._version}
        if hasattr(destination, "_metadata"):
            destination._metadata[prefix[:-1]] = local_metadata
        for hook in self._state_dict_pre_hooks.values():
            hook(self, prefix, keep_vars)
        self._save_to_state_dict(destination, prefix, keep_vars)
        for name, child in self._modules.items():
            if child is not None:
                child.state_dict(destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        for hook in self._state_dict_hooks.values():
            changed = hook(self, destination, prefix, local_metadata)
            if changed is None:
                continue
            if getattr(hook, "_from_public_api", False):
                raise RuntimeError("state_dict post-hook must return None")
            destination = changed
        return destination

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        """Write this module's own tensors, not its children's, into `destination`."""
        for name, tensor in self._local_state().items():
            destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if self._overrides("get_extra_state"):
            destination[prefix + EXTRA_STATE] = self.get_extra_state()

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> _IncompatibleKeys:
        """Copy the tensors of `state_dict` into this module (`assign=True`: put them in the place of its own).

        `strict` makes missing and unexpected keys an error; a wrong shape always is one. All faults are collected and
        raised together as RuntimeError.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"Expected state_dict to be dict-like, got {type(state_dict)}.")
        metadata = getattr(state_dict, "_metadata", None) or {}
        state = StateDict(state_dict)  # a copy, so that hooks may change it
        state._metadata = metadata
        missing: list[str] = []
        unexpected: list[str] = []
        errors: list[str] = []

        def load(module: Any, state: Mapping[str, Any], prefix: str) -> None:
            local_metadata = dict(metadata.get(prefix[:-1], {}))
            if assign:
                local_metadata["assign_to_params_buffers"] = True
            module._load_from_state_dict(state, prefix, local_metadata, True, missing, unexpected, errors)
            for name, child in module._modules.items():
                if child is not None:
                    path = f"{prefix}{name}."
                    load(child, {key: value for key, value in state.items() if key.startswith(path)}, path)
            for hook in module._load_state_dict_post_hooks.values():
                if hook(module, _IncompatibleKeys(missing, unexpected)) is not None:
                    raise AssertionError(
                        "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to return new "
                        "values, if incompatible_keys need to be modified, it should be done inplace."
                    )

        load(self, state, "")
        if strict:
            errors[:0] = [
                f"{kind} key(s) in state_dict: {', '.join(_quoted(key) for key in keys)}. "
                for kind, keys in (("Missing", missing), ("Unexpected", unexpected))
                if keys
            ]
        if errors:
            faults = "\n\t".join(errors)
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t{faults}")
        return _IncompatibleKeys(missing, unexpected)

    def _load_from_state_dict(
        self,
        state_dict: Mapping[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Load this module's own tensors; faults are appended to the three lists, never raised.

        Layers override this to read older layouts: `local_metadata.get("version")` says which one it is.
        """
        for hook in self._load_state_dict_pre_hooks.values():
            hook(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)
        assign = local_metadata.get("assign_to_params_buffers", False)
        own = self._local_state()
        for name, tensor in own.items():
            key = prefix + name
            if key in state_dict:
                fault = self._load_tensor(name, tensor, key, state_dict[key], assign)
                error_msgs.extend([fault] if fault else [])
            elif strict:
                missing_keys.append(key)

        extra_key = prefix + EXTRA_STATE
        takes_extra = self._overrides("set_extra_state")
        if takes_extra and extra_key in state_dict:
            self.set_extra_state(state_dict[extra_key])
        elif strict and takes_extra != (extra_key in state_dict):
            (missing_keys if takes_extra else unexpected_keys).append(extra_key)
        if strict:
            unexpected_keys.extend(
                key
                for key in state_dict
                if key.startswith(prefix) and key != extra_key and not self._expects(key.removeprefix(prefix), own)
            )

    def _load_tensor(self, name: str, tensor: Tensor, key: str, value: Any, assign: bool) -> str | None:
        """Load one entry; the fault in words, or None."""
        if not isinstance(value, Tensor):
            return (
                f'While copying the parameter named "{key}", expected minitorch.Tensor or Tensor-like object from '
                f"checkpoint but received {type(value)}"
            )
        if is_lazy(tensor) and is_lazy(value):
            return None  # there is nothing to load yet
        if tensor.dim() == 0 and tuple(value.shape) == (1,):
            value = value.reshape(())
        if value.shape != tensor.shape:
            return (
                f"size mismatch for {key}: copying a param with shape {value.shape} from checkpoint, "
                f"the shape in current model is {tensor.shape}."
            )
        with no_grad():
            if not assign:
                tensor.copy_(value)
            elif isinstance(tensor, Parameter):
                setattr(self, name, _as_parameter(value, tensor.requires_grad))
            else:
                setattr(self, name, value)
        return None

    def _local_state(self) -> dict[str, Tensor]:
        """This module's own parameters and persistent buffers by name."""
        buffers = {k: v for k, v in self._buffers.items() if k not in self._non_persistent_buffers_set}
        return {name: tensor for name, tensor in {**self._parameters, **buffers}.items() if tensor is not None}

    def _expects(self, path: str, own: Mapping[str, Any]) -> bool:
        """Whether a key of the state dict, relative to this module, belongs to it or to one of its children."""
        name, dot, _ = path.partition(".")
        return name in (self._modules if dot else own)

    def _overrides(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(ModuleState, method)

    def get_extra_state(self) -> Any:
        """Anything else to save with the module; override together with `set_extra_state`."""
        raise RuntimeError(f"{type(self).__name__} has no extra state: override get_extra_state to save some")

    def set_extra_state(self, state: Any) -> None:
        """Take back what `get_extra_state` returned."""
        raise RuntimeError(f"{type(self).__name__} has no extra state: override set_extra_state to load some")

    def register_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, prefix, keep_vars)` before the module's state is collected."""
        return add_hook(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata)` afterwards; it changes `state_dict` in place."""
        hook._from_public_api = True  # type: ignore[attr-defined]
        return add_hook(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook: Callable) -> RemovableHandle:
        """The same; what this one returns, if anything, replaces the state dict."""
        if getattr(hook, "_from_public_api", False):
            raise RuntimeError(
                "Cannot register the same function as the state dict post hook that was previously registered via "
                "register_state_dict_post_hook"
            )
        return add_hook(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)`
        before the module loads; it may change `state_dict` in place."""
        return add_hook(self._load_state_dict_pre_hooks, hook)

    def _register_load_state_dict_pre_hook(self, hook: Callable, with_module: bool = False) -> RemovableHandle:
        """The same; unless `with_module` the hook is called without the module."""
        return add_hook(self._load_state_dict_pre_hooks, hook if with_module else WithoutModule(hook))

    def register_load_state_dict_post_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, incompatible_keys)` after the module loaded; it may change the lists in place."""
        return add_hook(self._load_state_dict_post_hooks, hook)


def _quoted(key: str) -> str:
    return f'"{key}"'


def _as_parameter(value: Tensor, requires_grad: bool) -> Tensor:
    return value.requires_grad_(requires_grad) if isinstance(value, Parameter) else Parameter(value, requires_grad)
