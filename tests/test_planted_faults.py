"""Do the tests notice? Each fault is one change to one line of the engine; some scenario must then differ from torch.

(Faults in derivatives and update rules are planted by `reference/mutation.py`: their lines are arithmetic, these are logic.)
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
import test_autograd
import test_engine_corners
import test_function
import test_graph
import test_in_place
import torch

import minitorch
from both import alike, outcome
from minitorch import Tensor
from minitorch.autograd import engine, node
from minitorch.autograd.grad_mode import grad_mode
from minitorch.autograd.hooks import Hooks
from minitorch.op import Op, Row
from minitorch.tensor import writing
from minitorch.tensor.writing import Writing

SCENARIOS = [s for m in (test_engine_corners, test_autograd, test_in_place, test_graph, test_function) for s in m.SCENARIOS]
# What torch cannot be asked, memory above all: these raise where something is wrong.
DIRECT = [
    test_autograd.test_gradients_are_nobody_elses_memory,
    test_autograd.test_nothing_outlives_the_backward_that_freed_it,
    test_autograd.test_a_graph_that_is_dropped_is_freed,
    test_engine_corners.test_a_second_derivative_leaves_no_cycle,
    *(
        functools.partial(test_engine_corners.test_a_gradient_is_memory_of_its_own, combined)
        for combined in test_engine_corners.COMBINED.values()
    ),
]


class Fault(NamedTuple):
    """`was`, which stands once in the function's source, becomes something else."""

    function: types.FunctionType
    was: str
    becomes: str

    def __str__(self) -> str:
        return f"{self.function.__qualname__}: {self.was.strip()} -> {self.becomes.strip() or 'nothing'}"


FAULTS = [
    # gradients that meet
    Fault(engine.walk, "held[nr] = held[nr] + g", "held[nr] = g"),
    Fault(engine.walk, "held[nr]._array += g._array", "pass"),
    Fault(engine.walk, "(-target.birth, target)", "(target.birth, target)"),
    Fault(engine.walk, "if not create_graph:", "if True:"),
    Fault(engine.walk, "array.shape != shape or ", ""),
    Fault(engine.walk, " or array.dtype is not dtype", ""),
    # which nodes run, and in which mode
    Fault(engine.walk, "(needed is not None and edge[0] not in needed)", "False"),
    Fault(engine.walk, "if not needed[node] and not accumulate:", "if not accumulate:"),
    Fault(engine.walk, "if not needed[node] and not accumulate:", "if not needed[node]:"),
    Fault(engine.walk, "grad_mode.enabled, create_graph", "grad_mode.enabled, True"),
    Fault(engine.walk, "grad_mode.enabled, create_graph", "grad_mode.enabled, False"),
    Fault(engine.walk, "running.walk, grad_mode.enabled = outer, mode", "running.walk = outer"),
    Fault(engine._leading_to, "any(edge is not None and edge[0] in needed for edge in node.edges)", "True"),
    # whose memory a leaf's gradient is
    Fault(engine.walk, "may_share = True", "may_share = False"),
    Fault(engine.walk, "may_share = node.may_share or", "may_share ="),
    Fault(engine.walk, "node.may_share or hooks is not None", "node.may_share"),
    Fault(engine.walk, "                    borrowed.add(node)\n", ""),
    Fault(engine.walk, "sums.discard((node, 0))", "pass"),
    Fault(engine.walk, " or g._base is not None", ""),
    Fault(engine.walk, " or any_is(g, grads)", ""),
    Fault(engine.any_is, "return g is grads[0]", "return False"),
    # hooks
    Fault(engine.walk, "grads = hooks.before(grads)", "pass"),
    Fault(engine.walk, "results = hooks.after(node, results, grads)", "pass"),
    Fault(node.accumulator, "leaf._accumulator and leaf._accumulator()", "None"),
    Fault(Hooks.before, "tensor._grad + g", "g"),
    Fault(Hooks.before, "tensor is not None and ", ""),
    Fault(Hooks.before, "g = grads[nr] if grad_mode.enabled else grads[nr].detach()", "g = grads[nr].detach()"),
    # the node that a call leaves
    Fault(node.record, "(maker, x._output_nr)", "(maker, 0)"),
    Fault(node.record, "if maker is None or maker is STALE", "if maker is None"),
    Fault(node.record, "array.shape != shape or ", ""),
    Fault(node.record, " or array.dtype is not dtype", ""),
    Fault(node.record, "outs[nr]._alias()", "outs[nr]"),
    Fault(node.record, "is not None:", "is 0:"),
    Fault(node._version, "return 0 if", "return 1 if"),
    Fault(node.gradient_edge, "node = x.grad_fn", "return None"),
    # what it saved, and whether it may still be used
    Fault(node.Node.unpack, "counter.n != version", "False"),
    Fault(node.Node.unpack, "if in_place_detachments:", "if False:"),
    Fault(node.Node.unpack, "grad_mode.enabled and self.saved_outputs", "False"),
    Fault(node.Node.unpack, "        values = list(values)\n        for", "        for"),
    Fault(node.Node.unpack, "again._grad_fn, again._output_nr, again._requires_grad = self, nr, True", "pass"),
    Fault(node.Node.keep_instead, "*self.versions[k + 1 :]", ""),
    Fault(node.Node._check_detached, "> self.birth", "< self.birth"),
    Fault(node.OpNode.keep_copy, "self.keep_instead(k, tensor._copy_before_write(), 0)", "pass"),
    Fault(node.OpNode.show_output, "self.keep_instead(k, tensor._alias(), tensor._version)", "pass"),
    Fault(node.OpNode.release, "self.saved = None", "pass"),
    Fault(node.OpNode.release, 'self.metadata["name"] = self.name()', "pass"),
    # leaves
    Fault(node.AccumulateGrad.run, "leaf._grad = leaf._grad + g", "leaf._grad = g"),
    Fault(node.AccumulateGrad.run, "leaf._grad._accumulate(g)", "leaf._grad = g"),
    Fault(node.AccumulateGrad.run, "if not leaf.is_leaf:", "if False:"),
    Fault(node.AccumulateGrad.run, "if not leaf._requires_grad:", "if False:"),
    # tensors made in inference_mode
    Fault(Op._one, "out._mark_inference()", "pass"),
    Fault(Op._many, "out._mark_inference()", "pass"),
    Fault(Row._wrap, "out._mark_inference()", "pass"),
    # views and writes
    Fault(Writing._adopt_view, "view._counter = self._counter", "pass"),
    Fault(Writing._adopt_view, "self if self._base is None else self._base", "self"),
    Fault(Writing._adopt_view, "op(outer(b), *rest)", "op(b, *rest)"),
    Fault(Writing._adopt_view, "elif not grad_mode.enabled:", "elif False:"),
    Fault(Writing._bump, "self._counter.n += 1", "pass"),
    Fault(Writing._check_history, "if self._base is not None and self._replay is None:", "if False:"),
    Fault(Writing._check_history, "if self._requires_grad and", "if False and"),
    Fault(Writing._take_history, "out = write_view(base._before_write(), out, self._replay)", "pass"),
    Fault(Writing._take_history, "base._forget_views()", "pass"),
    Fault(Writing._copy_before_write, "self._array.copy()", "self._array"),
    Fault(node.OpNode.show_output, "tensor._array.dtype if k == nr else dtype", "dtype"),
    Fault(Writing._accumulate, "self._bump()", "pass"),
    Fault(Writing._forget_views, "hooks_of(view._grad_fn).retain.pop(view._output_nr, None)", "pass"),
    Fault(Writing._turn, "self._replay = lambda base: view(outer(base), *args)", "pass"),
    Fault(writing._writes_the_same_everywhere, "op is zero", "False"),
    Fault(writing._writes_the_same_everywhere, "op is fill and not isinstance(args[0], Writing)", "op is fill"),
    Fault(writing._writes_the_same_everywhere, "op is copy and same_data(tensor._array, args[0]._array)", "op is copy"),
    # views of what changes its mind
    Fault(Tensor.requires_grad_, "self._tell_views(requires_grad)", "pass"),
    Fault(Tensor.detach_, "self._tell_views(False)", "pass"),
    Fault(Tensor.detach_, "node.in_place_detachments[:] = [True]", "pass"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_some_scenario_notices(fault: Fault) -> None:
    function, original = fault.function, fault.function.__code__
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(fault.was) == 1, f"not one, but {source.count(fault.was)} places read {fault.was!r}"
    made: dict[str, Any] = {}
    exec(source.replace(fault.was, fault.becomes), function.__globals__, made)
    expected = [theirs(scenario) for scenario in SCENARIOS]  # before anything is broken
    with nothing_left_behind():
        try:
            function.__code__ = made[function.__name__].__code__
            noticed = somebody_notices(expected)
        finally:
            function.__code__ = original
    assert noticed, f"no scenario needs the line that this changes: {fault}"
    assert not somebody_notices(expected), "something is noticed though nothing is broken: that would hide every other fault"


def somebody_notices(expected: list) -> bool:
    """Whether a scenario gives something else than torch, or a direct test fails."""
    differs = not all(alike(outcome(s, minitorch)[0], t) for s, t in zip(SCENARIOS, expected))
    return differs or any(map(raises, DIRECT))


@contextlib.contextmanager
def nothing_left_behind() -> Iterator[None]:
    """A broken walk may leave the modes of its thread as they were inside it."""
    enabled, walk = grad_mode.enabled, engine.running.walk
    node.in_place_detachments.clear()  # it is set once, and then stays
    try:
        yield
    finally:
        grad_mode.enabled, engine.running.walk = enabled, walk


@functools.cache
def theirs(scenario: Callable[[Any], Any]) -> Any:
    """What torch gives."""
    return outcome(scenario, torch)[0]


def raises(test: Callable[[], None]) -> bool:
    """Whether a test fails."""
    try:
        test()
    except Exception:
        return True
    return False
