"""The steps of which random programs are made: each is a function of a library, two tensors and a small number.

Read next: `state_machine.py`, which takes them on both libraries; `pieces.py`, which makes functions of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import minitorch
from minitorch.arrays.memory import is_dense

LIBRARIES = (minitorch, torch)
OFF_ZERO = 0.12345  # where comparing and rounding is not decided by a last bit, as it is at 0 after a cancellation

UNARY = [
    "sin", "tanh", "sigmoid", "relu", "abs", "neg", "clone", "square", "sum", "mean", "cos", "exp", "contiguous", "floor",
]  # fmt: skip
IN_PLACE = ["sin_", "tanh_", "sigmoid_", "relu_", "abs_", "neg_", "zero_", "cos_", "square_", "exp_", "detach_"]

VIEWS: dict[str, Callable[[Any, Any, Any, int], Any]] = {
    "select": lambda lib, t, u, k: t[k % 2],
    "slice": lambda lib, t, u, k: t[k % 2 :],
    "step": lambda lib, t, u, k: t[..., ::2],
    "unsqueeze": lambda lib, t, u, k: t.unsqueeze(k % 2),
    "squeeze": lambda lib, t, u, k: t.squeeze(),
    "flat": lambda lib, t, u, k: t.view(-1),
    "transpose": lambda lib, t, u, k: t.transpose(0, -1),
    "expand": lambda lib, t, u, k: t.expand(2, *t.shape),
    "expand_as": lambda lib, t, u, k: t.expand_as(u),
    "view_as": lambda lib, t, u, k: t.view_as(t),
    "diagonal": lambda lib, t, u, k: t.diagonal(),
    "unbind": lambda lib, t, u, k: t.unbind(0)[k % 2],
    "as_strided": lambda lib, t, u, k: t.as_strided((2,), (k % 2 + 1,)),
    "unfold": lambda lib, t, u, k: t.unfold(-1, 2, 2),
    "chunk": lambda lib, t, u, k: t.chunk(2)[-1],
    "detach": lambda lib, t, u, k: t.detach(),
    "data": lambda lib, t, u, k: t.data,
}

STEPS: dict[str, Callable[[Any, Any, Any, int], Any]] = {
    **{name: (lambda lib, t, u, k, name=name: getattr(tame(t), name)()) for name in UNARY},
    **{name: (lambda lib, t, u, k, name=name: getattr(tame(t), name)()) for name in IN_PLACE},
    "floor": lambda lib, t, u, k: (t + OFF_ZERO).floor(),
    "add": lambda lib, t, u, k: t + u,
    "add_number": lambda lib, t, u, k: t + (k - 1.5),
    "sub": lambda lib, t, u, k: t - u,
    "mul": lambda lib, t, u, k: tame(t) * tame(u),
    "rsub": lambda lib, t, u, k: k - t,
    "div": lambda lib, t, u, k: t / (u * u + 1),
    "maximum": lambda lib, t, u, k: lib.maximum(t, u),
    "where": lambda lib, t, u, k: lib.where(t > u, t, u * 2),
    "sum_dim": lambda lib, t, u, k: t.sum(k % max(t.ndim, 1) if t.ndim else 0, keepdim=k > 1),
    "amax": lambda lib, t, u, k: t.amax(-1),
    "max_dim": lambda lib, t, u, k: t.max(-1)[0],
    "softmax": lambda lib, t, u, k: t.softmax(-1),
    "cumsum": lambda lib, t, u, k: t.cumsum(-1),
    "cat": lambda lib, t, u, k: lib.cat([t, u]),
    "stack": lambda lib, t, u, k: lib.stack([t, t]),
    "matmul": lambda lib, t, u, k: tame(t) @ tame(u).transpose(-1, 0),
    "masked_fill": lambda lib, t, u, k: t.masked_fill(t > OFF_ZERO, k),
    "index_tensor": lambda lib, t, u, k: t[lib.tensor([0, k % 2])],
    "mask": lambda lib, t, u, k: t[t > OFF_ZERO],
    "float32": lambda lib, t, u, k: t.float().double(),
    **VIEWS,
    # writes
    "add_": lambda lib, t, u, k: t.add_(u),
    "add_number_": lambda lib, t, u, k: t.add_(k),
    "sub_": lambda lib, t, u, k: t.sub_(u, alpha=2),
    "mul_": lambda lib, t, u, k: tame(t).mul_(tame(u)),
    "mul_number_": lambda lib, t, u, k: t.mul_(0.5),
    "div_": lambda lib, t, u, k: t.div_(u * u + 1),
    "iadd": lambda lib, t, u, k: iadd(t, u),
    "copy_": lambda lib, t, u, k: t.copy_(u),
    "fill_": lambda lib, t, u, k: t.fill_(k),
    "fill_tensor_": lambda lib, t, u, k: t.fill_(u.sum()),
    "clamp_": lambda lib, t, u, k: t.clamp_(-1, k),
    "masked_fill_": lambda lib, t, u, k: t.masked_fill_(u > OFF_ZERO, k),
    "gt_": lambda lib, t, u, k: t.gt_(u.detach()),
    "cumsum_": lambda lib, t, u, k: t.cumsum_(-1),
    "addcmul_": lambda lib, t, u, k: tame(t).addcmul_(tame(u), u, value=0.5),
    "lerp_": lambda lib, t, u, k: t.lerp_(u, 0.25),
    "unsqueeze_": lambda lib, t, u, k: t.unsqueeze_(0),
    "transpose_": lambda lib, t, u, k: t.transpose_(0, -1),
    "squeeze_": lambda lib, t, u, k: t.squeeze_(),
    "t_": lambda lib, t, u, k: t.t_(),
    "as_strided_": lambda lib, t, u, k: t.as_strided_((t.numel() // 2,), (1,)),
    "set_item": lambda lib, t, u, k: put(t, k % 2, u),
    "set_slice": lambda lib, t, u, k: put(t, slice(None, 1), u),
    "set_all": lambda lib, t, u, k: put(t, Ellipsis, u),
    "set_mask": lambda lib, t, u, k: put(t, t > OFF_ZERO, u.sum()),
    "set_index": lambda lib, t, u, k: put(t, lib.tensor([1, 0]), u),
    "index_put_": lambda lib, t, u, k: t.index_put_((lib.tensor([0, 0]),), u, accumulate=True),
    "write_data": lambda lib, t, u, k: t.data.mul_(0.5),
    "reshape": lambda lib, t, u, k: t.reshape(-1),  # a view or not, by the layout, which for gradients is torch's own affair
    # flags, gradients
    "requires_grad_": lambda lib, t, u, k: t.requires_grad_(k != 0),
    "retain_grad": lambda lib, t, u, k: t.retain_grad(),
    "double_the_gradient": lambda lib, t, u, k: nothing(t.register_hook(lambda g: g * 2)),
    "take_grad": lambda lib, t, u, k: t.grad if t.is_leaf or t.retains_grad else None,
    "drop_grad": lambda lib, t, u, k: setattr(t, "grad", None),
    "backward": lambda lib, t, u, k: tame(t).sum().backward(retain_graph=k != 1),
    "backward_created": lambda lib, t, u, k: t.sum().backward(create_graph=True) if k == 0 else None,
    "backward_inputs": lambda lib, t, u, k: (t * t).sum().backward(inputs=[u], retain_graph=True),
    "grad": lambda lib, t, u, k: lib.autograd.grad(t.sum(), [u], retain_graph=k != 1, allow_unused=True)[0],
    "grad_created": lambda lib, t, u, k: lib.autograd.grad((t * t).sum(), [u], create_graph=True, allow_unused=True)[0],
}
INDEXES = {"index_tensor", "set_index", "index_put_"}
TURNS = {"unsqueeze_", "transpose_", "squeeze_", "t_", "as_strided_"}
GIVES_GRADIENTS = {"grad", "grad_created", "take_grad"}
DIFFERENTIATES = {"backward", "backward_created", "backward_inputs", "grad", "grad_created"}
CREATES = {"grad_created", "backward_created"}  # those that record backward


def tame(t: Any) -> Any:
    """The tensor itself; a program in which numbers explode ends here, on both sides alike.

    (While a piece is recorded nobody may look at a number. Torch's side comes first, and has looked.)
    """
    if not minitorch.compiler.is_compiling() and t.numel() and not float(t.detach().abs().max()) < 1e3:
        raise OverflowError
    return t


def iadd(t: Any, u: Any) -> None:
    t += u


def put(t: Any, key: Any, value: Any) -> None:
    t[key] = value


def nothing(_: Any) -> None:
    """For steps whose result is no tensor."""


# ---- what is known of them ----


def writes(name: str) -> bool:
    """Whether the step writes to t."""
    return name.endswith("_") or name.startswith(("set_", "iadd", "write_"))


def undefined(name: str, t: Any, u: Any) -> bool:
    """Whether torch's answer is an accident: indices that read nothing, which it does not check; writing to t what is read
    through a u that fills no block of memory, or beside dimensions of size 1, whose strides decide whether torch refuses; a
    view with a flag of its own beside its base's; what memory there is beside a small tensor."""
    if (
        (name == "as_strided" and t.numel() < 4)
        or (name == "requires_grad_" and t._is_view())
        or (name in INDEXES and not t.numel())
    ):
        return True
    t, u = t.detach().numpy(), u.detach().numpy()
    reads_u = name not in IN_PLACE
    plain = is_dense(u) and 1 not in (*t.shape, *u.shape, u.size) and not name.startswith("set_")
    return writes(name) and name != "write_data" and reads_u and not plain and np.may_share_memory(t, u)


def is_leaf(t: Any) -> Any:
    """Whether it is one, or the error of a view whose history is lost."""
    try:
        return t.is_leaf
    except RuntimeError:
        return "lost"
