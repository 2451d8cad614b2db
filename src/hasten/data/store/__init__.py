"""The binary store: preprocess once, then read samples as fast as memory can be copied, every byte of it checked."""
