"""Loops in C: the second backend of `compile`. Read next: `forms.py`, `nests.py`, `source.py`, `program.py`."""
