"""Backward over a recorded graph

A computation was recorded as a list of nodes, oldest first, and values[k] is the value of node k. A node is one of

    ("leaf",)        an input
    ("add", i, j)    values[i] + values[j]
    ("mul", i, j)    values[i] * values[j]        (i and j may be the same node)

Return a list with the derivative of the last value with respect to every value: floats; 0.0 where the last does not depend on it.
Python alone.
"""

HINTS = (
    "Start with 1.0 for the last node and 0.0 for all others, and walk from the youngest node to the oldest.",
    "A node with gradient g sends g to both inputs of an add; of a mul, g times the value of the other input.",
    "Add what is sent to what is there already: a value that is used twice gets two parts.",
)


def inputs(s):
    def nodes(case, source):
        made: list[tuple] = [("leaf",)] * source.integer(1, 2)
        for _ in range(source.integer(0, 4)):
            made.append((source.choice(["add", "mul"]), source.integer(0, len(made) - 1), source.integer(0, len(made) - 1)))
        return made

    def values(case, source):
        found: list[float] = []
        for op, *ends in case["nodes"]:
            a, b = (found[k] for k in ends) if ends else (float(source.integer(2, 5)), 0.0)
            found.append(a * b if op == "mul" else a + b)
        return found

    return {"nodes": s.given(nodes), "values": s.given(values)}


def backward_on_a_graph(nodes: list[tuple], values: list[float]) -> list[float]:
    """d values[-1] / d values[k] for each k"""
    grads = [0.0] * len(nodes)
    grads[-1] = 1.0
    for k in reversed(range(len(nodes))):
        op, *ends = nodes[k]
        if op == "add":
            i, j = ends
            grads[i] += grads[k]
            grads[j] += grads[k]
        if op == "mul":
            i, j = ends
            grads[i] += grads[k] * values[j]
            grads[j] += grads[k] * values[i]
    return grads


def expected(nodes, values):
    import minitorch

    made = []
    for (op, *ends), x in zip(nodes, values):
        if op == "leaf":
            made.append(minitorch.tensor(x, dtype=minitorch.float64, requires_grad=True))
        else:
            a, b = (made[k] for k in ends)
            made.append(a + b if op == "add" else a * b)
    found = minitorch.autograd.grad(made[-1], made, allow_unused=True)
    return [0.0 if g is None else g.item() for g in found]


def wrong_overwrites(nodes, values):
    """A gradient is overwritten where it should be added to (+=): a value that is used twice gets a part from each use."""
    grads = [0.0] * len(nodes)
    grads[-1] = 1.0
    for k in reversed(range(len(nodes))):
        op, *ends = nodes[k]
        for end, other in zip(ends, reversed(ends)):
            grads[end] = grads[k] * (values[other] if op == "mul" else 1)
    return grads


def wrong_own_factor(nodes, values):
    """The derivative of a * b with respect to a is b, the other factor, not a."""
    grads = [0.0] * len(nodes)
    grads[-1] = 1.0
    for k in reversed(range(len(nodes))):
        op, *ends = nodes[k]
        for end in ends:
            grads[end] += grads[k] * (values[end] if op == "mul" else 1)
    return grads


def wrong_oldest_first(nodes, values):
    """The walk goes from the oldest node to the youngest: nothing has arrived yet when a node's turn comes. Go the other way."""
    grads = [0.0] * len(nodes)
    grads[-1] = 1.0
    for k in range(len(nodes)):
        op, *ends = nodes[k]
        for end, other in zip(ends, reversed(ends)):
            grads[end] += grads[k] * (values[other] if op == "mul" else 1)
    return grads
