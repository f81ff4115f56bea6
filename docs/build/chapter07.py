"""Chapter 7: derivatives are written in ops, so a backward can be recorded and differentiated again."""

import contextlib
import itertools
import types
from heapq import heappop, heappush

import numpy as np

mode = types.SimpleNamespace(recording=True)


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
        """Keep a value."""
        self.saved[name] = value

    def made(self, out):
        """The step is done, and out is its result."""
        self.shape, out.node = out.shape, self
        if "out" in self.asked:
            self.save("out", out)

    def run(self, g):
        """For each input that wants one: where its gradient goes, and the gradient. g is that of the result."""
        if self.saved is None:
            raise RuntimeError("backward was here before and freed what was kept: the first one needs retain_graph=True")
        known = {"g": g, **self.saved}
        return [(target, derivative(*[known[n] for n in names_of(derivative)])) for target, derivative in self.edges]


class Op:
    """A forward on arrays and, for each input by its name, a derivative; what that needs it names as its parameters."""

    def __init__(self, forward, **derivatives):
        self.forward, self.derivatives, self.names = forward, derivatives, names_of(forward)

    def __call__(self, *args):
        data = self.forward(*[x.data if isinstance(x, Tensor) else x for x in args])
        node = Node(self, args) if mode.recording and any(map(wants, args)) else None
        out = Tensor(data)
        if node is not None:
            node.made(out)
        return out

    def __get__(self, x, owner=None):
        return self if x is None else types.MethodType(self, x)


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
matmul = Op(lambda a, b: a @ b, a=lambda g, b: g @ transpose(b, -2, -1), b=lambda g, a: transpose(a, -2, -1) @ g)
sum_ = Op(lambda a, dim: a.sum(dim, keepdims=True), a=lambda g, a_shape: expand(g, a_shape))
expand = Op(lambda a, shape: np.broadcast_to(a, shape), a=lambda g: g)
reshape = Op(lambda a, shape: a.reshape(shape), a=lambda g, a_shape: reshape(g, a_shape))
transpose = Op(lambda a, dim0, dim1: np.swapaxes(a, dim0, dim1), a=lambda g, dim0, dim1: transpose(g, dim0, dim1))


class Tensor:
    """An array that knows how it was made."""

    __add__, __sub__, __mul__, __truediv__, __neg__, __matmul__ = add, sub, mul, div, neg, matmul
    __radd__, __rmul__, __rsub__, __array_ufunc__ = add, mul, lambda self, other: sub(other, self), None
    exp, log, sqrt, tanh, relu = exp, log, sqrt, tanh, relu
    expand, reshape, transpose = expand, reshape, transpose

    def __init__(self, data, requires_grad=False):
        self.data, self.grad, self.node, self.wanted = np.asarray(data, float), None, None, requires_grad

    shape = property(lambda self: self.data.shape)
    requires_grad = property(lambda self: self.wanted or self.node is not None)

    def detach(self):
        """The same memory without the history."""
        return Tensor(self.data)

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


if __name__ == "__main__":
    x = Tensor(3.0, requires_grad=True)
    y = x * x * x
    (first,) = grad(y, [x], create_graph=True)
    (second,) = grad(first, [x], create_graph=True)
    (third,) = grad(second, [x])
    print(f"x³ at 3: {y}; its derivatives 3x² = {first}, 6x = {second}, 6 = {third}")
    x = Tensor(1.0, requires_grad=True)
    for step in range(5):
        y = x * x - 2.0
        (slope,) = grad(y, [x])
        print(f"Newton's method, step {step}: x = {x.data:.12f}")
        x = Tensor(x.data - y.data / slope.data, requires_grad=True)
