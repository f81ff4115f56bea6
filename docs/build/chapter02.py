"""Chapter 2: backward visits each number once, the youngest first."""

import itertools
from heapq import heappop, heappush


class Tensor:
    """A number, and how fast it moves when one of its inputs does."""

    births = itertools.count()

    def __init__(self, data, inputs=()):
        self.data = data
        self.inputs = inputs  # (input, slope) for each number that this one was made of
        self.grad = 0.0
        self.birth = next(Tensor.births)

    def __add__(self, other):
        return Tensor(self.data + other.data, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        return Tensor(self.data * other.data, [(self, other.data), (other, self.data)])

    def __repr__(self):
        return f"tensor({self.data})"

    def backward(self):
        """Add to .grad, of this number and of all it was made of, how fast this one moves with them."""
        grads, heap = {self: 1.0}, [(-self.birth, self)]
        while heap:
            node = heappop(heap)[1]
            g = grads.pop(node)
            node.grad += g
            for x, slope in node.inputs:
                if x not in grads:
                    heappush(heap, (-x.birth, x))
                grads[x] = grads.get(x, 0.0) + g * slope


if __name__ == "__main__":
    a = Tensor(2.0)
    b = a * a
    d = b * (b * a)
    d.backward()
    print(f"d = a⁵ = {d.data};  ∂d/∂a = 5·a⁴ = {a.grad}")
    x = y = Tensor(1.0)
    for _ in range(100):
        y = y + y
    y.backward()
    print(f"a hundred doublings: ∂y/∂x = 2¹⁰⁰ = {x.grad:.0f}")
