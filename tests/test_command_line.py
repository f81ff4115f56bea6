"""The commands as a user types them: in a process of their own, into pipes, full disks and terminals without Greek."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from shares import by_turns

pytestmark = pytest.mark.outside

ROOT = Path(__file__).parent.parent
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
OLD_WINDOWS = {"PYTHONIOENCODING": "cp1252"}


def run(command: str, folder: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A line of shell; `python` is this one, and `minitorch` and `reference` are found as in the checkout."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", f"python() {{ {shlex.quote(sys.executable)} \"$@\"; }}; {command}"],
        cwd=folder, env=environment, capture_output=True, timeout=120,
    )  # fmt: skip


def last_line(done: subprocess.CompletedProcess[bytes]) -> str:
    """The one line of its errors."""
    assert done.stderr.count(b"\n") == 1, done.stderr.decode()
    return done.stderr.decode().strip()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    assert run("python -m minitorch train --epochs 1", folder).returncode == 0
    return folder


# ---- mistakes ----


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("minitorch", "minitorch: error: name a command: train, evaluate, predict, explain, exercise or quiz; minitorch --help tells more"),
        ("minitorch trian", "did you mean train?"),
        ("minitorch evalute x.pt", "did you mean evaluate?"),
        ("minitorch --verison", "unrecognized arguments: --verison; did you mean --version?"),
        ("minitorch train --epohcs 3", "minitorch train: error: unrecognized arguments: --epohcs 3; did you mean --epochs?"),
        ("minitorch train --epohcs=3", "did you mean --epochs?"),
        ("minitorch train --optimiser sgd", "did you mean --optimizer?"),
        ("minitorch train --optimizer adma", "did you mean adam?"),
        ("minitorch train quickly", "minitorch train: error: unrecognized arguments: quickly"),
        ("minitorch predict x.png --tpo 3", "minitorch predict: error: unrecognized arguments: --tpo 3; did you mean --top?"),
        ("minitorch explain --varable x", "did you mean --variable?"),
        ("reference", "python -m reference: error: name a command: report, "),
        ("reference raport", "did you mean report?"),
        ("reference report --exampels 3", "python -m reference report: error: unrecognized arguments: --exampels 3; did you mean"),
        ("reference bench --markdown x", "python -m reference bench: error: --markdown goes with --device cuda"),
    ],
)  # fmt: skip
def test_a_misspelt_word_gets_a_suggestion(command: str, says: str) -> None:
    done = run(f"python -m {command}")
    assert (done.returncode, done.stdout) == (2, b"")
    assert says in last_line(done)


def test_a_misspelt_example_gets_a_suggestion() -> None:
    assert last_line(run("python -m minitorch explain chian")).endswith("; did you mean chain?")


def test_without_torch_the_oracle_says_what_it_needs(tmp_path: Path) -> None:
    for missing in ("torch", "numpy"):
        (tmp_path / missing).mkdir()
        (tmp_path / missing / f"{missing}.py").write_text(
            f"raise ModuleNotFoundError('No module named {missing}', name={missing!r})"
        )
        done = run("python -m reference report", PYTHONPATH=f"{tmp_path / missing}:{ROOT}")
        assert (done.returncode != 0, done.stdout) == (True, b"")
        assert re.search(rf"{missing} is not installed: pip install -e '\.\[test\]'$", last_line(done))


# ---- where the output goes ----

COMMANDS = [
    "minitorch --help",
    "minitorch --version",
    "minitorch train --help",
    "minitorch train --epochs 1 --out x.pt",
    "minitorch evaluate digits.pt",
    "minitorch explain",
    "minitorch explain softmax",
    "minitorch explain --compiled training",
    "reference --help",
]


@pytest.mark.parametrize("command", by_turns([*COMMANDS, "reference derivatives"], 3))
@pytest.mark.parametrize("buffered", ["", "1"])
def test_a_full_disk_is_one_line(command: str, buffered: str, trained: Path) -> None:
    done = run(f"python -m {command} > /dev/full", trained, PYTHONUNBUFFERED=buffered)
    assert done.returncode == 1
    assert last_line(done).endswith("error: cannot write the output: No space left on device")


@pytest.mark.parametrize("command", by_turns(COMMANDS, 3))
def test_a_pipe_that_nobody_reads_is_no_line(command: str, trained: Path) -> None:
    done = run(f"(sleep 1.5; python -m {command}) | true", trained)
    assert done.stderr == b""
    assert done.returncode == 141


@pytest.mark.parametrize("command", COMMANDS)
def test_no_stdout_at_all(command: str, trained: Path) -> None:
    done = run(f"python -m {command} >&-", trained)
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("command", by_turns(COMMANDS, 3))
@pytest.mark.parametrize("terminal", [ASCII, OLD_WINDOWS, {"PYTHONIOENCODING": "ascii"}], ids=["C", "cp1252", "ascii"])
def test_a_terminal_without_greek(command: str, terminal: dict[str, str], trained: Path) -> None:
    done = run(f"python -m {command}", trained, **terminal)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout


@pytest.mark.parametrize("terminal", [ASCII, OLD_WINDOWS, {}], ids=["C", "cp1252", "utf-8"])
def test_files_are_read_in_their_own_encoding(terminal: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        'import minitorch\nσ = minitorch.tensor(2.0, requires_grad=True)\nloss = σ.exp()  # e^σ ≥ 0\n', encoding="utf-8"
    )  # fmt: skip
    done = run("python -m minitorch explain mine.py", tmp_path, **terminal)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"g of " + ("σ".encode() if terminal == {} else b"sigma") in done.stdout


@pytest.mark.parametrize(
    "command", ["minitorch train --epochs 2 --out x.pt", "reference machine --count 2", "reference mutate --op relu6"]
)
def test_no_progress_bar_goes_into_a_pipe(command: str, trained: Path) -> None:
    done = run(f"python -m {command} 2>&1 | cat", trained)
    assert b"it/s" not in done.stdout and b"\r" not in done.stdout and b"%|" not in done.stdout


# ---- what it says to type next ----


@pytest.mark.parametrize(
    "start", ["python -m minitorch", "./bin/minitorch", "PATH=$PWD/bin:$PATH minitorch", "bin/minitorch"]
)
def test_the_command_it_names_can_be_typed(start: str, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "minitorch"
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom minitorch.cli import main\nsys.exit(main())\n")
    script.chmod(0o755)
    done = run(f"{start} train --epochs 1 --out 'my digits.pt'", tmp_path)
    named = done.stdout.decode().splitlines()[-1].partition("with: ")[2]
    activated = start.rpartition(" ")[0] + " " if start.startswith("PATH") else ""
    if activated:
        assert named == "minitorch evaluate 'my digits.pt'"
    again = run(f"{activated}{named}", tmp_path)
    assert (again.returncode, again.stderr) == (0, b""), named
    assert again.stdout.startswith(b"test accuracy")


# ---- the first commands of the README ----


def test_what_is_installed_is_minitorch_alone() -> None:
    """reference/ belongs to the checkout: the name is too common to be taken in everybody's site-packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["only-include"] == ["minitorch", "docs/interview"]
    assert wheel["sources"] == {"docs/interview": "minitorch/interview"}  # the book, for the quiz, goes into the package too


def test_the_readme_activates_what_it_uses() -> None:
    """Its commands install so that edits are seen, and every other one works in the shell they leave."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"<!-- run: \w+ -->\n```sh\n(.+)\n```", readme)
    assert len(commands) == 2
    for command in commands:
        assert re.match(r"python3 -m venv \.venv && \. \.venv/bin/activate && pip install --quiet -e \S+ && ", command)


def test_the_first_command_as_it_stands(tmp_path: Path) -> None:
    """Without what it downloads: the environment has a `minitorch` that this Python runs."""
    (command,) = re.findall(r"<!-- run: train -->\n```sh\n(.+)\n```", (ROOT / "README.md").read_text(encoding="utf-8"))
    script = tmp_path / ".venv" / "bin" / "minitorch"
    assert run(f"{shlex.quote(sys.executable)} -m venv --without-pip .venv", tmp_path).returncode == 0
    script.write_text(f"#!{sys.executable}\nimport sys\nfrom minitorch.cli import main\nsys.exit(main())\n")
    script.chmod(0o755)
    _, activate, install, train = command.split(" && ")
    assert install.startswith("pip install")
    done = run(f"{activate} && {train} --epochs 1 && minitorch evaluate digits.pt", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"test it again with: minitorch evaluate digits.pt\n" in done.stdout
