"""The exercises, one file each; their order is in `__init__.py` of the folder above."""
