"""Differences that have an explanation, each in words; a script ends there, and they are counted."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np

from .compare import Difference, array_of

# What turns a difference in a last bit into another result.
DECIDES = re.compile(
    r"[<>=!]=|[<>]|//|%|floor|ceil|round|trunc|frac|sign|arg|sort|max|min|median|kthvalue|topk|where|masked|mask|relu|thresh|hard"
    r"|shrink|clamp|clip|int|long|bool|uint8|unique|nonzero|eq|ne|lt|le|gt|ge|equal|any|all|remainder|fmod|abs|elu|dropout|l1_|huber|heaviside|norm|dist|std|var|cosine"
)


# What these give lies in memory as each library happened to compute it.
OWN_LAYOUT = re.compile(r"autograd\.|func\.|einsum|kron|outer|tensordot|baddbmm|addmm|matmul| @ |norm\(|\[|np\.")


# What an error is about. A call with mistakes of two kinds is refused for the one that a library looks at first.
TOPICS = {
    "a range": r"upper bound|step must be nonzero",
    "how a call is written": r"argument|positional|invalid combination|unexpected keyword|assign a|missing",
    "dtypes": r"not implemented for|dtype|scalar type|type .* can.t be cast|does not support|not supported for|inputs not supported|Long|bool",
    "where memory lies": r"memory location|setStorage|view size is not compatible|storage",
    "gradients": r"leaf|requires? grad|does not require|backward|derivative|inplace|in-place|Inference",
    "indices": r"index|indices|out of bounds|select\(\)|out of range",
    "shapes": r"shape|size|dim|broadcast|element|1D|2D|matrix|matrices|channels|numel",
}


# What torch says where it stumbles over itself, or over how it happens to store things: the other library cannot but differ.
TORCHS_OWN = {
    "INTERNAL ASSERT": "torch fails an assertion of its own",
    "nested_tensorlist": "clip_grad_value_ of parameters without gradients fails in torch",
    "ZeroTensors are immutable": "zeros that torch does not materialize",
    "resize storage that is not resizable": "memory of NumPy's grows here and not in torch",
    "index_select(): self indexing axis dim should be positive": "indices into nothing",
    "setStorage": "indices into nothing",
    "out of DATA bounds": "index_select of matrices has a check of its own in torch",
    "slice shapes": "of the complaints about one source either may come first",
    "out of bounds of the source tensor": "of the complaints about one source either may come first",
    "Index to scalar can have only 1 value": "indices into nothing",
    "but tensor has no dimensions": "a tensor without dimensions, of which torch asks the size first",
    "with a bool tensor is not supported": "torch's own derivative stumbles over a bool operand",
}
# What is refused on one side only, on purpose.
ONE_SIDED = {
    "Can't detach views in-place": "einsum of nothing to sum is a view here",
    "through the graph a second time": "derivatives that are zero save something in torch",
    "(int, stable=bool)": "stable= beside a positional dim is taken here",
    "A view was created in no_grad mode": "whether a gradient is a view is each library's own affair",
    "Inplace update to inference tensor": "the data of a parameter made in inference mode",
    "view size is not compatible": "kron of what is not contiguous computes here",
    "Setting requires_grad=True on inference tensor": "transforms of inference tensors",
    "the derivative for set_ is not implemented": "set_ of what has a history",
    "Inference tensors cannot be saved": "which operands a derivative keeps is each library's own affair",
    "a function that returns multiple views": "what a transform gives is a view in torch",
}


def topic(error: Any) -> str:
    """The first topic whose words the error uses."""
    return next((name for name, words in TOPICS.items() if re.search(words, str(error), re.IGNORECASE)), "something else")


class Before(NamedTuple):
    """A tensor that a statement names, as it was before: ours, the bytes of both, the order of its dimensions in memory."""

    ours: Any
    our_bytes: bytes
    torchs_bytes: bytes
    order: list[int]
    expanded: bool


def explanation(text: str, difference: Difference, errors: list[Any], before: list[Before]) -> str:
    """The words for a difference that is nobody's fault; "" for one that is."""
    same_bits = all(each.our_bytes == each.torchs_bytes for each in before)
    if not same_bits and DECIDES.search(text) and difference.what in ("values", "value", "number", "array"):
        return "decided by a last bit"
    if errors[0] is not None and "expanded tensors is deprecated" in str(errors[1]):
        return "torch warns that it will refuse to write to what is expanded; here it is refused"
    if "masked_scatter_" in text and "single memory location" in str(errors[0]):
        return "masked_scatter_ of what it writes to is refused here; torch does not look"
    if difference.what == "raised another type" and topic(errors[0]) != topic(errors[1]):
        return "two mistakes in one call, and each library names the one that it meets first"
    if None in errors:
        for words, why in ONE_SIDED.items():
            if words in f"{errors[0]}{errors[1]}":
                return why
    if errors[1] is not None:
        for words, why in TORCHS_OWN.items():
            if words in str(errors[1]):
                return why
    if any(not each.our_bytes for each in before) and errors[0] is not None and topic(errors[0]) in ("indices", "dtypes"):
        return "of what is empty torch asks neither indices nor dtypes"
    if "func." in text and difference.what in ("requires_grad", "raised"):
        return "transforms: torch's batch them with vmap, and mark each part that depends on the input"
    if difference.what == "version" and ".step(" in text:
        return "how many writes a step is"
    if "autograd.grad" in text and difference.what in ("requires_grad", "is_leaf") and difference.where != "seen":
        return "a gradient that is the given one, a view of it, or a number's: whether it requires grad"
    if "allow_unused" in text and (difference.where == "seen" or "hook" in str(errors[1])):
        return "hooks of a root that leads to no input"
    if difference.what == "version" and "not tracked" in (difference.ours, difference.theirs):
        return "whether what comes of an inference tensor counts its writes"
    if difference.what == "values" and errors == [None, None] and re.search(r"_\(|out=", text) and overlapping(text, before):
        return "what a write beside itself leaves"
    if difference.what == "values" and "out=" in text and f"out={difference.where}" not in text:
        return "memory that grows takes all its views with it in torch"
    if re.match(r"\w+ = (1|True) \*\*", text) and difference.what == "stride()":
        return "1 ** x is filled in row-major order in torch"
    words = str(errors[0])
    if "not implemented for 'Bool'" in words and re.search("dtype|floating point", str(errors[1])):
        return "two mistakes in one call, and each library names the one that it meets first"
    if "bitwise" in words and "result type" in str(errors[1]):
        return "two mistakes in one call, and each library names the one that it meets first"
    if None in errors and "single memory location" in f"{errors[0]}{errors[1]}" and overlapping(text, before):
        return "whether a tensor may be written to beside itself"
    unchanged = all(array_of(each.ours).tobytes() == each.our_bytes for each in before)
    written = difference.what in ("values", "shape", "stride()", "requires_grad") and unchanged
    if None not in errors and (written or difference.what == "version"):
        return "torch had changed something before it raised"
    finite = all(np.isfinite(array_of(each.ours)).all() for each in before if each.ours.is_floating_point())
    if not finite and difference.what == "values" and re.search(r"func\.|functional\.", text):
        return "0 · nan inside a transform: each library multiplies by other zeros"
    if (
        text.count("var_mean")
        and difference.what == "values"
        and not np.isfinite(np.asarray(difference.theirs, float)).all()
    ):
        return "the mean beside a variance of infinities is inf here and nan in torch"
    if re.search(r"out=(\w+)", text) and overlapping(text, before):
        return "out= shares memory with what is read"
    if difference.where.startswith("seen") and difference.what == "shape":
        return "an index of several kinds is several nodes in torch and one here: its hooks see other gradients"
    if difference.what in ("requires_grad", "is_leaf") and re.search(r"\[\d\]\.requires_grad", text):
        return "whether a gradient is a view is each library's own affair"
    gave = difference.what in ("requires_grad", "is_leaf") and re.search(r"(gt|lt|ge|le|eq|ne|fill)_\(|gt\(|\] = ", text)
    if gave and difference.theirs in (True, False) and errors == [None, None]:
        return "torch records a comparison in place, or a number written into integers, as a node that sends zeros"
    mixed = len({str(each.order) for each in before}) > 1 or any(each.expanded for each in before)
    if difference.what == "stride()" and (mixed or OWN_LAYOUT.search(text)):
        return "operands of several layouts, or a composition: which layout comes of them is each library's own affair"
    return ""


def overlapping(text: str, before: list[Before]) -> bool:
    """Whether a tensor is named twice, or two of those named share memory."""
    arrays = [each.ours.detach()._array for each in before]
    names = re.findall(r"\b[a-z]\d?\b", text.replace("out=", ""))
    shared = any(np.may_share_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])
    return shared or len(names) > len(set(names))
