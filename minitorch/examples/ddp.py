"""The digits learned by several processes: `python -m minitorch.distributed.run -n 2 -m minitorch.examples.ddp`.

Every process runs this file. What differs from training in one is marked by a number: 1 join the run, 2 take a share of the data, 3 wrap the
model, 4 shuffle anew in each epoch, 5 print and save in one process only, 6 leave. It prints the same losses with any number of
processes that divides the batch. Read next: `nn/parallel/distributed.py`.
"""

from __future__ import annotations

import sys

import minitorch
from minitorch import datasets, nn, optim
from minitorch import distributed as dist
from minitorch.nn import functional as F
from minitorch.nn.parallel import DistributedDataParallel
from minitorch.utils.data import DataLoader, DistributedSampler, TensorDataset

BATCH = 64  # images in a step, of all processes together


def main(epochs: str = "2", checkpoint: str | None = None) -> None:
    """Train for so many epochs (a word of the command line) and print each one's loss; save rank 0's weights if a file is named."""
    dist.init_process_group()  # 1
    minitorch.manual_seed(0)
    images, labels = datasets.load_digits()
    data = TensorDataset(images.flatten(1).double() / 16, labels)
    sampler: DistributedSampler = DistributedSampler(data, drop_last=True)  # 2
    batches = DataLoader(data, BATCH // dist.get_world_size(), sampler=sampler, drop_last=True)
    network = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10)).double()
    model = DistributedDataParallel(network)  # 3
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(int(epochs)):
        sampler.set_epoch(epoch)  # 4
        total = minitorch.zeros(2, dtype=minitorch.float64)
        for inputs, wanted in batches:
            loss = F.cross_entropy(model(inputs), wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += minitorch.tensor([loss.item(), 1.0])
        dist.all_reduce(total)
        if dist.get_rank() == 0:  # 5
            print(f"epoch {epoch + 1}: loss {total[0] / total[1]:.6f}")
            if checkpoint is not None:
                minitorch.save(network.state_dict(), checkpoint)
    dist.destroy_process_group()  # 6


if __name__ == "__main__":
    main(*sys.argv[1:3])
