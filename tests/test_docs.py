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

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
WITH_BLOCKS = [path for path in DOCUMENTS if ROOT / "docs" / "interview" not in path.parents]  # its are in test_interview.py


@pytest.mark.parametrize("document", WITH_BLOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_print_what_they_say(document: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(document.parent))  # a page may import the files beside it
    if document.name == "compile.md" and not shortcuts.enabled:
        pytest.skip("it prints a program of the ops' faster forms")
    if document.name == "compile_c.md" and not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("there is no C compiler")
    text = document.read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.M | re.S)
    assert all(block.lstrip().startswith(">>>") for block in blocks), "a python block without a prompt is not run"
    examples = doctest.DocTestParser().get_doctest("\n".join(blocks), {}, document.name, str(document), 0)
    output: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(examples, out=output.append)
    assert result.failed == 0, "".join(output)
    assert result.attempted > 0 or document.name == "derivatives.md"


def test_derivatives_page_is_current() -> None:
    assert derivatives.PAGE.read_text() == derivatives.page(), "run: python -m reference derivatives"


def test_documents_name_files_that_exist() -> None:
    for document in (*DOCUMENTS, ROOT / "CONTRIBUTING.md"):
        for name in re.findall(r"`((?:minitorch|reference|docs|tests)/[\w/.]+)`", document.read_text()):
            assert (ROOT / name).exists(), f"{document.name} names {name}"


def test_links_lead_somewhere() -> None:
    for document in (*DOCUMENTS, ROOT / "CONTRIBUTING.md"):
        text = re.sub(r"^```.*?^```", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
        definition = r"^\[(`[^`]+`)\]: (\S+)$"
        targets = dict(re.findall(definition, text, re.M))
        used = set(re.findall(r"\[(`[^`]+`)\](?!\()", re.sub(definition, "", text, flags=re.M)))
        assert used == set(targets), f"{document.name}: {used ^ set(targets)}"
        links = [*targets.values(), *re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)]
        assert links or document.name == "derivatives.md", f"{document.name} links to nothing"
        for target in links:
            assert "://" in target or (document.parent / target).exists(), f"{document.name} links to {target}"


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
