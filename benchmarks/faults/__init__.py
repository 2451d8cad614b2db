"""Do to a training what happens to trainings, and see what is left."""
