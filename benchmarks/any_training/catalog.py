"""Every training, by name."""

from importlib.util import find_spec

from benchmarks.any_training import adversarial, dense, generative, images, loaders, modules, relations, sequences, used
from benchmarks.any_training.training import Training

FAMILIES = dense, images, sequences, generative, adversarial, relations, modules, loaders, used

TRAININGS: dict[str, Training] = {one.name: one for family in FAMILIES for one in family.TRAININGS}
if find_spec("transformers"):
    _bert = sequences.bert_of_transformers()
    TRAININGS[_bert.name] = _bert
