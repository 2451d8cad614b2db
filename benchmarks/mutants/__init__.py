"""Plant small bugs in the code and see which of them the tests miss."""

NOT_PATCHED = 77
"""Exit code of a run whose patch does not fit the functions that are alive."""
