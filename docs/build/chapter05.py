"""Chapter 5: where an input was repeated to fit, its gradient is the sum over the copies."""

import itertools
import types
from heapq import heappop, heappush

import numpy as np


def names_of(function):
    """The names of a function's parameters."""
    return function.__code__.co_varnames[: function.__code__.co_argcount]


def wants(x):
    """Whether an argument is to get a gradient."""
    return isinstance(x, Tensor)


class Node:
    """A step that was computed: where its gradients go, and what its derivatives will need."""

    births = itertools.count()

    def __init__(self, op, args):
        named = dict(zip(op.names, args))
        self.birth, self.saved = next(Node.births), {}
        self.edges = [(named[n].node or named[n], d) for n, d in op.derivatives.items() if wants(named[n])]
        self.asked = {name for _, derivative in self.edges for name in names_of(derivative)}
        for name in self.asked - {"g", "out"}:
            x = named[name.removesuffix("_shape")]
            self.save(name, x.shape if name.endswith("_shape") else x)

    def save(self, name, value):
        """Keep a value."""
        self.saved[name] = value.data if isinstance(value, Tensor) else value

    def made(self, out):
        """The step is done, and out is its result."""
        self.shape, out.node = out.shape, self
        if "out" in self.asked:
            self.save("out", out)

    def run(self, g):
        """For each input that wants one: where its gradient goes, and the gradient. g is that of the result."""
        known = {"g": g, **self.saved}
        return [(target, derivative(*[known[n] for n in names_of(derivative)])) for target, derivative in self.edges]


class Op:
    """A forward on arrays and, for each input by its name, a derivative; what that needs it names as its parameters."""

    def __init__(self, forward, **derivatives):
        self.forward, self.derivatives, self.names = forward, derivatives, names_of(forward)

    def __call__(self, *args):
        data = self.forward(*[x.data if isinstance(x, Tensor) else x for x in args])
        node = Node(self, args)
        out = Tensor(data)
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
relu = Op(lambda a: np.maximum(a, 0), a=lambda g, out: g * (out > 0))
matmul = Op(lambda a, b: a @ b, a=lambda g, b: g @ b.swapaxes(-2, -1), b=lambda g, a: a.swapaxes(-2, -1) @ g)
sum_ = Op(lambda a, dim: a.sum(dim, keepdims=True), a=lambda g, a_shape: np.broadcast_to(g, a_shape))
reshape = Op(lambda a, shape: a.reshape(shape), a=lambda g, a_shape: g.reshape(a_shape))
transpose = Op(lambda a, dim0, dim1: np.swapaxes(a, dim0, dim1), a=lambda g, dim0, dim1: np.swapaxes(g, dim0, dim1))


class Tensor:
    """An array that knows how it was made."""

    __add__, __sub__, __mul__, __truediv__, __neg__, __matmul__ = add, sub, mul, div, neg, matmul
    __radd__, __rmul__, __rsub__, __array_ufunc__ = add, mul, lambda self, other: sub(other, self), None
    exp, log, sqrt, tanh, relu = exp, log, sqrt, tanh, relu
    reshape, transpose = reshape, transpose

    def __init__(self, data):
        self.data, self.grad, self.node = np.asarray(data, float), 0.0, None

    shape = property(lambda self: self.data.shape)

    def backward(self, g=1.0):
        """Add to the .grad of each leaf what comes to it when this tensor's gradient is g."""
        for leaf, arrived in walk(self, np.full(self.shape, g)).items():
            leaf.grad = arrived + leaf.grad

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


def walk(root, g):
    """The gradient of each leaf, when that of root is g: from root on, the youngest step first."""
    grads = {root.node or root: g}
    heap = [(-root.node.birth, root.node)] if root.node else []
    while heap:
        node = heappop(heap)[1]
        for target, g in node.run(grads.pop(node)):
            if target not in grads and isinstance(target, Node):
                heappush(heap, (-target.birth, target))
            g = reduced(g, target.shape)
            grads[target] = grads[target] + g if target in grads else g
    return grads


def reduced(g, shape):
    """A gradient in its receiver's shape: summed over what broadcasting has repeated."""
    new = len(g.shape) - len(shape)
    repeated = tuple(d for d, n in enumerate(g.shape) if d < new or (shape[d - new] == 1 and n > 1))
    return g.sum(repeated, keepdims=True).reshape(shape) if repeated else g


if __name__ == "__main__":
    x = Tensor([[0.0], [1.0], [2.0], [3.0]])
    y = Tensor([[1.0], [3.0], [5.0], [7.0]])
    w, b = Tensor([[0.0]]), Tensor([0.0])
    for step in range(201):
        error = x @ w + b - y
        loss = (error * error).mean()
        loss.backward()
        if step % 50 == 0:
            print(f"step {step:3}  loss {loss.data:.6f}  the line: y = {b.data[0]:.3f} + {w.data[0, 0]:.3f}·x")
        w, b = Tensor(w.data - 0.1 * w.grad), Tensor(b.data - 0.1 * b.grad)
