"""Differences that have an explanation, each in words; a script ends there, and they are counted.

`EXPLAINED` lists the words, each with the question that a difference must answer with yes. First those that torch's or our own message
tells (`TORCHS_OWN`, `ONE_SIDED`), then those that take a look at the statement and at what it names.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch

from .compare import LIBRARIES, Difference, array_of, compare, gradient, leaf, precision

# What torch says where it stumbles over itself, or over how it happens to store things: the other library cannot but differ.
TORCHS_OWN = {
    "INTERNAL ASSERT": "torch fails an assertion of its own",
    "nested_tensorlist": "clip_grad_value_ of parameters without gradients fails in torch",
    "ZeroTensors are immutable": "zeros that torch does not materialize",
    "resize storage that is not resizable": "memory of NumPy's grows here and not in torch",
    "self indexing axis dim should be positive": "indices into nothing",
    "setStorage": "indices into nothing",
    "out of DATA bounds": "index_select of matrices has a check of its own in torch",
    "addmv input tensors must have the same dtype": "torch's own derivative stumbles over a bool operand",
    "Found dtype": "torch's own derivative wants its operands in one dtype",
    "desired output type Bool": "torch's own derivative stumbles over a bool operand",
    "with two bool tensors is not supported": "torch's own derivative stumbles over a bool operand",
    "on a bool tensor is not supported": "torch's own derivative stumbles over a bool operand",
    "with a bool tensor is not supported": "torch's own derivative stumbles over a bool operand",
}
# What one side alone refuses.
ONE_SIDED = {
    "Index put requires the source and destination dtypes match": "one number put under a mask without dimensions",
    "modified by an inplace operation": "which operands a derivative keeps is each library's own affair",
    "detached in-place": "which operands a derivative keeps is each library's own affair",
    "Inference tensors cannot be saved": "which operands a derivative keeps is each library's own affair",
    "through the graph a second time": "derivatives that are zero save something in torch",
    "derivative for aten::remainder is not implemented": "number % tensor has its derivative here",
    "the derivative for set_ is not implemented": "set_ of a view with a history is refused here",
    "A view was created in inference mode": "whether a gradient is a view is each library's own affair",
    "view was created inside a custom Function": "whether a gradient is a view is each library's own affair",
    "attempting to assign a gradient of size": "what has another shape since its gradient came",
    "returned an invalid gradient": "what has another shape since its gradient came",
    "the leaf had that shape when it was used": "what has another shape since its gradient came",
    "A view was created in no_grad mode": "whether a gradient is a view is each library's own affair",
    "a function that returns multiple views": "what a transform gives is a view in torch",
    "Can't detach views in-place": "einsum of nothing to sum is a view here",
    "view size is not compatible": "kron of what is not contiguous computes here",
    "Inplace update to inference tensor": "the data of a parameter made in inference mode",
    "Setting requires_grad=True on inference tensor": "transforms of inference tensors",
    "Integer division with addcdiv": "addcdiv of whole numbers beside a float computes here",
    "more than one element of the written-to tensor": "what changes no number may be written to what is expanded in torch",
    "(int, stable=bool)": "stable= beside a positional dim is taken here",
    '"lerp" not implemented': "lerp of integers by a number without dimensions",
}
# What turns memory's layout into each library's own affair: what these give lies as it happened to be computed.
OWN_LAYOUT = re.compile(r"autograd\.|func\.|einsum|kron|outer|tensordot|baddbmm|addmm|matmul| @ |norm\(|normalize|\[|np\.")
FLAGS = ("requires_grad", "is_leaf")
NUMBERS = ("values", "value", "number", "array")
# Two mistakes in one call: what we say, and what torch does, which looks at the other one first.
TWO_MISTAKES = [
    (
        "not implemented for",
        "dtype|can't be cast|single memory location|must match the size|expanded size|being modified inplace",
    ),  # of two operands that are both of a wrong dtype
    ("not implemented for", "out of range|has no dimensions|Expected target size|resize|index \\d|normalized_shape"),
    ("leaf Variable|created in|Inference|inference", "unsupported operand|must be Tensor|invalid combination|can't assign"),
    ("Inplace update to inference tensor", "out of bounds|out of range|not implemented for|many indices|does not match"),
    ("refers to a single memory location", "unsupported operand|must be Tensor|not implemented for|can't assign"),
    ("memory location", "Dimension out of range|too many indices|scalar type|shape"),
    ("index \\d+ is out of bounds|must match|number of dimensions|dtype", "source tensor shape must match|same scalar type"),
    ("same number of dimensions|must match except in dimension", "can't be cast"),
    ("appears multiple times", "non-zero size"),
    ("does not support item assignment", "A view was created in"),
    (".", "^Inference tensors cannot be saved for backward"),
    ("does not match the shape of the indexed tensor", "single memory location|returns multiple views"),
    ("indexing tensors could not be broadcast", "single memory location|returns multiple views"),
    ("normalisation divides|batch_norm expects", "could not infer output dtype|mixed dtype"),
    ("index \\d+ is out of bounds", "shape mismatch: value tensor"),
    (".", "^A view was created in (no_grad|inference) mode and its base"),  # whose history torch asks for first
    ("'weight' must be 2-D", "has no dimensions"),  # torch's derivative, if one is wanted, asks for the sizes first
    ("Dimension out of range|out of bounds", "invalid combination"),  # a positional dim beside stable=
    ("division by zero", "second time|inplace operation|graph interior"),  # which node of a backward comes first
]
# Where a gradient of the user's own begins its way: whatever hands it on unchanged makes it the memory of some `.grad` in torch.
GIVEN = re.compile(r"backward\((?!\)|retain|create|inputs)|register_|autograd\.(functional|grad\()|checkpoint|\.apply\(")


class Before(NamedTuple):
    """A tensor that a statement names, as it was before: ours and torch's, the numbers of both, the order of its dimensions."""

    expression: str
    ours: Any
    theirs: Any
    array: np.ndarray
    dtype: str
    shape: tuple[int, ...]
    our_bytes: bytes
    torchs_bytes: bytes
    order: list[int]
    expanded: bool

    def again(self) -> torch.Tensor:
        """Torch's tensor of our numbers."""
        stored = "float32" if self.dtype.endswith("bfloat16") else self.dtype.split(".")[1]
        array = np.frombuffer(self.our_bytes, stored).reshape(self.shape).copy()
        t = torch.from_numpy(array).to(getattr(torch, self.dtype.split(".")[1]))
        return t.requires_grad_().clone() if self.theirs.requires_grad else t


@dataclass
class Case:
    """A difference after a statement: its text and the script before it, what each side raised, and the tensors that it names."""

    text: str
    difference: Difference
    errors: list[Any]
    before: list[Before]
    earlier: list[str]
    names: tuple[dict[str, Any], dict[str, Any]]  # what each side has bound

    def says(self, words: str) -> bool:
        return re.search(words, self.text) is not None

    def said(self, words: str) -> bool:
        """Whether this statement or one before it says so."""
        return any(re.search(words, text) for text in (*self.earlier, self.text))

    @property
    def what(self) -> str:
        return self.difference.what

    @property
    def computed(self) -> bool:
        """Whether nobody raised."""
        return self.errors == [None, None]

    @property
    def both_raised(self) -> bool:
        return None not in self.errors

    @property
    def same_bits(self) -> bool:
        return all(each.our_bytes == each.torchs_bytes for each in self.before)

    @property
    def unchanged(self) -> bool:
        """Whether ours is as it was before."""
        return all(array_of(each.ours).tobytes() == each.our_bytes for each in self.before)

    @property
    def finite(self) -> bool:
        return all(np.isfinite(np.asarray(each.array, float)).all() for each in self.before)

    @property
    def several_dtypes(self) -> bool:
        return len({each.dtype for each in self.before}) > 1

    @property
    def empty(self) -> bool:
        return any(not each.our_bytes for each in self.before) or self.says(":0|1:1")

    @property
    def mixed_layouts(self) -> bool:
        return len({str(each.order) for each in self.before}) > 1 or any(each.expanded for each in self.before)

    @cached_property
    def where(self) -> tuple[Any, Any]:
        """What differs, on both sides; None where it has no name."""
        return at(self.difference.where, self.names[0]), at(self.difference.where, self.names[1])

    @cached_property
    def shared(self) -> bool:
        """Whether the statement names one memory twice."""
        expressions = re.findall(
            r"(?<![.\w])[a-z]\d?(?:\.grad|\.weight|\.bias|\[\d\])*(?![\w(])", self.text.replace("out=", "")
        )
        memories = [memory(each.theirs) for each in self.before for _ in range(expressions.count(each.expression))]
        return len(memories) > len(set(memories))

    @property
    def came_of_a_backward(self) -> bool:
        """Whether what differs is a gradient, or was given to, or got from, what computes some."""
        own = rf"\b{re.match(r'[a-z]*', self.difference.where)[0]}\b"
        given = any(re.search(GIVEN.pattern, text) and re.search(own, text) for text in (*self.earlier, self.text))
        return given or (self.said(GIVEN.pattern) and (self.difference.where.endswith(".grad") or self.says("backward")))

    @cached_property
    def shows_another(self) -> bool:
        """Whether what differs shows, in torch, memory of another tensor of the script."""
        theirs = self.where[1]
        if not isinstance(theirs, torch.Tensor):
            return False
        own = re.match(r"\w*", self.difference.where)[0]
        others = tensors_of({name: value for name, value in self.names[1].items() if name != own})
        if isinstance(self.names[1][own], (list, tuple)):
            rest = tensors_of({own: self.names[1][own]})
            rest.pop(next((n for n, each in enumerate(rest) if each is theirs), 0))
            others += rest  # (the same tensor may be there twice)
        if self.difference.where == f"{own}.grad":  # which may show the memory of its own tensor
            others.append(self.names[1][own])
        return any(memory(each) == memory(theirs) for each in others)


def at(where: str, names: dict[str, Any]) -> Any:
    try:
        return eval(where, {}, names)
    except Exception:
        return None


def memory(t: torch.Tensor) -> int:
    """The identity of the memory that torch's tensor shows."""
    return t.untyped_storage()._cdata


def tensors_of(names: dict[str, Any]) -> list[torch.Tensor]:
    """The tensors of a script, in lists and the gradients of leaves too."""
    found = []
    for value in names.values():
        several = (
            value.parameters()
            if isinstance(value, torch.nn.Module)
            else value
            if isinstance(value, (tuple, list))
            else [value]
        )
        for t in several:
            if isinstance(t, torch.Tensor):
                found += [t] if (g := gradient(t)) is None else [t, g]
    return found


def comes_of_ours(case: Case) -> bool:
    """Whether torch, given our numbers, makes what we have made, or raises as we do: before they differed by no more than roundings."""
    if case.same_bits or case.says("backward"):
        return False
    names = {**case.names[1], **{each.expression: each.again() for each in case.before if each.expression.isidentifier()}}
    for name, index, each in (
        (*re.fullmatch(r"(\w+)\[(\d)\]", e.expression).groups(), e) for e in case.before if "[" in e.expression
    ):
        names[name] = [each.again() if i == int(index) else t for i, t in enumerate(names[name])]
    try:
        exec(case.text, names)
    except Exception as error:
        return type(error) is type(case.errors[0])
    try:
        if case.errors[0] is not None:
            return False
        if case.errors[1] is not None:
            return True
        if re.match(r"\w*", case.difference.where)[0] in re.findall(r"\w+", case.text):
            compare(numbers_of(case.where[0]), numbers_of(at(case.difference.where, names)), "")
        else:  # what the statement has written to is a view of that
            for each in case.before:
                compare(numbers_of(each.ours), numbers_of(at(each.expression, names)), "")
    except Exception:
        return False
    return True


def numbers_of(value: Any) -> Any:
    """A value of either library, its tensors without history."""
    return (
        [t.detach() for t in value]
        if isinstance(value, (tuple, list))
        else value.detach()
        if hasattr(value, "detach")
        else value
    )


ROUNDINGS = {
    1e-8: 2.0**-50,
    1e-3: 2.0**-21,
    5e-2: 2.0**-11,
    1.0: 2.0**-8,
}  # by the tolerance of the coarsest dtype that was met
UPSTREAM = 4.0  # as large are the gradients that come to a norm in these scripts


def rounding_made_large(case: Case) -> bool:
    """Whether both are what is left of equal numbers, less their mean, over √ε: roundings, made larger by that."""
    ours, theirs = (np.asarray(x, float) for x in (case.difference.ours, case.difference.theirs))
    largest = max([np.abs(np.nan_to_num(np.asarray(each.array, float))).max(initial=1.0) for each in case.before] or [1.0])
    rounding = next(step for bound, step in ROUNDINGS.items() if precision.tolerance <= bound)
    made_larger = 1e-5**-0.5
    if case.says("backward|grad"):  # there by 1/σ² of the closest rows, times what comes from above
        rows = [np.asarray(each.array, float) for each in case.before if each.array.ndim and each.array.shape[-1]]
        made_larger = UPSTREAM / (min([np.nan_to_num(a.var(-1)).min(initial=1.0) for a in rows] or [1.0]) + 1e-5)
    return ours.shape == theirs.shape and bool((np.abs(ours - theirs) <= rounding * largest * made_larger).all())


def equal_but_for_roundings(case: Case) -> bool:
    """Whether all the numbers of an operand are one number, as far as roundings go."""
    rounding = next(step for bound, step in ROUNDINGS.items() if precision.tolerance <= bound)
    arrays = [np.asarray(each.array, float) for each in case.before if each.array.size > 1]
    return any(np.ptp(a) <= rounding * np.abs(a).max() for a in arrays)


def sends_zeros(case: Case) -> bool:
    """Whether what requires grad on one side only has a derivative there that is 0 wherever it leads, or one that nobody can ask for."""
    side = 0 if case.difference.ours is True else 1
    library, t = LIBRARIES[side], case.where[side]
    if not hasattr(t, "is_floating_point") or leaf(t) is not False or not t.is_floating_point():
        return False
    leaves, waiting, seen = [], [t.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [following for following, _ in node.next_functions]
            leaves += [node.variable] if hasattr(node, "variable") else []
    hooked = [*leaves, *(each for each in case.names[side].values() if hasattr(each, "grad_fn"))]
    kept = [(hooks, dict(hooks)) for each in hooked if (hooks := getattr(each, "_backward_hooks", None))]
    try:
        for hooks, _ in kept:
            hooks.clear()  # what they make of a zero is not its derivative
        found = (
            library.autograd.grad(t, leaves, library.ones_like(t), retain_graph=True, allow_unused=True) if leaves else ()
        )
    except Exception:
        return True
    finally:
        for hooks, before in kept:
            hooks.update(before)
    return all(g is None or not bool(((g != 0) & ~g.isnan()).any()) for g in found)  # (nan is what nan · 0 has left)


def turned_or_gone(case: Case) -> bool:
    """Whether the numbers differ in their signs alone, or in that one of two is 0."""
    ours, theirs = (np.asarray(x, float) for x in (case.difference.ours, case.difference.theirs))
    return bool(np.all(np.isclose(np.abs(ours), np.abs(theirs), rtol=1e-3) | (ours == 0) | (theirs == 0)))


def signed_zeros(case: Case) -> bool:
    """Whether operands differ in nothing but the sign of a zero."""
    pairs = [(np.frombuffer(e.our_bytes, np.uint8), np.frombuffer(e.torchs_bytes, np.uint8)) for e in case.before]
    return not case.same_bits and all((a == b).all() or set(a[a != b] ^ b[a != b]) == {128} for a, b in pairs)


def two_mistakes(case: Case) -> bool:
    ours, theirs = (str(error) for error in case.errors)
    return any(re.search(a, ours) and re.search(b, theirs) for a, b in TWO_MISTAKES)


EXPLAINED: list[tuple[str, Callable[[Case], bool]]] = [
    # ---- numbers
    ("torch makes the same of our numbers: those before differed by roundings", lambda c: c.what in (*NUMBERS, "raised") and comes_of_ours(c)),
    ("what is standardized, and was equal but for roundings, is made of roundings",
     lambda c: c.what == "values" and ((c.said("_norm|Norm") and rounding_made_large(c)) or (c.says("std|var|norm|Norm") and equal_but_for_roundings(c)))),
    ("the sign of a nan is nobody's", lambda c: c.what == "values" and c.says("copysign|signbit") and not c.finite),
    ("the sign of a zero that softshrink gives depends in torch on its place", lambda c: c.said("shrink") and signed_zeros(c)),
    ("float32 cannot tell whether so large an exponent is odd", lambda c: c.what == "values" and c.said(r"pow.*2\*\*40|\*\* 2\*\*40")),
    ("median of what is expanded is sorted in place by torch",
     lambda c: c.what in NUMBERS and c.says("median") and any(each.expanded for each in c.before)),
    ("where a product holds 0, torch's derivative multiplies some nan by nothing",
     lambda c: c.what == "values" and c.said("prod") and c.says("backward|grad") and "nan" in str(c.difference.ours)),
    ("whether elimination comes to an exact zero in a singular matrix is each LAPACK's own affair",
     lambda c: c.what == "raised" and any("is singular" in str(error) for error in c.errors)),
    ("what LAPACK makes of infinity and nan is each LAPACK's own affair",
     lambda c: c.what in (*NUMBERS, "raised") and c.says("inverse|solve|det|cholesky|qr|svd|eig|lstsq|pinv") and not c.finite),
    ("what comes to nothing but for roundings has no direction: logaddexp2 of equal numbers, a sum of what is standardized, and what relu makes of it",
     lambda c: c.what in ("values", "shape") and ((c.said("logaddexp") and c.says("norm|nonzero|sign|sgn|abs")) or (c.said("Norm|_norm") and (c.said("relu|ReLU") or c.says("norm"))))
     and c.says("backward|grad|nonzero") and (c.what == "shape" or turned_or_gone(c))),
    ("what cancels here is made of roundings in half precision in torch",
     lambda c: c.what == "values" and precision.tolerance > 1e-3 and c.said(r" / |div|reciprocal|_norm|Norm") and c.says("backward|grad")
     and not np.asarray(c.difference.ours, float).any()),
    ("torch's polygamma has fewer digits left of zero",
     lambda c: c.what == "values" and c.said("polygamma") and np.allclose(np.asarray(c.difference.ours, float), np.asarray(c.difference.theirs, float), rtol=1e-6)),
    ("an inference tensor that requires grad is not recorded by torch",
     lambda c: c.said(r"inference_mode\(\): \w+\.requires_grad_\(") and (c.what in FLAGS or "does not require grad" in str(c.errors[1]))),
    ("where a product is infinite, torch's derivative of cumprod divides it by what made it so",
     lambda c: c.what == "values" and c.said("cumprod") and c.says("backward|grad") and "nan" in str(c.difference.theirs)),
    ("torch's second derivative of layer_norm holds 1/σ³, which is infinite in float16 where all numbers of a row are one",
     lambda c: c.what == "values" and c.said("layer_norm") and c.said("float16") and c.says("backward|grad") and "nan" in str(c.difference.theirs)),
    ("what a derivative reads has been written to by NumPy, or is other .data: which operands it keeps is each library's own affair",
     lambda c: c.says("backward|grad") and ((c.what == "values" and c.said(r"numpy\(\)\[|\.data\.\w+_\(|= \w+\.data$")) or (c.what.startswith("raised") and c.said(r"\.data = ")))),
    ("polygamma of infinity is nan in torch, but for the first",
     lambda c: c.what == "values" and c.said("polygamma") and re.search("nan", str(c.difference.theirs)) is not None),
    ("an exponent is rounded to half precision where torch takes a derivative: to a whole number, of which there is a power",
     lambda c: c.what == "values" and precision.tolerance > 1e-3 and c.said(r"pow|\*\*") and c.says("backward|grad") and "nan" in str(c.difference.ours)),
    ("sgn's derivative in torch is a zero that is not materialized: nan times it is nothing",
     lambda c: c.what == "values" and c.said(r"\bsgn|\babs\b|l1_loss") and "nan" in str(c.difference.ours)),
    ("gelu of infinity in float32 is nan in torch", lambda c: c.what == "values" and c.says("gelu|GELU") and not c.finite),
    ("the mean beside a variance of infinities is inf here and nan in torch",
     lambda c: c.what == "values" and c.says("(var|std)_mean") and not c.finite),
    ("0 · nan inside a transform: each library multiplies by other zeros",
     lambda c: c.what == "values" and (not c.finite or "nan" in str(c.difference.theirs)) and c.said(r"func\.|functional\.")),
    ("lerp of what has no dimensions comes to the dtype of its weight in torch",
     lambda c: c.what == "dtype" and c.says("lerp") and all(each.shape == () for each in c.before)),
    ("what hooks keep of an output that is turned in place is turned with it in torch",
     lambda c: c.what == "values" and c.says("backward|grad") and c.said("saved_tensors_hooks|save_on_cpu") and c.said(r"(\bt|transpose|swapaxes|squeeze)_\(")),
    # ---- errors
    ("torch warns that it will refuse to write to what is expanded; here it is refused",
     lambda c: c.errors[0] is not None and "expanded tensors is deprecated" in str(c.errors[1])),
    ("two mistakes in one call, and each library names the one that it meets first",
     lambda c: c.what == "raised another type" and two_mistakes(c)),
    ("masked_scatter_ of a tensor to itself is refused here, and in torch reads what it has written",
     lambda c: c.errors[1] is None and "memory location" in str(c.errors[0]) and c.says("masked_scatter_")),
    ("torch refuses to write to memory that is read; where the result is not written before all is read it is done here",
     lambda c: c.errors[0] is None and "memory location" in str(c.errors[1]) and c.shared),
    ("of what is empty torch asks neither indices nor dtypes",
     lambda c: c.empty and c.errors[0] is not None and c.what.startswith("raised")
     and re.search("not implemented for|out of bounds|out of range|dtype|without overflow", str(c.errors[0])) is not None),
    ("a single number is filled in torch without a question whether it fits",
     lambda c: c.errors[1] is None and "without overflow" in str(c.errors[0])
     and (c.says(r"full\(\(\)|full_like") or (c.says("fill_") and c.before[0].shape in ((), (1,), (1, 1))))),
    ("torch had changed something before it raised",
     lambda c: c.both_raised and (c.what == "version" or (c.what == "grad" and c.difference.theirs == "None") or (c.what in ("values", "shape", "stride()", *FLAGS) and c.unchanged))),
    ("torch's own derivative of addcdiv comes to the dtype of what is divided by",
     lambda c: c.errors[0] is None and c.says("backward|grad") and c.said("addcdiv") and "can't be cast" in str(c.errors[1])),
    ("torch's vmap asks for the dimensions of what has none",
     lambda c: c.errors[0] is None and c.says(r"func\.(jac|hess)") and "Dimension" in str(c.errors[1]) and any(e.shape == () for e in c.before)),
    ("inner of bools computes in torch if they do not lie in a row",
     lambda c: c.errors[1] is None and c.says(r"inner\(|tensordot\(") and "not implemented for 'Bool'" in str(c.errors[0])),
    # ---- writes
    ("torch reads what it has written where an operand lies in the memory that is written to; here all is read before",
     lambda c: c.what == "values" and c.computed and c.says(r"_\(|[-+*/%&|]= |\] = ") and c.shared),
    ("torch takes an array of NumPy's for memory that no other tensor shares",
     lambda c: c.errors[1] is None and "memory location" in str(c.errors[0]) and c.said("numpy")),
    ("out= is an operand too: torch gives it its new shape before it reads",
     lambda c: c.says("out=") and c.shared and c.what in ("values", "shape", "raised", "raised another type", "stride()")),
    ("memory that grows takes all its views with it in torch",
     lambda c: c.what in ("values", "array") and c.says(r"out=|resize_") and (c.what == "array" or c.shows_another) and not c.says(f"out={re.escape(c.difference.where)}$")),
    ("what has grown goes on sharing its memory in torch",
     lambda c: c.what == "values" and c.shows_another and c.said(rf"out={re.escape(c.difference.where)}\)|\b{re.escape(c.difference.where)}\.resize_")),
    ("a refused backward has come to other nodes",
     lambda c: c.both_raised and c.says("backward|grad") and (c.what == "grad" or c.difference.where.startswith("seen") or c.difference.where.endswith(".grad"))),
    ("a gradient that is given becomes .grad itself in torch, with the memory that it shares",
     lambda c: c.what in ("version", "values") and c.errors.count(None) != 1
     and ((c.shows_another and c.came_of_a_backward) or any(re.search(rf"backward\(.*\b{re.escape(c.difference.where)}\b", t) for t in c.earlier))),
    ("how many writes a step is", lambda c: c.what == "version" and c.says(r"\.step\(")),
    ("how many writes a product into out= is", lambda c: c.what == "version" and c.says(r"matmul\(.*out=")),
    ("whether what comes of an inference tensor counts its writes",
     lambda c: c.what == "version" and "not tracked" in (c.difference.ours, c.difference.theirs)),
    # ---- flags
    ("torch lets integers and bools require grad where something that does is written into them or compared in place",
     lambda c: c.what in FLAGS and c.computed and c.says(r"(gt|lt|ge|le|eq|ne|fill)_\(|gt\(|\] = ") and not getattr(c.where[1], "is_floating_point", lambda: True)()),
    ("a derivative that is 0 is recorded by one and not by the other", lambda c: c.what in FLAGS and (sends_zeros(c) or (c.says(r"func\.") and c.said("register_hook")))),  # what a hook makes of a zero is none
    ("a gradient that is the given one, or shows its memory, requires grad as that does", lambda c: c.what in FLAGS and (c.shows_another or any(c.where[0] is each.ours for each in c.before))),
    ("what a transform gives is a view in torch", lambda c: c.what == "is_leaf" and c.difference.theirs == "lost" and c.said(r"func\.")),
    # ---- hooks
    ("what is kept of an unrecorded view of what requires grad",
     lambda c: c.difference.where == "seen" and c.what == "items" and c.says("saved_tensors_hooks") and c.said("no_grad|inference|set_grad_enabled|requires_grad")),
    ("what a gradient gives is a view in torch, whose hooks see what comes to it and not to what it shows",
     lambda c: c.difference.where.startswith("seen") and c.what == "values" and c.said("autograd.grad") and c.said(r"register_hook")
     and any(t._is_view() and t.requires_grad for t in tensors_of(c.names[1]))),
    # ---- memory
    ("a number to the power of a tensor lies in row-major order in torch",
     lambda c: c.what == "stride()" and c.says(r"= (True|[-\d.e()a-z'*]+) \*\* ")),
    ("operands of several layouts, or a composition: which layout comes of them is each library's own affair",
     lambda c: c.what == "stride()" and (c.mixed_layouts or c.says(OWN_LAYOUT.pattern) or c.difference.where.startswith("seen"))),
]  # fmt: skip


def explanation(
    text: str,
    difference: Difference,
    errors: list[Any],
    before: list[Before],
    earlier: list[str],
    names: tuple[dict[str, Any], dict[str, Any]],
) -> str:
    """The words for a difference that is nobody's fault; "" for one that is."""
    case = Case(text, difference, errors, before, earlier, names)
    said = [str(error) for error in errors if error is not None]
    told = [why for words, why in ONE_SIDED.items() if len(said) == 1 and words in said[0]]
    told += [why for words, why in TORCHS_OWN.items() if words in str(errors[1])]
    return told[0] if told else next((why for why, holds in EXPLAINED if holds(case)), "")
