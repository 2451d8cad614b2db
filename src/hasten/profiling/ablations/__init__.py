"""The step with one suspect removed: each ablation gives an upper bound on what any remedy for it can gain."""
