"""Automatic differentiation: `backward`, `grad`, and the pieces they are made of.

`backward` adds gradients into the leaves' `.grad`; `grad` returns them. Both give the walk in `engine.py` its roots.
Read next: `engine.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from operator import index
from typing import Any

import numpy as np

from ..arrays.device import on_host, xp_of
from ..arrays.layout import filled
from ..arrays.warning import warn
from ..rooms import when_used as _when_used
from . import engine, graph
from .anomaly_mode import detect_anomaly, set_detect_anomaly
from .grad_mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .graph import GradientEdge
from .hooks import as_tensor
from .leaves import gradient_edge
from .node import Node
from .variable import Variable

__all__ = [
    "Function", "GradientEdge", "Node", "Variable", "backward", "detect_anomaly", "enable_grad", "grad", "gradcheck", "gradgradcheck",
    "graph", "inference_mode", "is_grad_enabled", "no_grad", "set_detect_anomaly", "set_grad_enabled",
    "trace", "watch",
]  # fmt: skip


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add Σ vᵀ ∂tensor/∂leaf into `leaf.grad`, for every leaf (or only `inputs`) that the tensors were made from.

    grad_tensors: v for each tensor, of its shape; a tensor of one element needs none (v = 1).
    retain_graph: keep what the nodes saved, so that the graph can be walked again (default: `create_graph`).
    create_graph: record the backward pass too, so that the gradients can be differentiated.
    grad_variables: the old name of `grad_tensors`.
    """
    if grad_variables is not None:
        warn("`grad_variables` is deprecated. Use `grad_tensors` instead.", FutureWarning)
        if grad_tensors is not None:
            raise RuntimeError(
                "`grad_tensors` and `grad_variables` (deprecated) arguments both passed to `backward()`. Please only use "
                "`grad_tensors`."
            )
        grad_tensors = grad_variables
    targets = None
    if inputs is not None:
        targets = _sequence(inputs)
        if not targets:
            raise RuntimeError(
                "`inputs` argument to `backward()` cannot be empty: name the tensors whose .grad is wanted, or leave it out."
            )
    tensors = _sequence(tensors)
    roots = _roots(tensors, _gradients(grad_tensors, len(tensors)))
    retain, create = _retain_and_create(retain_graph, create_graph)
    if targets is None:
        engine.start(roots, retain_graph=retain, create_graph=create)
        return
    edges = [_edge_of_input(x) for x in targets]
    for x in targets:
        if not isinstance(x, GradientEdge) and not x.is_leaf:
            x.retain_grad()
    engine.start(roots, retain_graph=retain, create_graph=create, inputs=edges)


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple:
    """Σ vᵀ ∂output/∂input for each input, as a tuple; no `.grad` changes.

    allow_unused: give None for an input the outputs do not depend on (otherwise RuntimeError).
    materialize_grads: give zeros instead of None.
    is_grads_batched: each v is a batch of v's, along its first dimension, and so is each result (backward walks once for each).

    >>> x = minitorch.tensor(3.0, requires_grad=True)
    >>> (g,) = grad(x**3, x, create_graph=True)
    >>> grad(g, x)
    (tensor(18.),)
    """
    if not only_inputs:
        warn("only_inputs argument is deprecated and is ignored now (defaults to True)", FutureWarning)
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    outputs, inputs = _sequence(outputs), _sequence(inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty: name the tensors whose gradients are wanted.")
    unused = index(materialize_grads) or index(False if allow_unused is None else allow_unused)
    gradients = _gradients(grad_outputs, len(outputs))
    retain, create = _retain_and_create(retain_graph, create_graph)

    def once(gradients: tuple, retain: bool) -> list:
        roots = _roots(outputs, gradients)
        edges = [_edge_of_input(x) for x in inputs]
        arrived = engine.start(roots, retain_graph=retain, create_graph=create, inputs=edges, accumulate=False)
        return [arrived.get(edge) for edge in edges]

    results = _for_each_of_a_batch(once, outputs, gradients, retain) if is_grads_batched else once(gradients, retain)
    for i, (x, g) in enumerate(zip(inputs, results)):
        if g is None and not unused:
            raise RuntimeError(
                f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set allow_unused=True if "
                "this is the desired behavior."
            )
        if g is None and materialize_grads:
            results[i] = _zeros(x, create)
    return tuple(results)


def _sequence(x: Any) -> tuple:
    """One tensor, or several, as a tuple."""
    return (x,) if isinstance(x, GradientEdge) or hasattr(x, "_array") else tuple(x)


def _gradients(given: Any, n: int) -> tuple:
    """The v's of n tensors, None for those that were not given."""
    return (None,) * n if given is None else _sequence(given)


def _retain_and_create(retain_graph: Any, create_graph: Any) -> tuple[bool, bool]:
    """The two flags. (Torch takes integers for them, and refuses anything else in Python's words.)"""
    return bool(index(create_graph if retain_graph is None else retain_graph)), bool(index(create_graph))


def _for_each_of_a_batch(once: Callable, outputs: tuple, gradients: tuple, retain: bool) -> list:
    """`once` for each v in the batches of v's, its results stacked: a walk for each, where torch maps one over all (vmap)."""
    from ..ops.rearrange import stack

    for i, (x, v) in enumerate(zip(outputs, gradients)):
        if v is None or tuple(v.shape[1:]) != tuple(x.shape):
            raise RuntimeError(
                "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch dimension. The "
                "sizes of the remaining dimensions are expected to match the shape of corresponding output, but a mismatch was "
                f"detected: grad_output[{i}] has a shape of {v if v is None else v.shape} and output[{i}] has a shape of {x.shape}."
            )
    n = min(len(v) for v in gradients)
    found = [once(tuple(v[k] for v in gradients), retain or k < n - 1) for k in range(n)]
    return [None if gs[0] is None else stack(gs) for gs in zip(*found)]


def _roots(tensors: tuple, gradients: tuple) -> list:
    """Where the walk starts: the edge of each tensor with its v."""
    for i, (tensor, v) in enumerate(zip(tensors, gradients)):
        if v is not None and not hasattr(v, "_array"):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(v).__name__}")
        is_edge = isinstance(tensor, GradientEdge)
        if not is_edge and not hasattr(tensor, "_array"):
            raise AssertionError(f"Expected output to be a minitorch.Tensor, but got {type(tensor).__name__}")
        shape = tensor[0].output_specs[tensor[1]][0] if is_edge else tuple(tensor.shape)
        if v is not None and tuple(v.shape) != shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {v.shape} and output[{i}] has a shape of "
                f"{type(v.shape)(shape)}."
            )
    if len(gradients) < len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(gradients)} gradients; give one for each, or None")
    roots = []
    for i, (tensor, v) in enumerate(zip(tensors, gradients)):
        edge = tensor[:2] if isinstance(tensor, GradientEdge) else gradient_edge(tensor)
        if edge is None:
            raise RuntimeError(
                f"element {i} of tensors does not require grad and does not have a grad_fn: it is not connected to a "
                "tensor with requires_grad=True (made under no_grad, detached, or of integers?)"
            )
        shape, dtype = edge[0].output_specs[edge[1]]
        if v is None:
            if math.prod(shape) != 1:
                raise RuntimeError(
                    f"grad can be implicitly created only for scalar outputs, got shape {shape}; reduce it first (.sum(), "
                    ".mean()) or give gradient="
                )
            v = _ones(shape, dtype, tensor)
        elif v.device != getattr(tensor, "device", v.device):
            raise RuntimeError(f"invalid gradient at index {i} - expected device {tensor.device} but got {v.device}")
        roots.append((edge, v))
    return roots


def _edge_of_input(x: Any) -> tuple[Any, int]:
    if not isinstance(x, GradientEdge) and not hasattr(x, "_array"):
        raise RuntimeError(f"all inputs have to be Tensors or GradientEdges, but got {type(x).__name__}")
    edge = x[:2] if isinstance(x, GradientEdge) else gradient_edge(x)
    if edge is None and not x.requires_grad:
        raise RuntimeError(
            "One of the differentiated Tensors does not require grad: call requires_grad_() on it before it is used"
        )
    return edge or (_UNREACHABLE, 0)


_UNREACHABLE = object()  # the "node" of a view that requires grad only because its base came to, after it was made


def _ones(shape: tuple, numpy_dtype: Any, root: Any) -> Any:
    xp = xp_of(root._array) if hasattr(root, "_array") else np
    return as_tensor(xp.ones(shape, numpy_dtype) if on_host(xp) else filled(xp, shape, numpy_dtype, 1))


def _zeros(x: Any, requires_grad: bool) -> Any:
    """The gradient of an input that the outputs do not depend on."""
    from ..tensor.creation import zeros_like

    if isinstance(x, GradientEdge):
        raise RuntimeError(
            "materialize_grads cannot be used when the given input is a GradientEdge: only a tensor says what its zeros are like"
        )
    return zeros_like(x, requires_grad=requires_grad)


from .function import Function
from .gradcheck import gradcheck, gradgradcheck
from .multi_hooks import register_multi_grad_hook
from .mutation import allow_mutation_on_saved_tensors

with _when_used(__name__):
    from . import functional
    from .tracing import trace
    from .watching import watch

graph.register_multi_grad_hook = register_multi_grad_hook  # type: ignore[attr-defined]
graph.allow_mutation_on_saved_tensors = allow_mutation_on_saved_tensors  # type: ignore[attr-defined]
