"""Trainings of many kinds, each as a loop written by hand and as a task that must train bit for bit the same."""
