"""`minitorch quiz`: asks what the blocks of the interview book print; the judge is what they print when they are run, here and now.

What was missed comes first the next time: one small file keeps the names of the blocks that were missed and of those that were answered.
Read next: `book.py`, which reads the pages and runs the blocks; `judging.py`, which compares.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import textwrap
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

from ..utils.files import replacing
from . import book
from .ends import UserError, did_you_mean
from .judging import agrees

KIND = "minitorch quiz"
SHOW = ("?", "？")
WORDS = {
    "en": {
        "head": "Type what you think is printed (numbers are enough; an error is named by its class); ? shows it, Ctrl-D ends.",
        "ask": "What does the last statement print? ",
        "right": "Right. It prints:",
        "wrong": "No. It prints:",
        "shown": "It prints:",
        "score": "{right} of {asked} right.",
        "missed": "Missed, and asked first next time: {names}.",
        "none": "Nothing was asked.",
        "wrong answer": "A wrong answer:",
        "listing": ("topic", "questions", "to ask", "right", "missed"),
    },
    "zh": {
        "head": "请输入你认为会打印的内容（写数字即可；若会报错，写出异常类名）；输入 ? 查看答案，Ctrl-D 结束。",
        "ask": "最后一条语句会打印什么？ ",
        "right": "正确。实际打印：",
        "wrong": "不对。实际打印：",
        "shown": "实际打印：",
        "score": "{asked} 题中答对 {right} 题。",
        "missed": "答错的题下次最先出现：{names}。",
        "none": "没有作答。",
        "wrong answer": "常见的错误答案：",
        "listing": ("主题", "问题", "可提问", "答对", "答错"),
    },
}


@dataclass(frozen=True)
class Item:
    """One thing to ask: the k-th block of a question."""

    question: book.Question
    k: int

    @property
    def key(self) -> str:
        """Its name in the file of progress: `q3.0`, in every language."""
        return f"{self.question.anchor}.{self.k}"


@dataclass
class Progress:
    """Which items were missed and which answered, each list with the latest at its end."""

    path: Path
    missed: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)

    def note(self, key: str, was_right: bool) -> None:
        """Remember how it went, and write it down."""
        for keys in (self.missed, self.right):
            if key in keys:
                keys.remove(key)
        (self.right if was_right else self.missed).append(key)
        self.save()

    def save(self) -> None:
        """Write the file anew; it takes the place of the old one when it is whole."""
        state = {"kind": KIND, "missed": self.missed, "right": self.right}
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.path) as file:
                file.write(json.dumps(state, indent=1).encode())
        except (OSError, RuntimeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UserError(
                f"{self.path}: cannot keep the progress there: {reason}; name another file with --progress"
            ) from None


def usual_place() -> Path:
    """Where progress is kept if nobody says where: with what programs of this user remember."""
    home = os.environ.get("XDG_STATE_HOME") or os.environ.get("LOCALAPPDATA") or Path.home() / ".local" / "state"
    return Path(home) / "minitorch" / "quiz.json"


def loaded(path: Path) -> Progress:
    """The progress in a file; none yet, if there is no file."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Progress(path)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; name another file with --progress") from None
    except ValueError:  # no UTF-8, or no JSON
        state = None
    lists = [state.get("missed"), state.get("right")] if isinstance(state, dict) and state.get("kind") == KIND else [None]
    if not all(isinstance(keys, list) and all(isinstance(key, str) for key in keys) for keys in lists):
        raise UserError(
            f"{path}: is no progress of minitorch quiz, or is damaged; remove it, or name another file with --progress"
        )
    return Progress(path, *lists)


# ---- what is asked ----


def quiz(what: str | None, language: str, most: int, progress: Path | None) -> None:
    """Ask up to `most` blocks of a topic, of one question, or of all, and tell the score."""
    words: dict[str, Any] = WORDS[language]
    kept = loaded(progress or usual_place())
    items = in_turn(chosen(what, book.questions(language)), kept)[:most]
    kept.save()  # whoever cannot keep it is told before the first question
    print(words["head"])
    asked, missed = 0, []
    try:
        for number, item in enumerate(items, 1):
            was_right = ask(item, f"{number}/{len(items)}", words)
            asked += 1
            if not was_right:
                missed.append(item.question.name)
            kept.note(item.key, was_right)
    except (EOFError, KeyboardInterrupt):
        print()
    print(f"\n{words['score'].format(right=asked - len(missed), asked=asked)}" if asked else f"\n{words['none']}")
    if missed:
        print(words["missed"].format(names=", ".join(dict.fromkeys(missed))))


def chosen(what: str | None, questions: list[book.Question]) -> list[book.Question]:
    """The questions of a topic, or the one of a number; UserError if there are none, or none with a block to ask."""
    topics = list(dict.fromkeys(question.topic for question in questions))
    names = [question.name for question in questions]
    found = questions if what is None else [q for q in questions if what.lower() in (q.topic, q.name, q.anchor)]
    if not found:
        near = did_you_mean(str(what), topics)
        raise UserError(f"{what} is neither a topic ({', '.join(topics)}) nor a question ({', '.join(names[:3])}, …){near}")
    if not any(to_ask(found)):
        raise UserError(
            f"{what}: has no block whose output could be asked for; read it in docs/interview/{found[0].topic}.md"
        )
    return found


def to_ask(questions: list[book.Question]) -> list[Item]:
    """The blocks that print something one can be asked for."""
    return [Item(q, k) for q in questions for k, block in enumerate(q.blocks) if block.asked is not None]


def in_turn(questions: list[book.Question], kept: Progress) -> list[Item]:
    """First what was missed, then what was never asked, in the order of the book, then what was answered longest ago."""

    def turn(item: Item) -> tuple[int, int]:
        for group, keys in ((0, kept.missed), (2, kept.right)):
            if item.key in keys:
                return group, keys.index(item.key)
        return 1, 0

    return sorted(to_ask(questions), key=turn)


def listing(language: str, progress: Path | None) -> str:
    """The topics, and how far one has come in each."""
    questions, kept = book.questions(language), loaded(progress or usual_place())
    rows = [WORDS[language]["listing"]]
    for topic, count in Counter(question.topic for question in questions).items():
        keys = [item.key for item in to_ask([question for question in questions if question.topic == topic])]
        done = [sum(key in those for key in keys) for those in (kept.right, kept.missed)]
        rows.append((topic, *map(str, (count, len(keys), *done))))
    return "\n".join(
        "".join([_padded(row[0], 18, after=True), *(_padded(cell, 11) for cell in row[1:])]).rstrip() for row in rows
    )


def _padded(cell: str, width: int, after: bool = False) -> str:
    """A cell of a table in so many columns of a terminal, where a Chinese character takes two."""
    blanks = " " * (width - sum(2 if east_asian_width(character) in "WF" else 1 for character in cell))
    return cell + blanks if after else blanks + cell


# ---- asking ----


def ask(item: Item, place: str, words: dict[str, Any]) -> bool:
    """Show a block without its last output, ask for that, tell what it is and why; whether the answer was right."""
    question, block = item.question, item.question.blocks[item.k]
    outputs, last = book.printed(question.blocks[: item.k + 1]), block.asked
    assert last is not None
    print(f"\n[{place}] {question.topic}: {question.title}\n")
    if block.refutes is not None:
        print(_wrapped(f"{words['wrong answer']} {_claim(question.wrong[block.refutes])}") + "\n")
    for k in range(_beginning(question, item.k), item.k):
        _show(question.blocks[k].examples, outputs[k])
    _show(block.examples[: last + 1], outputs[item.k][:last])
    expected = outputs[item.k][last]
    answer = _answer(words["ask"])
    was_right = agrees(answer, expected)
    verdict = words["right"] if was_right else words["shown"] if answer in SHOW else words["wrong"]
    print(verdict + ("\n" + textwrap.indent(expected, "    ") if "\n" in expected else f" {expected}"))
    why = question.thirty_seconds if block.refutes is None else question.wrong[block.refutes]
    print("\n".join(["", _wrapped(why), *(["", _wrapped(question.code)] if question.code else [])]))
    return was_right


def _claim(text: str) -> str:
    """What is claimed, without what is said against it: the quotation that the text begins with, or else its first sentence."""
    quoted = re.match(r"[\"“「].+?[\"”」]", text) or re.match(r".+?(?:[.?!](?=\s|$)|[。？！]|(?=\s*—))", text)
    return quoted[0] if quoted else text


def _beginning(question: book.Question, k: int) -> int:
    """The block from which one must read to understand the k-th: the last that begins with an import."""
    imports = [j for j in range(k + 1) if question.blocks[j].examples[0].source.startswith(("import", "from"))]
    return imports[-1] if imports else 0


def _show(examples: tuple[Any, ...], outputs: list[str]) -> None:
    """Code as at Python's prompt, with what it printed as far as that is told."""
    for number, example in enumerate(examples):
        first, *others = example.source.rstrip("\n").split("\n")
        print("\n".join([f"    >>> {first}", *(f"    ... {line}".rstrip() for line in others)]))
        if number < len(outputs) and outputs[number]:
            print(textwrap.indent(outputs[number], "    "))
    print()


def _answer(prompt: str) -> str:
    """The next line that is not empty, shown if no terminal shows it; EOFError at the end."""
    while True:
        answer = input(prompt).strip()
        if not sys.stdin.isatty():
            print(answer)
        if answer:
            return answer


def _wrapped(text: str) -> str:
    """A paragraph in lines; a terminal breaks Chinese, which has no blanks, by itself."""
    if any("\u4e00" <= character <= "\u9fff" for character in text):
        return text
    return textwrap.fill(text, min(shutil.get_terminal_size().columns, 100), break_on_hyphens=False, break_long_words=False)
