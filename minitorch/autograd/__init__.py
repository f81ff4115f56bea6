"""Automatic differentiation: `backward`, `grad`, and the pieces they are made of.

`backward` adds gradients into the leaves' `.grad`; `grad` returns them. Both give the walk in `engine.py` its roots.
Read next: `engine.py`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays.device import xp_of
from . import engine, graph
from .anomaly_mode import detect_anomaly, set_detect_anomaly
from .grad_mode import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .graph import GradientEdge
from .hooks import as_tensor
from .leaves import gradient_edge
from .node import Node

__all__ = [
    "Function", "GradientEdge", "Node", "backward", "detect_anomaly", "enable_grad", "grad", "gradcheck", "gradgradcheck",
    "graph", "inference_mode", "is_grad_enabled", "no_grad", "set_detect_anomaly", "set_grad_enabled",
    "trace",
]  # fmt: skip


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add Σ vᵀ ∂tensor/∂leaf into `leaf.grad`, for every leaf (or only `inputs`) that the tensors were made from.

    grad_tensors: v for each tensor, of its shape; a tensor of one element needs none (v = 1).
    retain_graph: keep what the nodes saved, so that the graph can be walked again (default: `create_graph`).
    create_graph: record the backward pass too, so that the gradients can be differentiated.
    """
    roots = _roots(_sequence(tensors), _sequence(grad_tensors))
    targets = None
    if inputs is not None:
        targets = _sequence(inputs)
        if not targets:
            raise RuntimeError(
                "`inputs` argument to `backward()` cannot be empty: name the tensors whose .grad is wanted, or leave it out."
            )
    create_graph = _switch("create_graph", create_graph)
    retain = create_graph if retain_graph is None else _switch("retain_graph", retain_graph)
    if targets is None:
        engine.walk(roots, retain_graph=retain, create_graph=create_graph)
        return
    for x in targets:
        if not isinstance(x, GradientEdge) and not x.is_leaf:
            x.retain_grad()
    edges = [_edge_of_input(x) for x in targets]
    engine.walk(roots, retain_graph=retain, create_graph=create_graph, inputs=edges)


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

    >>> x = minitorch.tensor(3.0, requires_grad=True)
    >>> (g,) = grad(x**3, x, create_graph=True)
    >>> grad(g, x)
    (tensor(18.),)
    """
    if is_grads_batched or not only_inputs:
        raise NotImplementedError("grad() supports only_inputs=True and is_grads_batched=False")
    if allow_unused is False and materialize_grads:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    outputs, inputs = _sequence(outputs), _sequence(inputs)
    create_graph = _switch("create_graph", create_graph)
    edges = [_edge_of_input(x) for x in inputs]
    arrived = engine.walk(
        _roots(outputs, _sequence(grad_outputs)),
        retain_graph=create_graph if retain_graph is None else _switch("retain_graph", retain_graph),
        create_graph=create_graph,
        inputs=edges,
        accumulate=False,
    )
    results = [arrived.get(edge) for edge in edges]
    if materialize_grads:
        results = [_zeros_like(x) if g is None else g for x, g in zip(inputs, results)]
    elif not allow_unused and any(g is None for g in results):
        k = next(i for i, g in enumerate(results) if g is None)
        raise RuntimeError(
            f"One of the differentiated Tensors (inputs[{k}], shape {tuple(inputs[k].shape)}) appears to not have been used "
            "in the graph. Set allow_unused=True if this is the desired behavior."
        )
    return tuple(results)


def _sequence(x: Any) -> Any:
    """One tensor, None, or a sequence of tensors, as a tuple."""
    if x is None:
        return ()
    return tuple(x) if isinstance(x, Sequence) and not isinstance(x, GradientEdge) else (x,)


def _switch(name: str, value: Any) -> bool:
    """What was given for a yes or no: a bool, or an integer as in torch."""
    try:
        return operator.index(value) != 0
    except TypeError:
        raise TypeError(f"{name} must be a bool, got {type(value).__name__}") from None


def _roots(tensors: tuple, gradients: tuple) -> list:
    """Where the walk starts: the edge of each tensor with its v."""
    gradients = gradients or (None,) * len(tensors)
    if len(gradients) != len(tensors):
        raise RuntimeError(f"got {len(tensors)} tensors and {len(gradients)} gradients")
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
        elif not hasattr(v, "_array"):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(v).__name__}")
        elif tuple(v.shape) != shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{i}] has a shape of {v.shape} and output[{i}] has a shape of "
                f"{type(v.shape)(shape)}."
            )
        elif v.device != getattr(tensor, "device", v.device):
            raise RuntimeError(f"invalid gradient at index {i} - expected device {tensor.device} but got {v.device}")
        roots.append((edge, v))
    return roots


def _edge_of_input(x: Any) -> tuple[Any, int]:
    edge = x[:2] if isinstance(x, GradientEdge) else gradient_edge(x)
    if edge is None and not x.requires_grad:
        raise RuntimeError(
            "One of the differentiated Tensors does not require grad: call requires_grad_() on it before it is used"
        )
    return edge or (_UNREACHABLE, 0)


_UNREACHABLE = object()  # the "node" of a view that requires grad only because its base came to, after it was made


def _ones(shape: tuple, numpy_dtype: Any, root: Any) -> Any:
    return as_tensor((xp_of(root._array) if hasattr(root, "_array") else np).ones(shape, numpy_dtype))


def _zeros_like(x: Any) -> Any:
    from ..tensor.creation import zeros_like

    return zeros_like(x)


from .function import Function
from .gradcheck import gradcheck, gradgradcheck
from .tracing import trace
