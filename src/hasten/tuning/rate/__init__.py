"""The learning rate and the batch size of a task, chosen by short trainings from one start."""
