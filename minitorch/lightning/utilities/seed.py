"""`seed_everything`: one number from which all that is random follows, in minitorch, NumPy and Python."""

from __future__ import annotations

import contextlib
import os
import random
from collections.abc import Iterator

import numpy as np

import minitorch
from minitorch.lightning.utilities.rank_zero import rank_zero_info, rank_zero_only, rank_zero_warn

__all__ = ["isolate_rng", "pl_worker_init_function", "reset_seed", "seed_everything"]

_LARGEST = 2**32 - 1  # NumPy's


def seed_everything(seed: int | None = None, workers: bool = False, verbose: bool = True) -> int:
    """Seed minitorch's, NumPy's and Python's generators, and give the seed back.

    None: the environment's PL_GLOBAL_SEED, else 0. `workers`: loaders that a Trainer uses seed NumPy and `random` in their worker
    processes as well (PL_SEED_WORKERS=1). ValueError if the seed is not in 0 … 2³² − 1.
    """
    if seed is None:
        given = os.environ.get("PL_GLOBAL_SEED")
        if given is None and verbose:
            rank_zero_warn("No seed found, seed set to 0")
        try:
            seed = int(given or 0)
        except ValueError:
            raise ValueError(f"Invalid seed specified via PL_GLOBAL_SEED: {given!r}") from None
    seed = int(seed)
    if not 0 <= seed <= _LARGEST:
        raise ValueError(f"{seed} is not in bounds, numpy accepts from 0 to {_LARGEST}")
    if verbose:
        rank_zero_info(f"Seed set to {seed}")
    os.environ["PL_GLOBAL_SEED"] = str(seed)
    os.environ["PL_SEED_WORKERS"] = str(int(workers))
    random.seed(seed)
    np.random.seed(seed)
    minitorch.manual_seed(seed)
    return seed


def reset_seed() -> None:
    """Seed again as `seed_everything` did; nothing if it was never called."""
    seed = os.environ.get("PL_GLOBAL_SEED")
    if seed is not None:
        seed_everything(int(seed), workers=os.environ.get("PL_SEED_WORKERS") == "1", verbose=False)


@contextlib.contextmanager
def isolate_rng(include_cuda: bool = True) -> Iterator[None]:
    """What is drawn within does not move the generators: they are put back at the end."""
    ours, numpys, pythons = minitorch.get_rng_state(), np.random.get_state(), random.getstate()
    cuda = include_cuda and minitorch.cuda.is_available()
    cudas = minitorch.cuda.get_rng_state_all() if cuda else []
    yield
    minitorch.set_rng_state(ours)
    if cuda:
        minitorch.cuda.set_rng_state_all(cudas)
    np.random.set_state(numpys)
    random.setstate(pythons)


def pl_worker_init_function(worker_id: int, rank: int | None = None) -> None:
    """Seed minitorch, NumPy and `random` in a worker process, from the loader's seed, the worker's number and the rank."""
    rank = rank_zero_only.rank if rank is None else rank  # type: ignore[attr-defined]
    base = minitorch.initial_seed() - worker_id
    first, second, third = _seeds(base, worker_id, rank)
    minitorch.manual_seed(first)
    random.seed((second << 32) | third)
    np.random.seed(np.random.SeedSequence([base, worker_id, rank]).generate_state(4))


def _seeds(base: int, worker_id: int, rank: int) -> tuple[int, int, int]:
    """Three 64-bit seeds: the end of MurmurHash3 over the three numbers, then steps of Knuth's congruential generator."""
    mask = 2**64 - 1
    x = (base << 32) | (worker_id << 16) | rank
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        x ^= x >> 33
        x = (x * factor) & mask
    x ^= x >> 33
    seeds = []
    for _ in range(3):
        x = (x * 6364136223846793005 + 1) & mask
        seeds.append(x)
    return seeds[0], seeds[1], seeds[2]
