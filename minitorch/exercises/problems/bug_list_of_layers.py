"""Find the bug: layers that nobody trains

The class is a network of `depth` linear layers of 3 features with a relu after each. Its forward is right, but an optimizer that is given
its parameters() gets nothing. Mend it: minitorch may be used as you like. The order in which the layers are made must stay.
"""

import minitorch
from minitorch import nn

from ..truth import arrays, tensor

HINTS = (
    "How does a Module know its parameters? It notes what is assigned to its attributes: Parameters and Modules.",
    "A plain Python list is neither.",
    "nn.ModuleList([...]) is a list that is a Module.",
)
RETURNS = ("the shapes of its parameters()", "its output")


def inputs(s):
    return {"depth": s.of(1, 2, 3), "x": s.floats("N 3")}


def call(f, depth, x):
    minitorch.manual_seed(0)
    model = f(depth).double()
    shapes = [tuple(p.shape) for p in model.parameters()]
    return shapes, arrays(model(tensor(x).detach().to(next(model.parameters(), minitorch.ones(1)).dtype)))


class bug_list_of_layers(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(3, 3) for _ in range(depth)])

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        return x


class start(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.layers = [nn.Linear(3, 3) for _ in range(depth)]

    def forward(self, x):
        for layer in self.layers:
            x = layer(x).relu()
        return x


def expected(depth, x):
    minitorch.manual_seed(0)
    layers = [layer for _ in range(depth) for layer in (nn.Linear(3, 3), nn.ReLU())]
    model = nn.Sequential(*layers).double()
    return [(3, 3), (3,)] * depth, arrays(model(tensor(x).detach()))


class wrong_tuple(start):
    """The layers are not registered: no list, tuple or dict is a Module; nn.ModuleList, nn.ModuleDict and nn.Sequential are."""

    def __init__(self, depth):
        super().__init__(depth)
        self.layers = tuple(self.layers)  # type: ignore[assignment]


class wrong_last_only(nn.Module):
    """Each layer is assigned to the same attribute, so that only the last one is left."""

    def __init__(self, depth):
        super().__init__()
        for _ in range(depth):
            self.layer = nn.Linear(3, 3)

    def forward(self, x):
        return self.layer(x).relu()
