"""Which ONNX nodes stand for a call: a name of a trace's node, and what writes it.

`node("Relu")` is one node; the others are functions with the call's own parameters, beside the builder `b`, in the files named below. A form
in place (`aten::relu_`) is looked up without its `_`. What is not here is refused by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from . import elementwise as e
from . import layers, losses, pooling, recurrent, reductions, shapes
from .elementwise import arithmetic, comparison, formula, node, same
from .reductions import reduce

TABLE: dict[str, Callable] = {
    # ---- one input, one number after the other (elementwise.py) ----
    **{f"aten::{name}": node(kind) for name, kind in {
        "abs": "Abs", "neg": "Neg", "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "reciprocal": "Reciprocal", "sin": "Sin", "cos": "Cos",
        "tan": "Tan", "asin": "Asin", "acos": "Acos", "atan": "Atan", "sinh": "Sinh", "cosh": "Cosh", "asinh": "Asinh", "acosh": "Acosh",
        "atanh": "Atanh", "tanh": "Tanh", "sigmoid": "Sigmoid", "erf": "Erf", "ceil": "Ceil", "floor": "Floor",
        "sign": "Sign", "relu": "Relu", "softsign": "Softsign", "pow": "Pow", "maximum": "Max", "minimum": "Min",
    }.items()},
    "aten::round": e.rounded,
    "aten::square": formula(e.square),
    "aten::rsqrt": formula(lambda b, x: b.op("Reciprocal", b.op("Sqrt", x))),
    "aten::exp2": formula(lambda b, x: b.op("Pow", b.number(2), x)),
    "aten::expm1": formula(lambda b, x: b.op("Sub", b.op("Exp", x), b.number(1))),
    "aten::log1p": formula(lambda b, x: b.op("Log", b.op("Add", x, b.number(1)))),
    "aten::log2": e.log_of_base(2), "aten::log10": e.log_of_base(10),
    "aten::erfc": formula(lambda b, x: b.op("Sub", b.number(1), b.op("Erf", x))),
    "aten::trunc": formula(e.truncated), "aten::frac": formula(lambda b, x: b.op("Sub", x, e.truncated(b, x))),
    "aten::logit": e.logit, "aten::deg2rad": e.times(math.pi / 180), "aten::rad2deg": e.times(180 / math.pi),
    "aten::nan_to_num": e.nan_to_num, "aten::isfinite": e.isfinite,
    "aten::isnan": formula(lambda b, x: b.op("IsNaN", x)), "aten::isinf": e.isinf,
    "aten::logical_not": e.logical("Not"), "aten::bitwise_not": e.bitwise("Not"),
    "aten::clamp": e.clamp, "aten::clamp_min": lambda b, input, min: e.clamp(b, input, min), "aten::clamp_max": lambda b, input, max: e.clamp(b, input, None, max),
    # ---- two ----
    "aten::add": arithmetic("Add"), "aten::sub": arithmetic("Sub"), "aten::mul": arithmetic("Mul"),
    "aten::div": e.divide, "aten::true_divide": e.divide, "aten::floor_divide": e.floor_divide, "aten::remainder": e.remainder,
    "aten::eq": comparison("Equal"), "aten::ne": comparison("Equal", negated=True), "aten::lt": comparison("Less"), "aten::gt": comparison("Greater"),
    "aten::le": comparison("LessOrEqual"), "aten::ge": comparison("GreaterOrEqual"),
    "aten::logical_and": e.logical("And"), "aten::logical_or": e.logical("Or"), "aten::logical_xor": e.logical("Xor"),
    "aten::bitwise_and": e.bitwise("And"), "aten::bitwise_or": e.bitwise("Or"), "aten::bitwise_xor": e.bitwise("Xor"),
    "aten::fmod": e.fmod, "aten::addcmul": e.added("Mul"), "aten::addcdiv": e.added("Div"), "aten::lerp": e.lerp, "aten::hypot": e.hypot,
    "aten::xlogy": e.xlogy,
    "aten::logaddexp": e.logaddexp,
    "aten::where": e.where, "aten::masked_fill": e.masked_fill,
    # ---- activations ----
    "functional::relu": formula(lambda b, x: b.op("Relu", x)), "functional::relu6": lambda b, input, inplace=False: e.hardtanh(b, input, 0.0, 6.0),
    "functional::hardtanh": e.hardtanh, "aten::hardtanh": e.hardtanh,
    "functional::leaky_relu": lambda b, input, negative_slope=0.01, inplace=False: b.op("LeakyRelu", input, alpha=negative_slope),
    "functional::elu": lambda b, input, alpha=1.0, inplace=False: b.op("Elu", input, alpha=alpha),
    "functional::celu": lambda b, input, alpha=1.0, inplace=False: b.op("Celu", input, alpha=alpha),
    "functional::selu": formula(lambda b, x: b.op("Selu", x)),
    "functional::silu": formula(lambda b, x: b.op("Mul", x, b.op("Sigmoid", x))),
    "functional::mish": formula(e.mish),
    "functional::hardsigmoid": formula(lambda b, x: b.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)),
    "functional::hardswish": formula(lambda b, x: b.op("HardSwish", x)),
    "functional::threshold": e.threshold, "functional::rrelu": e.rrelu,
    "aten::gelu": e.gelu, "aten::prelu": e.prelu, "aten::softplus": e.softplus, "aten::glu": e.glu,
    "aten::logsigmoid": formula(e.logsigmoid), "aten::tanhshrink": formula(lambda b, x: b.op("Sub", x, b.op("Tanh", x))),
    "aten::softshrink": e.shrink(bias=True), "aten::hardshrink": e.shrink(bias=False),
    **{f"{space}::softmax": e.softmax("Softmax") for space in ("aten", "functional")},
    **{f"{space}::log_softmax": e.softmax("LogSoftmax") for space in ("aten", "functional")},
    "functional::softmin": e.softmax("Softmax", negated=True),
    **{f"functional::{name}": e.dropout for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout")},
    # ---- the same numbers ----
    **{f"aten::{name}": same for name in ("detach", "contiguous", "clone", "positive", "cpu", "cuda")},
    **{f"aten::{name}": e.to for name in ("to", "float", "double", "half", "int", "long", "short", "char", "byte", "bool", "type_as")},
    "prim::data": same,
    # ---- reductions, orders (reductions.py) ----
    "aten::sum": reduce("ReduceSum"), "aten::mean": reduce("ReduceMean"), "aten::prod": reduce("ReduceProd"), "aten::amax": reduce("ReduceMax"),
    "aten::amin": reduce("ReduceMin"), "aten::logsumexp": reduce("ReduceLogSumExp"),
    "aten::max": reductions.extreme("Max"), "aten::min": reductions.extreme("Min"),
    "aten::argmax": reductions.place("ArgMax"), "aten::argmin": reductions.place("ArgMin"),
    "aten::any": reductions.truth("ReduceMax"), "aten::all": reductions.truth("ReduceMin"),
    "aten::var": reductions.variance(root=False), "aten::std": reductions.variance(root=True),
    "aten::var_mean": reductions.variance_and_mean(root=False), "aten::std_mean": reductions.variance_and_mean(root=True),
    "aten::count_nonzero": reductions.count_nonzero,
    "aten::norm": reductions.norm, "aten::linalg_vector_norm": reductions.vector_norm, "aten::normalize": reductions.normalize,
    "aten::cumsum": reductions.cumsum, "aten::topk": reductions.topk, "aten::sort": reductions.sort,
    # ---- products, attention, distances ----
    **{f"aten::{name}": reductions.product for name in ("matmul", "mm", "bmm", "mv", "dot")},
    "aten::linear": reductions.linear, "aten::addmm": reductions.added_product, "aten::baddbmm": reductions.added_product,
    "aten::addmv": reductions.added_product,
    "aten::einsum": reductions.einsum, "aten::bilinear": reductions.bilinear, "aten::scaled_dot_product_attention": reductions.attention,
    "aten::cosine_similarity": reductions.cosine_similarity, "aten::pairwise_distance": reductions.pairwise_distance,
    # ---- shapes, indexing, making (shapes.py) ----
    **{f"aten::{name}": shapes.reshape for name in ("reshape", "view", "reshape_as", "view_as")},
    "aten::flatten": shapes.flatten, "aten::unflatten": shapes.unflatten, "aten::permute": shapes.permute, "aten::transpose": shapes.transpose,
    "aten::swapaxes": shapes.transpose, "aten::t": shapes.swapped_last, "aten::mT": shapes.swapped_last, "aten::T": shapes.reversed_dims,
    "aten::movedim": shapes.movedim, "aten::squeeze": shapes.squeeze, "aten::unsqueeze": shapes.unsqueeze, "aten::expand": shapes.expand,
    "aten::broadcast_to": shapes.expand, "aten::expand_as": shapes.expand_as, "aten::repeat": shapes.repeat, "aten::tile": shapes.repeat,
    "aten::cat": shapes.cat, "aten::stack": shapes.stack, "aten::chunk": shapes.split, "aten::split": shapes.split, "aten::unbind": shapes.unbind,
    "aten::narrow": shapes.narrow, "aten::select": shapes.select, "aten::index_select": shapes.index_select, "aten::gather": shapes.gather,
    "aten::__getitem__": shapes.getitem, "aten::flip": shapes.flip, "aten::roll": shapes.roll,
    "aten::scatter": shapes.scatter(), "aten::scatter_add": shapes.scatter("add"), "aten::take": shapes.take,
    "aten::repeat_interleave": shapes.repeat_interleave,
    "aten::tril": shapes.triangle(0), "aten::triu": shapes.triangle(1),
    "aten::zeros": shapes.filled(0), "aten::ones": shapes.filled(1), "aten::full": shapes.full, "aten::new_zeros": shapes.filled_new(0),
    "aten::new_ones": shapes.filled_new(1), "aten::new_full": shapes.new_full, "aten::zeros_like": shapes.filled_like(0),
    "aten::ones_like": shapes.filled_like(1), "aten::full_like": shapes.full_like, "aten::arange": shapes.arange, "aten::tensor": shapes.tensor, "aten::as_tensor": shapes.tensor, "aten::one_hot": shapes.one_hot,
    "functional::pad": shapes.pad, "aten::constant_pad_nd": lambda b, input, pad, value=0: shapes.pad(b, input, pad, "constant", value),
    "aten::pixel_shuffle": shapes.pixel_shuffle, "aten::pixel_unshuffle": shapes.pixel_unshuffle, "aten::channel_shuffle": shapes.channel_shuffle,
    # ---- layers (layers.py, pooling.py) ----
    **{f"aten::conv{n}d": layers.conv for n in (1, 2, 3)},
    **{f"aten::conv_transpose{n}d": layers.conv_transpose for n in (1, 2, 3)},
    **{f"functional::max_pool{n}d": pooling.max_pool(n) for n in (1, 2, 3)},
    **{f"{'aten' if n == 1 else 'functional'}::avg_pool{n}d": pooling.avg_pool(n) for n in (1, 2, 3)},
    **{f"functional::lp_pool{n}d": pooling.lp_pool(n) for n in (1, 2, 3)},
    **{f"{'aten' if n == 1 else 'functional'}::adaptive_avg_pool{n}d": pooling.adaptive_pool(n, "Average") for n in (1, 2, 3)},
    **{f"functional::adaptive_max_pool{n}d": pooling.adaptive_pool(n, "Max") for n in (1, 2, 3)},
    "functional::batch_norm": layers.batch_norm, "functional::instance_norm": layers.instance_norm, "functional::group_norm": layers.group_norm,
    "aten::layer_norm": layers.layer_norm, "aten::rms_norm": layers.rms_norm, "functional::local_response_norm": layers.local_response_norm,
    "functional::embedding": layers.embedding, "functional::embedding_bag": layers.embedding_bag, "functional::unfold": layers.unfold,
    "functional::fold": layers.fold, "functional::interpolate": layers.interpolate, "functional::grid_sample": layers.grid_sample,
    # ---- recurrent (recurrent.py) ----
    "aten::lstm": recurrent.net("LSTM"), "aten::gru": recurrent.net("GRU"), "aten::rnn_tanh": recurrent.net("RNN"),
    "aten::rnn_relu": recurrent.net("RNN", relu=True), "aten::lstm_cell": recurrent.lstm_cell, "aten::gru_cell": recurrent.gru_cell,
    "aten::rnn_tanh_cell": recurrent.rnn_cell("Tanh"), "aten::rnn_relu_cell": recurrent.rnn_cell("Relu"),
    # ---- losses (losses.py) ----
    "aten::mse_loss": losses.elementwise(losses.squared), "aten::l1_loss": losses.elementwise(losses.absolute),
    "aten::binary_cross_entropy": losses.elementwise(losses.binary_cross_entropy, weighted=True),
    "functional::binary_cross_entropy_with_logits": losses.elementwise(losses.with_logits, weighted=True),
    "aten::soft_margin_loss": losses.elementwise(losses.soft_margin),
    "aten::huber_loss": losses.huber, "aten::smooth_l1_loss": losses.smooth_l1,
    "aten::cross_entropy": losses.classes("SoftmaxCrossEntropyLoss"), "aten::nll_loss": losses.classes("NegativeLogLikelihoodLoss"),
}  # fmt: skip
