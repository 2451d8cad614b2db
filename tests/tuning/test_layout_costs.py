"""What a layout takes, in memory and in time: numbers worked out by hand, and laws that hold for all numbers."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some
from msgspec import structs

from hasten.base.records.layout import Layout, Links, StepMemory, StepTimes
from hasten.techniques.parallel.layouts import WIDEST, factor_bytes, in_passes, layouts, other_trainings, part_counts
from hasten.tuning.layouts.memory import memory_bytes
from hasten.tuning.layouts.one_process import slowed
from hasten.tuning.layouts.readings import Block, from_blocks, sizes
from hasten.tuning.layouts.sending import Collective, all_reduce_s, gather_s
from hasten.tuning.layouts.time import SMALL_REDUCTIONS, communication, largest_of, step_s

MIB = 2**20
MEMORY = StepMemory(
    parameter_bytes=100 * MIB,
    gradient_bytes=100 * MIB,
    state_bytes=200 * MIB,
    buffer_bytes=MIB,
    forward_bytes=10 * MIB,
    forward_sample_bytes=2 * MIB,
    passes_bytes=90 * MIB,
    passes_sample_bytes=2 * MIB,
    update_bytes=50 * MIB,
    groups=(30 * MIB, 30 * MIB, 40 * MIB),
)
TIMES = StepTimes(pass_s=0.01, sample_s=0.002, update_s=0.008, backward_share=0.6)
LINKS = Links(latency_s=1e-4, bytes_per_s=1e9, overlap=0.5)
ALONE = Layout(samples=32, micro_batch=32, replicas=1, shards=1, parts=1, stages=1, every=1)
"""One process on batches of 32."""


def shared(**fields: Any) -> Layout:
    """Return a layout of processes that have 8 samples each."""
    plain = {"samples": 8, "micro_batch": 8, "replicas": 1, "shards": 1, "parts": 1, "stages": 1, "every": 1}
    return Layout(**plain | fields)


def test_memory_of_one_process_is_that_of_its_step() -> None:
    assert memory_bytes(ALONE, MEMORY) == (1 + 100 + 200 + max(90 + 64, 10 + 64, 100 + 50)) * MIB


def test_memory_of_one_process_in_passes_holds_gradients_beside_activations() -> None:
    assert memory_bytes(in_passes(ALONE, 8), MEMORY) == (1 + 300 + 100 + max(10 + 16, 90 + 16 - 100, 50)) * MIB
    assert memory_bytes(in_passes(ALONE, 24), MEMORY) == (1 + 300 + 100 + max(10 + 48, 90 + 48 - 100, 50)) * MIB


def test_memory_with_buckets_holds_parameters_gradients_state_and_activations() -> None:
    assert memory_bytes(shared(replicas=4, bucket_bytes=25 * MIB), MEMORY) == (1 + 400 + max(26, 50)) * MIB
    large = shared(replicas=4, bucket_bytes=25 * MIB, samples=32, micro_batch=32)
    assert memory_bytes(large, MEMORY) == (1 + 400 + 10 + 64) * MIB
    in_parts = shared(replicas=4, bucket_bytes=25 * MIB, micro_batch=4)
    assert memory_bytes(in_parts, MEMORY) == (1 + 400 + 100 + max(18, 50)) * MIB


def test_memory_of_a_reduction_in_one_piece_has_a_copy_of_the_gradients_in_place_of_activations() -> None:
    assert memory_bytes(shared(replicas=4), MEMORY) == (1 + 400 + 100) * MIB


def test_memory_of_shards_has_two_groups_whole() -> None:
    assert memory_bytes(shared(shards=4, reshard=True), MEMORY) == (1 + 400 // 4 + 70 + 70 + 26) * MIB
    assert memory_bytes(shared(shards=4), MEMORY) == (1 + 400 // 4 + 100 + 70 + 26) * MIB
    heavy = structs.replace(MEMORY, update_bytes=2000 * MIB)
    assert memory_bytes(shared(shards=4), heavy) == (1 + 400 // 4 + 2000 // 4) * MIB


def test_memory_of_shards_that_accumulate_has_all_gradients_whole() -> None:
    layout = shared(shards=4, reshard=True, micro_batch=4)
    assert memory_bytes(layout, MEMORY) == (1 + 100 + 70 + 100 + 40 + max(18, 90 + 8 - 100)) * MIB


def test_all_reduce_by_a_ring_and_by_trees() -> None:
    assert all_reduce_s(4e6, 4, LINKS) == pytest.approx(min(6 * 1e-4 + 1.5 * 4e-3, 4 * 1e-4 + 2 * 4e-3))
    assert all_reduce_s(8, 1024, LINKS) == pytest.approx(20 * 1e-4, rel=1e-3)  # trees: latency grows by the logarithm
    assert all_reduce_s(8, 1, LINKS) == 0


def test_gathering_sends_half_of_what_an_all_reduce_sends() -> None:
    assert gather_s(4e6, 4, LINKS) == pytest.approx(3 * 1e-4 + 0.75 * 4e-3)


def test_bytes_that_each_layout_sends() -> None:
    gradients = 100 * MIB
    assert communication(ALONE, MEMORY).sent_bytes == 0
    assert communication(shared(replicas=4), MEMORY).sent_bytes == pytest.approx(1.5 * gradients)
    assert communication(shared(replicas=4, bucket_bytes=25 * MIB), MEMORY).sent_bytes == pytest.approx(1.5 * gradients)
    assert communication(shared(shards=4), MEMORY).sent_bytes == pytest.approx((0.75 + 0.75) * gradients)
    assert communication(shared(shards=4, reshard=True), MEMORY).sent_bytes == pytest.approx((1.5 + 0.75) * gradients)
    both = communication(shared(shards=2, replicas=2), MEMORY)
    assert both.sent_bytes == pytest.approx((0.5 + 0.5) * gradients + 1.0 * gradients / 2)


def test_parameters_are_gathered_in_every_pass_and_gradients_scattered_once() -> None:
    two_passes = communication(shared(shards=4, reshard=True, micro_batch=4), MEMORY)
    assert [one.count for one in two_passes.gathers] == [12, 3]


def test_step_of_one_process() -> None:
    assert step_s(ALONE, TIMES, MEMORY, LINKS) == pytest.approx(0.01 + 32 * 0.002 + 0.008)
    assert step_s(in_passes(ALONE, 8), TIMES, MEMORY, LINKS) == pytest.approx(4 * 0.01 + 32 * 0.002 + 0.008)


def test_step_with_buckets_hides_what_is_sent_during_the_backward_pass() -> None:
    computed, backward = 0.01 + 8 * 0.002 + 0.008, 0.6 * (0.01 + 8 * 0.002)
    sent = 4 * all_reduce_s(25 * MIB, 4, LINKS)
    small = SMALL_REDUCTIONS * all_reduce_s(8, 4, LINKS)
    expected = computed + sent - 0.5 * min(0.75 * sent, backward) + small
    assert step_s(shared(replicas=4, bucket_bytes=25 * MIB), TIMES, MEMORY, LINKS) == pytest.approx(expected)


def test_step_of_shards_updates_a_part_and_hides_all_but_the_first_gathering() -> None:
    computed = 0.01 + 8 * 0.002 + 0.008 / 4
    each = gather_s(100 * MIB / 3, 4, LINKS)
    sent, small = 9 * each, SMALL_REDUCTIONS * all_reduce_s(8, 4, LINKS)
    expected = computed + sent - 0.5 * min(2 / 3 * sent, 0.01 + 8 * 0.002) + small
    assert step_s(shared(shards=4, reshard=True), TIMES, MEMORY, LINKS) == pytest.approx(expected)


positive = some.floats(1e-6, 1.0)
any_times = some.builds(
    StepTimes, pass_s=positive, sample_s=positive, update_s=positive, backward_share=some.floats(0.1, 0.9)
)
any_links = some.builds(
    Links, latency_s=some.floats(0, 1e-3), bytes_per_s=some.floats(1e6, 1e12), overlap=some.floats(0, 1)
)
powers = some.sampled_from([2, 4, 8, 64, 1024])


@given(any_times, any_links, powers)
def test_the_time_of_data_parallel_tends_to_computing_as_links_get_faster(
    times: StepTimes, links: Links, processes: int
) -> None:
    layout = shared(replicas=processes, bucket_bytes=25 * MIB)
    steps = [
        step_s(layout, times, MEMORY, structs.replace(links, bytes_per_s=rate, latency_s=links.latency_s * 1e6 / rate))
        for rate in (1e6, 1e9, 1e12, 1e18)
    ]
    computed = times.pass_s + 8 * times.sample_s + times.update_s
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] == pytest.approx(computed, rel=1e-3)


@given(any_times, any_links, some.sampled_from([*layouts(8, 64), *other_trainings(8, 64)]))
def test_more_overlap_never_takes_longer_and_never_less_than_computing(
    times: StepTimes, links: Links, layout: Layout
) -> None:
    steps = [step_s(layout, times, MEMORY, structs.replace(links, overlap=share)) for share in (0.0, 0.3, 1.0)]
    assert all(more <= less * (1 + 1e-12) for less, more in pairwise(steps))
    assert steps[-1] >= layout.passes * times.pass_s + layout.samples * times.sample_s


@given(some.booleans(), some.integers(1, 8))
def test_memory_falls_with_the_number_of_shards_and_never_below_what_is_whole(reshard: bool, micro_batch: int) -> None:
    held = [
        memory_bytes(shared(shards=count, reshard=reshard, micro_batch=micro_batch), MEMORY)
        for count in (2, 4, 64, 1024)
    ]
    assert held == sorted(held, reverse=True)
    assert held[-1] > MEMORY.buffer_bytes + sum(sorted(MEMORY.groups)[-2:])


@given(some.sampled_from(layouts(8, 64)), some.integers(1, 8), some.integers(1, 8))
def test_a_smaller_micro_batch_takes_no_more_activations(layout: Layout, one: int, other: int) -> None:
    small, large = (in_passes(layout, size) for size in sorted((one, other)))
    if small.passes > 1 and large.passes > 1:
        assert memory_bytes(small, MEMORY) <= memory_bytes(large, MEMORY)


@given(any_times, any_links)
def test_the_cost_of_weak_scaling_grows_with_the_processes(times: StepTimes, links: Links) -> None:
    steps = [step_s(shared(replicas=count), times, MEMORY, links) for count in (2, 4, 16, 1024)]
    assert all(more >= less * (1 - 1e-12) for less, more in pairwise(steps))


@given(some.floats(1e-4, 1.0), some.floats(1e-5, 0.1), some.integers(1, 64), some.integers(1, 64))
def test_two_micro_batches_tell_the_line_that_they_lie_on(
    pass_s: float, sample_s: float, first: int, more: int
) -> None:
    small, large = (
        Block(
            samples=size, whole_s=pass_s + size * sample_s + 0.5, spread=0.0, passes_s=1.0, backward_s=0.6, update_s=0.5
        )
        for size in (first, first + more)
    )
    found = from_blocks(small, large)
    assert found.pass_s == pytest.approx(pass_s, rel=1e-6, abs=1e-9)
    assert found.sample_s == pytest.approx(sample_s, rel=1e-6)
    assert (found.update_s, found.backward_share) == (0.5, 0.6)


def test_noise_makes_no_time_negative() -> None:
    def block(size: int, whole_s: float) -> Block:
        return Block(
            samples=size, whole_s=whole_s, spread=0.0, passes_s=whole_s, backward_s=0.5 * whole_s, update_s=0.0
        )

    slower_for_less = from_blocks(block(4, 1.0), block(8, 0.9))
    assert (slower_for_less.pass_s, slower_for_less.sample_s) == (1.0, 0.0)
    more_than_linear = from_blocks(block(4, 1.0), block(8, 3.0))
    assert (more_than_linear.pass_s, more_than_linear.sample_s) == (0.0, 3.0 / 8)


@given(some.integers(1, 1000), some.integers(1, 64))
def test_the_two_micro_batches_differ_and_are_near_the_share(batch_size: int, devices: int) -> None:
    small, large = sizes(batch_size, devices)
    assert 1 <= small < large
    assert large <= max(batch_size, 2)
    assert small <= math.ceil(batch_size / devices)


@pytest.mark.parametrize("count", [1, 2, 3, 8, 100])
def test_all_wait_for_the_largest_of_so_many_draws(count: int) -> None:
    drawn = np.random.default_rng(0).normal(size=(20_000, count)).max(1)
    assert largest_of(count) == pytest.approx(float(drawn.mean()), abs=0.05)


def test_a_step_that_all_wait_for_takes_longer_where_steps_differ() -> None:
    links = Links(latency_s=0.0, bytes_per_s=math.inf, overlap=0.0)
    alone, whole, *_ = layouts(4, 64)
    for layout, count in ((alone, 1), (whole, 4)):
        even = step_s(layout, TIMES, MEMORY, links)
        uneven = step_s(layout, structs.replace(TIMES, spread=0.1), MEMORY, links)
        assert uneven / even == pytest.approx(1 + 0.1 * largest_of(count))


def test_processes_that_share_a_core_take_as_much_longer() -> None:
    assert slowed(TIMES, 2.0) == StepTimes(pass_s=0.02, sample_s=0.004, update_s=0.016, backward_share=0.6)


@pytest.mark.parametrize("devices", [1, 2, 3, 4, 6, 7, 8, 1024])
def test_at_most_ten_layouts_one_process_first_and_none_on_more_devices(devices: int) -> None:
    found = layouts(devices, 1024)
    assert 1 <= len(found) <= 10
    assert len({one.label for one in found}) == len(found)
    assert found[0].processes == 1
    assert all(one.processes == devices for one in found[1:])
    assert all(one.samples == math.ceil(1024 / one.shares) for one in found[1:])
    assert all(one.shares * one.parts == devices for one in found[1:])
    assert [one.parts for one in found if one.parts > 1] == list(part_counts(devices))
    assert all(one.same_training for one in found)
    others = other_trainings(devices, 1024)
    assert [one.choices[0].technique for one in others] == ([] if devices == 1 else ["local_sgd", "diloco", "powersgd"])
    assert not any(one.same_training for one in others)
    assert all(one.processes == devices for one in others)


def test_trainings_that_send_less_keep_and_send_what_their_techniques_do() -> None:
    local, outer, factors = other_trainings(4, 32)
    memory = structs.replace(MEMORY, factor_bytes=MEMORY.gradient_bytes // 50)
    summed, ddp = layouts(4, 32)[1:3]
    gradients = memory.gradient_bytes
    assert communication(local, memory) == communication(outer, memory) == communication(summed, memory)
    (one,) = communication(factors, memory).all_reduces
    (whole,) = communication(ddp, memory).all_reduces
    assert one.size_bytes * one.count == pytest.approx(memory.factor_bytes)
    assert one.count == 3 * whole.count
    assert memory_bytes(outer, memory) - memory_bytes(local, memory) == gradients  # the momentum
    assert memory_bytes(factors, memory) - memory_bytes(ddp, memory) == 2 * gradients
    for slow in (1e9, 1e7):
        links = Links(latency_s=1e-5, bytes_per_s=slow, overlap=0.0)
        times = [step_s(one, TIMES, memory, links) for one in (summed, local, outer)]
        assert times == sorted(times, reverse=True)
        assert step_s(factors, TIMES, memory, links) < step_s(ddp, TIMES, memory, links)


def test_factors_take_what_powersgd_sends() -> None:
    tensors = [torch.empty(100, 50), torch.empty(100), torch.empty(3, 2), torch.empty(8, 4, 5, 5)]
    assert factor_bytes(tensors) == 4 * (2 * 150 + 100 + 6 + 2 * (8 + 100))


@given(some.integers(2, 1024))
def test_processes_that_compute_a_share_together_are_few_and_of_equal_number(devices: int) -> None:
    found = part_counts(devices)
    assert all(devices % one == 0 and 1 < one <= WIDEST for one in found)
    assert (devices in found) == (devices <= WIDEST)
    assert len(found) <= 2


def test_memory_of_parts_is_that_of_one_part_and_nothing_is_copied_where_they_share_the_whole_batch() -> None:
    alone = shared(parts=4, samples=32, micro_batch=32)
    assert memory_bytes(alone, MEMORY) == memory_bytes(ALONE, MEMORY)
    assert memory_bytes(in_passes(alone, 8), MEMORY) == memory_bytes(in_passes(ALONE, 8), MEMORY)
    assert memory_bytes(shared(parts=2, replicas=4), MEMORY) == memory_bytes(shared(replicas=4), MEMORY)


def test_parts_add_up_their_activations_in_every_pass_and_gradients_over_the_shares_once() -> None:
    memory = structs.replace(MEMORY, summed=((1000.0, 24.0), (0.0, 8.0)))
    found = communication(shared(parts=2, replicas=4, micro_batch=3), memory)
    gradients = Collective(MEMORY.gradient_bytes, 4, 1, apart=2)
    assert found.all_reduces == (gradients, Collective(1000 + 24 * 8 / 3, 2, 3), Collective(8 * 8 / 3, 2, 3))
    assert communication(shared(parts=2), memory).sent_bytes == pytest.approx(1000 + 32 * 8)


def test_a_step_of_parts_hides_nothing_that_it_sends() -> None:
    memory = structs.replace(MEMORY, summed=((0.0, 1e6),) * 2)
    layout = shared(parts=4, samples=32, micro_batch=16)
    small = SMALL_REDUCTIONS * all_reduce_s(8, 4, LINKS)
    expected = 2 * 0.01 + 32 * 0.002 + 0.008 + 4 * all_reduce_s(16e6, 4, LINKS) + small
    assert step_s(layout, TIMES, memory, LINKS) == pytest.approx(expected)


def test_processes_on_their_own_send_in_one_of_many_steps_and_hold_a_copy_of_the_weights() -> None:
    own, in_one_piece = shared(replicas=4, every=8), shared(replicas=4)
    computed = 0.01 + 8 * 0.002 + 0.008
    together = step_s(in_one_piece, TIMES, MEMORY, LINKS) - computed
    assert step_s(own, TIMES, MEMORY, LINKS) == pytest.approx(computed + together / 8)
    assert memory_bytes(own, MEMORY) == memory_bytes(in_one_piece, MEMORY) + 100 * MIB
