"""What is built on collective calls: `join.py`, uneven inputs; `ddp_comm_hooks/`, how gradients travel."""
