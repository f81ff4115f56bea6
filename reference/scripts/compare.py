"""What is compared after each statement: everything of a script that can be seen, on both sides.

Of a tensor: dtype, shape, strides where torch promises them, requires_grad, is_leaf, version, values, `.grad`; of a module: its
parameters, buffers and modes; of an optimizer: its state; of an error: its type. Containers are looked into.
"""

from __future__ import annotations

import numbers
import re
from typing import Any

import numpy as np
import torch

import minitorch

LIBRARIES = (minitorch, torch)
# Of each dtype, what one rounding more or less makes of a script; what is computed of it is no better, whatever its dtype.
TOLERANCE = {"float64": 1e-9, "float32": 5e-5, "float16": 1e-2, "bfloat16": 8e-2}


class Difference(AssertionError):
    """The two libraries did not do the same: `where` in the script, `what` of it, ours and torch's."""

    def __init__(self, where: str, what: str, ours: Any, theirs: Any):
        super().__init__(f"{where}: {what}: minitorch {ours}, torch {theirs}")
        self.where, self.what, self.ours, self.theirs = where, what, ours, theirs


LARGE = 1e4  # numbers beyond end a script: what is left of a difference of such says nothing


NUMBER = r"-?\d+\.\d*(?:e[-+]?\d+)?"


class Precision:
    """The coarsest dtype that the script has met: the last bits of all that it computes from then on are the libraries' own affair."""

    def __init__(self) -> None:
        self.tolerance = TOLERANCE["float64"]

    def meet(self, dtype: str) -> None:
        self.tolerance = max(
            self.tolerance, TOLERANCE.get(dtype, TOLERANCE["float32"])
        )  # what is made of integers is float32


precision = Precision()


def compare(ours: Any, theirs: Any, where: str) -> None:
    """Raise Difference unless they look the same."""
    if isinstance(theirs, torch.Tensor) or isinstance(ours, minitorch.Tensor):
        return compare_tensors(ours, theirs, where)
    if isinstance(theirs, BaseException) or isinstance(ours, BaseException):
        if type(ours).__name__ != type(theirs).__name__.lstrip("_"):  # torch.linalg.LinAlgError calls itself _LinAlgError
            both = isinstance(theirs, BaseException) and isinstance(ours, BaseException)
            raise Difference(where, "raised another type" if both else "raised", brief(ours), brief(theirs))
        return None
    if isinstance(theirs, torch.nn.Module):
        compare(ours.training, theirs.training, f"{where}.training")
        compare(dict(ours.named_parameters()), dict(theirs.named_parameters()), f"{where}.parameters")
        return compare(dict(ours.named_buffers()), dict(theirs.named_buffers()), f"{where}.buffers")
    if isinstance(theirs, torch.optim.Optimizer):
        return compare(ours.state_dict(), theirs.state_dict(), f"{where}.state_dict()")
    if isinstance(theirs, dict):
        if list(ours) != list(theirs):
            raise Difference(where, "keys", list(ours), list(theirs))
        for key in theirs:
            compare(ours[key], theirs[key], f"{where}[{key!r}]")
        return None
    if isinstance(theirs, (tuple, list)):
        if not isinstance(ours, (tuple, list)) or len(ours) != len(theirs):
            raise Difference(where, "items", brief(ours), brief(theirs))
        for i, (a, b) in enumerate(zip(ours, theirs)):
            compare(a, b, f"{where}[{i}]")
        return None
    if isinstance(theirs, np.ndarray):
        if not isinstance(ours, np.ndarray) or ours.dtype != theirs.dtype or not close(ours, theirs):
            raise Difference(where, "array", brief(ours), brief(theirs))
        return None
    if isinstance(theirs, (float, np.floating)) and isinstance(ours, (float, np.floating)):
        if not close(np.asarray(float(ours)), np.asarray(float(theirs))):
            raise Difference(where, "number", ours, theirs)
        return None
    if isinstance(theirs, (str, numbers.Number, bytes, type(None), torch.dtype, torch.device)):
        if not alike(ours, theirs) or type(ours).__name__ != type(theirs).__name__:
            raise Difference(where, "value", brief(ours), brief(theirs))
        return None
    return None  # a handle, a function, a generator: nothing to see but what it does


def alike(ours: Any, theirs: Any) -> bool:
    """One text, or one number as text."""
    texts = nameless(ours).replace("minitorch", "torch"), nameless(theirs)
    if texts[0] == texts[1]:
        return True
    numbers = [np.array(re.findall(NUMBER, text), float) for text in texts]
    return "".join(re.sub(NUMBER, "", texts[0]).split()) == "".join(re.sub(NUMBER, "", texts[1]).split()) and close(*numbers)


def nameless(value: Any) -> str:
    """The text without the name of a node: of a recorded derivative it is each library's own affair."""
    return re.sub(r"grad_fn=<\w+>|\w+Backward\d", "grad_fn", str(value))


def compare_tensors(ours: Any, theirs: Any, where: str) -> None:
    if not isinstance(ours, minitorch.Tensor) or not isinstance(theirs, torch.Tensor):
        raise Difference(where, "type", brief(ours), brief(theirs))
    compare_arrays(ours, theirs, where)
    for what, look in LOOKS.items():
        a, b = look(ours), look(theirs)
        if a != b:
            raise Difference(where, what, a, b)
    a, b = gradient(ours), gradient(theirs)
    if (a is None) != (b is None):
        raise Difference(where, "grad", brief(a), brief(b))
    if a is not None:
        compare_arrays(a, b, f"{where}.grad")


def compare_arrays(ours: Any, theirs: Any, where: str) -> None:
    dtypes = [str(t.dtype).split(".")[1] for t in (ours, theirs)]
    if dtypes[0] != dtypes[1]:
        raise Difference(where, "dtype", *dtypes)
    if tuple(ours.shape) != tuple(theirs.shape):
        raise Difference(where, "shape", tuple(ours.shape), tuple(theirs.shape))
    a, b = array_of(ours), array_of(theirs)
    precision.meet(dtypes[1])
    if not close(a, b):
        raise Difference(where, "values", a.tolist(), b.tolist())


def array_of(t: Any) -> np.ndarray:
    """Its numbers; copied, for what torch has once given to NumPy it never resizes again."""
    t = t.detach()
    return (t.float() if str(t.dtype).endswith("bfloat16") else t.clone() if isinstance(t, torch.Tensor) else t).numpy()


def close(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal; floats within the tolerance of the array's scale, nan equal to nan."""
    if a.shape != b.shape:
        return False
    if a.tobytes() == b.tobytes():
        return True
    if b.dtype.kind != "f":
        return bool((a == b).all())
    finite = np.isfinite(b)
    if not (np.isfinite(a) == finite).all() or not np.array_equal(a[~finite], b[~finite], equal_nan=True):
        return False
    a, b = a[finite].astype(float), b[finite].astype(float)
    scale = max(1.0, float(np.abs(b).max(initial=0.0)))
    if scale > LARGE and precision.tolerance > 1e-3:  # an exponential has made something of a rounding of half precision
        return True
    return bool((np.abs(a - b) <= precision.tolerance * scale).all())


def leaf(t: Any) -> Any:
    """Whether it is one, or the error of a view whose history is lost."""
    try:
        return t.is_leaf
    except RuntimeError:
        return "lost"


def version(t: Any) -> Any:
    try:
        return t._version
    except RuntimeError:
        return "not tracked"


def strides(t: Any) -> Any:
    """Where torch promises them: of what has numbers, along what has several."""
    return [s for n, s in zip(t.shape, t.stride()) if n > 1] if t.numel() else None


LOOKS = {"requires_grad": lambda t: t.requires_grad, "is_leaf": leaf, "stride()": strides}


def gradient(t: Any) -> Any:
    """The gradient, if it would not warn to ask."""
    return t.grad if leaf(t) is True or t.retains_grad else None


def brief(value: Any) -> str:
    """What is shown of a value in a difference."""
    text = f"{type(value).__name__}: {value}" if isinstance(value, BaseException) else repr(value)
    return text if len(text) < 200 else text[:200] + "…"
