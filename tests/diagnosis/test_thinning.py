"""Steps whose losses are not read cost next to nothing, and what goes wrong in them is found all the same."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_loop import Loop
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import hasten
from benchmarks.counting import calls
from hasten.base.records.dynamics import Criterion, Dynamics, Evaluation
from hasten.base.records.health import Health
from hasten.base.replaced import replaced
from hasten.diagnosis.dynamics import loss_spikes, not_learning, overfit
from hasten.diagnosis.dynamics.judging import course, known, median, read_losses, tail
from hasten.diagnosis.remedies.trial_watch import TrialWatch
from hasten.diagnosis.watching import thinning
from hasten.diagnosis.watching.events import NEVER
from hasten.diagnosis.watching.thinning import Thinning
from hasten.scripts.watch import StopScript

EXTRA_CALLS = 7
"""Calls of Python and C functions in a step whose loss is not read beyond a plain one: 8 when written."""
FIRST, DISTANCE = 40, 7
DISTANCE_OF = thinning.distance


@pytest.fixture
def loop() -> Loop:
    return Loop()


def thin(watch: Any) -> Any:
    """Have a watch thin the losses after the first 40 steps."""
    watch._thinning = Thinning(FIRST)
    return watch


@pytest.fixture(autouse=True)
def seventh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every seventh loss read, however long a step takes."""
    monkeypatch.setattr(thinning, "distance", lambda step_s: DISTANCE)


@pytest.fixture
def doctor(loop: Loop) -> Iterator[Any]:
    """A doctor that reads every seventh loss and takes no samples."""
    with thin(hasten.diagnosing()) as doctor:
        train_until_thinned(loop, doctor)
        yield doctor


def train_until_thinned(loop: Loop, doctor: Any) -> None:
    while doctor.watching or doctor._distance == 1:
        loop.step()
        if not doctor.watching:
            doctor._wake = NEVER
            doctor._due = doctor._turn = 0
    while doctor.steps % DISTANCE:
        loop.step()


def dynamics(doctor: Any) -> Dynamics:
    assert doctor.failed == {}
    found = doctor.seen().dynamics
    assert found is not None
    return found


def test_a_step_whose_loss_is_not_read_makes_few_calls_beyond_a_plain_one(loop: Loop, doctor: Any) -> None:
    thinned = calls(lambda: loop.steps(5)) / 5
    doctor.__exit__()
    loop.step()
    assert thinned - calls(lambda: loop.steps(5)) / 5 <= EXTRA_CALLS


def test_every_seventh_loss_is_read_and_it_is_told_which(loop: Loop, doctor: Any) -> None:
    begin = doctor.steps
    loop.steps(100)
    found = dynamics(doctor)
    assert [distance for _, distance in found.thinned] == [DISTANCE]
    for step in range(begin + 1, begin + 101):
        assert found.losses[step - 1] == (None if step % DISTANCE else pytest.approx(loop.losses[step - 1]))
    assert None not in read_losses(found)
    assert doctor.seen().steps == len(loop.losses) == doctor.seen().wiring.updates


def test_the_parameters_are_the_same_bit_for_bit_and_the_hooks_are_gone(loop: Loop, doctor: Any) -> None:
    loop.steps(50)
    doctor.__exit__()
    hooked = type(loop.model).__call__, optim.Optimizer.__init__, torch.autograd.backward, F.cross_entropy
    assert not any(one.__qualname__.startswith("TrainingWatch") for one in hooked)
    plain = Loop()
    plain.steps(len(loop.losses))
    for one, other in zip(plain.model.parameters(), loop.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_samples_are_taken_between(loop: Loop, doctor: Any) -> None:
    begin = doctor.steps
    doctor._wake, doctor._due, doctor._turn = begin + 4, begin + 3, 0
    loop.steps(4)
    found = dynamics(doctor)
    assert found.samples[-1] == begin + 4
    assert found.losses[-4:] == (None, None, None, pytest.approx(loop.losses[-1]))
    assert found.parameters[0].update[-1] is not None


def test_a_spike_of_a_few_steps_is_seen(loop: Loop, doctor: Any) -> None:
    loop.optimizer.param_groups[0]["lr"] = 0.0
    for _ in range(2):
        loop.steps(40 * DISTANCE)
        for _ in range(4 * DISTANCE):
            loop.step(factor=-100.0)
    loop.steps(10 * DISTANCE)
    found = loss_spikes._spikes(dynamics(doctor))
    assert len(found) == 2


class TestNonfinite:
    """A number that stops being finite is found at the next loss that is read, with the steps it may have begun in."""

    def test_between_two_losses(self, loop: Loop, doctor: Any) -> None:
        begin = doctor.steps
        loop.steps(3)
        loop.step(factor=float("nan"))
        loop.steps(10)
        found = dynamics(doctor).nonfinite
        assert found is not None
        assert (found.what, found.earliest, found.step) == ("parameter", begin, begin + 6)
        (finding,) = [one for one in doctor.diagnosis().findings if one.symptom == "nonfinite"]
        assert f"one of the steps {begin} to {begin + 6}" in finding.sentence

    def test_at_the_end_of_the_training(self, loop: Loop, doctor: Any) -> None:
        begin = doctor.steps
        loop.steps(3)
        loop.step(factor=float("nan"))
        doctor.__exit__()
        found = dynamics(doctor).nonfinite
        assert found is not None
        assert (found.what, found.earliest, found.step) == ("parameter", begin, begin + 4)

    def test_in_a_step_whose_loss_is_read(self, loop: Loop, doctor: Any) -> None:
        loop.steps(6)
        loop.step(factor=float("nan"))
        found = dynamics(doctor).nonfinite
        assert found is not None
        assert (found.what, found.step, found.earliest) == ("loss", len(loop.losses), None)
        assert found.inputs_finite is False

    def test_a_healthy_end_says_nothing(self, loop: Loop, doctor: Any) -> None:
        loop.steps(5)
        doctor.__exit__()
        assert dynamics(doctor).nonfinite is None


class TestInBetween:
    """What may begin an evaluation, or the training of something else, is seen in any step."""

    @pytest.mark.parametrize("loads", [True, False])
    def test_an_evaluation_is_seen(self, loop: Loop, doctor: Any, loads: bool) -> None:
        held_out = TensorDataset(torch.randn(16, 4), torch.randint(0, 3, (16,)))
        loop.steps(3)

        def evaluate(loss: Any) -> None:
            with torch.no_grad():
                for inputs, targets in DataLoader(held_out, 8) if loads else [held_out.tensors]:
                    loss(loop.model(inputs), targets)

        evaluate(lambda *given: F.cross_entropy(*given))
        first = len(loop.losses)
        train_until_thinned(loop, doctor)
        loop.step()
        evaluate(F.cross_entropy)  # looked up before the evaluation
        loop.steps(2)
        found = doctor.seen()
        last, batches = len(loop.losses), 2 if loads else 1
        seen = [(one.step, one.batches) for one in found.dynamics.evaluations]
        assert seen == [(first, batches), (last - 2, batches)]
        assert len(found.data.evaluations) == 1
        train_until_thinned(loop, doctor)
        assert doctor._lean

    def test_none_is_where_the_time_for_evaluations_is_used_up(self, loop: Loop, doctor: Any) -> None:
        doctor._evaluation_s = 1e9
        with torch.no_grad():
            loop.model(loop.data[0][0])
        iter(DataLoader(TensorDataset(torch.randn(4, 4)), 2))
        assert not doctor.watching
        assert doctor._lean

    def test_a_part_of_a_loss_is_not_taken_for_the_loss(self, loop: Loop, doctor: Any) -> None:
        def passes(number: int) -> None:
            for inputs, targets in loop.data[:number]:
                (F.cross_entropy(loop.model(inputs), targets) / 4).backward()

        passes(2)
        with torch.no_grad():
            loop.model(loop.data[0][0])
        passes(2)
        loop.optimizer.step()
        loop.optimizer.zero_grad()
        found = dynamics(doctor)
        assert found.losses[-1] is None
        assert None not in read_losses(found)

    def test_a_new_optimizer_is_watched_from_its_first_update_on(self, loop: Loop, doctor: Any) -> None:
        loop.steps(3)
        loop.optimizer = optim.SGD(loop.model.head.parameters(), 0.1)
        loop.steps(3)
        assert doctor.every
        assert doctor.seen().wiring.optimizers[1].updates == 3

    def test_all_goes_on_where_the_new_optimizer_waits(self, loop: Loop, doctor: Any) -> None:
        optim.SGD(loop.model.head.parameters(), 0.1)
        assert not doctor._lean
        loop.step()
        assert doctor._lean

    def test_an_optimizer_made_long_before_is_watched_from_its_second_update_on(self, loop: Loop) -> None:
        second = optim.SGD(loop.model.head.parameters(), 0.1)
        with thin(hasten.diagnosing()) as doctor:
            train_until_thinned(loop, doctor)
            loop.optimizer = second
            loop.steps(3)
            assert doctor.every
            assert [one.updates for one in doctor.seen().wiring.optimizers if one.tensors == 2] == [2]

    def test_a_known_optimizer_that_goes_on_alone_is_watched(self, loop: Loop, doctor: Any) -> None:
        doctor._known.add(id(other := optim.SGD(loop.model.head.parameters(), 0.1)))
        loop.step()
        assert doctor._lean
        loop.optimizer = other
        loop.steps(101)
        assert doctor.every


def test_schedulers_clipping_and_skipped_updates_are_known(loop: Loop, doctor: Any) -> None:
    schedule = optim.lr_scheduler.StepLR(loop.optimizer, 10_000)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    inputs, targets = loop.data[0]
    made = doctor.steps
    losses: list[float] = []
    for number in range(12):
        loss = F.cross_entropy(loop.model(inputs), targets)
        scaler.scale(loss).backward()
        for one in loop.model.parameters():
            one.grad = one.grad * float("inf") if number == 1 and one.grad is not None else one.grad
        scaler.unscale_(loop.optimizer)
        nn.utils.clip_grad_norm_(loop.model.parameters(), 1.0)
        scaler.step(loop.optimizer)
        scaler.update()
        schedule.step()
        loop.optimizer.zero_grad()
        losses += [] if number == 1 else [loss.item()]
    assert doctor._lean
    found = doctor.seen()
    assert found.dynamics.skips == (made + 2,)
    assert found.steps == made + 11
    assert found.dynamics.losses[made:] == (*(None,) * 6, pytest.approx(losses[6]), *(None,) * 4)
    assert len(found.dynamics.clip_norms) == 1
    assert [one.steps for one in found.wiring.schedules] == [12]


def test_the_limit_holds(loop: Loop) -> None:
    with pytest.raises(StopScript), thin(hasten.diagnosing(steps=83)):
        loop.steps(90)
    assert len(loop.losses) == 83


def test_an_update_made_of_updates_is_counted_once() -> None:
    class Own(optim.SGD):
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)  # has torch hook the step of the parent, too
    loop = Loop()
    loop.optimizer = Own(loop.model.parameters(), 0.01)
    with thin(hasten.diagnosing()) as doctor:
        train_until_thinned(loop, doctor)
        loop.steps(20)
    found = dynamics(doctor)
    assert doctor.steps == len(loop.losses)
    read = [at for at in range(-20, 0) if found.losses[at] is not None]
    assert [(len(loop.losses) + 1 + at) % DISTANCE for at in read] == [0, 0]
    assert [found.losses[at] for at in read] == pytest.approx([loop.losses[at] for at in read])


def test_a_closure_computes_one_loss_of_a_step_that_is_read() -> None:
    loop = Loop()
    loop.optimizer = optim.LBFGS(loop.model.parameters(), 1e-3, max_iter=3)  # type: ignore[assignment]
    inputs, targets = loop.data[0]
    losses: list[float] = []

    def closure() -> Tensor:
        loop.optimizer.zero_grad()
        with torch.no_grad():
            loop.model(inputs)
        loss = F.cross_entropy(loop.model(inputs), targets)
        loss.backward()
        return loss

    with thin(hasten.diagnosing()) as doctor:
        doctor._evaluation_s = 1e9
        for _ in range(15 * DISTANCE):
            losses.append(loop.optimizer.step(closure).item())  # type: ignore[arg-type,union-attr]
            doctor._wake = NEVER if doctor.steps > FIRST + 30 else doctor._wake
    found = dynamics(doctor)
    assert doctor.steps == 15 * DISTANCE
    assert found.thinned
    assert found.losses[-DISTANCE:] == (*(None,) * (DISTANCE - 1), pytest.approx(losses[-1]))


def test_hooks_that_somebody_wrapped_note_nothing_twice(loop: Loop, doctor: Any) -> None:
    hooked = torch.autograd.backward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.autograd, "backward", lambda *args, **kwargs: hooked(*args, **kwargs))
        doctor._of_watched.enter_context(replaced(torch.autograd, "backward", doctor._backward))
        loop.steps(DISTANCE)
    assert dynamics(doctor).losses[-1] == pytest.approx(loop.losses[-1])


class TestHowManyAreRead:
    """The share of the time that reading takes decides."""

    @given(step_s=st.floats(5e-5, 1.0))
    def test_reading_takes_no_more_than_its_share(self, step_s: float) -> None:
        found = DISTANCE_OF(step_s)
        share = (thinning.COUNTED_S + thinning.READ_S / found) / step_s
        assert share <= max(thinning.SHARE, thinning.LEAST + thinning.COUNTED_S / step_s) * (1 + 1e-9)

    def test_some_examples(self) -> None:
        assert [DISTANCE_OF(step_s) for step_s in (0.00025, 0.0005, 0.001, 0.003)] == [31, 13, 7, 1]

    def test_the_time_of_the_last_steps_counts(self) -> None:
        clock = 0.0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(thinning, "perf_counter", lambda: clock)
            patch.setattr(thinning, "distance", DISTANCE_OF)
            plan = Thinning(100)
            assert (plan.after(99), plan.again) == (1, 100)
            clock = 0.1  # 1 ms a step
            assert (plan.after(100), plan.again) == (7, 100 + thinning.AGAIN)
            clock += 0.01 * thinning.AGAIN
            assert plan.after(100 + thinning.AGAIN) == 1


class TestWithoutSomeLosses:
    """Rules and signs tell a loss that was not read from one that is not finite."""

    def test_the_losses_that_were_read(self) -> None:
        losses = (1.0, None, None, None, 5.0, None, None, None, 9.0, None, None)
        found = Dynamics(losses=losses, thinned=((4, 4), (9, 1), (11, 8)))
        assert read_losses(found) == (1.0, None, None, None, 5.0, None, 9.0, None)
        assert read_losses(Dynamics(losses=losses)) == losses

    @given(st.lists(st.floats(0.1, 10), min_size=10, max_size=90))
    def test_the_course_of_losses_that_are_all_known_has_blocks_of_equal_size(self, losses: list[float]) -> None:
        found = course(losses)
        assert found is not None
        size = max(1, len(losses) // 20)
        starts = range(0, len(losses) - size + 1, size)
        assert found.size == size
        assert found.blocks == pytest.approx([median(losses[start : start + size]) for start in starts])

    def test_the_course_has_blocks_of_equal_time(self) -> None:
        falling = [10 - 0.001 * step for step in range(9_000)]
        sparse = [loss if step < 3_000 or step % 10 == 0 else None for step, loss in enumerate(falling)]
        whole, part = course(falling), course(sparse)
        assert whole is not None
        assert part is not None
        assert part.blocks == pytest.approx(whole.blocks, abs=0.1)


def test_a_validation_loss_that_rises_is_seen_with_few_losses_of_the_training() -> None:
    losses = tuple(2.0 - 0.001 * step if step < 100 or step % 50 == 0 else None for step in range(1, 1001))
    evaluations = tuple(
        Evaluation(step=10 + 90 * at, loss=1.0 - 0.1 * at if at < 3 else 0.8 + 0.1 * (at - 3), batches=1)
        for at in range(11)
    )
    found = overfit.find(Health(name="loop", steps=1000, dynamics=Dynamics(losses=losses, evaluations=evaluations)))
    assert getattr(found, "symptom", "") == "overfit"
    assert known(losses[-10:]) == [1.0]


def test_the_losses_at_the_end_tell_whether_a_model_learned() -> None:
    def value(last: float) -> float | None:
        late = tuple(None if step % 10 else last for step in range(1, 601))
        criterion = Criterion(name="NllLossBackward0", reduction="mean", chance=2.3, rows=1000)
        seen = Dynamics(losses=(9.0,) * 300 + late, samples=(1,) * 9, criterion=criterion, optimizers=("SGD",))
        return getattr(not_learning.find(Health(name="loop", steps=900, dynamics=seen)), "value", None)

    assert value(2.3) == 2.3
    assert value(0.1) is None


@given(st.lists(st.floats(-10, 10), max_size=60), st.integers(1, 12), st.integers(1, 12))
def test_the_tail_of_losses_that_are_all_known(losses: list[float], parts: int, least: int) -> None:
    assert (
        tail(losses, parts, least=least) == losses[len(losses) - max(min(least, len(losses)), len(losses) // parts) :]
    )


def test_the_sides_of_a_trial_have_every_loss() -> None:
    assert TrialWatch(name="loop", pair=1)._thinning.after(1_000_000) == 1
