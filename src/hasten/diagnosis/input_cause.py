"""What makes data dear: the largest part of what a batch costs before the model sees it."""

import math
from dataclasses import dataclass

from hasten.base.records.profile import Profile
from hasten.base.records.signals import Loading
from hasten.base.units import seconds

_ONE_BY_ONE = 3.0
"""Samples read alone may take so many times as long as their batch, and it still counts as read sample by sample."""
_HANDED_OVER = 1.25
"""Workers that take so many times as long as one process would are what is dear."""
_WAITS = 0.5


@dataclass(frozen=True)
class Cause:
    """The cause in a few words with its number, where it is, and what helps."""

    where: str
    words: str
    advice: str


def input_cause(profile: Profile) -> Cause | None:
    """Return what most of the making of a batch is spent on, or None if the loader was not run alone."""
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
        return Cause("input: fetching", f"{seconds(fetch_s)} to fetch a batch", "keep the data in memory or packed")
    if largest == "collating":
        words = f"{seconds(collate_s)} to put samples together"
        return Cause("input: collating", words, "keep samples as tensors of one shape, and gather a batch at once")
    return _changing(loading)


def _reading(loading: Loading) -> Cause:
    sample = f"{seconds(loading.sample_s)} a sample"
    if loading.sample_waits is not None and loading.sample_waits > _WAITS:
        words = f"{sample} waiting for disk or network"
        return Cause("input: waiting", words, "read larger pieces, keep the data in memory, or load in the background")
    advice = "do this once and keep its result (a packed store), make it cheaper, or do it in the background"
    return Cause("input: computing", f"{sample} in {loading.hot}", advice)


def _handing_over(loading: Loading, alone_s: float) -> Cause:
    workers = f"{loading.workers} worker{'s' * (loading.workers > 1)}"
    words = f"{seconds(loading.batch_s)} a batch from {workers}, {seconds(alone_s)} without"
    return Cause("input: workers", words, "load without worker processes: handing batches over costs more than reading")


def _changing(loading: Loading) -> Cause:
    name = max(loading.change_s, key=lambda name: loading.change_s[name])
    words = f"{seconds(loading.change_s[name])} a batch in {name}"
    return Cause(f"input: {name}", words, "make it cheaper, do it once ahead of training, or do it in the background")
