"""hasten: gradient training in PyTorch made faster, with proof."""
