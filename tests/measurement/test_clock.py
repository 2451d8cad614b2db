import gc
import itertools
import timeit
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.measurement.clock import DeviceMarks, Marks, step_times_ns
from hasten.training.marks import unmarked

INPUT, FORWARD, BACKWARD, OTHER = range(4)


class Device:
    """A pretended device: events get their moment when the queue reaches them, and tell float32 milliseconds."""

    def __init__(self):
        self.now_ns, self.made, self.waits = 0, 0, 0

    def event(self):
        device = self
        device.made += 1

        class PretendedEvent:
            def record(self):
                self.at_ns = device.now_ns

            def synchronize(self):
                device.waits += 1

            def elapsed_time(self, end_event):
                return float(np.float32((end_event.at_ns - self.at_ns) * 1e-6))

        return PretendedEvent()


durations = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10**9)), max_size=60)


@settings(max_examples=50, deadline=None)
@given(marks=durations)
def test_parts_of_a_step_sum_exactly_to_its_wall_clock(marks):
    moments = [5, *itertools.accumulate((length for _, length in marks), initial=5)][1:]
    clock = Marks(iter(moments).__next__)
    for part, _ in marks:
        clock.mark(part)
    times = step_times_ns(clock, parts=4, last=OTHER)
    ends = [0, *(n + 1 for n, (part, _) in enumerate(marks) if part == OTHER)]
    walls = [moments[end] - moments[begin] for begin, end in itertools.pairwise(ends)]
    assert times.sum(axis=1).tolist() == walls
    counted = marks[: ends[-1]]
    assert times.sum(axis=0).tolist() == [sum(t for p, t in counted if p == part) for part in range(4)]


def test_a_part_marked_twice_in_a_step_adds_up_and_an_open_step_is_left_out():
    clock = Marks(iter([0, 10, 30, 31, 51, 52, 60, 100]).__next__)
    for part in (INPUT, FORWARD, BACKWARD, FORWARD, BACKWARD, OTHER, INPUT):
        clock.mark(part)
    assert step_times_ns(clock, parts=4, last=OTHER).tolist() == [[10, 40, 2, 8]]


def test_no_marks_are_no_steps():
    assert step_times_ns(Marks(), parts=4, last=OTHER).shape == (0, 4)


def test_device_marks_wait_only_when_asked_and_use_their_events_again():
    device = Device()
    clock = DeviceMarks(device.event)
    expected = []
    for step in range(20):
        for part, length in ((INPUT, 1000), (FORWARD, 5_000_000 + step), (BACKWARD, 9_000_000), (OTHER, 500)):
            device.now_ns += length
            clock.mark(part)
        expected.append([1000, 5_000_000 + step, 9_000_000, 500])
        if step % 5 == 4:
            assert device.waits == step // 5
            times = step_times_ns(clock, parts=4, last=OTHER)
            assert device.waits == step // 5 + 1
            assert times.tolist() == [pytest.approx(row, abs=1) for row in expected]
    assert times.sum() == clock.moments_ns()[-1]
    assert device.made <= 5 * 4 + 1


def test_a_mark_costs_next_to_nothing():
    def cost_s(mark):
        return min(timeit.repeat(lambda: [mark(1) for _ in range(1000)], number=1, repeat=30)) / 1000

    # About 0.1 microseconds on an idle core; the margin is for busy test machines.
    assert cost_s(Marks().mark) - cost_s(unmarked) < 1e-6


def test_marks_leave_global_state_alone():
    before = torch.get_rng_state(), torch.get_num_threads(), torch.is_grad_enabled(), gc.isenabled()
    clock = Marks()
    clock.mark(OTHER)
    step_times_ns(clock, parts=4, last=OTHER)
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (torch.get_num_threads(), torch.is_grad_enabled(), gc.isenabled())


@pytest.mark.gpu
def test_cuda_events_tell_a_long_part_from_a_short_one():
    clock, x = DeviceMarks(partial(torch.Event, "cuda", enable_timing=True)), torch.randn(4096, 4096, device="cuda")
    for _ in range(5):
        for part, times in ((FORWARD, 1), (BACKWARD, 20), (OTHER, 0)):
            for _ in range(times):
                x = torch.tanh(x @ x)
            clock.mark(part)
    times = step_times_ns(clock, parts=4, last=OTHER)[1:]
    assert (times[:, BACKWARD] > 5 * times[:, FORWARD]).all()
    assert times.sum() == np.diff(clock.moments_ns())[3:].sum()
