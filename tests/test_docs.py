"""What is written is true: every block of the documents runs and prints what it says, and generated pages are current."""

from __future__ import annotations

import doctest
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from minitorch.arrays.device import shortcuts
from reference import derivatives
from reference.definitions_in_files import defined_in
from reference.site.documents import anchors_in, parts

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
WITH_BLOCKS = [path for path in DOCUMENTS if ROOT / "docs" / "interview" not in path.parents]  # its are in test_interview.py
GENERATED = ("derivatives.md", "parity.md")  # without blocks


@pytest.mark.parametrize("document", WITH_BLOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_print_what_they_say(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(document.parent))  # a page may import the files beside it
    if document.name in ("compile.md", "gpu.md") and not shortcuts.enabled:
        pytest.skip("it prints a program, or kernels, of the ops' faster forms")
    if document.name == "compile_c.md" and not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("there is no C compiler")
    text = document.read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert all(block.lstrip().startswith(">>>") for block in blocks), "a python block without a prompt is not run"
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, document.name, str(document), 0)
    output: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(examples, out=output.append)
    assert result.failed == 0, "".join(output)
    assert result.attempted > 0 or document.name in GENERATED


def test_derivatives_page_is_current() -> None:
    assert derivatives.PAGE.read_text() == derivatives.page(), "run: python -m reference derivatives"


PATH = r"`((?:minitorch|reference|docs|tests)/[\w/.]*)`"


def prose(document: Path) -> str:
    """The document without its blocks of code."""
    return "\n".join(part for is_code, part in parts(document.read_text(encoding="utf-8")) if not is_code)


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / "CONTRIBUTING.md"], ids=lambda path: str(path.relative_to(ROOT)))
def test_paths_are_links_that_lead_somewhere(document: Path) -> None:
    text = prose(document)
    bare = [name for name in re.findall(rf"(?<!\[){PATH}|{PATH}(?!\])", text) if any(name)]
    assert not bare, f"{document.name} names {bare} without a link"
    definition = r"^\[(`[^`]+`)\]: (\S+)$"
    defined = dict(re.findall(definition, text, re.M))
    used = set(re.findall(r"\[(`[^`]+`)\](?!\()", re.sub(definition, "", text, flags=re.M)))
    assert used == set(defined), f"{document.name}: {used ^ set(defined)}"
    targets = [
        *defined.values(),
        *re.findall(r"\]\(([^)\s]+)[^)]*\)", text),
        *re.findall(r'(?:src|href|srcset)="([^"]+)"', text),
    ]
    assert targets, f"{document.name} links to nothing"
    dead = [target for target in targets if "://" not in target and not leads_somewhere(document, target)]
    assert not dead, f"{document.name} links to {dead}"


def leads_somewhere(document: Path, target: str) -> bool:
    """Whether the file exists, and in it the anchor: a document's heading, a Python file's definition or line."""
    path, _, anchor = target.partition("#")
    goal = document.parent / path if path else document
    if not goal.exists() or not anchor:
        return goal.exists()
    text = goal.read_text(encoding="utf-8")
    if goal.suffix == ".md":
        return anchor in anchors_in(text)
    lines = re.fullmatch(r"L(\d+)", anchor)
    return int(lines[1]) <= len(text.splitlines()) if lines else anchor in defined_in(goal)


def test_a_dead_link_is_noticed() -> None:
    page = ROOT / "docs" / "how-autograd-works.md"
    good = [
        "../README.md#two-commands",
        "#6-several-paths-add",
        "../minitorch/op/door.py#Op.__call__",
        "../minitorch/op/door.py#L3",
    ]
    bad = [
        "nowhere.md",
        "../README.md#two-command",
        "#7-several-paths-add",
        "../minitorch/op/door.py#Op.call",
        "gpu.md#L99999",
    ]
    assert [leads_somewhere(page, target) for target in good + bad] == [True] * len(good) + [False] * len(bad)


def test_ci_runs_the_commands_of_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for name, end in (("train", "minitorch train"), ("test", "-m pytest")):
        (command,) = re.findall(rf"<!-- run: {name} -->\n```sh\n(.+)\n```", readme)
        assert command.endswith(end), command
        # What .ci/run does to find it, by the same awk program.
        script = (ROOT / ".ci" / "run").read_text()
        program = re.search(r"marker=.<!-- run: \$1 -->. '(.*?)' README.md", script)
        assert program is not None
        marker = f"marker=<!-- run: {name} -->"
        found = subprocess.run(["awk", "-v", marker, program[1], "README.md"], cwd=ROOT, capture_output=True, text=True)
        assert found.stdout.strip() == command
