"""Two networks that learn to make up names, letter by letter: an LSTM, and a small GPT.

The idea of every language model: from the letters so far predict the next; then draw one from the prediction, append it, and ask
again. As in `digits.py` every word is torch's, too. Try `minitorch train --model gpt`; read next
`minitorch/ops/attention.py`, `minitorch/nn/modules/transformer.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import minitorch
from minitorch import Tensor, nn, optim
from minitorch.nn import functional as F
from minitorch.utils.data import DataLoader, TensorDataset

LETTERS = ".abcdefghijklmnopqrstuvwxyz"  # "." begins a name and ends it
LENGTH = 12  # of the longest name, with its end
NOTHING = -100  # in the place of a target behind a name's end: cross_entropy leaves it out


def encode(names: Sequence[str]) -> tuple[Tensor, Tensor]:
    """Letters (N, LENGTH) as numbers, and beside each the one that follows: ".ann" and "ann." """
    inputs = minitorch.zeros(len(names), LENGTH, dtype=minitorch.int64)
    targets = minitorch.full((len(names), LENGTH), NOTHING)
    for row, name in enumerate(names):
        numbers = minitorch.tensor([LETTERS.index(letter) for letter in name])
        inputs[row, 1 : len(name) + 1] = numbers
        targets[row, : len(name)] = numbers
        targets[row, len(name)] = 0
    return inputs, targets


# ---- the models: letters (N, L) → scores (N, L, 27) for the letter after each ----


class LSTM(nn.Module):
    """One state, which goes from letter to letter and remembers."""

    def __init__(self, width: int = 128, dropout: float = 0.0, letters: int = len(LETTERS)) -> None:
        super().__init__()
        self.letters = nn.Embedding(letters, 32)
        self.lstm = nn.LSTM(32, width, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.scores = nn.Linear(width, letters)

    def forward(self, letters: Tensor) -> Tensor:
        states, _ = self.lstm(self.letters(letters))
        return self.scores(self.dropout(states))


class Block(nn.Module):
    """Each place looks at those before it, then thinks for itself; both add to what is there (GPT-2: norms come first)."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width)
        self.projections = nn.Linear(width, 3 * width)  # queries, keys and values in one
        self.together = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width)
        self.network = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU("tanh"), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.norm1(x)))
        return x + self.dropout(self.network(self.norm2(x)))

    def attention(self, x: Tensor) -> Tensor:
        """The mean of the values before each place, once for each head, weighted by how queries and keys fit."""
        N, L, E = x.shape
        each = self.projections(x).view(N, L, 3, self.heads, E // self.heads)
        query, key, value = each.permute(2, 0, 3, 1, 4).unbind(0)  # (N, heads, L, E / heads)
        seen = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        return self.together(seen.transpose(1, 2).reshape(N, L, E))


class GPT(nn.Module):
    """What each letter is plus where it stands, through blocks of attention (Radford et al., 2019)."""

    def __init__(
        self,
        width: int = 64,
        dropout: float = 0.0,
        letters: int = len(LETTERS),
        length: int = LENGTH,
        blocks: int = 2,
        heads: int = 4,
    ) -> None:
        super().__init__()
        self.letters = nn.Embedding(letters, width)
        self.places = nn.Embedding(length, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.Sequential(*(Block(width, heads, dropout) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.scores = nn.Linear(width, letters)
        for table in (self.letters, self.places):
            nn.init.normal_(table.weight, std=0.02)

    def forward(self, letters: Tensor) -> Tensor:
        places = minitorch.arange(letters.shape[1], device=letters.device)
        x = self.dropout(self.letters(letters) + self.places(places))
        return self.scores(self.norm(self.blocks(x)))


MODELS = {"lstm": LSTM, "gpt": GPT}


# ---- training ----


class Training:
    """One run, epoch by epoch; everything random in it (weights, order of the names, dropout) follows from the seed."""

    def __init__(
        self,
        inputs: Tensor,
        targets: Tensor,
        *,
        model: str = "gpt",
        seed: int = 0,
        hidden: int = 64,
        dropout: float = 0.0,
        optimizer: str = "adam",
        lr: float = 0.003,
        batch_size: int = 64,
        epochs: int = 12,
    ) -> None:
        minitorch.manual_seed(seed)
        self.model = MODELS[model](hidden, dropout).to(inputs.device)
        rules = {"adam": optim.Adam, "adamw": optim.AdamW, "sgd": optim.SGD}
        self.optimizer = rules[optimizer](self.model.parameters(), lr=lr)
        self.schedule = optim.lr_scheduler.CosineAnnealingLR(self.optimizer, epochs)
        self.batches = DataLoader(TensorDataset(inputs, targets), batch_size, shuffle=True)
        self.total, self.count = 0.0, 0  # of the losses in this epoch, and how many batches they are of

    def epoch(self, after_batch: Callable[[], object] = lambda: None) -> float:
        """One pass over the names in a new order; the mean of the batches' losses."""
        self.model.train()
        for inputs, targets in self.batches:
            loss = self.step(inputs, targets)
            self.total += loss.item()
            self.count += 1
            after_batch()
        self.schedule.step()
        mean, self.total, self.count = self.total / self.count, 0.0, 0
        return mean

    def step(self, inputs: Tensor, targets: Tensor) -> Tensor:
        """One step on a batch: its loss."""
        loss = loss_of(self.model, inputs, targets)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss


def loss_of(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """−ln of the probability of the right letter, the mean over all letters. ln 27 = 3.3 is guessing."""
    return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten(), ignore_index=NOTHING)


@minitorch.no_grad()
def test_loss(model: nn.Module, inputs: Tensor, targets: Tensor) -> float:
    """The loss on names that were not trained on."""
    model.eval()
    return loss_of(model, inputs, targets).item()


@minitorch.no_grad()
def make_up(model: nn.Module, count: int) -> list[str]:
    """So many new names: each letter is drawn as the model predicts it, until it is the end."""
    model.eval()
    device = next(model.parameters()).device
    letters = minitorch.zeros(count, 1, dtype=minitorch.int64, device=device)
    for _ in range(LENGTH):
        probabilities = model(letters[:, -LENGTH:])[:, -1].softmax(dim=-1)
        letters = minitorch.cat([letters, minitorch.multinomial(probabilities, 1)], dim=1)
    names = ["".join(LETTERS[number] for number in row) for row in letters[:, 1:].tolist()]
    return [name.partition(".")[0] for name in names]
