"""A task and its plan as one plain PyTorch script, without hasten."""
