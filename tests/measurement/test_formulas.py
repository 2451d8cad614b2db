"""Operations of the operators for which torch has no formula, counted by hand."""

import math
from types import SimpleNamespace

import pytest
import torch

from hasten.base.records.record import Interval
from hasten.measurement import memory, paired, resident
from hasten.measurement.formulas import flops_of, is_expensive_without_formula
from hasten.measurement.statistics import product_of_ratios
from hasten.measurement.tensors import nbytes, storages_in, tensors_in

aten = torch.ops.aten


def count(operator, *args):
    return flops_of(SimpleNamespace(_overloadpacket=operator), args, {}, args[-1])


def meta(*shape):
    return torch.empty(*shape, device="meta")


@pytest.mark.parametrize(
    ("operator", "args", "flops"),
    [
        (aten.mv, (meta(3, 5), meta(5)), 2 * 3 * 5),
        (aten.dot, (meta(7), meta(7)), 2 * 7),
        (aten.vdot, (meta(7), meta(7)), 2 * 7),
        (aten._int_mm, (meta(3, 5), meta(5, 4)), 2 * 3 * 5 * 4),
        (aten.addmv, (meta(3), meta(3, 5), meta(5)), 2 * 3 * 5),
        (aten._addmm_activation, (meta(4), meta(3, 5), meta(5, 4)), 2 * 3 * 5 * 4),
        (aten._grouped_mm, (meta(3, 10), meta(10, 4), meta(2, 3, 4)), 2 * 3 * 10 * 4),
        (aten._grouped_mm, (meta(6, 5), meta(2, 5, 4), meta(6, 4)), 2 * 6 * 5 * 4),
        (aten._grouped_mm, (meta(2, 3, 5), meta(2, 5, 4), meta(2, 3, 4)), 2 * 2 * 3 * 5 * 4),
        (aten.mkldnn_rnn_layer, (meta(6, 2, 5), meta(16, 5), meta(16, 4), meta(16)), 2 * 12 * (16 * 5 + 16 * 4)),
        (
            aten.mkldnn_rnn_layer_backward,
            (meta(6, 2, 5), meta(16, 5), meta(16, 4), meta(16)),
            2 * 2 * 12 * (16 * 5 + 16 * 4),
        ),
        (aten._cudnn_rnn, (meta(6, 2, 5), [meta(16, 5), meta(16, 4), meta(16)]), 2 * 12 * (16 * 5 + 16 * 4)),
        (aten._cudnn_rnn_backward, (meta(6, 2, 5), [meta(16, 5), meta(16)]), 2 * 2 * 12 * 16 * 5),
    ],
)
def test_the_hand_count(operator, args, flops):
    assert count(operator, *args) == flops


def test_elementwise_work_counts_as_none_and_what_is_dear_is_known():
    assert count(aten.add, meta(3), meta(3)) is None
    for name, expensive in (("_fft_r2c", True), ("addbmm", True), ("add", False)):
        assert (
            is_expensive_without_formula(SimpleNamespace(namespace="aten", _overloadpacket=getattr(aten, name)))
            is expensive
        )
    assert is_expensive_without_formula(SimpleNamespace(namespace="mine", _overloadpacket=None))
    assert not is_expensive_without_formula(SimpleNamespace(namespace="prims", _overloadpacket=None))


def test_the_bytes_of_tensors_of_every_layout():
    assert nbytes(torch.zeros(3, 4)) == 48
    assert nbytes(torch.zeros(1, 4).expand(3, 4)) == 16
    assert nbytes(meta(3, 4)) == 48
    sparse = torch.eye(3).to_sparse()
    assert nbytes(sparse) == 36
    assert sorted(one.nbytes() for one in storages_in([sparse])) == [3 * 4, 2 * 3 * 8]
    assert list(storages_in(meta(3))) == []
    a, b, c = (torch.zeros(1) for _ in range(3))
    assert [id(one) for one in tensors_in({"x": [a, (b, 3)], "y": c})] == [id(one) for one in (a, b, c)]


def test_errors_of_two_ratios_add_up_in_quadrature_as_logarithms():
    first, second = Interval(value=2.0, low=1.6, high=2.2, n=9), Interval(value=1.5, low=1.2, high=1.8, n=3)
    both = product_of_ratios(first, second)
    assert (both.value, both.n) == (3.0, 3)
    assert math.log(3.0 / both.low) == pytest.approx(math.hypot(math.log(2.0 / 1.6), math.log(1.5 / 1.2)))
    assert math.log(both.high / 3.0) == pytest.approx(math.hypot(math.log(2.2 / 2.0), math.log(1.8 / 1.5)))


def test_the_peak_of_an_accelerator_is_what_its_allocator_counts_from_the_start_of_the_run():
    done = []

    class Device:
        is_host = False

        def __str__(self):
            return "pretended"

        def synchronize(self):
            done.append("wait")

        def reset_peaks(self):
            done.append("reset")

        def allocated_bytes(self):
            done.append("resident")
            return 100

        def peak_allocated_bytes(self):
            done.append("peak")
            return 250

    found = memory._allocator_peak(lambda: done.append("run"), Device())
    assert done == ["wait", "resident", "reset", "run", "wait", "peak"]
    assert (found.peak_bytes, found.resident_bytes, found.by_origin, found.device) == (250, 100, {}, "pretended")


def test_what_the_system_does_not_tell_is_an_error():
    assert resident._status_bytes("VmRSS") > 1 << 20
    with pytest.raises(RuntimeError, match="/proc/self/status has no line VmNone"):
        resident._status_bytes("VmNone")


def test_memory_is_told_by_where_it_was_born():
    x = torch.zeros(1000, requires_grad=True)

    def run():
        kept = [(x * 2).exp()]
        kept.append(torch.autograd.grad(kept[0].sum(), x))
        with torch.no_grad():
            kept.append(x.repeat(9))

    found = memory.peak_memory(run)
    assert set(found.by_origin) == {"resident", "forward", "backward", "no_grad"}
    assert sum(found.by_origin.values()) == found.peak_bytes


def test_the_time_of_a_step_is_that_of_a_block_over_its_steps():
    now = [0]

    def side(step_ns):
        def block(steps):
            now[0] += steps * step_ns

        return block

    found = paired.compare(side(30_000_000), side(20_000_000), budget_s=10.0, clock=lambda: now[0])
    assert (found.step_time_a_s, found.step_time_b_s) == (pytest.approx(0.03), pytest.approx(0.02))
    assert found.ratio.value == pytest.approx(1.5)
    assert (found.steps_per_block, found.pairs) == (3, 8)
    assert found.spent_s == pytest.approx(found.warmup_s + 8 * 4 * 0.05)
