"""Tasks that hasten brings, and how a person's own are loaded."""
