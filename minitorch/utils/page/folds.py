"""What can be folded: calls of modules, and loops. A tree whose leaves are the boxes of the graph.

A module's call is known from the trace. A loop is found: lines and ops that come three times or more in the same order, one pass after
the other. Parameters and constants go where all their users are.
"""

from __future__ import annotations

from typing import Any

MANY = 24  # only where there are more than this beside each other, loops are looked for
TEN = 10  # passes of a long loop are folded by tens
LONGEST = 40  # the longest body of a loop that is looked for


def tree_of(calls: list[str], steps: dict[str, Any], boxes: list[dict]) -> dict[str, Any]:
    """The tree, by the calls in the order of forward."""
    root = _fold("", "", "", [])
    for box in calls:
        here = root
        for layer in steps[box].call.layers:
            inner = next((c for c in here["children"] if isinstance(c, dict) and c["key"] == layer.key), None)
            if inner is None:
                inner = _fold(layer.key, layer.name, layer.kind, [])
                here["children"].append(inner)
            here = inner
        here["children"].append(box)
    _fold_loops(root, steps)
    _place_the_given(root, boxes)
    _unwrap_single_boxes(root)
    return root


def _fold(key: str, label: str, kind: str, children: list) -> dict[str, Any]:
    return {"key": key, "label": label, "kind": kind, "children": children}


# ---- loops ----


def _fold_loops(fold: dict, steps: dict[str, Any]) -> None:
    for child in fold["children"]:
        if isinstance(child, dict):
            _fold_loops(child, steps)
    items = fold["children"]
    if len(items) <= MANY:
        return
    tokens = [_token(item, steps) for item in items]
    found: list = []
    place = 0
    while place < len(items):
        body, passes = _loop_at(tokens, place)
        if passes:
            end = place + body * passes
            found.append(_loop(fold["key"], place, [items[k : k + body] for k in range(place, end, body)], steps))
            place = end
        else:
            found.append(items[place])
            place += 1
    fold["children"] = found


def _token(item: Any, steps: dict[str, Any]) -> Any:
    """What is the same in each pass of a loop."""
    if isinstance(item, dict):
        return item["kind"], item["label"]
    call = steps[item].call
    return steps[item].op, call.line and (call.line.file, call.line.nr)


def _loop_at(tokens: list, start: int) -> tuple[int, int]:
    """(length of the body, passes) of the loop that begins here; no passes if there is none."""
    for body in range(1, min(LONGEST, (len(tokens) - start) // 3) + 1):
        first = tokens[start : start + body]
        passes = 1
        while tokens[start + passes * body : start + (passes + 1) * body] == first:
            passes += 1
        if passes >= 3 and body * passes > 5:
            return body, passes
    return 0, 0


def _loop(around: str, place: int, passes: list[list], steps: dict[str, Any]) -> dict[str, Any]:
    key = f"{around}/loop{place}"
    one = len(passes[0]) == 1
    turns = [p[0] if one else _fold(f"{key}/{k}", f"pass {k}", "", p) for k, p in enumerate(passes, 1)]
    if len(turns) > TEN + 2:
        tens = range(0, len(turns), TEN)
        turns = [_fold(f"{key}/tens{k}", f"passes {k + 1}–{min(k + TEN, len(turns))}", "", turns[k : k + TEN]) for k in tens]
    return _fold(key, f"{len(passes)} passes", _lines(passes[0], steps), turns)


def _lines(items: list, steps: dict[str, Any]) -> str:
    """`lines 7–9`, where the loop's body is."""
    found = [steps[i].call.line for i in items if isinstance(i, str) and steps[i].call.line]
    numbers = sorted({line.nr for line in found})
    if not numbers:
        return "loop"
    return f"line {numbers[0]}" if len(numbers) == 1 else f"lines {numbers[0]}–{numbers[-1]}"


def _unwrap_single_boxes(fold: dict) -> None:
    """A fold around a single box folds nothing."""
    for k, child in enumerate(fold["children"]):
        if isinstance(child, dict):
            _unwrap_single_boxes(child)
            if len(child["children"]) == 1:
                fold["children"][k] = child["children"][0]


# ---- leaves and constants ----


def _place_the_given(root: dict, boxes: list[dict]) -> None:
    """Each leaf or constant, into the innermost fold that holds all its users."""
    paths: dict[str, list[dict]] = {}
    todo = [(root, [root])]
    while todo:
        fold, path = todo.pop()
        for child in fold["children"]:
            if isinstance(child, dict):
                todo.append((child, [*path, child]))
            else:
                paths[child] = path
    users: dict[str, list[list[dict]]] = {}
    for box in boxes:
        for given in {i["from"] for i in box["inputs"]}:
            users.setdefault(given, []).append(paths.get(box["id"], [root]))
    for box in boxes:
        if box["kind"] != "op":
            same = [folds[0] for folds in zip(*users.get(box["id"], [[root]])) if all(f is folds[0] for f in folds)]
            same[-1]["children"].insert(0, box["id"])
