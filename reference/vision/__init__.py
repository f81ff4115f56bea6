"""Transforms of images beside others' answers to the same calls.

`calls.py` writes calls as plain data, so that minitorch, torchvision and the definitions in `plain.py` can each be asked. torchvision needs
another torch than this project's, so that its answers were taken once, by `measure.py`, and stand in `facts.json`.
"""
