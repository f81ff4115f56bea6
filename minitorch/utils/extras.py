"""`optional`: a package that only some of minitorch needs, imported where it is used; without it, an error says what to install."""

from __future__ import annotations

import importlib
from typing import Any


def optional(module: str, extra: str, who: str) -> Any:
    """The module, of a package that comes with `minitorch[extra]`; ImportError, with the command, if it is not there.

    >>> optional("nowhere.inside", "viz", "minitorch.viz")
    Traceback (most recent call last):
    ImportError: minitorch.viz needs the package nowhere: pip install 'minitorch[viz]'
    """
    package = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != package:  # something else is missing, and the message names it
            raise
        raise ImportError(f"{who} needs the package {package}: pip install 'minitorch[{extra}]'") from error
