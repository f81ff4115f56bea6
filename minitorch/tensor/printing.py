"""How a tensor prints: `tensor([1., 2.], grad_fn=<AddBackward0>)`, character for character as torch does.

The idea: keep only the elements that will be seen, turn each into text of one common width, then lay the texts out
between brackets. `tensor_repr` is the whole of it; `_float_style` decides between `2.`, `2.5000` and `2.5000e+00`.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays.batched import Batched
from ..arrays.device import to_numpy, xp_of
from ..arrays.dtypes import bool_, get_default_dtype, int64
from ..arrays.quantized import PerTensor, QArray

if TYPE_CHECKING:
    from .tensor import Tensor


@dataclass
class PrintOptions:
    """What `set_printoptions` sets; `sci_mode=None` chooses scientific notation by the size of the numbers."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


PROFILES = {
    "default": PrintOptions(),
    "short": PrintOptions(precision=2, edgeitems=2),
    "full": PrintOptions(threshold=math.inf),
}

options = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Change how tensors print: digits after the point, when to shorten with `...`, elements kept at each edge.

    `profile` is "default", "short" or "full" and is applied first. `sci_mode` goes back to automatic (None) unless given.

    >>> minitorch.set_printoptions(precision=2)
    >>> minitorch.tensor([3.14159])
    tensor([3.14])
    >>> minitorch.set_printoptions(profile="default")
    """
    global options
    if profile is not None and profile not in PROFILES:
        raise ValueError(f"set_printoptions: profile must be one of {', '.join(PROFILES)}, got {profile!r}")
    base = options if profile is None else PROFILES[profile]
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth}
    changed = {name: value for name, value in given.items() if value is not None}
    options = replace(base, **{**asdict(base), **changed, "sci_mode": sci_mode})


def tensor_repr(tensor: Tensor) -> str:
    """The printed form of `tensor`: its numbers, then whatever the numbers do not show (dtype, device, grad_fn)."""
    prefix, array, notes = "tensor(", tensor._array, []
    if isinstance(array, Batched):  # within a vmap: all samples
        inside = textwrap.indent(tensor_repr(tensor._wrap(array.samples)), "    ")
        return f"BatchedTensor(lvl={array.level.depth}, bdim=0, value=\n{inside}\n)"
    if isinstance(array, QArray):
        notes, array = _of_quantized(array), array.dequantized()
    shortened = array.ndim > 0 and array.size > options.threshold
    if array.size == 0:
        body = "[]"
    elif shortened and options.edgeitems == 0:
        body = "[...]"
    else:
        body = _numbers(array, shortened, indent=len(prefix))

    if tensor.device.type != "cpu":
        notes.append(f"device='{tensor.device}'")
    if not tensor.is_quantized and (array.ndim != 1 if array.size == 0 else options.edgeitems == 0):
        notes.append(f"size={tuple(array.shape)}")
    if not tensor.is_quantized and tensor.dtype not in _obvious_dtypes(array.size):
        notes.append(f"dtype={tensor.dtype}")
    try:
        made_by = tensor.grad_fn and tensor.grad_fn.name().rpartition("::")[2]  # some have their namespace in their name
    except RuntimeError:  # a view whose history is lost
        made_by = "Invalid"
    if made_by:
        notes.append(f"grad_fn=<{made_by}>")
    elif tensor.requires_grad:
        notes.append("requires_grad=True")
    return _with_notes(prefix + body, notes, indent=len(prefix)) + ")"


def _of_quantized(array: QArray) -> list[str]:
    """What the numbers do not show of a quantized tensor."""
    params = array.params
    notes = [f"size={tuple(array.shape)}", f"dtype={array.dtype}", f"quantization_scheme={params.scheme}"]
    if isinstance(params, PerTensor):
        return [*notes, f"scale={params.scale}", f"zero_point={params.zero_point}"]
    from .creation import from_numpy

    return [
        *notes,
        f"scale={from_numpy(params.scales)}",
        f"zero_point={from_numpy(params.zero_points)}",
        f"axis={params.axis}",
    ]


def _obvious_dtypes(size: int) -> tuple[Any, ...]:
    """The dtypes that the numbers themselves give away: `1.` is the default float, `1` int64, `True` bool."""
    return (get_default_dtype(), int64, bool_) if size else (get_default_dtype(),)


def _numbers(array: Any, shortened: bool, indent: int) -> str:
    """The bracketed elements of a non-empty array, with `...` for the middle of each long axis if `shortened`."""
    edge = options.edgeitems
    cut = [shortened and n > 2 * edge for n in array.shape]
    kept = [[*range(edge), *range(n - edge, n)] if c else range(n) for n, c in zip(array.shape, cut, strict=True)]
    if shortened:
        array = array[tuple(xp_of(array).asarray(k) for k in np.ix_(*kept))]
    texts, width = _element_texts(to_numpy(array))
    return _layout(np.array(texts, dtype=object).reshape(array.shape), cut, indent, width)


def _element_texts(array: np.ndarray) -> tuple[list[str], int]:
    """Each element as text, padded to the width of the widest; zeros, inf and nan do not widen a float column."""
    if array.dtype.kind in "biu":
        texts = [str(value) for value in array.ravel().tolist()]
        width = max(map(len, texts))
    else:
        values = array.ravel().astype(np.float64).tolist()
        counted = [value for value in values if value != 0 and math.isfinite(value)]
        style = _float_style(counted)
        texts = [style(value) for value in values]
        width = max((len(style(value)) for value in counted), default=1)
    return [text.rjust(width) for text in texts], width


def _float_style(counted: list[float]) -> Callable[[float], str]:
    """One notation for all: scientific if sizes differ a lot, `2.` if every number is whole, else fixed point."""
    digits = options.precision
    scientific, whole = False, True
    if counted:
        largest, smallest = max(map(abs, counted)), min(map(abs, counted))
        scientific = largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4
        scientific = scientific if options.sci_mode is None else options.sci_mode
        whole = all(value.is_integer() for value in counted)
    if scientific:
        return lambda value: f"{value:.{digits}e}"
    if whole:
        return lambda value: f"{value:.0f}." if math.isfinite(value) else f"{value}"
    return lambda value: f"{value:.{digits}f}"


def _layout(texts: np.ndarray, cut: list[bool], indent: int, width: int) -> str:
    """Brackets, commas and line breaks around the texts; between blocks of dimension d stand d line breaks."""
    if texts.ndim == 0:
        return str(texts.item())
    if texts.ndim == 1:
        items = list(texts)
        if cut[0]:
            items.insert(options.edgeitems, " ...")
        per_line = max(1, (options.linewidth - indent) // (width + len(", ")))
        lines = [", ".join(items[i : i + per_line]) for i in range(0, len(items), per_line)]
    else:
        lines = [_layout(block, cut[1:], indent + 1, width) for block in texts]
        if cut[0]:
            lines.insert(options.edgeitems, "...")
    breaks = "\n" * max(1, texts.ndim - 1)
    return "[" + f",{breaks}{' ' * (indent + 1)}".join(lines) + "]"


def _with_notes(text: str, notes: list[str], indent: int) -> str:
    """Append `, note` after `, note`, starting a new line where one would pass the line width."""
    column = len(text) - text.rfind("\n") + 1
    for note in notes:
        width = len(note.replace("minitorch.", "torch."))  # so that lines break where torch's do
        if column + width + 2 > options.linewidth:
            text, column = text + ",\n" + " " * indent + note, indent + width
        else:
            text, column = text + ", " + note, column + width + 2
    return text
