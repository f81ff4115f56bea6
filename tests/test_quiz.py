"""`minitorch quiz`: the judge is what a block really prints; what was missed comes first again; it ends well however it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from minitorch.cli import book, quiz
from minitorch.cli.judging import agrees
from prompt import run

pytestmark = pytest.mark.outside

PAGE = """# A page

<a id="q1"></a>
## 1. What is two and two?

**In thirty seconds.** It is
four.

```python
>>> x = 2
>>> print("twice")
twice
>>> x + x
5

```

**In the code.** [`minitorch/cli/quiz.py`](../../minitorch/cli/quiz.py): `quiz` — it asks.

**They ask next.** "And three?" Six.

**A wrong answer.** "It raises" — it does not.

```python
>>> x ** 2
4

```

<a id="q2"></a>
## 2. What does a division by 0 do?

**In thirty seconds.** It raises.

```python
>>> import math
>>> for k in [0]:
...     1 / k
Traceback (most recent call last):
    ...
ZeroDivisionError: division by zero
```

**They ask next.** "Why?" So.

<a id="q3"></a>
## 3. What is missing?

Not yet: this.
"""


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable:
    """`ask("quiz …", answers)`: what a quiz on PAGE prints; an answer may be an error to raise."""
    (tmp_path / "zh").mkdir()
    (tmp_path / "sums.md").write_text(PAGE, encoding="utf-8")
    page = (
        PAGE.replace("In thirty seconds.", "三十秒回答。")
        .replace("It is\nfour.", "是\n四。")
        .replace("A wrong answer.", "常见的错误答案。")
    )
    (tmp_path / "zh" / "sums.md").write_text(page, encoding="utf-8")
    monkeypatch.setattr(book, "PLACES", (tmp_path / "nowhere", tmp_path))

    def asked(options: str, *answers: str | BaseException) -> str:
        waiting = list(answers)

        def typed(prompt: str) -> str:
            print(prompt, end="")
            answer = waiting.pop(0) if waiting else EOFError()
            if isinstance(answer, BaseException):
                raise answer
            return answer

        monkeypatch.setattr("builtins.input", typed)
        assert run("quiz", "--progress", str(tmp_path / "progress.json"), *options.split()) == 0
        captured = capsys.readouterr()
        assert captured.err == "" and not waiting
        return captured.out

    return asked


def missed(tmp_path: Path) -> list[str]:
    return json.loads((tmp_path / "progress.json").read_text())["missed"]


# ---- asking ----


def test_the_judge_is_what_is_printed_not_what_the_page_says(ask: Callable, tmp_path: Path) -> None:
    out = ask("1", "4", "4")
    assert '    >>> x = 2\n    >>> print("twice")\n    twice\n    >>> x + x\n\nWhat' in out
    assert out.count("Right. It prints: 4") == 2
    assert "It is four." in out and "minitorch/cli/quiz.py`: `quiz` — it asks." in out
    assert out.endswith("\n2 of 2 right.\n")
    assert missed(tmp_path) == []
    assert "No. It prints: 4" in ask("1", "5")


def test_a_block_that_goes_on_from_an_earlier_one_is_shown_with_it(ask: Callable) -> None:
    _, second = ask("1", "?", "?").split("[2/2]")
    assert 'A wrong answer: "It raises"\n' in second and ">>> x = 2" in second and "It prints: 4" in second
    assert '"It raises" — it does not.' in second


def test_an_error_is_answered_by_its_class(ask: Callable) -> None:
    out = ask("2", "ZeroDivisionError")
    assert "    >>> for k in [0]:\n    ...     1 / k\n\n" in out
    assert "Right. It prints: ZeroDivisionError: division by zero" in out


def test_what_was_missed_comes_first_the_next_time(ask: Callable, tmp_path: Path) -> None:
    out = ask("", "4", "3", "?")
    assert out.endswith("\n1 of 3 right.\nMissed, and asked first next time: 1, 2.\n")
    assert missed(tmp_path) == ["q1.1", "q2.0"]
    out = ask("--questions 2", "4", "error")
    assert out.count("Right.") == 2 and "[2/2]" in out
    assert missed(tmp_path) == []
    assert "x + x" in ask("--questions 1")  # all were answered: the one longest ago


def test_it_ends_with_the_score_at_the_end_of_input_and_at_ctrl_c(ask: Callable, tmp_path: Path) -> None:
    for end in (EOFError(), KeyboardInterrupt()):
        assert ask("", "4", end).endswith("\n1 of 1 right.\n")
    assert ask("", EOFError()).endswith("\nNothing was asked.\n")
    assert json.loads((tmp_path / "progress.json").read_text())["right"]


def test_an_empty_line_is_no_answer(ask: Callable, tmp_path: Path) -> None:
    assert "Right." in ask("2", "", " ", "ZeroDivisionError")


def test_in_chinese(ask: Callable) -> None:
    out = ask("1 --lang zh", "4", "？")
    assert "正确。实际打印： 4" in out and "实际打印： 4" in out and "\n是四。\n" in out
    assert "2 题中答对 1 题。" in out


def test_the_list_says_how_far_one_is(ask: Callable) -> None:
    ask("", "4", "3")
    head, row = ask("--list").splitlines()
    assert head.split() == ["topic", "questions", "to", "ask", "right", "missed"]
    assert row.split() == ["sums", "2", "3", "1", "1"]
    assert ask("--list --lang zh").splitlines()[0].split() == ["主题", "问题", "可提问", "答对", "答错"]


# ---- mistakes ----


def refused(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert run("quiz", *options) != 0
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("\n") == 1 and captured.err.startswith("minitorch quiz: error: ")
    return captured.err


def test_mistakes_get_one_line(ask: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "progress.json"
    assert "did you mean sums?" in refused(capsys, "sumss", "--progress", str(file))
    assert "neither a topic (sums) nor a question (1, 2" in refused(capsys, "99", "--progress", str(file))
    assert "did you mean --questions?" in refused(capsys, "--qestions", "3")
    assert "expected a whole number" in refused(capsys, "--questions", "0")
    assert not file.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b'{"kind": "minitorch quiz"}',
                                     b'{"kind": "minitorch quiz", "missed": [1], "right": []}', b'{"kind": "x", "missed": [], "right": []}'])  # fmt: skip
def test_a_damaged_file_is_told_and_left_alone(
    content: bytes, ask: Callable, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "progress.json"
    file.write_bytes(content)
    assert "is damaged; remove it, or name another" in refused(capsys, "--progress", str(file))
    assert "is damaged; remove it, or name another" in refused(capsys, "--list", "--progress", str(file))
    assert file.read_bytes() == content


def test_a_place_that_cannot_hold_it_is_told(
    ask: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "name another file with --progress" in refused(capsys, "--progress", str(tmp_path))
    assert "name another file with --progress" in refused(capsys, "--progress", str(tmp_path / "sums.md" / "x.json"))

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quiz, "replacing", full)  # (whoever runs the tests may be root, who can write everywhere)
    assert "No space left on device; name another file" in refused(capsys, "--progress", str(tmp_path / "x.json"))


def test_without_the_book_it_says_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(book, "PLACES", (tmp_path / "nowhere",))
    assert "in the project's checkout, in docs/interview" in refused(capsys, "--progress", str(tmp_path / "p.json"))


def test_progress_is_kept_where_programs_keep_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/there")
    assert quiz.usual_place() == Path("/there/minitorch/quiz.json")


# ---- judging ----


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ("4", "tensor(4.)"),
        ("4.0", "tensor(4., grad_fn=<MulBackward0>)"),
        ("tensor(4.)", "4.0"),
        ("2 4", "tensor([2., 4.], requires_grad=True)"),
        ("[[1,2],[3,4]]", "tensor([[1., 2.],\n        [3., 4.]])"),
        ("(2, 3)", "torch.Size([2, 3])"),
        ("2 3", "minitorch.Size([2, 3])"),
        ("3630.86", "3630.8586"),
        ("0.058", "tensor(0.0580)"),
        ("1e-3", "0.001"),
        ("−1.5", "-1.5"),
        ("（1，2）", "(1, 2)"),
        ("yes", "True"),
        ("false, none", "(False, None)"),
        ("nan", "nan"),
        ("-inf", "tensor(-inf)"),
        ("runtimeerror", "RuntimeError: one of the variables needed"),
        ("an error", "'RuntimeError'"),
        ("报错", "pickle.UnpicklingError: no"),
        ("MulBackward", "'MulBackward0'"),
        ("relu tanh", "['relu', 'tanh']"),
        ("weight: 2 3", "{'weight': (2, 3)}"),
    ],
)
def test_answers_that_are_right(answer: str, output: str) -> None:
    assert agrees(answer, output)
    assert agrees(output, output)


@pytest.mark.parametrize(
    ("answer", "output"),
    [
        ("4", "tensor(8.)"),
        ("4.001", "4"),
        ("1.45", "1.42"),
        ("2", "tensor([2., 4.])"),
        ("2 4 6", "tensor([2., 4.])"),
        ("4 2", "tensor([2., 4.])"),
        ("no", "True"),
        ("True", "None"),
        ("error", "4"),
        ("ValueError", "RuntimeError: one of the variables needed"),
        ("0", "nan"),
        ("inf", "-inf"),
        ("tensor", "tensor(4.)"),
        ("-4", "4"),
        ("?", "4"),
        ("tanh relu", "['relu', 'tanh']"),
    ],
)
def test_answers_that_are_wrong(answer: str, output: str) -> None:
    assert not agrees(answer, output)


def test_the_real_book_can_be_asked(tmp_path: Path) -> None:
    """What the blocks of a topic print in the quiz is what the page says, and each answer is right for itself."""
    for language in book.FOLDERS:
        questions = book.questions(language)
        items = quiz.to_ask(questions)
        assert len(items) >= len(questions) / 2
        assert all(question.thirty_seconds and "**" not in question.thirty_seconds for question in questions)
    for question in questions[:4]:
        for block, outputs in zip(question.blocks, book.printed(question.blocks)):
            for example, output in zip(block.examples, outputs):
                assert example.exc_msg or output == example.want.rstrip("\n")
                assert not output or agrees(output, output)


def test_piped_as_at_a_prompt(tmp_path: Path) -> None:
    """In a process of its own, with the real book, its input a file that ends."""
    command = [sys.executable, "-m", "minitorch", "quiz", "4", "--lang", "zh", "--progress", "p.json"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONUTF8": "1"}
    done = subprocess.run(command, input=b"8.0\n", capture_output=True, cwd=tmp_path, env=environment, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "8.0\n正确。实际打印： tensor(8.)" in done.stdout.decode()
    assert json.loads((tmp_path / "p.json").read_text()) == {"kind": "minitorch quiz", "missed": [], "right": ["q4.0"]}
