"""Do the tests notice? Each fault is one change to one line of the door or the engine; some scenario must then differ from torch.

(Faults in derivatives and update rules are planted by `reference/mutation.py`: their lines are arithmetic, these are logic.)
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import test_autograd
import test_backward_calls
import test_call_corners
import test_checkpoint
import test_engine_corners
import test_function
import test_graph
import test_graph_tools
import test_hook_corners
import test_in_place
import test_leaf_corners
import test_values
import test_views
import test_walk_corners
import test_ways_through_the_door
import torch
from planting import Fault, assert_noticed, fails, nothing_learned
from reached import Line, lines_of, lines_run

import minitorch
from both import alike, outcome
from minitorch import Tensor
from minitorch.arrays import numbers, threads
from minitorch.autograd import engine, hooks, leaves, multi_hooks, mutation, node
from minitorch.autograd.engine import Goal, Pending
from minitorch.autograd.function import FunctionNode
from minitorch.autograd.grad_mode import users_code
from minitorch.autograd.hooks import Hooks
from minitorch.autograd.leaves import AccumulateGrad
from minitorch.autograd.mutation import allow_mutation_on_saved_tensors
from minitorch.op import Op, Row, half_precision, lanes, plan, promotion, recipe, steps
from minitorch.op.plan import Plan
from minitorch.op.recipe import Recipe
from minitorch.tensor import writing
from minitorch.tensor.writing import Writing

pytestmark = pytest.mark.shortcuts

HOMES = (
    test_walk_corners, test_call_corners, test_engine_corners, test_autograd, test_in_place, test_graph, test_function,
    test_hook_corners, test_backward_calls, test_leaf_corners, test_views, test_graph_tools, test_values,
)  # fmt: skip
SCENARIOS = [*(scenario for home in HOMES for scenario in home.SCENARIOS), *test_checkpoint.scenarios]
# What torch cannot be asked, memory above all: these raise where something is wrong.
DIRECT: list[Callable[[], Any]] = [
    test_autograd.test_gradients_are_nobody_elses_memory,
    test_autograd.test_nothing_outlives_the_backward_that_freed_it,
    test_autograd.test_a_graph_that_is_dropped_is_freed,
    test_engine_corners.test_a_second_derivative_leaves_no_cycle,
    *test_walk_corners.DIRECT,
    *test_graph_tools.DIRECT,
    *test_ways_through_the_door.DIRECT,
    *(
        functools.partial(test_engine_corners.test_a_gradient_is_memory_of_its_own, combined)
        for combined in test_engine_corners.COMBINED.values()
    ),
]


FAULTS = [
    # gradients that meet
    Fault(Pending.add, "waiting[nr] + g\n    elif edge", "g\n    elif edge"),
    Fault(Pending.add, "sum_of(waiting[nr], g)\n        self.sums", "g\n        self.sums"),
    Fault(Pending.add, "waiting[nr] = waiting[nr] + g\n    elif edge", "waiting[nr]._array += g._array\n    elif edge"),
    Fault(Pending.add, "waiting[nr] = add_to(waiting[nr], g)", "pass"),
    Fault(Pending.add, "elif edge in self.sums and ", "elif "),
    Fault(Pending.add, "heappush(self.heap, (-node.birth, node))", "heappush(self.heap, (node.birth, node))"),
    Fault(Pending.add, "array.shape != shape or ", ""),
    Fault(Pending.add, " or array.dtype is not dtype", ""),
    Fault(Pending.add, "node.output_specs[nr]", "node.output_specs[0]"),
    Fault(Pending.add, "before, g = g, reduced(g, shape, dtype)", "before = g"),
    Fault(Pending.youngest, "grads = self.grads.pop(node)", "grads = self.grads[node]"),
    Fault(engine.walk, "node, grads = pending.youngest()", "before, (node, grads) = locals().get('grads'), pending.youngest()"),
    # which nodes run, and in which mode
    Fault(engine.walk, "if node in goal.stops and goal.reached(node, grads):", "if False:"),
    Fault(engine.walk, "edge is not None and g is not None", "edge is not None"),
    Fault(engine.walk, "edge is not None and g is not None", "g is not None"),
    Fault(engine.walk, "pending.expect(edge)", "pass"),
    Fault(engine.walk, "careful = True", "pass"),
    Fault(Pending.expect, "node not in self.grads and ", ""),
    Fault(Pending.expect, "self.needed is None or node in self.needed", "True"),
    Fault(engine.walk, "if not retain_graph:", "if True:"),
    Fault(engine.walk, "if not retain_graph:", "if False:"),
    Fault(engine.walk, "careful = anomaly_mode.state.enabled", "careful = False"),
    Fault(engine.walk, "if node.hooks is None and not careful:", "if not careful:"),
    Fault(engine.start, "Walk(inputs is not None,", "Walk(False,"),
    Fault(engine.start, "if this.depth % DEEPEST == 0:", "if False:"),
    Fault(engine.walk, "this.end()", "pass"),
    Fault(engine.Walk.__init__, "1 if running.walk is None else running.walk.depth + 1", "1"),
    Fault(engine.Walk.includes, "if self.goal.needed is None else self.goal.needed", ""),
    Fault(engine.Walk.end, "with users_code():", "if True:"),
    Fault(engine._reached_from, "found.add(edge[0])", "pass"),
    Fault(threads.in_a_thread, "vars(state).update(values)", "pass"),
    Fault(threads.in_a_thread, "raise errors[0]", "return None"),
    Fault(multi_hooks._First.__call__, "self.done.add(walk)", "pass"),
    Fault(multi_hooks._Together.hook_of, "walk.includes(self._node(end)) for end in self.ends", "1 for end in self.ends"),
    Fault(allow_mutation_on_saved_tensors.__exit__, "self.clear()", "pass"),
    Fault(allow_mutation_on_saved_tensors.__exit__, "before_writes.remove(self.before_write)", "pass"),
    Fault(allow_mutation_on_saved_tensors.before_write, "if not saved.is_copy:", "if False:"),
    Fault(mutation._memory, "array = array.base", "break"),
    Fault(node.Node.__call__, "for place in range(len(self.next_functions))", "for place in self.places"),
    Fault(node.Node.__call__, "[None] * len(self.edges) if nothing else ", ""),
    Fault(node.Node.__call__, "recorded=True", "recorded=False"),
    Fault(Pending.add, "if self.needed is not None and node not in self.needed:", "if False:"),
    Fault(Goal.reached, "not self.needed[node] and (self.idle or not self.accumulate)", "self.idle or not self.accumulate"),
    Fault(Goal.reached, "not self.needed[node] and (self.idle or not self.accumulate)", "not self.needed[node]"),
    Fault(Goal.reached, "not self.needed[node] and (self.idle or not self.accumulate)", "True"),
    Fault(Goal.reached, "(self.idle or not self.accumulate)", "(not self.accumulate)"),
    Fault(Goal.reached, "if stops and node.hooks is not None:", "if False:"),
    Fault(Goal.reached, "if stops and node.hooks is not None:", "if node.hooks is not None:"),
    Fault(Goal.reached, "with anomaly_mode.watching(node):", "if True:"),
    Fault(Goal.reached, "as_tensor(g)", "g"),
    Fault(Goal.reached, "self.arrived[node, nr] =", "self.arrived[node, 0] ="),
    Fault(Goal.reached, "self.given[id(g)] if id(g) in self.given else as_tensor(g)", "as_tensor(g)"),
    Fault(engine._leading_to, "any(edge is not None and edge[0] in needed for edge in node.edges)", "True"),
    Fault(engine._leading_to, "key=lambda n: n.birth", "key=lambda n: -n.birth"),
    Fault(engine._leading_to, "if runs or node in stops:", "if runs:"),
    Fault(engine._Mode.__init__, "self.inside = recorded,", "self.inside = True,"),
    Fault(engine._Mode.__init__, "self.inside = recorded,", "self.inside = False,"),
    Fault(engine._Mode.__init__, "not recorded", "False"),
    Fault(engine._Mode.__init__, "not recorded", "True"),
    Fault(engine._Mode.__exit__, "grad_mode.enabled, grad_mode.on_arrays, running.walk", "_, grad_mode.on_arrays, running.walk"),
    Fault(engine._Mode.__exit__, "grad_mode.enabled, grad_mode.on_arrays, running.walk", "grad_mode.enabled, _, running.walk"),
    Fault(engine._Mode.__exit__, "grad_mode.enabled, grad_mode.on_arrays, running.walk", "grad_mode.enabled, grad_mode.on_arrays, _"),
    # whose memory a leaf's gradient is
    Fault(engine.walk, "g if create_graph else g._array, None", "g if create_graph else g._array, []"),
    Fault(engine.walk, "node.may_share or node.hooks is not None", "node.hooks is not None"),
    Fault(engine.walk, "node.may_share or node.hooks is not None", "node.may_share"),
    Fault(Pending.add, "self.borrowed.add(node)", "pass"),
    Fault(Pending.youngest, "if not node.edges and node in self.borrowed and self.accumulate and (node, 0) not in self.sums:", "if False:"),
    Fault(Pending.youngest, "g.clone() if self.recorded else g.copy()", "g if self.recorded else g.copy()"),
    Fault(Pending.youngest, " and self.accumulate", ""),
    Fault(Pending._is_own, "if held is None or", "held = held or []\n    if"),
    Fault(Pending._is_own, " or array.base is not None", ""),
    Fault(Pending._is_own, "(h._array if self.recorded and h is not None else h) is array", "h is array"),
    Fault(Pending._is_own, "(h._array if self.recorded and h is not None else h) is array", "False"),
    # hooks
    Fault(Pending.run_between_hooks, "grads = node.hooks.before(node, grads)", "pass"),
    Fault(Pending.run_between_hooks, "results = node.hooks.after(node, results, grads)", "pass"),
    Fault(Pending.run_between_hooks, "self._fitted(node.edges, node.run(grads, self.recorded))", "node.run(grads, self.recorded)"),
    Fault(Pending.run_between_hooks, "if nothing else", "if False else"),
    Fault(Pending.run_between_hooks, "not node.runs_on_nothing and ", ""),
    Fault(Pending.run_between_hooks, "with anomaly_mode.watching(node):", "if True:"),
    Fault(Pending.run_between_hooks, "anomaly_mode.refuse_nan(node, results)", "pass"),
    Fault(Pending._fitted, "edge is None or (self.needed is not None and edge[0] not in self.needed)", "edge is None"),
    Fault(AccumulateGrad.__init__, "if self.serial != _latest[0] + 1:", "if True:"),
    Fault(AccumulateGrad.__init__, "announce(self)", "pass"),
    Fault(Pending.add, "if is_leaf and node.is_hooked:", "if False:"),
    Fault(Pending._count, "self.complete - SOONEST", "-leaf.birth"),
    Fault(Pending.expect, "self._count(node)", "pass"),
    Fault(AccumulateGrad.__lt__, "<", ">"),
    Fault(leaves._made, "hooks_of(node).tensor[0] = leaf._leaf_hooks", "pass"),
    Fault(Hooks.arrived, "tensor._grad + g", "g"),
    Fault(Hooks.arrived, "g.clone() if", "g if"),
    Fault(Hooks.arrived, "tensor is not None and ", ""),
    Fault(Hooks.arrived, " and grads[nr] is not None:", ":"),
    Fault(Hooks.arrived, "g = grads[nr] if grad_mode.enabled else grads[nr].detach()", "g = grads[nr].detach()"),
    Fault(Hooks.arrived, "grads = as_tensors(grads)", "grads = list(grads)"),
    Fault(Hooks.arrived, "with users_code():", "if True:"),
    Fault(Hooks.arrived, "checked(grads[nr], new, hook)", "new"),
    Fault(Hooks.before, "self.arrived(grads)", "as_tensors(grads)"),
    Fault(Hooks.before, "n = node.outputs_with_gradients", "n = len(grads)"),
    Fault(Hooks.before, "with users_code():", "if True:"),
    Fault(Hooks.before, "_all_checked(grads[:n], hook(tuple(grads[:n])), hook)", "hook(tuple(grads[:n])) or grads[:n]"),
    Fault(Hooks.before, "if not node.edges:", "if False:"),
    Fault(Hooks.before, "return as_carried(grads)", "return grads"),
    Fault(Hooks.after, "as_tensors(results)", "results"),
    Fault(Hooks.after, "tuple(as_tensors(grad_outputs[: node.outputs_with_gradients]))", "tuple(grad_outputs)"),
    Fault(Hooks.after, "_all_checked(grad_inputs, hook(tuple(grad_inputs), seen), hook)", "hook(tuple(grad_inputs), seen) or grad_inputs"),
    Fault(Hooks.after, "with users_code():", "if True:"),
    Fault(Hooks.after, "as_carried([grad_inputs[place] for place in places])", "[grad_inputs[place] for place in places]"),
    Fault(Hooks.after, "as_carried([grad_inputs[place] for place in places])", "as_carried(grad_inputs)"),
    Fault(hooks.checked, "    return new", "    return old"),
    Fault(hooks.checked, "if old is None:", "if False:"),
    Fault(hooks.checked, "if not isinstance(new, Tensor):", "if False:"),
    Fault(hooks.checked, "new.dtype is not old.dtype or ", ""),
    Fault(hooks.checked, "if new.shape != old.shape:", "if False:"),
    Fault(hooks._all_checked, "if new is None:", "if False:"),
    Fault(hooks._all_checked, "if not isinstance(new, tuple):", "if False:"),
    Fault(hooks._all_checked, "if len(new) != len(old):", "if False:"),
    Fault(hooks._all_checked, "n if n is None else", "o if n is None else"),
    Fault(hooks.as_carried, "grad_mode.on_arrays and ", ""),
    Fault(hooks.as_carried, "grad_mode.on_arrays and g is not None", "grad_mode.on_arrays"),
    Fault(hooks.as_tensor, "g is None or ", ""),
    Fault(hooks.as_tensor, " or isinstance(g, Tensor)", ""),
    Fault(users_code.__enter__, "grad_mode.on_arrays, False", "grad_mode.on_arrays, True"),
    Fault(users_code.__exit__, "grad_mode.on_arrays = self.outside", "pass"),
    # a user's Function
    Fault(FunctionNode.run, "grads = as_tensors(grads)", "grads = list(grads)"),
    Fault(FunctionNode.run, "with users_code():", "if True:"),
    Fault(FunctionNode.run, "return as_carried(results)", "return results"),
    # the node that a call leaves
    Fault(Plan.record, "(maker, x._output_nr)", "(maker, 0)"),
    Fault(Plan.record, "if type(maker) is OpNode else", "if maker is not None else"),
    Fault(Plan.record, "node.birth = birth()", "node.birth = birth() - len(edges) - 0.5"),
    Fault(Plan.record, "if counter is not None and counter.n:", "if False:"),
    Fault(Plan.record, "versions[k] = counter.n", "versions[k] = 0"),
    Fault(Plan.record, "node.versions = versions = list(versions)", "pass"),
    Fault(Plan.record, "if len(outs) > 1:", "if False:"),
    Fault(Plan.record, "array.shape != shape or ", ""),
    Fault(Plan.record, " or array.dtype is not dtype", ""),
    Fault(Plan.record, "if not self.saves_results", "if True"),
    Fault(Plan.record, "announce(node, args, outs)", "pass"),
    Fault(Plan._results, "outs[nr]._alias()", "outs[nr]"),
    Fault(Plan._results, "if self.op.declaration.variadic:", "if False:"),
    Fault(plan._picker, "first + len(positions)", "first + 1"),
    Fault(leaves.gradient_edge, "node = x.grad_fn", "return None"),
    Fault(leaves.gradient_edge, "if x._asked else None", ""),
    Fault(leaves.gradient_edge, "(accumulator(x), 0) if x._asked else None", "None"),
    Fault(leaves.gradient_edge, "if node is STALE:", "if False:"),
    # what it saved, and whether it may still be used
    Fault(node.OpNode.run, "self.unpack(recorded) if", "self.unpack(False) if"),
    Fault(node.OpNode.run, "self.unpack(recorded) if self.versions else self.saved", "self.saved"),
    Fault(node.Node.unpack, "counter.n != version", "False"),
    Fault(node.Node.unpack, "if in_place_detachments:", "if False:"),
    Fault(node.Node.unpack, "recorded and self.saved_outputs", "False"),
    Fault(node.Node.unpack, "        values = list(values)\n        for", "        for"),
    Fault(node.Node.unpack, "again._grad_fn, again._output_nr, again._requires_grad = self, nr, True", "pass"),
    Fault(node.Node.keep_instead, "*self.versions[k + 1 :]", ""),
    Fault(node.Node._check_detached, "> self.birth", "< self.birth"),
    Fault(node.OpNode.keep_copy, "self.keep_instead(k, tensor._before_write(apart=True), 0)", "pass"),
    Fault(node.OpNode.keep_copy, "apart=True", "apart=False"),
    Fault(node.OpNode.show_output, "self.keep_instead(k, tensor._alias(), tensor._version)", "pass"),
    Fault(node.OpNode.show_output, "tensor._array.dtype if k == nr else dtype", "dtype"),
    Fault(node.OpNode.release, "self.saved = None", "pass"),
    Fault(node.OpNode.release, 'self.metadata["name"] = self.name()', "pass"),
    # leaves
    Fault(leaves._give_another, "leaf._grad = leaf._grad + g", "leaf._grad = g"),
    Fault(AccumulateGrad.run, "leaf._grad._accumulate(g)", "leaf._grad = g"),
    Fault(AccumulateGrad.run, "or recorded", ""),
    Fault(leaves._give_another, "elif recorded:", "elif False:"),
    Fault(AccumulateGrad.run, "if leaf._grad_fn is not None and not leaf.is_leaf:", "if False:"),
    Fault(AccumulateGrad.run, "or not leaf._requires_grad", ""),
    Fault(leaves._give_another, "as_tensor(g if", "(g if"),
    Fault(leaves._give_another, "_in_the_shape_of(leaf, g, recorded)", "g"),
    Fault(Tensor.data.fset, "self._accumulator = None", "pass"),
    Fault(Tensor.data.fset, "if not isinstance(value, Tensor):", "if False:"),
    Fault(Tensor.data.fset, "if self._requires_grad and", "if False and"),
    Fault(AccumulateGrad.run, "with users_code():", "if True:"),
    Fault(AccumulateGrad.run, "if returned is not None and returned is not leaf:", "if False:"),
    Fault(AccumulateGrad.run, " and returned is not leaf", ""),
    Fault(AccumulateGrad.run, "checked(leaf, returned, hook)", "pass"),
    # the plan: which derivatives run, on what, and whether a twin stands in for them
    Fault(plan.make_plan, "derivatives += [", "[]; ["),
    Fault(plan.make_plan, "if declaration.discrete:", "if False:"),
    Fault(plan.make_plan, "if names.intersection(d.of)", ""),
    Fault(plan.make_plan, "targets <= set(d.of)", "True"),
    Fault(plan.make_plan, "{op.parameters[0]} if declaration.variadic else ", ""),
    Fault(steps.by_twin, "twin.of.index(n) for n in wanted", "k for k, n in enumerate(wanted)"),
    Fault(Plan.__init__, "filter(None, [twin])", "[]"),
    Fault(Plan.__init__, "kept if op.declaration.flat else ()", "()"),
    Fault(Plan.__init__, "kept if op.declaration.flat else ()", "kept"),
    Fault(steps.hanging, "g = hang(g, x)", "pass"),
    Fault(Plan._aim, "len(declaration.outputs)) if declaration.gradient_name(nr) in self.grads", "len(declaration.outputs))"),
    Fault(Plan._aim, "in kept_outputs if declaration.gradient_name(nr) in self.grads", "in kept_outputs"),
    Fault(Plan._keep, "bool(self.tensors or outputs or wraps or self.op.holds_indices(of_call))", "bool(self.tensors)"),
    Fault(Plan._keep, "outputs or wraps or", "outputs or"),
    Fault(Plan._keep, "bool(self.tensors or outputs or wraps or self.op.holds_indices(of_call))", "bool(self.tensors or outputs or wraps)"),
    Fault(Plan._keep, "*(0 for _ in outputs)", ""),
    Fault(Plan._aim, "if i in tensors)", ")"),
    Fault(Plan.__init__, "for n in d.of if n in given", "for n in d.of"),
    Fault(steps.together, "if not given.issuperset(d.of):", "if False:"),
    Fault(steps.together, "derivative_in_float32(d.function) if half else d.function", "d.function"),
    Fault(steps.by_twin, "if not shortcuts.enabled", "if False"),
    Fault(steps.by_twin, "several if gives_all else [several[k] for k in picks]", "several"),
    Fault(node.OpNode.run, "    if recorded:", "    if recorded and plan.by_twin is None:"),
    # the recipe: what decides how a call goes
    Fault(recipe.kind_of, "type(array),", "None,"),
    Fault(recipe.kind_of, "array.dtype", "None"),
    Fault(recipe.kind_of, "array.ndim == 0", "False"),
    Fault(recipe.kind_of, "x._requires_grad", "True"),
    Fault(recipe.kind_of, "x._requires_grad", "False"),
    Fault(recipe.kind_of, "return type(x)", "return None"),
    Fault(recipe.kind_on_arrays, "type(x),", "None,"),
    Fault(recipe.kind_on_arrays, "x.dtype", "None"),
    Fault(recipe.kind_on_arrays, "x.ndim == 0", "False"),
    Fault(recipe.kind_on_arrays, "OF_A_DERIVATIVE", "False"),
    Fault(recipe.resolve, " and grad_mode.on_arrays", ""),
    Fault(recipe.resolve, "args = _checked(op, args)", "pass"),
    Fault(recipe.resolve, "together := _numbers_to_gpu(op, args)", "together := None"),
    Fault(recipe.resolve, "args[i] is not None and ", ""),
    Fault(recipe.resolve, "declaration.variadic or op.roles[i] in (Array, Operand)", "True"),
    Fault(recipe.resolve, "if declaration.same_dtype and", "if False and"),
    Fault(recipe.resolve, "_refuse_dtype(op, arrays, tensors, changes)", "pass"),
    Fault(recipe.resolve, "if on_arrays:", "if False:"),
    Fault(recipe.resolve, "arrays[i] = cast(arrays[i])", "pass"),
    Fault(recipe.resolve, "declaration.in_float32 and ", ""),
    Fault(recipe.resolve, "declaration.in_float32 and ", "False and "),
    Fault(recipe.resolve, "if any(key[i][3] for i in tensors):", "if True:"),
    Fault(recipe.resolve, "if key[i][3])", ")"),
    Fault(recipe.resolve, "if settled and", "if"),
    Fault(recipe._checked, "op.signature.refuse(", "("),
    Fault(recipe._refuse_dtype, "first = cast(first) if i == tensors[0] else first", "pass"),
    Fault(recipe._library, "if len(libraries) > 1:", "if False:"),
    Fault(recipe.forward_of, "if twin is not None:", "if False:"),
    Fault(recipe._twin_first, " if shortcuts.enabled else None", ""),
    Fault(recipe._twin_first, "forward(xp, *args, **options) if out is None else out", "out"),
    Fault(Recipe.arrays, "arrays[i] = cast(arrays[i])", "pass"),
    # one dtype for the inputs
    Fault(promotion._promotions, ' and promote != "float"', ""),
    Fault(promotion._promotions, "promote is None or", "False or"),
    Fault(promotion._promotions, ' and next(iter(found)).kind == "f"', ""),
    Fault(promotion._promotions, " and all(type(arrays[i]) in (float, int) for i in numbers)", ""),
    Fault(promotion._promotions, "[(i, partial(_rule(declaration, i), dtype=dtype.numpy)) for i in numbers]", "[]"),
    Fault(promotion._promotions, 'not dtype.is_floating_point or any(d.kind in "fV" for d in found)', "True"),
    Fault(promotion._common, "0 if arrays[i].ndim else 1", "0"),
    Fault(promotion._common, " and not dtype.is_floating_point else", " else"),
    Fault(promotion._common, 'if declaration.promote == "no bool" and is_bool:', "if False:"),
    Fault(promotion._array, "order=order_of_a_copy(array)", 'order="C"'),
    Fault(numbers.wrapping, 'if dtype.kind == "b":', "if False:"),
    Fault(numbers.wrapping, "int(value) % 2**bits", "int(value)"),
    Fault(numbers.wrapping, 'dtype.kind == "i" and value', "value"),
    Fault(promotion.casts, "for name in declaration.factors:", "for name in ():"),
    Fault(promotion.casts, "for name, rule in declaration.numbers_by.items():", "for name, rule in ():"),
    Fault(numbers.fitting, "if not held:", "if False:"),
    # half precision
    Fault(half_precision.forward_in_float32, "if half.itemsize != 2:", "if True:"),
    Fault(half_precision.numbers_rounded, "float(half.type(float(given[i])))", "given[i]"),
    Fault(half_precision.forward_in_float32, "if asked is not None and args[asked] is not None:", "if False:"),
    Fault(half_precision.forward_in_float32, "_as(half, o) if", "o if"),
    Fault(half_precision.derivative_in_float32, "found if found is None else _to(found, dtype)", "found"),
    Fault(half_precision._as, "order=order_of_a_copy(array)", 'order="C"'),
    # lanes
    Fault(Row.__call__, "not kwargs and ", ""),
    Fault(Row.unary, "(x.dtype, a._requires_grad)", "(x.dtype, False)"),
    Fault(Row.unary, " and type(x) is ndarray", ""),
    Fault(Row.unary, "a.__class__ is Tensor", "True"),
    Fault(Row.binary, "a._requires_grad, b._requires_grad)", "a._requires_grad, False)"),
    Fault(Row.binary, "x.dtype, y.dtype", "x.dtype, x.dtype"),
    Fault(Row.binary, " and type(x) is type(y) is ndarray", ""),
    Fault(Row.binary, "raise in_torchs_words(error, [x, y]) from None", "raise"),
    Fault(Row._finished, "array if type(array) is ndarray else np.asarray(array)", "array"),
    Fault(Row._finished, "plan is None or not grad_mode.enabled", "plan is None"),
    Fault(Row._finished, "out._mark_inference()", "pass"),
    Fault(Row._finished, "args + self.options if self.options else args", "args"),
    Fault(Row._resolve, "recipe.xp is np", "True"),
    Fault(Row._resolve, "not recipe.casts", "True"),
    Fault(Row._resolve, "alone and shortcuts.enabled and", "alone and"),
    Fault(Row._resolve, "x.__class__ is Tensor", "True"),
    Fault(lanes.plain.__enter__, "row.lane.clear()", "pass"),
    Fault(lanes.plain.__exit__, "shortcuts.enabled = self.before", "pass"),
    # what comes out of the door
    Fault(Op.__call__, "if recipe.on_arrays:", "if False:"),
    Fault(Op.__call__, "raise in_torchs_words(error, arrays) from None", "raise"),
    Fault(Op._wrapped, " and (is_float or not self.declaration.ends_history)", ""),
    Fault(Op._wrapped, "if not is_float:", "if False:"),
    Fault(Op._wrapped, "recipe.plan is not None and grad_mode.enabled and", "recipe.plan is not None and"),
    Fault(Op._wrapped, "out._mark_inference()", "pass"),
    Fault(Op._wrapped, "args[0]._adopt_view(out)", "pass"),
    Fault(Op._all_wrapped, " and grad_mode.enabled", ""),
    Fault(Op._all_wrapped, " or nr in recipe.plan.with_gradients", " or True"),
    Fault(Op._all_wrapped, "out._output_nr = True, node, nr", "out._output_nr = True, node, 0"),
    Fault(Op._all_wrapped, "args[0]._adopt_view(out, several=True)", "pass"),
    Fault(Op._all_wrapped, "tuple(outs) if self.result is None else self.result(*outs)", "tuple(outs)"),
    Fault(Op._laid_out, "self.keeps_layout or ", ""),
    Fault(Op._laid_out, "return row_major(xp_of(array), array)", "return array"),
    Fault(Op._laid_out, "if type(array) is not np.ndarray and isinstance(array, (np.generic, int, float, Recorded)):", "if False:"),
    Fault(Tensor._wrap.__func__, "self._mark_inference()", "pass"),
    # views and writes
    Fault(Writing._adopt_view, "view._counter = self._counted()", "pass"),
    Fault(Writing._adopt_view, "self if self._base is None else self._base", "self"),
    Fault(Writing._adopt_view, "elif not grad_mode.enabled:", "elif False:"),
    Fault(Writing._adopt_view, "view._refusal = self._refusal", "pass"),
    Fault(Writing._adopt_view, "view._has_no_history()", "pass"),
    Fault(Writing._adopt_view, "self._counter.watch(view)", "pass"),
    Fault(Writing._adopt_view, "base._views.add(view)", "pass"),
    Fault(Writing._bump, "counter.count()", "pass"),
    Fault(writing.Version.count, "view._is_out_of_date()", "pass"),
    Fault(Writing._make_history, "if self._seen_version == self._version:", "if False:"),
    Fault(Writing._make_history, "if self._refusal:", "if False:"),
    Fault(Writing._make_history, "self._hooks_stay_with(old, node)", "pass"),
    Fault(Writing._make_history, "self._counter.watch(self)", "pass"),
    Fault(Writing._as_part_of, "if not base._requires_grad:", "if False:"),
    Fault(Writing._check_history, "if self._base is not None and self._refusal:", "if False:"),
    Fault(Writing._check_history, "if self._requires_grad and", "if False and"),
    Fault(Writing._take_history, "write_view(base._before_write(), out, Geometry.of(base._array, self._array))", "out"),
    Fault(Writing._take_history, "self._make_history()", "pass"),
    Fault(Writing._succeed, "self._hooks_stay_with(self._grad_fn, out._grad_fn, out._output_nr)", "pass"),
    Fault(Writing._succeed, "view._has_no_history()", "pass"),
    Fault(Writing._hooks_stay_with, "self._hooks = None", "pass"),
    Fault(Writing._hooks_stay_with, "hooks_of(old).retain.pop(self._output_nr, None)", "pass"),
    Fault(Writing._before_write, "self._as_part_of(self._base._before_write())", "self.grad_fn"),
    Fault(Writing._before_write, "self._array.copy()", "self._array"),
    Fault(Writing._accumulate, "self._bump()", "pass"),
    Fault(Writing._turn, "self._check_history()", "pass"),
    Fault(Writing._turn, "self._counter.watch(self)", "pass"),
    Fault(writing._writes_the_same_everywhere, "op is zero", "False"),
    Fault(writing._writes_the_same_everywhere, "op is fill and not isinstance(args[0], Writing)", "op is fill"),
    Fault(writing._writes_the_same_everywhere, "op is copy and same_data(tensor._array, args[0]._array)", "op is copy"),
    # views of what changes its mind
    Fault(Tensor.requires_grad_, "self._tell_views(requires_grad)", "pass"),
    Fault(Tensor.detach_, "self._tell_views(False)", "pass"),
    Fault(Tensor.detach_, "node.in_place_detachments[:] = [True]", "pass"),
]  # fmt: skip


def test_the_lines_that_faults_change_are_there() -> None:
    for fault in FAULTS:
        fault._code()


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.filterwarnings("ignore")
def test_something_notices(fault: Fault) -> None:
    assert_noticed(fault, in_turn(fault))


def in_turn(fault: Fault) -> list[Callable[[], Any]]:
    """All checks. First those that run the line; among them, after some scenarios, the direct ones, which notice what no scenario does."""
    line = lines_of(fault.function, fault.was)
    runs = [c for c, lines in what_runs_what() if not line.isdisjoint(lines)]
    direct = [c for c in runs if c in DIRECT]
    return [*runs[:30], *direct, *runs[30:], *(c for c, lines in what_runs_what() if line.isdisjoint(lines))]


@functools.cache
def what_runs_what() -> list[tuple[Callable[[], Any], set[Line]]]:
    """The checks, each with the lines that it runs."""

    def forgetful(k: int, check: Callable[[], Any]) -> None:
        if k % 20 == 0:  # (what is learned is run once: that some checks are seen to run it is enough)
            nothing_learned()
        fails(check)

    checks = [functools.partial(forgetful, k, check) for k, check in enumerate(all_checks())]
    return list(zip(all_checks(), lines_run(checks, {fault.function for fault in FAULTS})))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_nothing_is_noticed_where_nothing_is_broken() -> None:
    assert not [check for check in all_checks() if fails(check)]


@functools.cache
def all_checks() -> tuple[Callable[[], Any], ...]:
    """The scenarios, each beside what torch gives, and the direct tests."""
    return *(functools.partial(compare, s, outcome(s, torch)[0]) for s in SCENARIOS), *DIRECT


def compare(scenario: Callable[[Any], Any], expected: Any) -> None:
    assert alike(outcome(scenario, minitorch)[0], expected)
