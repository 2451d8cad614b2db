"""Layers are named in messages with what they are."""

from torch import nn

from hasten.tuning.layer_names import layer_names, parameter_name


def test_a_layer_is_named_with_its_class() -> None:
    model = nn.Sequential(nn.Sequential(nn.Conv2d(1, 2, 3)), nn.Linear(2, 2))
    assert layer_names(model) == {"": "the model", "0": "0 (Sequential)", "0.0": "0.0 (Conv2d)", "1": "1 (Linear)"}
    assert parameter_name(model, "0.0.weight") == "0.0.weight (Conv2d)"
    assert parameter_name(nn.Linear(2, 2), "weight") == "weight"
