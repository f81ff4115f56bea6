"""`minitorch.ao.nn.intrinsic.quantized.dynamic`: a linear layer with weights of 8 bits, and the ReLU after it."""

from minitorch.ao.nn.quantized.dynamic import Linear

__all__ = ["LinearReLU"]


class LinearReLU(Linear):
    """max(x Wᵀ + b, 0) of floats"""

    relu = True

    def _get_name(self) -> str:
        return "DynamicQuantizedLinearReLU"
