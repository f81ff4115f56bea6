"""`needed`: a package that minitorch does not install by itself, imported where it is used.

Without it the error names the extra that brings it, so that the reader need not look for it.
"""

from __future__ import annotations

import importlib
from typing import Any


def needed(name: str, extra: str, by: str) -> Any:
    """The module `name`; ImportError with the command that installs it if it is not there. `by`: who needs it.

    >>> needed("no_such_package", "vision", by="save_image")
    Traceback (most recent call last):
    ImportError: save_image needs the package no_such_package: pip install 'minitorch[vision]'
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        if error.name is None or error.name.partition(".")[0] != package:
            raise  # the package is there; what it needs itself is not
        raise ImportError(f"{by} needs the package {package}: pip install 'minitorch[{extra}]'") from error
