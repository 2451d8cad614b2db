"""Steps that are only counted cost next to nothing, and what goes wrong in them is found all the same."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_loop import Loop
from torch import Tensor, nn, optim
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import hasten
from benchmarks.counting import calls
from hasten.base.records.dynamics import Criterion, Dynamics, Evaluation
from hasten.base.records.health import Health
from hasten.diagnosis.dynamics import loss_spikes, not_learning, overfit
from hasten.diagnosis.dynamics.judging import course, known, median, read_losses, tail
from hasten.diagnosis.remedies.trial_watch import TrialWatch
from hasten.diagnosis.watching import stretches
from hasten.diagnosis.watching.events import NEVER
from hasten.diagnosis.watching.stretches import Stretches
from hasten.scripts.watch import StopScript

EXTRA_CALLS = 9
"""Calls of Python and C functions in a counted step beyond a plain one: 8.4 when written."""
FIRST, PAUSE = 40, 50


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def doctor(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A doctor in the first of stretches of 50 steps, which no sample interrupts."""
    monkeypatch.setattr(stretches, "pause", lambda step_s: PAUSE)
    doctor = hasten.diagnosing()
    doctor._stretches = Stretches(FIRST)
    with doctor:
        counts(loop, doctor)
        yield doctor


def counts(loop: Loop, doctor: Any) -> None:
    """Train until steps are only counted, and take no more samples."""
    while not doctor._counting:
        loop.step()
        if not doctor._watching:
            doctor._wake = NEVER
            doctor._due = doctor.steps


def dynamics(doctor: Any) -> Dynamics:
    assert doctor.failed == {}
    found = doctor.seen().dynamics
    assert found is not None
    return found


def test_a_counted_step_makes_hardly_a_call_beyond_a_plain_one(loop: Loop, doctor: Any) -> None:
    counted = calls(lambda: loop.steps(10)) / 10
    assert doctor._counting
    doctor.__exit__()
    loop.step()
    assert counted - calls(lambda: loop.steps(10)) / 10 <= EXTRA_CALLS


def test_losses_outside_of_the_stretches_are_known_and_the_others_are_told(loop: Loop, doctor: Any) -> None:
    begin = doctor.steps + 1
    loop.steps(3 * (PAUSE + stretches.RUN) - 10)
    found = dynamics(doctor)
    period = PAUSE + stretches.RUN
    assert found.unread == tuple((begin + at * period, begin + at * period + PAUSE - 1) for at in range(3))
    missed = {step for first, last in found.unread for step in range(first, last + 1)}
    for step, (loss, seen) in enumerate(zip(loop.losses, found.losses, strict=True), 1):
        assert seen == (None if step in missed else pytest.approx(loss))
    assert len(read_losses(found)) == len(loop.losses) - 3 * PAUSE
    assert doctor.seen().steps == len(loop.losses) == doctor.seen().wiring.updates


def test_what_is_asked_within_a_stretch_is_told_and_the_stretch_goes_on(loop: Loop, doctor: Any) -> None:
    begin = doctor.steps + 1
    loop.steps(5)
    assert dynamics(doctor).unread == ((begin, begin + 4),)
    loop.steps(5)
    assert dynamics(doctor).unread == ((begin, begin + 9),)
    assert doctor._counting


def test_the_parameters_are_the_same_bit_for_bit_and_the_hooks_are_gone(loop: Loop, doctor: Any) -> None:
    loop.steps(2 * PAUSE)
    doctor.__exit__()
    assert not type(loop.model).__call__.__qualname__.startswith("TrainingWatch")
    assert not optim.Optimizer.__init__.__qualname__.startswith("TrainingWatch")
    assert not torch.autograd.backward.__qualname__.startswith("TrainingWatch")
    plain = Loop()
    plain.steps(len(loop.losses))
    for one, other in zip(plain.model.parameters(), loop.model.parameters(), strict=True):
        assert torch.equal(one, other)


def test_samples_are_taken_within_a_stretch(loop: Loop, doctor: Any) -> None:
    begin = doctor.steps
    doctor._wake, doctor._due = begin + 10, begin + 9
    loop.steps(10)
    found = dynamics(doctor)
    assert found.samples[-1] == begin + 10
    assert found.unread == ((begin + 1, begin + 9),)
    assert found.losses[-1] == pytest.approx(loop.losses[-1])


class TestNonfinite:
    """A number that stops being finite in a stretch is found, with the steps in which it may have begun."""

    def test_after_the_stretch(self, loop: Loop, doctor: Any) -> None:
        begin = doctor.steps + 1
        loop.steps(5)
        loop.step(factor=float("nan"))
        loop.steps(PAUSE)
        found = dynamics(doctor).nonfinite
        assert found is not None
        assert (found.what, found.earliest, found.step) == ("parameter", begin, begin + PAUSE - 1)
        (finding,) = [one for one in doctor.diagnosis().findings if one.symptom == "nonfinite"]
        assert f"one of the steps {begin} to {begin + PAUSE - 1}" in finding.sentence

    def test_at_the_end_of_the_training(self, loop: Loop, doctor: Any) -> None:
        begin = doctor.steps + 1
        loop.steps(5)
        loop.step(factor=float("nan"))
        doctor.__exit__()
        found = dynamics(doctor).nonfinite
        assert found is not None
        assert (found.what, found.earliest, found.step) == ("parameter", begin, begin + 5)

    def test_in_a_noted_step_it_is_known_which(self, loop: Loop, doctor: Any) -> None:
        loop.steps(PAUSE + 3)
        loop.step(factor=float("nan"))
        found = dynamics(doctor).nonfinite
        assert found is not None
        assert (found.what, found.step, found.earliest, found.inputs_finite) == (
            "loss",
            len(loop.losses),
            None,
            False,
        )

    def test_a_healthy_end_says_nothing(self, loop: Loop, doctor: Any) -> None:
        loop.steps(5)
        doctor.__exit__()
        assert dynamics(doctor).nonfinite is None


class TestInterrupted:
    """What may begin an evaluation, or the training of something else, interrupts a stretch; then it goes on."""

    @pytest.mark.parametrize("loads", [True, False])
    def test_an_evaluation_is_seen(self, loop: Loop, doctor: Any, loads: bool) -> None:
        loss = F.cross_entropy  # looked up before the evaluation
        held_out = TensorDataset(torch.randn(16, 4), torch.randint(0, 3, (16,)))
        loop.steps(3)
        with torch.no_grad():
            for inputs, targets in DataLoader(held_out, 8) if loads else [held_out.tensors]:
                loss(loop.model(inputs), targets)
        loop.steps(2)
        found = doctor.seen()
        step = len(loop.losses) - 2
        assert [(one.step, one.batches) for one in found.dynamics.evaluations] == [(step, 2 if loads else 1)]
        assert len(found.data.evaluations) == 1
        assert doctor._counting

    def test_nothing_is_interrupted_where_the_time_for_evaluations_is_used_up(self, loop: Loop, doctor: Any) -> None:
        doctor._evaluation_s = 1e9
        with torch.no_grad():
            loop.model(loop.data[0][0])
        iter(DataLoader(TensorDataset(torch.randn(4, 4)), 2))
        assert doctor._counting

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
        assert found.unread[-1][1] == len(found.losses)

    def test_a_new_optimizer_is_watched_from_its_first_update_on(self, loop: Loop, doctor: Any) -> None:
        loop.steps(3)
        loop.optimizer = optim.SGD(loop.model.head.parameters(), 0.1)
        loop.steps(3)
        assert doctor._every
        assert doctor.seen().wiring.optimizers[1].updates == 3

    def test_the_stretch_goes_on_where_the_new_optimizer_waits(self, loop: Loop, doctor: Any) -> None:
        optim.SGD(loop.model.head.parameters(), 0.1)
        assert not doctor._counting
        loop.step()
        assert doctor._counting

    def test_an_optimizer_made_long_before_is_watched_from_its_second_update_on(self) -> None:
        loop = Loop()
        second = optim.SGD(loop.model.head.parameters(), 0.1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stretches, "pause", lambda step_s: PAUSE)
            doctor = hasten.diagnosing()
            doctor._stretches = Stretches(FIRST)
            with doctor:
                counts(loop, doctor)
                loop.optimizer = second
                loop.steps(3)
                assert doctor._every
                assert [one.updates for one in doctor.seen().wiring.optimizers if one.tensors == 2] == [2]

    def test_a_known_optimizer_that_goes_on_alone_is_watched(self, loop: Loop, doctor: Any) -> None:
        doctor._known.add(id(other := optim.SGD(loop.model.head.parameters(), 0.1)))
        loop.step()
        assert doctor._counting
        loop.optimizer = other
        loop.steps(101)
        assert doctor._every


def test_schedulers_and_skipped_updates_are_known(loop: Loop, doctor: Any) -> None:
    schedule = optim.lr_scheduler.StepLR(loop.optimizer, 10_000)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    inputs, targets = loop.data[0]
    made = doctor.steps
    for factor in (1.0, float("inf"), 1.0):
        scaler.scale(F.cross_entropy(loop.model(inputs), targets)).backward()
        for one in loop.model.parameters():
            one.grad = one.grad * factor if one.grad is not None else None
        scaler.step(loop.optimizer)
        scaler.update()
        schedule.step()
        loop.optimizer.zero_grad()
    assert doctor._counting
    found = doctor.seen()
    assert found.dynamics.skips == (made + 2,)
    assert found.steps == made + 2
    assert [one.steps for one in found.wiring.schedules] == [3]


def test_the_limit_holds_in_a_stretch(loop: Loop) -> None:
    doctor = hasten.diagnosing(steps=80)
    doctor._stretches = Stretches(FIRST)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(StopScript), doctor:
        patch.setattr(stretches, "pause", lambda step_s: PAUSE)
        loop.steps(90)
    assert len(loop.losses) == 80


def test_an_update_made_of_updates_is_counted_once_and_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Own(optim.SGD):
        def step(self, closure: Any = None) -> Any:
            return super().step(closure)

    optim.SGD([torch.zeros(1, requires_grad=True)], 0.1)  # has torch hook the step of the parent, too
    monkeypatch.setattr(stretches, "pause", lambda step_s: PAUSE)
    loop, doctor = Loop(), hasten.diagnosing()
    loop.optimizer = Own(loop.model.parameters(), 0.01)
    doctor._stretches = Stretches(FIRST)
    with doctor:
        loop.steps(200)
    found = dynamics(doctor)
    assert (doctor.steps, found.unread) == (200, ())
    assert found.losses == pytest.approx(loop.losses)


def test_an_evaluation_within_a_closure_does_not_lose_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stretches, "pause", lambda step_s: PAUSE)
    loop, doctor = Loop(), hasten.diagnosing()
    loop.optimizer = optim.LBFGS(loop.model.parameters(), max_iter=2)  # type: ignore[assignment]
    doctor._stretches = Stretches(FIRST)
    inputs, targets = loop.data[0]

    def closure() -> Tensor:
        loop.optimizer.zero_grad()
        with torch.no_grad():
            loop.model(inputs)
        loss = F.cross_entropy(loop.model(inputs), targets)
        loss.backward()
        return loss

    with doctor:
        for _ in range(150):
            loop.optimizer.step(closure)  # type: ignore[arg-type]
    assert doctor.steps == 150
    assert dynamics(doctor).unread


def test_hooks_that_somebody_kept_or_wrapped_note_nothing_twice(loop: Loop, doctor: Any) -> None:
    clip = nn.utils.clip_grad_norm_
    loop.steps(PAUSE + 2)
    assert not doctor._counting
    kept, noted, keepers = torch.autograd.backward, nn.utils.clip_grad_norm_, doctor._loss_keepers
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.autograd, "backward", lambda *args, **kwargs: kept(*args, **kwargs))
        loop.steps(stretches.RUN)
        assert doctor._counting
        before = len(dynamics(doctor).clip_norms)
        doctor._loss_keepers = [lambda *_: pytest.fail("a loss was noted")]
        loop.step()
        doctor._loss_keepers = keepers
        for one in (clip, noted):
            one(loop.model.parameters(), 1.0)
        assert len(dynamics(doctor).clip_norms) == before
        loop.steps(PAUSE + 4)
        assert not doctor._counting
    assert dynamics(doctor).losses[-5:] == pytest.approx(loop.losses[-5:])


class TestWhenStepsAreOnlyCounted:
    """The share of the time that noting takes decides."""

    @settings(deadline=None)
    @given(step_s=st.floats(1e-5, 1.0), first=st.integers(1, 5_000))
    def test_noting_takes_no_more_than_its_share_after_the_first_steps(self, step_s: float, first: int) -> None:
        turns, noted, clock = [], 0, 0.0
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(stretches, "perf_counter", lambda: clock)
            plan = Stretches(first)
            step = 0
            while len(turns) < 12:
                counted, until = plan.after(step)
                assert until > step
                assert not (counted and step < first)
                noted += 0 if counted else until - step
                turns.append(counted)
                clock += (until - step) * step_s
                step = until
        seconds = (step - first) * step_s
        cost_s = (noted - first) * stretches.NOTED_S + sum(turns) * stretches.TURN_S
        counted_s = (step - noted) * stretches.COUNTED_S
        allowed_s = max(stretches.SHARE * seconds - counted_s, stretches.LEAST * seconds)
        assert cost_s <= allowed_s + 2 * stretches.RUN * stretches.NOTED_S + stretches.TURN_S

    def test_every_step_is_noted_where_steps_take_long(self) -> None:
        assert stretches.pause(0.006) == 0
        assert stretches.pause(0.0005) > 200


class TestWithoutSomeLosses:
    """Rules and signs tell a loss that was not read from one that is not finite."""

    @given(st.lists(st.one_of(st.none(), st.floats(-10, 10)), max_size=40), st.data())
    def test_the_losses_that_were_read(self, losses: list[float | None], data: st.DataObject) -> None:
        ends = sorted(data.draw(st.sets(st.integers(1, max(1, len(losses))), max_size=8)))
        pairs = list(zip(ends[::2], ends[1::2], strict=False)) if losses else []
        missed = {step for first, last in pairs for step in range(first, last + 1)}
        expected = tuple(loss for step, loss in enumerate(losses, 1) if step not in missed)
        assert read_losses(Dynamics(losses=tuple(losses), unread=tuple(pairs))) == expected

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


def spiky(jumps: Sequence[int], *, missed: Callable[[int], bool] = lambda step: False) -> Dynamics:
    """Return losses around 1 with jumps to 10 for four steps."""
    losses = [10.0 if any(at <= step < at + 4 for at in jumps) else 1.0 + 0.01 * (step % 3) for step in range(1, 401)]
    steps = [step for step in range(1, 401) if missed(step)]
    unread = tuple((one, one) for one in steps)
    return Dynamics(
        losses=tuple(None if step in set(steps) else loss for step, loss in enumerate(losses, 1)),
        unread=unread,
        samples=(1,),
        rates=(0.1,),
        optimizers=("SGD",),
    )


def test_a_loss_that_is_high_after_a_stretch_did_not_jump_there() -> None:
    def judged(found: Dynamics) -> Any:
        return loss_spikes.find(Health(name="loop", steps=400, dynamics=found))

    assert judged(spiky([100, 200])).symptom == "loss_spikes"
    assert judged(spiky([100, 200], missed=lambda step: 150 <= step < 180)).symptom == "loss_spikes"
    assert judged(spiky([100, 200], missed=lambda step: step in (99, 199))) is None


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
    assert TrialWatch(name="loop", pair=1)._stretches.after(1_000_000) == (False, NEVER)
