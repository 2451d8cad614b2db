"""The loader run alone: the time of a batch, and what it is spent on."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from itertools import islice
from time import perf_counter

import psutil

from hasten.base.records.signals import Loading
from hasten.data.batch import tensors_of
from hasten.data.loading.given import length_of
from hasten.machine.scheduling import waited_for_core_s
from hasten.profiling.machine_load import process_cpu_s
from hasten.profiling.sample_profile import change_times, sample_reading
from hasten.training.session import Session

_BATCHES = 200
_FIRST = 2  # batches that start workers and fill their queues


def loader_alone(run: Session, *, budget_s: float) -> Loading:
    """Read single samples and whole batches for a while, without training.

    Args:
        run: a session; its place moves on.
        budget_s: seconds, roughly: what has begun is ended.
    """
    dataset, per_batch = run.recipe.subject.train, run.recipe.input.batch_size
    size = length_of(dataset)
    reading = None if dataset is None or size is None else sample_reading(dataset, size, budget_s=budget_s / 2)
    fetched, pinned = run.fetched(), None
    for ids, batch in islice(fetched, _FIRST):
        pinned = all(tensor.is_pinned() for tensor in tensors_of(batch)) if not run.recipe.device.is_host else None
        run.advance(len(ids), 0.0)
    workers = _workers()
    cpu_s, disk, work = process_cpu_s(), _read_bytes(), _work_s(workers)
    waited_s, began = _waited_s(workers), perf_counter()
    count = 0
    for ids, _ in fetched:
        run.advance(len(ids), 0.0)
        count += 1
        if count >= _BATCHES or perf_counter() - began > budget_s:
            break
    spent_s = perf_counter() - began
    waited_s = (_waited_s(workers) - waited_s) / max(len(workers), 1)
    with_core_s = max(spent_s - waited_s, 0.1 * spent_s)  # a shared machine is no slow disk
    disk_after = _read_bytes()
    done = [after - before for before, after in zip(work, _work_s(workers), strict=True)]
    return Loading(
        sample_s=spent_s / count / per_batch if reading is None else reading.sample_s,
        batch_s=spent_s / count,
        cpu_share=(process_cpu_s() - cpu_s) / with_core_s,
        read_bytes_per_s=None if disk is None or disk_after is None else (disk_after - disk) / spent_s,
        workers=len(workers),
        worker_skew=max(done) * len(done) / sum(done) if len(done) > 1 and sum(done) > 0 else None,
        pinned=pinned,
        sample_waits=None if reading is None else reading.waits,
        hot="" if reading is None else reading.hot,
        collate_s=None if reading is None else reading.collate_s,
        change_s=change_times(run),
        ahead=run.recipe.input.ahead > 0,
    )


def _workers() -> list[psutil.Process]:
    return psutil.Process().children(recursive=False)


def _work_s(workers: Iterable[psutil.Process]) -> list[float]:
    seconds: list[float] = []
    for worker in workers:
        with suppress(psutil.NoSuchProcess):
            times = worker.cpu_times()
            seconds.append(times.user + times.system)
            continue
        seconds.append(0.0)
    return seconds


def _waited_s(workers: Sequence[psutil.Process]) -> float:
    """Return the seconds that the workers, or this process without any, have waited for a core, all together."""
    return sum(waited_for_core_s(worker.pid) for worker in workers) if workers else waited_for_core_s()


def _read_bytes() -> int | None:
    process = psutil.Process()
    return process.io_counters().read_bytes if hasattr(process, "io_counters") else None
