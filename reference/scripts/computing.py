"""Rules that compute: new tensors, ops in all their spellings, reductions, views, indices, joining, writes."""

from __future__ import annotations

import torch

import minitorch

from .grammar import rule
from .pen import INTS, Pen


def known(names: str, place: str = "") -> list[str]:
    """Those of the names that both libraries have, as functions or (place="Tensor") as methods."""
    ours, theirs = (getattr(lib, place) if place else lib for lib in (minitorch, torch))
    return [n for n in names.split() if hasattr(ours, n) and hasattr(theirs, n)]


UNARY = known(
    "sin cos tan tanh sinh cosh asin acos atan asinh acosh atanh exp exp2 expm1 log log2 log10 log1p sqrt rsqrt square abs neg sign sgn "
    "sigmoid relu erf erfc erfinv lgamma digamma reciprocal floor ceil round trunc frac positive logit isnan isinf isfinite signbit "
    "logical_not nan_to_num deg2rad rad2deg bitwise_not clone softmax_ t ravel fliplr flipud diag trace argwhere nonzero msort "
    "atleast_1d atleast_2d atleast_3d angle isreal numel is_floating_point is_nonzero det inverse", "Tensor"
)  # fmt: skip
IN_PLACE = known(
    "sin_ cos_ tanh_ exp_ abs_ neg_ sigmoid_ relu_ square_ sqrt_ reciprocal_ floor_ round_ zero_ log1p_ erf_ trunc_ frac_ sign_ "
    "nan_to_num_ logical_not_ t_ squeeze_ detach_ requires_grad_ expm1_ atan_ rsqrt_ fill_diagonal_", "Tensor"
)  # fmt: skip
BINARY = known(
    "add sub mul div true_divide floor_divide remainder fmod maximum minimum fmax fmin atan2 hypot pow eq ne lt le gt ge copysign "
    "logaddexp xlogy logical_and logical_or logical_xor bitwise_and bitwise_or bitwise_xor isclose dist mse_loss heaviside outer "
    "matmul mm mv dot inner bmm kron ldexp float_power nextafter logaddexp2 equal allclose"
)  # fmt: skip
BINARY_IN_PLACE = known(
    "add_ sub_ mul_ div_ pow_ remainder_ fmod_ atan2_ copysign_ eq_ gt_ lt_ logical_and_ floor_divide_ hypot_ xlogy_",
    "Tensor",
)
OPERATORS = ["+", "-", "*", "/", "//", "%", "**", "@", "<", "<=", ">", ">=", "==", "!=", "&", "|", "^"]
AUGMENTED = ["+=", "-=", "*=", "/=", "//=", "%=", "**=", "&=", "|="]
REDUCTIONS = known(
    "sum mean prod amax amin any all argmax argmin max min median logsumexp std var nansum nanmean count_nonzero aminmax norm std_mean var_mean"
)
ALONG = known("softmax log_softmax cumsum cumprod cummax cummin sort argsort logcumsumexp topk kthvalue flip unbind glu")


@rule(8)
def leaf(pen: Pen) -> str:
    """A tensor of numbers typed in."""
    shape, name = pen.shape(), pen.new()
    draw = pen.rng.random()
    if draw < 0.75:
        kind = pen.one(["plain", "plain", "plain", "ties", "ties", "odd"] if pen.often(0.3) else ["plain", "ties"])
        dtype, wants = pen.one(pen.floats), pen.maybe(", requires_grad=True", 0.7)
        values = pen.values(shape, kind)
    elif draw < 0.93:
        dtype, wants = pen.one(INTS), pen.maybe(", requires_grad=True", 0.03)
        values = pen.values(shape, "int")
    else:
        dtype, wants, values = "bool", "", pen.values(shape, "bool")
    text = str(values).replace("inf", "float('inf')").replace("nan", "float('nan')")
    given = pen.maybe(f", dtype=torch.{dtype}", 0.9)
    return f"{name} = torch.tensor({text}{given}{wants})"


@rule(4)
def made(pen: Pen) -> str:
    """A tensor made by a creation function."""
    shape, name, dtype = pen.shape(), pen.new(), pen.dtype()
    wants = pen.maybe(", requires_grad=True", 0.5) if "float" in dtype else ""
    n = shape[0] if shape else 1
    made = pen.one(
        [f"ones({shape}", f"zeros({shape}", f"full({shape}, {pen.number()}", f"arange({n}", f"arange({pen.number()}, {n + 2}, {pen.one(['1', '0.5', '2'])}",
         f"linspace(0, {n}, {n + 1}", f"eye({n}", f"eye({n}, 2", f"logspace(0, 1, {n}", f"empty((0, {n})", f"tensor(range({n})", f"as_tensor([{n}, 1.5]"]
    )  # fmt: skip
    turned = (
        pen.maybe(pen.one([".t()", ".T", "[::2]", ".expand(2, *" + f"{name}.shape)"][:3]), 0.15) if len(shape) == 2 else ""
    )
    return f"{name} = torch.{made}{pen.maybe(f', dtype=torch.{dtype}', 0.7)}{wants}){turned}"


@rule(2)
def made_like(pen: Pen) -> str:
    t, name = pen.tensor(), pen.new()
    return f"{name} = " + pen.one(
        [f"torch.ones_like({t})", f"torch.zeros_like({t})", f"torch.full_like({t}, {pen.number()})", f"{t}.new_zeros({pen.shape()})",
         f"{t}.new_tensor([1.5, 2])", f"{t}.new_full((2,), {pen.number()})", f"torch.tensor({t})", f"torch.as_tensor({t})", f"torch.tensor([1.0, {t}])",
         f"torch.ones_like({t}, dtype=torch.float64, requires_grad=True)", f"{t}.new_ones((2, 3), dtype=torch.float32)"]
    )  # fmt: skip


@rule(12)
def unary(pen: Pen) -> str:
    t, name, op = pen.tensor(), pen.new(), pen.one(UNARY)
    return f"{name} = {t}.{op}()" if pen.often(0.6) or not hasattr(torch, op) else f"{name} = torch.{op}({t})"


@rule(12)
def operator(pen: Pen) -> str:
    t, op, name = pen.tensor(), pen.one(OPERATORS[:4] if pen.often(0.6) else OPERATORS), pen.new()
    other = pen.operand(t)
    return f"{name} = {t} {op} {other}" if pen.often(0.75) else f"{name} = {other} {op} {t}"


@rule(2)
def sign(pen: Pen) -> str:
    return f"{pen.new()} = {pen.one(['-', '~', '+'])}{pen.tensor()}"


@rule(8)
def binary(pen: Pen) -> str:
    t, op, name = pen.tensor(), pen.one(BINARY), pen.new()
    other = pen.operand(t)
    extra = pen.one([", alpha=2", f", alpha={pen.number()}"]) if op in ("add", "sub") and pen.often(0.3) else ""
    if op == "div" and pen.often(0.4):
        extra = f", rounding_mode={pen.one(['None', repr('trunc'), repr('floor')])}"
    if pen.often(0.5) and hasattr(torch.Tensor, op):
        return f"{name} = {t}.{op}({other}{extra})"
    return f"{name} = torch.{op}({t}, {other}{extra})"


@rule(5)
def several(pen: Pen) -> str:
    """Ops of three operands and of options."""
    t, name = pen.tensor(), pen.new()
    u, v, n = pen.fitting(t), pen.fitting(t), pen.number()
    return f"{name} = " + pen.one(
        [f"torch.where({t} > {pen.one(['0', '0.123'])}, {u}, {pen.operand(t)})", f"torch.where({t}, {u}, {n})", f"torch.addcmul({t}, {u}, {v}, value={n})",
         f"torch.addcdiv({t}, {u}, {v}, value={n})", f"torch.lerp({t}, {u}, {n})", f"torch.lerp({t}, {u}, {v})", f"{t}.clamp({n}, {pen.number()})",
         f"{t}.clamp(min={n})", f"{t}.clamp(max={u})", f"{t}.masked_fill({u} > 0.123, {n})", f"{t}.masked_fill({t} < 0.123, {u}.sum())",
         f"torch.addmm({t}, {u}, {v}, beta={n})", f"torch.baddbmm({t}, {u}, {v})", f"torch.addr({t}, {u}, {v})", f"{t}.nan_to_num({n}, posinf=2.0)",
         f"{t}.round(decimals=1)", f"torch.clip({t}, -1, 1)", f"torch.einsum('i,i', {t}, {u})", f"torch.einsum('ij,kj->ik', {t}, {u})",
         f"torch.einsum('...i->...', {t})", f"torch.tensordot({t}, {u}, dims=1)", f"torch.polygamma(1, {t})", f"{t}.pow({n})", f"{n} ** {t}"]
    )  # fmt: skip


@rule(8)
def reduction(pen: Pen) -> str:
    t, op, name = pen.tensor(), pen.one(REDUCTIONS), pen.new()
    if op == "norm" and pen.often(0.7):
        p = pen.one(["1", "2", "3", "0", "0.5", "float('inf')", "-float('inf')", "'fro'", "-1"])
        return f"{name} = {t}.norm({p}{pen.maybe(', dim=' + pen.dims(t))}{pen.maybe(', keepdim=True')})"
    arguments = []
    if pen.often(0.6):
        arguments.append(
            pen.maybe("dim=", 0.3)
            + (pen.dims(t) if op not in ("argmax", "argmin", "max", "min", "median", "aminmax") else pen.dim(t))
        )
        if pen.often(0.4):
            arguments.append("keepdim=True")
        if op == "aminmax":
            arguments = [f"dim={pen.dim(t)}"]
    if op in ("sum", "mean", "prod") and pen.often(0.2):
        arguments.append(f"dtype=torch.{pen.dtype()}")
    if op in ("std", "var", "std_mean", "var_mean") and pen.often(0.3):
        arguments.append(f"correction={pen.one([0, 1, 2, 0.5])}")
    given = ", ".join(arguments)
    return (
        f"{name} = {t}.{op}({given})"
        if pen.often(0.6) and hasattr(torch.Tensor, op)
        else f"{name} = torch.{op}({', '.join(filter(None, [t, given]))})"
    )


@rule(5)
def along(pen: Pen) -> str:
    """Ops along a dimension."""
    t, op, name = pen.tensor(), pen.one(ALONG), pen.new()
    if op in ("topk", "kthvalue"):
        return f"{name} = {t}.{op}({pen.integer(1, 2)}, {pen.dim(t)})"
    if op == "flip":
        return f"{name} = {t}.flip({pen.dims(t)})"
    if op == "glu":
        return f"{name} = F.glu({t}, {pen.dim(t)})"
    if op in ("sort", "argsort") and pen.often(0.3):
        return f"{name} = {t}.{op}(dim={pen.dim(t)}, stable=True)"
    extra = pen.one(["", ", descending=True"]) if op in ("sort", "argsort") else ""
    extra = ", dtype=torch.float64" if op in ("softmax", "cumsum") and pen.often(0.2) else extra
    return f"{name} = {t}.{op}({pen.maybe('dim=')}{pen.dim(t)}{extra})"


@rule(14)
def view(pen: Pen) -> str:
    t, name = pen.tensor(), pen.new()
    shape = tuple(pen.value(t).shape)
    n, d = len(shape), pen.dim(t)
    size = shape[int(d)] if -n <= int(d) < n else 1
    permuted = pen.rng.sample(range(n), n)
    return f"{name} = " + pen.one(
        [f"{t}.T", f"{t}.mT", f"{t}.t()", f"{t}.transpose({d}, {pen.dim(t)})", f"{t}.permute({', '.join(map(str, permuted))})", f"{t}.permute({tuple(permuted)})",
         f"{t}.view(-1)", f"{t}.reshape(-1)", f"{t}.reshape({shape[::-1]})", f"{t}.view({shape[::-1]})", f"{t}.flatten()", f"{t}.flatten({d})",
         f"{t}.unsqueeze({d})", f"{t}.squeeze()", f"{t}.squeeze({d})", f"{t}.expand(2, *{t}.shape)", f"{t}.expand({pen.shape()})", f"{t}.expand_as({pen.fitting(t)})",
         f"{t}.narrow({d}, {pen.integer(0, 1)}, {pen.integer(0, max(size - 1, 1))})", f"{t}.select({d}, {pen.integer(-1, 1)})", f"{t}.split({pen.integer(1, 2)}, {d})",
         f"{t}.split([1, {max(size - 1, 0)}], dim={d})", f"{t}.chunk(2, {d})", f"{t}.unbind({d})", f"{t}.diagonal()", f"{t}.diagonal(1)", f"{t}.movedim({d}, {pen.dim(t)})",
         f"{t}.swapaxes({d}, {pen.dim(t)})", f"{t}.view_as({t})", f"{t}.detach()", f"{t}.data", f"{t}.unflatten({d}, (1, -1))", f"torch.tensor_split({t}, 2, {d})",
         f"{t}[...]", f"{t}.broadcast_to((2, *{t}.shape))", f"{t}.contiguous()", f"{t}.repeat(2, *[1] * {t}.ndim)", f"{t}.tile((2,))", f"{t}.roll(1, {d})",
         f"{t}.rot90()", f"torch.atleast_2d({t})", f"torch.meshgrid({t}, {t}, indexing='ij')", f"torch.movedim({t}, {d}, 0)", f"{t}.adjoint()",
         f"{t}.squeeze({pen.dims(t)})", f"torch.ravel({t})", f"torch.flatten({t}, 0, -1)", f"{t}.view({t}.dtype)", f"{t}.reshape_as({pen.tensor()})"]
    )  # fmt: skip


@rule(8)
def get(pen: Pen) -> str:
    t = pen.tensor()
    return f"{pen.new()} = {t}[{pen.index(t)}]"


@rule(6)
def put(pen: Pen) -> str:
    t = pen.tensor()
    value = pen.one(
        [pen.number(), pen.tensor(), pen.number(), f"{pen.tensor()}.sum()", "np.float64(0.5)", "[1.0, 2.0, 3.0]"]
        if pen.often(0.3)
        else [pen.number(), pen.tensor()]
    )
    return f"{t}[{pen.index(t)}] = {value}"


@rule(5)
def gather(pen: Pen) -> str:
    """Ops that take indices."""
    t, name = pen.tensor(), pen.new()
    d, i, u = pen.dim(t), pen.whole() if pen.often(0.5) else "torch.tensor([0, 1])", pen.tensor()
    zeros = f"torch.zeros({t}.shape, dtype=torch.int64)"
    return f"{name} = " + pen.one(
        [f"{t}.gather({d}, {zeros})", f"{t}.gather({d}, {i})", f"{t}.index_select({d}, {i})", f"{t}.index_add({d}, torch.tensor([0]), {t}.narrow({d}, 0, 1))",
         f"{t}.index_fill({d}, torch.tensor([0, 0]), {pen.number()})", f"{t}.index_copy({d}, torch.tensor([0]), {u})", f"{t}.scatter({d}, {zeros}, {t})",
         f"{t}.scatter_add({d}, {zeros}, {t})", f"{t}.scatter({d}, {zeros}, {pen.number()})", f"{t}.take(torch.tensor([0, -1, 0]))", f"{t}.take_along_dim({zeros}, {d})",
         f"{t}.masked_select({t} > 0.123)", f"{t}.index_put((torch.tensor([0, 0]),), {u}, accumulate=True)", f"{t}.repeat_interleave(2, {d})",
         f"F.one_hot({i})", f"F.embedding({i}, {t})", f"{t}.put(torch.tensor([0, 1]), {u}, accumulate=True)", f"{t}.tril()", f"{t}.triu(1)", f"torch.diag_embed({t})",
         f"torch.bincount({i})", f"{t}.masked_scatter({t} > 0.123, {u})", f"F.pad({t}, (1, 0))", f"F.pad({t}, (0, -1), value={pen.number()})"]
    )  # fmt: skip


@rule(4)
def join(pen: Pen) -> str:
    t = pen.tensor()
    u = pen.fitting(t)
    return f"{pen.new()} = " + pen.one(
        [f"torch.cat([{t}, {u}])", f"torch.cat(({t}, {u}), dim={pen.dim(t)})", f"torch.stack([{t}, {u}])", f"torch.stack(({t}, {t}), {pen.dim(t)})",
         f"torch.hstack([{t}, {u}])", f"torch.vstack(({t}, {u}))", f"torch.cat([{t}])", f"torch.concat([{t}, {u}], -1)", f"torch.broadcast_tensors({t}, {u})",
         f"sum([{t}, {u}])", f"torch.cat([{t}, torch.tensor([])])", f"torch.column_stack(({t}, {u}))"]
    )  # fmt: skip


# ---- writes ----


@rule(7)
def unary_in_place(pen: Pen) -> str:
    return f"{pen.tensor()}.{pen.one(IN_PLACE)}()"


@rule(8)
def write(pen: Pen) -> str:
    t = pen.tensor()
    d, n, u, m = pen.dim(t), pen.number(), pen.fitting(t), pen.operand(t)
    if pen.often(0.35):
        return f"{t}.{pen.one(BINARY_IN_PLACE)}({m})"
    return pen.one(
        [f"{t}.copy_({u})", f"{t}.copy_({n})", f"{t}.fill_({n})", f"{t}.fill_({u}.sum())", f"{t}.clamp_(-1, 1)", f"{t}.masked_fill_({t} > 0.123, {n})",
         f"{t}.add_({u}, alpha={n})", f"{t}.addcmul_({u}, {u}, value=0.5)", f"{t}.lerp_({u}, 0.25)", f"{t}.unsqueeze_({d})", f"{t}.transpose_({d}, 0)",
         f"{t}.cumsum_({d})", f"{t}.index_add_({d}, torch.tensor([0]), {u})", f"{t}.scatter_({d}, torch.zeros({t}.shape, dtype=torch.int64), {n})",
         f"{t}.index_put_((torch.tensor([0, 0]),), {u}, accumulate=True)", f"{t}.data.mul_(0.5)", f"{t}.data = {u}.detach() * 2", f"{t}.grad.zero_()", f"{t}.swapaxes_({d}, 0)",
         f"{t}.tril_()", f"{t}.index_fill_({d}, torch.tensor([0]), {n})", f"{t}.masked_scatter_({t} > 0.123, {u})", f"{t}.resize_({pen.smaller(t)})",
         f"{t}.set_({u})", f"{t}.zero_()", f"{t}.detach_()", f"{t}.squeeze_({d})"]
    )  # fmt: skip


@rule(5)
def augmented(pen: Pen) -> str:
    t = pen.tensor()
    return f"{t} {pen.one(AUGMENTED[:4] if pen.often(0.7) else AUGMENTED)} {pen.operand(t)}"


@rule(2)
def augmented_part(pen: Pen) -> str:
    t = pen.tensor()
    return f"{t}[{pen.index(t)}] {pen.one(AUGMENTED[:4])} {pen.operand(t)}"


@rule(2)
def out(pen: Pen) -> str:
    t, target = pen.tensor(), pen.tensor()
    u, d = pen.fitting(t), pen.dim(t)
    return pen.one(
        [f"torch.add({t}, {u}, out={target})", f"torch.sin({t}, out={target})", f"torch.sum({t}, dim={d}, out={target})", f"torch.mul({t}, 2, out={target})",
         f"torch.matmul({t}, {u}, out={target})", f"torch.cat([{t}, {u}], out={target})", f"torch.gt({t}, 0.123, out={target})", f"torch.cumsum({t}, {d}, out={target})",
         f"torch.clamp({t}, 0, 1, out={target})", f"torch.add({t}, {t}, out={t})"]
    )  # fmt: skip
