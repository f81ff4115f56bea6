"""Chapter 1: a number that remembers how it was made."""


class Tensor:
    """A number, and how fast it moves when one of its inputs does."""

    def __init__(self, data, inputs=()):
        self.data = data
        self.inputs = inputs  # (input, slope) for each number that this one was made of
        self.grad = 0.0

    def __add__(self, other):
        return Tensor(self.data + other.data, [(self, 1.0), (other, 1.0)])

    def __mul__(self, other):
        return Tensor(self.data * other.data, [(self, other.data), (other, self.data)])

    def __repr__(self):
        return f"tensor({self.data})"

    def backward(self, g=1.0):
        """Add to .grad how fast the result moves with this number; then the same for its inputs."""
        self.grad += g
        for x, slope in self.inputs:
            x.backward(g * slope)


if __name__ == "__main__":
    a, b = Tensor(2.0), Tensor(3.0)
    c = a * b + a
    c.backward()
    print(f"c = a·b + a = {c.data};  ∂c/∂a = b + 1 = {a.grad};  ∂c/∂b = a = {b.grad}")
