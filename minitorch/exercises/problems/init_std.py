"""How large the first weights are

A layer's weights are drawn with a standard deviation that keeps the size of the signal. In the notation of torch.nn.init:

    Xavier (Glorot), normal:   gain * sqrt(2 / (fan_in + fan_out))
    Kaiming (He), normal:      sqrt(2 / fan_in), for relu

Given the shape of a weight, (O, I) of a linear layer or (O, I, K, K) of a convolution, return (Xavier's, Kaiming's): two floats, with
gain 1. fan_in is how many numbers go into one output; fan_out is how many outputs one number goes to (for a convolution at stride 1).
Python alone.
"""

import math

HINTS = (
    "The weight of torch's Linear is (out, in): fan_in is shape[1].",
    "An output of a convolution is a sum over I * K * K numbers.",
    "fan_in = shape[1] * K * K and fan_out = shape[0] * K * K; for a linear layer K * K is 1. math.prod(shape[2:]) is both.",
)
RETURNS = ("Xavier's", "Kaiming's")


def inputs(s):
    def shape(case, source):
        k = source.integer(1, 3)
        kernel = (k, k) if source.integer(0, 1) else ()
        return (source.integer(1, 9), source.integer(1, 9), *kernel)

    return {"shape": s.given(shape)}


def init_std(shape: tuple[int, ...]) -> tuple[float, float]:
    """(Xavier's, Kaiming's)"""
    kernel = math.prod(shape[2:])
    fan_out, fan_in = shape[0] * kernel, shape[1] * kernel
    return math.sqrt(2 / (fan_in + fan_out)), math.sqrt(2 / fan_in)


def expected(shape):
    """By how much torch's first weights are larger than the same normal numbers."""
    import minitorch
    from minitorch.nn import init

    def first(draw):
        minitorch.manual_seed(0)
        return draw(minitorch.empty(shape, dtype=minitorch.float64)).flatten()[0].item()

    plain = first(init.normal_)
    return first(init.xavier_normal_) / plain, first(lambda w: init.kaiming_normal_(w, nonlinearity="relu")) / plain


def wrong_fans_swapped(shape):
    """fan_in and fan_out are swapped: the weight of a layer is (out, in)."""
    return init_std((shape[1], shape[0], *shape[2:]))


def wrong_no_kernel(shape):
    """The kernel's size is missing: an output of a convolution is a sum over I * K * K numbers."""
    return init_std(shape[:2])


def wrong_variance(shape):
    """These are variances: a standard deviation is the square root."""
    xavier, kaiming = init_std(shape)
    return xavier**2, kaiming**2
