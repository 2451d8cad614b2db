"""Time of making a batch: reading samples, collating, augmentation."""

import cProfile
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from types import CodeType
from typing import Any

import torch
from torch.utils.data import Dataset, default_collate

from hasten.data.augmentation.draws import Draws, augmented
from hasten.data.batch import to_device
from hasten.data.loading.streams import samples_in
from hasten.machine.scheduling import waited_for_core_s
from hasten.profiling.best_effort import Reason, or_reason
from hasten.training.session import Session

_SAMPLES = 128
_WATCHED = 8
_REPEATED = 3
_METHOD = re.compile(r"<method '(\w+)' of '([\w.]+)' objects>")
_BUILT_IN = re.compile(r"<built-in (?:method|function) (?:builtins\.)?([\w.]+)>")


@dataclass(frozen=True)
class Reading:
    """What reading single samples costs.

    Args:
        sample_s: to read one.
        waits: the share of that time in which this thread did not compute.
        hot: the innermost function that at least half of that time is spent in, with what it calls.
        collate_s: to put one of many samples together with the others, as torch does; None where it cannot.
    """

    sample_s: float
    waits: float
    hot: str
    collate_s: float | None


def sample_reading(dataset: Dataset[Any], size: int, *, budget_s: float) -> Reading:
    """Read single samples from random places.

    Args:
        dataset: map-style.
        size: how many samples it has.
        budget_s: seconds, roughly: a sample that has begun is read to its end.
    """
    places = Random(0).sample(range(size), min(_SAMPLES, size))
    samples: list[Any] = []
    waited_s, began, computed_s = waited_for_core_s(), time.perf_counter(), time.thread_time()
    for place in places:
        samples.append(dataset[place])
        if time.perf_counter() - began > budget_s / 2:
            break
    computed_s, spent_s = time.thread_time() - computed_s, time.perf_counter() - began
    busy_s = computed_s + waited_for_core_s() - waited_s  # who stands ready without a core waits for no disk
    return Reading(
        sample_s=spent_s / len(samples),
        waits=max(0.0, 1 - busy_s / spent_s),
        hot=_innermost(dataset, places[: len(samples)][:_WATCHED], budget_s / 2),
        collate_s=_collate_s(samples),
    )


def change_times(run: Session) -> dict[str, float]:
    """Return the seconds that each augmentation and preparation takes for a batch, by its name."""
    ours = run.recipe.input
    if not (ours.augment or ours.batch_transforms):
        return {}
    raw = run.recipe.subject.raw_batch(ours.batch_size)
    ids = torch.arange(samples_in(raw))
    batch, found = to_device(raw, run.recipe.device.name), dict[str, float]()
    draws = Draws(run.seed, run.position.epoch, ids)
    changes = [
        *((_name(one), lambda batch, one=one: augmented(batch, (one,), draws)) for one in ours.augment),
        *((_name(one), one) for one in ours.batch_transforms),
    ]
    for name, change in changes:
        begin = [time.perf_counter()]
        changed = batch
        for _ in range(_REPEATED):
            changed = change(batch)
            begin.append(time.perf_counter())
        found[name] = found.get(name, 0.0) + min(end - start for start, end in pairwise(begin))
        batch = changed
    return found


def _collate_s(samples: list[Any]) -> float | None:
    began = time.perf_counter()
    if isinstance(or_reason(lambda: default_collate(samples)), Reason):
        return None  # samples of different lengths, for which the training has a function of its own
    return (time.perf_counter() - began) / len(samples)


def _innermost(dataset: Dataset[Any], places: Sequence[int], budget_s: float) -> str:
    """Return the innermost function that at least half of the time of reading samples is spent in."""
    profiler = cProfile.Profile()
    began = time.perf_counter()
    for place in places:
        profiler.runcall(dataset.__getitem__, place)
        if time.perf_counter() - began > budget_s:
            break
    entries = [(entry.totaltime, entry.code) for entry in profiler.getstats()]
    half_s = max(whole_s for whole_s, _ in entries) / 2
    return _told(min((entry for entry in entries if entry[0] >= half_s), key=lambda entry: entry[0])[1])


def _told(code: CodeType | str) -> str:
    """Return a function's name as a person knows it: `ImagingDecoder.decode`, `time.sleep`, `MyData.__getitem__`."""
    if isinstance(code, CodeType):
        return code.co_qualname.rpartition("<locals>.")[2]
    if method := _METHOD.match(code):
        return f"{method[2].rpartition('.')[2]}.{method[1]}"
    built_in = _BUILT_IN.match(code)
    return built_in[1] if built_in else code.strip("<>")


def _name(change: Callable[..., Any]) -> str:
    return str(getattr(change, "__qualname__", type(change).__name__)).rpartition("<locals>.")[2]
