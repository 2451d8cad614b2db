"""Steps that no collector needs cost some function calls, and what must be known of every step is known of them."""

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_loop import Loop, Net
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import hasten
from benchmarks.counting import calls
from hasten.diagnosis.dynamics import sampling
from hasten.diagnosis.dynamics.collector import DynamicsCollector
from hasten.diagnosis.dynamics.sampling import Sampling
from hasten.diagnosis.watching.events import NEVER
from hasten.diagnosis.watching.hooks import TrainingWatch
from hasten.scripts.watch import StopScript

EXTRA_CALLS = 23
"""Calls of Python and C functions in an unwatched step beyond a plain one: 21 when written."""
FIRST = 30  # steps that are watched


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def doctor(loop: Loop) -> Iterator[Any]:
    """A doctor that watches no step until a test makes it do so."""
    with hasten.diagnosing() as doctor:
        loop.steps(FIRST)
        rest(doctor)
        yield doctor


def rest(watch: TrainingWatch) -> None:
    """Have no step watched, from the end of one on."""
    watch._rest()
    watch._wake = NEVER


def test_an_unwatched_step_makes_few_calls_beyond_a_plain_one(loop: Loop, doctor: Any) -> None:
    loop.step()
    watched = calls(lambda: loop.steps(10)) / 10
    doctor.__exit__()
    loop.step()
    assert watched - calls(lambda: loop.steps(10)) / 10 <= EXTRA_CALLS


def test_few_steps_are_watched_after_the_first(loop: Loop) -> None:
    watched = 0
    with hasten.diagnosing() as doctor:
        loop.steps(100)
        for _ in range(400):
            watched += doctor.watching
            loop.step()
    assert watched < 100


def test_every_loss_is_known(loop: Loop, doctor: Any) -> None:
    loop.steps(20)
    assert doctor.seen().dynamics.losses == pytest.approx(loop.losses)
    assert doctor.seen().steps == len(loop.losses) == doctor.seen().wiring.updates


def test_outputs_with_a_gradient_made_by_hand_are_no_loss(loop: Loop, doctor: Any) -> None:
    inputs, _ = loop.data[0]
    for _ in range(3):
        outputs = loop.model(inputs)
        torch.autograd.backward([outputs, outputs.square().mean()], [torch.ones_like(outputs), None])
        loop.optimizer.step()
        loop.optimizer.zero_grad()
    assert doctor.failed == {}
    assert [one is not None for one in doctor.seen().dynamics.losses] == [True] * (FIRST + 3)
    loop.model(inputs).backward(torch.ones(8, 3))
    loop.optimizer.step()
    assert doctor.failed == {}
    assert doctor.seen().dynamics.losses[-1] is None


def test_a_loss_that_is_not_finite_is_found_in_its_step_with_the_layer(loop: Loop, doctor: Any) -> None:
    loop.steps(5)
    loop.step(factor=float("inf"))
    found = doctor.seen().dynamics.nonfinite
    assert (found.step, found.what, found.layer, found.inputs_finite) == (len(loop.losses), "loss", "body", False)


def test_weights_and_sums_of_unwatched_losses_are_as_those_of_watched_ones(loop: Loop, doctor: Any) -> None:
    (inputs, targets), model = loop.data[0], loop.model
    losses = [F.cross_entropy(model(inputs), targets, reduction="sum") for _ in range(2)]
    losses[0].backward(torch.tensor(0.5))
    torch.autograd.backward([losses[1]])
    loop.optimizer.step()
    assert doctor.seen().dynamics.losses[-1] == pytest.approx(1.5 * losses[0].item())


def test_a_closure_computes_one_loss_of_the_step() -> None:
    loop = Loop()
    loop.optimizer = optim.LBFGS(loop.model.parameters(), max_iter=3)  # type: ignore[assignment]
    inputs, targets = loop.data[0]
    losses: list[float] = []

    def closure() -> Tensor:
        loop.optimizer.zero_grad()
        loss = F.cross_entropy(loop.model(inputs), targets)
        loss.backward()
        return loss

    with TrainingWatch([(dynamics := DynamicsCollector())]) as watch:
        for number in range(20):
            losses.append(loop.optimizer.step(closure).item())  # type: ignore[arg-type,union-attr]
            if number == 9:
                rest(watch)
    assert not watch.watching
    assert dynamics.dynamics().losses == pytest.approx(losses)


def test_schedulers_and_learning_rates_are_counted(loop: Loop) -> None:
    schedule = optim.lr_scheduler.CosineAnnealingLR(loop.optimizer, 80)
    with hasten.diagnosing() as doctor:
        for _ in range(80):
            loop.step()
            schedule.step()
    wiring = doctor.seen().wiring
    assert wiring is not None
    (found,) = wiring.schedules
    assert (found.steps, found.updates, found.early, found.highest) == (80, 80, 0, 0.01)
    assert found.last < 1e-4


def test_a_skipped_update_is_known(loop: Loop, doctor: Any) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    inputs, targets = loop.data[0]
    made = len(loop.losses)
    for factor in (1.0, float("inf"), 1.0):
        loss = F.cross_entropy(loop.model(inputs), targets)
        scaler.scale(loss).backward()
        for one in loop.model.parameters():
            one.grad = one.grad * factor if one.grad is not None else None
        scaler.step(loop.optimizer)
        scaler.update()
        loop.optimizer.zero_grad()
    found = doctor.seen().dynamics
    assert (len(found.losses), found.skips) == (made + 2, (made + 2,))
    assert found.losses[-1] == pytest.approx(loss.item())


@pytest.mark.parametrize("loads", [True, False])
def test_an_evaluation_is_seen(loop: Loop, doctor: Any, loads: bool) -> None:
    held_out = TensorDataset(torch.randn(16, 4), torch.randint(0, 3, (16,)))
    with torch.no_grad():
        for inputs, targets in DataLoader(held_out, 8) if loads else [held_out.tensors]:
            F.cross_entropy(loop.model(inputs), targets)
    loop.steps(2)
    health = doctor.seen()
    assert health.wiring.models[0].evaluated_training == (
        1 if loads else 0
    )  # what no batch follows may be for training
    assert [(one.step, one.batches) for one in health.dynamics.evaluations] == [
        (len(loop.losses) - 2, 2 if loads else 1)
    ]
    assert len(health.data.evaluations) == 1


def test_an_evaluation_is_not_watched_where_the_time_is_used_up(loop: Loop, doctor: Any) -> None:
    doctor._evaluation_s = 1e9
    with torch.no_grad():
        loop.model(torch.randn(4, 4))
    assert not doctor.watching


def test_a_new_optimizer_is_watched(loop: Loop, doctor: Any) -> None:
    loop.optimizer = optim.SGD(loop.model.head.parameters(), 0.1)
    loop.steps(3)
    assert doctor.every  # again
    loop.steps(100)
    assert not doctor.every
    assert [one.updates for one in doctor.seen().wiring.optimizers][1] == 103


def test_the_limit_holds_in_unwatched_steps(loop: Loop) -> None:
    with pytest.raises(StopScript), hasten.diagnosing(steps=80):
        loop.steps(90)
    assert len(loop.losses) == 80


def test_the_parameters_are_the_same_bit_for_bit_and_the_hooks_are_gone(loop: Loop) -> None:
    before = nn.Module.__call__, torch.autograd.backward, DataLoader.__iter__, F.cross_entropy
    plain = Loop()
    plain.steps(80)
    with hasten.diagnosing() as doctor:
        loop.steps(80)
        assert "__call__" in vars(Net)
    assert (nn.Module.__call__, torch.autograd.backward, DataLoader.__iter__, F.cross_entropy) == before
    assert "__call__" not in vars(Net)
    assert doctor.failed == {}
    for one, other in zip(plain.model.parameters(), loop.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_what_somebody_put_in_the_place_of_a_hook_stays(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Module, "__call__", nn.Module.__call__)  # the last to be undone, past the doctor's hook
    with hasten.diagnosing():
        hooked = nn.Module.__call__
        monkeypatch.setattr(nn.Module, "__call__", lambda *args, **kwargs: hooked(*args, **kwargs))
        own = nn.Module.__call__
        loop.steps(100)
    assert nn.Module.__call__ is own


@settings(deadline=None)
@given(
    step_s=st.floats(1e-4, 1.0),
    cost_s=st.floats(1e-4, 1.0),
    steps=st.integers(100, 3_000),
)
def test_samples_take_no_more_than_their_share(step_s: float, cost_s: float, steps: int) -> None:
    clock = 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sampling.time, "perf_counter", lambda: clock)
        plan = Sampling()
        spent_s, step, samples = 0.0, 1, 0
        while step <= steps:
            clock += step_s
            assert plan.due(step)
            samples += 1
            clock += cost_s
            spent_s += cost_s
            following = plan.next_step(step, spent_s)
            assert following > step
            clock += (following - step - 1) * step_s
            step = following
    allowed_s = sampling._ALLOWANCE_S + sampling._SHARE * clock
    assert spent_s <= allowed_s + sampling.FEWEST * cost_s
    assert samples >= sampling.FEWEST


def test_losses_are_the_same_watched_or_not_whatever_backward_starts_from() -> None:
    loop = Loop(lr=0.0)
    ones = torch.ones

    def starts(form: int) -> Any:
        outputs = loop.model(loop.data[0][0])
        loss, one, rows = outputs.square().mean(), outputs.sum().view(1), outputs.sum(1)
        return (
            ([loss], [None]),
            ([loss], [torch.tensor(3.0)]),
            ([outputs], [ones(8, 3)]),
            ([outputs, loss], [ones(8, 3), None]),
            ([loss, rows], [None, ones(8)]),
            ([one, rows, loss], [ones(1), ones(8), torch.tensor(0.5)]),
        )[form]

    with hasten.diagnosing() as doctor:
        for watched in (True, False):
            if not watched:
                rest(doctor)
            for form in range(6):
                torch.autograd.backward(*starts(form))
                loop.optimizer.step()
    assert doctor.failed == {}
    losses = [math.nan if one is None else one for one in doctor.seen().dynamics.losses]
    assert losses[:6] == pytest.approx(losses[6:], rel=1e-5, nan_ok=True)
    assert [math.isnan(one) for one in losses[:6]] == [False, False, True, False, False, False]
