"""Each metric by name is the one of scikit-learn, over all batches together."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as sk
from torch import Tensor

from hasten.training.metric_objects import BY_NAME
from hasten.training.metrics import METRICS, Quality

SAMPLES, CLASSES = 48, 4

SCORES: dict[str, Callable[[Any, Any], float]] = {
    "accuracy": lambda scores, labels: sk.accuracy_score(labels, scores.argmax(1)),
    "f1": lambda scores, labels: sk.f1_score(labels, scores.argmax(1), average="macro"),
    "auroc": lambda scores, labels: sk.roc_auc_score(
        labels, np.exp(scores) / np.exp(scores).sum(1, keepdims=True), multi_class="ovr"
    ),
    "perplexity": lambda scores, labels: math.exp(
        sk.log_loss(labels, np.exp(scores) / np.exp(scores).sum(1, keepdims=True))
    ),
}
ERRORS: dict[str, Callable[[Any, Any], float]] = {
    "mae": lambda output, target: sk.mean_absolute_error(target, output),
    "mse": lambda output, target: sk.mean_squared_error(target, output),
    "rmse": lambda output, target: sk.root_mean_squared_error(target, output),
    "r2": lambda output, target: sk.r2_score(target, output),
}


def over_batches(name: str, output: Tensor, target: Tensor) -> float:
    quality = Quality(name)
    for part in range(0, SAMPLES, 20):  # the last batch is smaller
        quality.add(output[part : part + 20], target[part : part + 20])
    return quality.value(0.0)


@pytest.mark.parametrize("name", SCORES)
def test_metrics_over_classes(name: str) -> None:
    scores, labels = torch.randn(SAMPLES, CLASSES), torch.arange(SAMPLES) % CLASSES
    assert over_batches(name, scores, labels) == pytest.approx(SCORES[name](scores.double().numpy(), labels), rel=1e-5)


@pytest.mark.parametrize("name", ERRORS)
def test_metrics_of_numbers(name: str) -> None:
    target = 3 * torch.randn(SAMPLES, 1)
    output = target + torch.randn(SAMPLES, 1)
    assert over_batches(name, output, target) == pytest.approx(ERRORS[name](output, target), rel=1e-4)


def test_the_loss_is_a_metric_and_every_name_is_tested_here() -> None:
    quality = Quality("loss")
    quality.add(torch.zeros(1), torch.zeros(1))
    assert quality.value(0.25) == 0.25
    assert set(METRICS) == {*SCORES, *ERRORS, "loss"}


@pytest.mark.parametrize("name", METRICS)
def test_only_errors_and_losses_should_be_small(name: str) -> None:
    quality = Quality(name)
    assert quality.higher_is_better is (name in ("accuracy", "f1", "auroc", "r2"))
    better, worse = (1.0, 0.5) if quality.higher_is_better else (0.5, 1.0)
    assert quality.is_better(better, worse)
    assert not quality.is_better(worse, better)
    assert not quality.is_better(better, better)
    assert quality.is_better(worse, math.nan), "there is none before the first evaluation"
    assert not quality.is_better(math.nan, worse)
    assert quality.reaches(better, worse)
    assert not quality.reaches(worse, better)
    assert not quality.reaches(better, None)


@pytest.mark.parametrize("name", METRICS)
def test_the_direction_of_a_name_is_that_of_its_object(name: str) -> None:
    higher = BY_NAME[name](2).higher_is_better if name in BY_NAME else False  # "loss" has no object
    assert Quality(name).higher_is_better is higher
    assert set(METRICS) == {*BY_NAME, "loss"}
