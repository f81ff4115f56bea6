"""Loops in C: the second backend of `compile`. Read next: `forms.py` in the room above, `nests.py`, `source.py`, `program.py`."""
