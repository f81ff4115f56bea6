"""From a function's code to its graph: Python's own parser reads it, and each statement becomes nodes. The function itself never runs.

Branches and loops stay in the graph, so a script decides anew in each call what a trace has decided once. What a branch assigns is an output
of it; what a loop changes goes round with it. Read first `graph.py`; next: `expressions.py`, `exits.py`, `script.py`.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

from . import types
from .control import ControlFlow
from .errors import FrontendError, NotSupportedError, Source
from .exits import with_one_way_out
from .function import Function, Parameter
from .graph import Graph, Node
from .names import Of, variables_of
from .statements import type_of
from .types import TENSOR, Type, fits


def compiled(function: Callable, script: Any, of: Any = None) -> Function:
    """The graph of a Python function; of: the module whose method it is."""
    source, tree = read(function)
    graph = Graph()
    known = variables_of(function)
    statements = ControlFlow(graph, source, known, script)
    if of is not None:
        me = graph.value(Type(getattr(of, "original_name", type(of).__name__)), "self")
        graph.inputs.append(me)
        statements.names[tree.args.args[0].arg] = Of(me, of)
    parameters, returns = signature(function, tree, source, statements, skip=of is not None)
    for p in parameters:
        value = graph.value(p.type, p.name)
        graph.inputs.append(value)
        statements.names[p.name] = value
    result = statements.body(with_one_way_out(tree.body), returns)
    assert result is not None
    graph.outputs.append(result)
    graph.nodes[:0] = statements.constants.values()
    return Function(function.__name__, graph, parameters, returns if returns is not None else result.type)


def left_to_python(function: Callable, script: Any, of: Any = None, refused: bool = False) -> Function:
    """A function that is not compiled: one node calls it, with the parameters and the result that its annotations tell.

    refused: it raises instead.
    """
    source, tree = read(function)
    graph = Graph()
    statements = ControlFlow(graph, source, variables_of(function), script)
    parameters, returns = signature(function, tree, source, statements, skip=of is not None)
    given = [graph.value(p.type, p.name) for p in parameters]
    me = [] if of is None else [graph.value(Type(of.original_name), "self")]
    if refused:
        words = statements.constant(
            f"This Python function, {function.__name__}, is annotated to be ignored and cannot be run in a script"
        )
        graph.nodes += [*statements.constants.values(), Node("prim::RaiseException", [words], place=source.place(tree))]
        result = statements.emit("prim::Uninitialized", [], TENSOR if returns is None else returns)
    else:
        called = function if of is None else function.__get__(of)
        result = statements.emit("prim::PythonOp", given, TENSOR if returns is None else returns, tree, function=called)
    graph.inputs, graph.outputs = [*me, *given], [result]
    return Function(function.__name__, graph, parameters, result.type)


def read(function: Callable) -> tuple[Source, ast.FunctionDef]:
    """The code of a function, and where it stands."""
    try:
        lines, first = inspect.getsourcelines(function)
        file = inspect.getsourcefile(function) or "<script>"
    except (OSError, TypeError):
        raise FrontendError(
            f"the code of {getattr(function, '__name__', function)} cannot be found: a script is made of code in a file"
        ) from None
    text = textwrap.dedent("".join(lines))
    try:
        tree = ast.parse(text).body[0]
    except SyntaxError:
        tree = None
    if not isinstance(tree, ast.FunctionDef):
        raise FrontendError(f"{function!r} is no function defined by `def`: write one")
    indent = len(lines[0]) - len(lines[0].lstrip())
    return Source(file, tuple(text.splitlines()), first, indent), tree


def signature(
    function: Callable, tree: ast.FunctionDef, source: Source, statements: ControlFlow, skip: bool
) -> tuple[list[Parameter], Type | None]:
    """The parameters with their types (Tensor, if none is told), and the declared type of the result."""
    args = tree.args
    if args.vararg or args.kwarg:
        raise source.error(
            args.vararg or args.kwarg or tree,
            "Compiled functions can't take variable number of arguments",
            NotSupportedError,
        )
    given = [*args.posonlyargs, *args.args, *args.kwonlyargs][int(skip) :]
    defaults = {p.name: p.default for p in inspect.signature(function).parameters.values() if p.default is not p.empty}
    parameters = []
    for a in given:
        kind = TENSOR if a.annotation is None else type_of(a.annotation, source, statements)
        default = defaults.get(a.arg)
        if (
            a.arg in defaults
            and not fits(types.of_value(default), kind)
            and not (kind is types.FLOAT and type(default) is int)
        ):
            words = f'Expected a default value of type {kind.annotation} on parameter "{a.arg}"'
            raise source.error(a, words)
        parameters.append(
            Parameter(
                a.arg, kind, float(default) if kind is types.FLOAT and type(default) is int else default, a.arg in defaults
            )
        )
    return parameters, None if tree.returns is None else type_of(tree.returns, source, statements)
