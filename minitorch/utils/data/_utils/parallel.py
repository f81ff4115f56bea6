"""A pass whose batches are made in worker processes: who makes which, and in which order they come out.

`prefetch_factor` batches for each worker are under way at any time. Each batch has a number; batches that come too early wait for
their turn. Read next: `crew.py`.
"""

from __future__ import annotations

import itertools
import multiprocessing
from typing import Any

from .crew import Crew, Worker
from .passes import _BaseDataLoaderIter
from .worker import Failure, Job, Signal


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Fetches in worker processes, which are given batches by turns."""

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        if loader.prefetch_factor <= 0:
            raise AssertionError(f"prefetch_factor={loader.prefetch_factor}: nothing would ever be fetched; give 1 or more")
        self._prefetch_factor = loader.prefetch_factor
        self._in_order = loader.in_order
        self._timeout = loader.timeout
        self._persistent_workers = loader.persistent_workers
        self._numbers = itertools.count()
        job = Job(self._new_fetcher, loader.dataset, self._base_seed, loader.worker_init_fn, loader.num_workers)
        self._crew = Crew(loader.multiprocessing_context or multiprocessing, job, owner=self)
        self._workers = self._crew.workers
        self._prefetch()

    def _again(self, loader: Any) -> None:
        """The next pass, with the same workers and what is left of their random numbers."""
        self._begin(loader)
        for worker in self._workers:
            worker.active, worker.tasks = True, 0
            worker.send(Signal.NEW_PASS)
        self._prefetch()

    def _prefetch(self) -> None:
        self._under_way: dict[
            int, Worker
        ] = {}  # by the batch's number, in their order: who is at it, or has sent it already
        self._early: dict[int, Any] = {}  # batches that wait for their turn
        self._turns = itertools.cycle(self._workers)
        for _ in range(self._prefetch_factor * len(self._workers)):
            self._ask_for_one()

    def _ask_for_one(self) -> None:
        """Let a worker begin another batch, if there are indices left, and a worker to give them to."""
        try:
            index = next(self._indices)
        except StopIteration:
            return
        worker = next((w for w in itertools.islice(self._turns, len(self._workers)) if self._has_room(w)), None)
        if worker is None:
            return
        number = next(self._numbers)
        self._under_way[number] = worker
        worker.tasks += 1
        worker.send((number, index))

    def _has_room(self, worker: Worker) -> bool:
        """In order, each active worker in its turn; otherwise only one that has less than its share to do."""
        if not worker.active or self._in_order:
            return worker.active
        most = self._prefetch_factor * len(self._workers) // sum(w.active for w in self._workers)
        return worker.tasks < most

    def _next_data(self) -> Any:
        self._crew.be_complete()
        while (turn := self._whose_turn()) is not None:
            if turn in self._early:
                return self._given(turn, self._early.pop(turn))
            number, data = self._crew.hear(self._timeout)
            if number not in self._under_way:
                continue  # of a pass that was left before its end
            if data is Signal.ENDED:
                self._rest(self._under_way.pop(number))
            elif number == turn or not self._in_order:
                return self._given(number, data)
            else:
                self._early[number] = data
        if not self._persistent_workers:
            self._crew.end()
        raise StopIteration

    def _whose_turn(self) -> int | None:
        """The first batch that is under way. A worker whose stream has ended leaves what else was asked of it undone."""
        while self._under_way:
            number, worker = next(iter(self._under_way.items()))
            if worker.active or number in self._early:
                return number
            del self._under_way[number]
        return None

    def _given(self, number: int, data: Any) -> Any:
        self._under_way.pop(number).tasks -= 1
        self._ask_for_one()
        if isinstance(data, Failure):
            data.reraise()
        return data

    def _rest(self, worker: Worker) -> None:
        """This worker's stream has ended."""
        if self._persistent_workers:
            worker.active = False
        else:
            worker.dismiss()
        self._ask_for_one()
