"""Ops whose loops are written by hand, in the headers of `kernels/c`: convolution, max pooling, LSTM; and the products of BLAS.

The recorder takes such an op as one instruction (`Instruction.whole`), and here it becomes a call of the header's function, with the numbers of
this step: `CallSource` prints it where a nest of loops would stand. What is laid out otherwise than the function takes it stays a NumPy call.
Read next: `convolution.h`.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...kernels.c import pooling
from ...kernels.c.blas import blas
from ...kernels.c.convolution import as_threes, sizes_of, work_of
from ...kernels.c.library import included_for
from ..forms import TYPES
from ..graph import Graph, Instruction, Ref, Value

_FLOATS = (np.dtype("float32"), np.dtype("float64"))


@dataclass(eq=False)
class Call:
    """A call of a function in a header, in place of a nest."""

    of: str
    shape: tuple[int, ...]
    header: str
    function: str
    dtype: np.dtype
    arguments: list[str]  # in C; {v3} is the address of value 3
    read: list[int]
    results: tuple[int, ...]
    before: list[str] = field(default_factory=list)  # lines that declare what the arguments name
    room: int = 0  # numbers that it needs room for meanwhile
    count: int = 1  # how many samples there are, of which threads may take some each
    work: int = 0  # as much as that of so many numbers in a nest
    picks = False
    told = "calls of loops written by hand"  # in `explain()`

    @property
    def does(self) -> int:
        """How many instructions it stands for."""
        return 1

    def through_memory(self, graph: Graph) -> tuple[set[int], set[int]]:
        """The values that it reads from memory, and those that it writes there."""
        return set(self.read), set(self.results)

    def reads(self) -> list[int]:
        """The values that it reads, as of an instruction."""
        return self.read

    @property
    def made_in_memory(self) -> tuple[int, ...]:
        """The values that it makes, and that memory is needed for: all."""
        return self.results


def call_of(i: Instruction, graph: Graph) -> Call | None:
    """The instruction as such a call; None if it is none."""
    make = _product if i.function is np.matmul and not i.options and len(i.results) == 1 else _WHOLE.get(i.whole)
    if make is None or i.options or not all(graph.values[r].dtype in TYPES for r in i.results):
        return None
    floats = {graph.values[p].dtype for p in [*i.reads(), *i.results] if graph.values[p].dtype.kind != "i"}
    if len(floats) != 1 or not floats <= {*_FLOATS} or any(0 in graph.values[p].shape for p in i.reads()):
        return None
    if make not in (_max_pool, _max_pool_backward) and blas() is None:
        return None
    return make(i, graph)


class CallSource:
    """The C function that makes a call; it is what `NestSource` is of a nest."""

    ends: Sequence[str] = ()

    def __init__(self, call: Call, name: str, graph: Graph, memory: Any) -> None:
        self.nest, self.name, self.count = call, name, call.count
        self.sums = -(-call.room * call.dtype.itemsize // 8)
        kinds = {place: TYPES[graph.values[place].dtype] for place in (*call.read, *call.results)}
        names = {place: f"p_{graph.values[place].name}" for place in kinds}
        self.lines = [
            f"    {kind} *const {names[place]} = ({kind} *)p[{memory.address(call, place)}];"
            for place, kind in kinds.items()
        ]
        self.lines += [f"    {line}" for line in call.before]
        told = [_filled(a, names) for a in call.arguments]
        if call.room:
            told.append(f"({TYPES[call.dtype]} *)sums")
        self.lines.append(f"    {call.function}_{TYPES[call.dtype]}({', '.join(told)});")

    def text(self, note: Callable[[Any], str]) -> str:
        """The function."""
        head = [f"/* {note(self.nest)} */", f"static void {self.name}(char **p, long lo, long hi, double *sums) {{"]
        return "\n".join([*head, *self.lines, "}"])


def included(calls: Sequence[Call]) -> list[str]:
    """The lines that include what these calls need."""
    lines = ['#include "blas.h"'] if any(call.header != "pooling.h" for call in calls) else []
    for header, dtype in sorted({(call.header, TYPES[call.dtype]) for call in calls if call.header != "blas.h"}):
        lines += included_for(header, dtype)
    return lines


def _called(
    i: Instruction,
    shape: tuple[int, ...],
    header: str,
    function: str,
    dtype: np.dtype,
    told: list,
    before: Sequence[str] = (),
    **more: int,
) -> Call:
    """The instruction as a call of the function with these arguments."""
    name, arguments = i.whole or i.of, list(map(str, told))
    return Call(name, shape, header, function, dtype, arguments, i.reads(), i.results, list(before), **more)


def _filled(text: str, names: dict[int, str]) -> str:
    return text.format_map({f"v{place}": name for place, name in names.items()}) if "{" in text else text


def _address(value: Any) -> str:
    """An array among arguments, or NULL."""
    return f"{{v{value.place}}}" if isinstance(value, Ref) else "NULL"


def _in_rows(graph: Graph, places: Sequence[int]) -> bool:
    """Whether their numbers lie row by row, without gaps."""
    return all(_are_rows(graph.values[p], 0) for p in places)


def _are_rows(v: Value, first: int) -> bool:
    """Whether that is so of the dimensions from `first` on. (Where there is one element, its stride says nothing.)"""
    rows = np.empty(v.shape[first:], v.dtype).strides
    return all(n == 1 or s == t for n, s, t in zip(v.shape[first:], v.strides[first:], rows))


# ---- products ----


def _product(i: Instruction, graph: Graph) -> Call | None:
    """A B of matrices, or of a batch of them: one call of BLAS for each, or for all whose rows lie one behind the other."""
    a, b, c = (graph.values[ref.place] for ref in (*i.args[:2], Ref(i.results[0]))) if _are_refs(i.args[:2]) else (None,) * 3
    if a is None or b is None or c is None or min(a.ndim, b.ndim) < 2 or not a.dtype == b.dtype == c.dtype:
        return None
    lead, (rows, inner), columns = c.shape[:-2], a.shape[-2:], b.shape[-1]
    lies = [_lies(v) for v in (a, b, c)]
    if any(each is None for each in lies) or lies[2][0] != "N":  # type: ignore[index]
        return None
    (of_a, a_pitch), (of_b, b_pitch), (_, c_pitch) = lies  # type: ignore[misc]
    steps = [_steps(v, lead) for v in (a, b, c)]
    loops = [(n, s) for n, *s in zip(lead, *steps) if n != 1]
    while loops and of_a == "N" and loops[-1][1] == [rows * a_pitch, 0, rows * c_pitch]:  # a batch that is rows
        rows *= loops.pop()[0]
    names = [f"i{k}" for k in range(len(loops))]
    where = [" + ".join(f"{n} * {s[k]}" for n, (_, s) in zip(names, loops) if s[k]) for k in range(3)]
    at = [f"{{v{v.place}}}" + (f" + {w}" if w else "") for v, w in zip((a, b, c), where)]
    told = [f"'{of_a}'", f"'{of_b}'", rows, columns, inner, at[0], a_pitch, at[1], b_pitch, 0, at[2], c_pitch]
    before = [f"for (long {name} = 0; {name} < {n}; {name}++)" for name, (n, _) in zip(names, loops)]
    return _called(i, c.shape, "blas.h", "product", c.dtype, told, before)


def _are_refs(values: Sequence[Any]) -> bool:
    return all(isinstance(v, Ref) for v in values)


def _lies(v: Value) -> tuple[str, int] | None:
    """How matrices lie: by rows, 'N', or by columns, 'T', and the way from one line to the next."""
    size = v.dtype.itemsize
    (rows, columns), (row, column) = v.shape[-2:], v.strides[-2:]
    for letter, n, line, m, step in (("N", rows, row, columns, column), ("T", columns, column, rows, row)):
        if (m == 1 or step == size) and (n == 1 or (line % size == 0 and line >= m * size)):
            return letter, max(m if n == 1 else line // size, 1)
    return None


def _steps(v: Value, lead: tuple[int, ...]) -> list[int]:
    """By how many numbers each dimension of the batch moves on."""
    own = [0 if n == 1 else s // v.dtype.itemsize for n, s in zip(v.shape[:-2], v.strides)]
    return [0] * (len(lead) - len(own)) + own


# ---- convolution ----


def _conv(i: Instruction, graph: Graph) -> Call | None:
    x, weight, bias, how, groups = i.args
    return _sliding(i, graph, "convolution", x, weight, Ref(i.results[0]), bias, how, groups)


def _conv_transpose(i: Instruction, graph: Graph) -> Call | None:
    y, weight, bias, how, groups = i.args
    return _sliding(i, graph, "convolution_transposed", Ref(i.results[0]), weight, y, bias, how, groups)


def _conv_weight(i: Instruction, graph: Graph) -> Call | None:
    x, y, how, groups = i.args
    return _sliding(i, graph, "convolution_weight", x, Ref(i.results[0]), y, None, how, groups)


def _sliding(
    i: Instruction, graph: Graph, function: str, image: Any, weight: Any, made: Any, bias: Any, how: Any, groups: int
) -> Call | None:
    """One of the three. image: (N, C, *size), made: (N, O, *places), as `ops/convolution.py` has them."""
    if not _are_refs((image, weight, made)) or len(how.size) > 3:
        return None
    x, w, y = (graph.values[ref.place] for ref in (image, weight, made))
    parameters = [w.place, *([bias.place] if isinstance(bias, Ref) else [])]
    if not _in_rows(graph, parameters) or not _are_rows(x, 2) or not _are_rows(y, 2):
        return None
    of_x, of_y = (_first_two(v) for v in (x, y))
    if of_x is None or of_y is None:
        return None
    shared = function != "convolution_weight"
    N, (chunk, C, O, room) = x.shape[0], sizes_of(x.shape, y.shape, how, groups, not shared)
    before = [f"static const Sliding how = {{{', '.join(map(_braced, as_threes(how)))}}};"]
    sizes, of_w = [groups, C, O], _address(Ref(w.place))
    x_told, y_told = [_address(image), *of_x], [_address(made), *of_y]
    told: list[Any] = ["&how", *(["lo", "hi"] if shared else [N]), chunk, *sizes]
    if function == "convolution":
        told += [*x_told, of_w, _address(bias), *y_told]
    elif shared:
        told += [*y_told, of_w, _address(bias), *x_told]
    else:
        told += [*x_told, *y_told, of_w]
    work, shape = work_of(x.shape, y.shape, how, groups), graph.values[i.results[0]].shape
    count = N if shared else 1
    return _called(i, shape, "convolution.h", function, w.dtype, told, before, room=room, count=count, work=work)


def _braced(numbers: Sequence[int]) -> str:
    return "{" + ", ".join(map(str, numbers)) + "}"


def _first_two(v: Value) -> list[int] | None:
    """The ways from sample to sample and from channel to channel, in numbers."""
    plane, size = math.prod(v.shape[2:]), v.dtype.itemsize
    ways = [plane if n == 1 else s // size for n, s in zip(v.shape[:2], v.strides)]
    return ways if min(ways) >= plane and all(s % size == 0 for s in v.strides[:2]) else None


# ---- pooling ----


def _max_pool(i: Instruction, graph: Graph) -> Call | None:
    x, windows = graph.values[i.args[0].place], i.args[1]
    size = x.shape[x.ndim - len(windows) :]
    lines = pooling.three_lines(windows, size)
    if lines is None or not _in_rows(graph, [x.place, *i.results]) or len(i.results) != 2:
        return None
    before = [f"static const long begin_{k}[] = {_braced(begin)};" for k, (*_, begin) in enumerate(lines)]
    told = [f"{{{n}, {o}, {stride}, {len(begin)}, begin_{k}}}" for k, (n, o, stride, begin) in enumerate(lines)]
    before.append(f"static const Windows windows[3] = {{{', '.join(told)}}};")
    names = ["windows", "lo", "hi", *(f"{{v{p}}}" for p in (x.place, *i.results))]
    room, numbers = pooling.room_of(lines), math.prod(x.shape)
    shape, count = graph.values[i.results[0]].shape, numbers // math.prod(size)
    return _called(i, shape, "pooling.h", "max_pooling", x.dtype, names, before, room=room, count=count, work=numbers)


def _max_pool_backward(i: Instruction, graph: Graph) -> Call | None:
    g, *_, x, indices, windows = i.args
    if not _are_refs((g, x, indices)) or not _in_rows(graph, [g.place, indices.place, *i.results]):
        return None
    of_x, of_g = (graph.values[ref.place].shape for ref in (x, g))
    n, dtype, work = len(windows), graph.values[g.place].dtype, math.prod(of_x)
    plane, count = math.prod(of_x[len(of_x) - n :]), math.prod(of_x[: len(of_x) - n])
    told = [plane, math.prod(of_g[len(of_g) - n :]), "lo", "hi", *map(_address, (g, indices, Ref(i.results[0])))]
    return _called(i, of_x, "pooling.h", "max_pooling_backward", dtype, told, count=count, work=work)


# ---- recurrent layers ----


def _lstm(i: Instruction, graph: Graph) -> Call | None:
    pre, h, c, w, w_hr, sizes, reverse = i.args
    if w_hr is not None or not _are_refs((pre, h, c, w)) or not _in_rows(graph, [*i.reads(), *i.results]):
        return None
    N, H = graph.values[c.place].shape
    told = [len(sizes), "sizes", int(reverse), N, H, *map(_address, (pre, h, c, w, *map(Ref, i.results)))]
    shape, dtype = graph.values[i.results[0]].shape, graph.values[w.place].dtype
    return (
        _called(i, shape, "recurrent.h", "lstm", dtype, told, [_sizes(sizes)], room=4 * H * H)
        if len(i.results) == 6
        else None
    )


def _lstm_backward(i: Instruction, graph: Graph) -> Call | None:
    g, g_h, g_c, g_states, g_cells, g_gates, h, c, w, w_hr, states, cells, gates, _, sizes, reverse = i.args
    walk = _walk(i, graph, g, [g_states, g_cells, g_gates, w_hr], c, sizes, reverse)
    if walk is None or len(i.results) != 4:
        return None
    told = [*walk, *map(_address, (g_h, g_c, h, c, w, states, cells, gates, *map(Ref, i.results)))]
    shape, dtype = graph.values[states.place].shape, graph.values[w.place].dtype
    return _called(i, shape, "recurrent.h", "lstm_backward", dtype, told, [_sizes(sizes)], room=math.prod(shape))


def _gru(i: Instruction, graph: Graph) -> Call | None:
    pre, h, w, b, sizes, reverse = i.args
    if not _are_refs((pre, h, w)) or not _in_rows(graph, [*i.reads(), *i.results]) or len(i.results) != 5:
        return None
    N, H = graph.values[h.place].shape
    told = [len(sizes), "sizes", int(reverse), N, H, *map(_address, (pre, h, w, b, *map(Ref, i.results)))]
    shape, dtype = graph.values[i.results[0]].shape, graph.values[w.place].dtype
    return _called(i, shape, "recurrent.h", "gru", dtype, told, [_sizes(sizes)], room=3 * (N + H) * H)


def _gru_backward(i: Instruction, graph: Graph) -> Call | None:
    g, g_h, *others_of_g, h, w, sizes, reverse, states, gates, inner = i.args[:12]
    walk = _walk(i, graph, g, others_of_g, h, sizes, reverse)
    if walk is None or len(i.results) not in (3, 4):
        return None
    told = [*walk, *map(_address, (g_h, h, w, states, gates, inner, *map(Ref, i.results)))]
    told += ["NULL"] * (4 - len(i.results))  # there is no bias
    shape, dtype = graph.values[states.place].shape, graph.values[w.place].dtype
    return _called(i, shape, "recurrent.h", "gru_backward", dtype, told, [_sizes(sizes)], room=4 * math.prod(shape))


def _rnn(i: Instruction, graph: Graph) -> Call | None:
    pre, h, w, relu, sizes, reverse = i.args
    if not _are_refs((pre, h, w)) or not _in_rows(graph, [*i.reads(), *i.results]) or len(i.results) != 3:
        return None
    N, H = graph.values[h.place].shape
    told = [len(sizes), "sizes", int(reverse), int(relu), N, H, *map(_address, (pre, h, w, *map(Ref, i.results)))]
    shape, dtype = graph.values[i.results[0]].shape, graph.values[w.place].dtype
    return _called(i, shape, "recurrent.h", "rnn", dtype, told, [_sizes(sizes)], room=H * H)


def _rnn_backward(i: Instruction, graph: Graph) -> Call | None:
    g, g_h, *others_of_g, h, w, relu, sizes, reverse, states = i.args[:9]
    walk = _walk(i, graph, g, others_of_g, h, sizes, reverse)
    if walk is None or len(i.results) != 3:
        return None
    told = [*walk, *map(_address, (g_h, h, w, states, *map(Ref, i.results)))]
    told.insert(3, int(relu))
    shape, dtype = graph.values[states.place].shape, graph.values[w.place].dtype
    return _called(i, shape, "recurrent.h", "rnn_backward", dtype, told, [_sizes(sizes)], room=math.prod(shape))


def _walk(
    i: Instruction, graph: Graph, g: Any, absent: list, state: Ref, sizes: Sequence[int], reverse: bool
) -> list | None:
    """What all walks back begin with: steps, their sizes, the direction, N and H, the upstream gradient and how its rows lie.

    absent: what must not be given. All else must lie in rows.
    """
    others = [p for p in i.reads() if g != Ref(p)]
    if any(a is not None for a in absent) or not _in_rows(graph, [*others, *i.results]):
        return None
    N, H = graph.values[state.place].shape
    pitch = H if g is None else _pitch_of_rows(graph.values[g.place])
    return None if pitch is None else [len(sizes), "sizes", int(reverse), N, H, _address(g), pitch]


def _pitch_of_rows(v: Value) -> int | None:
    """The way from one row (the last dimension) to the next, in numbers, if it is the same between all."""
    size, columns = v.dtype.itemsize, v.shape[-1]
    lead = [(n, s) for n, s in zip(v.shape[:-1], v.strides) if n != 1]
    if (columns != 1 and v.strides[-1] != size) or any(s != n * t for (_, s), (n, t) in itertools.pairwise(lead)):
        return None
    pitch = lead[-1][1] if lead else columns * size
    return pitch // size if pitch % size == 0 and pitch > 0 else None


def _sizes(sizes: Sequence[int]) -> str:
    return f"static const long sizes[] = {{{', '.join(map(str, sizes))}}};"


_WHOLE: dict[str, Callable[[Instruction, Graph], Call | None]] = {
    "conv": _conv, "conv_transpose": _conv_transpose, "conv_weight": _conv_weight, "max_pool": _max_pool,
    "backward of max_pool": _max_pool_backward, "lstm_layer": _lstm, "backward of lstm_layer": _lstm_backward,
    "derivatives of max_pool": _max_pool_backward, "gru_layer": _gru, "derivatives of gru_layer": _gru_backward,
    "backward of gru_layer": _gru_backward, "backward of rnn_layer": _rnn_backward, "rnn_layer": _rnn,
    "derivatives of rnn_layer": _rnn_backward,
}  # fmt: skip
