"""Why data loading is slow: the most expensive part of making a batch."""

import math
from dataclasses import dataclass

from hasten.base.records.profile import Profile
from hasten.base.records.signals import Loading
from hasten.base.units import seconds

_ONE_BY_ONE = 3.0
"""Single samples may take this many times as long as their batch, which then still counts as read one by one."""
_HANDED_OVER = 1.25
"""Workers that take this many times as long as one process are the cause themselves."""
_WAITS = 0.5


@dataclass(frozen=True)
class Cause:
    """The cause with its number, where it is, and what helps."""

    where: str
    words: str
    advice: str


def input_cause(profile: Profile) -> Cause | None:
    """Return what takes most of the time of making a batch, or None if the loader was not run alone."""
    loading = profile.loading
    if loading is None:
        return None
    read_s, together_s = profile.batch_size * loading.sample_s, profile.batch_size * (loading.collate_s or 0.0)
    alone_s = read_s + together_s if loading.collate_s is not None else math.inf
    if loading.workers and loading.batch_s > _HANDED_OVER * alone_s:
        return _handing_over(loading, alone_s)
    changes_s = sum(loading.change_s.values())
    fetch_s = loading.batch_s - (changes_s if loading.ahead else 0.0)
    one_by_one = loading.workers > 0 or read_s < _ONE_BY_ONE * fetch_s
    collate_s = together_s if loading.workers else max(fetch_s - read_s, 0.0)
    costs = {
        "reading": read_s if one_by_one else 0.0,
        "fetching": 0.0 if one_by_one else fetch_s,
        "collating": collate_s if one_by_one else 0.0,
        "changes": changes_s,
    }
    largest = max(costs, key=lambda name: costs[name])
    if largest == "reading":
        return _reading(loading)
    if largest == "fetching":
        return Cause(
            "input: fetching", f"{seconds(fetch_s)} to fetch a batch", "keep the data in memory or in a packed store"
        )
    if largest == "collating":
        words = f"{seconds(collate_s)} to collate"
        return Cause("input: collating", words, "keep samples as tensors of one shape and gather the batch at once")
    return _changing(loading)


def _reading(loading: Loading) -> Cause:
    sample = f"{seconds(loading.sample_s)} a sample"
    if loading.sample_waits is not None and loading.sample_waits > _WAITS:
        words = f"{sample} waiting for disk or network"
        return Cause("input: waiting", words, "read larger blocks, keep the data in memory, or load in the background")
    advice = "do this once and keep the result (packed store), make it cheaper, or do it in the background"
    if not loading.hot:  # of a stream, which function reads a sample is not known
        return Cause("input: reading", sample, advice)
    return Cause("input: computing", f"{sample} in {loading.hot}", advice)


def _handing_over(loading: Loading, alone_s: float) -> Cause:
    workers = f"{loading.workers} worker{'s' * (loading.workers > 1)}"
    words = f"{seconds(loading.batch_s)} a batch from {workers}, {seconds(alone_s)} without"
    return Cause(
        "input: workers", words, "load without workers: passing batches between processes costs more than reading"
    )


def _changing(loading: Loading) -> Cause:
    name = max(loading.change_s, key=lambda name: loading.change_s[name])
    words = f"{seconds(loading.change_s[name])} a batch in {name}"
    return Cause(f"input: {name}", words, "make it cheaper, do it once before training, or do it in the background")
