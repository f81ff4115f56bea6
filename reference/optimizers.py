"""The optimizers beside torch's: drawn options, drawn gradients, some steps, and every number compared.

A row names an optimizer and draws its options. The gradients are chosen so that each option matters: tiny ones (against
ε), zeros, None (the parameter must be left alone), two groups with their own options, and half-way each library goes on
from the other's state dict.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from hypothesis import strategies as st

import minitorch

SHAPES = [(3, 2), (4,), (2, 1), (5,), ()]  # the last makes group 1, the others group 0: enough that they may go together
KINDS = st.sampled_from(["normal", "normal", "normal", "tiny", "zero", "none"])


class Row(NamedTuple):
    """An optimizer by its name in `optim`, and how to draw its options."""

    name: str
    options: st.SearchStrategy[dict[str, Any]]
    of_groups: tuple[str, ...] = ("lr", "weight_decay")  # what the second group says otherwise
    shapes: list[tuple[int, ...]] = SHAPES
    allowed: float = 1e-11  # the error, in float64: of what is computed in bfloat16, one of its roundings
    theirs: Any = None  # what stands in for torch's, if it has none

    def build(self, lib: Any, groups: list[dict[str, Any]], options: dict[str, Any]) -> Any:
        return (self.theirs if self.theirs and lib is torch else getattr(lib.optim, self.name))(groups, **options)


rates = st.sampled_from([1e-3, 0.01, 0.1, 1.0])
decays = st.sampled_from([0.0, 0.01, 0.3])
betas = st.sampled_from([0.0, 0.5, 0.9, 0.99, 0.999])
flags = st.booleans()


def drawn(**options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the options drawn, the others left to their defaults."""
    return st.fixed_dictionaries({}, optional={"lr": rates, "weight_decay": decays, "maximize": flags, **options})


momenta = st.sampled_from([0.5, 0.9])
sgd_options = drawn(momentum=momenta, dampening=st.sampled_from([0.0, 0.4]))
damped_options = st.builds(dict, drawn(), momentum=momenta, dampening=st.just(0.4))
nesterov_options = st.builds(dict, drawn(), momentum=momenta, nesterov=st.just(True))
momentum_decays = st.sampled_from([0.0, 0.004, 0.5])
epsilons = st.sampled_from([1e-12, 1e-8, 1e-3])
averaging = {"betas": st.tuples(betas, betas), "eps": epsilons}
adam_options = drawn(amsgrad=flags, **averaging)


def decoupled(**options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Options of a weight decay that is subtracted from θ itself."""
    return st.builds(dict, drawn(**options), decoupled_weight_decay=st.just(True), weight_decay=st.just(0.3))


class PlainLAMB(torch.optim.Optimizer):
    """LAMB as algorithm 2 of the paper has it, a parameter after another, in torch."""

    def __init__(self, params: Any, lr: float = 1e-3, betas: Any = (0.9, 0.999), eps: float = 1e-6,
                 weight_decay: float = 0.01, maximize: bool = False) -> None:  # fmt: skip
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            (b1, b2), eps = group["betas"], group["eps"]
            for x in (x for x in group["params"] if x.grad is not None):
                zeros = {"step": torch.tensor(0.0), "exp_avg": torch.zeros_like(x), "exp_avg_sq": torch.zeros_like(x)}
                state = self.state[x]
                state.update({} if state else zeros)
                state["step"] += 1
                t, g = state["step"].item(), -x.grad if group["maximize"] else x.grad
                state["exp_avg"] = m = b1 * state["exp_avg"] + (1 - b1) * g
                state["exp_avg_sq"] = v = b2 * state["exp_avg_sq"] + (1 - b2) * g**2
                r = (m / (1 - b1**t)) / ((v / (1 - b2**t)).sqrt() + eps)
                update = r + group["weight_decay"] * x
                weight, length = x.norm(), update.norm()
                x -= group["lr"] * (weight / length if weight > 0 and length > 0 else 1.0) * update


ROWS = [
    Row("SGD", sgd_options | damped_options | nesterov_options),
    Row("Adam", adam_options | adam_options.map(lambda options: options | {"decoupled_weight_decay": True})),
    Row("AdamW", adam_options),
    Row("NAdam", drawn(**averaging, momentum_decay=momentum_decays) | decoupled(**averaging)),
    Row("RAdam", drawn(**averaging) | decoupled(**averaging)),
    Row("Adamax", drawn(**averaging)),
    Row("Adagrad", drawn(lr_decay=decays, initial_accumulator_value=st.sampled_from([0.0, 0.1]), eps=epsilons)),
    Row("Adadelta", drawn(rho=st.sampled_from([0.0, 0.5, 0.9, 1.0]), eps=epsilons)),
    Row(
        "RMSprop",
        drawn(alpha=st.sampled_from([0.5, 0.9, 0.99]), eps=epsilons, momentum=momenta | st.just(0), centered=flags),
    ),
    Row(
        "Rprop",
        st.fixed_dictionaries(
            {},
            optional={
                "lr": rates,
                "etas": st.sampled_from([(0.5, 1.2), (0.1, 3.0)]),
                "step_sizes": st.sampled_from([(1e-6, 50.0), (0.05, 0.5)]),
                "maximize": flags,
            },
        ),
        ("lr",),
    ),
    Row(
        "ASGD",
        drawn(lambd=st.sampled_from([1e-4, 0.1]), alpha=st.sampled_from([0.75, 0.0]), t0=st.sampled_from([1.0, 3.0, 1e6])),
    ),
    Row(
        "Adafactor",
        drawn(
            beta2_decay=st.sampled_from([-0.8, -0.1]),
            eps=st.sampled_from([(None, 1e-3), (1e-3, 0.5)]),
            d=st.sampled_from([1.0, 2.0]),
            lr=st.sampled_from([1e-3, 0.01, 0.1]),  # (in proportion to θ: with 1 a single number goes to 0 ± a rounding)
        ),
        ("weight_decay",),
        shapes=[(3, 2), (4,), (2, 1), (2, 3, 4), ()],
    ),
    Row(
        "Muon",
        st.fixed_dictionaries(
            {},
            optional={
                "lr": st.sampled_from([1e-3, 0.01, 0.1]),  # (bfloat16: a step is right to a tenth at worst)
                "weight_decay": decays,
                "momentum": momenta,
                "nesterov": flags,
                "ns_steps": st.sampled_from([1, 5]),
                "adjust_lr_fn": st.sampled_from([None, "original", "match_rms_adamw"]),
            },
        ),
        ("weight_decay",),
        shapes=[(3, 2), (2, 5), (4, 4)],
        allowed=1e-2,
    ),
    Row(
        "LAMB", drawn(**averaging, lr=st.sampled_from([1e-3, 0.01, 0.1])), theirs=PlainLAMB
    ),  # (1: a single number goes to 0 ± ulp)
]


def worst_error(row: Row, draw: Any, dtype: str = "float64", libraries: tuple[Any, Any] = (minitorch, torch)) -> float:
    """The largest difference in parameters and state over some steps, relative to each tensor's scale.

    `draw` draws from a strategy (hypothesis's `data.draw`).
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    options = draw(row.options, label="options")
    of_group = {name: {"lr": rates, "weight_decay": decays}[name] for name in row.of_groups}
    second_group = draw(st.fixed_dictionaries({}, optional=of_group), label="group 1")
    plan = draw(st.lists(st.tuples(*[KINDS] * len(row.shapes)), min_size=2, max_size=8), label="gradients")
    start = [rng.standard_normal(shape).astype(dtype) for shape in row.shapes]
    ours, theirs = (Run(row, lib, start, options, second_group) for lib in libraries)

    errors = [0.0]
    for step, kinds in enumerate(plan):
        if step == len(plan) // 2:
            to_ours, to_theirs = convert(theirs.state_dict(), libraries[0]), convert(ours.state_dict(), libraries[1])
            ours.optimizer.load_state_dict(to_ours)
            theirs.optimizer.load_state_dict(to_theirs)
        gradients = [gradient(kind, shape, rng, dtype) for kind, shape in zip(kinds, row.shapes, strict=True)]
        ours.step(gradients)
        theirs.step(gradients)
        errors += differences(ours.everything(), theirs.everything())
    return max(errors)


class Run:
    """One library's parameters and optimizer."""

    def __init__(
        self, row: Row, lib: Any, start: list[np.ndarray], options: dict[str, Any], second_group: dict[str, Any]
    ) -> None:
        self.lib = lib
        self.params = [lib.tensor(value.tolist(), dtype=dtype_of(lib, value), requires_grad=True) for value in start]
        groups = [{"params": self.params[:-1]}, {"params": self.params[-1:], **second_group}]
        self.optimizer = row.build(lib, groups, options)

    def step(self, gradients: list[np.ndarray | None]) -> None:
        for param, value in zip(self.params, gradients, strict=True):
            if value is None or param.grad is None:
                param.grad = None if value is None else self.lib.tensor(value.tolist(), dtype=dtype_of(self.lib, value))
            else:  # into the same memory, as accumulation does: the optimizer must not have kept it
                param.grad.copy_(self.lib.tensor(value.tolist(), dtype=dtype_of(self.lib, value)))
        self.optimizer.step()

    def state_dict(self) -> dict[str, Any]:
        return copy.deepcopy(self.optimizer.state_dict())  # torch's loading shares the tensors it is given

    def everything(self) -> dict[Any, np.ndarray]:
        """Parameters and state by name."""
        values: dict[Any, np.ndarray] = {i: param.detach().cpu().numpy() for i, param in enumerate(self.params)}
        for i, state in self.optimizer.state_dict()["state"].items():
            values.update({(i, name): value.cpu().numpy() for name, value in state.items() if value is not None})
        return values


def gradient(kind: str, shape: tuple[int, ...], rng: np.random.Generator, dtype: str) -> np.ndarray | None:
    """A gradient of about 1, one far smaller than ε, zero, or None."""
    if kind == "none":
        return None
    scale = {"normal": 1.0, "tiny": 10.0 ** rng.uniform(-12, -4), "zero": 0.0}[kind]
    return np.asarray(rng.standard_normal(shape) * scale, dtype)


def differences(ours: dict[Any, np.ndarray], theirs: dict[Any, np.ndarray]) -> Iterator[float]:
    """The difference of each pair, relative to the larger of the two; infinite for another shape, dtype or name."""
    if ours.keys() != theirs.keys():
        yield float("inf")
        return
    for name, want in theirs.items():
        have = ours[name]
        scale = float(np.abs(want).max()) or 1.0
        same_kind = have.shape == want.shape and have.dtype == want.dtype
        yield float(np.abs(have - want).max()) / scale if same_kind else float("inf")


def convert(state: Any, lib: Any) -> Any:
    """A state dict with its tensors made those of `lib`."""
    if isinstance(state, dict):
        return {key: convert(value, lib) for key, value in state.items()}
    if isinstance(state, list):
        return [convert(value, lib) for value in state]
    if isinstance(state, minitorch.Tensor | torch.Tensor):
        return lib.tensor(state.tolist(), dtype=dtype_of(lib, state.cpu().numpy()))
    return state


def dtype_of(lib: Any, array: np.ndarray) -> Any:
    return getattr(lib, array.dtype.name)
