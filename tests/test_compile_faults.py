"""The checks of `compile` notice if a line of it is wrong: each fault below makes one of them fail."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import pytest
import test_compile_mathematics as written
from planting import Fault, assert_noticed

import test_compile as checks
from minitorch.arrays.device import shortcuts
from minitorch.compiler import arguments, calls, graph, halves, mathematics, passes, results, step
from minitorch.compiler.mathematics import Mathematics
from minitorch.compiler.numpy_source import Program
from minitorch.compiler.record import Record
from minitorch.compiler.state import State
from reference.table import table
from shares import share_of

FAULTS = [
    # memory
    Fault(Program._let_go, "for m in self.owned if self.last_use[m] == k and ", "for m in self.owned if "),
    Fault(Program._buffer, "self.last_use[memory] == k", "True"),
    Fault(Program._buffer, "if v.memory in self.handed:", "if False:"),
    Fault(Program._is_copied, "v.memory not in self.graph.written() | self.handed", "True"),
    Fault(Program._write, 'f"{self.text(target)}[{self.key(key)}] = {self.text(value)}"', '"pass"'),
    Fault(Program.line_into, "'unsafe'", "'no'"),
    Fault(Program._number, "np.asarray(value, dtype)", "np.asarray(value + 1, dtype)"),
    # passes
    Fault(passes.without_repetition, "writes[graph.memory(p)]", "0"),
    Fault(passes.without_repetition, "writes.update(states)", "pass"),
    Fault(passes.without_repetition, "graph.memory(i.results[0]) not in changing", "True"),
    Fault(passes.without_the_dead, "graph.memory(i.writes) in lasting", "False"),
    Fault(passes.courses_first, "id(i) not in first)", "0)"),
    Fault(passes.constants, "graph.memory(i.results[0]) not in changing", "True"),
    # recording
    Fault(Record.lift, "memory = v.memory", "pass"),
    Fault(Record._shared, "return self.graph.memory(place)", "return None"),
    Fault(Record.call, "self._append(function, *told, (), writes=written.place)", "pass"),
    Fault(Record.drawn, 'self._cannot("random numbers are drawn outside of an op")', "pass"),
    Fault(Record.check, "self.graph.instructions.append(", "str("),
    Fault(graph.same, 'return f"one has {a.line(one)}, the other {b.line(two)}: numbers in it differ"', "pass"),
    Fault(calls._let_go, "record.fail(", "str("),
    # what a program depends on
    Fault(State.tensor, 'f"{thing}._array is {array}"', '"True"'),
    Fault(State.tensor, 'f"{thing}._requires_grad is {tensor._requires_grad}"', '"True"'),
    Fault(State.tensor, 'f"not ({thing}._leaf_hooks or {thing}._post_accumulate_hooks)"', '"True"'),
    Fault(State._number, 'self.guard.add(f"{place} is {value}", name)', "pass"),
    Fault(State._number, 'self.guard.add(f"{place} == {self.guard.thing(value)}", name)', "pass"),
    Fault(State._of_module, "self.guard.add(f\"not ({' or '.join(f'{held}[{h!r}]' for h in _HOOKS)})\"", 'print("True"'),
    Fault(calls._parts, 'f"{array}.shape == {shape}"', '"True"'),
    Fault(step._with_gradients, "'not ' * there", "'not '"),
    # what it leaves
    Fault(calls._end, "calls.last.append((tensor, None))", "pass"),
    Fault(calls._end, "calls.last.append((tensor, place))", "pass"),
    Fault(calls._lift, 'f"{state.guard.thing(tensor)}._grad is {state.guard.thing(tensor._grad)}"', '"True"'),
    Fault(calls._count_writes, "calls.bumped += [tensor] * times", "pass"),
    Fault(calls._count_writes, "calls.bumped_elsewhere += [place] * times", "pass"),
    Fault(calls._end, 'record.fail("it changes the history of an argument")', "pass"),
    # halves
    Fault(halves.CompiledNode.run, "counter.n != version", "False"),
    Fault(halves.CompiledNode.run, "g if there else None", "g"),
    Fault(halves.CompiledNode.__init__, "not halves.are_apart", "False"),
    Fault(halves.CompiledNode.release, "self.freed |= self.walked", "pass"),
    Fault(halves.CompiledNode.release, "not any(held.isdisjoint(self.freed) for held in self.halves.held)", "True"),
    Fault(halves._in_backward, 'v.changed(kind="computed") if v.kind == "input" else v', "v"),
    Fault(halves.differentiate, "(value, value._counter)", "(value._counter,)"),
    Fault(halves.differentiate, "(value, value._counter)", "(value,)"),
    Fault(halves.differentiate, "if node.birth < record.born", "if False"),
    Fault(calls.is_freed, "if each.birth > born", ""),
    # arguments and results
    Fault(arguments.told_apart, "first is place", "True"),
    Fault(arguments.told_apart, 'f"{place} is {first}"', '"True"'),
    Fault(arguments.Overlaps.__call__, "tensor._counter is not None and tensor._counter is other._counter", "True"),
    Fault(arguments.Overlaps.__call__, "together or", ""),
    Fault(results.tie, "other._adopt_view(result)", "pass"),
    Fault(results.tie, "result._refusal = refusal", "pass"),
    Fault(results.tie, "result._counter = other._counted()", "pass"),
    Fault(results.Returned.number, "if known is tensor:", "if False:"),
    Fault(results.Returned.find_ties, "self.ties.sort(", "str("),
    Fault(results.Returned.find_ties, "self.inferred.append(k)", "pass"),
    Fault(results.Returned._can_be_returned, 'record.fail("it returns views of', 'str("it returns views of'),
    Fault(results.is_plain, "type(value) is Tensor and value._grad is None and not any(own) and not is_leaf", "True"),
    Fault(graph._same_effect, "a.call.args[0] is b.call.args[0]", "True"),
    Fault(halves._laid_out, 'getattr(g, "strides", None) == like.strides', "g is not None"),
    Fault(halves.halved, "place not in made", "place in made"),
    # mathematics
    Fault(mathematics._operator, "level + (level in (COMPARISON, POWER))", "0"),
    Fault(mathematics._operator, "right.within(level + 1)", "right.text"),
    Fault(mathematics._assigned, 'left == f"{name}{where}"', "True"),
    Fault(mathematics._same_numbers, "written.isdisjoint((new.memory, old.memory))", "True"),
    Fault(mathematics._same_numbers, "0 not in new.shape", "False"),
    Fault(Mathematics._write, "self._memory(target) in {*e.reads, self._memory(p)}", "False"),
    Fault(Mathematics._operand, "not self.left[place]", "True"),
    Fault(Mathematics._operand, "self._now.count(place) == 1", "True"),
    Fault(Mathematics._makes_anew, "v.memory == target", "True"),
    Fault(Mathematics._may_be_bare, "v.dtype == dtype and ", ""),
    Fault(Mathematics._may_be_bare, " and v.shape == result.shape", ""),
    Fault(Mathematics._several, "[{i.picks[0]}]", ""),
    Fault(Mathematics._check, "not {flag", "{flag"),
    Fault(Mathematics._constants, "self.numbers.pop(i.args[0].place, None)", "pass"),
    Fault(Mathematics._make, "self._memory(place) not in self.lasting", "True"),
    Fault(Mathematics._method, " and i.args[1] != i.args[2]", ""),
    Fault(Mathematics._handed_out, "self.left[self._same(place)] += 2", "pass"),
    Fault(Mathematics._handed_out, "while name in self.taken", "while False"),
    Fault(Mathematics._function, "name not in self.taken", "True"),
]


def outside(**how: Any) -> None:
    assert checks.train_outside(False, **how)[0] == checks.train_outside(True, **how)[0]


def row_is_alike(number: int, seed: int, is_outside: bool) -> None:
    checks.assert_alike(checks.of_row(table()[number], seed, is_outside))


def _of_mathematics() -> list[Callable[[], Any]]:
    """The checks of a program as mathematics, and some ops."""
    ops = {
        "setitem", "avg_pool1d", "rnn_tanh", "norm_except_dim", "cross_entropy", "median", "conv1d", "to", "where", "cumsum", "pow",
    }  # fmt: skip
    return [
        written.test_a_step_with_an_optimizer,
        written.test_writes_stay_writes,
        written.test_what_is_overwritten_is_read_before,
        written.test_both_halves_of_a_module,
        written.test_an_input_may_have_the_name_of_a_function,
        written.test_an_input_may_be_called_result,
        written.test_a_value_that_is_an_operand_twice,
        written.test_numbers_keep_shape_and_dtype,
        *(partial(written.test_ops, row) for row in table() if row.name in ops),
    ]


@cache
def all_checks(is_mathematics: bool) -> list[Callable[[], Any]]:
    """Those of test_compile.py that take little time, and some ops; those of a program as mathematics first or last."""
    return [*_of_mathematics(), *_of_steps()] if is_mathematics else [*_of_steps(), *_of_mathematics()]


def _of_steps() -> list[Callable[[], Any]]:
    names = [row.name for row in table()]
    ops = ["embedding", "cumsum", "diagonal_scatter", "layer_norm", "index_add", "batch_norm", "masked_fill", "tanh"]
    return [
        partial(checks.test_memory_that_is_written_between_reads, checks.writes_through_views),
        partial(checks.test_memory_that_is_written_between_reads, checks.reads_before_and_after_a_step),
        checks.test_an_argument_that_is_written_to,
        checks.test_what_is_handed_out_stays,
        checks.test_each_shape_has_its_program,
        checks.test_a_program_refuses_what_the_step_refuses,
        checks.test_what_backward_cannot_do_is_refused,
        *(partial(checks.test_what_changes_between_calls_is_noticed, change) for change in checks.CHANGES),
        *(
            partial(checks.test_steps_as_people_write_them, options, checks.CHANGES[0])
            for options in ({"clear": False}, {"clip": True})
        ),
        checks.test_one_tensor_given_twice,
        checks.test_arguments_that_share_memory,
        checks.test_writes_to_arguments_and_gradients_are_counted,
        checks.test_an_argument_whose_history_changes,
        checks.test_an_optimizer_that_the_step_makes,
        checks.test_what_backward_does_not_read_may_be_written_to,
        checks.test_backward_that_needs_no_argument,
        checks.test_backward_that_keeps_nothing_comes_as_often_as_one_likes,
        checks.test_what_no_gradient_reaches_has_none,
        checks.test_each_parameter_has_a_gradient_of_its_own,
        checks.test_what_one_result_frees_another_may_need,
        checks.test_what_leads_to_an_argument_is_no_part_of_the_program,
        *(partial(checks.test_what_results_share, name) for name in vars(checks.Returning) if not name.startswith("_")),
        *(
            partial(checks.test_what_backward_reads_may_not_be_written_to, what)
            for what in ("a constant", "an argument", "what is returned")
        ),
        *(partial(outside, **how) for how in ({}, {"twice": True})),
        *(partial(checks.test_what_cannot_be_a_program_runs_as_it_is, function) for function in checks.REFUSED),
        *(partial(row_is_alike, names.index(n), seed, how) for n in ops for seed in (0, 1) for how in (False, True)),
    ]


@pytest.mark.filterwarnings("ignore")
def test_the_lines_that_faults_change_are_there() -> None:
    for fault in FAULTS:
        fault._code()


@pytest.mark.skipif(not shortcuts.enabled, reason="courses are taken by the ops' faster forms")
@pytest.mark.parametrize("fault", [pytest.param(f, id=str(f), marks=share_of(k % 3, 0, 1)) for k, f in enumerate(FAULTS)])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_check_notices(fault: Fault) -> None:
    assert_noticed(fault, all_checks(fault.function.__module__ == mathematics.__name__))
