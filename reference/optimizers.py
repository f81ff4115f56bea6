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

    def build(self, lib: Any, groups: list[dict[str, Any]], options: dict[str, Any]) -> Any:
        return getattr(lib.optim, self.name)(groups, **options)


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
adam_options = drawn(amsgrad=flags, betas=st.tuples(betas, betas), eps=st.sampled_from([1e-12, 1e-8, 1e-3]))

ROWS = [
    Row("SGD", sgd_options | damped_options | nesterov_options),
    Row("Adam", adam_options | adam_options.map(lambda options: options | {"decoupled_weight_decay": True})),
    Row("AdamW", adam_options),
]


def worst_error(row: Row, draw: Any, dtype: str = "float64", libraries: tuple[Any, Any] = (minitorch, torch)) -> float:
    """The largest difference in parameters and state over some steps, relative to each tensor's scale.

    `draw` draws from a strategy (hypothesis's `data.draw`).
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1), label="seed"))
    options = draw(row.options, label="options")
    second_group = draw(st.fixed_dictionaries({}, optional={"lr": rates, "weight_decay": decays}), label="group 1")
    plan = draw(st.lists(st.tuples(*[KINDS] * len(SHAPES)), min_size=2, max_size=8), label="gradients")
    start = [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
    ours, theirs = (Run(row, lib, start, options, second_group) for lib in libraries)

    errors = [0.0]
    for step, kinds in enumerate(plan):
        if step == len(plan) // 2:
            to_ours, to_theirs = convert(theirs.state_dict(), libraries[0]), convert(ours.state_dict(), libraries[1])
            ours.optimizer.load_state_dict(to_ours)
            theirs.optimizer.load_state_dict(to_theirs)
        gradients = [gradient(kind, shape, rng, dtype) for kind, shape in zip(kinds, SHAPES, strict=True)]
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
