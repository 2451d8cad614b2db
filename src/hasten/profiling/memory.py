"""Memory of a step: its parts, its peak at larger batch sizes, and whether it grows."""

from collections.abc import Sequence
from itertools import islice
from math import floor
from time import perf_counter

import msgspec
import numpy as np
import psutil

from hasten.base.records.machine import Machine
from hasten.base.records.profile import MemoryAccount
from hasten.base.records.record import Interval
from hasten.data.batch import Batch, nbytes_of, size_of
from hasten.measurement.memory import peak_memory
from hasten.measurement.resident import rss_peak
from hasten.measurement.tensors import tensors_in
from hasten.profiling.allocator import allocator_use
from hasten.profiling.best_effort import out_of_memory
from hasten.profiling.peak_model import PeakModel, Watched, over_step, peak_model, watched_step
from hasten.profiling.stepping import batches_in_turn, one_batch, resized
from hasten.training.session import Session
from hasten.training.step import step

_SMALLEST_BATCH = 2  # batch normalization cannot train on one sample
_FILL = 0.9
_UNKNOWN = 2**30
"""Samples of an epoch whose number only its iteration tells."""
_WATCHED_STEPS, _WATCHED_S, _MOST_WATCHED = 30, 0.3, 400
"""At least so many steps, more of them while they are short: the heap goes on filling for some sixty."""
_FOR_A_TREND = 15
_TREND_S, _LONG_TREND_S = 2.0, 8.0


def memory_account(
    run: Session, machine: Machine, *, activation_bytes: int, step_s: float, budget_s: float, one_size: bool = False
) -> MemoryAccount:
    """Return the memory account of a step.

    Steps on a quarter and on half of the batch predict its peak before it is measured; half and whole then predict the
    largest one that fits into 90 % of what is free. The largest that fits and that the budget allows is tried.

    Args:
        run: warm and not compiled; it makes some steps. Its switches must be on.
        machine: whose memory is there to be used.
        activation_bytes: kept for the backward pass, as counted.
        step_s: a usual step.
        budget_s: seconds for the largest step to be tried.
        one_size: whether steps can be made on whole batches only, so that nothing is predicted.
    """
    growth = growth_per_step(run)  # before anything large: memory that was freed is filled first
    batch = one_batch(run)
    small = None if one_size else peak_model(run, batch, _sizes(size_of(batch)))
    measured = _peak(run, batch)
    allocator = allocator_use(lambda: step(run, batch), run.recipe.device)
    available = available_bytes(run, machine) + measured
    watched = watched_step(run, batch)
    parameters, held = nbytes_of(list(run.model.parameters())), _held(run)
    account = MemoryAccount(
        parameters=parameters,
        gradients=nbytes_of(run.parameters),
        optimizer_state=held - parameters,
        activations=activation_bytes,
        inputs=nbytes_of(batch),
        framework=max(psutil.Process().memory_info().rss - held, 0),
        predicted_peak=None,
        measured_peak=measured,
        available=available,
        largest_batch=None,
        growth_per_step=growth,
        reserved=allocator.reserved if allocator is not None else None,
        retries=allocator.retries if allocator is not None else None,
        over_step=over_step(watched),
    )
    if small is None:
        return account
    return _predicted(account, run, batch, small, watched, most_more=budget_s / step_s)


def _predicted(
    account: MemoryAccount, run: Session, batch: Batch, small: PeakModel, watched: Watched, *, most_more: float
) -> MemoryAccount:
    """Return the account with the peak that small steps predicted, and the largest batch, at most so many times larger.

    That one is tried.
    """
    size = size_of(batch)
    model = PeakModel(small.second, watched) if small.second.size != size else small
    largest = model.largest(_FILL * account.available, most=max(run.samples or _UNKNOWN, size))
    tried = max(size, min(largest, floor(size * most_more)))
    verified, remark = _verified(run, batch, tried) if tried > size else (account.measured_peak, "")
    if not model.exact:
        remark = f"{remark} allocations depend on the batch size: the prediction is rough".strip()
    return msgspec.structs.replace(
        account,
        predicted_peak=small.peak_bytes(size),
        largest_batch=largest,
        verified_batch=tried if verified else 0,
        verified_peak=verified or 0,
        verified_predicted=model.peak_bytes(tried),
        remark=remark,
    )


def available_bytes(run: Session, machine: Machine) -> int:
    """Return the bytes that are free on the device, or in the part of this machine's memory that we may use."""
    device = run.recipe.device
    if not device.is_host:
        return device.free_bytes() + device.reserved_bytes() - device.allocated_bytes()
    own = psutil.Process().memory_info().rss
    return max(min(psutil.virtual_memory().available, machine.memory_bytes - own), 0)


def growth_per_step(run: Session) -> Interval | None:
    """Return the growth of memory per step in bytes: the Theil-Sen slope over some steps, with its interval.

    On the CPU it is the resident memory of the process that is followed.
    """
    begin, held = perf_counter(), list[int]()
    for batch in islice(batches_in_turn(run), _MOST_WATCHED):
        run.set_learning_rate()
        step(run, batch)
        held.append(_held_bytes(run))
        spent_s = perf_counter() - begin
        if len(held) >= _WATCHED_STEPS and spent_s > _WATCHED_S:
            break
        if spent_s > _TREND_S and (len(held) >= _FOR_A_TREND or spent_s > _LONG_TREND_S):
            break
    return slope_of(held)


def slope_of(held_bytes: Sequence[int]) -> Interval | None:
    """Return the growth of a series per entry, without its first third, which fills caches; None for fewer than 15."""
    late = held_bytes[len(held_bytes) // 3 :]
    if len(held_bytes) < _FOR_A_TREND:
        return None
    from scipy.stats import theilslopes  # two seconds of import that a training need not pay

    found = np.asarray(theilslopes(np.asarray(late, dtype=np.float64)), dtype=np.float64)
    slope, low, high = found[[0, 2, 3]].tolist()
    return Interval(value=slope, low=low, high=high, n=len(late))


def step_peak_bytes(run: Session, batch: Batch, *, compiled: bool) -> int:
    """Return the most memory that a step needs at once, weights and optimizer state included.

    Compiled code cannot be watched on the CPU: there it is what the process grows by, beside what the session holds.
    """
    if not compiled or not run.recipe.device.is_host:
        return _peak(run, batch)
    process = rss_peak(lambda: step(run, batch))
    return process.peak_bytes - process.resident_bytes + _held(run) + nbytes_of(batch)


def _held(run: Session) -> int:
    """Return the bytes of the weights and of the optimizer's state."""
    state = tensors_in(list(run.optimizer.state.values()))
    return nbytes_of([*run.model.parameters(), *state])


def _sizes(size: int) -> tuple[int, int]:
    small = max(_SMALLEST_BATCH, size // 4)
    return small, max(small + 1, size // 2)


def _peak(run: Session, batch: Batch) -> int:
    return peak_memory(lambda: step(run, batch), device=run.recipe.parallel.device).peak_bytes


def _verified(run: Session, batch: Batch, size: int) -> tuple[int | None, str]:
    try:
        return _peak(run, resized(batch, size)), ""
    except RuntimeError as error:
        if not out_of_memory(error):
            raise
        run.optimizer.zero_grad()
        return None, f"a batch size of {size} was predicted to fit and ran out of memory: {error}"


def _held_bytes(run: Session) -> int:
    if not run.recipe.device.is_host:
        return run.recipe.device.allocated_bytes()
    return psutil.Process().memory_info().rss
