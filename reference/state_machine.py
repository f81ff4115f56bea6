"""Random programs, one step at a time on both libraries: ops, views, writes, detach, no_grad, hooks, backward, grad.

After each step everything that can be seen is compared: values, versions, `requires_grad`, leaves, views, gradients, and
which call raised. A step that raises must have changed nothing. `tests/test_state_machine.py` lets hypothesis choose the
steps; `python -m reference machine` runs as many as wanted.
"""

from __future__ import annotations

import collections
import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

import minitorch
from minitorch.arrays.memory import is_dense

from .strategies import Source

SHAPES = [(3,), (2, 3), (), (1, 3), (2, 1), (0, 3)]
MOST = 8  # tensors alive in a program
OFF_ZERO = 0.12345  # where comparing and rounding is not decided by a last bit, as it is at 0 after a cancellation
LIBRARIES = (minitorch, torch)
torch.set_warn_always(True)  # one of its warnings counts as a refusal here, each time


class Difference(AssertionError):
    """The two libraries did not do the same."""


# ---- the steps: f(library, t, u, k), two tensors and a small number ----

UNARY = [
    "sin",
    "tanh",
    "sigmoid",
    "relu",
    "abs",
    "neg",
    "clone",
    "square",
    "sum",
    "mean",
    "cos",
    "exp",
    "contiguous",
    "floor",
]
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


def tame(t: Any) -> Any:
    """The tensor itself; a program in which numbers explode ends here, on both sides alike."""
    if t.numel() and not float(t.detach().abs().max()) < 1e3:
        raise OverflowError
    return t


def iadd(t: Any, u: Any) -> None:
    t += u


def put(t: Any, key: Any, value: Any) -> None:
    t[key] = value


def nothing(_: Any) -> None:
    """For steps whose result is no tensor."""


# ---- the machine ----


class Lockstep:
    """One program: for each tensor ours and torch's; `step` does the next thing to both and compares."""

    def __init__(self) -> None:
        self.pairs: list[tuple[Any, Any]] = []
        self.views: list[bool] = []  # whether a view step made it: whether torch's matmul ends in a view is its own affair
        self.born: list[tuple[int, int]] = []  # the versions at which the pairs were first seen: a gradient may have any
        self.recording = True
        self.created = False  # whether a backward has been recorded
        self.over = False  # a failed backward has freed half a graph: nothing after it would be comparable
        self.log: list[str] = []

    def leaf(self, source: Source) -> None:
        """A new leaf, or a constant."""
        shape = source.choice(SHAPES)
        values = np.round(np.random.default_rng(source.integer(0, 9)).uniform(-2, 2, shape), 2)
        wants = source.integer(0, 3) > 0
        self.log.append(f"leaf {values.tolist()} requires_grad={wants}")
        ours, theirs = (lib.tensor(values).requires_grad_(wants) for lib in LIBRARIES)
        self.add((ours, theirs))

    def add(self, pair: tuple[Any, Any], is_view: bool = False) -> None:
        """Keep a pair; the oldest goes when there are too many."""
        if len(self.pairs) == MOST:
            self.pairs.pop(0)
            self.born.pop(0), self.views.pop(0)
        self.pairs.append(pair)
        self.views.append(is_view)
        self.born.append((pair[0]._version, pair[1]._version))

    def base_of(self, i: int, side: int) -> int | None:
        """Which pair is the base of a view, −1 if it is none of them; None for what is no view."""
        base = self.pairs[i][side]._base
        return None if base is None else next((k for k, pair in enumerate(self.pairs) if pair[side] is base), -1)

    def step(self, source: Source, name: str) -> str:
        """Do one step to both: "same", or "raised" if both raised."""
        if name == "leaf" or not self.pairs:
            self.leaf(source)
            return "same"
        if name == "mode":
            self.recording = not self.recording
            self.log.append(f"recording: {self.recording}")
            return "same"
        i, j, k = (source.integer(0, len(self.pairs) - 1) for _ in range(2)), None, source.integer(0, 3)
        i, j = tuple(i)
        self.log.append(f"{name} t={i} u={j} k={k}")
        if name in TURNS and self.pairs[i][1].retains_grad:
            return "skipped"  # torch leaves that with the old node, and stumbles over it after the next write
        # Whether a gradient is a view, or lies expanded, is torch's own affair; whether it, or a view of it, may be written to
        # follows from it.
        bases = [self.base_of(i, side) for side in (0, 1)]
        expanded = any((0 in ours.stride()) != (0 in theirs.stride()) for ours, theirs in self.beside(i))
        if name == "write_data" and self.created:
            return "skipped"  # it is not counted, and what a derivative's own derivative keeps is each library's affair
        written = writes(name) or name == "write_data"
        if undefined(name, self.pairs[i][1], self.pairs[j][1]) or (written and (expanded or bases[0] != bases[1])):
            return "skipped"
        before = [self.seen(side) for side in (0, 1)]
        results = [self.attempt(side, name, i, j, k) for side in (0, 1)]
        self.created = self.created or name in ("grad_created", "backward_created")
        keeps_more = self.created and "modified by an inplace operation" in str(results[1])  # in a derivative's derivative
        if torch_fails(name, results[1]) or (keeps_more and not isinstance(results[0], Exception)):
            self.over = True
            return "torch fails"
        raised = [isinstance(r, Exception) for r in results]
        if raised[0] != raised[1] or (raised[0] and not alike(name, *results)):
            raise Difference(f"ours: {results[0]!r}\ntorch: {results[1]!r}\n{self}")
        if raised[0]:
            self.over = name in DIFFERENTIATES or isinstance(results[1], UserWarning)
            if not self.over:
                self.compare(before[0], self.seen(0), "a step that raised changed")
            return "raised"
        tensors = [isinstance(r, lib.Tensor) for r, lib in zip(results, LIBRARIES)]
        if tensors[0] != tensors[1]:
            raise Difference(f"ours: {results[0]!r}\ntorch: {results[1]!r}\n{self}")
        # Whether a gradient that is zero whatever happens (of floor, of relu's mask) requires grad is torch's own affair.
        doubtful = name in GIVES_GRADIENTS and tensors[0] and results[0].requires_grad != results[1].requires_grad
        if tensors[0] and not doubtful and not any(results[1] is pair[1] for pair in self.pairs):
            self.add((results[0], results[1]), name in VIEWS)
        self.compare(self.seen(0), self.seen(1), "the libraries differ in")
        return "same"

    def beside(self, i: int) -> list[tuple[Any, Any]]:
        """The pairs that lie in the memory of pair i, on our side."""
        memory = self.pairs[i][0].detach().numpy()
        return [pair for pair in self.pairs if np.may_share_memory(pair[0].detach().numpy(), memory)]

    def attempt(self, side: int, name: str, i: int, j: int, k: int) -> Any:
        """The step on one library: its result, or what it raised."""
        lib = LIBRARIES[side]
        try:
            with lib.set_grad_enabled(self.recording):
                return STEPS[name](lib, self.pairs[i][side], self.pairs[j][side], k)
        except Exception as error:
            return error

    def seen(self, side: int) -> list[tuple]:
        """What can be seen of each tensor on one side."""
        ids = [id(pair[side]) for pair in self.pairs]
        return [
            (
                t.requires_grad, is_leaf(t), t._version - born[side], t.retains_grad, is_view and t._is_view(),
                ids.index(id(t._base)) if is_view and t._is_view() and id(t._base) in ids else None,
                np.array(t.detach().numpy()), grad_of(t),
            )
            for t, born, is_view in zip((pair[side] for pair in self.pairs), self.born, self.views)
        ]  # fmt: skip

    def compare(self, ours: list[tuple], theirs: list[tuple], what: str) -> None:
        names = ("requires_grad", "is_leaf", "_version", "retains_grad", "_is_view()", "_base", "value", "grad")
        for n, (a, b) in enumerate(zip(ours, theirs)):
            for name, x, y in zip(names, a, b):
                unknown = name == "_base" and None in (x, y)  # it has gone, or is a tensor inside an op
                if not unknown and not same(x, y):
                    raise Difference(f"{what} {name} of tensor {n}: {x!r} and {y!r}\n{self}")

    def __str__(self) -> str:
        return "\n".join(self.log)


def alike(name: str, ours: Exception, theirs: Exception) -> bool:
    """The same type. Where torch warns that it will refuse a write to an expanded tensor, ours refuses already; of two
    mistakes in one call either may be named."""
    kinds = {type(ours).__name__, type(theirs).__name__}
    lost = "its base or another view of its base" in str(theirs)
    two_mistakes = kinds == {"IndexError", "RuntimeError"} and (lost or name in ("index_put_", "set_index"))
    return len(kinds) == 1 or two_mistakes or isinstance(theirs, UserWarning)


def torch_fails(name: str, error: Any) -> bool:
    """Whether torch stumbles over itself: an assertion that asks to be reported, or a derivative (of `zero_` on an expanded
    view) that writes where it may not."""
    inside = "more than one element of the written-to tensor" in str(error) and name in DIFFERENTIATES
    return "INTERNAL ASSERT" in str(error) or inside


def writes(name: str) -> bool:
    """Whether the step writes to t."""
    return name.endswith("_") or name.startswith(("set_", "iadd"))


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
    return writes(name) and reads_u and not plain and np.may_share_memory(t, u)


def is_leaf(t: Any) -> Any:
    """Whether it is one, or the error of a view whose history is lost."""
    try:
        return t.is_leaf
    except RuntimeError:
        return "lost"


def grad_of(t: Any) -> Any:
    """The gradient as an array, if it would not warn to ask."""
    g = t.grad if is_leaf(t) is True or t.retains_grad else None
    return None if g is None else np.array(g.detach().numpy())


def same(x: Any, y: Any) -> bool:
    """Equal; arrays within 1e-9 of their scale, nan equal to nan."""
    if not isinstance(x, np.ndarray) or not isinstance(y, np.ndarray):
        return x is y if x is None or y is None else bool(x == y)
    if x.shape != y.shape:
        return False
    scale = max(1.0, float(np.abs(y[np.isfinite(y)]).max(initial=0.0)))
    return bool(np.allclose(x, y, rtol=0.0, atol=1e-9 * scale, equal_nan=True))


# ---- many programs ----

NAMES = [*STEPS, "leaf", "leaf", "leaf", "mode"]


def program(source: Source, length: int) -> collections.Counter:
    """One program of at most `length` steps; how its steps ended."""
    machine, counts = Lockstep(), collections.Counter()
    with warnings_that_refuse():
        for _ in range(length):
            counts[machine.step(source, source.choice(NAMES))] += 1
            if machine.over:
                break
    return counts


@contextlib.contextmanager
def warnings_that_refuse() -> Iterator[None]:
    """Where torch warns that it will refuse a write, it counts as refused; its other warnings are not looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", "Use of .* on expanded tensors is deprecated")
        yield


def programs(count: int, length: int, seed: int) -> int:
    """Run many; print how many steps ran, and how many raised on both sides."""
    from tqdm import tqdm

    total: collections.Counter = collections.Counter()
    for n in tqdm(range(seed, seed + count), unit="program", disable=None):
        try:
            total += program(Source(n), length)
        except Difference as difference:
            print(f"program {n} differs:\n{difference}")
            return 1
    print(
        f"{count} programs of up to {length} steps: {total['same']} steps alike, {total['raised']} raised on both sides, no difference"
    )
    return 0
