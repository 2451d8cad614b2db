"""Every message of `check`, and that it leaves no trace."""

import dataclasses
import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import Dataset, Subset, TensorDataset
from torchmetrics import MeanMetric

from hasten.base.errors import BadInput
from hasten.base.seeds import random_state
from hasten.data.datasets import Windows
from hasten.training.check import check
from hasten.training.loss import CrossEntropy, Loss
from hasten.training.task import Data, Stop, Task, Update


class Listed(Dataset[Any]):
    """Samples from a list, one by one."""

    def __init__(self, samples: list[Any]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        return self.samples[index]


def classes(samples: int = 10) -> TensorDataset:
    """Four features, three classes."""
    return TensorDataset(torch.randn(samples, 4), torch.arange(samples) % 3)


def numbers(samples: int = 10) -> TensorDataset:
    """Four features, one number (n, 1)."""
    return TensorDataset(torch.randn(samples, 4), torch.randn(samples, 1))


def task(train: Dataset[Any] | None = None, model: Callable[[], Any] = lambda: nn.Linear(4, 3), **changes: Any) -> Task:
    """A classification that is in order but for what the test changes."""
    train = classes() if train is None else train
    return Task(name="test", data=Data(train=train, valid=changes.pop("valid", train)), model=model, **changes)


def regression(train: Dataset[Any] | None = None, **changes: Any) -> Task:
    """A regression that is in order but for what the test changes."""
    return task(
        numbers() if train is None else train,
        **{"model": lambda: nn.Linear(4, 1), "loss": "mse", "metric": "r2", **changes},
    )


def refused(wrong: Task, match: str) -> None:
    """Check that a task is refused with a message."""
    with pytest.raises(BadInput, match=match):
        check(wrong)


# what is right passes, and nothing is left behind


@pytest.mark.parametrize(
    "good",
    [
        task(),
        task(Subset(classes(), [1, 2, 5])),
        task(Listed([(np.zeros(4, np.float32), 1), (torch.ones(4), 2)])),
        task(batch_size=None),
        regression(),
        regression(loss=lambda output, target: (output - target).abs().mean(), metric="mae"),
        regression(
            TensorDataset(torch.randn(6, 4), torch.rand(6)),
            loss=lambda o, t: ((o[:, 0] - t) ** 2).mean(),
            metric="loss",
        ),
        task(
            Windows(torch.arange(100) % 7, 5),
            lambda: nn.Sequential(nn.Embedding(7, 8), nn.Linear(8, 7)),
            metric="perplexity",
        ),
        task(TensorDataset(torch.zeros(4, 4), torch.tensor([0, -1, 2, -1])), loss=CrossEntropy(ignore_index=-1)),
    ],
)
def test_a_task_in_order_passes(good: Task) -> None:
    check(good)


def test_random_generators_and_the_persons_own_model_stay_as_they_were() -> None:
    own = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 3))
    before = {name: value.clone() for name, value in own.state_dict().items()}

    class Noisy(Listed):
        def __getitem__(self, index: int) -> Any:
            return torch.randn(4) + random.random() + np.random.rand(), 1

    def model() -> nn.Module:
        fresh = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(), nn.Linear(4, 3))
        fresh.load_state_dict(own.state_dict())
        return fresh

    state = random_state()
    check(task(Noisy([0] * 9), model, batch_size=5, metric="loss"))
    after = random_state()
    assert str(state) == str(after)
    assert torch.equal(state["torch"], after["torch"])
    assert all(torch.equal(value, before[name]) for name, value in own.state_dict().items())
    assert own.training
    assert all(parameter.grad is None for parameter in own.parameters())


# data


def test_data_without_samples_are_told() -> None:
    refused(task(valid=Listed([])), "the validation data must hold at least one sample; found none")


def test_data_without_a_length_are_told() -> None:
    class NoLength(Dataset[Any]):
        def __getitem__(self, index: int) -> Any:
            return torch.zeros(4), 0

    refused(
        task(NoLength()),
        "the training data must have a length; found NoLength without one. Give the data set a __len__",
    )


@pytest.mark.parametrize(
    ("sample", "match"),
    [
        ({"x": 1}, r"unexpected keyword argument 'x'\. No field is named as a target(.*\n)*.*Task\(..., objective="),
        ((torch.zeros(4),), r"the batch has none: a tuple of 1\. Return \(inputs, target\)"),
        ((torch.zeros(4), "cat"), r"cross_entropy needs one tensor of labels; found a tuple of 1"),
        (
            ("cat", torch.zeros(4), 1),
            r"the model must take the training data.*found TypeError(.*\n)*.*Task\(..., predict=predict\)",
        ),
    ],
)
def test_a_sample_that_the_model_or_the_loss_cannot_take_is_refused(sample: Any, match: str) -> None:
    refused(task(Listed([sample])), match)


def test_samples_of_different_shape_are_told() -> None:
    samples = [(torch.zeros(4), 0)] * 20 + [(torch.zeros(5), 0)]
    refused(
        task(Listed(samples)),
        r"found \(4,\) float32 and int in sample .* and \(5,\) float32 and int in sample 20\. Crop or",
    )


def test_a_sample_that_cannot_be_read_is_told_with_the_persons_line() -> None:
    class Broken(Listed):
        def __getitem__(self, index: int) -> Any:
            if index == 1:
                raise OSError("no such picture")
            return torch.zeros(4), 0

    refused(
        task(Broken([0, 0])),
        r"sample 1 of the training data must be readable; found OSError: no such picture \(.*test_check\.py:\d+\)",
    )


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_told_with_sample_and_feature(value: float) -> None:
    data = numbers(9000)
    data.tensors[0][8017, 2] = value
    refused(
        regression(data, valid=numbers()),
        rf"the training data must be finite; found {value} in sample 8017, the input, feature 2; 1 such values",
    )
    images = TensorDataset(torch.zeros(5, 1, 2, 2), torch.zeros(5, 4))
    images.tensors[0][3, 0, 1, 0] = value
    refused(regression(images), rf"found {value} in sample 3, the input, feature \(0, 1, 0\)")


def test_a_target_that_is_not_finite_is_told_also_where_samples_come_one_by_one() -> None:
    samples = [(torch.zeros(4), torch.zeros(1)) for _ in range(30)]
    samples[17][1][0] = math.nan
    refused(regression(Listed(samples)), r"found nan in sample 17, the target, feature 0")


def test_finite_values_whose_sum_overflows_pass() -> None:
    check(regression(TensorDataset(torch.full((10, 4), 3e38), torch.zeros(10, 1)), model=lambda: Scaled(1e-38)))


# labels


def test_a_label_out_of_range_is_told_with_its_sample_and_the_number_of_classes() -> None:
    data = classes(5000)
    data.tensors[1][4321] = 3
    refused(
        task(data, valid=classes()),
        "labels must be from 0 to 2, since the model gives 3 scores; found 3 in sample 4321 of the training data and 1",
    )
    data.tensors[1][4321] = -1
    refused(task(data), "found -1 in sample 4321")


def test_labels_that_start_from_one_are_recognized() -> None:
    refused(task(TensorDataset(torch.randn(9, 4), torch.arange(9) % 3 + 1)), "They start from 1: subtract 1")


def test_tokens_beyond_the_vocabulary_are_told() -> None:
    tokens = torch.arange(100) % 7
    tokens[94] = 9
    model = lambda: nn.Sequential(nn.Embedding(7, 8), nn.Linear(8, 7))  # noqa: E731
    refused(task(Windows(tokens, 5), model), "labels must be from 0 to 6.*found 9 in sample 18")


@pytest.mark.parametrize("dtype", [torch.int32, torch.float32, torch.uint8])
def test_labels_of_another_dtype_are_told(dtype: torch.dtype) -> None:
    data = TensorDataset(torch.randn(9, 4), (torch.arange(9) % 3).to(dtype))
    refused(
        task(data), rf"labels of dtype int64; found {str(dtype)[6:]} in the training data. Convert them with .long()"
    )


def test_labels_of_another_shape_are_told() -> None:
    data = TensorDataset(torch.randn(9, 4), torch.zeros(9, 1, dtype=torch.int64))
    refused(task(data), r"found \(2, 3\) from the model and \(2, 1\) in the training data\. Squeeze the labels")


# model


def test_a_layer_that_does_not_fit_is_told_by_name_with_both_shapes() -> None:
    model = lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 8), nn.ReLU(), nn.Linear(6, 3))  # noqa: E731
    refused(
        task(model=model),
        r"the layer '3', Linear\(in_features=6, out_features=3, bias=True\), failed on \(2, 8\) float32; found "
        r"RuntimeError: mat1 and mat2(.*\n)*The training batch, 2 samples.*\n    batch\[0\]  \(2, 4\) float32\n",
    )


def test_data_in_double_precision_are_told() -> None:
    data = TensorDataset(torch.randn(9, 4, dtype=torch.float64), torch.zeros(9, dtype=torch.int64))
    refused(task(data), r"failed on \(2, 4\) float64.*Convert the data with \.float\(\)")


def test_validation_data_that_do_not_fit_are_told_as_such() -> None:
    refused(
        task(valid=TensorDataset(torch.randn(9, 5), torch.zeros(9).long())),
        r"take the validation data.*\(2, 5\) float32",
    )


class Counting(Dataset[Any]):
    """Samples that depend on how many were read before."""

    def __init__(self) -> None:
        self.calls = 0

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        self.calls += 1
        return torch.full((4,), float(self.calls)), torch.tensor(index % 3)


@pytest.mark.parametrize("workers", [0, 2])
def test_samples_that_change_their_data_set_in_worker_processes_are_noted(workers: int) -> None:
    notes = check(dataclasses.replace(task(), data=Data(train=Counting(), valid=classes(), workers=workers)))
    assert len(notes) == (workers > 0)
    assert all("reading samples changes training data.calls" in note and "workers=0" in note for note in notes)


def test_the_wrong_number_of_inputs_is_told_with_the_model() -> None:
    data = TensorDataset(torch.randn(9, 4), torch.randn(9, 4), torch.zeros(9).long())
    refused(task(data), r"called as model\(batch\[0\], batch\[1\]\), failed(.*\n)*.*return model\(batch\[0\]\)\n")


def test_a_model_that_is_shared_between_calls_is_told() -> None:
    shared = nn.Linear(4, 3)
    refused(task(model=lambda: shared), "a fresh model at each call; found the same parameter 'weight' in two of them")
    head = nn.Linear(4, 3)
    refused(task(model=lambda: nn.Sequential(nn.Linear(4, 4), head)), "found the same parameter '1.weight'")


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (lambda: nn.Flatten(), "the model must have parameters to train; found none with requires_grad in Flatten"),
        (lambda: nn.Linear(4, 3).requires_grad_(False), "found none with requires_grad in Linear"),
        (lambda: 3, r"must be a function that returns a torch\.nn\.Module; it returned int"),
        (lambda: 1 / 0, r"Task\.model must return a model; found ZeroDivisionError: .*test_check\.py:\d+"),
    ],
)
def test_what_is_no_trainable_model_is_told(model: Callable[[], Any], match: str) -> None:
    refused(task(model=model), match)


def layers() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


@pytest.mark.parametrize(
    ("model", "match"),
    [
        (
            lambda: torch.compile(layers(), backend="eager"),
            r"compiled by torch\.compile\. Return the module itself.*uses=",
        ),
        (lambda: torch.jit.script(layers()), "returned a TorchScript module.*Return the Python module"),
        (lambda: torch.jit.trace(layers(), torch.zeros(2, 4)), "returned a TorchScript module"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_compiled_and_scripted_models_are_one_message(model: Callable[[], Any], match: str) -> None:
    refused(task(model=model), match)


@pytest.mark.filterwarnings("ignore")
def test_a_scripted_layer_inside_a_model_passes() -> None:
    check(task(model=lambda: nn.Sequential(torch.jit.script(layers()), nn.Identity())))


def test_a_last_batch_of_one_sample_with_batch_norm_is_told() -> None:
    model = lambda: nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3))  # noqa: E731
    refused(
        task(classes(9), model, batch_size=4),
        "found a batch of a single sample, since 9 samples are cut into batches of 4. Choose .* for example 5",
    )
    refused(task(classes(9), model, batch_size=1), "batches of 1. Choose another batch_size, for example 3")
    refused(task(classes(1), model, batch_size=None), "Add training data")
    check(task(classes(9), model, batch_size=5))


def test_a_last_batch_of_one_image_passes_since_it_has_many_pixels() -> None:
    model = lambda: nn.Sequential(nn.BatchNorm2d(1), nn.Flatten(), nn.Linear(16, 3))  # noqa: E731
    check(task(TensorDataset(torch.randn(9, 1, 4, 4), torch.zeros(9).long()), model, batch_size=4))


# loss


def test_squared_error_of_two_shapes_is_told() -> None:
    refused(
        regression(TensorDataset(torch.randn(9, 4), torch.randn(9))),
        r"one shape; found \(2, 1\) from the model and \(2,\) in the data",
    )


def test_a_loss_of_ones_own_that_broadcasts_is_told() -> None:
    refused(
        regression(TensorDataset(torch.randn(9, 4), torch.randn(9)), loss=lambda o, t: ((o - t) ** 2).mean()),
        r"found the model's output \(2, 1\) and the target \(2,\) of the training data broadcast against each other",
    )


def test_a_loss_that_is_a_sum_is_told() -> None:
    refused(
        regression(loss=lambda o, t: F.mse_loss(o, t, reduction="sum")), "found that it doubles.*so it is their sum"
    )


@pytest.mark.parametrize(
    ("loss", "match"),
    [
        (lambda o, t: (o - t) ** 2, r"one number, a tensor without dimensions; found shape \(2, 1\)"),
        (lambda o, t: (o - t).sum().item(), "found float"),
        (lambda o, t: (o - t).mean() * math.nan, "must be finite at the start; found nan.*output is finite"),
        (
            lambda o, t: o[:, 5].mean(),
            r"the loss must take what .*output \(2, 1\) float32, target \(2, 1\).*IndexError",
        ),
        (lambda o, t: (o.detach() - t).mean(), "must have a gradient.*operations that torch can differentiate"),
        (lambda o, t: nn.Parameter(t).mean(), "found that it depends on none of them"),
    ],
)
def test_a_loss_that_cannot_be_used_is_told(loss: Callable[[Tensor, Tensor], Any], match: str) -> None:
    refused(regression(loss=loss), match)


@dataclasses.dataclass
class Odd:
    """A loss function that counts terms differently, or returns something else."""

    value: Any = None

    def __call__(self, output: Tensor, batch: tuple[Tensor, ...]) -> Any:
        return self.value or Loss(output.sum(), 3)

    def count(self, batch: tuple[Tensor, ...]) -> int:
        return 2


def test_a_loss_function_that_breaks_its_protocol_is_told() -> None:
    refused(regression(loss=Odd()), "found 2 from its count.batch. and 3 in the Loss")
    refused(regression(loss=Odd(1.5)), "a LossFunction must return a hasten.Loss; found float")
    refused(regression(loss="msee"), r"unknown loss 'msee'\. Did you mean mse\?")


# update


@pytest.mark.parametrize(
    ("update", "match"),
    [
        (Update(optimizer="adamx"), r"unknown optimizer 'adamx'\. Did you mean adamax|adamw"),
        (Update(options={"momentun": 0.9}), "does not take these options: {'momentun': 0.9}"),
        (
            Update(options={"betas": (2.0, 0.9)}),
            "'adamw' must be able to use its options; found ValueError: Invalid beta",
        ),
        (Update(optimizer=lambda model: None), r"Update\.optimizer must be a function .*; it returned NoneType"),
        (Update(optimizer=lambda model: optim.SGD(nn.Linear(2, 2).parameters())), "Use the function's argument"),
        (Update(optimizer=lambda model: optim.SGD([])), "Update.optimizer must return an optimizer; found ValueError"),
    ],
)
def test_an_optimizer_that_cannot_be_built_is_told(update: Update, match: str) -> None:
    refused(task(update=update), match)


# metric


@pytest.mark.parametrize(
    ("metric", "target", "match"),
    [
        ("acuracy", None, r"unknown metric 'acuracy'\. Did you mean accuracy or auroc\?"),
        ("accuracy", 98, r"the target of accuracy must be from 0 to 1; found 98\. Per cent\? Then write 0\.98"),
        ("accuracy", math.nan, "found nan"),
        ("r2", 1.5, "the target of r2 must be from -inf to 1; found 1.5"),
        ("mse", -1, "the target of mse must be from 0 to inf; found -1"),
        (MeanMetric, 0.5, "the metric MeanMetric must say whether higher is better"),
        ("r2", None, r"the metric 'r2' must be able to judge output \(2, 3\) float32 by target \(2,\) int64; found"),
    ],
)
def test_a_metric_or_target_that_cannot_be_used_is_told(metric: Any, target: float | None, match: str) -> None:
    refused(task(metric=metric, stop=Stop(epochs=1, target=target)), match)


def test_a_metric_over_classes_for_a_regression_is_told() -> None:
    refused(regression(metric="accuracy"), r"'accuracy' must be able to judge output \(2, 1\).*it is over classes")


class Scaled(nn.Linear):
    """A linear layer behind a constant factor."""

    def __init__(self, factor: float) -> None:
        super().__init__(4, 1)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x * self.factor)
