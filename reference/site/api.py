"""Pages of the public modules: each function and class with its signature, its docstring and a link to its lines."""

from __future__ import annotations

import html
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minitorch.op import Op

from ..definitions_in_files import defined_in
from ..derivatives import file_of, link_to
from .documents import ROOT, Site, escaped

MODULES = {  # a page each, and what it is about
    "minitorch": "Functions of tensors, and what makes them",
    "minitorch.Tensor": "The tensor and its methods",
    "minitorch.autograd": "Gradients, derivatives of your own, and the graph",
    "minitorch.autograd.functional": "Jacobians, Hessians, and products with them",
    "minitorch.autograd.graph": "Nodes, saved tensors, hooks on several gradients",
    "minitorch.func": "Transforms of functions: grad, vjp, jvp, vmap",
    "minitorch.nn": "Layers and losses",
    "minitorch.nn.functional": "Layers and losses as functions",
    "minitorch.nn.init": "How weights begin",
    "minitorch.nn.utils": "Clipping, parametrizations, parameters as one vector",
    "minitorch.optim": "Update rules",
    "minitorch.optim.lr_scheduler": "Schedules of the learning rate",
    "minitorch.linalg": "Linear algebra",
    "minitorch.utils.data": "Datasets and loaders",
    "minitorch.utils.checkpoint": "Less memory for a second forward",
    "minitorch.distributed": "Several processes: groups and collective calls",
    "minitorch.multiprocessing": "Processes that share tensors",
    "minitorch.vision.transforms": "Transforms of pictures",
    "minitorch.vision.models": "Networks for pictures",
    "minitorch.vision.datasets": "Pictures as data sets",
    "minitorch.lightning": "A trainer, its modules and data modules",
    "minitorch.lightning.callbacks": "What a trainer calls on the way",
    "minitorch.viz": "Pictures of a training and of a network",
    "minitorch.datasets": "The data that ships with the package",
    "minitorch.compiler": "Training steps as programs",
    "minitorch.cuda": "GPUs",
    "minitorch.op": "Ops of your own",
}


def stage(site: Site) -> int:
    """Write the pages and their index; how many names they tell of."""
    lines, count = ["# The public names\n", "Made from the docstrings.\n", "| module | | |", "|---|---|---|"], 0
    for name, about in MODULES.items():
        page, owner = f"api/{name}.md", owner_of(name)
        entries = list(members(owner))
        text = "\n".join(entry(site, page, f"{name}.{short}", thing) for short, thing in entries)
        site.write(page, f"# {name} {{#module}}\n\n{about}.\n\n{text}")
        lines.append(f"| [`{name}`]({name}.md) | {about} | {len(entries)} |")
        count += len(entries)
    site.write("api/index.md", "\n".join(lines) + "\n")
    return count


def owner_of(name: str) -> Any:
    """A module or a class by its path."""
    above, _, last = name.rpartition(".")
    return getattr(importlib.import_module(above), last) if last[:1].isupper() else importlib.import_module(name)


def members(owner: Any) -> Iterator[tuple[str, Any]]:
    """The public functions and classes of a module, or the public methods of a class, by name."""
    names = getattr(owner, "__all__", None) or dir(owner)
    for name in sorted(names, key=lambda name: (name.lower(), name)):
        thing = inspect.getattr_static(owner, name, None) if isinstance(owner, type) else getattr(owner, name, None)
        thing = getattr(thing, "__func__", thing)
        where = getattr(thing, "__module__", None) or ""
        if not name.startswith("_") and callable(thing) and where.startswith("minitorch") and inspect.getdoc(thing):
            yield name, thing


def entry(site: Site, page: str, name: str, thing: Any) -> str:
    """One function or class."""
    short = name.rpartition(".")[2]
    source = site.link(page, lines_of(thing), Path("docs"))
    head = f"## `{short}` {{#{name}}}\n\n```python\n{short}{signature(thing)}\n```\n\n"
    methods = "\n".join(methods_of(thing)) if isinstance(thing, type) else ""
    return head + f"[Source]({source}){{.source-link}}\n\n" + docstring(inspect.getdoc(thing) or "") + methods + "\n"


def signature(thing: Any) -> str:
    """How it is called."""
    try:
        shown = str(inspect.signature(thing))
    except (TypeError, ValueError):
        return "(…)"
    shown = re.sub(r"(: |-> )'([^']*)'", r"\1\2", shown)  # an annotation as a string
    shown = re.sub(r"<(?:class|function|object)? ?'?([\w.]+)[^>]*>", r"\1", shown)
    return shown.removesuffix(" -> None") if isinstance(thing, type) else shown


def lines_of(thing: Any) -> str:
    """Where it is defined, seen from docs/."""
    if isinstance(thing, Op):
        return link_to(thing, thing.declaration.forward)
    function = inspect.unwrap(thing)
    function = function if str(getattr(function, "__module__", "")).startswith("minitorch") else thing
    path = file_of(function.__module__)
    name = getattr(function, "__qualname__", "")
    return f"../{path}" + (f"#{name}" if name in defined_in(ROOT / path) else "")


def methods_of(cls: type) -> Iterator[str]:
    """A line for each documented method that a class defines itself."""
    for name, thing in vars(cls).items():
        function = getattr(thing, "__func__", thing)
        own = inspect.isfunction(function) and function.__qualname__ == f"{cls.__qualname__}.{name}"
        if own and function.__doc__ and not name.startswith("_") and name != "forward":
            first = (inspect.getdoc(function) or "").splitlines()[0]
            yield f"- `{name}{signature(function)}`: {escaped(first)}"


def docstring(text: str) -> str:
    """A docstring as Markdown: its paragraphs as they are, its examples as code."""
    made = []
    for paragraph in re.split(r"\n\s*\n", text):
        if paragraph.lstrip().startswith(">>>"):
            made.append(f"```pycon\n{inspect.cleandoc(paragraph)}\n```")
        elif paragraph.startswith("    "):
            made.append(f"```text\n{inspect.cleandoc(paragraph)}\n```")
        else:
            made.append(f'<p class="docstring">{coded(html.escape(paragraph))}</p>')
    return "\n\n".join(made) + "\n\n"


def coded(text: str) -> str:
    """What stands in backticks as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text)
