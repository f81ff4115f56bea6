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

from .compare import Difference, array_of, precision

# What torch says where it stumbles over itself, or over how it happens to store things: the other library cannot but differ.
TORCHS_OWN = {
    "INTERNAL ASSERT": "torch fails an assertion of its own",
    "nested_tensorlist": "clip_grad_value_ of parameters without gradients fails in torch",
    "ZeroTensors are immutable": "zeros that torch does not materialize",
    "resize storage that is not resizable": "memory of NumPy's grows here and not in torch",
    "functions with out=... arguments don't support": "a mean of inference tensors stumbles in torch",
    "self indexing axis dim should be positive": "indices into nothing",
    "setStorage": "indices into nothing",
    "Index to scalar can have only 1 value": "indices into nothing",
    "out of DATA bounds": "index_select of matrices has a check of its own in torch",
    "slice shapes": "of the complaints about one source either may come first",
    "out of bounds of the source tensor": "of the complaints about one source either may come first",
    "but tensor has no dimensions": "a tensor without dimensions, of which torch asks the size first",
    "addmv input tensors must have the same dtype": "torch's own derivative stumbles over a bool operand",
    "Found dtype": "torch's own derivative wants its operands in one dtype",
    "vector + matrix @ vector expected": "the data of what a derivative has kept was put in another shape",
    "Type promoting not supported": "a layer of another dtype than its input",
    "desired output type Bool": "torch's own derivative stumbles over a bool operand",
    "on a bool tensor is not supported": "torch's own derivative stumbles over a bool operand",
    "with a bool tensor is not supported": "torch's own derivative stumbles over a bool operand",
}
# What one side alone refuses.
ONE_SIDED = {
    "created inside a custom Function": "what a checkpoint gives back as it came",
    "Index put requires the source and destination dtypes match": "one number put under a mask without dimensions",
    "modified by an inplace operation": "which operands a derivative keeps is each library's own affair",
    "Inference tensors cannot be saved": "which operands a derivative keeps is each library's own affair",
    "through the graph a second time": "derivatives that are zero save something in torch",
    "derivative for aten::remainder is not implemented": "number % tensor has its derivative here",
    "the derivative for set_ is not implemented": "set_ of what has a history",
    "A view was created in no_grad mode": "whether a gradient is a view is each library's own affair",
    "a function that returns multiple views": "what a transform gives is a view in torch",
    "Can't detach views in-place": "einsum of nothing to sum is a view here",
    "view size is not compatible": "kron of what is not contiguous computes here",
    "Inplace update to inference tensor": "the data of a parameter made in inference mode",
    "Setting requires_grad=True on inference tensor": "transforms of inference tensors",
    "Integer division with addcdiv": "addcdiv of whole numbers beside a float computes here",
    "source tensor shape must match self tensor shape": "index_add to a tensor without dimensions",
    "more than one element of the written-to tensor": "what changes no number may be written to what is expanded in torch",
    "(int, stable=bool)": "stable= beside a positional dim is taken here",
    '"lerp" not implemented': "lerp of integers by a number without dimensions",
    '"kthvalue" not implemented': "kthvalue of one bool",
}
# What an error is about. A call with mistakes of two kinds is refused for the one that a library looks at first.
TOPICS = {
    "a range": r"upper bound|step must be nonzero|without overflow",
    "how a call is written": r"argument|positional|invalid combination|unexpected keyword|assign a|missing",
    "dtypes": r"not implemented for|dtype|scalar type|type .* can.t be cast|does not support|not supported|Long|bool",
    "where memory lies": r"memory location|setStorage|view size is not compatible|storage",
    "gradients": r"leaf|requires? grad|does not require|backward|derivative|inplace|in-place|Inference",
    "two shapes": r"shape mismatch|broadcast",
    "indices": r"index|indices|out of bounds|select\(\)|out of range",
    "shapes": r"shape|size|dim|element|1D|2D|matrix|matrices|channels|numel",
}
# What turns a difference in a last bit into another result.
DECIDES = re.compile(
    r"[<>=!]=|[<>]|//|%|floor|ceil|round|trunc|frac|sign|arg|sort|max|min|median|kthvalue|topk|where|mask|relu|thresh|hard|shrink"
    r"|clamp|clip|int|long|bool|uint8|unique|nonzero|eq|ne|lt|le|gt|ge|equal|any|all|remainder|fmod|abs|elu|dropout|l1_|huber"
    r"|heaviside|norm|dist|std|var|cosine|logical|log|sqrt"
)
# What these give lies in memory as each library happened to compute it.
OWN_LAYOUT = re.compile(r"autograd\.|func\.|einsum|kron|outer|tensordot|baddbmm|addmm|matmul| @ |norm\(|normalize|\[|np\.")
FLAGS = ("requires_grad", "is_leaf")


def topic(error: Any) -> str:
    """The first topic whose words the error uses."""
    return next((name for name, words in TOPICS.items() if re.search(words, str(error), re.IGNORECASE)), "something else")


class Before(NamedTuple):
    """A tensor that a statement names, as it was before: ours and its array, the bytes of both, the order of its dimensions."""

    ours: Any
    array: np.ndarray
    dtype: str
    our_bytes: bytes
    torchs_bytes: bytes
    order: list[int]
    expanded: bool


@dataclass
class Case:
    """A difference after a statement: its text, what each side raised, and the tensors that it names, as they were before."""

    text: str
    difference: Difference
    errors: list[Any]
    before: list[Before]

    def says(self, words: str) -> bool:
        return re.search(words, self.text) is not None

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
    def words(self) -> str:
        """What either said."""
        return f"{self.errors[0]}{self.errors[1]}"

    @property
    def topics(self) -> list[str]:
        return [topic(error) for error in self.errors]

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
    def mixed_layouts(self) -> bool:
        return len({str(each.order) for each in self.before}) > 1 or any(each.expanded for each in self.before)

    @cached_property
    def overlapping(self) -> bool:
        """Whether a tensor is named twice, or two of those named share memory."""
        arrays = [each.array for each in self.before]
        names = re.findall(r"\b[a-z]\d?\b", self.text.replace("out=", ""))
        shared = any(np.may_share_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])
        return (
            shared or len(names) > len(set(names)) or self.says(r"\w\[\d\]")
        )  # (a part of a list, which is not looked into)


def a_quotient_by_a_rounding_error(case: Case) -> bool:
    sizes = [np.abs(np.asarray(each.array, float)) for each in case.before]
    return case.says("/|div") and any(0 < size[size > 0].min(initial=np.inf) < 1e-12 for size in sizes)


TWO_MISTAKES = "two mistakes in one call, and each library names the one that it meets first"
EXPLAINED: list[tuple[str, Callable[[Case], bool]]] = [
    ("a number beyond half precision", lambda c: precision.tolerance > 1e-3 and c.says(r"2\*\*40")),
    ("what is kept of an unrecorded view of what requires grad", lambda c: c.difference.where == "seen" and c.says("saved_tensors_hooks")),
    ("median of what is expanded is sorted in place by torch", lambda c: c.says("median") and any(each.expanded for each in c.before)),
    ("decided by a last bit",
     lambda c: (not c.same_bits or c.says(r"\w\[\d\]")) and c.says(DECIDES.pattern) and c.what in ("values", "value", "number", "array")),
    ("a quotient by a rounding error", lambda c: c.what == "values" and a_quotient_by_a_rounding_error(c)),
    ("what is standardized, and was equal but for roundings, is made of roundings",
     lambda c: c.what == "values" and precision.tolerance > 1e-6 and c.says("norm|std|var|softmax")),
    # ---- errors
    (TWO_MISTAKES, lambda c: c.what == "raised another type" and c.topics[0] != c.topics[1]),
    (TWO_MISTAKES, lambda c: c.what == "raised another type" and c.several_dtypes and c.topics[0] == "dtypes"),
    (TWO_MISTAKES, lambda c: c.what == "raised another type" and "bitwise" in c.words and "result type" in c.words),
    ("torch warns that it will refuse to write to what is expanded; here it is refused",
     lambda c: c.errors[0] is not None and "expanded tensors is deprecated" in str(c.errors[1])),
    ("whether a tensor may be written to beside itself",
     lambda c: None in c.errors and "single memory location" in c.words and (c.overlapping or c.says("masked_scatter_"))),
    ("of what is empty torch asks neither indices nor dtypes",
     lambda c: (any(not each.our_bytes for each in c.before) or c.says(":0|1:1")) and not c.computed
     and {*c.topics} & {"indices", "dtypes", "shapes", "a range"} and c.what.startswith("raised")),
    ("torch had changed something before it raised",
     lambda c: c.both_raised and (c.what == "version" or (c.what in ("values", "shape", "stride()", *FLAGS) and c.unchanged))),
    # ---- writes
    ("out= shares memory with what is read", lambda c: c.says("out=") and c.overlapping),
    ("memory that grows takes all its views with it in torch",
     lambda c: c.what == "values" and c.says("out=") and not c.says(f"out={re.escape(c.difference.where)}")),
    ("what a write beside itself leaves", lambda c: c.what == "values" and c.computed and c.says(r"_\(|[-+*/%]= |\] = ") and c.overlapping),
    ("memory beside what is expanded", lambda c: c.says(r"\.resize_\(") and any(each.expanded for each in c.before)),
    ("a refused backward has come to other nodes", lambda c: c.what in ("grad", "values") and c.both_raised and c.says("backward|grad")),
    ("a gradient that is given becomes .grad itself in torch, with the memory that it shares",
     lambda c: c.what in ("version", "values") and c.computed and c.says("backward") and not c.difference.where.endswith(".grad")),
    ("how many writes a step is", lambda c: c.what == "version" and c.says(r"\.step\(")),
    ("whether what comes of an inference tensor counts its writes",
     lambda c: c.what == "version" and "not tracked" in (c.difference.ours, c.difference.theirs)),
    # ---- flags
    ("torch records a comparison in place, or a number written into integers, as a node that sends zeros",
     lambda c: c.what in FLAGS and c.computed and c.says(r"(gt|lt|ge|le|eq|ne|fill)_\(|gt\(|\] = ")),
    ("a gradient that is the given one, a view of it, or a number's: whether it requires grad",
     lambda c: c.what in FLAGS and c.says(r"autograd\.grad")),
    ("whether what a transform or a gradient gives is a view is each library's own affair",
     lambda c: c.what in FLAGS and c.says("requires_grad") and (c.says(r"\]\.requires_grad") or not c.says(f"^{re.escape(c.difference.where)}"))),
    ("what a transform gives is a view in torch", lambda c: c.what == "is_leaf" and c.difference.theirs == "lost"),
    # ---- transforms, hooks
    ("transforms: torch's batch them with vmap, and mark each part that depends on the input",
     lambda c: c.says(r"func\.") and c.what in (*FLAGS, "raised")),
    ("0 · nan inside a transform: each library multiplies by other zeros",
     lambda c: c.what == "values" and not c.finite and c.says(r"func\.|functional\.")),
    ("an index of several kinds is several nodes in torch and one here: its hooks see other gradients",
     lambda c: c.difference.where.startswith("seen") and c.what == "shape"),
    # ---- extremes
    ("gelu of infinity in float32 is nan in torch", lambda c: c.what == "values" and c.says("gelu|GELU") and not c.finite),
    ("the mean beside a variance of infinities is inf here and nan in torch",
     lambda c: c.what == "values" and c.says("(var|std)_mean") and not np.isfinite(np.asarray(c.difference.theirs, float)).all()),
    # ---- memory
    ("a number to the power of a tensor lies in row-major order in torch",
     lambda c: c.what == "stride()" and c.says(r"= (True|[-\d.e()a-z']+) \*\* ")),
    ("operands of several layouts, or a composition: which layout comes of them is each library's own affair",
     lambda c: c.what == "stride()" and (c.mixed_layouts or c.says(OWN_LAYOUT.pattern))),
]  # fmt: skip


def explanation(text: str, difference: Difference, errors: list[Any], before: list[Before]) -> str:
    """The words for a difference that is nobody's fault; "" for one that is."""
    case = Case(text, difference, errors, before)
    told = [why for words, why in ONE_SIDED.items() if None in errors and words in case.words]
    told += [why for words, why in TORCHS_OWN.items() if words in str(errors[1])]
    return told[0] if told else next((why for why, holds in EXPLAINED if holds(case)), "")
