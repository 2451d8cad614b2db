import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset, default_collate

from hasten.base.errors import BadInput
from hasten.data.packing.materialize import materialize


class Listed(list):
    """A list is a map-style data set."""


def test_tuples_become_the_arrays_that_collate_would_stack():
    dataset = TensorDataset(torch.rand(7, 2, 3), torch.arange(7))
    found = materialize(dataset)
    x, y = default_collate([dataset[i] for i in range(7)])
    assert list(found) == ["0", "1"]
    np.testing.assert_array_equal(found["0"], x.numpy())
    np.testing.assert_array_equal(found["1"], y.numpy())
    assert found["1"].dtype == np.int64


def test_dictionaries_keep_their_names_and_single_values_are_taken():
    found = materialize(Listed({"x": np.float32([i, 2]), "y": i, "z": i / 2} for i in range(3)))
    assert {name: (value.dtype.name, value.shape) for name, value in found.items()} == {
        "x": ("float32", (3, 2)),
        "y": ("int64", (3,)),
        "z": ("float64", (3,)),
    }
    assert materialize(Listed([1, 2]))["0"].tolist() == [1, 2]


class Random(torch.utils.data.Dataset):
    def __len__(self):
        return 50

    def __getitem__(self, index):
        return torch.rand(3), index


def test_random_samples_are_refused_and_the_generators_left_alone():
    state = torch.get_rng_state()
    with pytest.raises(BadInput, match="field '0' of sample 0 differs when it is read again"):
        materialize(Random())
    assert torch.equal(state, torch.get_rng_state())


def test_a_missing_number_equals_itself():
    assert np.isnan(materialize(Listed([float("nan")]))["0"]).all()


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "at least one sample"),
        ([np.zeros(2), np.zeros(3)], r"float64\(2,\) in sample 0 and float64\(3,\) in sample 1"),
        ([{"x": 1}, {"y": 1}], r"must have the fields \['x'\] in sample 1; found \['y'\]"),
        (["text"], "found a str in field '0' of sample 0"),
        ([torch.zeros(1, dtype=torch.bfloat16)], r"found a torch.bfloat16 in field '0'"),
    ],
)
def test_what_is_no_array_is_named(samples, message):
    with pytest.raises(BadInput, match=message):
        materialize(Listed(samples))
