"""Lazy modules: the sizes of their parameters are read off the first input.

The one idea: a hook before the first forward gives the parameters their shapes, draws them, and makes the module an ordinary one, by
changing its class. Read next: `LazyLinear` in `linear.py`.
"""

from __future__ import annotations

from typing import Any

from minitorch.nn.parameter import is_lazy

__all__: list[str] = []


class LazyModuleMixin:
    """Before its layer among a class's bases: `class LazyLinear(LazyModuleMixin, Linear)`.

    The class makes its parameters as `UninitializedParameter`, and `initialize_parameters(*input)` materializes them. `cls_to_become`
    is the class of the layer afterwards.

    >>> layer = minitorch.nn.LazyLinear(2)
    >>> layer.weight
    <UninitializedParameter>
    >>> _ = layer(minitorch.zeros(5, 3))
    >>> layer
    Linear(in_features=3, out_features=2, bias=True)
    """

    cls_to_become: type | None = None
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._load_hook = self.register_load_state_dict_pre_hook(_shapes_of_what_is_loaded)
        self._initialize_hook = self.register_forward_pre_hook(_become_ordinary, with_kwargs=True)

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Give the parameters the shapes that this input asks for."""
        raise NotImplementedError(f"initialize_parameters is not implemented for {type(self).__name__}")

    def has_uninitialized_params(self) -> bool:
        """Whether a parameter or a buffer has no shape yet."""
        return any(map(is_lazy, (*self._parameters.values(), *self._buffers.values())))

    def _save_to_state_dict(self: Any, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, tensor in self._local_state().items():
            destination[prefix + name] = tensor if keep_vars or is_lazy(tensor) else tensor.detach()


def _become_ordinary(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Before the first forward."""
    module.initialize_parameters(*args, **kwargs)
    if module.has_uninitialized_params():
        raise RuntimeError(f"module {type(module).__name__} has not been fully initialized")
    for hook in ("_initialize_hook", "_load_hook"):
        getattr(module, hook).remove()
        delattr(module, hook)
    if module.cls_to_become is not None:
        module.__class__ = module.cls_to_become


def _shapes_of_what_is_loaded(module: Any, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
    """Before a state is loaded: what has no shape takes that of what comes."""
    for name, tensor in {**module._parameters, **module._buffers}.items():
        given = state_dict.get(prefix + name)
        if is_lazy(tensor) and given is not None and not is_lazy(given):
            tensor.materialize(given.shape)
