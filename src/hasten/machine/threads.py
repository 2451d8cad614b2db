"""Matmul rate for each number of threads."""

import json
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec
import torch

from hasten.base.records.machine import Peak
from hasten.machine.benchmark import Benchmark, run_benchmarks
from hasten.machine.formats import gemm_formats
from hasten.machine.gemm import GemmSize, gemm_benchmarks

_SIZE: GemmSize = (1024, 1024, 1024)
_START_S = 30.0  # a fresh process imports torch first, which takes seconds on a slow disk


def thread_counts(*, cores: int, threads: int, logical: int) -> tuple[int, ...]:
    """Return the counts worth trying: one, half the cores, the cores, what torch uses, and all hardware threads."""
    return tuple(sorted({1, max(1, cores // 2), cores, threads, logical}))


def measure_threads(counts: Sequence[int], *, budget_s: float) -> tuple[list[Peak], str]:
    """Return the rate of an fp32 matmul with each number of threads; and a remark, or "".

    It runs in a process of its own: `torch.set_num_threads` also fixes how MKL chooses its threads, and no call undoes
    that, so in this process it would change what comes after.

    Args:
        counts: numbers of threads.
        budget_s: seconds of measuring, to which the start of the process adds.
    """
    command = [sys.executable, "-m", "hasten.machine.threads", json.dumps([list(counts), budget_s])]
    try:
        done = subprocess.run(command, capture_output=True, timeout=budget_s + _START_S, check=True)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.decode(errors="replace").strip().splitlines()[-1:]
        return [], f"thread counts not compared: the process that did it failed ({''.join(reason)})"
    except subprocess.TimeoutExpired:
        return [], f"thread counts not compared: not done after {budget_s + _START_S:.0f} s"
    return msgspec.json.decode(done.stdout, type=list[Peak]), ""


def sweep(counts: Sequence[int], *, budget_s: float) -> list[Peak]:
    """Return the rate of an fp32 matmul with each number of threads, changing this process's own number."""
    deadline = time.perf_counter() + budget_s
    product: Benchmark = gemm_benchmarks(gemm_formats("cpu")[0], [_SIZE], "cpu")[0]
    peaks: list[Peak] = []
    for index, count in enumerate(counts):
        torch.set_num_threads(count)
        now = time.perf_counter()
        found, _ = run_benchmarks([product], deadline=now + (deadline - now) / (len(counts) - index))
        peaks += [msgspec.structs.replace(peak, kind="threads", size=(count,)) for peak in found]
    return peaks


def main() -> None:
    """Print, as JSON, the sweep that the command line asks for."""
    counts, budget_s = json.loads(sys.argv[1])
    sys.stdout.buffer.write(msgspec.json.encode(sweep(counts, budget_s=budget_s)))


if __name__ == "__main__":
    main()
