"""Methods as functions: in place, `minitorch.exp_(x)` is `x.exp_()`; and views as copies, `minitorch.t_copy(x)` is `x.t()`, copied.

torch has these at the top level. Read next: `methods/inplace.py`, the methods.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..arrays.layout import contiguous_format
from ..op.declaration import SignatureLater
from ..op.declaring import named
from ..op.out import accepts_out
from ..op.signature import checked
from ..ops.dims import canonical_dim
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
    made.__signature__ = SignatureLater(lambda: _of_input(method))
    made.__module__, made.__qualname__ = "minitorch", name  # where it is found, so that it can be pickled by name
    made.__doc__ = method.__doc__ or f"`input.{name}()`: written into `input`, which is returned."
    return made


def _of_input(method: Callable) -> inspect.Signature:
    """The signature of a method as that of a function of `input`."""
    signature = inspect.signature(method)
    this, *others = signature.parameters.values()
    known = [p for p in others if p.kind is not p.VAR_KEYWORD]
    return signature.replace(parameters=[this.replace(name="input", annotation="Tensor"), *known])


FUNCTIONS: dict[str, Callable] = {name: _function_of(name) for name in _names.split()}


# ---- copies of what views show ----


def _itself(x: Tensor) -> Tensor:
    return x


def _slice(x: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Tensor:
    return x[(slice(None),) * canonical_dim(dim, x.ndim) + (slice(start, end, step),)]


_views = "as_strided diagonal expand permute select split split_with_sizes squeeze t transpose unbind unfold unsqueeze view"
VIEWS: dict[str, Callable] = {name: getattr(Tensor, name) for name in _views.split()}
VIEWS |= {
    "alias": _itself,
    "detach": _itself,
    "slice": checked(_slice, "slice_copy"),
}  # (of `detach_copy` torch keeps the history)


def _copy_of_view(name: str, view: Callable) -> Callable:
    """A function that copies what `view` would show of `input`, in row-major order."""

    def call(input: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}_copy(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        shown = view(input, *args, **kwargs)
        copies = tuple(x.clone(memory_format=contiguous_format) for x in (shown if isinstance(shown, tuple) else (shown,)))
        return copies if isinstance(shown, tuple) else copies[0]

    call.__signature__ = SignatureLater(lambda: _of_input(view))  # type: ignore[attr-defined]
    writing = accepts_out(named(call, name.title().replace("_", "") + "Backward0_copy"), "same")

    @functools.wraps(writing)
    def made(*args: Any, **kwargs: Any) -> Any:
        found = writing(*args, **kwargs)
        return None if isinstance(found, tuple) and kwargs.get("out") is not None else found  # as torch: it is in out=

    made.__name__ = made.__qualname__ = f"{name}_copy"
    made.__module__ = "minitorch"
    made.__doc__ = f"A copy of what `{name}` would show."
    return made


FUNCTIONS |= {f"{name}_copy": _copy_of_view(name, view) for name, view in VIEWS.items()}
