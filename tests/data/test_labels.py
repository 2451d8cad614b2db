import numpy as np
import pytest

from hasten.base.errors import BadInput
from hasten.data.tables.labels import check_labels


def test_labels_that_fit_pass():
    check_labels(np.array([0, 2, 1], np.uint8), num_samples=3, num_classes=3, where="y")


@pytest.mark.parametrize(
    ("labels", "message"), [([0, 3, 3], "found 3 in row 1 and 2 such"), ([0, 1, -1], "found -1 in row 2")]
)
def test_a_label_out_of_range_is_named_with_its_row(labels, message):
    with pytest.raises(BadInput, match=rf"y must hold labels from 0 to 2; {message}"):
        check_labels(np.array(labels), num_samples=3, num_classes=3, where="y")


@pytest.mark.parametrize("labels", [np.zeros(4, int), np.zeros(3), np.zeros((3, 1), int)])
def test_labels_must_match_the_samples(labels):
    with pytest.raises(BadInput, match="one whole number per sample, 3 in all"):
        check_labels(labels, num_samples=3, num_classes=3, where="y")
