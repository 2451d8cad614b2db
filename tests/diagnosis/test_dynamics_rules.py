"""Rules about the dynamics of a training fire on planted faults, and on nothing else."""

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn, optim
from torch.nn import functional

from hasten.base.records.dynamics import Criterion, Dynamics, Evaluation, Nonfinite, ParameterTrack
from hasten.base.records.finding import Abstained, Diagnosis, Finding
from hasten.base.records.health import Health
from hasten.base.records.wiring import Policy, Wiring
from hasten.base.seeds import seed_all
from hasten.diagnosis.dynamics import (
    diverging,
    gradient_zero,
    loss_spikes,
    nonfinite,
    overfit,
    update_too_large,
    update_too_small,
    weight_growth,
)
from hasten.diagnosis.dynamics.judging import deep, faster, slower
from hasten.diagnosis.registry import Tier
from hasten.diagnosis.remedies.catalog import remedies_of
from hasten.pipeline.diagnosing import Diagnosing


@cache
def data() -> tuple[Tensor, Tensor]:
    """Return inputs and classes that depend on them."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(1000, 20, generator=generator)
    return inputs, (inputs @ torch.randn(20, 5, generator=generator)).argmax(1)


def network(kind: type[nn.Module] = nn.ReLU, *, depth: int = 2, width: int = 32) -> nn.Sequential:
    sizes = [20, *[width] * depth]
    layers = [part for one, other in itertools.pairwise(sizes) for part in (nn.Linear(one, other), kind())]
    return nn.Sequential(*layers, nn.Linear(width, 5))


def rescaled(model: nn.Module, factor: float) -> nn.Module:
    with torch.no_grad():
        for one in model.parameters():
            if one.dim() > 1:
                one.mul_(factor)
    return model


def diagnosed(
    model: Callable[[], nn.Module] = network,
    optimizer: Callable[..., optim.Optimizer] = optim.Adam,
    *,
    steps: int = 60,
    loss: Callable[[Tensor, Tensor], Tensor] = functional.cross_entropy,
    samples: tuple[Tensor, Tensor] | None = None,
    clip: float | None = None,
    evaluate: bool = False,
    batch: int = 32,
    **options: Any,
) -> Diagnosis:
    """Train for some steps and return what tier D says."""
    seed_all(0)
    inputs, targets = samples or data()
    net = model()
    update = optimizer(net.parameters(), **options)
    with Diagnosing(name="loop", tiers=[Tier.DYNAMICS]) as doctor:
        for step in range(steps):
            rows = torch.randint(0, len(inputs), (batch,))
            update.zero_grad()
            loss(net(inputs[rows]), targets[rows]).backward()
            if clip is not None:
                nn.utils.clip_grad_norm_(net.parameters(), clip)
            update.step()
            if evaluate and step % 20 == 19:
                with torch.no_grad():
                    functional.cross_entropy(net.eval()(data()[0][500:]), data()[1][500:])
                net.train()
    assert doctor.failed == {}
    return doctor.diagnosis([Tier.DYNAMICS])


def first(found: Diagnosis) -> str:
    return found.findings[0].symptom if found.findings else "healthy"


def slow(*values: Any) -> Any:
    return pytest.param(*values, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("optimizer", "rate"), [(optim.Adam, 3e-3), (optim.SGD, 0.1), slow(optim.AdamW, 1e-3), slow(optim.RMSprop, 1e-3)]
)
def test_a_healthy_training_has_no_findings(optimizer: Any, rate: float) -> None:
    assert diagnosed(optimizer=optimizer, lr=rate, evaluate=True).findings == ()


def test_nothing_is_judged_in_a_few_steps() -> None:
    found = diagnosed(steps=5, lr=1e-3)
    assert found.findings == ()
    assert {"diverging", "not_learning", "vanishing_gradient"} <= {one.symptom for one in found.abstained}


@pytest.mark.parametrize(("optimizer", "rate"), [(optim.Adam, 0.3), slow(optim.SGD, 10.0)])
def test_a_learning_rate_far_too_high_is_the_root_cause(optimizer: Any, rate: float) -> None:
    assert first(diagnosed(optimizer=optimizer, lr=rate)) == "update_too_large"


@pytest.mark.parametrize(("optimizer", "rate"), [(optim.Adam, 1e-7), slow(optim.SGD, 1e-5)])
def test_a_learning_rate_far_too_low_is_the_root_cause(optimizer: Any, rate: float) -> None:
    assert first(diagnosed(optimizer=optimizer, lr=rate)) == "update_too_small"


def test_weights_that_start_too_large_or_too_small() -> None:
    assert first(diagnosed(lambda: rescaled(network(), 10), lr=1e-3)) == "poor_init"
    assert first(diagnosed(lambda: rescaled(network(depth=4), 0.01), lr=1e-3)) == "poor_init"


def test_a_deep_stack_of_sigmoids_lets_no_gradient_through() -> None:
    found = diagnosed(lambda: network(nn.Sigmoid, depth=8), lr=1e-3)
    assert first(found) == "vanishing_gradient"
    assert diagnosed(lambda: network(nn.Sigmoid, depth=2), lr=1e-2).findings == ()


@pytest.mark.parametrize("batch", [32, 8])
def test_units_with_a_bias_far_down_are_dead(batch: int) -> None:
    def model() -> nn.Module:
        net = network()
        nn.init.constant_(net[0].bias, -10)  # type: ignore[arg-type]
        return net

    found = diagnosed(model, batch=batch, lr=1e-3).findings[0]
    assert (found.symptom, found.where) == ("dead_units", "0.weight")


def test_large_updates_are_not_what_killed_units_that_were_dead_before_the_first() -> None:
    def model() -> nn.Module:
        hidden = [part for _ in range(2) for part in (nn.Linear(32, 32), nn.ReLU())]
        net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), *hidden, nn.BatchNorm1d(32), nn.Linear(32, 5))
        for name, one in net.named_parameters():
            if name.endswith("bias") and not name.startswith("7"):
                nn.init.constant_(one, -10)
        return net

    assert first(diagnosed(model, optim.SGD, lr=0.1, momentum=0.9)) == "dead_units"


def growing(by: Callable[[int], float]) -> Callable[..., optim.Optimizer]:
    """Return what makes an optimizer whose learning rate is a function of its updates, times that given."""

    def make(parameters: Any, lr: float) -> optim.Optimizer:
        made, counted = optim.SGD(parameters, lr * by(0)), itertools.count(1)

        def step(optimizer: optim.Optimizer, *_: Any) -> None:
            optimizer.param_groups[0]["lr"] = lr * by(next(counted))

        made.register_step_post_hook(step)
        return made

    return make


@pytest.mark.parametrize(
    ("optimizer", "cause"),
    [
        (growing(lambda update: 0.1 * 1.15**update), "rate_grows"),
        (growing(lambda update: 10.0 * (update + 1) / 60), ""),  # a linear warm-up to a rate that is too high
        (growing(lambda update: 10.0), ""),
    ],
    ids=["grows", "warm-up", "constant"],
)
def test_a_rate_that_grows_on_is_told_from_one_that_is_too_high(optimizer: Any, cause: str) -> None:
    found = diagnosed(optimizer=optimizer, lr=1.0).findings[0]
    assert (found.symptom, found.cause) == ("update_too_large", cause)
    assert ("scheduler" in found.advice) is bool(cause)


@pytest.mark.parametrize(("times", "cause"), [(3000.0, "rates_apart"), (100.0, "")])
def test_groups_with_rates_far_apart_are_told_from_one_rate_that_is_too_high(times: float, cause: str) -> None:
    seed_all(0)
    inputs, targets = data()
    net = network()
    head = net[-1]
    others = [one for name, one in net.named_parameters() if not name.startswith("4")]
    update = optim.Adam([{"params": head.parameters(), "lr": 30.0}, {"params": others, "lr": 30.0 / times}])
    with Diagnosing(name="loop") as doctor:
        for _ in range(60):
            rows = torch.randint(0, len(inputs), (32,))
            update.zero_grad()
            functional.cross_entropy(net(inputs[rows]), targets[rows]).backward()
            update.step()
    found = doctor.diagnosis().findings[0]
    assert (found.symptom, found.cause) == ("update_too_large", cause)


@pytest.mark.parametrize(("depth", "cause"), [(8, "deep"), (5, "")])
def test_a_deep_stack_is_told_from_a_shallow_one(depth: int, cause: str) -> None:
    found = diagnosed(lambda: network(nn.Sigmoid, depth=depth), lr=1e-3)
    assert {one.symptom: one.cause for one in found.findings}.get("vanishing_gradient", "") == cause


def test_a_stack_with_normalizations_is_not_deep() -> None:
    def track(name: str, kind: str, *shape: int) -> ParameterTrack:
        return ParameterTrack(name=f"{name}.weight", kind=kind, shape=shape, optimizer=0, depth=None, start=1.0)

    layers = tuple(track(f"{place}", "Linear", 8, 8) for place in range(10))
    norms = tuple(track(f"n{place}", "LayerNorm", 8) for place in range(5))
    assert deep(Dynamics(parameters=layers))
    assert deep(Dynamics(parameters=(*layers, *norms[:4])))
    assert not deep(Dynamics(parameters=(*layers, *norms)))
    assert not deep(Dynamics(parameters=layers[:7]))


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        (Nonfinite(step=1, what="gradient"), "not_finite_before_updates"),
        (Nonfinite(step=1, what="parameter"), ""),
        (Nonfinite(step=2, what="loss"), ""),
    ],
)
def test_no_learning_rate_is_tried_against_numbers_that_are_not_finite_before_an_update(
    broken: Nonfinite, cause: str
) -> None:
    found = nonfinite.find(Health(name="loop", steps=5, dynamics=Dynamics(nonfinite=broken)))
    assert isinstance(found, Finding)
    assert found.cause == cause
    assert ("lower_rate" in remedies_of(found)) is not bool(cause)


def test_inputs_of_hundreds_saturate_tanh() -> None:
    inputs, targets = data()
    found = diagnosed(lambda: network(nn.Tanh), samples=(inputs * 200, targets), lr=1e-3)
    assert first(found) == "saturated"


def test_gradients_that_grow_with_the_depth_explode() -> None:
    class Steep(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return 30 * inputs - 29 * inputs.detach()  # as it is, with a slope of 30

    assert first(diagnosed(lambda: network(Steep, depth=4), lr=1e-4)) == "exploding_gradient"


def test_an_epsilon_above_the_gradients() -> None:
    assert first(diagnosed(lr=1e-3, eps=1.0)) == "adam_eps_bound"


def test_labels_that_have_nothing_to_do_with_the_inputs() -> None:
    generator = torch.Generator().manual_seed(1)
    samples = torch.randn(8000, 20, generator=generator), torch.randint(0, 5, (8000,), generator=generator)
    assert first(diagnosed(samples=samples, lr=1e-3, steps=200)) == "not_learning"


def test_a_training_that_learns_its_samples_by_heart() -> None:
    found = diagnosed(
        lambda: network(width=128), samples=(data()[0][:40], data()[1][:40]), lr=1e-2, evaluate=True, steps=240
    )
    assert first(found) == "overfit"


class TestOverfit:
    """A rise of the validation loss counts by what the model had gained over a constant guess."""

    LOSSES = tuple(2.0 * 0.99**step for step in range(400))

    def found(self, last: float, criterion: Criterion | None) -> str:
        levels = [1.0, 0.8, 0.4, 0.4 + (last - 0.4) / 2, last, last]
        evaluations = tuple(Evaluation(step=60 * at, loss=loss, batches=1) for at, loss in enumerate(levels, 1))
        dynamics = Dynamics(losses=self.LOSSES, evaluations=evaluations, criterion=criterion)
        return getattr(overfit.find(Health(name="loop", steps=400, dynamics=dynamics)), "symptom", "")

    def test_a_cross_entropy_above_that_of_a_guess(self) -> None:
        assert self.found(1.7, Criterion(name="NllLossBackward0", reduction="mean", chance=1.6, rows=500)) == "overfit"

    @pytest.mark.parametrize("name", ["NllLossBackward0", "BinaryCrossEntropyWithLogitsBackward0"])
    def test_a_cross_entropy_that_rises_by_confidence_alone_is_none(self, name: str) -> None:
        assert not self.found(1.5, Criterion(name=name, reduction="mean", chance=1.6, rows=500))

    def test_an_error_that_lost_half_of_its_gain(self) -> None:
        criterion = Criterion(name="MseLossBackward0", reduction="mean", chance=1.6, rows=500)
        assert self.found(1.1, criterion) == "overfit"
        assert not self.found(0.9, criterion)

    def test_without_a_guess_the_first_evaluation_counts(self) -> None:
        assert self.found(0.75, None) == "overfit"
        assert not self.found(0.65, None)

    def test_an_evaluation_in_another_unit_is_judged_by_its_first_one(self) -> None:
        criterion = Criterion(name="MseLossBackward0", reduction="mean", chance=0.01, rows=500)
        assert self.found(0.75, criterion) == "overfit"
        assert not self.found(0.65, criterion)


class TestSpikes:
    """A spike is longer than what chance makes of batches that are harder."""

    @staticmethod
    def found(high: Callable[[int], bool], loaded: tuple[int, ...] = ()) -> str:
        generator = torch.Generator().manual_seed(0)
        noise = 0.02 * torch.randn(800, generator=generator)
        losses = tuple(4.0 if high(step) else 1.0 + float(noise[step]) for step in range(800))
        dynamics = Dynamics(
            losses=losses, samples=(1,), rates=(0.1,), batch_rows=32, optimizers=("SGD",), loaded=loaded
        )
        return getattr(loss_spikes.find(Health(name="loop", steps=800, dynamics=dynamics)), "symptom", "")

    def test_spikes_that_last(self) -> None:
        assert self.found(lambda step: step % 200 in range(100, 108)) == "loss_spikes"

    def test_spikes_after_weights_were_loaded(self) -> None:
        def high(step: int) -> bool:
            return step % 200 in range(100, 108)

        assert not self.found(high, (100, 300, 500, 700))
        assert self.found(high, (50, 250, 450, 650)) == "loss_spikes", "others than those"

    def test_rare_samples_that_a_third_of_the_batches_have(self) -> None:
        rare = (torch.rand(800, generator=torch.Generator().manual_seed(1)) < 0.3).tolist()
        assert sum(all(rare[at : at + 3]) for at in range(40, 750)) > 5, "some come in a row"
        assert not self.found(lambda step: rare[step])


class TestNonfinite:
    """The sentence says where, the advice what to do."""

    def test_a_batch_that_holds_nan(self) -> None:
        inputs, targets = data()
        broken = inputs.clone()
        broken[::100, 3] = float("nan")
        found = diagnosed(samples=(broken, targets), lr=1e-3).findings[0]
        assert found.symptom == "nonfinite"
        assert "the batch itself" in found.sentence
        assert "isfinite" in found.advice

    def test_a_logarithm_of_zero_in_the_loss(self) -> None:
        def loss(output: Tensor, targets: Tensor) -> Tensor:
            return -output.relu().gather(1, targets[:, None]).log().mean()

        found = diagnosed(loss=loss, lr=1e-3).findings[0]
        assert (found.symptom, found.value) == ("nonfinite", 1)
        assert "loss function" in found.sentence

    def test_a_rate_that_ends_in_nan_is_named_first(self) -> None:
        found = diagnosed(lambda: nn.Linear(20, 5), optim.SGD, loss=lambda o, _: o.pow(2).sum(), lr=1.0)
        assert [one.symptom for one in found.findings] == ["update_too_large"]
        assert any("NaN" in sentence for sentence in found.findings[0].folded)


def test_a_schedule_that_ends_long_before_the_training() -> None:
    seed_all(0)
    net = network()
    update = optim.SGD(net.parameters(), 0.1)
    schedule = optim.lr_scheduler.ExponentialLR(update, 0.9)
    with Diagnosing(name="loop", tiers=[Tier.DYNAMICS]) as doctor:
        for _ in range(200):
            rows = torch.randint(0, 1000, (32,))
            update.zero_grad()
            functional.cross_entropy(net(data()[0][rows]), data()[1][rows]).backward()
            update.step()
            schedule.step()
    assert first(doctor.diagnosis([Tier.DYNAMICS])) == "schedule_mismatch"


def test_clipping_that_leaves_nothing_of_the_gradient() -> None:
    found = diagnosed(optimizer=optim.SGD, lr=0.1, clip=1e-4)
    assert [one.symptom for one in found.findings] == ["clip_dominated"]
    assert diagnosed(optimizer=optim.SGD, lr=0.1, clip=0.5).findings == ()


def test_weight_decay_stronger_than_the_gradient() -> None:
    found = diagnosed(optimizer=optim.SGD, lr=0.1, weight_decay=1.0)
    assert first(found) == "weight_growth"
    assert "decay" in found.findings[0].sentence


def test_a_summed_loss_with_the_rate_of_a_mean() -> None:
    found = diagnosed(optimizer=optim.SGD, lr=0.5, loss=nn.CrossEntropyLoss(reduction="sum"))
    assert first(found) == "gradient_scale"


def test_one_layer_that_races() -> None:
    def optimizer(_: Any, lr: float) -> optim.Optimizer:
        return optim.Adam(
            [{"params": net[-1].parameters(), "lr": lr}, {"params": net[:-1].parameters(), "lr": lr / 1e4}]
        )

    net = network()
    assert first(diagnosed(lambda: net, optimizer, lr=0.5)) == "layer_imbalance"


def test_weights_that_start_equal() -> None:
    def model() -> nn.Module:
        net = network()
        for one in net.parameters():
            nn.init.constant_(one, 0.05)
        return net

    assert first(diagnosed(model, lr=1e-3)) == "poor_init"


def test_float16_without_a_scaler_loses_gradients() -> None:
    inputs, targets = data()
    found = diagnosed(
        lambda: network().half(),
        optim.SGD,
        loss=lambda output, labels: functional.cross_entropy(output, labels) * 1e-5,
        samples=(inputs.half(), targets),
        lr=0.1,
    )
    assert first(found) == "overflow_risk"


def test_a_scaler_that_leaves_out_updates_again_and_again() -> None:
    seed_all(0)
    net = network()
    update, scaler = optim.SGD(net.parameters(), 0.1), torch.amp.GradScaler("cpu", init_scale=4.0, growth_interval=1)
    with Diagnosing(name="loop", tiers=[Tier.DYNAMICS]) as doctor:
        for step in range(120):
            rows = torch.randint(0, 1000, (32,))
            update.zero_grad()
            loss = functional.cross_entropy(net(data()[0][rows]), data()[1][rows])
            scaler.scale(loss).backward()
            if step % 10 == 9:
                next(net.parameters()).grad.fill_(float("inf"))  # type: ignore[union-attr]
            scaler.step(update)
            scaler.update()
    found = doctor.diagnosis([Tier.DYNAMICS])
    assert [one.symptom for one in found.findings] == ["scaler_skips"]


def test_a_rate_somewhat_too_low_converges_slowly() -> None:
    assert first(diagnosed(optimizer=optim.Adam, lr=1e-4, steps=240)) == "slow_convergence"


class Valley(nn.Module):
    """A quadratic function of two directions, one of them steep."""

    def __init__(self) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.ones(2, 2))

    def forward(self, scale: Tensor) -> Tensor:
        return (self.place**2 * scale).sum()


def descended(rate: Callable[[int], float], noise: float = 0.0, steps: int = 160) -> Diagnosis:
    """Descend a valley by gradient descent at a rate that depends on the step."""
    seed_all(0)
    net = Valley()
    update = optim.SGD(net.parameters(), 1.0)
    with Diagnosing(name="loop", tiers=[Tier.DYNAMICS]) as doctor:
        for step in range(steps):
            update.param_groups[0]["lr"] = rate(step)
            update.zero_grad()
            (net(torch.tensor([1.0, 1e-4])) * (1 + noise * torch.randn(()))).backward()
            update.step()
    return doctor.diagnosis([Tier.DYNAMICS])


def test_gradient_descent_that_crosses_the_valley_again_and_again() -> None:
    assert first(descended(lambda _: 0.99999)) == "edge_of_stability"
    assert "edge_of_stability" in descended(lambda _: 0.5).silent


def test_a_loss_that_rises_again_is_diverging() -> None:
    found = descended(lambda step: 0.1 if step < 60 else 1.2)
    assert [one.symptom for one in found.findings] == ["update_too_large"]
    assert any("The loss rose" in sentence for sentence in found.findings[0].folded)


def test_a_loss_that_is_maximized_is_named_and_not_what_follows() -> None:
    def negated(output: Tensor, targets: Tensor) -> Tensor:
        return -functional.cross_entropy(output, targets)

    assert [one.symptom for one in diagnosed(loss=negated, lr=0.01).findings] == ["loss_sign"]


def test_a_gradient_that_is_not_finite_before_any_update_is_not_its_fault() -> None:
    def root(output: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(torch.sqrt((output - output.detach()).square()), targets)

    assert first(diagnosed(optimizer=optim.SGD, loss=root, lr=0.5, steps=20)) == "nonfinite"


def test_decay_that_erases_embeddings_is_named_where_there_are_no_other_weights() -> None:
    steps = tuple(range(1, 17))
    tracks = [
        ParameterTrack("user", "Embedding", (50, 8), 0, 0, 0.03, weight=(0.03,) * 8 + (1e-9,) * 8, update=(1e-3,) * 16),
        ParameterTrack("bias", "Embedding", (50, 1), 0, 1, 0.01, weight=(0.02,) * 16, update=(1e-3,) * 16),
    ]
    rising = tuple(1.2 + 0.01 * step for step in range(60))
    dynamics = Dynamics(
        losses=rising, samples=steps, rates=(0.01,) * 16, parameters=tuple(tracks), optimizers=("Adam",), decay=1.0
    )
    found = weight_growth.find(Health(name="", steps=60, dynamics=dynamics))
    assert isinstance(found, Finding)
    assert "diverging" in found.explains


class Branched(nn.Module):
    """A network with a second branch, of which the output takes some share."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.body, self.branch, self.share = network(), nn.Linear(20, 5), share

    def forward(self, inputs: Tensor) -> Tensor:
        return self.body(inputs) + self.share * self.branch(inputs)


class Adapted(nn.Module):
    """A frozen network with a low-rank adapter whose first matrix starts at some scale."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.body = network().requires_grad_(False)
        self.down, self.up = nn.Parameter(scale * torch.randn(20, 4)), nn.Parameter(torch.zeros(4, 5))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.body(inputs) + inputs @ self.down @ self.up


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (lambda: Branched(0.0), ("gradient_zero", "branch.weight")),
        (lambda: Branched(0.1), None),
        (lambda: Adapted(0.0), ("gradient_zero", "down")),
        (lambda: Adapted(0.1), None),
    ],
)
def test_a_gradient_that_is_always_zero(model: Any, expected: tuple[str, str] | None) -> None:
    found = diagnosed(model, lr=1e-2).findings
    assert [(one.symptom, one.where) for one in found] == ([] if expected is None else [expected])


@pytest.mark.parametrize(("still", "expected"), [(1, "adapter.up"), (0, None)])
def test_of_all_that_an_optimizer_holds_few_samples_tell(still: int, expected: str | None) -> None:
    """Adapters that are trained after the network: their steps are sampled seldom."""
    gradients = {"body.weight": (0, (0.1,) * 60 + (None,) * 10), "adapter.down": (1, (None,) * 60 + (0.0,) * 10)}
    gradients["adapter.up"] = 1, (None,) * 60 + (0.0 if still else 0.2,) * 10
    tracks = tuple(
        ParameterTrack(name, "Linear", (20, 20), number, 0, 1.0, gradient=series)
        for name, (number, series) in gradients.items()
    )
    dynamics = Dynamics(losses=(1.0,) * 70, samples=tuple(range(1, 71)), parameters=tracks, optimizers=("Adam", "Adam"))
    found = gradient_zero.find(Health(name="", steps=70, dynamics=dynamics))
    if expected is None:
        assert found is None
    else:
        assert isinstance(found, Finding)
        assert found.where.startswith("adapter")


def test_an_expert_beside_others_may_be_idle() -> None:
    class Experts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList([network(), network()])

        def forward(self, inputs: Tensor) -> Tensor:
            return self.experts[0](inputs) + 0.0 * self.experts[1](inputs)

    assert diagnosed(Experts, lr=1e-3).findings == ()


def test_weights_that_are_all_zero_at_the_start() -> None:
    class Last(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.head = nn.LSTM(1, 8, batch_first=True), nn.Linear(8, 5)
            rescaled(self, 0.0)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.head(self.inner(inputs[..., None])[0][:, -1])

    assert first(diagnosed(Last, lr=1e-2)) == "poor_init"


def test_a_first_step_that_leaves_nothing_of_the_weights() -> None:
    assert first(diagnosed(lr=1.0)) == "update_too_large"


def test_clipping_decides_the_steps_of_gradient_descent_and_not_of_adam() -> None:
    assert first(diagnosed(optimizer=optim.SGD, lr=0.05, clip=2e-3)) == "clip_dominated"
    assert diagnosed(optimizer=optim.Adam, lr=1e-3, clip=2e-3).findings == ()


@pytest.mark.parametrize("scale", [0.001, 100.0])
def test_gains_of_norms_that_start_far_from_one(scale: float) -> None:
    def model() -> nn.Module:
        layers = [part for _ in range(2) for part in (nn.Linear(20, 20), nn.LayerNorm(20), nn.ReLU())]
        net = nn.Sequential(*layers, nn.Linear(20, 5))
        with torch.no_grad():
            for one in (net[1], net[4]):
                one.weight.mul_(scale)  # type: ignore[operator,union-attr]
        return net

    seed_all(0)
    net = model()
    update = optim.Adam(net.parameters(), 1e-3)
    with Diagnosing(name="loop") as doctor:
        for _ in range(30):
            rows = torch.randint(0, 1000, (32,))
            update.zero_grad()
            functional.cross_entropy(net(data()[0][rows]), data()[1][rows]).backward()
            update.step()
    assert first(doctor.diagnosis()) == "norm_gain_off"


def test_a_rate_is_named_with_the_optimizer_or_the_group_that_has_it() -> None:
    def track(name: str, number: int, rate: float, update: float) -> ParameterTrack:
        series = (1.0,) * 16
        return ParameterTrack(name, "Linear", (8, 8), number, 0, 1.0, weight=series, update=(update,) * 16, rate=rate)

    losses = (1.0,) * 60
    quick, still, still_too = track("a", 0, 1e-3, 1e-3), track("b", 1, 1e-5, 5e-6), track("c", 1, 1e-5, 5e-6)

    def seen(*tracks: ParameterTrack, optimizers: tuple[str, ...]) -> Dynamics:
        return Dynamics(
            losses=losses,
            samples=tuple(range(1, 17)),
            rates=(1e-3,) * 16,
            parameters=tracks,
            optimizers=optimizers,
        )

    two = seen(quick, still, still_too, optimizers=("Adam", "SGD"))
    found = update_too_small.find(Health(name="", steps=60, complete=True, dynamics=two))
    assert isinstance(found, Finding)
    assert found.advice == "SGD: raise the learning rate from 1.00e-05 to about 2e-03"
    parts = seen(quick, track("b.weight", 0, 1e-5, 5e-6), optimizers=("SGD",))
    assert faster(parts) == "SGD of b.weight: raise the learning rate from 1.00e-05 to about 2e-03"
    fast = seen(still, track("a", 0, 1e-3, 0.3), optimizers=("Adam", "SGD"))
    assert slower(fast, 3) == "Adam: lower the learning rate from 0.00100 to about 1e-05"
    one = seen(still, optimizers=("SGD",))
    assert faster(one) == "raise the learning rate from 1.00e-05 to about 2e-03"


@pytest.mark.parametrize("scale", [1.0, 0.5])
def test_the_loss_of_a_constant_is_known_of_a_square_that_is_written_by_hand(scale: float) -> None:
    def chance(loss: Callable[[Tensor, Tensor], Tensor]) -> float | None:
        seed_all(0)
        net = nn.Linear(4, 1)
        update = optim.SGD(net.parameters(), lr=1e-2)
        with Diagnosing(name="loop", tiers=[Tier.DYNAMICS]) as doctor:
            for _ in range(8):
                x = torch.randn(16, 4)
                update.zero_grad()
                loss(net(x), x[:, :1]).backward()
                update.step()
        assert doctor.failed == {}
        dynamics = doctor.seen().dynamics
        return None if dynamics is None or dynamics.criterion is None else dynamics.criterion.chance

    known = chance(lambda output, target: functional.mse_loss(output, target) * scale)
    assert known is not None
    for square in (lambda one: one**2, lambda one: one * one, torch.square):
        assert chance(
            lambda output, target, square=square: square(output - target).mean() / (1 / scale)
        ) == pytest.approx(known)
    assert chance(lambda output, target: ((output - target) ** 2).mean() - output.mean()) is None
    assert chance(lambda output, target: ((output - target) ** 2).mean().sqrt()) is None


def test_large_updates_harm_where_no_loss_comes_down_to_the_first() -> None:
    def found(*losses: float, size: float = 0.5) -> Any:
        track = ParameterTrack("a", "Linear", (8, 8), 0, 0, 1.0, weight=(1.0,) * 16, update=(size,) * 16, rate=1.0)
        dynamics = Dynamics(
            losses=losses, samples=tuple(range(1, 17)), rates=(1.0,) * 16, parameters=(track,), optimizers=("AdamW",)
        )
        return update_too_large.find(Health(name="", steps=len(losses), complete=True, dynamics=dynamics))

    noise = [0.2 * (-1) ** place for place in range(200)]
    above = [2.7, *(9 - place / 5 for place in range(20)), *(4.5 + one for one in noise)]
    assert "stays above the first one, 2.70" in found(*above).sentence
    assert found(*above, size=0.05) is None
    assert found(3.8, *above[1:]) is None, "the first loss may be low by chance"
    assert found(*above, *(2.5 + one for one in noise)) is None, "it came down"


def test_a_loss_that_grows_with_the_returns_of_a_policy_does_not_diverge() -> None:
    dynamics = Dynamics(
        losses=tuple(20 + 0.1 * (-1) ** step + step / 20 for step in range(200)), samples=(1,), optimizers=("Adam",)
    )

    def found(policy: Policy | None) -> Any:
        wiring = Wiring(updates=200, policy=policy)
        return diverging.find(Health(name="", steps=200, complete=True, dynamics=dynamics, wiring=wiring))

    assert isinstance(found(None), Finding)
    assert isinstance(found(Policy(passes=12)), Finding), "of a classifier with weights of samples"
    assert isinstance(found(Policy(passes=12, ratios=12)), Abstained)
    assert isinstance(found(Policy(passes=12, like="advantages", likeness=(1.0,))), Abstained)
