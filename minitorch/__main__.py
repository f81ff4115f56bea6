"""`python -m minitorch` is the command `minitorch`."""

from __future__ import annotations

import sys

from .cli import main

sys.exit(main())
