"""Every training, by name."""

from importlib.util import find_spec

from benchmarks.any_training import dense, generative, images, loaders, modules, relations, sequences
from benchmarks.any_training.training import Training

FAMILIES = dense, images, sequences, generative, relations, modules, loaders

TRAININGS: dict[str, Training] = {one.name: one for family in FAMILIES for one in family.TRAININGS}
if find_spec("transformers"):
    _bert = sequences.bert_of_transformers()
    TRAININGS[_bert.name] = _bert

NOT_YET = {"gan": "Task has no `step` for several optimizers in one step"}
"""Kinds of training that a task cannot express, and why."""
