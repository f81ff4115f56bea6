"""Pruning: a mask of zeros and ones over a parameter, which a hook multiplies in before each forward.

In the place of `weight` stand the parameter `weight_orig`, which is trained, and the buffer `weight_mask`; `weight` itself is their
product, so that no gradient reaches what is masked. Nothing gets smaller or faster by it: the zeros are stored and multiplied like any
other number, until somebody takes whole channels out. Which numbers go is all that a method decides: `compute_mask`.
Han et al. (2015) prune single weights, Li et al. (2017) whole filters.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import minitorch
from minitorch.nn.modules.module import Module
from minitorch.nn.utils.convert_parameters import parameters_to_vector
from minitorch.tensor import Tensor

__all__ = [
    "BasePruningMethod",
    "CustomFromMask",
    "Identity",
    "L1Unstructured",
    "LnStructured",
    "PruningContainer",
    "RandomStructured",
    "RandomUnstructured",
    "custom_from_mask",
    "global_unstructured",
    "identity",
    "is_pruned",
    "l1_unstructured",
    "ln_structured",
    "random_structured",
    "random_unstructured",
    "remove",
]

T_module = TypeVar("T_module", bound=Module)


class BasePruningMethod(ABC):
    """A way to choose what is masked: a subclass writes `compute_mask` and says in `PRUNING_TYPE` what it chooses among.

    "unstructured": single numbers, among those that are still there; "structured": indices of the dimension `dim`, among those that
    still have a number; "global": all at once.
    """

    PRUNING_TYPE: str
    _tensor_name: str | None = None

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask for `t`, whose numbers tell how important each place is; zeros of `default_mask` stay zeros."""

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._name_in(module), self.apply_mask(module))

    def apply_mask(self, module: Module) -> Tensor:
        """mask · original, as the module holds them."""
        name = self._name_in(module)
        orig = getattr(module, f"{name}_orig")
        return getattr(module, f"{name}_mask").to(dtype=orig.dtype) * orig

    @classmethod
    def apply(
        cls, module: Module, name: str, *args: Any, importance_scores: Tensor | None = None, **kwargs: Any
    ) -> BasePruningMethod:
        """Prune the parameter `name` of a module by `cls(*args, **kwargs)`, on top of what has pruned it before.

        `importance_scores`, of the parameter's shape, are asked in its place. If anything is wrong, the module stays as it was.
        """
        hooks = module._forward_pre_hooks
        found = [k for k, hook in hooks.items() if isinstance(hook, BasePruningMethod) and hook._tensor_name == name]
        if len(found) > 1:
            raise AssertionError(
                f"Avoid adding multiple pruning hooks to the same tensor {name} of module {module}. Use a PruningContainer."
            )
        method = cls(*args, **kwargs)
        method._tensor_name = name
        t = getattr(module, name)
        scores = _scores_like(t, importance_scores, f"parameter {name} of {module}")
        if not found:
            mask = method.compute_mask(scores, default_mask=minitorch.ones_like(t))
            module.register_parameter(f"{name}_orig", t)
            del module._parameters[name]
        else:
            before = hooks[found[0]]
            after = PruningContainer(*before) if isinstance(before, PruningContainer) else PruningContainer(before)
            after.add_pruning_method(method)
            known = getattr(module, f"{name}_mask").detach().clone(memory_format=minitorch.contiguous_format)
            mask, method = after.compute_mask(scores, default_mask=known), after
            del hooks[found[0]]
        module.register_buffer(f"{name}_mask", mask)
        setattr(module, name, method.apply_mask(module))
        module.register_forward_pre_hook(method)
        return method

    def prune(self, t: Tensor, default_mask: Tensor | None = None, importance_scores: Tensor | None = None) -> Tensor:
        """`t` with what this method chooses set to zero; `t` itself stays as it is.

        >>> L1Unstructured(amount=2).prune(minitorch.tensor([3.0, -1.0, 0.5, 2.0]))
        tensor([3., -0., 0., 2.])
        """
        scores = _scores_like(t, importance_scores, "tensor t")
        return t * self.compute_mask(scores, default_mask=minitorch.ones_like(t) if default_mask is None else default_mask)

    def remove(self, module: Module) -> None:
        """Make the pruned tensor the parameter again. The zeros stay: pruning is made permanent, not undone."""
        name = self._name_in(module)
        pruned = self.apply_mask(module)
        if hasattr(module, name):
            delattr(module, name)
        orig: Any = module._parameters.pop(f"{name}_orig")
        del module._buffers[f"{name}_mask"]
        orig.data = pruned.data
        setattr(module, name, orig)

    def _name_in(self, module: Module) -> str:
        if self._tensor_name is None:
            raise AssertionError(f"Module {module} has to be pruned: this {type(self).__name__} has not been applied to one")
        return self._tensor_name


class PruningContainer(BasePruningMethod):
    """Several methods that prune one parameter in turn (iterative pruning): the last one chooses among what the others left."""

    def __init__(self, *methods: Any) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if methods:
            self._tensor_name = methods[0]._tensor_name
        for method in methods:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: BasePruningMethod | None) -> None:
        """Let another method prune after those that are there; it must be for the same parameter."""
        if method is not None and not isinstance(method, BasePruningMethod):
            raise TypeError(f"{type(method)} is not a BasePruningMethod subclass")
        if method is not None and self._tensor_name != method._tensor_name:
            raise ValueError(
                f"Can only add pruning methods acting on the parameter named '{self._tensor_name}' to PruningContainer {self}. "
                f"Found '{method._tensor_name}'"
            )
        self._pruning_methods += (method,)  # type: ignore[operator]

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, index: Any) -> Any:
        return self._pruning_methods[index]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask of the last method for what `default_mask` left, put into that mask."""
        method = self._pruning_methods[-1]
        left = _left_for(method, t, default_mask)
        mask = default_mask.to(dtype=t.dtype)
        mask[left] = method.compute_mask(t[left], default_mask=default_mask[left]).to(dtype=mask.dtype)
        return mask


def _left_for(method: BasePruningMethod, t: Tensor, mask: Tensor) -> Any:
    """The index of what a method may choose among: the numbers that are still there, or the indices of its dimension that are."""
    if method.PRUNING_TYPE == "unstructured":
        return mask == 1
    every: list[Any] = [slice(None)] * t.dim()
    if method.PRUNING_TYPE == "structured":
        if not hasattr(method, "dim"):
            raise AttributeError('Pruning methods of PRUNING_TYPE "structured" need to have the attribute `dim` defined.')
        dim = method.dim + t.dim() if method.dim < 0 else method.dim
        if dim < 0:
            raise IndexError(f"Index is out of bounds for tensor with dimensions {t.dim()}")
        every[dim] = mask.sum(dim=[d for d in range(t.dim()) if d != dim]) != 0
    elif method.PRUNING_TYPE != "global":
        raise ValueError(f"Unrecognized PRUNING_TYPE {method.PRUNING_TYPE}")
    return tuple(every)


# ---- the methods ----


class Identity(BasePruningMethod):
    """Masks nothing: the parameter gets its mask, to be changed later."""

    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return default_mask

    @classmethod
    def apply(cls, module: Module, name: str) -> BasePruningMethod:  # type: ignore[override]
        return super().apply(module, name)


class RandomUnstructured(BasePruningMethod):
    """Single numbers drawn at random: `amount` is how many (int), or their share (float)."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: float) -> None:
        self.amount = _amount(amount)

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return _without(default_mask, _number_of(self.amount, t.numel()), lambda: minitorch.rand_like(t), largest=True)

    @classmethod
    def apply(cls, module: Module, name: str, amount: float) -> BasePruningMethod:  # type: ignore[override]
        return super().apply(module, name, amount=amount)


class L1Unstructured(BasePruningMethod):
    """The numbers nearest to zero: `amount` is how many (int), or their share (float)."""

    PRUNING_TYPE = "unstructured"

    def __init__(self, amount: float) -> None:
        self.amount = _amount(amount)

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        return _without(default_mask, _number_of(self.amount, t.numel()), lambda: t.abs(), largest=False)

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: float, importance_scores: Tensor | None = None
    ) -> BasePruningMethod:
        return super().apply(module, name, amount=amount, importance_scores=importance_scores)


class RandomStructured(BasePruningMethod):
    """Whole indices of the dimension `dim` (channels) drawn at random."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, dim: int = -1) -> None:
        self.amount, self.dim = _amount(amount), dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        channels = _channels(t, self.dim)
        number = _number_of(self.amount, channels)
        if number == 0:
            return default_mask
        drawn = minitorch.rand(channels)
        return _keeping(drawn > minitorch.kthvalue(drawn, k=number).values, t, self.dim, default_mask)

    @classmethod
    def apply(cls, module: Module, name: str, amount: float, dim: int = -1) -> BasePruningMethod:  # type: ignore[override]
        return super().apply(module, name, amount=amount, dim=dim)


class LnStructured(BasePruningMethod):
    """The indices of the dimension `dim` (channels) whose numbers have the smallest Lₙ norm."""

    PRUNING_TYPE = "structured"

    def __init__(self, amount: float, n: Any, dim: int = -1) -> None:
        self.amount, self.n, self.dim = _amount(amount), n, dim

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        channels = _channels(t, self.dim)
        number = _number_of(self.amount, channels)
        rest = list(range(t.dim()))
        del rest[self.dim]
        kept = minitorch.norm(t, p=self.n, dim=rest).topk(channels - number, largest=True).indices
        return default_mask if number == 0 else _keeping(kept, t, self.dim, default_mask)

    @classmethod
    def apply(  # type: ignore[override]
        cls, module: Module, name: str, amount: float, n: Any, dim: int, importance_scores: Tensor | None = None
    ) -> BasePruningMethod:
        return super().apply(module, name, amount=amount, n=n, dim=dim, importance_scores=importance_scores)


class CustomFromMask(BasePruningMethod):
    """What a mask of one's own says."""

    PRUNING_TYPE = "global"

    def __init__(self, mask: Tensor) -> None:
        self.mask = mask

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        if default_mask.shape != self.mask.shape:
            raise AssertionError(f"default_mask shape {default_mask.shape} must match self.mask shape {self.mask.shape}")
        return default_mask * self.mask.to(dtype=default_mask.dtype)

    @classmethod
    def apply(cls, module: Module, name: str, mask: Tensor) -> BasePruningMethod:  # type: ignore[override]
        return super().apply(module, name, mask=mask)


# ---- the same as functions, which return the module ----


def identity(module: T_module, name: str) -> T_module:
    """Give the parameter a mask of ones.

    >>> layer = identity(minitorch.nn.Linear(2, 3), "weight")
    >>> list(layer.state_dict()), layer.weight.is_leaf
    (['bias', 'weight_orig', 'weight_mask'], False)
    """
    Identity.apply(module, name)
    return module


def random_unstructured(module: T_module, name: str, amount: float) -> T_module:
    """Mask `amount` (a number, or a share in [0, 1]) of the parameter's numbers, drawn at random."""
    RandomUnstructured.apply(module, name, amount)
    return module


def l1_unstructured(module: T_module, name: str, amount: float, importance_scores: Tensor | None = None) -> T_module:
    """Mask the `amount` (a number, or a share in [0, 1]) of the parameter's numbers that are nearest to zero."""
    L1Unstructured.apply(module, name, amount=amount, importance_scores=importance_scores)
    return module


def random_structured(module: T_module, name: str, amount: float, dim: int) -> T_module:
    """Mask `amount` (a number, or a share in [0, 1]) of the indices of `dim`, drawn at random."""
    RandomStructured.apply(module, name, amount, dim)
    return module


def ln_structured(
    module: T_module, name: str, amount: float, n: Any, dim: int, importance_scores: Tensor | None = None
) -> T_module:
    """Mask the `amount` of the indices of `dim` that have the smallest Lₙ norm.

    >>> layer = minitorch.nn.Linear(2, 3)
    >>> with minitorch.no_grad():
    ...     _ = layer.weight.copy_(minitorch.tensor([[1.0, 2.0], [0.1, 0.1], [3.0, 0.0]]))
    >>> ln_structured(layer, "weight", amount=1, n=2, dim=0).weight_mask
    tensor([[1., 1.],
            [0., 0.],
            [1., 1.]])
    """
    LnStructured.apply(module, name, amount, n, dim, importance_scores=importance_scores)
    return module


def custom_from_mask(module: T_module, name: str, mask: Tensor) -> T_module:
    """Mask what is 0 in `mask`, which has the parameter's shape."""
    CustomFromMask.apply(module, name, mask)
    return module


def global_unstructured(
    parameters: Any, pruning_method: type[BasePruningMethod], importance_scores: dict | None = None, **kwargs: Any
) -> None:
    """Prune several parameters, given as (module, name), as if they were one vector: a layer of small weights loses more of them.

    `kwargs` go to `pruning_method`, which must be unstructured. `importance_scores` is a dict {(module, name): scores}.
    """
    if not isinstance(parameters, Iterable):
        raise TypeError("global_unstructured(): parameters is not an Iterable")
    if not isinstance(scores := {} if importance_scores is None else importance_scores, dict):
        raise TypeError("global_unstructured(): importance_scores must be of type dict")
    places = list(parameters)
    tensors = [getattr(module, name) for module, name in places]
    t = parameters_to_vector([scores.get(place, tensor) for place, tensor in zip(places, tensors)])
    known = parameters_to_vector(
        [getattr(module, f"{name}_mask", minitorch.ones_like(x)) for (module, name), x in zip(places, tensors)]
    )
    method = pruning_method(**kwargs)
    if method.PRUNING_TYPE != "unstructured":
        raise TypeError(
            f'Only "unstructured" PRUNING_TYPE supported for the `pruning_method`. Found method {pruning_method} of type '
            f"{method.PRUNING_TYPE}"
        )
    mask = PruningContainer(method).compute_mask(t, known)
    for (module, name), part, x in zip(places, mask.split([x.numel() for x in tensors]), tensors):
        custom_from_mask(module, name, mask=part.view_as(x))


def remove(module: T_module, name: str) -> T_module:
    """Make the pruned tensor the parameter again, zeros and all.

    >>> layer = remove(random_unstructured(minitorch.nn.Linear(2, 3), "weight", amount=4), "weight")
    >>> list(layer.state_dict()), int((layer.weight == 0).sum())
    (['bias', 'weight'], 4)
    """
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            hook.remove(module)
            del module._forward_pre_hooks[key]
            return module
    raise ValueError(f"Parameter '{name}' of module {module} has to be pruned before pruning can be removed")


def is_pruned(module: Module) -> bool:
    """Whether the module, or one in it, is pruned."""
    return any(isinstance(h, BasePruningMethod) for m in module.modules() for h in m._forward_pre_hooks.values())


# ---- for the methods ----


def _scores_like(t: Tensor, scores: Tensor | None, what: str) -> Tensor:
    if scores is not None and scores.shape != t.shape:
        raise AssertionError(
            f"importance_scores should have the same shape as {what}, got {tuple(scores.shape)} vs {tuple(t.shape)}"
        )
    return t if scores is None else scores


def _amount(amount: Any) -> Any:
    """How much to prune: a number ≥ 0, or a share in [0, 1]."""
    if not isinstance(amount, numbers.Real):
        raise TypeError(f"Invalid type for amount: {amount}. Must be int or float.")
    most = float("inf") if isinstance(amount, numbers.Integral) else 1
    if not 0 <= float(amount) <= most:
        raise ValueError(f"amount={amount} should either be a float in the range [0, 1] or a non-negative integer")
    return amount


def _number_of(amount: Any, size: int) -> int:
    """How many of `size` an amount is: a share is rounded, halves to the even number."""
    number = int(amount) if isinstance(amount, numbers.Integral) else round(amount * size)
    if number > size:
        raise ValueError(f"amount={number} should be smaller than the number of parameters to prune={size}")
    return number


def _without(mask: Tensor, number: int, scores: Any, largest: bool) -> Tensor:
    """The mask without the places of so many scores, the largest or the smallest."""
    mask = mask.clone(memory_format=minitorch.contiguous_format)
    if number:
        mask.view(-1)[scores().view(-1).topk(number, largest=largest).indices] = 0
    return mask


def _channels(t: Tensor, dim: int) -> int:
    """How many indices the dimension has that is pruned."""
    if t.dim() <= 1:
        raise ValueError(
            f"Structured pruning can only be applied to multidimensional tensors. Found tensor of shape {tuple(t.shape)} with "
            f"{t.dim()} dims"
        )
    if dim >= t.dim():
        raise IndexError(f"Invalid index {dim} for tensor of size {tuple(t.shape)}")
    return t.shape[dim]


def _keeping(channels: Tensor, t: Tensor, dim: int, mask: Tensor) -> Tensor:
    """The mask, but of these indices of `dim` alone."""
    kept = minitorch.zeros_like(t)
    kept.movedim(dim, 0)[channels] = 1
    kept *= mask.to(dtype=kept.dtype)
    return kept
