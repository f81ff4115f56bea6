"""How a learner's result differs from the truth, in words, and values as one types them.

Read next: `grading.py`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .far import too_far, worst_error


def differs(got: Any, want: Any, names: tuple[str, ...] = (), what: str = "") -> str | None:
    """How a result differs from the truth, in words; None if it does not."""
    name = what or "the result"
    if got is None and want is not None:
        return f"{name} is None" + ("" if what else ": is a `return` missing?")
    if isinstance(want, tuple) or (isinstance(want, list) and any(isinstance(w, (np.ndarray, float)) for w in want)):
        if not isinstance(got, (tuple, list)) or len(got) != len(want):
            count = f"{len(got)} values" if isinstance(got, (tuple, list)) else f"one {type(got).__name__}"
            return f"{name} is {count}, expected {len(want)}{': ' * bool(names)}{', '.join(names)}"
        labels = names or tuple(f"result {k}" for k in range(len(want)))
        return next((told for g, w, n in zip(got, want, labels) if (told := differs(g, w, what=n))), None)
    if isinstance(want, (np.ndarray, float)):
        return _numbers(got, want, name)
    return None if same(got, want) else f"{name}: not what is expected\nyours    {_repr(got)}\nexpected {want!r}"


def _numbers(got: Any, want: Any, name: str) -> str | None:
    if type(got).__name__ == "Tensor":
        return f"{name} is a Tensor, expected a NumPy array"
    a, b = np.asarray(got) if isinstance(got, np.ndarray | np.generic | int | float) else None, np.asarray(want)
    if a is None:
        return f"{name} is of type {type(got).__name__}, expected {'a NumPy array' if b.ndim else 'a number'}"
    both = f"yours    {_shown(a)}\nexpected {_shown(b)}"
    if a.shape != b.shape:
        return f"{name} has shape {a.shape}, expected {b.shape}\n{both}"
    if isinstance(want, np.ndarray) and b.ndim and a.dtype != b.dtype:
        return f"{name} is of dtype {a.dtype}, expected {b.dtype}\n{both}"
    if a.dtype.kind not in "fiub":
        return f"{name} is of dtype {a.dtype}, expected {b.dtype}"
    with np.errstate(all="ignore"):
        error = worst_error(a.astype(np.float64), b.astype(np.float64), np.float64)
    if error <= 1:
        return None
    if error == np.inf:
        return f"{name}: {_not_finite(a, b)}\n{both}"
    return f"{name}: {too_far(error)}\n{both}"


def _not_finite(a: np.ndarray, b: np.ndarray) -> str:
    """Where infinities and nans do not stand where they should."""
    if np.isfinite(b).all():
        return f"there is {'nan' if np.isnan(a).any() else 'inf'}: does something overflow, or divide by 0?"
    return "inf and nan do not stand where they are expected"


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal, arrays in them by element."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
            return False
        return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def literal(value: Any) -> str:
    """The value as Python."""
    if isinstance(value, np.ndarray) and not value.size:
        return f"zeros({value.shape})"
    if isinstance(value, np.ndarray):
        dtype = "" if value.dtype in (np.float64, np.int64) else f", dtype='{value.dtype}'"
        return f"array({value.tolist()!r}{dtype})"
    return repr(value)


def _shown(a: np.ndarray) -> str:
    return np.array2string(a, precision=10, threshold=30, prefix=" " * 9)


def _repr(value: Any) -> str:
    try:
        return cut(repr(value))
    except Exception as error:
        return f"(repr raised {type(error).__name__})"


def cut(text: str, most: int = 400) -> str:
    """The text, or as much of it as one wants to see."""
    return text if len(text) <= most else f"{text[:most]} ..."
