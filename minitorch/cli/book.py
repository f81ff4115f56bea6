"""The interview book as `minitorch quiz` reads it: questions, their blocks of code, and what the blocks really print.

Each topic is a page of Markdown in `docs/interview/`, in Chinese in its folder zh. In a checkout they are read there; in an installed package
they lie beside this room. tests/test_interview.py holds their form. Read next: `quiz.py`.
"""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import sys
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .ends import UserError

PACKAGE = Path(__file__).parent.parent
PLACES = (PACKAGE.parent / "docs" / "interview", PACKAGE / "interview")  # in a checkout; in a package
FOLDERS = {"en": ".", "zh": "zh"}
LABELS = {
    "en": ("In thirty seconds.", "In the code.", "They ask next.", "A wrong answer."),
    "zh": ("三十秒回答。", "代码在这里。", "接着会问。", "常见的错误答案。"),
}
LONGEST = 4, 160  # lines and characters of what one can be asked to write


@dataclass(frozen=True)
class Question:
    """One question of the book: `q3` is the third of the hundred, `s42` one of those beside them."""

    topic: str
    anchor: str
    title: str
    thirty_seconds: str
    code: str
    wrong: tuple[str, ...]
    blocks: tuple[Block, ...]

    @property
    def name(self) -> str:
        """How one asks for it: `3`, `s42`."""
        return self.anchor.removeprefix("q")


@dataclass(frozen=True)
class Block:
    """A block of code, and which of its question's wrong answers it refutes, if any."""

    examples: tuple[doctest.Example, ...]
    refutes: int | None

    @property
    def asked(self) -> int | None:
        """The number of the last example that prints something short: that is what the quiz asks for."""
        lines, characters = LONGEST
        for number in reversed(range(len(self.examples))):
            want = self.examples[number].want.strip()
            if want and (self.examples[number].exc_msg or (want.count("\n") < lines and len(want) <= characters)):
                return number
        return None


def questions(language: str) -> list[Question]:
    """All questions that have an answer, by topic, in the order of the book; UserError if the book is not there."""
    folder = next((place / FOLDERS[language] for place in PLACES if (place / FOLDERS[language]).is_dir()), None)
    if folder is None:
        raise UserError("the interview book is not in this installation: it is in the project's checkout, in docs/interview")
    found = [question for page in folder.glob("*.md") for question in _questions(page, language)]
    return sorted(found, key=lambda question: (question.anchor[0], int(question.anchor[1:])))


def _questions(page: Path, language: str) -> list[Question]:
    text = page.read_text(encoding="utf-8")
    pieces = re.split(r'^<a id="([qs]\d+)"></a>\n## (.+)\n', text, flags=re.M)
    made = [_question(page.stem, *piece, language) for piece in zip(pieces[1::3], pieces[2::3], pieces[3::3])]
    return [question for question in made if question.thirty_seconds]


def _question(topic: str, anchor: str, title: str, text: str, language: str) -> Question:
    thirty, code, _, wrong = LABELS[language]
    told: dict[str, list[str]] = {label: [] for label in LABELS[language]}
    blocks: list[Block] = []
    for label, part in re.findall(r"^\*\*(.+?)\*\*(.*?)(?=^\*\*|\Z)", text, re.M | re.S):
        if label not in told:
            continue
        told[label].append(plain(re.sub(r"^```.*?^```", "", part, flags=re.M | re.S)))
        for block in re.findall(r"^```python\n(.*?)^```", part, re.M | re.S):
            examples = tuple(doctest.DocTestParser().get_examples(block))
            blocks.append(Block(examples, len(told[wrong]) - 1 if label == wrong else None))
    return Question(topic, anchor, title, "".join(told[thirty]), "".join(told[code]), tuple(told[wrong]), tuple(blocks))


def plain(markdown: str) -> str:
    """A paragraph without links, stars and line breaks."""
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", markdown).replace("**", "")
    return re.sub(r"(?<=[\u3000-\u9fff，。；：！？])\s*\n\s*(?=[\u3000-\u9fff])|\s*\n\s*", _joint, text.strip())


def _joint(match: re.Match[str]) -> str:
    """What stands for a line break: nothing between two Chinese characters, a blank elsewhere."""
    before, after = match.string[match.start() - 1], match.string[match.end()]
    return "" if before > "\u3000" and after > "\u3000" else " "


# ---- what blocks print ----


def printed(blocks: tuple[Block, ...]) -> list[list[str]]:
    """Run the blocks, one after the other in one namespace; what each example of each block prints."""
    namespace: dict[str, Any] = {}
    with _undisturbed():
        return [[_output(example.source, namespace) for example in block.examples] for block in blocks]


def _output(source: str, namespace: dict[str, Any]) -> str:
    """What a statement prints; of an error, its last line."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        try:
            exec(compile(source, "<quiz>", "single", dont_inherit=True), namespace)
        except Exception as error:
            output.write(traceback.format_exception_only(error)[-1])
    return output.getvalue().strip("\n")


@contextlib.contextmanager
def _undisturbed() -> Any:
    """Values are shown as Python's own prompt shows them, and no warning goes between question and answer."""
    shown, sys.displayhook = sys.displayhook, sys.__displayhook__
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        sys.displayhook = shown
