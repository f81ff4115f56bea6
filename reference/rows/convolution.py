"""Rows of `ops/convolution.py` and `ops/fold.py`: every option, groups, even kernels, places that a stride leaves out, one sample."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

import minitorch

from ..strategies import floats, ints, of
from ..table import COPIES, pair

ours = minitorch.nn.functional
SIZES = {1: "7", 2: "5 6", 3: "4 3 5"}  # of images
KERNELS = {1: "3", 2: "3 2", 3: "2 1 3"}


def options(n: int, *names: str) -> dict[str, Any]:
    """Strategies for these options: an int for all dimensions, or a number for each."""
    each = {
        "stride": (1, 2, (3, 1, 2)[:n]),
        "padding": (0, 1, (2, 0, 1)[:n], (1,)),
        "dilation": (1, 2, (1, 2, 1)[:n]),
        "output_padding": (0, 1, (1, 0, 1)[:n]),
    }
    return {name: of(*each[name]) for name in names}


for n in (1, 2, 3):
    size, kernel, name = SIZES[n], KERNELS[n], f"conv{n}d"
    convolution = functools.partial(pair, name, getattr(F, name), getattr(ours, name))
    steps = options(n, "stride", "padding", "dilation")
    # ---- any channels, with b and without, one sample; the kernel is too large for some dilations ----
    convolution(x=floats(f"N C {size}"), weight=floats(f"O C {kernel}"), **steps)
    convolution(x=floats(f"N C {size}"), weight=floats(f"O C {kernel}"), bias=floats("O"), **steps)
    convolution(x=floats(f"C {size}"), weight=floats(f"O C {kernel}"), bias=floats("O"), **steps)
    # ---- groups, some of which do not divide the channels ----
    grouped: Any = {"x": floats(f"N 6 {size}"), "bias": floats("6"), "groups": of(1, 2, 3, 6)}
    for per_group in (1, 2, 3, 6):
        convolution(**{**grouped, "weight": floats(f"6 {per_group} {kernel}")}, empty=False, **steps)
    # ---- padding by name ----
    for k in (1, 2, 3, 4):
        by_name = of("same", "valid", "full")
        convolution(
            x=floats(f"N 2 {size}"),
            weight=floats(f"3 2 {' '.join([str(k)] * n)}"),
            bias=floats("3"),
            stride=of(1, 1, 2),
            padding=by_name,
            dilation=of(1, 2),
        )
    convolution(x=floats(f"2 {size}"), weight=floats(f"3 2 {kernel}"), padding=of("same", "valid"))
    # ---- what is refused ----
    convolution(x=floats(f"N 2 {size}"), weight=floats(f"3 2 {kernel}"), bias=floats("O"))
    convolution(x=floats(f"N 2 {size}"), weight=floats(f"3 C {kernel}"), stride=of(1, 0, -1, (1,) * (n + 1)))
    convolution(x=floats("*"), weight=floats(f"3 2 {kernel}"), padding=of(0, -1), dilation=of(1, 0))
    convolution(x=ints(f"N 2 {size}"), weight=ints(f"3 2 {kernel}"), bias=ints("3"), **steps)
    convolution(x=floats(f"N 2 {size}"), weight=ints(f"3 2 {kernel}"), empty=False)

for n in (1, 2, 3):
    size, kernel, name = SIZES[n], KERNELS[n], f"conv_transpose{n}d"
    convolution = functools.partial(pair, name, getattr(F, name), getattr(ours, name))
    steps = options(n, "stride", "padding", "dilation")
    more = options(n, "output_padding")
    convolution(x=floats(f"N C {size}"), weight=floats(f"C O {kernel}"), empty=False, **steps)
    convolution(x=floats(f"N C {size}"), weight=floats(f"C O {kernel}"), bias=floats("O"), empty=False, **steps, **more)
    convolution(x=floats(f"C {size}"), weight=floats(f"C O {kernel}"), bias=floats("O"), empty=False, **steps, **more)
    for group in (1, 2, 4):
        grouped = {"weight": floats(f"4 {4 // group} {kernel}"), "bias": floats("4"), "groups": of(group, 3)}
        convolution(x=floats(f"N 4 {size}"), **grouped, **steps, **more)
    convolution(x=floats(f"N 2 {size}"), weight=floats(f"2 3 {kernel}"), bias=floats("O"))
    convolution(x=floats("*"), weight=floats(f"2 3 {kernel}"), stride=of(1, 0), output_padding=of(0, -1, 3))
    convolution(x=ints(f"N 2 {size}"), weight=ints(f"2 3 {kernel}"), bias=ints("3"), **steps)
    convolution(x=ints(f"N 2 {size}", dtype=np.int32), weight=ints(f"2 3 {kernel}", dtype=np.int32))

# ---- the general call, and time first ----

for transposed in (False, True):
    pair(
        "convolution",
        torch.convolution,
        x=floats("N 4 5 6"),
        weight=floats("4 2 3 2" if not transposed else "4 3 3 2"),
        bias=of(None),
        stride=of((1, 1), (2, 1), (2,)),
        padding=of((0, 0), (1, 2), (1,)),
        dilation=of((1, 1), (1, 2)),
        transposed=of(transposed),
        output_padding=of((0, 0), (1, 0)),
        groups=of(2),
        positional=("bias", "stride", "padding", "dilation", "transposed", "output_padding", "groups"),
    )
pair(
    "conv_tbc",
    lambda x, w, b, pad: torch.conv_tbc(x.contiguous(), w.contiguous(), b, pad),
    minitorch.conv_tbc,
    x=floats("5 N C"),
    weight=floats("3 C O"),
    bias=floats("O"),
    pad=of(0, 1, 2),
    empty=False,
    special=False,  # torch's multiplies no zeros of the padding: no 0 · ∞
    positional=("pad",),
    keeps_more=COPIES,
)

# ---- columns ----

blocks: Any = {
    "kernel_size": of(2, (2, 3), (1, 1), (3,), (2, 2, 2), 0, 7),
    "dilation": of(1, (2, 1), 0),
    "padding": of(0, 1, (0, 2), -1),
    "stride": of(1, 2, (1, 3), 0),
}
for shape in ("N C 4 5", "C 4 5", "4 5", "N C 4 5 1"):
    pair("im2col", F.unfold, ours.unfold, x=floats(shape), **blocks)


class columns(floats):
    """Columns for an image of 4 × 5 pixels; sometimes too many of them, or no batch."""

    def __call__(self, source: Any, case: dict) -> np.ndarray:
        kernel = np.broadcast_to(case["kernel_size"], 2)
        places = (np.array([4, 5]) + 2 * case["padding"] - kernel) // case["stride"] + 1
        rows, one_more = source.size("C") * kernel.prod(), source.integer(0, 9) == 0
        return self.fill(source, (*source.shape(source.choice(("N", ""))), rows + one_more, places.prod() + one_more))


pair(
    "col2im",
    F.fold,
    ours.fold,
    output_size=of((4, 5)),
    kernel_size=of(2, (2, 3), (1, 1)),
    padding=of(0, 1),
    stride=of(1, 2),
    x=columns(),
)
pair("col2im", F.fold, ours.fold, x=floats("N 12 12"), output_size=of((4, 5), (4,), (-1, 5), 3), **blocks)
