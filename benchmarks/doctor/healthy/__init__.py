"""Healthy programs that look ill to a careless rule."""
