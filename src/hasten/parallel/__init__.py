"""Floor 1: process groups and sharding; knows no recipe."""
