"""Spectral normalisation as a hook: W / σ(W), σ the largest singular value, before each forward (Miyato et al., 2018).

σ is found by power iteration: with v ← Wᵀu / ‖Wᵀu‖, u ← W v / ‖W v‖ the vectors approach the first singular pair, and σ = uᵀ W v. A
step in each training forward is enough, for W changes little from one to the next. `weight_orig` is the parameter, u and v are buffers.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np

import minitorch
from minitorch.autograd import no_grad
from minitorch.nn import functional as F
from minitorch.nn.modules.conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from minitorch.nn.modules.module import Module
from minitorch.nn.modules.state_dict import WithoutModule
from minitorch.nn.parameter import Parameter, UninitializedParameter
from minitorch.tensor import Tensor

__all__ = [
    "SpectralNorm", "SpectralNormLoadStateDictPreHook", "SpectralNormStateDictHook", "remove_spectral_norm", "spectral_norm",
]  # fmt: skip

T_module = TypeVar("T_module", bound=Module)


class SpectralNorm:
    """The hook. dim: the dimension of the outputs; the weight is a matrix of it by all others."""

    _version = 1  # the first layout had the weight among its buffers, and no v

    def __init__(self, name: str = "weight", n_power_iterations: int = 1, dim: int = 0, eps: float = 1e-12) -> None:
        if n_power_iterations <= 0:
            raise ValueError(f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}")
        self.name = name
        self.dim = dim
        self.n_power_iterations = n_power_iterations
        self.eps = eps

    def reshape_weight_to_matrix(self, weight: Tensor) -> Tensor:
        """(size of `dim`, all others)"""
        if self.dim != 0:
            weight = weight.permute(self.dim, *[d for d in range(weight.dim()) if d != self.dim])
        return weight.reshape(weight.size(0), -1)

    def compute_weight(self, module: Module, do_power_iteration: bool) -> Tensor:
        """W / (uᵀ W v), after some steps of the power iteration if asked."""
        weight, u, v = (getattr(module, f"{self.name}_{part}") for part in ("orig", "u", "v"))
        matrix = self.reshape_weight_to_matrix(weight)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(matrix.t().mv(u), dim=0, eps=self.eps))
                    u.copy_(F.normalize(matrix.mv(v), dim=0, eps=self.eps))
                # The next forward writes into both, and backward of this one needs them as they are.
                u, v = u.clone(), v.clone()
        return weight / u.dot(matrix.mv(v))

    def remove(self, module: Module) -> None:
        """Make the weight, as it is now, the parameter again."""
        with no_grad():
            weight = self.compute_weight(module, do_power_iteration=False)
        for name in (self.name, *(f"{self.name}_{part}" for part in ("u", "v", "orig"))):
            delattr(module, name)
        module.register_parameter(self.name, Parameter(weight.detach()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.compute_weight(module, do_power_iteration=module.training))

    @staticmethod
    def apply(module: Module, name: str, n_power_iterations: int, dim: int, eps: float) -> SpectralNorm:
        """Put W, u and v in the place of the parameter, and hang up the hooks."""
        for hook in module._forward_pre_hooks.values():
            if isinstance(hook, SpectralNorm) and hook.name == name:
                raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
        made = SpectralNorm(name, n_power_iterations, dim, eps)
        weight = module._parameters[name]
        if weight is None:
            raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
        if isinstance(weight, UninitializedParameter):
            raise ValueError(
                "The module passed to `SpectralNorm` can't have uninitialized parameters. Make sure to run the dummy forward "
                "before applying spectral normalization"
            )
        with no_grad():
            u, v = (
                F.normalize(weight.new_empty(size).normal_(0, 1), dim=0, eps=eps)
                for size in made.reshape_weight_to_matrix(weight).shape
            )
        delattr(module, name)
        module.register_parameter(f"{name}_orig", weight)
        setattr(module, name, weight.data)  # until the first forward, for whoever looks at it
        module.register_buffer(f"{name}_u", u)
        module.register_buffer(f"{name}_v", v)
        module.register_forward_pre_hook(made)
        module._register_state_dict_hook(SpectralNormStateDictHook(made))
        module._register_load_state_dict_pre_hook(SpectralNormLoadStateDictPreHook(made))
        return made


class SpectralNormStateDictHook:
    """Writes the version of the layout beside the module's own."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(self, module: Module, state_dict: Any, prefix: str, local_metadata: dict[str, Any]) -> None:
        versions = local_metadata.setdefault("spectral_norm", {})
        key = f"{self.fn.name}.version"
        if key in versions:
            raise RuntimeError(f"Unexpected key in metadata['spectral_norm']: {key}")
        versions[key] = self.fn._version


class SpectralNormLoadStateDictPreHook:
    """Makes v for a state of the first layout, which had W, u and W / σ."""

    def __init__(self, fn: SpectralNorm) -> None:
        self.fn = fn

    def __call__(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        version = local_metadata.get("spectral_norm", {}).get(f"{self.fn.name}.version")
        key = prefix + self.fn.name
        of_now = all(f"{key}_{part}" in state_dict for part in ("orig", "u", "v")) and key not in state_dict
        if version is not None or of_now:  # a state of now may have lost its metadata
            return
        missing = [each for each in (f"{key}_orig", key, f"{key}_u") if each not in state_dict]
        if missing:
            missing_keys.extend(missing if strict else [])
            return
        with no_grad():
            original, u = state_dict[f"{key}_orig"], state_dict[f"{key}_u"]
            sigma = (original / state_dict.pop(key)).mean()
            state_dict[f"{key}_v"] = _right_vector(self.fn.reshape_weight_to_matrix(original), u, sigma)


def _right_vector(matrix: Tensor, u: Tensor, sigma: Tensor) -> Tensor:
    """A v along (WᵀW)⁺ Wᵀ u, so long that uᵀ W v = σ."""
    w = matrix.detach().cpu().numpy()
    solved = np.linalg.pinv(w.T @ w) @ (w.T @ u.cpu().numpy())
    v = minitorch.from_numpy(solved).to(matrix.device)
    return v * (sigma / u.dot(matrix.mv(v)))


def spectral_norm(
    module: T_module, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> T_module:
    """W / σ(W) for the module's parameter `name`; `dim` is its outputs': 0, or 1 for a transposed convolution, unless given.

    >>> list(spectral_norm(minitorch.nn.Linear(2, 3)).state_dict())
    ['bias', 'weight_orig', 'weight_u', 'weight_v']
    """
    if dim is None:
        dim = int(isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)))
    SpectralNorm.apply(module, name, n_power_iterations, dim, eps)
    return module


def remove_spectral_norm(module: T_module, name: str = "weight") -> T_module:
    """Undo `spectral_norm`: the weight, as it is now, is a parameter again. (torch forgets the hook of loading; this does not.)"""
    key = _key_of(module._forward_pre_hooks, SpectralNorm, name)
    if key is None:
        raise ValueError(f"spectral_norm of '{name}' not found in {module}")
    module._forward_pre_hooks.pop(key).remove(module)  # type: ignore[attr-defined]
    for hooks, kind in (
        (module._state_dict_hooks, SpectralNormStateDictHook),
        (module._load_state_dict_pre_hooks, SpectralNormLoadStateDictPreHook),
    ):
        key = _key_of(hooks, kind, name)
        if key is not None:
            del hooks[key]
    return module


def _key_of(hooks: dict[int, Any], kind: Any, name: str) -> int | None:
    """The key of the hook of that kind for the parameter `name`, or None."""
    for key, hook in hooks.items():
        hook = hook.hook if isinstance(hook, WithoutModule) else hook
        if isinstance(hook, kind) and getattr(hook, "fn", hook).name == name:
            return key
    return None
