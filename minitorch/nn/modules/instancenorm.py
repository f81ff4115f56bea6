"""Instance normalisation: each channel of each sample is normalised by its own mean and variance, in evaluation too.

Only with `track_running_stats` evaluation uses running statistics. The formula is `instance_norm` in `minitorch/ops/normalize.py`.
"""

from __future__ import annotations

from typing import Any

from minitorch.arrays.warning import warn
from minitorch.nn import functional as F
from minitorch.nn.modules.batchnorm import _LazyNormBase, _NormBase
from minitorch.tensor import Tensor

__all__ = [
    "InstanceNorm1d", "InstanceNorm2d", "InstanceNorm3d", "LazyInstanceNorm1d", "LazyInstanceNorm2d", "LazyInstanceNorm3d",
]  # fmt: skip


class _InstanceNorm(_NormBase):
    """What an instance norm does; subclasses say how many dimensions one sample and a batch have (`dims`)."""

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        self._check_channels(input)
        if input.ndim == self.dims[0]:  # one sample
            return self._normalized(input.unsqueeze(0)).squeeze(0)
        return self._normalized(input)

    def _normalized(self, input: Tensor) -> Tensor:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )

    def _check_channels(self, input: Tensor) -> None:
        """A wrong number of channels is an error where something is kept per channel, and strange where nothing is."""
        dim = input.ndim - self.dims[0]
        channels = input.shape[dim]
        if channels == self.num_features:
            return
        if self.affine:
            raise ValueError(
                f"expected input's size at dim={dim} to match num_features ({self.num_features}), but got: {channels}."
            )
        warn(
            f"input's size at dim={dim} does not match num_features. You can silence this warning by not passing in "
            "num_features, which is not used because affine=False"
        )

    def _load_from_state_dict(
        self,
        state_dict: Any,
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """A state without a version is of the time when statistics were tracked by default: refused where none are."""
        keys = [key for key in (f"{prefix}running_mean", f"{prefix}running_var") if key in state_dict]
        if local_metadata.get("version") is None and not self.track_running_stats and keys:
            names, kind = " and ".join(f'"{key}"' for key in keys), type(self).__name__
            error_msgs.append(
                f"Unexpected running stats buffer(s) {names} for {kind} with track_running_stats=False. If state_dict is a "
                f"checkpoint saved before 0.4.0, this may be expected because {kind} does not track running stats by default "
                "since 0.4.0. Please remove these keys from state_dict. If the running stats are actually needed, instead set "
                f"track_running_stats=True in {kind} to enable them. See the documentation of {kind} for details."
            )
            for key in keys:
                del state_dict[key]
        super()._load_from_state_dict(state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)


class InstanceNorm1d(_InstanceNorm):
    """y = (x − mean) / √(var + ε) · w + b for each channel of each sample of x (N, C, L) or (C, L) (Ulyanov et al., 2016).

    There is no w and b unless `affine`. With `track_running_stats` training moves running ← (1 − momentum) running +
    momentum · the samples' mean, and evaluation normalises by those.

    >>> minitorch.nn.InstanceNorm1d(1)(minitorch.tensor([[[1.0, 3.0]]])).tolist()
    [[[-0.9999950528144836, 0.9999950528144836]]]
    """

    dims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """`InstanceNorm1d` for images x (N, C, H, W) or (C, H, W)."""

    dims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """`InstanceNorm1d` for volumes x (N, C, D, H, W) or (C, D, H, W)."""

    dims = (4, 5)


class LazyInstanceNorm1d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm1d` whose num_features is the size of dimension 1 of its first input; from then on it is one."""

    cls_to_become = InstanceNorm1d
    dims = InstanceNorm1d.dims


class LazyInstanceNorm2d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm2d` whose num_features is the size of dimension 1 of its first input."""

    cls_to_become = InstanceNorm2d
    dims = InstanceNorm2d.dims


class LazyInstanceNorm3d(_LazyNormBase, _InstanceNorm):
    """An `InstanceNorm3d` whose num_features is the size of dimension 1 of its first input."""

    cls_to_become = InstanceNorm3d
    dims = InstanceNorm3d.dims
