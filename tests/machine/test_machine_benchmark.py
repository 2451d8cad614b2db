"""A list of benchmarks is run within its time, the slow ones are left out, the unsteady ones tried again."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch

from hasten.machine.benchmark import Benchmark, by_turns, run_benchmarks


@contextmanager
def _nothing() -> Iterator[Callable[[], object]]:
    yield lambda: None


def _benchmark(work: float, seconds: Callable[[], float], kind: str = "gemm") -> Benchmark:
    return Benchmark(
        kind=kind,
        format="float32",
        backend="mkl",
        size=(int(work),),
        work=work,
        ready=_nothing,
        clock=lambda run, calls: seconds(),
    )


def _deadline(seconds: float) -> float:
    return time.perf_counter() + seconds


def test_rate_is_work_over_time() -> None:
    peaks, left_out = run_benchmarks([_benchmark(6e6, lambda: 2e-3)], deadline=_deadline(20))
    assert left_out == []
    assert [(peak.rate, peak.stable, peak.size) for peak in peaks] == [(3e9, True, (6_000_000,))]


def test_a_launch_is_told_in_seconds() -> None:
    peaks, _ = run_benchmarks([_benchmark(1.0, lambda: 5e-6, kind="launch")], deadline=_deadline(20))
    assert peaks[0].rate == 5e-6


def test_what_would_take_too_long_is_not_begun() -> None:
    begun: list[float] = []

    def sized(work: float) -> Benchmark:
        return _benchmark(work, lambda: begun.append(work) or work / 1e9)

    small, large = sized(1e6), sized(1e12)
    peaks, left_out = run_benchmarks([small, large], deadline=_deadline(5))
    assert [peak.size for peak in peaks] == [small.size]
    assert left_out == [large]
    assert set(begun) == {1e6}


def test_a_run_that_is_too_long_is_done_twice_and_no_more() -> None:
    runs: list[float] = []
    clumsy, other = _benchmark(1e9, lambda: runs.append(2.0) or 2.0), _benchmark(1e6, lambda: 1e-3, kind="conv")
    peaks, left_out = run_benchmarks([clumsy, other], deadline=_deadline(5))
    assert left_out == []
    assert [(peak.kind, peak.stable) for peak in peaks] == [("gemm", False), ("conv", True)]
    assert len(runs) <= 4  # twice again in the second pass


def test_nothing_is_begun_after_the_deadline() -> None:
    late = _benchmark(1e6, lambda: 1e-3)
    assert run_benchmarks([late], deadline=_deadline(-1.0)) == ([], [late])


def test_disturbed_small_sizes_do_not_forbid_larger_ones() -> None:
    """A thousand operations in 10 ms is the pace of the scheduler, not of this machine: the next size is tried."""
    wild = iter(range(10**9))
    small = _benchmark(1e3, lambda: 1e-2 * (1 + next(wild) % 7))
    large = _benchmark(1e7, lambda: 1e-3)
    peaks, left_out = run_benchmarks([small, large], deadline=_deadline(1.0))
    assert left_out == []
    assert [peak.stable for peak in peaks] == [False, True]


def test_unsteady_ones_are_tried_again() -> None:
    wild, quiet_from = iter(range(10**9)), time.perf_counter() + 0.9
    shaky = _benchmark(1e6, lambda: 1e-3 if time.perf_counter() > quiet_from else 1e-3 * (2 + next(wild) % 7))
    others = [_benchmark(work, lambda: 1e-3, kind="conv") for work in (1e6, 2e6, 3e6, 4e6)]
    peaks, _ = run_benchmarks([shaky, *others, *others], deadline=_deadline(1.6))  # its first share ends after 0.7 s
    assert peaks[0].stable
    assert peaks[0].rate == 1e9


def test_unsteady_rates_are_marked() -> None:
    wild = iter(range(10**9))
    peaks, _ = run_benchmarks([_benchmark(1e6, lambda: 1e-3 * (1 + next(wild) % 7))], deadline=_deadline(0.3))
    assert not peaks[0].stable
    assert peaks[0].spread > 0.1


def test_want_of_memory_leaves_a_size_out() -> None:
    def full() -> float:
        raise torch.OutOfMemoryError

    crowded = _benchmark(1e6, full)
    assert run_benchmarks([crowded], deadline=_deadline(5)) == ([], [crowded])


def test_other_errors_are_not_swallowed() -> None:
    def broken() -> float:
        raise RuntimeError("a real fault")

    with pytest.raises(RuntimeError, match="a real fault"):
        run_benchmarks([_benchmark(1e6, broken)], deadline=_deadline(5))


def test_every_family_has_its_turn() -> None:
    first, second = ([_benchmark(work, lambda: 1e-3, kind=kind) for work in (1.0, 2.0)] for kind in ("gemm", "conv"))
    order = [(one.kind, one.work) for one in by_turns([first, second[:1], [*second, *first]])]
    assert order == [("gemm", 1), ("conv", 1), ("conv", 1), ("gemm", 2), ("conv", 2), ("gemm", 1), ("gemm", 2)]


def test_first_runs_move_the_deadline() -> None:
    """cuDNN searches for its fastest kernel in the first run: that time is not taken from the sizes that follow."""

    def searching(work: float) -> Benchmark:
        @contextmanager
        def ready() -> Iterator[Callable[[], object]]:
            time.sleep(0.3)
            yield lambda: None

        return Benchmark(
            kind="conv",
            format=str(work),
            backend="cudnn",
            size=(1,),
            work=work,
            ready=ready,
            clock=lambda run, calls: 1e-3,
        )

    benchmarks = [searching(work) for work in (1e6, 2e6, 3e6)]
    assert len(run_benchmarks(benchmarks, deadline=_deadline(0.4))[0]) < 3
    peaks, skipped = run_benchmarks(benchmarks, deadline=_deadline(0.4), warm_up_s=2.0)
    assert (len(peaks), skipped) == (3, [])
