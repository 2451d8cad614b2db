"""Plant small bugs in the code and see which of them the tests miss."""
