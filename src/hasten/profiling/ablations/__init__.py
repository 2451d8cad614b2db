"""Ablations: the step without one of its parts, an upper bound on what optimizing that part can gain."""
