"""Loss, gradient and metric agree on which terms count, whatever the batch and however it is split."""

import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from hasten import CrossEntropy, Data, Stop, Task, Update
from hasten.base.errors import BadInput
from hasten.base.records.run import Evaluation, Progress
from hasten.training.building import build
from hasten.training.check import check
from hasten.training.evaluation import evaluate
from hasten.training.facts import task_facts
from hasten.training.loop import train
from hasten.training.loss import NegativeLogLikelihood, OfMean, loss_function
from hasten.training.metrics import Quality
from hasten.training.recipe import baseline
from hasten.training.session import Session
from hasten.training.step import step
from hasten.training.task import quality_of

from tiny_tasks import block_task, mlp_task, regression_task


def classification(loss: Any, *, labels: Tensor | None = None, layers: Callable[[], nn.Module] | None = None) -> Task:
    """Five classes, some labels -100; a linear model."""
    generator = torch.Generator().manual_seed(7)
    x = torch.randn(40, 6, generator=generator)
    y = torch.randint(5, (40,), generator=generator) if labels is None else labels
    return Task(
        name="terms",
        data=Data(train=TensorDataset(x, y), valid=TensorDataset(x, y)),
        model=layers or (lambda: nn.Linear(6, 5)),
        loss=loss,
        update=Update(optimizer="sgd", lr=0.1),
        batch_size=16,
        stop=Stop(steps=3),
    )


def with_ignored(share: float = 0.4) -> Tensor:
    generator = torch.Generator().manual_seed(8)
    labels = torch.randint(5, (40,), generator=generator)
    return labels.masked_fill(torch.rand(40, generator=generator) < share, -100)


def outputs_of(run: Session) -> tuple[Tensor, Tensor]:
    x, y = run.recipe.task.data.valid.tensors  # type: ignore[attr-defined]
    with torch.no_grad():
        return run.model(x), y


# ignored labels


@pytest.mark.parametrize("loss", ["cross_entropy", CrossEntropy(), nn.CrossEntropyLoss(), F.cross_entropy])
def test_labels_of_minus_100_count_in_no_loss_and_no_metric(loss: Any) -> None:
    run = build(baseline(classification(loss, labels=with_ignored())))
    evaluation = evaluate(run)
    output, y = outputs_of(run)
    kept = y != -100
    assert evaluation.valid_loss == pytest.approx(float(F.cross_entropy(output, y)), rel=1e-5)
    assert evaluation.metric == pytest.approx(float((output.argmax(1) == y)[kept].float().mean()), rel=1e-5)


@pytest.mark.parametrize("metric", ["accuracy", "f1", "auroc", "perplexity"])
@pytest.mark.parametrize("ignored", [-100, 2])
@pytest.mark.parametrize("layout", ["flat", "last", "torch"])
def test_a_metric_over_classes_leaves_out_what_the_loss_ignores(metric: str, ignored: int, layout: str) -> None:
    scores, y = torch.randn(6, 8, 5), torch.randint(5, (6, 8))
    y[:, 5:] = ignored
    kept = y != ignored
    plain, quality = Quality(metric), Quality(metric, CrossEntropy(ignore_index=ignored))
    plain.add(scores[kept], y[kept])
    shown = {"flat": (scores.flatten(0, 1), y.flatten()), "last": (scores, y), "torch": (scores.mT, y)}[layout]
    for output, target in zip(shown[0].split(2), shown[1].split(2), strict=True):
        quality.add(output, target)
    assert quality.value(0.0) == pytest.approx(plain.value(0.0), rel=1e-5)


def test_a_metric_where_nothing_counts_is_not_a_number() -> None:
    quality = Quality("accuracy", CrossEntropy())
    quality.add(torch.randn(3, 4), torch.full((3,), -100))
    assert math.isnan(quality.value(0.0))


# which numbers a mean divides by


@settings(max_examples=40, deadline=None)
@given(
    kind=st.sampled_from([CrossEntropy, NegativeLogLikelihood]),
    weighted=st.booleans(),
    smoothing=st.sampled_from([0.0, 0.2]),
    ignored=st.sampled_from([-100, 1, None]),
    layout=st.sampled_from(["flat", "last", "torch"]),
    seed=st.integers(0, 9),
)
def test_sum_over_count_is_torchs_mean(
    kind: Any, weighted: bool, smoothing: float, ignored: int | None, layout: str, seed: int
) -> None:
    torch.manual_seed(seed)
    scores, y = torch.randn(6, 7, 5).log_softmax(-1), torch.randint(5, (6, 7))
    if ignored is not None:
        y[torch.rand(y.shape) < 0.3] = ignored
    weight = torch.rand(5) + 0.1 if weighted else None
    options = {"label_smoothing": smoothing} if kind is CrossEntropy else {}
    loss = kind(ignore_index=ignored, weight=weight, **options)
    reference = {CrossEntropy: F.cross_entropy, NegativeLogLikelihood: F.nll_loss}[kind]
    expected = reference(
        scores.flatten(0, 1), y.flatten(), weight, ignore_index=-100 if ignored is None else ignored, **options
    )
    shown = {"flat": (scores.flatten(0, 1), y.flatten()), "last": (scores, y), "torch": (scores.mT, y)}[layout]
    made = loss(shown[0], shown)
    torch.testing.assert_close(made.sum / made.count, expected)
    assert float(made.count) == float(loss.count(shown))
    terms = loss.terms(shown[0], shown)
    assert terms.shape == shown[1].shape
    torch.testing.assert_close(terms.sum(), made.sum)


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(weight=torch.tensor([1.0, 20.0, 1.0, 0.5, 2.0])),
        functools.partial(F.cross_entropy, weight=torch.tensor([1.0, 20.0, 1.0, 0.5, 2.0]), ignore_index=3),
        nn.CrossEntropyLoss(label_smoothing=0.1, ignore_index=0),
        nn.CrossEntropyLoss(),
        "cross_entropy",
    ],
)
@pytest.mark.parametrize("size", [1, 3, 5, 16])
def test_micro_batches_give_the_gradient_of_the_whole_batch(loss: Any, size: int) -> None:
    ignored = loss_function(loss).ignore_index
    recipe = baseline(classification(loss, labels=with_ignored().where(with_ignored() != -100, ignored)))
    whole = build(recipe)
    parts = build(replace(recipe, backward=replace(recipe.backward, micro_batch=size)))
    plain = recipe.task.model()
    plain.load_state_dict(whole.model.state_dict())
    reference = loss if callable(loss) else F.cross_entropy
    for first in (0, 16):
        batch = tuple(column[first : first + 16] for column in recipe.task.data.train.tensors)  # type: ignore
        step(whole, batch)
        step(parts, batch)
        gradients = torch.autograd.grad(reference(plain(batch[0]), batch[1]), list(plain.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(plain.parameters(), gradients, strict=True):
                parameter -= 0.1 * gradient
    for one, other, mine in zip(whole.parameters, parts.parameters, plain.parameters(), strict=True):
        torch.testing.assert_close(one, mine)
        torch.testing.assert_close(other, mine)


@pytest.mark.parametrize(
    ("loss", "kind"),
    [
        (nn.CrossEntropyLoss(), CrossEntropy),
        (nn.NLLLoss(weight=torch.ones(5)), NegativeLogLikelihood),
        (F.nll_loss, NegativeLogLikelihood),
        (functools.partial(F.cross_entropy, reduction="mean"), CrossEntropy),
        (nn.CrossEntropyLoss(reduction="sum"), OfMean),
        (functools.partial(F.cross_entropy, reduction="none"), OfMean),
        (nn.L1Loss(), OfMean),
        (lambda output, target: F.cross_entropy(output, target), OfMean),
    ],
)
def test_torchs_class_losses_are_recognized(loss: Any, kind: type) -> None:
    assert type(loss_function(loss)) is kind


def test_a_loss_without_a_hash_is_accepted() -> None:
    class Mine:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, output: Tensor, target: Tensor) -> Tensor:
            return (output - target).abs().mean()

    assert isinstance(loss_function(Mine()), OfMean)


def test_class_weights_keep_their_precision_beside_bfloat16_scores() -> None:
    weight = torch.tensor([1.0, 1.0009765625])
    scores, y = torch.zeros(2, 2, dtype=torch.bfloat16), torch.tensor([0, 1])
    made = CrossEntropy(weight=weight)(scores, (scores, y))
    assert float(made.sum) == pytest.approx(math.log(2) * 2.0009765625, rel=1e-6)


@pytest.mark.parametrize("weight", [[], [[1.0]], [1.0, -1.0], [math.nan]])
def test_weights_that_are_none_are_refused(weight: Any) -> None:
    with pytest.raises(BadInput, match="class weights must be one number of at least 0 per class"):
        CrossEntropy(weight=weight)


# nothing counts


def test_a_batch_without_a_label_contributes_nothing() -> None:
    labels = with_ignored(0.0)
    labels[16:32] = -100
    recipe = baseline(classification("cross_entropy", labels=labels))
    recipe = replace(recipe, update=Update(optimizer="adamw", lr=0.1), input=replace(recipe.input, order=in_order))
    run = build(recipe)
    events = list(train(run))
    before = build(recipe)
    x, y = recipe.task.data.train.tensors  # type: ignore[attr-defined]
    for rows in (slice(0, 16), slice(32, 40)):
        step(before, (x[rows], y[rows]))
    assert all(torch.equal(one, other) for one, other in zip(run.parameters, before.parameters, strict=True))
    assert sum((event.losses for event in events if isinstance(event, Progress)), ())[1] == 0.0


def in_order(samples: int, *, seed: int, epoch: int) -> Tensor:
    return torch.arange(samples)


@pytest.mark.parametrize("size", [2, None])
def test_a_step_without_a_label_keeps_every_parameter(size: int | None) -> None:
    recipe = baseline(classification("cross_entropy", labels=with_ignored(0.2)))
    recipe = replace(recipe, update=Update(optimizer="adamw", lr=0.1))
    run = build(replace(recipe, backward=replace(recipe.backward, micro_batch=size)))
    step(run, (torch.randn(4, 6), torch.arange(4)))
    before = [parameter.clone() for parameter in run.parameters]
    loss = step(run, (torch.randn(4, 6), torch.full((4,), -100)))
    assert (float(loss.sum), float(loss.count)) == (0.0, 0.0)
    assert all(torch.equal(one, other) for one, other in zip(before, run.parameters, strict=True))


def test_validation_batches_without_a_label_do_not_count() -> None:
    labels = with_ignored(0.2)
    labels[16:32] = -100
    run = build(baseline(classification("cross_entropy", labels=labels)))
    output, y = outputs_of(run)
    assert evaluate(run).valid_loss == pytest.approx(float(F.cross_entropy(output, y)), rel=1e-5)


def test_data_in_which_no_label_counts_are_refused() -> None:
    with pytest.raises(BadInput, match="every label of the training data is -100, which the loss ignores"):
        check(classification("cross_entropy", labels=torch.full((40,), -100)))


def test_a_count_that_only_the_device_knows_gives_the_same_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = baseline(classification("cross_entropy", labels=with_ignored()))
    plain = build(recipe)
    batch = tuple(column[:16] for column in recipe.task.data.train.tensors)  # type: ignore[attr-defined]
    step(plain, batch)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    device = build(recipe)
    loss = step(device, batch)
    assert isinstance(loss.count, Tensor)
    assert all(torch.equal(one, other) for one, other in zip(plain.parameters, device.parameters, strict=True))
    step(device, (batch[0], torch.full((16,), -100)))
    assert all(parameter.isfinite().all() for parameter in device.parameters)
    events = [event for event in train(device) if isinstance(event, Evaluation)]
    assert events[-1].valid_loss is not None


# layouts


def test_ambiguous_layouts_are_asked_about_and_torchs_own_loss_is_not() -> None:
    scores, y = torch.randn(4, 6, 6), torch.randint(6, (4, 6))
    with pytest.raises(
        BadInput, match=r"ambiguous class dimension: output \(4, 6, 6\).*class_dim=1\) or .*class_dim=-1"
    ):
        CrossEntropy()(scores, (scores, y))
    with pytest.raises(BadInput, match="ambiguous class dimension"):
        Quality("accuracy", CrossEntropy()).add(scores, y)
    torchs, last = CrossEntropy(class_dim=1)(scores, (scores, y)), CrossEntropy(class_dim=-1)(scores, (scores, y))
    torch.testing.assert_close(torchs.sum / torchs.count, F.cross_entropy(scores, y))
    torch.testing.assert_close(last.sum / last.count, F.cross_entropy(scores.mT, y))
    for loss, guess in ((nn.CrossEntropyLoss(), scores.argmax(1)), (CrossEntropy(class_dim=-1), scores.argmax(-1))):
        quality = Quality("accuracy", loss_function(loss))
        quality.add(scores, y)
        assert quality.value(0.0) == pytest.approx(float((guess == y).float().mean()))


def test_check_asks_about_an_ambiguous_layout() -> None:
    class Positions(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(6, 6)

        def forward(self, x: Tensor) -> Tensor:
            return self.embed(x).mT

    x = torch.randint(6, (20, 6))
    task = mlp_task(data=Data(train=TensorDataset(x, x), valid=TensorDataset(x, x)), model=Positions)
    with pytest.raises(BadInput, match="ambiguous class dimension"):
        check(task)
    check(replace(task, loss=nn.CrossEntropyLoss()))


# absent classes, few samples


def test_auroc_is_over_the_classes_that_are_there() -> None:
    torch.manual_seed(3)
    scores, y = torch.randn(200, 4).softmax(1), torch.randint(3, (200,))
    quality = Quality("auroc")
    for output, target in zip(scores.split(50), y.split(50), strict=True):
        quality.add(output, target)
    expected = sum(float((scores[y == c, c][:, None] > scores[y != c, c][None]).float().mean()) for c in range(3)) / 3
    assert quality.value(0.0) == pytest.approx(expected, abs=1e-5)


def test_auroc_of_one_class_is_unknown_and_refused_by_check() -> None:
    quality = Quality("auroc")
    quality.add(torch.randn(5, 3), torch.ones(5, dtype=torch.int64))
    assert math.isnan(quality.value(0.0))
    x = torch.randn(20, 5)
    valid = TensorDataset(x, torch.ones(20, dtype=torch.int64))
    task = mlp_task(metric="auroc")
    with pytest.raises(BadInput, match=r"auroc is not defined.*every label of the validation data is 1\."):
        check(replace(task, data=replace(task.data, valid=valid)))


def test_r2_of_one_sample_is_refused_before_the_training() -> None:
    data = Data(
        train=TensorDataset(torch.randn(9, 4), torch.randn(9, 1)),
        valid=TensorDataset(torch.randn(1, 4), torch.randn(1, 1)),
    )
    task = mlp_task(data=data, model=lambda: nn.Linear(4, 1), loss="mse", metric="r2")
    with pytest.raises(BadInput, match="the metric 'r2' must be able to judge.*at least two samples.*have 1 sample"):
        check(task)


# soft labels


def test_soft_labels_train_as_class_probabilities() -> None:
    x, y = torch.randn(20, 5), torch.rand(20, 2).softmax(1)
    task = mlp_task(data=Data(train=TensorDataset(x, y), valid=TensorDataset(x, y)), metric="loss")
    check(task)
    run = build(baseline(task))
    with torch.no_grad():
        expected = float(F.cross_entropy(run.model(x), y))
    assert evaluate(run).valid_loss == pytest.approx(expected, rel=1e-5)
    with pytest.raises(BadInput, match=r'class probabilities \(soft labels\) or numbers\. Use metric="loss"'):
        check(replace(task, metric="accuracy"))


@pytest.mark.parametrize(
    ("targets", "match"),
    [
        (torch.rand(20, 2) + 1, r"class probabilities \(soft labels\).*sum to 1.*BCEWithLogitsLoss"),
        (torch.rand(20, 3).softmax(1), r"soft labels \(class probabilities\).*shape of the model's scores, \(2, 2\)"),
        (torch.rand(20), r"soft labels \(class probabilities\), or numbers to predict.*loss=\"mse\""),
    ],
)
def test_soft_labels_that_do_not_fit_are_explained_and_never_rounded(targets: Tensor, match: str) -> None:
    x = torch.randn(20, 5)
    task = mlp_task(data=Data(train=TensorDataset(x, targets), valid=TensorDataset(x, targets)), metric="loss")
    with pytest.raises(BadInput, match=match) as error:
        check(task)
    assert ".long()" not in str(error.value)


# sums, and losses that are no mean over samples


class TwoHeads(nn.Module):
    """A number and its logarithm of the variance."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        mean, variance = self.layer(x).unbind(1)
        return {"mean": mean, "variance": variance}


def test_a_sum_is_found_behind_an_output_of_any_structure() -> None:
    task = mlp_task(model=TwoHeads, metric="loss", loss=lambda o, t: F.mse_loss(o["mean"], t.float(), reduction="sum"))
    with pytest.raises(BadInput, match="doubles when every sample comes twice"):
        check(task)
    check(replace(task, loss=lambda o, t: F.mse_loss(o["mean"], t.float())))


def contrastive(output: Tensor, target: Tensor) -> Tensor:
    scores = F.normalize(output, dim=1) @ F.normalize(output, dim=1).T
    return F.cross_entropy(scores, torch.arange(len(output)))


def weighted(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output, target, weight=torch.tensor([1.0, 20.0]))


@pytest.mark.parametrize(
    ("loss", "additive"),
    [
        ("cross_entropy", True),
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 20.0])), True),
        (lambda o, t: F.cross_entropy(o, t), True),
        (lambda o, t: F.cross_entropy(o, t, label_smoothing=0.1), True),
        (contrastive, False),
        (weighted, False),
        (lambda o, t: F.cross_entropy(o, t).sqrt(), False),
    ],
)
def test_check_says_where_a_loss_is_no_mean_over_samples(loss: Any, additive: bool) -> None:
    notes = check(mlp_task(loss=loss, metric="loss"))
    assert bool(notes) is not additive
    assert additive or "the loss is not a mean over samples" in notes[0]


# metrics of one's own


def plain_accuracy(output: Tensor, target: Tensor) -> Tensor:
    return (output.argmax(1) == target).float().mean()


def test_a_plain_function_is_a_metric_averaged_over_samples() -> None:
    task = mlp_task(samples=50, metric=plain_accuracy, higher_is_better=True, batch_size=8)
    check(task)
    run = build(baseline(task))
    assert run.quality.name == "plain_accuracy"
    assert evaluate(run).metric == pytest.approx(
        evaluate(build(baseline(replace(task, metric="accuracy", higher_is_better=None)))).metric
    )


def test_a_plain_function_must_say_its_direction() -> None:
    with pytest.raises(
        BadInput, match=r"the metric plain_accuracy must say whether higher is better\. Pass Task\(higher"
    ):
        check(mlp_task(metric=plain_accuracy))
    assert not quality_of(mlp_task(metric=plain_accuracy, higher_is_better=False)).is_better(0.9, 0.1)


def test_a_direction_that_contradicts_the_metric_is_refused() -> None:
    with pytest.raises(BadInput, match="higher_is_better=False contradicts the metric accuracy"):
        check(mlp_task(higher_is_better=False))


def test_a_metric_object_and_its_class_are_accepted() -> None:
    from torchmetrics.classification import MulticlassAccuracy

    given = MulticlassAccuracy(2, average="micro")
    for metric in (given, lambda: given, functools.partial(MulticlassAccuracy, 2, average="micro")):
        task = mlp_task(metric=metric)
        check(task)
        assert evaluate(build(baseline(task))).metric == evaluate(build(baseline(mlp_task()))).metric
    with pytest.raises(BadInput, match="Task.metric, MulticlassAccuracy, failed: ValueError"):
        check(mlp_task(metric=MulticlassAccuracy))


def test_a_loss_module_follows_the_batch_to_its_device() -> None:
    class Weighted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("weight", torch.ones(3))

        def forward(self, output: Tensor, target: Tensor) -> Tensor:
            return (output * self.weight).mean()

    loss = loss_function(Weighted())
    on_meta = loss(torch.ones(2, 3, device="meta"), (None, torch.ones(2, device="meta")))
    assert on_meta.sum.device.type == "meta"


# what a task is described as


@pytest.mark.parametrize(
    ("task", "shape"),
    [
        (mlp_task(), "5 -> 2 classes"),
        (block_task(), "7 -> 7 of 11 classes"),
        (regression_task(), "4 -> 1"),
        (mlp_task(loss=nn.CrossEntropyLoss()), "5 -> 2 classes"),
    ],
)
def test_a_task_is_described_by_the_number_of_its_classes(task: Task, shape: str) -> None:
    assert task_facts(baseline(task)).sample_shape == shape
