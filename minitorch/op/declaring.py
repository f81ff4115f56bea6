"""The three words that declare: `op` (a forward; its derivatives follow), `row` (an elementwise op in one line), `composite`.

An op is a forward on arrays and, beside it, a derivative. The derivative asks by name for what it needs, inputs, options or outputs,
and exactly that is saved:

    mul = row("mul", "a · b", lambda xp, a, b: a * b, lambda g, b: g * b, lambda g, a: g * a)

so the derivative with respect to `a` keeps `b` and nothing else. A name that does not exist fails at import. Because a derivative is
made of operators and ops, recording it (`create_graph=True`) gives the second derivative for free. Read next: `door.py`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from ..autograd.node import as_one_op, birth, watchers
from .declaration import REQUIRED, Array, Declaration, Operand, parameters_of
from .door import Op
from .lanes import Row
from .out import accepts_out
from .signature import Number, checked
from .source import derivatives_told

registry: dict[str, Op | Callable] = {}  # every public op and composite function by its torch name
ops: list[Op] = []  # every op, those without a public name too


def op(
    forward: Callable | None = None,
    *,
    name: str | None = None,
    outputs: Any = ("out",),
    public: bool = True,
    same_dtype: str = "",
    exact: str = "",
    by_keyword: str = "",
    named: str = "",
    format_of: str = "",
    autocast: str | None = None,
    **words: Any,
) -> Any:
    """Make a forward function `f(xp, *inputs, *options)` an op, and register it under its name if it is public.

    Its annotations say what its inputs are: `Array`, `Operand`, `Index`. outputs: the names of what forward returns, or `list` if it
    returns a list of arrays. same_dtype: the inputs that must come in one dtype. by_keyword: the last parameters, if they are given by
    keyword only. named: what torch calls otherwise, as in "b=mat2". format_of: the inputs whose memory format the results take.
    autocast: its name in autocast's lists, a public op's own unless told. The other words are `Declaration`'s.
    """
    if forward is None:
        given = {"name": name, "outputs": outputs, "public": public, "same_dtype": same_dtype, "exact": exact}
        given |= {"by_keyword": by_keyword, "named": named, "format_of": format_of, "autocast": autocast}
        return functools.partial(op, **given, **words)
    parameters, variadic = parameters_of(forward)
    made = Op(
        Declaration(
            called := name or forward.__name__.rstrip("_"),
            forward,
            parameters,
            variadic,
            outputs=() if outputs is list else tuple(outputs),
            doc=forward.__doc__,
            autocast=autocast or (called if public else None),
            **_split(same_dtype=same_dtype, exact=exact, by_keyword=by_keyword, named=named, format_of=format_of),
            **words,
        )
    )
    ops.append(made)
    return register(made.__name__, made) if public else made


def _split(named: str = "", **words: str) -> dict[str, Any]:
    """The words of a declaration that are several names, as a `Declaration` has them."""
    found: dict[str, Any] = {word: tuple(text.split()) for word, text in words.items() if text}
    return found | {"named": tuple(tuple(pair.split("=")) for pair in named.split())} if named else found


# The commonest kind of op: what a `row` is, but with a forward and a derivative of some lines.
elementwise = functools.partial(op, elementwise=True, in_float32=True)


def row(
    name: str,
    formula: str,
    forward: Callable,
    *derivatives: Callable | None,
    numbers: str | None = None,
    same_dtype: str = "",
    exact: str = "",
    by_keyword: str = "",
    named: str = "",
    **words: Any,
) -> Row:
    """An elementwise op in one line: its name, formula, forward, and one derivative per input, in their order.

    Every parameter without a default is an input. numbers: those that may be Python numbers beside a tensor, all unless told; the
    other words are as for `op`. A derivative that is None: this input has none.
    """
    operands = None if numbers is None else numbers.split()
    parameters = tuple(
        p._replace(role=None, annotation=Number if p.annotation is REQUIRED else p.annotation)
        if p.default is not REQUIRED
        else p._replace(role=(role := Operand if operands is None or p.name in operands else Array), annotation=role)
        for p in parameters_of(forward)[0]
    )
    facets: dict[str, Any] = {"elementwise": True, "in_float32": True, "autocast": name, **words}
    facets |= _split(same_dtype=same_dtype, exact=exact, by_keyword=by_keyword, named=named)
    declaration = Declaration(name, forward, parameters, doc=formula, **facets)
    if derivatives and len(derivatives) != len(declaration.inputs):
        raise TypeError(f"row {name!r} has the inputs {', '.join(declaration.inputs)}, but {len(derivatives)} derivatives")
    made = Row(declaration)
    for input_name, derivative in zip(made.inputs, derivatives):
        if derivative is not None:
            made.grad(input_name)(derivative)
    ops.append(made)
    return register(name, made)


def composite(
    function: Any = None,
    *,
    out: bool | str = False,
    grad_fn: str = "",
    only: str | None = None,
    refusal: type[Exception] = NotImplementedError,
    same_dtype: str = "",
    check_first: bool = True,
    public: bool = True,
) -> Any:
    """Register a public function that is made of other ops, and so needs no derivative of its own.

    out: whether it takes `out=`; its dtype as `Declaration.out_dtype`, "same" unless told. grad_fn: the name of its result's node,
    where torch has one op for it. `only`, `refusal` and `same_dtype` as for `op`. check_first: look at the types of its arguments
    before the call; where no wrong one can pass unnoticed, it is enough to look when the call has failed, which costs nothing.
    public: whether it stands at the top level; without, it is not registered.
    """
    if function is None:
        words: dict[str, Any] = {"out": out, "grad_fn": grad_fn, "only": only, "refusal": refusal, "same_dtype": same_dtype}
        return functools.partial(composite, **words, check_first=check_first, public=public)
    name = function.__name__.rstrip("_")
    made = checked(
        named(function, grad_fn) if grad_fn else function, name, only, tuple(same_dtype.split()), refusal, check_first, name
    )
    made = accepts_out(made, out if isinstance(out, str) else "same") if out else made
    return register(name, made) if public else made


def tell_derivatives() -> None:
    """Let `help` of a composite list the derivatives of the op of the same name that it calls: of softmax's kernel, for example."""
    for each in ops:
        thing = registry.get(each.__name__)
        if thing is not None and not isinstance(thing, Op) and (told := derivatives_told(each, lambdas=False)):
            thing.__doc__ = "\n\n".join(filter(None, [inspect.cleandoc(thing.__doc__ or ""), told]))


def named(function: Callable, grad_fn: str) -> Callable:
    """The function, whose result's node goes by that name."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        before = birth()
        if watchers:
            with as_one_op():
                out = function(*args, **kwargs)
        else:
            out = function(*args, **kwargs)
        for result in out if isinstance(out, tuple) else (out,):
            node = getattr(result, "_grad_fn", None)
            if node is not None and result.grad_fn.birth > before:  # recorded by this call
                result.grad_fn.metadata["name"] = grad_fn
        return out

    return call


def register(name: str, thing: Any) -> Any:
    """Enter a public op or function into the registry; two with one name are a mistake."""
    if name in registry:
        raise NameError(f"an op named {name!r} is registered already")
    registry[name] = thing
    return thing
