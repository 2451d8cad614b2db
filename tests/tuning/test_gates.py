"""Each gate lets the right through and stops the planted wrong, and says what it measured."""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.any_training.catalog import TRAININGS
from hasten.base.records.trial import Gate
from hasten.base.stages import Guarantee
from hasten.data.loading.loaders import gathered
from hasten.machine import facts
from hasten.techniques.applying import make
from hasten.techniques.backward.optimizer_in_backward import OptimizerInBackward
from hasten.techniques.baseline import baseline_of
from hasten.techniques.forward.autocast import Autocast
from hasten.training.building import build
from hasten.training.recipe import Recipe, Surgery, baseline, counted
from hasten.training.transforms import Stateless, StepInfo
from hasten.tuning.float64 import batch_to_double, in_float64
from hasten.tuning.gates import Reference, judge, loosest
from hasten.tuning.reference_step import NoReference, batches_from, gradients_of, observe, put, state_of
from hasten.tuning.rounding import states_of

from planted import around, small_task
from tiny_tasks import mlp_task

EXACT, ROUNDING, PRECISION = Guarantee.EXACT, Guarantee.ROUNDING, Guarantee.PRECISION


def judged(candidate: Callable[[Recipe], Recipe], guarantee: Guarantee, **task: Any) -> Gate:
    recipe = baseline(small_task(**task))
    return judge(candidate(recipe), guarantee, Reference(recipe))


def same(recipe: Recipe) -> Recipe:
    return recipe


def by_gather(recipe: Recipe) -> Recipe:
    return replace(recipe, input=replace(recipe.input, loader=gathered))


def in_bf16(recipe: Recipe) -> Recipe:
    return around(recipe, Autocast("cpu", torch.bfloat16))


def in_parts(recipe: Recipe) -> Recipe:
    return replace(recipe, backward=replace(recipe.backward, micro_batch=5))


def fused(recipe: Recipe) -> Recipe:
    return replace(recipe, update=replace(recipe.update, options={"fused": True}))


def with_gradient(change: Callable[[Tensor], object]) -> Callable[[Recipe], Recipe]:
    """Return a candidate that changes every gradient in place."""

    def apply(parameters: Any) -> bool:
        for parameter in parameters.values():
            change(parameter.grad)
        return True

    return lambda recipe: replace(recipe, gradient=(Stateless(apply),))


def draws_a_number(recipe: Recipe) -> Recipe:
    def draw(batch: Any) -> Any:
        torch.rand(())
        return batch

    return replace(recipe, input=replace(recipe.input, batch_transforms=(draw,)))


@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_exact_lets_a_gather_through(dropout: float) -> None:
    gate = judged(by_gather, EXACT, dropout=dropout)
    assert gate.passed
    assert gate.measured == gate.bound == 0


def test_exact_stops_one_last_bit_and_says_where() -> None:
    def nudge(gradient: Tensor) -> None:
        flat = gradient.view(-1)
        flat[0] = torch.nextafter(flat[0], torch.tensor(math.inf))

    gate = judged(with_gradient(nudge), EXACT)
    assert not gate.passed
    assert gate.measured > 0
    assert "in step 1" in gate.detail


@pytest.mark.parametrize(("name", "passes"), [("sgd", True), ("adam", False)])
def test_exact_judges_an_update_inside_the_backward_pass_by_what_it_leaves(name: str, passes: bool) -> None:
    def inside(recipe: Recipe) -> Recipe:
        update = replace(recipe.update, optimizer=name, options={})
        return OptimizerInBackward().apply(replace(recipe, update=update))

    gate = judged(inside, EXACT)
    assert gate.passed is passes
    assert ("losses and parameters of" in gate.detail) is passes


@pytest.mark.parametrize(("name", "passes"), [("sgd", True), ("adam", False)])
def test_rounding_judges_an_update_inside_the_backward_pass_by_its_loss_and_its_update(name: str, passes: bool) -> None:
    recipe = baseline(small_task())
    inside = OptimizerInBackward().apply(recipe.with_update(optimizer=name, options={}))
    gate = judge(inside, ROUNDING, Reference(recipe))
    assert gate.passed is passes, gate.detail


def test_exact_stops_a_loader_that_draws_from_the_global_generator() -> None:
    assert not judged(draws_a_number, EXACT, dropout=0.3).passed
    assert judged(draws_a_number, EXACT, dropout=0.0).passed  # nobody else draws, so nothing changes


def test_exact_cannot_be_judged_where_the_baseline_never_repeats_itself() -> None:
    counter = iter(range(10**9))

    class Unsteady(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * (1 + 1e-3 * next(counter))

    with pytest.raises(NoReference, match="repeat itself"):
        judged(same, EXACT, model=lambda: Unsteady(6, 3))


@pytest.mark.parametrize("candidate", [same, in_parts, fused, by_gather])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_rounding_lets_the_same_mathematics_through(candidate: Callable[[Recipe], Recipe], optimizer: str) -> None:
    recipe = baseline(small_task())
    recipe = replace(recipe, update=replace(recipe.update, optimizer=optimizer, lr=0.01))
    gate = judge(candidate(recipe), ROUNDING, Reference(recipe))
    assert gate.passed, gate.detail
    assert "float64" in gate.detail


@pytest.mark.parametrize(
    ("candidate", "what"),
    [
        (in_bf16, "gradient"),
        (with_gradient(lambda gradient: gradient.mul_(1 + 2e-4)), "gradient"),
        (lambda recipe: replace(recipe, update=replace(recipe.update, lr=0.1001)), "update"),
    ],
)
def test_rounding_stops_what_is_more_than_rounding(candidate: Callable[[Recipe], Recipe], what: str) -> None:
    gate = judged(candidate, ROUNDING)
    assert not gate.passed
    assert gate.measured > gate.bound
    assert what in gate.detail


class LeavesOut:
    """Vetoes one of so many updates."""

    def __init__(self, every: int) -> None:
        self.every = every

    def init(self, parameters: Any) -> dict[str, Any]:
        return {}

    def update(self, parameters: Any, state: dict[str, Any], info: StepInfo) -> bool:
        return (info.step + 1) % self.every != 0


@pytest.mark.parametrize("guarantee", [EXACT, ROUNDING, PRECISION])
@pytest.mark.parametrize("every", [2, 3])
def test_updates_that_are_left_out_fail_every_gate(every: int, guarantee: Guarantee) -> None:
    gate = judged(lambda recipe: recipe.with_gradient(LeavesOut(every)), guarantee)
    assert not gate.passed
    if guarantee is ROUNDING and every == 2:  # the updates from the states that are looked at are all made
        assert "the model moves 49 % of the way of the baseline" in gate.detail


def test_rounding_does_not_mind_masks_drawn_in_another_order() -> None:
    assert judged(draws_a_number, ROUNDING, dropout=0.3).passed


def test_rounding_says_when_a_model_insists_on_float32() -> None:
    class Single(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) @ torch.ones(3, 3, dtype=torch.float32)

    with pytest.raises(NoReference, match="float64"):
        judged(same, ROUNDING, model=lambda: Single(6, 3))


def test_float64_starts_from_the_same_weights_and_is_nearer_to_the_truth() -> None:
    recipe = baseline(small_task())
    plain, exact = build(recipe), build(in_float64(recipe))
    assert all(value.dtype == torch.float64 for value in exact.model.parameters())
    for ours, theirs in zip(plain.parameters, exact.parameters, strict=True):
        torch.testing.assert_close(ours.double(), theirs, rtol=0, atol=0)
    batch = batches_from(exact, exact.position, 1)[0]
    assert batch[0].dtype == torch.float64
    assert batch[1].dtype == torch.int64
    with exact.contexts:
        assert torch.get_default_dtype() == torch.float64
    assert torch.get_default_dtype() == torch.float32


@pytest.mark.parametrize("candidate", [same, fused, in_bf16])
def test_precision_lets_errors_far_below_the_gradient_through(candidate: Callable[[Recipe], Recipe]) -> None:
    gate = judged(candidate, PRECISION)
    assert gate.passed, gate.detail
    assert "a batch's gradient" in gate.detail


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda gradient: gradient.add_(0.02), ""),
        (lambda gradient: gradient.mul_(1 + 0.5 * torch.randn_like(gradient)), "gradient of"),
        (lambda gradient: gradient.mul_(math.nan), ""),
    ],
)
def test_precision_stops_bias_noise_and_nan(change: Callable[[Tensor], object], what: str) -> None:
    gate = judged(with_gradient(change), PRECISION)
    assert not gate.passed
    assert what in gate.detail


def only_the_head(recipe: Recipe) -> Recipe:
    """Trains nothing but the last layer, as a candidate does that loses the graph before it."""

    def freeze(parameters: Any) -> bool:
        for parameter in parameters.values():
            if parameter.shape[0] != 3:
                parameter.grad = None
        return True

    return recipe.with_gradient(freeze)


@pytest.mark.parametrize("guarantee", [EXACT, ROUNDING, PRECISION])
def test_a_missing_gradient_fails_every_gate(guarantee: Guarantee) -> None:
    gate = judged(only_the_head, guarantee)
    assert not gate.passed
    assert "0." in gate.detail, "it names a parameter of the layer that gets none"


def noise_of(share: float) -> Callable[[Tensor], object]:
    return lambda gradient: gradient.add_(
        share * gradient.norm() / gradient.numel() ** 0.5 * torch.randn_like(gradient)
    )


@pytest.mark.parametrize(("share", "passes"), [(0.02, True), (1.0, False)])
def test_precision_allows_noise_of_a_few_percent_and_not_of_the_size_of_the_gradient(
    share: float, passes: bool
) -> None:
    assert judged(with_gradient(noise_of(share)), PRECISION).passed is passes


def test_precision_stops_a_nan_in_a_single_layer() -> None:
    def spoil(gradient: Tensor) -> None:
        if gradient.shape == (3,):
            gradient.fill_(math.nan)

    gate = judged(with_gradient(spoil), PRECISION)
    assert not gate.passed
    assert math.isfinite(gate.measured)


def test_precision_of_a_full_batch_is_relative_to_the_gradient() -> None:
    assert judged(in_bf16, PRECISION, batch_size=None).passed
    wrong = judged(with_gradient(lambda gradient: gradient.mul_(1.1)), PRECISION, batch_size=None)
    assert not wrong.passed
    assert wrong.measured == pytest.approx(0.1, rel=0.01)


def test_a_state_is_put_back_whole() -> None:
    recipe = baseline(small_task(dropout=0.2))
    recipe = replace(recipe, update=replace(recipe.update, optimizer="adam", lr=0.01))
    start, trained = states_of(recipe)
    assert (start.position.step, trained.position.step) == (0, 20)
    for one in (recipe, fused(recipe)):
        run = build(one)
        put(run, trained)
        batch = batches_from(run, run.position, 1)[0]
        first = observe(run, batch, seed=3)
        put(run, trained)
        again = observe(run, batch, seed=3)
        assert first.loss == again.loss
        assert all(torch.equal(first.changes[name], again.changes[name]) for name in first.changes)
        assert run.optimizer.param_groups[0].get("fused") == one.update.options.get("fused")


def test_a_gradient_that_is_only_looked_at_leaves_the_model_alone() -> None:
    run = build(baseline(small_task()))
    before = state_of(run)
    gradients_of(run, batches_from(run, run.position, 1)[0], seed=0)
    assert all(torch.equal(value, before.model[name]) for name, value in run.model.state_dict().items())


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ([], EXACT),
        ([EXACT, ROUNDING], ROUNDING),
        ([PRECISION, EXACT], PRECISION),
        ([EXACT, Guarantee.TRAJECTORY], None),
        ([Guarantee.MODEL], None),
    ],
)
def test_together_techniques_owe_the_loosest_proof(given: list[Guarantee], what: Guarantee | None) -> None:
    assert loosest(given) is what


def test_a_surgery_that_breaks_the_parameters_is_seen() -> None:
    def shrink(model: nn.Module) -> nn.Module:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.01)
        return model

    # the state of the baseline is put into the candidate, so only what it computes from there on counts
    assert judged(lambda recipe: replace(recipe, model=(Surgery(shrink),)), ROUNDING).passed
    assert not judged(lambda recipe: replace(recipe, model=(Surgery(shrink),)), EXACT).passed


WEIGHTS = torch.tensor([1.0, 20.0])


class Costs(nn.Module):
    """Expected cost of a prediction, from a matrix that is a plain attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.costs = torch.tensor([[0.0, 3.0], [1.0, 0.0]])

    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (output.softmax(-1) @ self.costs.T).gather(1, target[:, None]).mean()


@pytest.mark.parametrize(
    "loss",
    [
        nn.CrossEntropyLoss(weight=WEIGHTS),
        partial(nn.functional.cross_entropy, weight=WEIGHTS),
        lambda output, target: nn.functional.cross_entropy(output, target, weight=WEIGHTS),
        nn.MultiMarginLoss(weight=WEIGHTS),
        Costs(),
    ],
    ids=["module", "partial", "closure", "another torch loss", "own module"],
)
def test_losses_with_tensors_of_their_own_have_a_float64_reference(loss: Any) -> None:
    recipe = baseline(mlp_task(loss=loss))
    passed = judge(make("fused_optimizer").apply(recipe), Guarantee.ROUNDING, Reference(recipe))
    assert passed.passed, passed.detail
    run = build(in_float64(recipe))
    with run.contexts:
        batch = next(run.batches())[1]
        exact = run.loss(run.predict(batch), batch).sum
    single = build(recipe)
    batch = next(single.batches())[1]
    near = single.loss(single.predict(batch), batch).sum
    assert exact.dtype == torch.float64
    assert exact.item() == pytest.approx(near.item(), rel=1e-5)


def turned(gradient: Tensor) -> None:
    """Change the imaginary part of a gradient alone."""
    gradient.imag.mul_(1.2)


@pytest.mark.parametrize("guarantee", [ROUNDING, PRECISION])
@pytest.mark.parametrize(("candidate", "passed"), [(same, True), (with_gradient(turned), False)])
def test_both_parts_of_complex_numbers_are_judged(
    guarantee: Guarantee, candidate: Callable[[Recipe], Recipe], passed: bool
) -> None:
    recipe = baseline(TRAININGS["complex"].task())
    gate = judge(candidate(recipe), guarantee, Reference(recipe))
    assert gate.passed is passed, gate.detail


def test_complex_numbers_are_wider_in_the_reference() -> None:
    run = build(in_float64(baseline(TRAININGS["complex"].task())))
    _, batch = next(run.batches())
    assert (
        {parameter.dtype for parameter in run.model.parameters()} == {torch.complex128} == {one.dtype for one in batch}
    )


@pytest.mark.parametrize(
    ("name", "guarantee"),
    [
        *(("augmented-samples", ROUNDING), ("augmented-samples", PRECISION), ("endless-stream", PRECISION)),
        pytest.param("endless-stream", ROUNDING, marks=pytest.mark.slow),
        *(
            pytest.param(name, guarantee, marks=pytest.mark.slow)
            for name in ("mlp", "batch-sampler", "iterable-data-set")
            for guarantee in (ROUNDING, PRECISION)
        ),
    ],
)
def test_data_that_draw_from_generators_are_the_same_for_both_sides(name: str, guarantee: Guarantee) -> None:
    recipe = counted(baseline(TRAININGS[name].task()))
    gate = judge(recipe, guarantee, Reference(recipe))
    assert gate.passed, gate.detail
    assert gate.measured < 0.9


@pytest.mark.parametrize("name", ["lstm-packed", "graph-network", "lazy-modules", "clipping-ema-accumulation"])
def test_every_training_has_a_reference_in_float64(name: str) -> None:
    recipe = baseline_of(TRAININGS[name].task(), facts())
    gate = judge(recipe, ROUNDING, Reference(recipe))
    assert gate.passed, gate.detail


def test_the_batch_of_the_reference_leaves_the_given_one_in_float32() -> None:
    batch = next(iter(TRAININGS["graph-network"].task().data.train))
    wider = batch_to_double(batch)
    assert (batch.x.dtype, wider.x.dtype, wider.edges.dtype) == (torch.float32, torch.float64, torch.int64)
    packed = nn.utils.rnn.pack_sequence([torch.ones(3, 2), torch.ones(2, 2)])
    wider = batch_to_double((packed, torch.tensor([0, 1])))[0]
    assert (packed.data.dtype, wider.data.dtype) == (torch.float32, torch.float64)
    assert torch.equal(wider.batch_sizes, packed.batch_sizes)
