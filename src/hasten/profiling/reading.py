"""What making a batch is spent on when nothing else runs: reading its samples, putting them together, changing them."""

import cProfile
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import CodeType
from typing import Any

import torch
from torch.utils.data import Dataset, default_collate

from hasten.data.augmentation.draws import Draws, augmented
from hasten.machine.scheduling import waited_for_core_s
from hasten.training.session import Session

_SAMPLES = 32
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
        hot: the function that the largest part of it is spent in, without what that calls.
        hot_share: its part.
        collate_s: to put one of many samples together with the others, as torch does.
    """

    sample_s: float
    waits: float
    hot: str
    hot_share: float
    collate_s: float


def sample_reading(dataset: Dataset[Any], size: int, *, budget_s: float) -> Reading:
    """Read single samples, spread over the data.

    Args:
        dataset: map-style.
        size: how many samples it has.
        budget_s: seconds, roughly: a sample that has begun is read to its end.
    """
    places = [place * size // _SAMPLES for place in range(_SAMPLES)] if size > _SAMPLES else list(range(size))
    samples: list[Any] = []
    waited_s, began, computed_s = waited_for_core_s(), time.perf_counter(), time.thread_time()
    for place in places:
        samples.append(dataset[place])
        if time.perf_counter() - began > budget_s / 2:
            break
    computed_s, spent_s = time.thread_time() - computed_s, time.perf_counter() - began
    busy_s = computed_s + waited_for_core_s() - waited_s  # who stands ready without a core waits for no disk
    hot, hot_share = _hottest(dataset, places[: len(samples)][:_WATCHED], budget_s / 2)
    began = time.perf_counter()
    default_collate(samples)
    return Reading(
        sample_s=spent_s / len(samples),
        waits=max(0.0, 1 - busy_s / spent_s),
        hot=hot,
        hot_share=hot_share,
        collate_s=(time.perf_counter() - began) / len(samples),
    )


def change_times(run: Session) -> dict[str, float]:
    """Return the seconds that each augmentation and preparation takes for a batch, by its name."""
    ours = run.recipe.input
    ids, raw = next(iter(run.train_fetch(torch.arange(min(ours.batch_size, run.samples)))))
    batch, found = tuple(column.to(run.recipe.parallel.device) for column in raw), dict[str, float]()
    draws = Draws(run.seed, run.place.epoch, ids)
    changes = [
        *((_name(one), lambda batch, one=one: augmented(batch, (one,), draws)) for one in ours.augment),
        *((_name(one), one) for one in ours.prepare),
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


def _hottest(dataset: Dataset[Any], places: Sequence[int], budget_s: float) -> tuple[str, float]:
    """Return the function that most of reading samples is spent in itself, and its share of the time."""
    profiler = cProfile.Profile()
    began = time.perf_counter()
    for place in places:
        profiler.runcall(dataset.__getitem__, place)
        if time.perf_counter() - began > budget_s:
            break
    entries = [(entry.inlinetime, entry.code) for entry in profiler.getstats()]
    total_s = sum(own_s for own_s, _ in entries)
    own_s, code = max(entries, key=lambda entry: entry[0])
    return _told(code), own_s / total_s if total_s else 0.0


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
