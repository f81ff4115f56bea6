"""docs/build: each chapter adds one idea to the one before, its page shows what is in its file, and the last engine agrees with ours."""

from __future__ import annotations

import ast
import contextlib
import difflib
import functools
import importlib
import inspect
import io
import os
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import pytest
from build_programs import Difference, Program
from hypothesis import given, settings
from hypothesis import strategies as st

import minitorch
from minitorch import nn

pytestmark = pytest.mark.outside

ROOT = Path(__file__).parent.parent
BUILD = ROOT / "docs" / "build"
LAST = 13
CHAPTERS = range(1, LAST + 1)
TRAINS = 11  # from here on a chapter's file trains on the digits
PAGES = {int(path.name[:2]): path for path in BUILD.glob("[0-9][0-9]-*.md")}


@functools.cache
def source(k: int) -> str:
    return (BUILD / f"chapter{k:02}.py").read_text(encoding="utf-8")


@functools.cache
def page(k: int) -> str:
    return PAGES[k].read_text(encoding="utf-8")


@functools.cache
def definitions(k: int) -> dict[str, str]:
    """What a chapter's file defines at its top level, by name; imports and `if __name__ …` under these words. Chapter 0 has nothing."""
    if k == 0:
        return {}
    text = source(k)
    found: dict[str, str] = {}
    for statement in ast.parse(text).body[1:]:
        first = min([statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))])
        code = "\n".join(text.splitlines()[first - 1 : statement.end_lineno])
        match statement:
            case ast.FunctionDef() | ast.ClassDef():
                found[statement.name] = code
            case ast.Assign(targets=[ast.Name(id=name)]):
                found[name] = code
            case ast.Import() | ast.ImportFrom():
                found["import"] = text[text.index("\nimport") + 1 : text.index(code) + len(code)]
            case ast.If():
                found["main"] = code
            case _:
                raise AssertionError(f"chapter {k} has a statement of another kind: {code}")
    return found


def code_lines(text: str) -> int:
    """Lines that are neither blank, nor a comment, nor part of a docstring."""
    documented: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            documented |= {*range(node.body[0].lineno, node.body[0].end_lineno + 1)}  # type: ignore[operator]
    lines = enumerate(text.splitlines(), 1)
    return sum(1 for n, line in lines if line.strip() and not line.strip().startswith("#") and n not in documented)


@pytest.fixture
def chapter(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A chapter's module, by its number."""
    monkeypatch.syspath_prepend(str(BUILD))
    return lambda k: importlib.import_module(f"chapter{k:02}")


# ---- the files ----


def test_there_is_a_page_for_each_file_and_a_map() -> None:
    assert sorted(PAGES) == [*CHAPTERS, LAST + 1]
    assert sorted(path.name for path in BUILD.glob("*.py")) == [f"chapter{k:02}.py" for k in CHAPTERS]


@pytest.mark.parametrize("k", CHAPTERS)
def test_a_file_needs_numpy_only_and_no_other_chapter(k: int) -> None:
    imported = set()
    for node in ast.walk(ast.parse(source(k))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    assert imported <= {*sys.stdlib_module_names, "numpy"}
    assert source(k).startswith(f'"""Chapter {k}: ')


@pytest.mark.parametrize("k", CHAPTERS)
def test_a_file_runs_alone_and_prints_what_its_page_says(k: int) -> None:
    told = re.search(rf"```sh\npython docs/build/chapter{k:02}\.py\n```\n\n```text\n(.*?)\n```", page(k), re.S)
    assert told is not None
    if k >= TRAINS:  # (the numbers of a training move with the machine's rounding: see test_the_digits_are_read)
        assert re.fullmatch(r"(epoch +\d+  loss \d\.\d{4}  test accuracy \d\d\.\d\d %\n|…\n)+epoch 10 .*", told[1])
        return
    command = [sys.executable, "-W", "error", str(BUILD / f"chapter{k:02}.py")]
    run = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", env={**os.environ, "PYTHONUTF8": "1"}, check=False
    )
    assert (run.stdout.rstrip(), run.stderr) == (told[1], "")


def test_the_last_engine_has_at_most_250_lines() -> None:
    assert code_lines(source(LAST)) <= 250
    assert max(map(len, source(LAST).splitlines())) <= 125


# ---- one idea each ----

CHANGES_AT_MOST = {3: 60, 9: 35, 10: 30, 11: 35}  # lines added; others add 25 at most


@pytest.mark.parametrize("k", CHAPTERS[1:])
def test_a_chapter_keeps_what_was_there_and_adds_little(k: int) -> None:
    before, now = definitions(k - 1), definitions(k)
    assert before.keys() <= now.keys()
    added = code_lines(source(k)) - code_lines(source(k - 1))
    assert 0 < added <= CHANGES_AT_MOST.get(k, 25)
    # What stays is in the same order, so that the file can be typed on.
    common = [name for name in before if name in now and name != "main"]
    if k > 3:  # (in chapter 3 operations move out of the class, in front of it)
        assert common == [name for name in now if name in before and name != "main"]


@pytest.mark.parametrize("k", CHAPTERS)
def test_the_page_tells_how_many_lines(k: int) -> None:
    total, before = code_lines(source(k)), code_lines(source(k - 1)) if k > 1 else 0
    told = [
        int(number)
        for number in re.findall(r"(\d+)(?: lines? (?:of code|more|by now|in all)| in all|\s+more than before)", page(k))
    ]
    assert told and set(told) <= {total, total - before}, told
    assert total in told
    assert re.search(rf"^\| \[{k}\. .*\| {total} \|$", (BUILD / "index.md").read_text(encoding="utf-8"), re.M)


def listings(k: int) -> Iterator[tuple[str, list[str]]]:
    """The blocks of a page that show its file: ("python" or "diff", lines)."""
    for kind, title, body in re.findall(r'^```(python|diff) title="(chapter\d\d\.py)"\n(.*?)\n```$', page(k), re.M | re.S):
        assert title == f"chapter{k:02}.py"
        yield kind, body.split("\n")


def stands_in(lines: list[str], text: str) -> bool:
    return "\n" + "\n".join(line.rstrip() for line in lines) + "\n" in "\n" + text


@pytest.mark.parametrize("k", CHAPTERS)
def test_the_listings_are_the_difference_between_the_files(k: int) -> None:
    before = source(k - 1) if k > 1 else ""
    added, removed = set(), set()
    for kind, lines in listings(k):
        if kind == "python":
            assert stands_in(lines, source(k)), lines
            added |= set(lines)
            continue
        for hunk in "\n".join(lines).split("\n@@\n"):
            changes = hunk.split("\n")
            assert all(line[:1] in "+- " for line in changes)
            assert stands_in([line[1:] for line in changes if line[:1] != "-"], source(k)), hunk
            assert stands_in([line[1:] for line in changes if line[:1] != "+"], before), hunk
            added |= {line[1:] for line in changes if line[:1] == "+"}
            removed |= {line[1:] for line in changes if line[:1] == "-"}
    for name in definitions(k):
        if name == "main":  # the last lines are shown whole
            continue
        if any(kind == "python" and definitions(k)[name] in "\n".join(lines) for kind, lines in listings(k)):
            continue
        old, new = definitions(k - 1).get(name, "").split("\n"), definitions(k)[name].split("\n")
        for line in difflib.ndiff(old, new):
            assert not line.startswith("+ ") or not line[2:] or line[2:] in added, f"chapter {k} does not show {line[2:]!r}"
            assert not line.startswith("- ") or not line[2:] or line[2:] in removed, (
                f"chapter {k} does not say that {line[2:]!r} goes"
            )


def test_who_types_along_has_the_files() -> None:
    """Apply the pages' listings one after another, to nothing at first: each time the definitions of the chapter's file come out."""
    typed: dict[str, str] = {}
    for k in CHAPTERS:
        for kind, lines in listings(k):
            if kind == "python":
                for name, code in definitions(k).items():
                    if code in "\n".join(lines):
                        typed[name] = code
                continue
            for hunk in "\n".join(lines).split("\n@@\n"):
                changes = hunk.split("\n")
                old = "\n".join(line[1:] for line in changes if line[:1] != "+")
                new = "\n".join(line[1:] for line in changes if line[:1] != "-")
                places = [name for name, code in typed.items() if old in code]
                assert len(places) == 1, f"chapter {k}: {places} hold {old!r}"
                typed[places[0]] = typed[places[0]].replace(old, new, 1)
        assert typed == definitions(k), k


# ---- the pages ----


@pytest.mark.parametrize("k", [*CHAPTERS, LAST + 1])
def test_a_page_uses_only_what_was_built_so_far(k: int) -> None:
    """It imports its own chapter or earlier ones, and from each only what is there."""
    blocks = "\n".join(re.findall(r"^```python\n(.*?)^```", page(k), re.M | re.S))
    code = "\n".join(line[4:] for line in blocks.splitlines() if line.startswith((">>> ", "... ")))
    modules: dict[str, int] = {}
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("chapter"):
            number = int(node.module[-2:])  # type: ignore[index]
            assert number <= k
            assert {alias.name for alias in node.names} <= definitions(number).keys()
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("chapter"):
                    modules[alias.asname or alias.name] = number = int(alias.name[-2:])
                    assert number <= k
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert node.attr in definitions(modules[node.value.id]), node.attr


LINK = r"\[`([\w.]+)`\]\(\.\./\.\./((?:minitorch|reference)/[\w/]+\.py)\)"


@functools.cache
def names_in(path: str) -> set[str]:
    """Functions, classes, methods as Class.method, and names that a file assigns at its top level."""
    found = set()
    for node in ast.parse((ROOT / path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found.add(node.name)
            found |= {f"{node.name}.{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return found


@pytest.mark.parametrize("k", [*CHAPTERS, LAST + 1])
def test_the_named_lines_of_the_real_engine_are_there(k: int) -> None:
    links = re.findall(LINK, page(k))
    for name, path in links:
        assert name in names_in(path) or path == name, f"{PAGES[k].name} names {name} in {path}"
    if k <= LAST:
        assert len(re.findall(LINK, page(k).split("## In the real engine")[1])) >= 2
        assert f"]({PAGES[k + 1].name})" in page(k).splitlines()[-1]


def test_each_page_has_its_parts() -> None:
    for k in CHAPTERS:
        headings = re.findall(r"^## (.*)$", page(k), re.M)
        assert [h.split(":")[0].split(",")[0].replace("mistakes it mends", "mistake it mends").strip() for h in headings] == [
            "Type it", "See it run", "The mistake it mends", "In the real engine",
        ], headings  # fmt: skip


# ---- the engines agree ----


def agreement(engine: ModuleType, examples: int, steps: int) -> None:
    """Random programs do the same on this engine and on minitorch; Difference if one does not."""

    @settings(max_examples=examples)
    @given(st.data())
    def same(data: Any) -> None:
        Program(engine, lambda options: data.draw(st.sampled_from(options))).run(data.draw(st.integers(3, steps)))

    same()


def test_random_programs_do_the_same_on_both(chapter: Any) -> None:
    agreement(chapter(LAST), 12 * settings.default.max_examples, 14)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "examples", [pytest.param(600, marks=pytest.mark.slow), pytest.param(5000, marks=pytest.mark.exhaustive)]
)
def test_many_random_programs_do_the_same_on_both(chapter: Any, examples: int) -> None:
    agreement(chapter(LAST), examples, 25)


class Fault(NamedTuple):
    """`was`, which stands once in the last chapter's file, becomes something else."""

    was: str
    becomes: str


FAULTS = {
    "broadcasting is not undone": Fault("g = reduced(g, target.shape)", "pass"),
    "only new dimensions are summed": Fault("d < new or (shape[d - new] == 1 and n > 1)", "d < new"),
    "what meets is overwritten": Fault("grads[target] + g if target in grads else g", "g"),
    "the oldest goes first": Fault("heappush(heap, (-target.birth, target))", "heappush(heap, (target.birth, target))"),
    "the factors of a product change places": Fault(
        "b=lambda g, a: transpose(a, -2, -1) @ g", "b=lambda g, a: g @ transpose(a, -2, -1)"
    ),
    "a write is not counted": Fault("        self.memory.version += 1\n", ""),
    "versions are not looked at": Fault("if version is not None and value.memory.version != version", "if False"),
    "a write reads what it overwrites": Fault("before = base.clone()", "before = base"),
    "a base does not know of the write": Fault("written(before, out, self.places()).node", "base.node"),
    "what was overwritten keeps its gradient": Fault(
        "a=lambda g, at: g - scatter(part(g, at), at, g.shape)", "a=lambda g, at: g"
    ),
    "a view keeps its old history": Fault("if self.base is not None and self.seen != self.memory.version", "if False"),
    "a view counts for itself": Fault(
        "self.base, self.memory = args[0].base or args[0], args[0].memory", "self.base = args[0].base or args[0]"
    ),
    "a view of a view has the first as its base": Fault(
        "args[0].base or args[0], args[0].memory", "args[0], args[0].memory"
    ),
    "a leaf may be written to": Fault("if mode.recording and base.requires_grad and base.node is None", "if False"),
    "no_grad records": Fault("if mode.recording and any(map(wants, args))", "if any(map(wants, args))"),
    "nothing is freed": Fault("                node.saved = None", "                pass"),
    "a sum of sums is not recorded": Fault("with set_grad_enabled(create_graph)", "with set_grad_enabled(False)"),
    "what was copied over keeps its gradient": Fault("a=lambda g: g * 0, b", "a=lambda g: g, b"),
    "detach counts for itself": Fault("return Tensor(self.data, memory=self.memory)", "return Tensor(self.data)"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_noticed(name: str) -> None:
    fault, text = FAULTS[name], source(LAST)
    assert text.count(fault.was) == 1
    broken = ModuleType("broken")
    exec(compile(text.replace(fault.was, fault.becomes), "broken.py", "exec"), broken.__dict__)
    with pytest.raises(Difference):
        for seed in range(2000):
            Program(broken, random.Random(seed).choice).run(12)


# ---- layers, losses, optimizers ----


def test_layers_and_losses_give_what_minitorchs_do(chapter: Any) -> None:
    small = chapter(LAST)
    rng = np.random.default_rng(1)
    # (The norm not right behind a layer: its bias would have no gradient but rounding, and Adam makes steps of that.)
    ours = small.Sequential(small.Linear(5, 4), small.relu, small.BatchNorm1d(4), small.Linear(4, 3))
    theirs = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 3)).double()
    norm, their_norm = ours.layers[2], theirs[2]
    with minitorch.no_grad():
        for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
            mine.data[...] = rng.normal(size=mine.shape)
            its.copy_(minitorch.from_numpy(mine.data.copy()))
    rules: list[tuple[Any, Any]] = [
        (small.Adam(ours.parameters(), lr=0.02), minitorch.optim.Adam(theirs.parameters(), lr=0.02)),
        (small.SGD(ours.parameters(), lr=0.1), minitorch.optim.SGD(theirs.parameters(), lr=0.1)),
    ]
    for step in range(6):
        x, labels = rng.normal(size=(7, 5)), rng.integers(0, 3, 7)
        losses = [
            small.cross_entropy(ours(small.Tensor(x)), labels),
            nn.functional.cross_entropy(theirs(minitorch.from_numpy(x)), minitorch.from_numpy(labels)),
        ]
        assert abs(losses[0].data - losses[1].item()) < 1e-9
        for rule, loss in zip(rules[step % 2], losses):
            rule.zero_grad()
            loss.backward()
        for mine, its in zip(ours.parameters(), theirs.parameters()):
            assert np.allclose(mine.grad.data, its.grad.numpy(), rtol=1e-9, atol=1e-9)
        for rule in rules[step % 2]:
            rule.step()
        for mine, its in [
            *zip(ours.parameters(), theirs.parameters()),
            (norm.running_mean, their_norm.running_mean),
            (norm.running_var, their_norm.running_var),
        ]:
            assert np.allclose(mine.data, its.detach().numpy(), rtol=1e-9, atol=1e-9)
    ours.train(False)
    theirs.eval()
    x = rng.normal(size=(2, 5))
    assert np.allclose(ours(small.Tensor(x)).data, theirs(minitorch.from_numpy(x)).detach().numpy(), rtol=1e-9, atol=1e-9)


def test_an_array_on_the_left_leaves_the_operation_to_the_tensor(chapter: Any) -> None:
    for k in range(4, LAST + 1):
        x = chapter(k).Tensor([1.0, 2.0])
        assert (np.array([10.0, 20.0]) * x).data.tolist() == [10.0, 40.0]
        assert (np.array([10.0, 20.0]) - x).data.tolist() == [9.0, 18.0]
        with pytest.raises(TypeError):
            np.ones((2, 2)) @ x


def test_dropout_keeps_the_mean_and_does_nothing_in_use(chapter: Any) -> None:
    small = chapter(LAST)
    drop, x = small.Dropout(0.25), small.Tensor(np.ones(40_000), requires_grad=True)
    y = drop(x)
    assert sorted({*y.data.round(9)}) == [0.0, round(4 / 3, 9)]
    assert abs(y.data.mean() - 1) < 0.02
    y.sum().backward()
    assert (x.grad.data == y.data).all()
    drop.train(False)
    assert drop(x) is x


def test_the_digits_are_read(chapter: Any) -> None:
    for k in range(TRAINS, LAST + 1):
        module = chapter(k)
        module.rng.bit_generator.state = np.random.default_rng(0).bit_generator.state
        with contextlib.redirect_stdout(io.StringIO()) as told:
            right = module.read_digits(4 if k == LAST else 1)
        assert right >= (95 if k == LAST else 50), told.getvalue()


@pytest.mark.slow
def test_the_digits_are_read_to_the_end(chapter: Any) -> None:
    for k in range(TRAINS, LAST + 1):
        module = chapter(k)
        module.rng.bit_generator.state = np.random.default_rng(0).bit_generator.state
        with contextlib.redirect_stdout(io.StringIO()):
            assert module.read_digits() >= {11: 90, 12: 95, 13: 96}[k]


def test_every_function_and_class_says_what_it_is_for() -> None:
    for k in CHAPTERS:
        for node in ast.walk(ast.parse(source(k))):
            if isinstance(node, ast.ClassDef) or (isinstance(node, ast.FunctionDef) and not node.name.startswith("__")):
                assert inspect.cleandoc(ast.get_docstring(node) or ""), f"chapter {k}: {node.name}"
