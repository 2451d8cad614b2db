"""Short paired branches that refuse what clearly lags behind, before whole trainings judge it."""
