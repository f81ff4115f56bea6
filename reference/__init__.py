"""The oracle: each public op, layer, loss and optimizer of minitorch beside torch's, and the checks that compare them.

Start with `table.py` (how a row is declared), then `checks.py` (what every row must pass).
"""
