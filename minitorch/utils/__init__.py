"""Helpers around training: hooks, data loading, checkpointing (torch's `torch.utils`)."""
