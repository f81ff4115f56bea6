"""The layers and losses beside torch's: drawn options, the same weights, and every number and word compared.

A row names a layer, draws its options and its inputs. Both libraries build it, ours with torch's weights. Then:
the repr and the state dict's keys, the output of some training steps, the gradients of inputs and parameters in each, the
buffers after them, and the output in evaluation. An error counts as an outcome: its type must be torch's.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from hypothesis import strategies as st

import minitorch

Arrays = list[np.ndarray]


class Row(NamedTuple):
    """A layer by its name in `nn`: how to draw its options, and its inputs for those options."""

    name: str
    options: st.SearchStrategy[dict[str, Any]]
    inputs: Callable[[Any, np.random.Generator, dict[str, Any]], Arrays]

    def build(self, lib: Any, options: dict[str, Any], dtype: str) -> Any:
        given = {k: lib.tensor(v.tolist()) if isinstance(v, np.ndarray) else v for k, v in options.items()}
        return getattr(lib.nn, self.name)(**given).to(getattr(lib, dtype))


def optional(**options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of the options drawn, the others left to their defaults."""
    return st.fixed_dictionaries({}, optional=options)


def required(first: dict[str, Any], **options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """As `optional`, with options that are always given."""
    return st.fixed_dictionaries(
        {k: v if isinstance(v, st.SearchStrategy) else st.just(v) for k, v in first.items()}, optional=options
    )


one_of = st.sampled_from
flags = st.booleans()
alphas = one_of([0.5, 1.0, 2.5])


# ---- inputs ----


def shaped(*shapes: tuple[int, ...], scale: float = 3.0) -> Callable[..., Arrays]:
    """One array of one of the shapes: ordinary numbers, with some zeros and integers among them (kinks lie there)."""

    def draw(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
        shape = choose(one_of(shapes))
        x = rng.standard_normal(shape) * scale
        return [np.asarray(np.where(rng.random(shape) < 0.2, np.round(x), x))]

    return draw


anything = shaped((), (4,), (3, 4), (2, 3, 4), (0, 3))
halves = shaped((4,), (3, 4), (2, 3, 4), (3, 5))


def indices(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Row numbers of a table; sometimes one too many."""
    high = options["num_embeddings"] + choose(one_of([0, 0, 0, 1]))
    return [rng.integers(0, high, choose(one_of([(), (5,), (3, 4), (0,)])))]


def pairs(*shapes: tuple[int, ...]) -> Callable[..., Arrays]:
    """Predictions and targets of one shape, sometimes equal in places."""

    def draw(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
        shape = choose(one_of(shapes))
        x, y = rng.standard_normal((2, *shape))
        return [x, np.asarray(np.where(rng.random(shape) < 0.3, x, y))]

    return draw


def classes(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Scores (N, 4, …) and class numbers, some of them ignored."""
    shape = choose(one_of([(5, 4), (4,), (2, 4, 3), (2, 4, 2, 3)]))
    scores = rng.standard_normal(shape) * 3
    target = rng.integers(0, 4, (*shape[:1], *shape[2:]) if len(shape) > 1 else ())
    ignored = rng.random(target.shape) < 0.3
    return [scores, np.asarray(np.where(ignored, options.get("ignore_index", 0), target))]


def classes_or_probabilities(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """As `classes`, or with a distribution over the classes as the target."""
    scores, target = classes(choose, rng, options)
    if choose(flags):
        return [scores, target]
    weights = rng.random(scores.shape) + 0.01
    return [scores, weights / weights.sum(min(1, scores.ndim - 1), keepdims=True)]


def probabilities(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Probabilities, 0 and 1 among them, and targets in [0, 1]."""
    p = rng.random((5, 3))
    return [np.where(rng.random(p.shape) < 0.2, np.round(p), p), rng.random(p.shape)]


def logits(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Logits, large ones among them, and targets in [0, 1]."""
    return [rng.standard_normal((5, 3)) * choose(one_of([1, 30])), rng.random((5, 3))]


def log_probabilities(choose: Any, rng: np.random.Generator, options: dict[str, Any]) -> Arrays:
    """Logarithms of probabilities, and probabilities (or their logarithms)."""
    p, q = rng.random((2, 5, 3)) + 0.01
    return [np.log(p), np.log(q) if options.get("log_target") else np.where(rng.random(q.shape) < 0.2, 0, q)]


# ---- the table ----

known = one_of(["mean", "sum", "none"])


def reduced(**options: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """A loss's options with its reduction; or an unknown reduction alone: which of two mistakes is told is no promise."""
    return optional(reduction=known, **options) | st.just({"reduction": "average"})


class_weight = st.just(np.array([0.5, 2.0, 1.0, 0.25]))
affine = {"eps": one_of([1e-5, 1e-3]), "bias": flags}
batch_norm = required(
    {"num_features": 4}, momentum=one_of([0.1, 0.5, None]), affine=flags, track_running_stats=flags, **affine
)

ROWS = [
    Row(
        "Linear",
        required({"in_features": 3, "out_features": one_of([1, 5])}, bias=flags),
        shaped((3,), (6, 3), (2, 4, 3), (0, 3), (6, 2)),
    ),
    Row(
        "Bilinear",
        required({"in1_features": 3, "in2_features": 2, "out_features": 4}, bias=flags),
        lambda choose, rng, options: [rng.standard_normal((5, 3)), rng.standard_normal((5, choose(one_of([2, 2, 3]))))],
    ),
    Row("Identity", st.just({}), anything),
    Row(
        "Flatten", optional(start_dim=one_of([0, 1, 2]), end_dim=one_of([-1, 1, 2])), shaped((2, 3, 4), (2, 3, 4, 2), (3, 4))
    ),
    Row(
        "Unflatten",
        required({"dim": one_of([0, 1, -1]), "unflattened_size": one_of([(2, 3), (3, -1), (2, 2)])}),
        shaped((6, 6), (6, 4)),
    ),
    Row(
        "Embedding",
        required(
            {"num_embeddings": 6, "embedding_dim": 3},
            padding_idx=one_of([0, -1, 3]),
            max_norm=one_of([0.5, 2.0]),
            norm_type=one_of([1.0, 2.0]),
            scale_grad_by_freq=flags,
        ),
        indices,
    ),
    Row("BatchNorm1d", batch_norm, shaped((5, 4), (3, 4, 2), (1, 4), (1, 4, 3), (4,), (5, 3))),
    Row("BatchNorm2d", batch_norm, shaped((3, 4, 2, 2), (1, 4, 1, 1), (5, 4))),
    Row("BatchNorm3d", batch_norm, shaped((2, 4, 2, 1, 2), (5, 4))),
    Row(
        "LayerNorm",
        required({"normalized_shape": one_of([4, (3, 4)])}, elementwise_affine=flags, **affine),
        shaped((2, 3, 4), (3, 4), (2, 4), (5,)),
    ),
    Row(
        "GroupNorm",
        required({"num_groups": one_of([1, 2, 4, 3]), "num_channels": 4}, affine=flags, **affine),
        shaped((2, 4, 3), (3, 4, 2, 2), (5, 3, 2)),
    ),
    Row(
        "RMSNorm",
        required({"normalized_shape": one_of([4, (3, 4)])}, elementwise_affine=flags, eps=one_of([None, 1e-3])),
        shaped((2, 3, 4), (3, 4), (5,)),
    ),
    Row("Dropout", required({"p": one_of([0.3, 0.0, 1.0, 1.5])}, inplace=flags), anything),
    Row("Dropout1d", required({"p": one_of([0.3, 1.0, -0.5])}, inplace=flags), shaped((2, 3, 4), (3, 4), (4,))),
    Row("Dropout2d", required({"p": one_of([0.3, 1.0])}, inplace=flags), shaped((2, 3, 4, 2), (2, 3, 4), (4,))),
    Row("Dropout3d", required({"p": one_of([0.3, 1.0])}, inplace=flags), shaped((2, 3, 4, 2, 1), (3, 4, 2, 1))),
    Row("AlphaDropout", required({"p": one_of([0.3, 1.0])}, inplace=flags), anything),
    Row("FeatureAlphaDropout", required({"p": one_of([0.3, 1.0])}, inplace=flags), shaped((2, 3, 4), (4, 3), (4,))),
    *[
        Row(name, optional(inplace=flags), anything)
        for name in ["ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardsigmoid", "Hardswish"]
    ],
    *[Row(name, st.just({}), anything) for name in ["Sigmoid", "Tanh", "Softsign", "Tanhshrink", "LogSigmoid"]],
    *[
        Row(name, optional(dim=one_of([0, -1, 1])), shaped((4,), (3, 4), (2, 3, 4)))
        for name in ["Softmax", "LogSoftmax", "Softmin"]
    ],
    Row("LeakyReLU", optional(negative_slope=one_of([0.01, 0.5]), inplace=flags), anything),
    Row("PReLU", optional(num_parameters=one_of([1, 3]), init=one_of([0.25, -0.5])), shaped((4,), (5, 3), (2, 3, 4))),
    Row("ELU", optional(alpha=alphas, inplace=flags), anything),
    Row("CELU", optional(alpha=alphas, inplace=flags), anything),
    Row("GELU", optional(approximate=one_of(["none", "tanh"])), anything),
    Row("GLU", optional(dim=one_of([-1, 0])), halves),
    Row("Softplus", optional(beta=one_of([0.5, 2]), threshold=one_of([1.0, 20])), anything),
    Row("Hardtanh", optional(min_val=one_of([-2.0, -1]), max_val=one_of([0.5, -3.0]), inplace=flags), anything),
    Row("Hardshrink", optional(lambd=one_of([0.5, 1])), anything),
    Row("Softshrink", optional(lambd=one_of([0.5, 1, -1.0])), anything),
    Row("Threshold", required({"threshold": one_of([0.0, 1.0]), "value": -2.0}, inplace=flags), anything),
    Row("MSELoss", reduced(), pairs((5, 3), (4,), ())),
    Row("L1Loss", reduced(), pairs((5, 3), (4,), ())),
    Row("SmoothL1Loss", reduced(beta=one_of([0.0, 0.5, 2.0, -1.0])), pairs((5, 3), (4,))),
    Row("HuberLoss", reduced(delta=one_of([0.5, 2.0, 0.0])), pairs((5, 3), (4,))),
    Row(
        "CrossEntropyLoss",
        reduced(
            weight=class_weight,
            ignore_index=one_of([-100, 1]),
            label_smoothing=one_of([0.1, 1.0, 2.0]),
        ),
        classes_or_probabilities,
    ),
    Row("NLLLoss", reduced(weight=class_weight, ignore_index=one_of([-100, 1])), classes),
    Row("BCELoss", reduced(weight=st.just(np.array([0.5, 2.0, 1.0]))), probabilities),
    Row(
        "BCEWithLogitsLoss",
        reduced(weight=st.just(np.array([0.5, 2.0, 1.0])), pos_weight=st.just(np.array([3.0, 1.0, 0.5]))),
        logits,
    ),
    Row("KLDivLoss", optional(reduction=one_of(["mean", "sum", "none", "batchmean"]), log_target=flags), log_probabilities),
]

STEPS = 3


def worst_error(row: Row, draw: Any, dtype: str = "float64", libraries: tuple[Any, Any] = (minitorch, torch)) -> float:
    """The largest difference of outputs, gradients and state, relative to each tensor's scale.

    AssertionError in words if the two libraries, ours and torch's, differ in kind. `draw` draws from a strategy
    (hypothesis's `data.draw`).
    """
    seed = draw(st.integers(0, 2**32 - 1), label="seed")
    rng = np.random.default_rng(seed)
    options = draw(row.options, label="options")
    inputs = row.inputs(draw, rng, options)
    libraries[1].manual_seed(seed)  # the initial weights are its own
    theirs = Run(row, libraries[1], options, inputs, dtype)
    ours = Run(
        row, libraries[0], options, inputs, dtype, None if isinstance(theirs.layer, Exception) else theirs.layer.state_dict()
    )
    upstream = int(rng.integers(0, 2**32))
    errors = [0.0]
    for (what, have), (_, want) in zip(list(ours.story(upstream)), list(theirs.story(upstream))):
        where = f"{row.name}({options}) on shapes {[x.shape for x in inputs]}, {what}: ours {have!r}, torch's {want!r}"
        if isinstance(want, Exception) or isinstance(have, Exception):
            assert isinstance(have, Exception) and isinstance(want, Exception) and issubclass(type(have), type(want)), where
            break
        if isinstance(want, np.ndarray) and isinstance(have, np.ndarray):
            assert have.shape == want.shape and have.dtype == want.dtype, where
            errors.append(difference(have, want))
        else:
            assert have == want, where
    return max(errors)


class Run:
    """One library's layer, and the story of what it does."""

    def __init__(self, row: Row, lib: Any, options: dict[str, Any], inputs: Arrays, dtype: str, state: Any = None) -> None:
        self.lib, self.inputs, self.dtype = lib, inputs, dtype
        self.layer = attempt(lambda: row.build(lib, options, dtype))
        if state is not None and not isinstance(self.layer, Exception):
            self.layer.load_state_dict(
                {name: lib.from_numpy(np.array(value.cpu().numpy())) for name, value in state.items()}
            )

    def story(self, seed: Any) -> Any:
        """What can be seen from outside, in order, as (what, value) pairs; the seed is for all that is drawn."""
        self.lib.manual_seed(seed)
        if isinstance(self.layer, Exception):
            yield "construction", self.layer
            return
        yield "repr", re.sub("minitorch", "torch", repr(self.layer))
        yield "state dict", list(self.layer.state_dict())
        rng = np.random.default_rng(seed)
        for step in range(STEPS):
            yield from self.training_step(f"step {step}", rng)
        for name, value in self.layer.state_dict().items():
            yield name, self.plain(value)  # a copy: evaluation may still change it (Embedding with max_norm does)
        self.layer.eval()
        yield "evaluation", self.plain(self.output(self.tensors()))

    def training_step(self, when: str, rng: np.random.Generator) -> Any:
        leaves = self.tensors()
        out = self.output([x * 1 if x.requires_grad else x for x in leaves])  # × 1: leaves are not written to
        yield f"{when}: output", self.plain(out)
        if isinstance(out, Exception) or not out.requires_grad:
            return
        g = rng.standard_normal(tuple(out.shape))
        self.layer.zero_grad()
        out.backward(self.lib.from_numpy(np.asarray(g)).to(out.dtype))
        for k, x in enumerate(leaves):
            yield f"{when}: gradient of input {k}", self.plain(x.grad)
        for name, param in self.layer.named_parameters():
            yield f"{when}: gradient of {name}", self.plain(param.grad)
            with self.lib.no_grad():
                param -= 0.1 * param.grad

    def output(self, inputs: list[Any]) -> Any:
        """What the layer returns or raises; on a GPU a bad index is raised once somebody looks at the numbers."""

        def seen() -> Any:
            out = self.layer(*inputs)
            self.plain(out)
            return out

        return attempt(seen)

    def tensors(self) -> list[Any]:
        """The inputs; floats want a gradient."""
        made = []
        for x in self.inputs:
            floating = x.dtype.kind == "f"
            tensor = self.lib.from_numpy(np.array(x.astype(self.dtype) if floating else x))
            made.append(tensor.requires_grad_() if floating else tensor)
        return made

    def plain(self, value: Any) -> Any:
        return value.detach().cpu().numpy().copy() if isinstance(value, self.lib.Tensor) else value


def attempt(action: Callable[[], Any]) -> Any:
    """What the action returns, or the exception it raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return action()
        except Exception as error:
            return error


def difference(have: np.ndarray, want: np.ndarray) -> float:
    """max |have − want| relative to the scale of `want`, at least 1; infinite if infinities or nans differ."""
    have, want = have.astype(np.float64), want.astype(np.float64)
    finite = np.isfinite(want)
    if not np.array_equal(have[~finite], want[~finite], equal_nan=True) or not np.isfinite(have[finite]).all():
        return float("inf")
    if not finite.any():
        return 0.0
    return float(np.abs(have[finite] - want[finite]).max()) / max(1.0, float(np.abs(want[finite]).max()))
