"""Rules that move: between dtypes, to and from NumPy and Python, copies, files; random numbers, which must come alike."""

from __future__ import annotations

from .grammar import rule
from .pen import Pen


@rule(7)
def to(pen: Pen) -> str:
    t = pen.tensor()
    return f"{pen.new()} = " + pen.one(
        [f"{t}.float()", f"{t}.double()", f"{t}.half()", f"{t}.bfloat16()", f"{t}.long()", f"{t}.int()", f"{t}.bool()", f"{t}.to(torch.{pen.dtype()})", f"{t}.to({pen.tensor()})",
         f"{t}.type_as({pen.tensor()})", f"{t}.to('cpu')", f"{t}.to(torch.float64, copy=True)", f"{t}.to(dtype=torch.float32)", f"{t}.short()", f"{t}.cpu()"]
    )  # fmt: skip


@rule(4)
def to_python(pen: Pen) -> str:
    t = pen.tensor()
    return f"{pen.new()} = " + pen.one(
        [f"{t}.item()", f"{t}.tolist()", f"float({t})", f"int({t})", f"bool({t})", f"len({t})", f"list({t})", f"{t}.shape", f"{t}.size(0)", f"{t}.dtype", f"{t}.is_contiguous()", f"{t}.numel()",
         f"({t} > 0.123).any().item()", f"{t}.ndim", f"str({t}.dtype)", f"1.5 in {t}", f"{t}.dim()", f"[x.sum() for x in {t}]", f"{t}.nbytes", f"hash({t}) == id({t})", f"{t}.device",
         f"{t} is {t}.contiguous()", f"repr({t})", f"f'{{{t}}}'", f"{t}.grad_fn is None", f"{t}.grad_fn.name()", f"range({t})[0:1]"]
    )  # fmt: skip


@rule(4)
def numpy(pen: Pen) -> str:
    t = pen.tensor()
    shape = tuple(pen.value(t).shape)
    name = pen.new()
    return pen.one(
        [f"{name} = {t}.numpy()", f"{name} = {t}.detach().numpy()", f"{name} = np.asarray({t}.detach())", f"{name} = torch.from_numpy(np.arange(3.0))", f"{name} = {t} * np.ones({shape})",
         f"{name} = np.ones({shape}) * {t}", f"{name} = np.float64(2) * {t}", f"{name} = {t} == np.ones({shape})", f"{name} = torch.tensor(np.ones({shape}, dtype='float32'))", f"{name} = torch.as_tensor(np.arange(4))",
         f"{name} = {t} + np.float32(0.5)", f"{name} = np.array({t}.tolist())", f"{name} = {t} / np.int64(2)", f"{t} += np.float64(1)", f"{name} = np.sum({t}.detach().numpy())", f"{name} = {t}.numpy(force=True)",
         f"{name} = torch.from_numpy({t}.detach().numpy())", f"{t}.detach().numpy()[...] = 1", f"{name} = {t} - [1.0]", f"{name} = torch.tensor([np.float64(1), 2])", f"{name} = torch.maximum({t}, np.float64(0))"]
    )  # fmt: skip


@rule(5)
def copy(pen: Pen) -> str:
    t = pen.tensor()
    u, name = pen.tensor(), pen.new()
    return f"{name} = " + pen.one(
        [f"copy.copy({t})", f"copy.deepcopy({t})", f"copy.deepcopy([{t}, {u}])", f"pickle.loads(pickle.dumps({t}))", f"pickle.loads(pickle.dumps([{t}, {u}]))", f"{t}.clone().detach()", f"{t}.detach().clone().requires_grad_()",
         f"copy.deepcopy({{'x': {t}, 'y': {t}}})", f"(lambda file: (torch.save([{t}, {u}], file), file.seek(0), torch.load(file))[2])(io.BytesIO())", f"{t}.data.clone()", f"torch.clone({t})", f"nn.Parameter({t})",
         f"nn.Parameter({t}.detach(), requires_grad=False)", f"{t}.contiguous()"]
    )  # fmt: skip


@rule(5)
def random(pen: Pen) -> str:
    t, name, shape = pen.tensor(), pen.new(), pen.shape()
    return pen.one(
        [f"torch.manual_seed({pen.integer(0, 9)})", f"{name} = torch.rand({shape})", f"{name} = torch.randn({shape}, dtype=torch.float64, requires_grad=True)", f"{name} = torch.randint(0, 5, {shape})", f"{name} = torch.randperm(4)",
         f"{name} = torch.rand_like({t})", f"{name} = torch.randn_like({t})", f"{t}.normal_()", f"{t}.uniform_(-1, 1)", f"{name} = torch.bernoulli(torch.full({shape}, 0.3))", f"{t}.bernoulli_(0.5)",
         f"{name} = torch.multinomial(torch.tensor([0.2, 0.3, 0.5]), 2)", f"{t}.random_(0, 4)", f"{name} = torch.rand(3, generator=torch.Generator().manual_seed(1))", f"{name} = torch.normal(0.0, 1.0, {shape})",
         f"{name} = torch.normal({t}, 1.0)", f"{t}.exponential_()", f"{name} = F.dropout({t}, 0.5)", f"{name} = torch.get_rng_state()[:16]", f"{name} = torch.randint_like({t}, 3)", f"{t}.normal_(generator=torch.Generator().manual_seed(2))"]
    )  # fmt: skip
