"""How a command begins and ends: options that are misspelt get a suggestion, and whatever happens to the output is one line at most.

`minitorch` and `python -m reference` both go through here. Read next: `commands.py`.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import io
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

from . import plain_letters


class UserError(Exception):
    """Something only the user can put right; its text is the one line they get."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, with the nearest name for one that does not exist."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {message}\n")  # without the usage: one line

    def _print_message(self, message: str, file: Any = None) -> None:
        """As argparse's own, which keeps silent about a full disk."""
        if message:
            (file or sys.stderr).write(message)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]
        """The options; those of a command are told its own parser as `parser`, which knows what could have been meant."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            parser: argparse.ArgumentParser = getattr(found, "parser", self)
            options = re.findall(r"--[\w-]+", parser.format_help())
            parser.error(f"unrecognized arguments: {' '.join(rest)}{did_you_mean(rest[0].partition('=')[0], options)}")
        return found

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += did_you_mean(str(value), map(str, action.choices or ()))
            raise


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """`; did you mean NAME?` for the nearest of the names, nothing if none is near."""
    near = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {near[0]}?" if near else ""


def ending_well(program: str, command: Callable[[], int]) -> int:
    """Run a command; the exit status, whatever becomes of its output.

    Characters that the output's encoding lacks are written in plain letters. A pipe that nobody reads any more is status 141 and no message; a
    disk that is full, one line and status 1.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=plain_letters.NAME)
    try:
        try:
            return command()
        finally:  # what is still in the buffer must go out while its failing can be told
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:  # `minitorch explain mlp | head`
        _forget_the_output()
        return 141
    except OSError as error:
        if error.filename is not None:  # about a file, not about the output
            raise
        _forget_the_output()
        with contextlib.suppress(OSError):
            print(f"{program}: error: cannot write the output: {error.strerror or error}", file=sys.stderr)
        return 1


def _forget_the_output() -> None:
    """Nothing more goes to stdout: the interpreter flushes it once more at its end, and would complain."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def as_typed() -> str:
    """How this program was started, so that one can type it again: `minitorch`, `.venv/bin/minitorch`, `python -m minitorch`."""
    program = sys.argv[0]
    if os.path.basename(program) == "__main__.py":
        return f"{shlex.quote(sys.orig_argv[0])} -m minitorch"
    found = shutil.which(os.path.basename(program))
    if found is not None and os.path.abspath(found) == os.path.abspath(program):
        return os.path.basename(program)
    return shlex.quote(program)
