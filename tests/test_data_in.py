"""What `tensor`, `as_tensor` and the constructors before them make of data; how tensors are written; dtypes by other names."""

from __future__ import annotations

import array
import collections
import decimal
import fractions
from typing import Any

import numpy as np
import pytest
import torch

import minitorch
from both import agree
from minitorch.arrays import warning

KNOWN = {"np": np, "array": array, "collections": collections, "decimal": decimal, "fractions": fractions}

DATA = """range(3); [range(3), range(3)]; [range(3), range(2)]; (x for x in [1]); {1}; {1: 2}; None; "abc"; ["abc"]; [None]; [1, None]; [1, "a"]
[[1], 2]; [1, [2]]; [[1, 2], [3]]; [[1, 2], "ab"]; []; [[]]; [[], []]; [[], [1]]; collections.deque([1, 2]); array.array("i", [1, 2])
array.array("d", [1, 2]); [array.array("d", [1, 2])]; b"ab"; [b"ab"]; bytearray(b"ab"); object(); len; [object()]; decimal.Decimal(1)
fractions.Fraction(1, 2); T.Size([1, 2]); [True, 2]; [True, 2.5]; [True, False]; (1, (2,)); [(1, 2), [3, 4]]; [[[1], [2]], [[3], [4]]]
[2**63]; [2**63, 1.0]; [1.0, 2**70]; 2**63; -(2**63); [2**62 + 1, 1]; True; 2.5; [[1.5, 2], [3, True]]; [T.tensor(1), T.tensor(2)]
[T.tensor(1), 2.5]; [T.tensor([1.0]), T.tensor([2.0])]; [T.tensor([1, 2])]; [T.tensor([1.0, 2.0]), T.tensor([3.0, 4.0])]
[T.tensor([1.0]), [3]]; [[T.tensor(1)], [T.tensor(2)]]; [T.tensor(True), T.tensor(False)]; [T.tensor(1, dtype=T.int8)]; T.tensor([1, 2])
np.float32(2); np.float64(2); np.int8(3); np.bool_(True); [np.float32(2), 1]; [np.float16(2)]; [np.float16(2), np.float64(1)]
[np.bool_(True)]; [np.bool_(True), 1]; [np.int32(1), np.int32(2)]; [np.array([1.5, 2]), [3, 4]]; [np.array([1, 2]), np.array([3])]
[np.array([1, 2]), np.array([3, 4])]; [np.array(300)]; np.array([1, 2]); np.array(["a"]); np.array([None, 1]); np.ones((2, 0))
np.array([1.5, 2], "f2"); np.arange(4)[::2]; np.arange(6).reshape(2, 3).T; [[np.ones(2)], [np.zeros(2)]]"""


def listed(text: str) -> list[str]:
    return [part.strip() for part in text.replace("\n", ";").split(";")]


def evaluated(text: str) -> Any:
    """The expression as a scenario of the library, which it calls T."""
    return lambda lib: eval(text, KNOWN | {"T": lib, "x": lib.tensor([1.0, 2.0]), "w": lib.ones(2, requires_grad=True)})


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("call", ["T.tensor(%s)", "T.as_tensor(%s)", "T.tensor(%s, dtype=T.int32)", "T.tensor(%s, dtype=T.float64)",
                                  "T.tensor(%s, dtype=T.bool)", "x.new_tensor(%s)", "T.FloatTensor(%s)"])  # fmt: skip
def test_data(call: str) -> None:
    for text in listed(DATA):
        if "FloatTensor" in call and (
            text == "T.tensor([1, 2])" or text in ("-(2**63)", "np.int8(3)", "2**63", "T.Size([1, 2])")
        ):
            continue  # a number is a size there
        agree(evaluated(call % text))


OLD = """T.Tensor(); T.Tensor(2, 3).shape; T.Tensor([1, 2]); T.Tensor((1, 2)); T.Tensor(T.Size([2, 3])).shape; T.Tensor(T.tensor([1, 2]))
T.Tensor(w).requires_grad; T.Tensor(w).grad_fn.name(); T.Tensor(w).data_ptr() == w.data_ptr(); T.Tensor(np.ones(2)); T.Tensor(2.5)
T.Tensor(True); T.Tensor("a"); T.Tensor(None); T.Tensor(np.int64(3)).shape; T.Tensor(-1); T.Tensor(2, 2.5); T.Tensor([[1], [2, 3]])
T.Tensor(range(3)); T.Tensor(2, device="cpu").shape; T.Tensor(data=[1]); T.FloatTensor(2, 3).shape; T.FloatTensor(T.tensor([1]))
T.LongTensor([1.7, 2]); T.LongTensor(3).shape; T.LongTensor(np.array([1.5, 2])); T.ByteTensor([300]); T.BoolTensor([1, 0]); T.HalfTensor([1.5])
T.DoubleTensor([[1, 2]]); T.IntTensor(); T.CharTensor([-1]); T.ShortTensor([1]); T.BFloat16Tensor([1]); isinstance(x, T.FloatTensor)
isinstance(x, T.LongTensor); isinstance(T.nn.Parameter(x), T.FloatTensor); issubclass(T.FloatTensor, T.Tensor); T.FloatTensor.dtype is T.float32
x.type("torch.DoubleTensor"); x.type(T.LongTensor); x.type("torch.FooTensor"); x.type("float64"); x.type(float); x.type(T.Tensor); x.type()
x.long().type(); x.bool().type(); x.type(T.float32) is x; T.autograd.Variable(w).requires_grad; T.autograd.Variable(x, requires_grad=True)
T.autograd.Variable([1.0]); isinstance(x, T.autograd.Variable); x.view(T.int32); x.view(T.int16).shape; x.view(T.float64).shape; x.char(); x.byte()
T.ones(3).view(T.float64); T.ones(()).view(T.int32); T.ones(()).view(T.int16); T.ones(2, 4).t().view(T.int32).shape
T.ones(2, 4).t().view(T.int16); T.ones(2, 4).t().view(T.float64); w.view(T.int32).requires_grad; x.view(dtype=T.int32); x.view(float)
x.new(2, 3).shape; x.new([1, 2]); T.ones(2, dtype=T.int64).new([1, 2]); T.nn.Linear(1, 1).type(T.float64).weight.dtype is T.float64
T.nn.BatchNorm1d(1).type(T.float64).num_batches_tracked.dtype is T.float64; T.nn.Linear(1, 1).type("torch.DoubleTensor").bias.dtype is T.float64"""

WRITTEN = """f"{x[0]}"; f"{w[0]:.3f}"; f"{T.tensor(3):d}"; f"{T.tensor(3):.2f}"; f"{T.tensor(True)}"; f"{x}"; f"{x:.3f}"; f"{T.tensor(2.5):>8}"
"{} {:.3e}".format(x[0], x[0]); "%.2f" % x[0]; "%s" % x[0]; f"{x[0]!r}"; str(x[0]); f"{T.nn.Parameter(x[0])}"; f"{T.nn.Parameter(x[0]):.1f}"
f"{T.tensor(float('nan'))}"; f"{T.tensor(0.1)}"; f"{T.tensor(2.5, dtype=T.float16)}"; f"{x[0] * 2:.1f}"; f"{T.ones(0)}"; f"{x[:1]:.1f}"
T.finfo(T.float16); T.finfo(T.bfloat16); T.finfo(T.float32); T.finfo(T.float64); T.finfo(); T.finfo(T.int8); T.finfo(float); T.finfo("a")
T.iinfo(T.uint8); T.iinfo(T.int32); T.iinfo(T.int64); T.iinfo(T.float32); T.iinfo(T.bool); T.iinfo(int); T.iinfo(); T.finfo(T.float32).dtype
T.finfo(T.float32).resolution; T.finfo(T.float32) == T.finfo(T.float32); T.finfo(T.float32) == T.finfo(T.float64)
T.nn.ParameterDict({"a": T.nn.Parameter(x), "b": 3, "c": T.ones(2).double()}); T.nn.ParameterList([T.nn.Parameter(x)])
T.optim.SGD([w], lr=T.tensor(0.1)); T.optim.SGD([{"params": [w]}, {"params": [T.ones(1)], "lr": 2.0}], lr=1.0)"""

DTYPES = """T.tensor([1], dtype=float); T.tensor([1.5], dtype=int); T.zeros(2, dtype=bool); x.to(float); x.to(dtype=int); x.to(bool); x.sum(dtype=float)
T.arange(3, dtype=float); T.linspace(0, 1, 3, dtype=float); T.as_tensor([1], dtype=float); x.new_zeros(2, dtype=int); x.new_tensor([1.5], dtype=int)
T.full((2,), 1, dtype=float); T.tensor(3, dtype=np.float32); T.tensor(3, dtype="float32"); x.to(np.float32); T.full(2, 1.0); x.new_full((2,), 2, dtype=int)
T.tensor([1.0], requires_grad=1); x.fill_(T.ones(2)); x.fill_(T.tensor(3)); T.arange(3, dtype=T.bool); T.ones_like(x, dtype=int)
T.ones(3, 3).any(()); T.ones(3, 3).all(()); T.ones(2, 2).any(dim=()); T.mm(T.ones(2, 2), T.ones(2, 2).bool()); T.ones(1, 2, 2) @ T.ones(1, 2, 2).bool()
T.einsum("i,i", x, x.double()); T.einsum("i,i->i", x, x.double()); T.einsum("ij,jk", T.ones(2, 2), T.ones(2, 2).long()); x.lerp(x, T.tensor(0.5).double())"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("text", listed(OLD) + listed(WRITTEN) + listed(DTYPES))
def test_expression(text: str) -> None:
    def scenario(lib: Any) -> Any:
        made = evaluated(text)(lib)
        library = lib.__name__
        shown = (
            repr(made)
            if type(made).__module__.startswith(library) and not isinstance(made, lib.Tensor | lib.nn.Module)
            else made
        )
        return tuple(made) if isinstance(made, lib.Size) else shown

    agree(scenario)


WARN = """T.tensor([1.0]).std(); T.tensor([1.0]).var(); T.std_mean(T.tensor([1.0])); T.var_mean(T.tensor([1.0])); T.ones(2, 1).var(1); T.ones(0).std()
T.ones(0, 3).var(1); T.tensor([1.0, 2.0]).std(correction=3); x.var(unbiased=False); T.tensor([1.0]).var(unbiased=False); T.tensor(x); x.new_tensor(x)
T.as_tensor(x); T.tensor([np.ones(1), np.ones(1)]); T.as_tensor([[np.ones(1)]]); T.add(x, 1, out=T.empty(1)); T.arange(6).reshape(2, 3)[[[0], [1]]]
T.arange(6)[[0, 1]]; T.arange(6).reshape(2, 3)[[slice(None), 0]]; T.meshgrid(x, x); T.meshgrid(x, x, indexing="ij"); x[T.tensor([1, 0]).byte()]
T.where(T.tensor([1, 0]).byte(), 1, 2); T.tensor([T.ones((), requires_grad=True)]); T.from_numpy(np.broadcast_to(np.ones(1), 3)); T.ones(2, 2).T"""


@pytest.mark.parametrize("text", listed(WARN))
def test_warns_at_the_users_line(text: str) -> None:
    """As often as torch, in the same category, and of the line where the call stands."""

    def caught(lib: Any) -> Any:
        with pytest.warns() as seen:
            evaluated(text)(lib)
            warnings_end()
        return list(dict.fromkeys((w.category, w.filename) for w in seen))[:-1]

    warning._told.clear()
    torch.set_warn_always(True)
    try:
        theirs = [
            (kind, "<string>" if "_meshgrid" in name or "functional" in name else name) for kind, name in caught(torch)
        ]
    finally:
        torch.set_warn_always(False)
    assert caught(minitorch) == theirs


def warnings_end() -> None:
    import warnings

    warnings.warn("the end, so that there is one", stacklevel=1)
