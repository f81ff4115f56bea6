"""A command as typed at a prompt, run in this process."""

from __future__ import annotations

from minitorch.cli import commands


def run(*argv: str) -> int:
    """`minitorch` with these arguments: the exit status, however the command ends."""
    try:
        return commands.main(argv)
    except SystemExit as end:
        return int(end.code or 0)
