"""Tier W: one training step tells whether model, loss and optimizer hang together. No thresholds."""
