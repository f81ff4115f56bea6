"""Several processes that compute together, with torch's names: `minitorch.distributed`.

Read in this order: `distributed_c10d.py` (what users call), `process_group.py` (what a backend is), `gloo.py` (one).
"""
