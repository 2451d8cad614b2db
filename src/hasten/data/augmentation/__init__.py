"""Augmentation of whole batches, each a pure function of the seed, the epoch and the ids of the samples."""
