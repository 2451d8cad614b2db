"""Training loops that their owners keep: a plan applied to their objects, and adapters for trainers."""
