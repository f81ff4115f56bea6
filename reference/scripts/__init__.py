"""Random scripts of what users type, on both libraries: `python -m reference scripts`. Start with `run.py`."""
