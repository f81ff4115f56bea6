"""The command line: `commands.py` has the commands, `explain.py` shows how backward goes through a small program."""

from .commands import main
