"""The order of backward

A node may run backward only when all that used it have: only then is its gradient complete.

Given uses, a dictionary {node: list of the nodes it was computed from}, and root, the node that backward starts from, return a list of
all nodes that can be reached from root, each once, every node before the nodes it was computed from. Any such order is right.
The graph may be 2000 nodes deep, so a plain recursion fails. Python alone.
"""

HINTS = (
    "A node is ready when every node that uses it has run. Count the users first: once through all that can be reached from root.",
    "Keep a list of nodes that are ready, at first root alone. Take one, put it into the order, and take 1 off the count of each node it "
    "was computed from.",
    "A node whose count has come to 0 is ready. A loop with a list of your own does not mind the depth.",
)


def inputs(s):
    def graph(case, source):
        if source.integer(0, 9) == 9:
            return {f"n{k}": [f"n{k + 1}"] for k in range(2000)} | {"n2000": []}
        names = "abcdef"[: source.integer(1, 6)]
        return {n: [m for m in names[k + 1 :] if source.integer(0, 1)] for k, n in enumerate(names)}

    return {"uses": s.given(graph), "root": s.given(lambda case, source: next(iter(case["uses"])))}


def topological_order(uses: dict[str, list[str]], root: str) -> list[str]:
    """The nodes that backward runs, in an order in which it may."""
    users, todo = {root: 0}, [root]
    for node in todo:
        for below in uses[node]:
            if below not in users:
                users[below] = 0
                todo.append(below)
            users[below] += 1
    order = [root]
    for node in order:
        for below in uses[node]:
            users[below] -= 1
            if users[below] == 0:
                order.append(below)
    return order


def check(result, uses, root):
    if not isinstance(result, list):
        return f"the result is of type {type(result).__name__}, expected a list of nodes"
    reachable = set(topological_order(uses, root))
    if set(result) != reachable or len(result) != len(reachable):
        return f"yours    {str(result)[:200]}\nexpected each of {str(sorted(reachable))[:200]} once"
    late = _too_early(result, uses)
    if late is None:
        return None
    reversed_is_right = _too_early(result[::-1], uses) is None
    told = f"yours    {str(result)[:200]}\n{late[1]} runs before {late[0]}, which was computed from it: its gradient is not complete then"
    return told + "; reversed, the list would be right" * reversed_is_right


def _too_early(order, uses):
    """(node, one that it was computed from and that stands before it), or None."""
    place = {node: k for k, node in enumerate(order)}
    return next(((n, m) for n in order for m in uses[n] if place[m] < place[n]), None)


def wrong_breadth_first(uses, root):
    """Breadth first is no topological order: a node can be near root and still be used by one that is farther away."""
    order = [root]
    for node in order:
        order.extend(below for below in dict.fromkeys(uses[node]) if below not in order)
    return order


def wrong_preorder(uses, root):
    """Depth first, but a node is listed when it is first met: list it when all below it is finished, and reverse the list."""
    order, stack = [], [root]
    while stack:
        node = stack.pop()
        if node not in order:
            order.append(node)
            stack.extend(reversed(uses[node]))
    return order


def wrong_not_reversed(uses, root):
    """The order is the forward one: inputs come before those that use them. Backward runs the other way round."""
    return topological_order(uses, root)[::-1]


def wrong_recursive(uses, root):
    """Python's recursion ends at about 1000 calls: keep a list of your own instead."""
    order, seen = [], set()

    def visit(node):
        seen.add(node)
        for below in uses[node]:
            if below not in seen:
                visit(below)
        order.append(node)

    visit(root)
    return order[::-1]
