"""`trace`: a function or a module run once on examples, and the graph of what it called.

The graph holds what happened with these examples: a branch that was not taken is not in it, a loop is written out, a number that Python
looked at stays what it was. In exchange any Python may stand in the function. To run the graph is to call the same ops, so gradients,
devices and dtypes are as in the function itself. Read next: `recording.py`, how it is written down; `script`, which reads the source instead.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import minitorch
from minitorch.arrays.warning import warn
from minitorch.nn.modules.module import Module
from minitorch.nn.parameter import is_lazy
from minitorch.op import listening
from minitorch.tensor import Tensor

from . import types
from .function import Function, Parameter
from .graph import Graph
from .recording import Recorder
from .script import ScriptFunction, ScriptModule
from .warned import TracerWarning, TracingCheckError

DICT = (
    "Encountering a {} at the output of the tracer might cause the trace to be incorrect, this is only valid if the container structure does "
    "not change based on the module's inputs. Consider using a constant container instead (e.g. for `list`, use a `tuple` instead. for "
    "`dict`, use a `NamedTuple` instead). If you absolutely need this and know the side effects, pass strict=False to trace() to allow this "
    "behavior."
)


def is_tracing() -> bool:
    """Whether a trace writes down what this thread calls."""
    return listening.recorder() is not None


def trace(
    func: Any,
    example_inputs: Any = None,
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    *,
    example_kwarg_inputs: dict[str, Any] | None = None,
) -> Any:
    """The graph of what func(*example_inputs) calls, as a function, or as a module if func is one.

    example_inputs: a tensor, or a tuple of tensors and of tuples, lists and dicts of them; example_kwarg_inputs: those given by keyword.
    check_trace: trace and run again (on `check_inputs`, a list of such tuples, if given): TracingCheckError if the graph is another one,
    a TracerWarning if the results differ by more than check_tolerance. strict: refuse a list or dict as the result. A traced module has
    the parameters of the original, and the mode (`train`, `eval`) it was traced in.

    >>> double = minitorch.jit.trace(lambda x: x.relu() * 2, minitorch.ones(3))
    >>> double(minitorch.tensor([-1.0, 4.0]))
    tensor([0., 8.])
    """
    if isinstance(func, (ScriptFunction, ScriptModule)):
        warn("The input to trace is already a ScriptModule, tracing it is a no-op. Returning the object as is.")
        return func
    if example_inputs is None and example_kwarg_inputs is None:
        raise RuntimeError(
            "trace() missing example_inputs or example_kwarg_inputs: give the tensors that it is to be run with"
        )
    options = {
        "check_trace": check_trace,
        "check_inputs": check_inputs,
        "check_tolerance": check_tolerance,
        "strict": strict,
    }
    named = example_kwarg_inputs or {}
    owner = getattr(func, "__self__", None)
    if isinstance(func, Module):
        return _traced_module(func, {"forward": (as_tuple(example_inputs), named)}, **options)
    if isinstance(owner, Module):  # a method of a module
        return _traced_module(owner, {func.__name__: (as_tuple(example_inputs), named)}, **options)
    if not callable(func):
        raise TypeError(f"trace() takes a function or a module, got {type(func).__name__}")
    args = as_tuple(example_inputs)
    graph, signature = record(func, None, args, named, strict)
    made = ScriptFunction(_function(getattr(func, "__name__", type(func).__name__), graph, signature))
    if check_trace:
        for inputs in check_inputs or [args]:
            _check(func, None, graph, made, as_tuple(inputs), named, strict, check_tolerance)
    return made


def trace_module(
    mod: Module,
    inputs: dict[str, Any],
    optimize: Any = None,
    check_trace: bool = True,
    check_inputs: Any = None,
    check_tolerance: float = 1e-5,
    strict: bool = True,
    *,
    example_inputs_is_kwarg: bool = False,
) -> TracedModule:
    """Several methods of a module, traced: inputs is {"forward": example_inputs, "other_method": …}."""
    if not isinstance(mod, Module):
        raise AttributeError(f"expected torch.nn.Module as the first argument, got {type(mod).__name__}")
    if not isinstance(inputs, dict):
        raise AttributeError("expected a dictionary of (method_name, input) pairs")
    named = {m: ((), x) if example_inputs_is_kwarg else (as_tuple(x), {}) for m, x in inputs.items()}
    return _traced_module(mod, named, check_trace, check_inputs, check_tolerance, strict)


def as_tuple(inputs: Any) -> tuple:
    """Example inputs as the arguments of a call."""
    if inputs is None:
        return ()
    return (inputs,) if isinstance(inputs, (Tensor, dict)) else tuple(inputs)


# ---- recording ----


def record(
    function: Callable,
    module: Module | None,
    args: tuple,
    kwargs: Mapping[str, Any],
    strict: bool = True,
    recorder: Recorder | None = None,
) -> tuple[Graph, inspect.Signature]:
    """The graph of a call, and the signature under whose names it takes its arguments."""
    recorder = recorder or Recorder(module)
    signature, given = _bound(function, args, kwargs)
    # As torch's tracer does, each argument is another tensor object on the same memory: two that are one tensor stay two inputs.
    given = {name: _copied(x) for name, x in given.items()}
    for name, x in given.items():
        _check_input(x)
        recorder.take_input(name, x)
    args, kwargs = _call_of(signature, given)
    result = recorder.run(function, args, kwargs)
    _check_output(result, strict)
    return recorder.finish(result), signature


def _bound(function: Callable, args: tuple, kwargs: Mapping[str, Any]) -> tuple[inspect.Signature, dict[str, Any]]:
    """Each example under the name of its parameter, and the signature with those alone."""
    try:
        whole = inspect.signature(function)
    except ValueError:  # a builtin
        whole = inspect.Signature([inspect.Parameter("args", inspect.Parameter.VAR_POSITIONAL)])
    bound = whole.bind(*args, **kwargs)
    parameters: list[inspect.Parameter] = []
    given: dict[str, Any] = {}
    for name, x in bound.arguments.items():
        kind = whole.parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            each = {f"{name}_{k}": part for k, part in enumerate(x)}
        else:
            each = dict(x) if kind is inspect.Parameter.VAR_KEYWORD else {name: x}
        by = (
            inspect.Parameter.KEYWORD_ONLY
            if kind in (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
            else inspect.Parameter.POSITIONAL_OR_KEYWORD
        )
        parameters += [inspect.Parameter(n, by) for n in each]
        given |= each
    if any(p.name in kwargs for p in parameters):  # what was given by keyword stays so where an earlier one was left out
        parameters = [p.replace(kind=p.KEYWORD_ONLY) if p.name in kwargs else p for p in parameters]
    return inspect.Signature(parameters), given


def _call_of(signature: inspect.Signature, given: dict[str, Any]) -> tuple[tuple, dict]:
    by_keyword = {n for n, p in signature.parameters.items() if p.kind is p.KEYWORD_ONLY}
    return tuple(x for n, x in given.items() if n not in by_keyword), {n: x for n, x in given.items() if n in by_keyword}


def _copied(x: Any) -> Any:
    """The same tensors as other objects, within tuples, lists and dicts."""
    if isinstance(x, Tensor):
        return x.view_as(x) if x.requires_grad else x.detach()
    if isinstance(x, tuple):
        each = [_copied(part) for part in x]
        return x._make(each) if hasattr(x, "_make") else tuple(each)
    if isinstance(x, list):
        return [_copied(part) for part in x]
    return {name: _copied(part) for name, part in x.items()} if isinstance(x, dict) else x


def _check_input(x: Any) -> None:
    if isinstance(x, (tuple, list)):
        for part in x:
            _check_input(part)
    elif isinstance(x, dict):
        for part in x.values():
            _check_input(part)
    elif not isinstance(x, Tensor):
        raise RuntimeError(
            f"Type '{type(x).__name__}' cannot be traced. Only Tensors and (possibly nested) Lists, Dicts, and Tuples of Tensors can be "
            "traced: fix the other arguments, for example by a lambda"
        )
    try:
        types.of_value(x)
    except TypeError as error:
        raise RuntimeError(f"Tracer cannot infer type of {x!r}: {error}") from None


def _check_output(x: Any, strict: bool) -> None:
    if strict and isinstance(x, (list, dict)):
        raise RuntimeError(DICT.format(type(x).__name__))
    for part in x.values() if isinstance(x, dict) else x if isinstance(x, (tuple, list)) else ():
        _check_output(part, strict)
    if not isinstance(x, (Tensor, tuple, list, dict)) and x is not None:
        raise RuntimeError(
            "Only tensors, lists, tuples of tensors, or dictionary of tensors can be output from traced functions, got "
            f"{type(x).__name__}"
        )


# ---- what comes out ----


class TracedModule(ScriptModule):
    """A module without Python of its own: the parameters, buffers and modules of the original, and a graph for each traced method."""

    def __init__(self, original: Module, copies: dict[int, TracedModule] | None = None) -> None:
        super().__init__(type(original).__name__)
        copies = {} if copies is None else copies
        copies[id(original)] = self
        self.training = original.training
        self._parameters.update(original._parameters)
        self._buffers.update(original._buffers)
        self._non_persistent_buffers_set.update(original._non_persistent_buffers_set)
        for name, child in original._modules.items():
            self._modules[name] = None if child is None else copies.get(id(child)) or TracedModule(child, copies)


class TopLevelTracedModule(TracedModule):
    """What `trace` gives of a module."""

    def _get_name(self) -> str:
        return self.original_name


def _traced_module(
    module: Module,
    inputs: dict[str, tuple[tuple, dict]],
    check_trace: bool,
    check_inputs: Any,
    check_tolerance: float,
    strict: bool,
) -> TopLevelTracedModule:
    if any(is_lazy(t) for t in (*module.parameters(), *module.buffers())):
        raise RuntimeError(
            "a module with uninitialized parameters cannot be traced: call it once on an example first, which gives them a shape"
        )
    graphs = {}
    for name, (args, kwargs) in inputs.items():
        function = module if name == "forward" else getattr(module, name)
        graphs[name] = record(with_signature(module, name, function), module, args, kwargs, strict)
    made = TopLevelTracedModule(module)  # after all traces, which may have set a buffer or made what was lazy
    made._methods.update({name: _function(name, graph, signature) for name, (graph, signature) in graphs.items()})
    for name, (args, kwargs) in inputs.items() if check_trace else ():
        function = with_signature(module, name, module if name == "forward" else getattr(module, name))
        for again in [as_tuple(x.get(name) if isinstance(x, dict) and name in x else x) for x in check_inputs or [args]]:
            _check(
                function,
                module,
                graphs[name][0],
                lambda *a, _n=name, **k: made._call_method(_n, a, k),
                again,
                kwargs,
                strict,
                check_tolerance,
            )
    return made


def _function(name: str, graph: Graph, signature: inspect.Signature) -> Function:
    """The graph with its parameters, which come behind `self`."""
    given = graph.inputs[len(graph.inputs) - len(signature.parameters) :]
    parameters = [Parameter(p, value.type) for p, value in zip(signature.parameters, given)]
    return Function(name if name.isidentifier() else "function", graph, parameters, graph.outputs[0].type)


def with_signature(module: Module, name: str, function: Callable) -> Callable:
    """The method, called as the module is (with its hooks), under the method's own signature."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    call.__signature__ = inspect.signature(getattr(module, name))  # type: ignore[attr-defined]
    return call


# ---- the check ----


def _check(
    function: Callable,
    module: Module | None,
    graph: Graph,
    traced: Callable,
    args: tuple,
    kwargs: dict,
    strict: bool,
    tolerance: float,
) -> None:
    """Trace again: the graph must be the same, and what the traced function gives what the function gives."""
    again, _ = record(function, module, args, kwargs, strict)
    first, second = str(graph).splitlines(), str(again).splitlines()
    if first != second:
        shown = "\n".join(difflib.ndiff(first, second))
        raise TracingCheckError(
            f"Tracing failed sanity checks!\nERROR: Graphs differed across invocations!\n\tGraph diff:\n{shown}"
        )
    state = minitorch.random.get_rng_state()
    want = _flat(function(*_copied(args), **_copied(kwargs)))
    minitorch.random.set_rng_state(state)
    have = _flat(traced(*_copied(args), **_copied(kwargs)))
    for k, (a, b) in enumerate(zip(have, want), start=1):
        same = (
            a.shape == b.shape
            and a.dtype is b.dtype
            and minitorch.allclose(a.double(), b.double(), tolerance, tolerance, equal_nan=True)
        )
        if not same:
            warn(
                f"Output nr {k}. of the traced function does not match the corresponding output of the Python function. Detailed error:\n"
                f"{_difference(a, b)}",
                TracerWarning,
            )


def _difference(a: Tensor, b: Tensor) -> str:
    if a.shape != b.shape or a.dtype is not b.dtype:
        return f"{a.dtype} of shape {list(a.shape)} is not {b.dtype} of shape {list(b.shape)}"
    return f"the greatest difference is {(a.double() - b.double()).abs().max().item()}"


def _flat(x: Any) -> list[Tensor]:
    if isinstance(x, Tensor):
        return [x.detach()]
    parts = x.values() if isinstance(x, dict) else x if isinstance(x, (tuple, list)) else ()
    return [t for part in parts for t in _flat(part)]
