"""Rules of training: layers, losses, optimizers, backward and grad, hooks, modes, Functions, checkpoint, transforms."""

from __future__ import annotations

import torch

from .grammar import rule
from .pen import Nothing, Pen

FUNCTIONALS = [f"F.{n}" for n in ["relu", "gelu", "silu", "elu", "selu", "celu", "leaky_relu", "sigmoid", "tanh", "softplus", "softsign", "hardtanh", "hardsigmoid", "hardswish", "relu6", "mish", "logsigmoid", "tanhshrink", "softshrink", "hardshrink", "softmin"]]  # fmt: skip
ACTIVATIONS = ["ReLU()", "Tanh()", "GELU()", "Sigmoid()", "Softplus()", "ELU()", "LeakyReLU(0.1)", "Softmax(dim=-1)", "LogSoftmax(-1)", "SiLU()",
               "Identity()", "Dropout(0.5)", "Hardtanh()", "ReLU(inplace=True)", "PReLU()", "Flatten()", "Threshold(0.1, 2.0)"]  # fmt: skip


@rule(4)
def activation(pen: Pen) -> str:
    t = pen.tensor()
    k = pen.rng.random()
    if k < 0.6:
        return f"{pen.new()} = {pen.one(FUNCTIONALS)}({t})"
    return f"{pen.new()} = " + pen.one(
        [f"F.softmax({t}, dim={pen.dim(t)})", f"F.log_softmax({t}, -1)", f"F.gelu({t}, approximate='tanh')", f"F.leaky_relu({t}, 0.2)", f"F.threshold({t}, 0.123, {pen.number()})",
         f"F.layer_norm({t}, {t}.shape[-1:])", f"F.normalize({t}, dim={pen.dim(t)})", f"F.dropout({t}, 0.5)", f"F.dropout({t}, 0.3, training=False)",
         f"F.batch_norm({t}, None, None, training=True)", f"F.linear({t}, {pen.tensor()})", f"F.cosine_similarity({t}, {pen.fitting(t)}, dim=-1)", f"F.rms_norm({t}, {t}.shape[-1:])",
         f"F.relu({t}, inplace=True)", f"F.group_norm({t}, 1)", f"F.prelu({t}, torch.tensor([0.25], dtype={t}.dtype))", f"F.softplus({t}, beta=2, threshold=1)", f"F.elu({t}, 0.5)"]
    )  # fmt: skip


@rule(5)
def loss(pen: Pen) -> str:
    t = pen.tensor()
    u = pen.fitting(t)
    reduction = pen.maybe(pen.one([", reduction='sum'", ", reduction='none'", ", reduction='mean'"]), 0.5)
    n = len(pen.value(t)) if pen.value(t).ndim else 1
    labels = f"torch.tensor({[pen.integer(0, 1) for _ in range(n)]})"
    return f"{pen.new()} = " + pen.one(
        [f"F.mse_loss({t}, {u}{reduction})", f"F.l1_loss({t}, {u}{reduction})", f"F.smooth_l1_loss({t}, {u}{reduction})", f"F.huber_loss({t}, {u}, delta=0.7{reduction})",
         f"F.cross_entropy({t}, {labels}{reduction})", f"F.cross_entropy({t}, {labels}, label_smoothing=0.1{reduction})", f"F.cross_entropy({t}, {t}.softmax(-1){reduction})",
         f"F.cross_entropy({t}, {labels}, ignore_index=1{reduction})", f"F.cross_entropy({t}, {labels}, weight=torch.ones({t}.shape[-1], dtype={t}.dtype){reduction})",
         f"F.nll_loss({t}, {labels}{reduction})", f"F.binary_cross_entropy_with_logits({t}, {u}{reduction})", f"F.binary_cross_entropy({t}.sigmoid(), {u}{reduction})",
         f"F.kl_div({t}, {u}{reduction})", f"nn.MSELoss()({t}, {u})", f"nn.CrossEntropyLoss()({t}, {labels})", f"nn.BCEWithLogitsLoss()({t}, {u})", f"nn.L1Loss(reduction='sum')({t}, {u})"]
    )  # fmt: skip


# ---- modules ----


@rule(4)
def module(pen: Pen) -> str:
    if len(pen.all_of(torch.nn.Module)) > 2:
        raise Nothing
    n, k = pen.one([3, 3, 2, 1, 4]), pen.integer(1, 3)
    dtype = pen.maybe(f", dtype=torch.{pen.one(pen.floats)}", 0.8)
    return f"{pen.new()} = " + pen.one(
        [f"nn.Linear({n}, {k}{dtype})", f"nn.Linear({n}, {k}, bias=False{dtype})", f"nn.Sequential(nn.Linear({n}, {k}{dtype}), nn.{pen.one(ACTIVATIONS)}, nn.Linear({k}, 2{dtype}))",
         f"nn.BatchNorm1d({n}{dtype})", f"nn.LayerNorm({n}{dtype})", f"nn.Embedding({n}, {k}{dtype})", f"nn.{pen.one(ACTIVATIONS)}", f"nn.BatchNorm1d({n}, affine=False, momentum=None)",
         f"nn.Sequential(nn.Linear({n}, {n}{dtype}), nn.BatchNorm1d({n}{dtype}), nn.ReLU())", f"nn.ModuleList([nn.Linear({n}, {n}), nn.Dropout(0.3)])", f"nn.GroupNorm(1, {n}{dtype})",
         f"nn.Parameter({pen.tensor()})", f"nn.Bilinear({n}, {n}, {k})"]
    )  # fmt: skip


@rule(7)
def call(pen: Pen) -> str:
    m, t = pen.named(torch.nn.Module), pen.tensor()
    if pen.often(0.5):
        t += pen.one([".double()", ".float()", f".reshape(-1, {t}.shape[-1])"])
    return f"{pen.new()} = {m}({t})"


@rule(5)
def use_module(pen: Pen) -> str:
    m = pen.named(torch.nn.Module)
    text = pen.one(
        ["{m}.eval()", "{m}.train()", "{m}.double()", "{m}.float()", "{m}.half()", "{m}.zero_grad()", "{m}.zero_grad(set_to_none=False)", "{m}.requires_grad_(False)",
         "{new} = {m}.state_dict()", "{m}.load_state_dict({m}.state_dict())", "{new} = copy.deepcopy({m})", "{new} = list({m}.parameters())", "{new} = [n for n, _ in {m}.named_parameters()]",
         "{m}.weight.data *= 2", "{m}.bias = None", "{new} = {m}.weight", "{new} = {m}.weight.grad", "{new} = {m}.weight.t()", "{m}.weight.requires_grad = False", "nn.init.ones_({m}.weight)",
         "nn.init.normal_({m}.weight)", "nn.init.xavier_uniform_({m}.weight)", "nn.utils.clip_grad_norm_({m}.parameters(), 0.5)", "nn.utils.clip_grad_value_({m}.parameters(), 0.1)",
         "{new} = repr({m})", "{m}.register_forward_hook(lambda m, x, y: see(y))", "{m}.register_forward_hook(lambda m, x, y: y * 2)", "{m}.register_forward_pre_hook(lambda m, x: (x[0] * 2,))",
         "{m}.register_full_backward_hook(lambda m, gi, go: seen.extend(g.clone() for g in (*gi, *go) if g is not None))", "{m}.register_buffer('extra', torch.ones(2))",
         "{m}.to(torch.float64)", "{m}.apply(lambda m: seen.append(type(m).__name__))", "{m}.weight = nn.Parameter({m}.weight * 2)", "{new} = sum(p.sum() for p in {m}.parameters())",
         "{new} = nn.utils.parameters_to_vector({m}.parameters())", "{new} = pickle.loads(pickle.dumps({m}))", "{new} = torch.func.functional_call({m}, dict({m}.named_parameters()), (torch.ones(2, 3),))"]
    )  # fmt: skip
    return text.replace("{m}", m).replace("{new}", pen.new())


# ---- optimizers ----

OPTIMIZERS = [
    "SGD({p}, lr=0.1)", "SGD({p}, lr=0.1, momentum=0.9)", "SGD({p}, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01)", "Adam({p}, lr=0.01)", "Adam({p})",
    "AdamW({p}, lr=0.01, amsgrad=True)", "Adam({p}, lr=0.01, weight_decay=0.1, maximize=True)", "AdamW({p}, betas=(0.5, 0.9), eps=1e-3)", "SGD({p}, lr=-1)", "Adam({p}, betas=(1.0, 0.9))",
]  # fmt: skip


@rule(3)
def optimizer(pen: Pen) -> str:
    if len(pen.all_of(torch.optim.Optimizer)) > 1:
        raise Nothing
    if pen.often(0.5):
        p = f"{pen.named(torch.nn.Module)}.parameters()"
    else:
        p = (
            f"[{pen.tensor(lambda t: t.requires_grad)}]"
            if pen.often(0.8)
            else pen.one(["[]", f"[{pen.tensor()}]", pen.tensor()])
        )
    return f"{pen.new()} = torch.optim.{pen.one(OPTIMIZERS).format(p=p)}"


@rule(7)
def use_optimizer(pen: Pen) -> str:
    o = pen.named(torch.optim.Optimizer)
    text = pen.one(
        ["{o}.step()"] * 6 + ["{o}.zero_grad()"] * 3 + ["{o}.zero_grad(set_to_none=False)", "{new} = {o}.state_dict()", "{o}.load_state_dict({o}.state_dict())", "{o}.param_groups[0]['lr'] = 0.5",
         "{o}.param_groups[0]['weight_decay'] = 0.1", "{o}.add_param_group({{'params': [{t}], 'lr': 0.2}})", "{new} = {o}.step(lambda: {t}.sum())", "{new} = repr({o})", "{new} = len({o}.state)",
         "{new} = copy.deepcopy({o})"]
    )  # fmt: skip
    return text.format(
        o=o, new=pen.new() if "{new}" in text else "", t=pen.tensor(lambda t: t.requires_grad) if "{t}" in text else ""
    )


# ---- backward ----


def scalar(pen: Pen, t: str) -> str:
    """A number made of the tensor."""
    return pen.one([f"{t}.sum()", f"{t}.sum()", f"({t} * {t}).sum()", f"{t}.mean()", f"({t} ** 2).mean()", f"{t}.norm()"])


@rule(13)
def backward(pen: Pen) -> str:
    t = pen.tensor(lambda t: t.requires_grad)
    retain = pen.maybe(pen.one(["retain_graph=True", "retain_graph=True", "create_graph=True"]), 0.5)
    if pen.often(0.6):
        return f"{scalar(pen, t)}.backward({retain})"
    u = pen.tensor(lambda t: t.requires_grad)
    return pen.one(
        [f"{t}.backward({retain})", f"{t}.backward(torch.ones_like({t}){', ' + retain if retain else ''})", f"{t}.backward(gradient=2 * torch.ones({t}.shape, dtype={t}.dtype))",
         f"{t}.sum().backward(inputs=[{u}]{', ' + retain if retain else ''})", f"{t}.sum().backward(inputs=({u}, {t}))", f"torch.autograd.backward([{t}.sum(), {u}.sum()])",
         f"torch.autograd.backward([{t}, {u}], [torch.ones_like({t}), torch.ones_like({u})])", f"torch.autograd.backward({t}, {u})", f"torch.autograd.backward([{t}, {u}], [None, None])",
         f"{t}.backward({u}.detach())", f"({t}.sum() + {u}.sum()).backward({retain})"]
    )  # fmt: skip


@rule(9)
def grad(pen: Pen) -> str:
    t, u, name = (pen.tensor(lambda t: t.requires_grad) for _ in range(2)), None, pen.new()
    t, u = t
    options = "".join(pen.maybe(f", {o}", 0.4) for o in ("allow_unused=True", "create_graph=True", "retain_graph=True"))
    return f"{name} = torch.autograd." + pen.one(
        [f"grad({scalar(pen, t)}, {u}{options})", f"grad({scalar(pen, t)}, [{u}]{options})", f"grad({scalar(pen, t)}, ({u}, {t}){options})", f"grad({t}, {u}, torch.ones_like({t}){options})",
         f"grad([{t}.sum(), {u}.sum()], [{u}]{options})", f"grad({t}, {t}, grad_outputs=2 * torch.ones_like({t}){options})", f"grad({t}.sum(), {u}, materialize_grads=True)",
         f"grad({t}, {u}, {u}{options})"]
    )  # fmt: skip


@rule(3)
def penalty(pen: Pen) -> str:
    """The gradient of a gradient."""
    t = pen.tensor(lambda t: t.requires_grad)
    f = pen.one(["({t} ** 3).sum()", "{t}.sin().sum()", "({t} * {t}.exp()).sum()", "{t}.softmax(-1).square().sum()", "F.relu({t}).sum()", "{t}.prod()", "{t}.norm()", "F.layer_norm({t}, {t}.shape[-1:]).exp().sum()",
                 "{t}.std()", "F.gelu({t}).sum()", "F.mse_loss({t}, {t}.detach() + 1)", "{t}.cumsum(-1).square().mean()", "{t}.abs().sum()", "{t}.logsumexp(-1).sum()", "{t}.max()", "{t}.amax(-1).sum()"])  # fmt: skip
    return f"{pen.new()} = torch.autograd.grad({f.format(t=t)}, {t}, create_graph=True)[0]"


@rule(6)
def flags(pen: Pen) -> str:
    t = pen.tensor()
    return pen.one(
        [f"{t}.requires_grad_()", f"{t}.requires_grad_(False)", f"{t}.requires_grad = True", f"{t}.requires_grad = False", f"{t}.retain_grad()", f"{t}.grad = None", f"{t}.grad = torch.ones_like({t})",
         f"{t}.grad = {pen.tensor()}", f"del {t}.grad" if "." not in t and "[" not in t else f"{t}.grad = None", f"{pen.new()} = {t}.grad", f"{pen.new()} = {t}.is_leaf, {t}.requires_grad", f"{pen.new()} = {t}.retains_grad"]
    )  # fmt: skip


# ---- hooks ----


@rule(5)
def hook(pen: Pen) -> str:
    t = pen.tensor(lambda t: t.requires_grad)
    return pen.one(
        [f"{t}.register_hook(see)", f"{t}.register_hook(see_and_double)", f"{t}.register_hook(lambda g: g + 1)", f"{t}.register_hook(lambda g: None)", f"{pen.new()} = {t}.register_hook(see)",
         f"{t}.register_post_accumulate_grad_hook(lambda t: see(t.grad))", f"{t}.grad_fn.register_hook(lambda gi, go: [see(g) for g in go if g is not None] and None)",
         f"{t}.grad_fn.register_prehook(lambda go: [see(g) for g in go if g is not None] and None)", f"{t}.grad_fn.register_prehook(lambda go: tuple(None if g is None else g * 2 for g in go))", f"{t}.register_hook(lambda g: g.float())",
         f"{t}.register_hook(lambda g: g.sum())", f"{t}.register_post_accumulate_grad_hook(lambda t: t.mul_(2))", f"{t}.grad_fn.register_hook(lambda gi, go: tuple(None if g is None else g * 3 for g in gi))",
         f"{t}.register_hook(lambda g: 1 / 0)"]
    )  # fmt: skip


@rule(1)
def remove(pen: Pen) -> str:
    handles = [n for n, v in pen.names.items() if hasattr(v, "remove") and hasattr(v, "hooks_dict_ref")]
    if not handles:
        raise Nothing
    return f"{pen.one(handles)}.remove()"


# ---- modes ----


@rule(5)
def mode(pen: Pen) -> str:
    t = pen.tensor()
    u, name = pen.fitting(t), pen.new()
    inside = pen.one([f"{name} = {t} * 2", f"{name} = {t}[0]", f"{t}.mul_(2)", f"{name} = {t} + {u}", f"{name} = {t}.view(-1)", f"{t}.requires_grad_()", f"{name} = {t}.detach()", f"{name} = torch.ones(3)", f"{t}.sum().backward()",
                      f"{name} = {t}.numpy()", f"{name} = Cube.apply({t})", f"{name} = nn.Linear(3, 2)"])  # fmt: skip
    if "nn." in inside:
        return f"with torch.no_grad(): {inside}"
    return f"with torch.{pen.one(['no_grad()', 'no_grad()', 'inference_mode()', 'enable_grad()', 'set_grad_enabled(False)'])}: {inside}"


@rule(1)
def switch(pen: Pen) -> str:
    return pen.one(
        [
            "torch.set_grad_enabled(False)",
            "torch.set_grad_enabled(True)",
            "torch.set_grad_enabled(True)",
            f"{pen.new()} = torch.is_grad_enabled()",
        ]
    )


@rule(4)
def function(pen: Pen) -> str:
    t = pen.tensor()
    u, name = pen.fitting(t), pen.new()
    return pen.one(
        [f"{name} = Cube.apply({t})", f"{name} = Both.apply({t}, {u})", f"{name} = Both.apply({t}, {u}, {pen.integer(1, 3)})", f"{name} = Scaled.apply({t}, 2)", f"{name} = Shifted.apply({t})",
         f"{name} = Shifted.apply({t}, 3)", f"{name} = Both.apply({t}, 2.0)", f"{name} = Both.apply({t}, {u})[1]"]
    )  # fmt: skip


@rule(3)
def again(pen: Pen) -> str:
    """Checkpoint, and hooks on what is saved."""
    t = pen.tensor()
    name = pen.new()
    f = pen.one(
        [
            "lambda t: (t * 2).sin()",
            "lambda t: t.exp() * t",
            "lambda t: F.dropout(t, 0.5)",
            "lambda t: Cube.apply(t)",
            "lambda t: t.mul(2)[0]",
        ]
    )
    modules = pen.all_of(torch.nn.Module)
    if modules and pen.often(0.4):
        f = pen.one(modules)
    return pen.one(
        [f"{name} = checkpoint({f}, {t}, use_reentrant=False)", f"{name} = checkpoint({f}, {t}, use_reentrant=True)", f"{name} = checkpoint({f}, {t}, use_reentrant=False)",
         f"with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t): {name} = {t} * {t}.sin()", f"with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t * 2): {name} = {t}.exp()",
         f"with torch.autograd.graph.save_on_cpu(): {name} = {t} * {t}"]
    )  # fmt: skip


@rule(3)
def transform(pen: Pen) -> str:
    t = pen.tensor()
    f = pen.one(
        [
            "lambda x: (x ** 3).sum()",
            "lambda x: x.sin().sum()",
            "lambda x: (x * x.detach()).sum()",
            "lambda x: x.softmax(-1).square().sum()",
        ]
    )
    g = pen.one(
        [
            "lambda x: x.t()",
            "lambda x: x.sin()",
            "lambda x: x.flip(0)",
            "lambda x: x.sum(0)",
            "lambda x: (x.sum(), x * 2)",
            "lambda x: x.expand(2, *x.shape)",
            f,
        ]
    )
    return f"{pen.new()} = torch." + pen.one(
        [f"func.grad({f})({t})", f"func.grad_and_value({f})({t})", f"func.vjp({g}, {t})[0]", f"func.jacrev({g})({t})", f"func.jacfwd({g})({t})", f"func.hessian({f})({t})", f"autograd.functional.jacobian({g}, {t})",
         f"autograd.functional.hessian({f}, {t})", f"autograd.functional.vjp({g}, {t}, {t})", f"func.jvp({g}, ({t},), ({t},))[0]", f"autograd.functional.vhp({f}, {t}, {t})", f"autograd.functional.hvp({f}, {t}, {t})"]
    )  # fmt: skip
