"""Batch normalisation: in training each channel is normalised by the batch, in evaluation by running statistics.

The batch is normalised with its biased variance, but `running_var` collects the unbiased one, as torch does.
The formula is `batch_norm` in `minitorch/ops/normalize.py`.
"""

from __future__ import annotations

import sys
from typing import Any

import minitorch
from minitorch.nn import functional as F
from minitorch.nn import init
from minitorch.nn.modules import _functions
from minitorch.nn.modules.lazy import LazyModuleMixin
from minitorch.nn.modules.module import Module
from minitorch.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter
from minitorch.tensor import Tensor

__all__ = [
    "BatchNorm1d", "BatchNorm2d", "BatchNorm3d", "LazyBatchNorm1d", "LazyBatchNorm2d", "LazyBatchNorm3d", "SyncBatchNorm",
]  # fmt: skip


class _NormBase(Module):
    """The state of a batch or instance norm: an affine map and running statistics, either of which may be missing.

    Subclasses say which inputs they accept: `dims`, the numbers of dimensions.
    """

    dims: tuple[int, ...] = ()
    _version = 2  # the first layout had no num_batches_tracked

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats

        def per_channel() -> Tensor:
            return minitorch.empty(num_features, device=device, dtype=dtype)

        self.register_parameter("weight", Parameter(per_channel()) if affine else None)
        self.register_parameter("bias", Parameter(per_channel()) if affine and bias else None)
        self.register_buffer("running_mean", per_channel() if track_running_stats else None)
        self.register_buffer("running_var", per_channel() if track_running_stats else None)
        count = minitorch.tensor(0, dtype=minitorch.int64, device=device)
        self.register_buffer("num_batches_tracked", count if track_running_stats else None)
        self.reset_parameters()

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim not in self.dims:
            expected = " or ".join(f"{d}D" for d in self.dims)
            raise ValueError(f"expected {expected} input (got {input.ndim}D input)")

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *lists: Any) -> None:
        """A state of version 1, or of none, keeps the number of batches that is here."""
        if local_metadata.get("version", 1) < 2 and self.track_running_stats:
            state_dict.setdefault(f"{prefix}num_batches_tracked", self.num_batches_tracked)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *lists)

    def reset_running_stats(self) -> None:
        """Forget the batches seen: mean 0, variance 1."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Forget the batches seen, and make the affine map the identity."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_NormBase):
    """What a batch norm does; subclasses say which inputs they accept."""

    def forward(self, input: Tensor) -> Tensor:
        self._check_input_dim(input)
        momentum = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the average of all batches so far
                momentum = 1 / float(self.num_batches_tracked)
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        keep = not self.training or self.track_running_stats
        running = (self.running_mean, self.running_var) if keep else (None, None)
        return self._normalized(input, running[0], running[1], by_batch, momentum)

    def _normalized(self, input: Tensor, mean: Any, var: Any, by_batch: bool, momentum: float) -> Tensor:
        """The normalisation, once it is settled by which statistics, and which of them move."""
        return F.batch_norm(input, mean, var, self.weight, self.bias, by_batch, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """y = (x − mean) / √(var + ε) · w + b per channel of x (N, C) or (N, C, L) (Ioffe and Szegedy, 2015).

    Training uses the batch's statistics and moves running ← (1 − momentum) running + momentum batch; `momentum=None`
    averages all batches. Evaluation uses the running ones. Buffers: running_mean, running_var, num_batches_tracked.

    >>> minitorch.nn.BatchNorm1d(1)(minitorch.tensor([[1.0], [3.0]])).tolist()
    [[-0.9999950528144836], [0.9999950528144836]]
    """

    dims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """`BatchNorm1d` for images x (N, C, H, W)."""

    dims = (4,)


class BatchNorm3d(_BatchNorm):
    """`BatchNorm1d` for volumes x (N, C, D, H, W)."""

    dims = (5,)


class SyncBatchNorm(_BatchNorm):
    """`BatchNorm1d` for x (N, C, …), with the statistics of all processes' batches together: `_functions.py`.

    process_group: None, all processes. In evaluation, and where no process group was made, it is `BatchNorm1d`. Unlike torch's it
    works on the CPU too. All processes must run its forward and backward equally often.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias)
        self.process_group = process_group

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(f"expected at least 2D input (got {input.ndim}D input)")
        if input.shape[1] == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")

    def _normalized(self, input: Tensor, mean: Any, var: Any, by_batch: bool, momentum: float) -> Tensor:
        dist = sys.modules.get("minitorch.distributed")  # who has made no group has no need to import it
        if dist is None or not self.training or not dist.is_initialized() or dist.get_world_size(self.process_group) == 1:
            return super()._normalized(input, mean, var, by_batch, momentum)
        return _functions.SyncBatchNorm.apply(
            input, self.weight, self.bias, mean, var, self.eps, momentum, self.process_group
        )

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """`module` with every batch norm in it made a SyncBatchNorm that has the same tensors."""
        converted = cls._holding_the_same(module, process_group) if isinstance(module, _BatchNorm) else module
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted

    @staticmethod
    def _holding_the_same(norm: _BatchNorm, process_group: Any) -> SyncBatchNorm:
        options = norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats
        made = SyncBatchNorm(*options, process_group, bias=norm.bias is not None)
        if norm.affine:
            made.weight, made.bias = norm.weight, norm.bias
        for name in ("running_mean", "running_var", "num_batches_tracked", "training"):
            setattr(made, name, getattr(norm, name))
        return made


# ---- channels that are not known yet ----


class _LazyNormBase(LazyModuleMixin, _NormBase):
    """A batch or instance norm whose num_features is the size of dimension 1 of its first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, device, dtype, bias=False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(device=device, dtype=dtype)
            if bias:
                self.bias = UninitializedParameter(device=device, dtype=dtype)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(device=device, dtype=dtype)
            self.running_var = UninitializedBuffer(device=device, dtype=dtype)
            self.num_batches_tracked = minitorch.tensor(0, dtype=minitorch.int64, device=device)

    def reset_parameters(self) -> None:
        """Set them, once they have a shape."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:  # type: ignore[override]
        if self.has_uninitialized_params():
            self.num_features = input.shape[1]
            for tensor in (self.weight, self.bias, self.running_mean, self.running_var):
                if tensor is not None:
                    tensor.materialize((self.num_features,))
            self.reset_parameters()


class LazyBatchNorm1d(_LazyNormBase, _BatchNorm):
    """A `BatchNorm1d` whose num_features is the size of dimension 1 of its first input; from then on it is a `BatchNorm1d`."""

    cls_to_become = BatchNorm1d
    dims = BatchNorm1d.dims


class LazyBatchNorm2d(_LazyNormBase, _BatchNorm):
    """A `BatchNorm2d` whose num_features is that of its first input."""

    cls_to_become = BatchNorm2d
    dims = BatchNorm2d.dims


class LazyBatchNorm3d(_LazyNormBase, _BatchNorm):
    """A `BatchNorm3d` whose num_features is that of its first input."""

    cls_to_become = BatchNorm3d
    dims = BatchNorm3d.dims
