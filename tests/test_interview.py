"""The interview book is true and whole: its answers run, its references to code lead somewhere, and both languages say the same.

A page is `docs/interview/TOPIC.md`, in Chinese `docs/interview/zh/TOPIC.md`. One question on it has the parts of `LABELS`, in order.
"""

from __future__ import annotations

import ast
import doctest
import functools
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reference import interview

pytestmark = pytest.mark.outside

ROOT = Path(__file__).parent.parent
BOOK = ROOT / "docs" / "interview"
ENGLISH, CHINESE = BOOK, BOOK / "zh"
TOPICS = {
    "graph": range(1, 22), "tensors": range(22, 29), "modules": range(29, 39), "normalisation": range(39, 49), "losses": range(49, 57),
    "optimizers": range(57, 66), "initialisation": range(66, 71), "layers": range(71, 77), "data": range(77, 80),
    "memory": range(80, 86), "distributed": range(86, 90), "deployment": range(90, 94), "gpu": range(94, 100),
    "debugging": range(100, 101), "first-questions": range(0),
}  # fmt: skip
HUNDRED, SEEDS = range(1, 101), range(1, 59)
EXPLANATION = {91, 94, 95, 96, 97, 98, 99}  # of the hundred: nothing to run, or nothing without a GPU
# thirty seconds, in the code, they ask next, a wrong answer; not yet
LABELS = {
    ENGLISH: ("**In thirty seconds.**", "**In the code.**", "**They ask next.**", "**A wrong answer.**"),
    CHINESE: ("**三十秒回答。**", "**代码在这里。**", "**接着会问。**", "**常见的错误答案。**"),
}
NOT_YET = {ENGLISH: "Not yet:", CHINESE: "尚未支持："}
SCREEN = 45  # lines of Markdown
REFERENCE = r"\[`([^`]+)`\]\(([^)]+)\)\s*[:：]\s*((?:`[^`]+`(?:\s*(?:,|、|，|and|和|与)\s*)?)+)"


@dataclass
class Part:
    """A paragraph that begins with a label, what follows it, and the blocks of code below it."""

    label: str
    prose: str = ""
    blocks: list[str] = field(default_factory=list)


@dataclass
class Question:
    page: Path
    anchor: str
    title: str
    text: str
    parts: list[Part]

    @property
    def folder(self) -> Path:
        return self.page.parent

    @property
    def number(self) -> int:
        return int(self.anchor[1:])

    @property
    def is_not_yet(self) -> bool:
        return NOT_YET[self.folder] in self.text.replace("**", "")

    @property
    def blocks(self) -> list[str]:
        return [block for part in self.parts for block in part.blocks]

    @property
    def prose(self) -> str:
        """What is written for people, without blocks and without the targets of links."""
        text = re.sub(r"^```.*?^```", "", self.text, flags=re.M | re.S)
        return re.sub(r"\]\([^)]*\)", "]", text)

    def references(self) -> list[tuple[Path, list[str]]]:
        """The files that it names as the cause, and the names in each."""
        part = next((part for part in self.parts if part.label == LABELS[self.folder][1]), Part(""))
        return [
            ((self.folder / target).resolve(), re.findall(r"`([^`]+)`", names))
            for _, target, names in re.findall(REFERENCE, part.prose)
        ]

    def __str__(self) -> str:
        return f"{self.page.relative_to(BOOK)}#{self.anchor}"


@functools.cache
def questions(page: Path) -> list[Question]:
    """The questions of a page, in order; AssertionError where its text has another form."""
    text = page.read_text(encoding="utf-8")
    pieces = re.split(r'^<a id="([qs]\d+)"></a>\n', text, flags=re.M)
    assert len(re.findall(r"<a\s", text)) == len(pieces) // 2, f'{page}: an anchor stands alone on its line: <a id="q1"></a>'
    headings = re.findall(r"^## .*", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    assert len(headings) == len(pieces) // 2, f"{page}: each heading of level 2 is a question's, right below its anchor"
    return [_question(page, anchor, body) for anchor, body in zip(pieces[1::2], pieces[2::2])]


def _question(page: Path, anchor: str, text: str) -> Question:
    heading = re.match(r"## (.+)\n", text)
    assert heading, f"{page}: below the anchor {anchor} its heading follows: ## 1. …"
    parts: list[Part] = []
    labels = "|".join(map(re.escape, LABELS[page.parent]))
    for piece in re.split(rf"^(?={labels})", text[heading.end() :], flags=re.M):
        label = re.match(labels, piece)
        if label is None:
            assert not parts, f"{page}#{anchor}: {piece!r}"
            assert not piece.strip() or NOT_YET[page.parent] in piece.replace("**", ""), (
                f"{page}#{anchor}: begins with {piece!r}"
            )
            continue
        blocks = re.findall(r"^```python\n(.*?)^```", piece, re.M | re.S)
        prose = re.sub(r"^```.*?^```", "", piece[label.end() :], flags=re.M | re.S)
        parts.append(Part(label[0], prose.strip(), blocks))
    return Question(page, anchor, heading[1], text, parts)


PAGES = [folder / f"{topic}.md" for topic in TOPICS for folder in (ENGLISH, CHINESE)]
INDEXES = [ENGLISH / "index.md", CHINESE / "index.md"]
IN_ENGLISH = [page for page in PAGES if page.parent == ENGLISH]
ALL = [question for page in PAGES for question in questions(page)]
THOSE_IN_ENGLISH = [question for question in ALL if question.folder == ENGLISH]


# ---- form ----


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(BOOK)))
def test_a_page_has_the_questions_of_its_topic(page: Path) -> None:
    numbered = [question.number for question in questions(page) if question.anchor[0] == "q"]
    assert numbered == list(TOPICS[page.stem]), f"{page.name} has the hundred's questions of its topic, in order"
    assert re.match(r"# .+\n", page.read_text(encoding="utf-8")), f"{page.name} begins with its title"


@pytest.mark.parametrize("question", ALL, ids=str)
def test_a_question_has_its_parts_and_fits_a_screen(question: Question) -> None:
    if question.anchor[0] == "q":
        assert question.title.startswith(f"{question.number}. "), question.title
    lines = len(question.text.strip().splitlines())
    assert lines <= SCREEN, f"{question} has {lines} lines: make it fit one screen"
    if question.is_not_yet:
        assert not question.blocks, f"{question}: is not there yet, and has a block"
        return
    thirty, code, then, wrong = LABELS[question.folder]
    found = [part.label for part in question.parts]
    may_lack_code = question.anchor[0] == "s" or question.number in EXPLANATION
    assert found[:3] == [thirty, code, then] or (may_lack_code and found[:2] == [thirty, then]), f"{question}: {found}"
    assert set(found[found.index(then) + 1 :]) <= {wrong}, f"{question}: {found}"
    assert all(part.prose for part in question.parts), f"{question}: a part is empty"
    assert question.parts[0].blocks or may_lack_code, f"{question}: a block that proves it follows the thirty seconds"
    for part in question.parts[1:]:
        assert part.label == wrong or not part.blocks, f"{question}: no block belongs below {part.label}"
    for block in question.blocks:
        assert block.startswith(">>>"), f"{question}: a block begins with a prompt: {block}"
    assert question.text.count("```python") == len(question.blocks)


def test_anchors_are_unique() -> None:
    for folder in (ENGLISH, CHINESE):
        anchors = Counter(question.anchor for question in ALL if question.folder == folder)
        assert max(anchors.values()) == 1, anchors.most_common(3)


# ---- references to code ----


@functools.cache
def defined(file: Path) -> set[str]:
    """All that a file defines: functions, classes, variables, and dotted what is within classes and functions."""
    names: set[str] = set()

    def add(name: str, within: str) -> None:
        names.add(f"{within}{name}")

    def targets(node: ast.expr, within: str) -> None:
        if isinstance(node, ast.Name):
            add(node.id, within)
        elif isinstance(node, ast.Tuple | ast.List):
            for element in node.elts:
                targets(element, within)

    def look(body: list[ast.stmt], within: str) -> None:
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                add(node.name, within)
                look(node.body, f"{within}{node.name}.")
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    targets(target, within)
            elif isinstance(node, ast.AnnAssign):
                targets(node.target, within)
            for inner in ("body", "orelse", "finalbody"):
                if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                    look(getattr(node, inner, []), within)

    look(ast.parse(file.read_text(encoding="utf-8")).body, "")
    return names


@pytest.mark.parametrize("question", ALL, ids=str)
def test_references_lead_to_code(question: Question) -> None:
    found = question.references()
    labels = [part for part in question.parts if part.label == LABELS[question.folder][1]]
    assert not labels or found, f"{question}: names no code: [`minitorch/file.py`](../../minitorch/file.py): `name` — why"
    for part in labels:
        links = re.findall(r"\]\(([^)#]+)\)", part.prose)
        assert len(links) == len(found), f"{question}: a link to code is followed by a colon and names: {part.prose}"
        for name, target in re.findall(r"\[`([^`]+)`\]\(([^)]+)\)", part.prose):
            assert (question.folder / target).resolve() == ROOT / name, f"{question}: {name} is not at {target}"
    for file, names in found:
        assert file.is_file(), f"{question}: {file} does not exist"
        for name in names:
            if file.suffix == ".py":
                assert name in defined(file), f"{question}: {file.relative_to(ROOT)} defines no {name}"
            else:
                assert name in file.read_text(encoding="utf-8"), f"{question}: {file.relative_to(ROOT)} has no {name}"


@pytest.mark.parametrize("page", [*PAGES, *INDEXES], ids=lambda page: str(page.relative_to(BOOK)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#?([^)\s]*)\)", text):
        if "://" in target:
            continue
        file = (page.parent / target) if target else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor and file in PAGES:
            assert anchor in {question.anchor for question in questions(file)}, f"{page.name} links to {target}#{anchor}"


# ---- both languages ----


@pytest.mark.parametrize("topic", [page.stem for page in IN_ENGLISH])
def test_both_languages_say_the_same(topic: str) -> None:
    ours, theirs = questions(ENGLISH / f"{topic}.md"), questions(CHINESE / f"{topic}.md")
    assert [question.anchor for question in ours] == [question.anchor for question in theirs]
    for english, chinese in zip(ours, theirs):
        assert english.is_not_yet == chinese.is_not_yet, english
        assert english.blocks == chinese.blocks, f"{english}: the blocks differ from the Chinese ones"
        assert english.references() == chinese.references(), f"{english}: the code named differs from the Chinese"
        places = [[LABELS[question.folder].index(part.label) for part in question.parts] for question in (english, chinese)]
        assert places[0] == places[1], f"{english}: the parts differ from the Chinese ones"
        missing = numbers(english.prose) - numbers(chinese.prose)
        assert not missing, f"{english}: the Chinese section lacks {sorted(missing)}"
        assert len(re.findall(r"[\u4e00-\u9fff]", chinese.prose)) > 10, f"{chinese} is not in Chinese"


def numbers(prose: str) -> set[str]:
    """The figures in a text: 1,024 and 1024 are one, and so are 2 and the 2 of "2nd"."""
    return set(re.findall(r"\d+(?:\.\d+)?", re.sub(r"(?<=\d),(?=\d{3}\b)", "", prose)))


# ---- the blocks run ----


@pytest.mark.parametrize("question", [question for question in THOSE_IN_ENGLISH if question.blocks], ids=str)
def test_a_questions_blocks_run_alone(question: Question) -> None:
    """Each question's, in a namespace of its own, for the quiz asks them one by one. (The Chinese ones are the same text.)"""
    examples = doctest.DocTestParser().get_doctest("\n".join(question.blocks), {}, str(question), str(question.page), 0)
    output: list[str] = []
    result = doctest.DocTestRunner(verbose=False).run(examples, out=output.append)
    assert result.failed == 0, "".join(output)
    assert any(example.want for example in examples.examples), f"{question}: prints nothing"


# ---- the index ----


@pytest.mark.parametrize("folder", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_the_index_is_current(folder: Path) -> None:
    """Titles, and what is not answered yet, are those of the pages."""
    text = (folder / "index.md").read_text(encoding="utf-8")
    assert text == interview.index(folder), "run: python -m reference interview"


@pytest.mark.parametrize("folder", [ENGLISH, CHINESE], ids=["english", "chinese"])
def test_the_index_has_every_question_once(folder: Path) -> None:
    text = (folder / "index.md").read_text(encoding="utf-8")
    pages = {question.anchor: question.page.stem for question in ALL if question.folder == folder}
    lines = re.findall(r"^- \[(\d+)\. .+\]\(([\w-]+)\.md#q(\d+)\)", text, re.M)
    assert [int(number) for number, *_ in lines] == list(HUNDRED)
    for number, topic, anchor in lines:
        assert number == anchor and pages[f"q{number}"] == topic, f"question {number} is not on {topic}.md"
    rows = re.findall(r"^\| S(\d+) \| .+? \| (.+?) \|$", text, re.M)
    assert [int(number) for number, _ in rows] == list(SEEDS)
    for number, answer in rows:
        links = re.findall(r"\[[^\]]+\]\(([\w-]+)\.md#([qs]\d+)\)", answer)
        assert links, f"S{number} leads to no answer"
        for topic, anchor in links:
            assert pages.get(anchor) == topic, f"S{number}: there is no {topic}.md#{anchor}"
        own = f"s{number}"
        assert own not in pages or (pages[own], own) in links, f"S{number} has an answer that the index does not lead to"


@pytest.mark.parametrize("folder", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_no_question_is_left_unanswered(folder: Path) -> None:
    assert [str(q) for topic in TOPICS for q in questions(folder / f"{topic}.md") if q.is_not_yet] == []
