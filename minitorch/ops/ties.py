"""In which order torch leaves equal elements where it promises none: `sort` without `stable=True`, `topk`, `kthvalue`.

torch calls the C++ library, whose algorithms swap elements from afar. What they do depends on comparisons alone, so it can be followed
on ranks: equal elements have one rank, and what comes first has rank 0. Each function takes the ranks of one row, as a list, and returns
the indices as torch arranges them. Only rows that hold equal elements need this. Read next: `sort.py`.
"""

from __future__ import annotations

from typing import NamedTuple

SMALL = 16  # shorter parts std::sort leaves to an insertion sort, which keeps equal elements in their order


class Row(NamedTuple):
    """Ranks, and which element each is of."""

    ranks: list[int]
    order: list[int]

    def swap(self, i: int, j: int) -> None:
        """Exchange two elements."""
        self.ranks[i], self.ranks[j] = self.ranks[j], self.ranks[i]
        self.order[i], self.order[j] = self.order[j], self.order[i]

    def sort_stably(self, first: int, last: int) -> None:
        """Bring a part in order; equal elements keep theirs."""
        pairs = sorted(zip(self.ranks[first:last], self.order[first:last]), key=lambda pair: pair[0])
        for place, (rank, index) in enumerate(pairs, start=first):
            self.ranks[place], self.order[place] = rank, index


def as_std_sort(ranks: list[int]) -> list[int]:
    """std::sort of all."""
    row = Row([*ranks], [*range(len(ranks))])
    _sort(row, len(ranks))
    return row.order


def as_topk(ranks: list[int], k: int, in_order: bool) -> list[int]:
    """The first k: std::partial_sort where they are few, else std::nth_element, and std::sort of what is before the last."""
    if k * 64 <= len(ranks):
        return _partial_sort(ranks, k)
    row = _nth_element(ranks, k - 1)
    if in_order:
        _sort(row, k - 1)
    return row.order[:k]


def first_of_equal(n: int) -> int:
    """Which of n equal elements std::nth_element puts first."""
    return _nth_element([0] * n, 0).order[0]


def as_quick_select(ranks: list[int], n: int) -> list[int]:
    """torch's own selection for `kthvalue`: the n-th is in its place."""
    row = Row([*ranks], [*range(len(ranks))])
    ranks, first, last = row.ranks, 0, len(ranks) - 1
    while last > first + 1:
        row.swap(first + (last - first) // 2, first + 1)
        for a, b in ((first + 1, last), (first, last), (first + 1, first)):
            if ranks[a] > ranks[b]:
                row.swap(a, b)
        i, j, pivot = first + 1, last, ranks[first]
        while True:
            i, j = i + 1, j - 1
            while pivot > ranks[i]:
                i += 1
            while ranks[j] > pivot:
                j -= 1
            if j < i:
                break
            row.swap(i, j)
        row.swap(first, j)
        first, last = (i if j <= n else first), (j - 1 if j >= n else last)
    if last == first + 1 and ranks[first] > ranks[last]:
        row.swap(first, last)
    return row.order


# ---- splitting ----


def _sort(row: Row, n: int) -> None:
    """std::sort of the first n: parts are split until they are small, then each element moves to its place.

    (Where splitting does not get on, for rows made to that end, std::sort changes to a heap; this does not.)
    """
    waiting = [(0, n)]
    while waiting:
        first, last = waiting.pop()
        while last - first > SMALL:
            cut = _partition(row, first, last)
            waiting.append((cut, last))
            last = cut
    row.sort_stably(0, n)


def _nth_element(ranks: list[int], n: int) -> Row:
    """std::nth_element: the n-th is in its place, the smaller ones before it."""
    row, first, last = Row([*ranks], [*range(len(ranks))]), 0, len(ranks)
    while last - first > 3:
        cut = _partition(row, first, last)
        first, last = (cut, last) if cut <= n else (first, cut)
    row.sort_stably(first, last)
    return row


def _partition(row: Row, first: int, last: int) -> int:
    """Split row[first:last] by the median of three of its elements; where the second part begins."""
    ranks, order = row
    row.swap(first, _median(ranks, first + 1, first + (last - first) // 2, last - 1))
    pivot, i, j = ranks[first], first + 1, last - 1
    while True:
        while ranks[i] < pivot:
            i += 1
        while pivot < ranks[j]:
            j -= 1
        if i >= j:
            return i
        ranks[i], ranks[j] = ranks[j], ranks[i]
        order[i], order[j] = order[j], order[i]
        i, j = i + 1, j - 1


def _median(ranks: list[int], a: int, b: int, c: int) -> int:
    """Which of three places holds the median, as the C++ library chooses among equal ones."""
    x, y, z = ranks[a], ranks[b], ranks[c]
    if x < y:
        return b if y < z else c if x < z else a
    return a if x < z else c if y < z else b


# ---- a heap ----


def _partial_sort(ranks: list[int], k: int) -> list[int]:
    """std::partial_sort of the first k: a heap of the k smallest, the largest on top, from which they are taken one by one."""
    heap = list(zip(ranks[:k], range(k)))
    for parent in range((k - 2) // 2, -1, -1):
        _sift(heap, parent, k, heap[parent])
    for index in range(k, len(ranks)):
        if ranks[index] < heap[0][0]:
            _sift(heap, 0, k, (ranks[index], index))
    for size in range(k - 1, 0, -1):
        value, heap[size] = heap[size], heap[0]
        _sift(heap, 0, size, value)
    return [index for _, index in heap]


def _sift(heap: list[tuple[int, int]], hole: int, size: int, value: tuple[int, int]) -> None:
    """Put a value into heap[:size] at a hole: the hole goes down to the end, along the larger children, and up again."""
    top, child = hole, hole
    while child < (size - 1) // 2:
        child = 2 * child + 2
        if heap[child][0] < heap[child - 1][0]:
            child -= 1
        heap[hole], hole = heap[child], child
    if size % 2 == 0 and child == (size - 2) // 2:
        heap[hole], hole = heap[2 * child + 1], 2 * child + 1
    while hole > top and heap[(hole - 1) // 2][0] < value[0]:
        heap[hole], hole = heap[(hole - 1) // 2], (hole - 1) // 2
    heap[hole] = value
