"""Functions and modules that are compiled by `jit.script` in both libraries: for minitorch the import's name is changed, nothing else."""

# ruff: noqa
# mypy: ignore-errors
import math
from typing import Dict, List, Optional, Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


def branch_on_data(x: Tensor):
    if x.sum() > 0:
        y = x * 2
    elif x.sum() < -5:
        y = x * 3
    else:
        y = -x
    return y


def early_returns(x: Tensor, n: int):
    if n == 0:
        return x
    for i in range(n):
        if i == 2:
            continue
        x = x + i
        if x.sum() > 10:
            return x * 100
        if i == 4:
            break
    return x - 1


def nested_loops(n: int):
    total = 0
    for i in range(1, n, 2):
        for j in range(i):
            if j % 3 == 2:
                break
            if (i + j) % 2 == 0:
                continue
            total += i * j
        while total > 50:
            total -= 7
            if total == 44:
                return -1
    return total


def numbers(a: int, b: float):
    c = a // 2 + a % 3 - a**2
    d = b / 2 + math.sqrt(4.0) * float(a)
    e = int(b) + abs(-a) + max(a, 3) + min(b, 1.5) + round(b)
    return c, d, e, a > 2 and b < 1, a == 1 or not b > 0, a if b > 0 else -a


def lists(xs: List[Tensor], names: List[str]):
    out: List[Tensor] = []
    for k, x in enumerate(xs):
        out.append(x * k)
    for name, x in zip(names, xs):
        if name.startswith("a"):
            out.append(x.sum().reshape(1))
    numbers = [k * k for k in range(4)]
    numbers += [7]
    return torch.cat([t.reshape(-1) for t in out]), len(out), numbers[-1], numbers[1:3]


def dicts(x: Tensor):
    d: Dict[str, Tensor] = {}
    d["a"] = x
    d["b"] = x + 1
    if "a" in d:
        d["c"] = d["a"] * d["b"]
    total = torch.zeros(1)
    for key in d:
        total = total + d[key].sum()
    return total, sorted(d.keys()), len(d)


def maybe(x: Optional[Tensor], y: Tensor, scale: Optional[float] = None):
    if x is None:
        x = torch.zeros_like(y)
    if scale is not None and scale > 1:
        y = y * scale
    return x + y


def pair(x: Tensor) -> Tuple[Tensor, int]:
    return x * 2, x.dim()


def calls(x: Tensor):
    y, n = pair(x)
    z = pair(y)
    return z[0] * n + z[1]


def in_place(x: Tensor):
    y = x.clone()
    y[0] = 1.0
    y[1:, 0] += 2
    y.add_(1).mul_(2)
    y *= 3
    return y.view(x.size(0), -1), x


def shapes(x: Tensor):
    n, c = x.shape
    h = x.size(1)
    y = x.unsqueeze(0).expand(2, n, c).permute(1, 0, 2).reshape(n, -1)
    values, places = y.topk(2, dim=1)
    return y[:, ::2], values, places, h, x.shape[0], x.max(dim=1)[0], y.dtype == x.dtype


def texts(n: int, name: str):
    return f"{name} is {n}", "{} and {}".format(n, name.upper()), name + "!", "%d items" % n


def until(x: Tensor):
    n = 0
    while x.norm() > 1 and n < 20:
        x = x / 2
        n += 1
    return x, n


def functional(x: Tensor):
    y = F.softmax(F.relu(x), dim=-1)
    return F.layer_norm(y, [y.size(-1)]), F.gelu(x), torch.where(x > 0, x, -x), x.clamp(min=0.0, max=1.0)


def either(n: int, m: int):
    return n or m


def down_by_two(n: int):
    for i in range(n, 0, -2):
        n = n + i
    return n


def one_list_two_names(x: List[int]):
    x.append(3)
    y = x
    y.append(4)
    return x, len(y)


def items_of_a_dict(d: Dict[str, int]):
    t = 0
    for k in d:
        t += d[k]
    for k, v in d.items():
        t += v * 10
    return t


def two_names_in_place(x: Tensor):
    y = x
    y += 1
    return x, y


def none_at_first(x, flag: bool):
    z: Optional[torch.Tensor] = None
    if flag:
        z = x * 2
    if z is not None:
        return z
    return x


def text_in_a_loop(n: int):
    s = ""
    for i in range(n):
        s += str(i) + ","
    return s.split(","), s[1:3]


def unpacked(x):
    a, b = x.max(0)
    (c, d), e = (a, b), 3
    return c + e, d


def divisions(n: int):
    return n / 2, n // 2, -n // 2, n % 3, -n % 3, 2**n, float(n) // 2.0


def tuple_of_kinds(x):
    t = (x, 2, "s")
    return t[0] * t[1], t[-1]


def items_of_a_list(n: int):
    r = [0] * n
    for i in range(n):
        r[i] = i * i
    r[-1] += 5
    del r[0]
    return r, 4 in r, sum(r), max(r)


def indices(x):
    return x[0], x[-1, 1:], x[..., 0], x[None], x[x > 0]


def for_ever(x):
    i = 0
    while True:
        i += 1
        if i > 3:
            break
    return i * x


def words(n: int):
    if n > 2 and n < 5 or n == 9:
        return "in"
    elif not n:
        return "zero"
    return "out"


def loop_in_a_loop(x, n: int):
    out = []
    for i in range(n):
        for j in range(n):
            if j > i:
                break
            if (i + j) % 2:
                continue
            out.append(x * i + j)
    return torch.stack(out)


class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 5)
        self.norm = nn.LayerNorm(5)
        self.last = nn.Linear(5, 3)
        self.scale = 2.0
        self.register_buffer("shift", torch.ones(3))

    def forward(self, x: Tensor, twice: bool = False):
        y = self.last(torch.tanh(self.norm(self.first(x)))) * self.scale + self.shift
        if twice:
            y = y * 2
        return y


class Layers(nn.Module):
    def __init__(self, depth: int = 3):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(depth)])
        self.gates = nn.ModuleList([nn.Linear(4, 1) for _ in range(depth)])
        self.head = nn.Sequential(nn.Linear(4, 2), nn.ReLU())
        self.depth = depth

    def step(self, x: Tensor, k: int) -> Tensor:
        return x + k

    def forward(self, x: Tensor):
        for k, (layer, gate) in enumerate(zip(self.layers, self.gates)):
            if gate(x).mean() > 0:
                x = torch.relu(layer(x))
            else:
                x = self.step(layer(x), k)
        return self.head(x), self.depth


class Block(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x: Tensor):
        return x + self.inner(x).tanh()


class Stacked(nn.Module):
    def __init__(self):
        super().__init__()
        self.blocks = nn.Sequential(Block(4), Block(4))
        self.calls = 0

    def forward(self, x: Tensor):
        self.calls += 1
        if self.training:
            x = x * 2
        return self.blocks(x)


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 4, batch_first=True)
        self.out = nn.Linear(4, 2)

    def forward(self, x: Tensor):
        y, (h, c) = self.lstm(x)
        return self.out(y[:, -1]), h, c
