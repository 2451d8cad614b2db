"""Healthy programs, written as users write them, that faults are planted in.

Faults are edits of the source, so programs share the names that tutorials use: `load_data`, `Net`, `evaluate`, `main`;
`x`, `y`, `model`, `output`, `loss`, `optimizer`, `scheduler`, `h` for what is hidden, `head` for the last layer.
"""
