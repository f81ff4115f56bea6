"""How results lie in memory: in the order of dimensions that torch's have, so that what can be viewed flat there can be here."""

from __future__ import annotations

import copy
import itertools
import pickle
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import minitorch
from both import assert_same
from reference.strategies import CHANNELS_LAST, COLUMN_MAJOR, Source
from reference.table import Row, flat, table, tensors
from shares import by_turns

pytestmark = pytest.mark.formulas

# Where the layout is another than torch's, and why.
OURS = {
    "pow": "with inputs of different layouts each library's loop chooses one",
    "local_response_norm": "the same",
    "gru_cell": "the same",
    "soft_margin_loss": "the same",
    "gaussian_nll_loss": "the same",
    "einsum": "it comes as its product left it",
    "getitem": "with indices torch reorders the dimensions of its loop",
    "to": "the same: the row calls the op, which copies; the method does not",
    "to_device": "the same",
    "put": "ours is in row-major order",
    "philox_dropout": "torch's own dropout is not this op",
    "feature_alpha_dropout": "the noise has a layout of its own",
    "conv3d": "in float64 torch's kernel of volumes knows no channels_last, in float32 it does",
    "conv_transpose3d": "as conv3d",
    "unsafe_split": "torch's parts lie on the input's memory, ours are copies",
    "unsafe_split_with_sizes": "the same",
    "unsafe_chunk": "the same",
}
BROADCAST = {
    "pow",
    "addr",
    "binary_cross_entropy_with_logits",
}  # of inputs of several shapes each library's loop chooses a layout

# Nets of floats alone: torch takes integers where all its steps happen to have them, as products and relu do.
FLOATS_ONLY = {"rnn_tanh", "rnn_relu"}


@pytest.mark.parametrize("row", [r for r in table() if not r.broadcast and r.covers not in OURS], ids=str)
def test_a_result_lies_in_memory_as_torchs_does(row: Row) -> None:
    for seed in range(70):
        source, dtype = Source(seed), np.int64 if 40 <= seed < 60 else np.float64
        source.layout = None if seed < 20 else COLUMN_MAJOR if seed < 60 else CHANNELS_LAST
        case = row.draw(source)
        if row.covers in FLOATS_ONLY and dtype is np.int64:
            continue
        if row.covers in BROADCAST and len({v.shape for v in case.values() if isinstance(v, np.ndarray)}) > 1:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                theirs = flat(row.call(row.theirs, tensors(case, torch, dtype, [])))
            except Exception:
                continue
            if not any(isinstance(b, torch.Tensor) and b.numel() for b in theirs):
                continue  # there is nothing whose place could be told
            ours = flat(row.call(row.ours, tensors(case, minitorch, dtype, [])))
        for a, b in zip(ours, theirs):
            if isinstance(b, torch.Tensor) and b.numel():
                assert steps(a) == steps(b), f"{row}, seed {seed}: strides {a.stride()}, torch's {b.stride()}"


def steps(x: Any) -> list[int]:
    """The strides of the dimensions that have more than one element; those of the others mean nothing."""
    return [stride for stride, n in zip(x.stride(), x.shape) if n > 1]


@pytest.mark.parametrize("copy", [lambda x: x.clone(), lambda x: x.double(), lambda x: x + 1, lambda x: x.exp()])
def test_a_copy_of_an_expanded_tensor_can_be_viewed_flat(copy) -> None:
    for lib in (minitorch, torch):
        x = lib.arange(6.0).reshape(2, 3).expand(2, 2, 3)
        assert copy(x).view(-1).shape == (12,)
        assert copy(lib.zeros(2, 4, 3).transpose(1, 2)).stride() == (12, 1, 3)


def test_expanding_keeps_the_strides_of_what_it_does_not_expand() -> None:
    strides = [
        [x.expand(*sizes).stride() for sizes in [(2, 1), (3, 2, 1), (2, 4), (1, 2, 1)]]
        for x in (lib.zeros(2, 1) for lib in (minitorch, torch))
    ]
    assert strides[0] == strides[1]


# ---- memory formats ----

# Images of which some are in several formats at once, where torch has rules for what is meant.
IMAGES = [
    (2, 3, 4, 5),
    (2, 1, 4, 5),
    (1, 3, 4, 5),
    (2, 3, 1, 1),
    (1, 1, 4, 5),
    (2, 1, 1, 1),
    (1, 3, 1, 1),
    (2, 3, 4, 1),
    (2, 3, 1, 5),
]
SHAPES = [*IMAGES, (2, 3, 4, 5, 2), (2, 1, 3, 4, 2), (1, 3, 1, 1, 2), (2, 3, 1, 1, 1), (3, 4)]
FORMATS = ["contiguous_format", "preserve_format", "channels_last", "channels_last_3d"]
DTYPES = ["float", "double", "half", "bfloat16", "int", "long", "short", "char", "byte", "bool"]


def in_formats(lib: Any, shape: tuple[int, ...]) -> list[Any]:
    """The tensor in every format that it can be in, and views of larger ones."""
    x = lib.arange(float(np.prod(shape))).reshape(shape)
    found = [x, x.transpose(1, -1), x.expand(2, *shape)[1], lib.cat([x, x], -1)[..., : shape[-1]]]
    for name in ("channels_last", "channels_last_3d"):
        if len(shape) == (4 if name == "channels_last" else 5):
            last = lib.empty(shape, memory_format=getattr(lib, name)).copy_(x)
            wide = lib.zeros_like(x.repeat(1, 2, *[1] * (len(shape) - 2)), memory_format=getattr(lib, name))
            found += [last, wide[:, : shape[1]], last.transpose(0, 1), last[:1], last[:, :1]]
    return found


# What is asked of a tensor x with a format f, in a library.
ASKED = [
    "",
    "x.is_contiguous(memory_format=f)",
    "x.contiguous(memory_format=f)",
    "x.contiguous(memory_format=f) is x",
    "x.clone(memory_format=f)",
    "lib.clone(x, memory_format=f)",
    "x.to(memory_format=f)",
    "x.to(memory_format=f) is x",
    "x.to(lib.float64, memory_format=f)",
    'x.to("cpu", lib.int64, copy=True, memory_format=f)',
    "x.to(x, memory_format=f)",
    "x.cpu(memory_format=f)",
    "lib.zeros_like(x, memory_format=f)",
    "lib.ones_like(x, memory_format=f, dtype=lib.float64)",
    "lib.full_like(x, 2.0, memory_format=f)",
    "lib.rand_like(x, memory_format=f)",
    "lib.randn_like(x, memory_format=f)",
    "lib.randint_like(x, 9, memory_format=f)",
    "lib.empty_like(x, memory_format=f).stride()",
    "lib.empty(x.shape, memory_format=f).stride()",
    "lib.empty(0).resize_(*x.shape, memory_format=f).stride()",
    "x.clone().resize_(*x.shape, memory_format=f)",
    "lib.empty(0).resize_as_(x, memory_format=f).stride()",
    "x.float(memory_format=f)",
    "x.double(memory_format=f)",
    "x.half(memory_format=f)",
    "x.bfloat16(memory_format=f)",
    "x.int(memory_format=f)",
    "x.long(memory_format=f)",
    "x.short(memory_format=f)",
    "x.char(memory_format=f)",
    "x.byte(memory_format=f)",
    "x.bool(memory_format=f)",
    "",
][1:-1]


@pytest.mark.parametrize("shape", by_turns(SHAPES, 2), ids=str)
def test_copies_in_a_format_have_torchs_strides(shape: tuple[int, ...]) -> None:
    for ours, theirs in zip(in_formats(minitorch, shape), in_formats(torch, shape)):
        for form, asked in itertools.product(FORMATS, ASKED):
            found = [answer(lib, x, form, asked) for lib, x in ((minitorch, ours), (torch, theirs))]
            assert found[0] == found[1], f"{asked}, f = {form}, x of {shape} with strides {theirs.stride()}"


def answer(lib: Any, x: Any, form: str, asked: str) -> Any:
    """The strides and numbers of what is given, a bool as it is, or the kind of the error."""
    lib.manual_seed(0)
    try:
        made = eval(asked, {"lib": lib, "x": x, "f": getattr(lib, form)})
    except Exception as error:
        return type(error).__name__
    if not isinstance(made, lib.Tensor):
        return made
    return made.stride(), str(made.dtype).split(".")[1], made.tolist()


def test_a_format_is_an_object_as_torchs() -> None:
    def story(lib: Any) -> list:
        names = [repr(getattr(lib, name)).split(".")[1] for name in FORMATS]
        form = lib.channels_last
        again = [copy.copy(form) is form, copy.deepcopy(form) is form, pickle.loads(pickle.dumps(form)) is form]
        x = lib.zeros(1, 2, 3, 4)
        mistakes = ["lib.memory_format()", "x.contiguous(f)", "x.to(memory_format=3)", "x.is_contiguous(f)", "x.to(f, x)"]
        mistakes += ["lib.zeros(2, memory_format=f)", "lib.tensor([1.0], memory_format=f)"]
        told = [answer(lib, x, "channels_last", mistake) for mistake in mistakes]
        return names + again + [isinstance(form, lib.memory_format), *told]

    assert_same(story)


def test_a_copy_in_a_format_is_recorded() -> None:
    def story(lib: Any) -> list:
        x = lib.arange(24.0).reshape(1, 2, 3, 4).requires_grad_()
        made = [x.contiguous(memory_format=lib.channels_last), x.to(memory_format=lib.channels_last), x.clone()]
        made += [x.double(memory_format=lib.channels_last), x.clone(memory_format=lib.channels_last)]
        names = [m.grad_fn.name() for m in made]
        sum((m * m).sum() for m in made).backward()
        return [names, x.grad]

    assert_same(story)


def test_the_weights_of_a_module_in_a_format() -> None:
    def story(lib: Any) -> list:
        def model() -> Any:
            lib.manual_seed(0)
            conv = lib.nn.Sequential(lib.nn.Conv2d(2, 3, 3), lib.nn.BatchNorm2d(3), lib.nn.ConvTranspose2d(3, 2, 2))
            return lib.nn.Sequential(conv, lib.nn.Conv3d(2, 3, 2), lib.nn.Linear(2, 3))

        def strides(made: Any) -> Any:
            return [(p.stride(), (p == q).all().item()) for p, q in zip(made.parameters(), model().parameters())]

        utils = lib.nn.utils
        seen = [strides(model()[0].to(memory_format=lib.channels_last))]
        seen += [strides(model()[0].to(lib.float64, memory_format=lib.channels_last))]
        seen += [answer(lib, model(), "channels_last", "x.to(memory_format=f)")]
        seen += [strides(utils.convert_conv2d_weight_memory_format(model(), lib.channels_last))]
        seen += [strides(utils.convert_conv3d_weight_memory_format(model(), lib.channels_last_3d))]
        return seen

    assert_same(story)
