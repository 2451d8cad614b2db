"""Tier D: how losses, gradients, activations and updates move, sampled while training."""
