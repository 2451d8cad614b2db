"""The history of a task on this machine: what hasten expected of its plans, and what it then measured."""

from collections.abc import Sequence

from hasten.base.records.history import Outcome
from hasten.base.records.record import Interval, Record
from hasten.report.wording import bounds, is_known, joined, plural, times


class Past(Record, frozen=True):
    """One tuning: the speed of its plan as it was expected, measured afresh, and in whole trainings."""

    made_at: str
    plan: str
    expected: Interval | None
    measured: Interval | None
    trained: Interval | None
    words: tuple[str, str, str]  # of the three


def past_tunings(history: Sequence[Outcome]) -> tuple[Past, ...]:
    """Return the tunings that chose a plan, the newest first."""
    return tuple(
        Past(
            made_at=one.made_at,
            plan=joined(one.forecast.plan),
            expected=one.forecast.expected,
            measured=one.forecast.measured,
            trained=one.trained,
            words=(_words(one.forecast.expected), _words(one.forecast.measured), _words(one.trained)),
        )
        for one in reversed(history)
    )


def past_sentence(history: Sequence[Outcome]) -> str:
    """Return how often both intervals, expected and measured, had a speed in common; nothing without any."""
    both = [
        (one.forecast.expected, one.forecast.measured)
        for one in history
        if one.forecast.expected is not None and one.forecast.measured is not None
    ]
    if not both:
        return ""
    agree = sum(expected.low <= measured.high and measured.low <= expected.high for expected, measured in both)
    return f"In {agree} of {plural(len(both), 'tuning')} the expected and the measured interval overlap."


def _words(found: Interval | None) -> str:
    if found is None:
        return "not measured"
    return f"{times(found.value)} {bounds(found)}" if is_known(found) else "interval too wide to report"
