"""Waves that two LSTM cells learn to continue: one loss of all waves, minimised by LBFGS, then the future guessed from guesses.

The usual parts: cells called step by step, a closure, `double()` data, a model converted to the data's dtype.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim


class Sequence(nn.Module):
    def __init__(self, hidden: int = 12) -> None:
        super().__init__()
        self.hidden = hidden
        self.lstm1 = nn.LSTMCell(1, hidden)
        self.lstm2 = nn.LSTMCell(hidden, hidden)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, input: torch.Tensor, future: int = 0) -> torch.Tensor:
        outputs = []
        h_t, c_t, h_t2, c_t2 = (torch.zeros(input.size(0), self.hidden, dtype=input.dtype) for _ in range(4))
        for input_t in input.split(1, dim=1):
            h_t, c_t = self.lstm1(input_t, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        for _ in range(future):
            h_t, c_t = self.lstm1(output, (h_t, c_t))
            h_t2, c_t2 = self.lstm2(h_t, (h_t2, c_t2))
            output = self.linear(h_t2)
            outputs += [output]
        return torch.cat(outputs, dim=1)


def waves(period: int = 8, length: int = 28, count: int = 12) -> np.ndarray:
    """Sines, each from another phase."""
    phases = np.random.RandomState(2).randint(-4 * period, 4 * period, count).reshape(count, 1)
    return np.sin((np.arange(length) + phases) / period)


def losses() -> Iterator[float]:
    torch.set_num_threads(torch.get_num_threads())
    data = torch.from_numpy(waves()).to(torch.get_default_dtype())
    input, target = data[3:, :-1], data[3:, 1:]
    test_input, test_target = data[:3, :-1], data[:3, 1:]
    seq = Sequence()
    seq.to(data.dtype)
    criterion = nn.MSELoss()
    optimizer = optim.LBFGS(seq.parameters(), lr=0.5, max_iter=6)
    evaluated: list[float] = []

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = criterion(seq(input), target)
        evaluated.append(loss.item())
        loss.backward()
        return loss

    while True:
        optimizer.step(closure)
        yield from evaluated
        evaluated.clear()
        with torch.no_grad():
            future = 10
            pred = seq(test_input, future=future)
            yield criterion(pred[:, :-future], test_target).item()
