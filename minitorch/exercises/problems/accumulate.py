"""Add up what arrives at shared nodes

During a backward, gradients arrive at nodes one by one; several may arrive at one node, and one array may be sent to two nodes
(an add sends the same g to both of its inputs).

Given arrived, a list of (node, array) pairs, return a dictionary {node: sum of its arrays}, in the order in which the nodes were first
met. The arrays belong to the caller, and one of them may occur twice in the list: leave their numbers as they are.
NumPy alone.
"""

import numpy as np

HINTS = (
    "total[node] += array writes into the array that is there, if it is an array already.",
    "Whose array is it after total[node] = array? The caller's.",
    "total[node] = total[node] + array makes a new one.",
)


def inputs(s):
    def arrived(case, source):
        arrays = [case["p"], case["q"]]
        return [(source.choice("ab"), source.choice(arrays)) for _ in range(source.integer(1, 4))]

    return {"p": s.floats("N"), "q": s.floats("N"), "arrived": s.given(arrived)}


def call(f, p, q, arrived):
    before = [array.copy() for _, array in arrived]
    result = f(arrived)
    changed = any(not np.array_equal(old, array) for old, (_, array) in zip(before, arrived))
    return "an array that arrived was changed: += writes into it, and it belongs to the caller" if changed else result


def accumulate(arrived: list[tuple[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The sum of what arrived, by node."""
    total: dict[str, np.ndarray] = {}
    for node, array in arrived:
        total[node] = total[node] + array if node in total else array
    return total


def check(result, p, q, arrived):
    if isinstance(result, str):
        return result
    truth = accumulate(arrived)
    if not isinstance(result, dict) or list(result) != list(truth):
        return f"yours    {result!r}\nexpected a dictionary with the keys {list(truth)}"
    for node, array in truth.items():
        if not isinstance(result[node], np.ndarray) or not np.allclose(result[node], array, rtol=1e-12, atol=1e-12):
            return f"the sum of node {node}\nyours    {result[node]}\nexpected {array}"
    return None


def wrong_in_place(arrived):
    """an array that arrived was changed"""
    total: dict[str, np.ndarray] = {}
    for node, array in arrived:
        if node in total:
            total[node] += array
        else:
            total[node] = array
    return total


def wrong_last_one(arrived):
    """The last array to arrive replaces those before it: add them up."""
    return dict(arrived)


def wrong_first_one(arrived):
    """Only the first array that arrives is kept: add them up."""
    return dict(reversed(arrived))
