"""Looking at a model without leaving a trace: what its layers put out, and how it is afterwards what it was before.

A look is a forward with hooks, which go even after an error; `nn/utils/unchanged.py` puts back what a forward may write.
Whatever is drawn comes from a tensor to NumPy in `host`, and nowhere else. Read next: `histograms.py`, which draws what this finds.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any, TypeAlias

import numpy as np

import minitorch
from minitorch import nn
from minitorch.nn.utils.unchanged import unchanged
from minitorch.tensor import Tensor

# One layer: its name, the module itself, or a class of modules; or several of these.
Layers: TypeAlias = str | nn.Module | type[nn.Module] | Iterable[Any] | None


def host(values: Any) -> np.ndarray:
    """Numbers as a NumPy array on the host, of a tensor of any device and history, an array or a list; halves as float32."""
    if isinstance(values, Tensor):
        wide = values.detach().float() if values.dtype in (minitorch.bfloat16, minitorch.float16) else values
        return wide.numpy(force=True)
    return np.asarray(values)


def as_model(model: Any, who: str) -> nn.Module:
    """The model, if it is one; TypeError of anything else."""
    if not isinstance(model, nn.Module):
        raise TypeError(f"{who}: expected a model (an nn.Module), got {type(model).__name__}")
    return model


def layer_names(model: nn.Module, layers: Layers, who: str) -> list[str]:
    """The names of those layers; None: those of all modules without children.

    ValueError of a layer that the model does not have, with the names that are near; TypeError of what is no layer.
    """
    names = {id(module): name for name, module in as_model(model, who).named_modules()}
    if layers is None:
        return [names[id(m)] for m in model.modules() if next(m.children(), None) is None]
    found: list[str] = []
    several: Iterable[Any] = [layers] if isinstance(layers, (str, nn.Module, type)) else layers
    for layer in several:
        if isinstance(layer, type):
            of_it = [names[id(m)] for m in model.modules() if isinstance(m, layer)]
            if not of_it:
                raise ValueError(f"{who}: {type(model).__name__} has no layer of class {layer.__name__}")
            found += of_it
        elif isinstance(layer, nn.Module):
            if id(layer) not in names:
                raise ValueError(
                    f"{who}: this {type(layer).__name__} is no part of the {type(model).__name__}: pass a layer of it"
                )
            found.append(names[id(layer)])
        elif isinstance(layer, str):
            found.append(_known(layer, list(names.values()), type(model).__name__, who))
        else:
            raise TypeError(f"{who}: expected a layer's name, a module or a class of modules, got {type(layer).__name__}")
    return list(dict.fromkeys(found))


def _known(name: str, names: list[str], kind: str, who: str) -> str:
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, 3, 0.5) or [each for each in names if each][:12]
    raise ValueError(f"{who}: {kind} has no layer {name!r}; it has {', '.join(map(repr, near))}")


def activations(model: nn.Module, *inputs: Any, layers: Layers = None) -> dict[str, Tensor]:
    """layer's name → what it puts out when `model(*inputs)` runs, in the mode that the model is in, without a graph.

    layers: a name, a module, a class of modules, or a list of these; None: all modules without children, such as every Linear and ReLU.
    The values are copies, so a ReLU that works in place after a layer does not reach them. A layer that runs several times has `#2`,
    `#3`, … after its name; of several outputs (an LSTM's) the first is taken. Nothing of the model changes: neither gradients nor
    buffers nor the random stream.

    >>> double = minitorch.nn.Sequential(minitorch.nn.Identity(), minitorch.nn.ReLU())
    >>> activations(double, minitorch.tensor([-1.0, 2.0]))
    {'0': tensor([-1.,  2.]), '1': tensor([0., 2.])}
    """
    wanted = layer_names(model, layers, "activations")
    found: dict[str, Tensor] = {}
    calls: dict[str, int] = dict.fromkeys(wanted, 0)

    def note(name: str, output: Any) -> None:
        calls[name] += 1
        tensor = _first_tensor(output)
        if tensor is not None:
            found[name if calls[name] == 1 else f"{name}#{calls[name]}"] = tensor.detach().clone()

    with ExitStack() as stack:
        stack.enter_context(unchanged(model))
        stack.enter_context(minitorch.no_grad())
        for name in wanted:
            hook = model.get_submodule(name).register_forward_hook(
                lambda module, args, output, name=name: note(name, output)
            )
            stack.enter_context(hook)
        model(*inputs)
    silent = [name for name in wanted if not calls[name]]
    if layers is not None and silent:
        raise ValueError(f"activations: layer {silent[0]!r} did not run in this forward")
    return found


def _first_tensor(output: Any) -> Tensor | None:
    """The first tensor in what a layer returned: itself, or in a tuple, list or dict."""
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, (tuple, list)) else ()
    return next((tensor for tensor in map(_first_tensor, parts) if tensor is not None), None)


def mode_note(model: nn.Module) -> str:
    """What a picture says of a model in training mode whose layers then compute something else; "" if nothing does."""
    kinds = {"dropout is on": nn.modules.dropout._Dropout, "batch norm uses this batch": nn.modules.batchnorm._BatchNorm}
    on = [what for what, kind in kinds.items() if any(isinstance(m, kind) and m.training for m in model.modules())]
    return f"in training mode: {' and '.join(on)}" if on else ""
