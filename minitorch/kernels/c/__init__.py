"""Loops in C for what NumPy needs too many passes for: headers, one for each kind of op, written once for float and double.

Two use them. Eager twins (`recurrent.py` and others here) call them from libraries that `library.py` compiles at their first use on a
machine; a program of `compile(backend="c")` includes them in its own text. Without a C compiler there is NumPy, as before.
Read next: `library.py`.
"""
