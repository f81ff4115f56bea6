"""The methods of Tensor: what a quantized tensor is asked for.

Its integers q, the scale s and the zero point z stand for the numbers (q − z) · s. Read next: `../quantizing.py`, which makes them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...arrays.quantized import PerChannel, PerTensor, QArray, qscheme

if TYPE_CHECKING:
    from ..tensor import Tensor


class Quantized:
    """What a quantized tensor is asked for."""

    _array: Any
    _wrap: Any
    dtype: Any

    @property
    def is_quantized(self) -> bool:
        """Whether its elements are integers that stand for numbers by a scale and a zero point."""
        return isinstance(self._array, QArray)

    def dequantize(self: Any) -> Tensor:
        """The numbers, in float32: (q − z) · s. Of a tensor that is not quantized: the numbers it has."""
        return self._wrap(self._array.dequantized()) if self.is_quantized else self.float()

    def int_repr(self) -> Tensor:
        """The integers, in a copy."""
        return self._wrap(self._quantized("int_repr").integers.copy())

    def qscheme(self) -> qscheme:
        """Whether there is one scale, or one for each channel."""
        return self._quantized("qscheme").params.scheme

    def q_scale(self) -> float:
        """The scale of a tensor with one."""
        return self._params("q_scale", PerTensor).scale

    def q_zero_point(self) -> int:
        """The zero point of a tensor with one."""
        return self._params("q_zero_point", PerTensor).zero_point

    def q_per_channel_scales(self) -> Tensor:
        """The scales, one for each channel, in float64."""
        return self._wrap(self._params("q_per_channel_scales", PerChannel).scales.copy())

    def q_per_channel_zero_points(self) -> Tensor:
        """The zero points, one for each channel."""
        return self._wrap(self._params("q_per_channel_zero_points", PerChannel).zero_points.copy())

    def q_per_channel_axis(self) -> int:
        """The dimension that the channels are."""
        return self._params("q_per_channel_axis", PerChannel).axis

    def _quantized(self, name: str) -> QArray:
        """The array; NotImplementedError if it is not quantized."""
        if not isinstance(self._array, QArray):
            raise NotImplementedError(
                f"Could not run '{name}' with arguments from the 'CPU' backend: {name}() is asked of quantized tensors, this one is of "
                f"{self.dtype!r}; quantize_per_tensor(x, scale, zero_point, dtype) makes one"
            )
        return self._array

    def _params(self, name: str, kind: type) -> Any:
        """The parameters, if they are of that kind."""
        params = self._quantized(name).params
        if not isinstance(params, kind):
            wanted, other = (
                ("kPerTensorAffine", "q_per_channel_…")
                if kind is PerTensor
                else ("kPerChannelAffine", "q_scale, q_zero_point")
            )
            raise RuntimeError(
                f"Expected quantizer->qscheme() == {wanted} to be true, but got false: {name}() is asked of a tensor that is quantized "
                f"by {params.scheme!r}; ask it for {other}"
            )
        return params
