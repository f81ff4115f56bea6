"""What a recorded gradient hangs on: whether it requires grad, and what of it can be differentiated again, even where that gives 0.

The derivative of relu does not change with its input, but torch's can be differentiated by it all the same, and gives zeros; that of
`amax` cannot. Read next: `checks.py`, for what else a row must pass.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

import minitorch

from .strategies import Source
from .table import Row, flat, tensors

# Where torch's differ, and why ours do not follow.
OTHERWISE = {
    **dict.fromkeys(
        ("layer_norm", "group_norm", "batch_norm", "instance_norm", "convolution", "conv1d", "conv2d", "conv3d")
        + ("conv_transpose1d", "conv_transpose2d", "conv_transpose3d")
        + ("grid_sample", "grid_sampler", "grid_sampler_2d", "grid_sampler_3d"),
        "torch has one op for the gradients of all inputs, so each requires grad if one does, and is undefined",
    ),
    "nll_loss": "torch keeps the logarithms, with which its gradient does not change",
    "cross_entropy": "it is an nll_loss",
    "pad": "torch's kernels that pad with copies keep their input, with which the gradient does not change",
    "prelu": "torch keeps the weight where only its own gradient is wanted",
    "prod": "torch goes other ways for sizes 0 and 1",
    "cummax": "a number's is torch's only, which has no derivative of its own",
    "cummin": "as cummax",
    **dict.fromkeys(
        ("lstm", "rnn_relu"),
        "all steps of a layer are one op, whose outputs hang on all of its inputs; and relu's slopes hang on nothing",
    ),
    "setitem": "torch copies instead where all is written",
}


def what_gradients_hang_on(row: Row, source: Source) -> None:
    """Recorded gradients require grad where torch's do, and can be differentiated again by the same tensors."""
    case = row.draw(source)
    names = [n for n in row.inputs() if source.integer(0, 1)] or row.inputs()
    upstream = bool(source.integer(0, 1))
    if not names or row.name in OTHERWISE or row.ours_alone or not row.second_order:
        return
    theirs = hangs_on(row, row.theirs, case, torch, names, upstream)
    if theirs is not None:
        ours = hangs_on(row, row.ours, case, minitorch, names, upstream)
        assert ours == theirs, f"{row}: {names} want gradients\nours    {ours}\ntorch's {theirs}"


def hangs_on(row: Row, function: Any, case: dict, library: Any, names: list[str], upstream: bool) -> Any:
    """For each output and input: whether the gradient requires grad, and by what it can be differentiated; None where torch refuses."""
    made = tensors(case, library, np.float64, names)
    leaves = [t for n in names for t in (made[n] if isinstance(made[n], list) else [made[n]]) if t is not None]
    found = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outputs = [t for t in flat(row.call(function, made)) if getattr(t, "requires_grad", False)]
        for out in outputs:
            v = library.ones_like(out).detach().requires_grad_(upstream)
            gradients = library.autograd.grad(out, leaves, v, create_graph=True, allow_unused=True)
            found.append([None if g is None else _again(library, g, [*leaves, *[v][: int(upstream)]]) for g in gradients])
    except Exception:
        if library is torch:
            return None
        raise
    return found


def _again(library: Any, g: Any, by: list) -> Any:
    if not g.requires_grad:
        return False
    v = library.ones_like(g).detach()
    return [s is not None for s in library.autograd.grad(g, by, v, allow_unused=True, retain_graph=True)]
