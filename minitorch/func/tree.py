"""Nested tuples, lists and dicts: their leaves in order, and the same nest around other leaves."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any


def leaves(tree: Any) -> list:
    """What is in the containers, from left to right; everything else is a leaf, None too.

    >>> leaves({"a": (1, [2]), "b": None})
    [1, 2, None]
    """
    return [leaf for child in _children(tree) for leaf in leaves(child)] if _is_container(tree) else [tree]


def rebuilt(tree: Any, new_leaves: Iterable) -> Any:
    """The containers of `tree` around `new_leaves`."""
    supply = iter(new_leaves)
    return mapped(lambda _: next(supply), tree)


def mapped(function: Callable, tree: Any) -> Any:
    """The same nest with `function` of each leaf.

    >>> mapped(lambda x: x * 10, {"a": (1, [2])})
    {'a': (10, [20])}
    """
    if not _is_container(tree):
        return function(tree)
    children = [mapped(function, child) for child in _children(tree)]
    if isinstance(tree, dict):
        return type(tree)(zip(tree, children))
    return type(tree)(*children) if hasattr(tree, "_fields") else type(tree)(children)


def structure(tree: Any) -> Any:
    """What is equal for two nests of one shape: the kinds and keys, with "*" for each leaf."""
    if not _is_container(tree):
        return "*"
    keys = tuple(tree) if isinstance(tree, dict) else None
    return (type(tree).__name__, keys, *map(structure, _children(tree)))


def _is_container(tree: Any) -> bool:
    return type(tree) in (tuple, list, dict, OrderedDict) or (isinstance(tree, tuple) and hasattr(tree, "_fields"))


def _children(tree: Any) -> Iterable:
    return tree.values() if isinstance(tree, dict) else tree
