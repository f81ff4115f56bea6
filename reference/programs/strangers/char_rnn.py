"""A character model of first names: an LSTM or a GRU that is told one letter and guesses the next, truncated in time; RMSprop, StepLR.

The usual parts of an older program: `Variable`, legacy types, hidden states that are detached, `cuda()` behind a flag, perplexities.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import torch
import torch.backends.cudnn as cudnn
import torch.nn as nn
import torch.optim as optim
from torch.autograd import Variable

from minitorch.datasets import load_names


class Corpus:
    """One long row of letters, cut into columns that are read side by side."""

    def __init__(self, batch_size: int, cuda: bool) -> None:
        text = "\n".join(load_names("train")[:200]).lower()
        self.letters = sorted(set(text))
        ids = torch.LongTensor([self.letters.index(c) for c in text])
        length = ids.size(0) // batch_size
        ids = ids.narrow(0, 0, length * batch_size).view(batch_size, -1).t().contiguous()
        self.ids = ids.cuda() if cuda else ids

    def batch(self, i: int, bptt: int) -> tuple[torch.Tensor, torch.Tensor]:
        length = min(bptt, len(self.ids) - 1 - i)
        return self.ids[i : i + length], self.ids[i + 1 : i + 1 + length].view(-1)


class RNNModel(nn.Module):
    """Embedding, dropout, recurrent layers, dropout, a linear decoder."""

    def __init__(self, kind: str, ntoken: int, ninp: int, nhid: int, nlayers: int, dropout: float, tied: bool) -> None:
        super().__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        if kind in ("LSTM", "GRU"):
            self.rnn = getattr(nn, kind)(ninp, nhid, nlayers, dropout=dropout)
        else:
            self.rnn = nn.RNN(
                ninp, nhid, nlayers, nonlinearity={"RNN_TANH": "tanh", "RNN_RELU": "relu"}[kind], dropout=dropout
            )
        self.decoder = nn.Linear(nhid, ntoken)
        if tied:
            if nhid != ninp:
                raise ValueError("tied weights need nhid equal to ninp")
            self.decoder.weight = self.encoder.weight
        self.kind, self.nhid, self.nlayers = kind, nhid, nlayers
        self.init_weights()

    def init_weights(self) -> None:
        self.encoder.weight.data.uniform_(-0.1, 0.1)
        self.decoder.bias.data.zero_()
        self.decoder.weight.data.uniform_(-0.1, 0.1)

    def forward(self, input: torch.Tensor, hidden):
        output, hidden = self.rnn(self.drop(self.encoder(input)), hidden)
        output = self.drop(output)
        decoded = self.decoder(output.view(output.size(0) * output.size(1), output.size(2)))
        return nn.functional.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz: int):
        weight = next(self.parameters()).data
        zeros = Variable(weight.new(self.nlayers, bsz, self.nhid).zero_())
        return (zeros, Variable(weight.new(self.nlayers, bsz, self.nhid).zero_())) if self.kind == "LSTM" else zeros


def repackage_hidden(h):
    """The same numbers without their history."""
    return h.detach() if isinstance(h, torch.Tensor) else tuple(repackage_hidden(v) for v in h)


def losses(arguments: tuple[str, ...] = ()) -> Iterator[float]:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="LSTM")
    parser.add_argument("--bptt", type=int, default=12)
    parser.add_argument("--clip", type=float, default=0.25)
    parser.add_argument("--tied", action="store_true")
    parser.add_argument("--cuda", action="store_true")
    args = parser.parse_args(list(arguments))
    if torch.cuda.is_available() and not args.cuda:
        print("there is a GPU: run with --cuda")
    cudnn.benchmark = False
    cudnn.deterministic = True
    corpus = Corpus(10, args.cuda)
    model = RNNModel(args.model, len(corpus.letters), 24, 24, 2, 0.2, args.tied)
    if args.cuda:
        model.cuda()
    criterion = nn.NLLLoss()
    optimizer = optim.RMSprop(model.parameters(), lr=5e-3)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.7)
    while True:
        model.train()
        hidden = model.init_hidden(10)
        for i in range(0, corpus.ids.size(0) - 1, args.bptt):
            data, targets = corpus.batch(i, args.bptt)
            hidden = repackage_hidden(hidden)
            optimizer.zero_grad()
            output, hidden = model(Variable(data), hidden)
            loss = criterion(output, Variable(targets))
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), args.clip)
            optimizer.step()
            yield loss.data.item()
        model.eval()
        with torch.no_grad():
            output, _ = model(*[corpus.batch(0, 50)[0], model.init_hidden(10)])
            yield math.exp(criterion(output, corpus.batch(0, 50)[1]).item())
            yield sampled(model, corpus)
        scheduler.step()


def sampled(model: RNNModel, corpus: Corpus, length: int = 20) -> float:
    """The sum of the letters' numbers that the model draws, one by one."""
    hidden = model.init_hidden(1)
    letter, total = torch.zeros(1, 1).type_as(corpus.ids), 0
    for _ in range(length):
        output, hidden = model(letter, hidden)
        weights = output.squeeze().div(0.9).exp().cpu()
        letter.fill_(torch.multinomial(weights, 1)[0])
        total += int(letter)
    return float(total)
