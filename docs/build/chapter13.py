"""Chapter 13: BatchNorm and Dropout, which do one thing in training and another in use; and the digits are read."""

import contextlib
import itertools
import types
from heapq import heappop, heappush
from pathlib import Path

import numpy as np

mode = types.SimpleNamespace(recording=True)
rng = np.random.default_rng(0)


@contextlib.contextmanager
def set_grad_enabled(on=False):
    """A block in which calls are recorded, or are not."""
    before, mode.recording = mode.recording, on
    try:
        yield
    finally:
        mode.recording = before


no_grad = set_grad_enabled


def names_of(function):
    """The names of a function's parameters."""
    return function.__code__.co_varnames[: function.__code__.co_argcount]


def wants(x):
    """Whether an argument is to get a gradient."""
    return isinstance(x, Tensor) and x.requires_grad


class Node:
    """A step that was computed: where its gradients go, and what its derivatives will need."""

    births = itertools.count()

    def __init__(self, op, args):
        named = dict(zip(op.names, args))
        self.op, self.birth, self.saved = op, next(Node.births), {}
        self.edges = [(named[n].node or named[n], d) for n, d in op.derivatives.items() if wants(named[n])]
        self.asked = {name for _, derivative in self.edges for name in names_of(derivative)}
        for name in self.asked - {"g", "out"}:
            x = named[name.removesuffix("_shape")]
            self.save(name, x.shape if name.endswith("_shape") else x)

    def save(self, name, value):
        """Keep a value and, of a tensor, how often its memory has been written to so far."""
        self.saved[name] = value, value.memory.version if isinstance(value, Tensor) else None

    def made(self, out):
        """The step is done, and out is its result."""
        self.shape, out.made_by = out.shape, self
        if "out" in self.asked:
            self.save("out", out)

    def run(self, g):
        """For each input that wants one: where its gradient goes, and the gradient. g is that of the result."""
        if self.saved is None:
            raise RuntimeError("backward was here before and freed what was kept: the first one needs retain_graph=True")
        for name, (value, version) in self.saved.items():
            if version is not None and value.memory.version != version:
                raise RuntimeError(f"{name!r}, which was kept for backward, has been overwritten since")
        known = {"g": g} | {name: value for name, (value, _) in self.saved.items()}
        return [(target, derivative(*[known[n] for n in names_of(derivative)])) for target, derivative in self.edges]


class Op:
    """A forward on arrays and, for each input by its name, a derivative; what that needs it names as its parameters."""

    def __init__(self, forward, **derivatives):
        self.forward, self.derivatives, self.names = forward, derivatives, names_of(forward)

    def __call__(self, *args, into=None):
        data = self.forward(*[x.data if isinstance(x, Tensor) else x for x in args])
        node = Node(self, args) if mode.recording and any(map(wants, args)) else None
        out = Tensor(data) if into is None else into.overwrite(data)
        if into is None and isinstance(args[0], Tensor) and np.may_share_memory(data, args[0].data):
            out.show(self, args)
        if node is not None:
            node.made(out)
        return out

    def __get__(self, x, owner=None):
        return self if x is None else types.MethodType(self, x)


def places_in(shape):
    """A table: the number of each place."""
    return np.arange(np.prod(shape, dtype=int)).reshape(shape)


def add_at(a, at, shape):
    """Zeros, to which each element of a is added in its place."""
    return np.bincount(np.ravel(at), np.ravel(a), np.prod(shape, dtype=int)).reshape(shape)


add = Op(lambda a, b: a + b, a=lambda g: g, b=lambda g: g)
sub = Op(lambda a, b: a - b, a=lambda g: g, b=lambda g: -g)
mul = Op(lambda a, b: a * b, a=lambda g, b: g * b, b=lambda g, a: g * a)
div = Op(lambda a, b: a / b, a=lambda g, b: g / b, b=lambda g, a, b: -g * (a / b / b))
neg = Op(lambda a: -a, a=lambda g: -g)
exp = Op(lambda a: np.exp(a), a=lambda g, out: g * out)
log = Op(lambda a: np.log(a), a=lambda g, a: g / a)
sqrt = Op(lambda a: np.sqrt(a), a=lambda g, out: g / (2 * out))
tanh = Op(lambda a: np.tanh(a), a=lambda g, out: g * (1 - out * out))
relu = Op(lambda a: np.maximum(a, 0), a=lambda g, out: g * (out.data > 0))
clone = Op(lambda a: a.copy(), a=lambda g: g)
matmul = Op(lambda a, b: a @ b, a=lambda g, b: g @ transpose(b, -2, -1), b=lambda g, a: transpose(a, -2, -1) @ g)
sum_ = Op(lambda a, dim: a.sum(dim, keepdims=True), a=lambda g, a_shape: expand(g, a_shape))
expand = Op(lambda a, shape: np.broadcast_to(a, shape), a=lambda g: g)
reshape = Op(lambda a, shape: a.reshape(shape), a=lambda g, a_shape: reshape(g, a_shape))
transpose = Op(lambda a, dim0, dim1: np.swapaxes(a, dim0, dim1), a=lambda g, dim0, dim1: transpose(g, dim0, dim1))
index = Op(lambda a, where: a[where], a=lambda g, where, a_shape: scatter(g, places_in(a_shape)[where], a_shape))
part = Op(lambda a, at: a.reshape(-1)[at], a=lambda g, at, a_shape: scatter(g, at, a_shape))
scatter = Op(add_at, a=lambda g, at: part(g, at))
copy = Op(lambda a, b: np.broadcast_to(b, a.shape), a=lambda g: g * 0, b=lambda g: g)
written = Op(lambda a, b, at: a, a=lambda g, at: g - scatter(part(g, at), at, g.shape), b=lambda g, at: part(g, at))


def in_place(op):
    """The method that writes an op's result into its first argument."""
    return lambda self, *args: self.write(op, *args)


class Tensor:
    """An array that knows how it was made."""

    __add__, __sub__, __mul__, __truediv__, __neg__, __matmul__ = add, sub, mul, div, neg, matmul
    __radd__, __rmul__, __rsub__, __array_ufunc__ = add, mul, lambda self, other: sub(other, self), None
    exp, log, sqrt, tanh, relu, clone = exp, log, sqrt, tanh, relu, clone
    expand, reshape, transpose = expand, reshape, transpose
    add_, sub_, mul_, div_, exp_, tanh_, relu_, copy_ = map(in_place, (add, sub, mul, div, exp, tanh, relu, copy))

    def __init__(self, data, requires_grad=False, memory=None):
        self.data, self.grad, self.made_by, self.wanted = np.asarray(data, float), None, None, requires_grad
        self.base, self.memory = None, memory or types.SimpleNamespace(version=0)

    shape = property(lambda self: self.data.shape)
    requires_grad = property(lambda self: self.wanted or self.node is not None)

    @property
    def node(self):
        """The step that made it. A view of memory that was written to since is a part of what its base is now."""
        if self.base is not None and self.seen != self.memory.version:
            self.made_by, self.seen = None, self.memory.version
            if self.base.requires_grad:
                Node(part, (self.base, self.places())).made(self)
        return self.made_by

    def show(self, op, args):
        """This is a view: what the op picks from the memory of its first argument."""
        self.base, self.memory = args[0].base or args[0], args[0].memory
        self.picked, self.seen = (op, *args), self.memory.version

    def places(self):
        """Where its elements lie in its base: what made the view, done to a table of places."""
        if self.base is None:
            return places_in(self.shape)
        op, x, *options = self.picked
        return op.forward(x.places(), *options)

    def detach(self):
        """The same memory without the history."""
        return Tensor(self.data, memory=self.memory)

    def overwrite(self, data):
        """Write into this memory, and give another tensor that shows it."""
        if data.shape != self.shape:
            raise RuntimeError(f"a result of shape {data.shape} cannot be written into a tensor of shape {self.shape}")
        self.data[...] = data
        self.memory.version += 1
        return self.detach()

    def write(self, op, *args):
        """The in-place form of an op: its result goes into this memory, and this tensor takes over its history."""
        base = self.base or self
        if mode.recording and base.requires_grad and base.node is None:
            raise RuntimeError("a leaf that wants a gradient may be written to under no_grad() only: clone() it first")
        before = base.clone()
        out = op(before if base is self else part(before, self.places()), *args, into=self)
        if out.node is not None:
            base.made_by = out.node if base is self else written(before, out, self.places()).node
        return self

    def backward(self, g=1.0, retain_graph=False, create_graph=False):
        """Add to the .grad of each leaf what comes to it when this tensor's gradient is g."""
        for leaf, arrived in walk(self, g, retain_graph, create_graph).items():
            leaf.grad = arrived + (0.0 if leaf.grad is None else leaf.grad)

    def sum(self, dim=None, keepdim=False):
        """Over one dimension, several, or all."""
        out = sum_(self, dim)
        return out if keepdim else out.reshape(out.data.squeeze(dim).shape)

    def mean(self, dim=None, keepdim=False):
        """The sum, divided by how many were added."""
        total = self.sum(dim, keepdim)
        return total * (total.data.size / self.data.size)

    def __getitem__(self, where):
        return index(self, (*where, ...) if isinstance(where, tuple) else (where, ...))

    def __setitem__(self, where, value):
        if self[where].base is None:
            raise TypeError("numbers and slices pick a part that can be written to; arrays pick a copy")
        self[where].copy_(value)

    def __repr__(self):
        return f"tensor({np.array2string(self.data, precision=4, separator=', ', prefix='tensor(')})"


def walk(root, g, retain_graph=False, create_graph=False):
    """The gradient of each leaf, when that of root is g: from root on, the youngest step first."""
    if not root.requires_grad:
        raise RuntimeError("this tensor wants no gradient, and was made of nothing that does")
    grads = {root.node or root: g if isinstance(g, Tensor) else Tensor(np.full(root.shape, g))}
    heap = [(-root.node.birth, root.node)] if root.node else []
    with set_grad_enabled(create_graph):
        while heap:
            node = heappop(heap)[1]
            for target, g in node.run(grads.pop(node)):
                if target not in grads and isinstance(target, Node):
                    heappush(heap, (-target.birth, target))
                g = reduced(g, target.shape)
                grads[target] = grads[target] + g if target in grads else g
            if not (retain_graph or create_graph) and node.saved.keys() & {"out", *node.op.derivatives}:
                node.saved = None  # (where only shapes and options were kept it may run again)
    return grads


def grad(root, leaves, create_graph=False):
    """The gradients of these leaves; added to no .grad."""
    return list(map(walk(root, 1.0, create_graph=create_graph).get, leaves))


def reduced(g, shape):
    """A gradient in its receiver's shape: summed over what broadcasting has repeated."""
    new = len(g.shape) - len(shape)
    repeated = tuple(d for d, n in enumerate(g.shape) if d < new or (shape[d - new] == 1 and n > 1))
    return reshape(sum_(g, repeated), shape) if repeated else g


class Module:
    """A piece of a network: it holds tensors and other modules, and is called."""

    training = True

    def modules(self):
        """This one and all within it."""
        parts = [x for value in vars(self).values() for x in (value if isinstance(value, list) else [value])]
        return [self, *[m for part in parts if isinstance(part, Module) for m in part.modules()]]

    def parameters(self):
        """The tensors in it that want gradients."""
        return [x for module in self.modules() for x in vars(module).values() if wants(x)]

    def train(self, on=True):
        """From now on as in training; with False, as in use."""
        for module in self.modules():
            module.training = on


class Linear(Module):
    """x Wᵀ + b"""

    def __init__(self, in_features, out_features):
        bound = in_features**-0.5
        self.weight = Tensor(rng.uniform(-bound, bound, (out_features, in_features)), requires_grad=True)
        self.bias = Tensor(rng.uniform(-bound, bound, out_features), requires_grad=True)

    def __call__(self, x):
        return x @ self.weight.transpose(0, 1) + self.bias


class BatchNorm1d(Module):
    """(x − mean) / √(variance + ε) · weight + bias: of the batch in training, of all that was seen in use."""

    def __init__(self, features, eps=1e-5, momentum=0.1):
        self.eps, self.momentum = eps, momentum
        self.weight, self.bias = Tensor(np.ones(features), True), Tensor(np.zeros(features), True)
        self.running_mean, self.running_var = Tensor(np.zeros(features)), Tensor(np.ones(features))

    def __call__(self, x):
        mean, var = self.running_mean, self.running_var
        if self.training:
            mean = x.mean(0)
            var = ((x - mean) * (x - mean)).mean(0)
            with no_grad():
                self.running_mean.add_(self.momentum * (mean - self.running_mean))
                self.running_var.add_(self.momentum * (var * (len(x.data) / (len(x.data) - 1)) - self.running_var))
        return (x - mean) / (var + self.eps).sqrt() * self.weight + self.bias


class Dropout(Module):
    """In training each number is 0 with probability p, and what is left is divided by 1 − p."""

    def __init__(self, p=0.5):
        self.p = p

    def __call__(self, x):
        return x * ((rng.random(x.shape) >= self.p) / (1 - self.p)) if self.training else x


class Sequential(Module):
    """One layer after another; a layer is what can be called."""

    def __init__(self, *layers):
        self.layers = list(layers)

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


def cross_entropy(scores, labels):
    """The mean of −log p of the right label, p = exp(score) / Σ exp(scores)."""
    shifted = scores - scores.data.max(1, keepdims=True)
    log_p = shifted - shifted.exp().sum(1, keepdim=True).log()
    return -log_p[np.arange(len(labels)), labels].mean()


class SGD:
    """θ ← θ − lr · g"""

    def __init__(self, parameters, lr):
        self.parameters, self.lr, self.state = parameters, lr, {}

    def zero_grad(self):
        """Forget the gradients: backward adds to them."""
        for p in self.parameters:
            p.grad = None

    def step(self):
        """Move each parameter."""
        with no_grad():
            for p in self.parameters:
                p.sub_(self.lr * self.direction(p, p.grad))

    def direction(self, p, g):
        """Where its gradient points."""
        return g


class Adam(SGD):
    """θ ← θ − lr · m̂ / (√v̂ + ε): m and v are running averages of g and g²."""

    def direction(self, p, g, beta1=0.9, beta2=0.999, eps=1e-8):
        """m̂ / (√v̂ + ε)"""
        t, m, v = self.state.get(p, (0, 0.0, 0.0))
        self.state[p] = t, m, v = t + 1, beta1 * m + (1 - beta1) * g, beta2 * v + (1 - beta2) * g * g
        return m / (1 - beta1**t) / ((v / (1 - beta2**t)).sqrt() + eps)


def read_digits(epochs=10):
    """Train a network on 1,438 images of 8 × 8 pixels; how many per cent it reads right of 359 that it has not seen."""
    with np.load(Path(__file__).parents[2] / "minitorch/datasets/digits.npz") as file:
        images, labels = file["images"].reshape(-1, 64) / 16, file["labels"].astype(int)
    held_out = np.arange(len(labels)) % 5 == 4
    model = Sequential(Linear(64, 128), BatchNorm1d(128), relu, Dropout(0.2), Linear(128, 10))
    optimizer = Adam(model.parameters(), lr=0.005)
    for epoch in range(1, epochs + 1):
        model.train()
        for rows in np.array_split(rng.permutation(np.flatnonzero(~held_out)), 22):
            loss = cross_entropy(model(Tensor(images[rows])), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.train(False)
        right = 100 * np.mean(model(Tensor(images[held_out])).data.argmax(1) == labels[held_out])
        print(f"epoch {epoch:2}  loss {loss.data:.4f}  test accuracy {right:.2f} %")
    return right


if __name__ == "__main__":
    read_digits()
