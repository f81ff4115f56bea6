"""Convolutions and transposed convolutions: layers with a kernel, one class for each number of spatial dimensions.

What they compute is in `minitorch/ops/convolution.py`; here are their weights, how these are drawn, and how padding other than by
zeros comes about: the input is padded before. Read next: `lazy.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import minitorch
from minitorch.nn import functional as F
from minitorch.nn import init
from minitorch.nn.modules.lazy import LazyModuleMixin
from minitorch.nn.modules.module import Module
from minitorch.nn.parameter import Parameter, UninitializedParameter
from minitorch.tensor import Tensor

__all__ = [
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "LazyConv1d", "LazyConv2d", "LazyConv3d",
    "LazyConvTranspose1d", "LazyConvTranspose2d", "LazyConvTranspose3d",
]  # fmt: skip

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    """The state of a convolution over `dims` spatial dimensions."""

    dims = 0
    transposed = False
    padding: str | tuple[int, ...]

    def _set_up(
        self,
        channels: tuple[int, int],
        steps: dict[str, Any],
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        """What both constructors do. steps: kernel_size, stride and the like, an int or a number for each dimension."""
        super().__init__()
        self.transposed = type(self).transposed  # an attribute of the module too, as in torch: it stands in files
        self.in_channels, self.out_channels = channels
        _refuse(channels, groups, steps["stride"], steps["padding"], padding_mode)
        for name, value in steps.items():
            setattr(self, name, value if isinstance(value, str) else _ntuple(value, self.dims))
        self.groups = groups
        self.padding_mode = padding_mode
        self._reversed_padding_repeated_twice = self._padding_for_pad()
        self.weight = Parameter(minitorch.empty(self._weight_shape(), device=device, dtype=dtype))
        made = Parameter(minitorch.empty(self.out_channels, device=device, dtype=dtype)) if bias else None
        self.register_parameter("bias", made)
        self.reset_parameters()

    def _weight_shape(self) -> tuple[int, ...]:
        first, second = self.out_channels, self.in_channels
        if self.transposed:
            first, second = second, first
        return (first, second // self.groups, *self.kernel_size)

    def _padding_for_pad(self) -> list[int] | tuple[int, ...]:
        """The padding as `F.pad` takes it: (before, after) of the last dimension first."""
        if not isinstance(self.padding, str):
            return tuple(n for n in reversed(self.padding) for _ in range(2))
        totals = [d * (k - 1) if self.padding == "same" else 0 for k, d in zip(self.kernel_size, self.dilation)]
        return [n for total in reversed(totals) for n in (total // 2, total - total // 2)]

    def reset_parameters(self) -> None:
        """Draw the weight, then the bias. Kaiming-uniform with a = √5 is U(±1/√fan_in)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}"]
        parts += [f"{name}={getattr(self, name)}" for name in ("kernel_size", "stride")]
        usual = {"padding": 0, "dilation": 1, "output_padding": 0}
        parts += [f"{name}={getattr(self, name)}" for name, n in usual.items() if getattr(self, name) != (n,) * self.dims]
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


def _ntuple(value: Any, n: int) -> tuple[int, ...]:
    """A number for each of n dimensions: what several numbers say, or one number for all."""
    return tuple(value) if isinstance(value, Iterable) else (value,) * n


def _refuse(channels: tuple[int, int], groups: int, stride: Any, padding: Any, padding_mode: str) -> None:
    """ValueError for options that do not fit together."""
    if groups <= 0:
        raise ValueError(f"groups must be a positive integer, got {groups}")
    for name, n in zip(("in_channels", "out_channels"), channels):
        if n % groups:
            raise ValueError(f"{name} must be divisible by groups, got {name}={n} and groups={groups}")
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise ValueError(f"Invalid padding string {padding!r}, should be 'same' or 'valid', or numbers")
        if padding == "same" and any(s != 1 for s in _ntuple(stride, 1)):
            raise ValueError(f"padding='same' is not supported for strided convolutions, got stride={stride}")
    if padding_mode not in PADDING_MODES:
        raise ValueError(f"padding_mode must be one of {', '.join(PADDING_MODES)}, but got padding_mode={padding_mode!r}")


# ---- convolutions ----


class _Conv(_ConvNd):
    """A convolution; subclasses say over how many dimensions."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: str | int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        steps = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation, "output_padding": 0}
        self._set_up((in_channels, out_channels), steps, groups, bias, padding_mode, device, dtype)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The convolution with a weight that may be another than the layer's own."""
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._reversed_padding_repeated_twice, mode=self.padding_mode), 0
        convolve = getattr(F, f"conv{self.dims}d")
        return convolve(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Tensor) -> Tensor:
        return self._conv_forward(input, self.weight, self.bias)


class Conv1d(_Conv):
    """y_o = Σ_c w_oc ⋆ x_c + b_o: kernels slide over x (N, C, L) or (C, L); w (O, C / groups, k), from U(±1/√fan_in), as b.

    `padding` zeros at both ends ("same": as many as keep L; "valid": none), or what `padding_mode` puts there: "reflect", "replicate",
    "circular". The result has (L + 2 padding − dilation (k − 1) − 1) / stride + 1 places, rounded down (LeCun et al., 1989).

    >>> minitorch.nn.Conv1d(2, 3, 5, padding="same")(minitorch.zeros(1, 2, 8)).shape
    minitorch.Size([1, 3, 8])
    """

    dims = 1


class Conv2d(_Conv):
    """`Conv1d` for images x (N, C, H, W) or (C, H, W). Options are an int for both dimensions, or (height, width).

    >>> minitorch.nn.Conv2d(1, 6, 3, stride=2, padding=1)(minitorch.zeros(4, 1, 28, 28)).shape
    minitorch.Size([4, 6, 14, 14])
    """

    dims = 2


class Conv3d(_Conv):
    """`Conv1d` for volumes x (N, C, D, H, W) or (C, D, H, W). Options are an int for all dimensions, or (depth, height, width)."""

    dims = 3


# ---- transposed convolutions ----


class _ConvTranspose(_ConvNd):
    """A transposed convolution; subclasses say over how many dimensions."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}, got {padding_mode!r}')
        steps = {"kernel_size": kernel_size, "stride": stride, "padding": _ntuple(padding, self.dims)}
        steps |= {"dilation": dilation, "output_padding": output_padding}
        self._set_up((in_channels, out_channels), steps, groups, bias, padding_mode, device, dtype)

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """output_size: of the result's spatial dimensions, or of all, where the stride leaves several open."""
        more = self.output_padding if output_size is None else self._output_padding(input, output_size)
        convolve = getattr(F, f"conv_transpose{self.dims}d")
        return convolve(input, self.weight, self.bias, self.stride, self.padding, more, self.groups, self.dilation)

    def _output_padding(self, input: Tensor, output_size: Sequence[int]) -> list[int]:
        """How many pixels are to be added for the result to have that size; ValueError if it cannot."""
        others = input.ndim - self.dims
        wanted = list(output_size[others:] if len(output_size) == input.ndim else output_size)
        if len(wanted) != self.dims:
            raise ValueError(
                f"ConvTranspose{self.dims}D: for {input.ndim}D input, output_size must have {self.dims} or {input.ndim} elements "
                f"(got {len(output_size)})"
            )
        steps: Any = zip(input.shape[others:], self.kernel_size, self.stride, self.padding, self.dilation)
        least = [(n - 1) * s - 2 * p + d * (k - 1) + 1 for n, k, s, p, d in steps]
        if any(not low <= n < low + s for n, low, s in zip(wanted, least, self.stride)):
            most = [low + s - 1 for low, s in zip(least, self.stride)]
            raise ValueError(
                f"requested an output size of {wanted}, but valid sizes range from {least} to {most} (for an input of "
                f"{input.shape[others:]})"
            )
        return [n - low for n, low in zip(wanted, least)]


class ConvTranspose1d(_ConvTranspose):
    """The derivative of `Conv1d` by its input: each number of x (N, C, L) lays down w (C, O / groups, k) times itself; they add up.

    The result has (L − 1) stride − 2 padding + dilation (k − 1) + 1 + output_padding places, so that with the same options it brings
    back a Conv1d's size; or `layer(x, output_size=…)`. w, b from U(±1/√fan_in) (Zeiler et al., 2010).

    >>> minitorch.nn.ConvTranspose1d(2, 3, 4, stride=2, padding=1)(minitorch.zeros(1, 2, 8)).shape
    minitorch.Size([1, 3, 16])
    """

    dims = 1


class ConvTranspose2d(_ConvTranspose):
    """`ConvTranspose1d` for images x (N, C, H, W) or (C, H, W)."""

    dims = 2


class ConvTranspose3d(_ConvTranspose):
    """`ConvTranspose1d` for volumes x (N, C, D, H, W) or (C, D, H, W)."""

    dims = 3


# ---- channels that are not known yet ----


class _LazyConvNd(LazyModuleMixin, _ConvNd):
    """A convolution whose in_channels is read off its first input."""

    def _make_uninitialized(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw them, once they have a shape."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        if not self.has_uninitialized_params():
            return
        if input.ndim not in (self.dims + 1, self.dims + 2):
            raise RuntimeError(
                f"Expected {self.dims + 1}D (unbatched) or {self.dims + 2}D (batched) input to {type(self).__name__}, but got input of "
                f"size: {input.shape}"
            )
        self.in_channels = input.shape[-1 - self.dims]
        if self.in_channels % self.groups:
            raise ValueError(
                f"in_channels must be divisible by groups, got in_channels={self.in_channels} and groups={self.groups}"
            )
        self.weight.materialize(self._weight_shape())  # type: ignore[attr-defined]
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()


class _LazyConv(_LazyConvNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: str | int | Sequence[int] = 0,
        dilation: int | Sequence[int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode, device, dtype)
        self._make_uninitialized(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):  # type: ignore[misc]
    """A `Conv1d` whose in_channels is that of its first input; from then on it is a `Conv1d`."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):  # type: ignore[misc]
    """A `Conv2d` whose in_channels is that of its first input."""

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):  # type: ignore[misc]
    """A `Conv3d` whose in_channels is that of its first input."""

    cls_to_become = Conv3d


class _LazyConvTranspose(_LazyConvNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: int | Sequence[int],
        stride: int | Sequence[int] = 1,
        padding: int | Sequence[int] = 0,
        output_padding: int | Sequence[int] = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: int | Sequence[int] = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        steps = (kernel_size, stride, padding, output_padding)
        super().__init__(0, 0, *steps, groups, False, dilation, padding_mode, device, dtype)
        self._make_uninitialized(out_channels, bias, device, dtype)


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):  # type: ignore[misc]
    """A `ConvTranspose1d` whose in_channels is that of its first input; from then on it is a `ConvTranspose1d`."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):  # type: ignore[misc]
    """A `ConvTranspose2d` whose in_channels is that of its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):  # type: ignore[misc]
    """A `ConvTranspose3d` whose in_channels is that of its first input."""

    cls_to_become = ConvTranspose3d
