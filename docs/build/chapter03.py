"""Chapter 3: an operation is a forward and, beside it, a derivative for each input, which asks by name for what it needs."""

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
            self.save(name, named[name])

    def save(self, name, value):
        """Keep a value."""
        self.saved[name] = value.data if isinstance(value, Tensor) else value

    def made(self, out):
        """The step is done, and out is its result."""
        out.node = self
        if "out" in self.asked:
            self.save("out", out)

    def run(self, g):
        """For each input that wants one: where its gradient goes, and the gradient. g is that of the result."""
        known = {"g": g, **self.saved}
        return [(target, derivative(*[known[n] for n in names_of(derivative)])) for target, derivative in self.edges]


class Op:
    """A forward on numbers and, for each input by its name, a derivative; what that needs it names as its parameters."""

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


class Tensor:
    """A number that knows how it was made."""

    __add__, __sub__, __mul__, __truediv__, __neg__ = add, sub, mul, div, neg
    __radd__, __rmul__, __rsub__ = add, mul, lambda self, other: sub(other, self)
    exp, log, sqrt, tanh, relu = exp, log, sqrt, tanh, relu

    def __init__(self, data):
        self.data, self.grad, self.node = data, 0.0, None

    def __repr__(self):
        return f"tensor({self.data:.4f})"

    def backward(self):
        """Add to the .grad of each leaf what comes to it."""
        for leaf, arrived in walk(self, 1.0).items():
            leaf.grad = arrived + leaf.grad


def walk(root, g):
    """The gradient of each leaf, when that of root is g: from root on, the youngest step first."""
    grads = {root.node or root: g}
    heap = [(-root.node.birth, root.node)] if root.node else []
    while heap:
        node = heappop(heap)[1]
        for target, g in node.run(grads.pop(node)):
            if target not in grads and isinstance(target, Node):
                heappush(heap, (-target.birth, target))
            grads[target] = grads[target] + g if target in grads else g
    return grads


if __name__ == "__main__":
    x = Tensor(0.5)
    y = (2 * x).exp().log().tanh()
    y.backward()
    print(f"tanh(log(exp(2x))) at 0.5 = {y.data:.4f};  its derivative = 2·(1 − tanh²) = {x.grad:.4f}")
    step = y.node
    while isinstance(step, Node):
        kept = {name: round(float(value), 4) for name, value in step.saved.items()}
        print(f"step {step.birth} kept {kept}")
        step = step.edges[0][0]
