"""The exercises: each solution is right, each typical wrong answer is told what is wrong with it; and the command that judges them.

The judge must survive whatever a learner writes, and leave the learner's files alone.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import minitorch
from minitorch.cli import exercise as command
from minitorch.exercises import FOLDER, NAMES, TOPICS
from minitorch.exercises.exercise import Exercise
from minitorch.exercises.progress import FILE
from prompt import run
from reference import grading

ROOT = Path(__file__).parent.parent
WRONG = [(name, wrong) for name in NAMES for wrong in Exercise(name).wrong]


# ---- each exercise ----


@pytest.mark.parametrize("name", NAMES)
def test_the_solution_is_right(name: str) -> None:
    chosen = Exercise(name)
    verdict = grading.judge(chosen, chosen.solution(), f"{name}.py", examples=25)
    assert verdict.kind == "right", "\n".join(verdict.lines)


@pytest.mark.parametrize("name", NAMES)
def test_the_file_to_fill_in_is_not_filled_in_yet(name: str) -> None:
    chosen = Exercise(name)
    assert grading.judge(chosen, chosen.file()).kind == "empty"
    assert grading.judge(chosen, "# by me\n" + chosen.file()).kind == "empty"


@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_a_typical_wrong_answer_is_told_what_is_wrong_with_it(name: str, wrong: str) -> None:
    chosen = Exercise(name)
    answer, told = chosen.wrong[wrong]
    first = wrong == next(iter(chosen.wrong))  # (shrinking takes most of the time)
    verdict = grading.judge_answer(chosen, answer, shrink=first)
    assert verdict.kind == "wrong"
    assert told in " ".join(" ".join(verdict.lines).split()), "\n".join(verdict.lines)


def test_there_are_exercises_enough() -> None:
    assert len(NAMES) >= 40
    assert sorted(NAMES) == sorted(file.stem for file in FOLDER.glob("*.py") if file.stem != "__init__")


@pytest.mark.parametrize("name", NAMES)
def test_an_exercise_is_complete(name: str) -> None:
    chosen = Exercise(name)
    assert 1 <= len(chosen.hints) <= 3
    assert len(chosen.wrong) >= 2
    assert name not in sys.stdlib_module_names, "the learner's file would hide a module of Python's"
    assert chosen.source.isascii(), "a terminal or an editor may know nothing else"
    assert name in chosen.file() and chosen.title in chosen.file()
    assert not chosen.forbidden & set(re.findall(r"\w+", chosen.solution()))
    assert max(map(len, chosen.file().splitlines())) <= 125


# ---- what learners write ----

SIGMOID = Exercise("sigmoid_grad")
HEAD = "import numpy as np\n"


def judged(body: str, chosen: Exercise = SIGMOID, head: str = HEAD) -> grading.Verdict:
    """The verdict on a file with such a function."""
    definition = f"def {chosen.name}(g, x):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    return grading.judge(chosen, head + definition + "\n", "mine.py", examples=20)


RIGHT = "s = 1 / (1 + np.exp(-x))\n"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("return g *", ["mine.py, line 3 is no Python: invalid syntax", "return g *"]),
        ("return g * s * (1 - s)", ["raised NameError: name 's' is not defined", "mine.py, line 3:", "return g * s * (1 - s)"]),
        ("return np.linalg.inv(x)", ["raised LinAlgError: 0-dimensional array given", "mine.py, line 3:"]),
        (RIGHT + "result = g * s * (1 - s)", ["the result is None: is a `return` missing?"]),
        (RIGHT + "return (g * s * (1 - s)).sum()", ["the result has shape (), expected (1,)"]),
        (RIGHT + "return (g * s * (1 - s))[None]", ["the result has shape (1,), expected ()"]),
        (RIGHT + "return (g * s * (1 - s)).astype(np.float32)", ["the result is of dtype float32, expected float64"]),
        (RIGHT + "return (g * s * (1 - s)).tolist()", ["the result is of type list, expected a NumPy array"]),
        (RIGHT + "return g * s * (1 - s), s", ["the result is of type tuple, expected a number"]),
        (RIGHT + "return 'g * s * (1 - s)'", ["the result is of type str, expected a number"]),
        (RIGHT + "return g * s * (1 - s) + 1e-7", ["the result: error is 100 times what is allowed", "yours ", "expected "]),
        (RIGHT + "return g * s * (1 - s) / 0", [": does something overflow, or divide by 0?"]),
        (RIGHT + "g *= s * (1 - s)\nreturn g", ["it changed its argument 'g', which belongs to the caller"]),
        ("return 1 / 0", ["raised ZeroDivisionError: division by zero"]),
        ("return sigmoid_grad(g, x)", ["raised RecursionError", "mine.py, line 3:"]),
        ("raise SystemExit(3)", ["raised SystemExit: 3"]),
        ("print('here', g.shape)\nreturn g", ["it printed:", "  here ()"]),
        ("for k in range(50): print(k)\nreturn g", ["  9", "  ..."]),
        ("return input()", ["raised "]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(body: str, says: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    verdict = judged(body)
    assert verdict.kind == "wrong"
    text = "\n".join(verdict.lines)
    assert all(words in text for words in says), text


def test_a_right_answer_may_print(capsys: pytest.CaptureFixture[str]) -> None:
    assert judged(RIGHT + "print('!' * 100)\nreturn g * s * (1 - s)").kind == "right"
    assert capsys.readouterr() == ("", "")


def test_an_answer_that_differs_from_call_to_call_is_told_so() -> None:
    body = "calls.append(1)\nreturn g * s * (1 - s) * (len(calls) % 5 > 0)"
    text = "\n".join(judged(RIGHT + body, head=HEAD + "calls = []\n").lines)
    assert text == "it gives different results for the same input: does it keep something between two calls?"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("x = 1", "mine.py defines no sigmoid_grad; the judge calls it by that name"),
        ("sigmoid_grad = 3", "sigmoid_grad is of type int, expected a function or a class"),
        ("import nonsense", "line 1 imports nonsense; allowed here: NumPy, and Python's own modules"),
        ("import minitorch", "line 1 imports minitorch; allowed here: NumPy, and Python's own modules"),
        ("def f():\n    from scipy.special import expit", "line 2 imports scipy.special"),
        ("m = __import__('torch')", "line 1 imports __import__"),
        ("1 / 0", "running mine.py raised ZeroDivisionError: division by zero\nmine.py, line 1:\n    1 / 0"),
        ("raise SystemExit", "running mine.py raised SystemExit"),
        ("\0", "is no Python: source code string cannot contain null bytes"),
        ("    x = 1", "mine.py, line 1 is no Python: unexpected indent"),
    ],
)
def test_a_file_that_cannot_be_judged(code: str, says: str) -> None:
    verdict = grading.judge(SIGMOID, code, "mine.py")
    assert verdict.kind == "wrong"
    assert says in "\n".join(verdict.lines)


def test_a_ready_function_is_refused_where_one_is_to_be_written() -> None:
    bce, swish = Exercise("bce_with_logits"), Exercise("custom_function")
    code = "import numpy as np\ndef bce_with_logits(x, y):\n    return np.logaddexp(0, x) - x * y"
    assert grading.judge(bce, code).lines == [
        "line 3 uses logaddexp, which may not be used here: the task is to write it yourself"
    ]
    for ready in ("import minitorch.nn.functional as F\nF.silu", "from minitorch.nn.functional import silu as s"):
        assert "uses silu, which may not be used here" in grading.judge(swish, ready).lines[0]


class Awkward:
    """Nothing can be done with it."""

    def __eq__(self, other: object) -> bool:
        raise ValueError("no")

    __repr__ = __len__ = __iter__ = __bool__ = __float__ = __array__ = __eq__  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


AWKWARD = [None, 3, "x", [], {}, [[1], [2, 3]], (None, None), np.array([object()]), np.array(["x"]), 1j, Awkward(), [Awkward()] * 2,
           minitorch.ones(2), np.ma.masked, np.float32(2), float, {1: Awkward()}, [{}]]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_whatever_comes_back_is_wrong_and_no_trouble(name: str) -> None:
    chosen = Exercise(name)
    case = grading.seeded(chosen, 1)
    for result in AWKWARD:
        told = grading.complain(chosen, lambda *_, result=result, **__: result, case, "mine.py")
        assert told


def test_the_smallest_input_can_be_typed() -> None:
    """What the judge says to type is Python, and shows what the judge saw."""
    verdict = judged("return g * x")
    lines = [line.strip() for line in verdict.lines[verdict.lines.index("To repeat it, in Python:") + 1 :]]
    module = ModuleType("sigmoid_grad")
    module.sigmoid_grad = lambda g, x: g * x  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "sigmoid_grad", module)
        namespace: dict[str, Any] = {}
        exec("\n".join(lines[:-1]), namespace)
        result = eval(lines[-1], namespace)
    (yours,) = (line.split()[1] for line in verdict.lines if line.startswith("yours"))
    assert float(yours) == pytest.approx(float(result))


def test_the_same_inputs_are_drawn_each_time() -> None:
    assert judged("return g * x").lines == judged("return g * x").lines


# ---- the command ----


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


Output = Callable[[], str]


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Output:
    """What was printed since the last time, errors after it."""
    return lambda: "".join(capsys.readouterr())


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are judged in this process: another takes a second to start."""

    def verdict_on(chosen: Exercise, path: Path, seconds: float) -> dict[str, Any]:
        return vars(grading.judge(chosen, path.read_text(), str(path), examples=10))

    monkeypatch.setattr(command, "verdict_on", verdict_on)


def test_from_the_list_to_the_last_exercise(folder: Path, told: Output, here: None) -> None:
    assert run("exercise") == 0
    lines = told().splitlines()
    assert lines[0] == f"0 of {len(NAMES)} exercises solved."
    assert [re.match(r"  \[ \] (\w+) +\S", line) is not None for line in lines].count(True) == len(NAMES)

    assert run("exercise", "softmax") == 1
    assert "there is no softmax.py in this folder; to begin: minitorch exercise softmax --start" in told()
    assert run("exercise", "softmax", "--start") == 0
    assert told() == ("wrote softmax.py: Softmax that does not overflow\nfill it in, then: minitorch exercise softmax\n")
    assert run("exercise", "softmax") == 1
    assert told().startswith("softmax: not filled in yet")
    assert not (folder / FILE).exists(), "nothing has been tried yet"

    for file, last in (("softmax", "log_softmax"), ("bug_rebound", None)):
        Path(f"{file}.py").write_text(Exercise(file).solution())
        assert run("exercise", f"{file}.py") == 0
        first, second = told().splitlines()
        assert first.startswith(f"{file}: right, on ")
        assert second == (f"the next one: minitorch exercise {last} --start" if last else "that was the last one")
    assert run("exercise") == 0
    assert "2 of " in (text := told()) and "[x] softmax " in text and "(1 try)" in text


def test_a_file_is_not_overwritten(folder: Path, told: Output) -> None:
    mine = folder / "rope.py"
    mine.write_text("mine")
    assert run("exercise", "rope", "--start") == 1
    assert told() == (
        "minitorch exercise: error: rope.py exists, and was left as it is; to begin anew and lose what is in it, add --force\n"
    )
    assert mine.read_text() == "mine"
    assert run("exercise", "rope", "--start", "--force") == 0
    assert mine.read_text() == Exercise("rope").file()
    assert sorted(os.listdir(folder)) == ["rope.py"]


def test_hints_come_one_by_one(folder: Path, told: Output) -> None:
    hints = Exercise("adam").hints
    for k, hint in enumerate(hints):
        assert run("exercise", "adam", "--hint") == 0
        assert " ".join(told().split()) == f"hint {k + 1} of {len(hints)}: {hint}"
    assert run("exercise", "adam", "--hint") == 0
    text = " ".join(told().split())
    assert all(hint in text for hint in hints) and "these are all; the solution: minitorch exercise adam --solution" in text
    run("exercise")
    assert "[~] adam " in (text := told()) and "(3 hints)" in text


def test_the_solution_is_shown_on_request_and_noted(folder: Path, told: Output) -> None:
    assert run("exercise", "adam", "--solution") == 0
    assert told() == Exercise("adam").solution()
    run("exercise")
    assert "(solution seen)" in told()


def test_tries_are_counted_and_solved_stays_solved(folder: Path, told: Output, here: None) -> None:
    for code in (Exercise("rms_norm").solution(), "def rms_norm(x, weight, eps): return x"):
        Path("rms_norm.py").write_text(code)
        run("exercise", "rms_norm")
    assert json.loads(Path(FILE).read_text())["exercises"] == {
        "rms_norm": {"tries": 2, "solved": True, "hints": 0, "solution": False}
    }
    assert "a hint: minitorch exercise rms_norm --hint" in told()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Expecting value"),
        ('{"exercises": {"adam": {"tries": 1}', "delimiter"),
        ("[]", "list indices"),
        ("{}", "it has no 'exercises'"),
        ('{"exercises": {"adam": {"tries": "many"}}}', "tries of adam is 'many', expected int"),
        ('{"exercises": {"adam": 3}}', "no attribute"),
        ("\udcff", "can't decode"),
    ],
)
def test_a_damaged_progress_file_is_left_alone(text: str, why: str, folder: Path, told: Output) -> None:
    path = folder / FILE
    path.write_text(text, errors="surrogateescape")
    before = path.read_bytes()
    for options in ([], ["adam", "--hint"], ["adam", "--start"]):
        assert run("exercise", *options) == 1
        output = told()
        assert output.startswith(f"minitorch exercise: error: {FILE} is damaged (") and output.count("\n") == 1
        assert why in output and "mend it, or remove it to begin anew" in output
    assert path.read_bytes() == before and os.listdir(folder) == [FILE]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("sigmoid-grad", "there is no exercise 'sigmoid-grad'; did you mean sigmoid_grad?"),
        ("softmaks", "did you mean softmax?"),
        ("xyz", "there is no exercise 'xyz'; minitorch exercise lists them"),
        ("../../etc/passwd", "there is no exercise"),
        ("--start", "name an exercise; minitorch exercise lists them"),
        ("adam --force", "--force goes with --start"),
        ("adam --start --hint", "not allowed with argument --start"),
        ("adam --seconds -3", "expected a number above 0"),
        ("adam --solutoin", "did you mean --solution?"),
    ],
)
def test_mistakes_at_the_prompt_are_one_line(options: str, says: str, folder: Path, told: Output) -> None:
    assert run("exercise", *options.split()) in (1, 2)
    output = told()
    assert output.count("\n") == 1 and says in output
    assert os.listdir(folder) == []


def test_a_folder_that_may_not_be_written_to(folder: Path, told: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / FILE).mkdir()
    assert run("exercise", "adam", "--hint") == 1
    assert told() == f"minitorch exercise: error: {FILE}: Is a directory\n"


def test_without_the_test_extra_the_judge_says_what_it_needs(
    folder: Path, told: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("exercise", "adam", "--start")
    told()
    for missing in ("hypothesis", "reference"):
        monkeypatch.setattr(
            command.importlib.util, "find_spec", lambda name, missing=missing: None if name == missing else 1
        )
        assert run("exercise", "adam") == 1
        output = told()
        assert output.count("\n") == 1 and "pip install -e '.[test]'" in output


# ---- the page ----


def test_the_session_of_the_page_is_what_one_sees(folder: Path, told: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its blocks in turn: `py` is the learner's file, `text` what is typed and printed. Numbers in arrays are drawn, and may differ."""

    def verdict_on(chosen: Exercise, path: Path, seconds: float) -> dict[str, Any]:
        return vars(grading.judge(chosen, path.read_text(), str(path)))

    def masked(text: str) -> str:
        return re.sub(r"[-\d.][\d.]*(e[+-]\d+)?", "#", text)

    monkeypatch.setattr(command, "verdict_on", verdict_on)
    page = (ROOT / "docs" / "exercises.md").read_text(encoding="utf-8")
    sessions = re.findall(r"^```(py|text)\n(.*?)^```", page, re.M | re.S)
    assert len(sessions) == 5
    for kind, block in sessions:
        if kind == "py":
            Path("softmax_grad.py").write_text(block)
            continue
        for typed, printed in re.findall(r"^\$ minitorch (.*)\n((?:(?!\$).*\n)*)", block, re.M):
            run(*typed.split())
            assert masked(told()) == masked(printed)


def test_the_page_names_all_exercises() -> None:
    page = (ROOT / "docs" / "exercises.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([\w ]+) \| ((?:`\w+`(?:, )?)+) \|$", page, re.M)
    assert {topic: tuple(re.findall(r"\w+", names)) for topic, names in rows} == TOPICS
    assert f"has {len(NAMES)} exercises" in page
    assert f"{len(NAMES)} exercises" in (ROOT / "README.md").read_text(encoding="utf-8")


# ---- in a process of its own ----


def test_a_wrong_answer_in_a_process_of_its_own(folder: Path) -> None:
    """As typed, into a pipe, in a terminal that knows ASCII alone; torch is not needed."""
    (folder / "torch.py").write_text("raise ImportError('no torch here')")
    Path("sigmoid_grad.py").write_text(HEAD + "def sigmoid_grad(g, x):\n    print(g)\n    return x\n")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{folder}:{ROOT}",
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    done = subprocess.run(
        [sys.executable, "-m", "minitorch", "exercise", "sigmoid_grad"], capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("sigmoid_grad: wrong; the smallest input that shows it:\n    g = ")
    assert "times what is allowed" in done.stdout and "?" not in done.stdout
    assert sorted(set(os.listdir(folder)) - {"__pycache__"}) == [FILE, "sigmoid_grad.py", "torch.py"]


@pytest.mark.parametrize(
    ("code", "seconds", "says"),
    [
        ("def sigmoid_grad(g, x):\n    while True:\n        x = x + 1\n", 0.5, ["stopped after 0.5 seconds", "mine.py, line "]),
        ("import os\nos._exit(7)\n", 60, ["the process that judged it ended with status 7"]),
        ("def sigmoid_grad(g, x):\n    big = [0] * (10 ** 10)\n", 60, ["raised MemoryError", "mine.py, line 2:"]),
    ],
)  # fmt: skip
def test_the_judge_survives(code: str, seconds: float, says: list[str], folder: Path) -> None:
    Path("mine.py").write_text(code)
    verdict = command.verdict_on(SIGMOID, Path("mine.py"), seconds)
    assert verdict["kind"] == "wrong"
    text = "\n".join(verdict["lines"])
    assert all(words in text for words in says), text


def test_a_file_that_is_no_text(folder: Path) -> None:
    Path("mine.py").write_bytes(b"x = '\xff'")
    assert grading.judge_file(SIGMOID, "mine.py").lines == ["mine.py is no text in UTF-8: invalid start byte at byte 5"]
    assert grading.judge_file(SIGMOID, ".").lines == [".: Is a directory"]
    Path("mine.py").write_text(SIGMOID.solution(), encoding="utf-8-sig")
    assert grading.judge_file(SIGMOID, "mine.py").kind == "right"
