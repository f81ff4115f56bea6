"""Twins for NumPy arrays: the same numbers, bit by bit or nearly, in fewer calls and fewer passes over memory.

Which op or optimizer a twin stands in for is said where it is declared. Read next: `optim.py`.
"""
