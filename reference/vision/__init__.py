"""Transforms of images, and networks, beside others' answers to the same calls.

`calls.py` writes calls as plain data, so that minitorch and torchvision can each be asked; definitions are in `plain.py`. torchvision needs
another torch than this project's, so that its answers were taken once, by `measure.py`, and stand in `facts.json`.
Networks the same way: `networks.py` has them in plain torch, `measure_networks.py` took what torchvision's own are into `networks.json`.
"""
