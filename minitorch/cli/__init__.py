"""The command line: `commands.py` has the commands, `train.py` trains, `explain.py` shows how backward goes through a small program."""

from .commands import main
