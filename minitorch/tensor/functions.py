"""In-place methods as functions: `minitorch.exp_(x)` is `x.exp_()`.

torch has these at the top level. Read next: `methods/inplace.py`, the methods.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from .tensor import Tensor

_names = """abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ as_strided_ asin_ asinh_ atan_
atanh_ ceil_ clamp_ clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_ deg2rad_ detach_ erf_ erfc_ exp2_ exp_ expm1_
fill_ fix_ floor_ frac_ gcd_ i0_ index_put_ lcm_ ldexp_ log10_ log1p_ log2_ log_ logit_ nan_to_num_ neg_ negative_
rad2deg_ reciprocal_ relu_ resize_as_ round_ rsqrt_ sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ tan_ tanh_ trunc_ xlogy_
zero_"""


def _function_of(name: str) -> Callable:
    """The method as a function of `input`."""
    method = getattr(Tensor, name)

    @functools.wraps(method)
    def call(input: Any, *args: Any, **kwargs: Any) -> Tensor:
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        return getattr(input, name)(*args, **kwargs)

    made: Any = call
    signature = inspect.signature(method)
    this, *others = signature.parameters.values()
    made.__signature__ = signature.replace(parameters=[this.replace(name="input", annotation="Tensor"), *others])
    made.__module__, made.__qualname__ = "minitorch", name  # where it is found, so that it can be pickled by name
    made.__doc__ = method.__doc__ or f"`input.{name}()`: written into `input`, which is returned."
    return made


FUNCTIONS: dict[str, Callable] = {name: _function_of(name) for name in _names.split()}
