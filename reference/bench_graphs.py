"""Training steps as one CUDA graph: `minitorch.compile` beside torch's own graph of the same step (`bench --device cuda --only captured`).

Small steps wait for launches, of which a graph needs one. Read next: `bench_cuda.py`, which takes these rows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch

from .bench import mlp_step
from .examples import example

Run = Callable[[], Any]
LETTERS = 65


class Gpt(NamedTuple):
    """Blocks, their width, and the batch: so many rows of so many letters."""

    blocks: int
    width: int
    rows: int
    length: int

    def flops(self) -> float:
        """2 for each weight of a block (12 w² of them) and each letter, and 4 L w for its attention; backward is twice that.

        >>> Gpt(1, 1, 1, 1).flops()  # 3 · (2 · 12 + 4)
        84.0
        """
        letters = self.rows * self.length
        return 3.0 * letters * self.blocks * (24 * self.width**2 + 4 * self.length * self.width)

    def __str__(self) -> str:
        return f"GPT {self.blocks} × {self.width}, {self.rows} × {self.length} letters"


def of_mlp(layers: tuple[int, ...], batch: int) -> Callable[[Any, Any], Run]:
    """Forward, cross-entropy, backward, Adam, as one graph."""
    return lambda library, device: captured(
        library, mlp_step(library, layers, batch, device, **choice(library, device)), device
    )


def of_gpt(gpt: Gpt) -> Callable[[Any, Any], Run]:
    """The same of the GPT of `minitorch/examples/names.py`, with AdamW."""

    def make(library: Any, device: Any) -> Run:
        library.manual_seed(0)
        model = example("names", library).GPT(gpt.width, letters=LETTERS, length=gpt.length, blocks=gpt.blocks).to(device)
        optimizer = library.optim.AdamW(model.parameters(), lr=1e-3, **choice(library, device).get("options", {}))
        text = library.from_numpy(np.random.default_rng(0).integers(0, LETTERS, (gpt.rows, gpt.length + 1))).to(device)

        def step() -> Any:
            optimizer.zero_grad()
            loss = library.nn.functional.cross_entropy(model(text[:, :-1]).flatten(0, 1), text[:, 1:].flatten())
            loss.backward()
            optimizer.step()
            return loss

        return captured(library, step, device)

    return make


def choice(library: Any, device: Any) -> dict[str, Any]:
    """What torch's optimizer must be told to be in a graph, in its fastest form."""
    return {"options": {"capturable": True, "fused": True}} if library is torch and device == "cuda" else {}


def captured(library: Any, step: Run, device: Any) -> Run:
    """The step as a graph; on a CPU, where torch has none, as it is."""
    if library is not torch:
        fast = library.compile(step, fullgraph=True)
        for _ in range(3):
            fast()
        if device == "cuda":
            print(fast.explain(), file=sys.stderr)  # how many launches of generated kernels were joined to how many
        return fast
    if device != "cuda":
        return step
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay
