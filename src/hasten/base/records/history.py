"""What tuning expected of its plans and what came of them: hasten judges itself."""

from hasten.base.records.record import Interval, Record


class Forecast(Record, frozen=True):
    """A plan that a search chose, and its measurement afresh.

    Both numbers are how many times faster the plan is than the baseline, by sample. `expected` is what the search made
    of all its blocks, None where they were too few; `measured` comes from new pairs of blocks, none of which chose the
    plan, and is None where there was no time for them.
    """

    plan: tuple[str, ...]  # techniques with their knobs
    expected: Interval | None
    measured: Interval | None


class Outcome(Record, frozen=True):
    """One tuning of a task: its forecast and, where trainings followed, how many times faster they were.

    `trained` is the time to equal quality, baseline over plan.
    """

    made_at: str  # local time, ISO 8601
    forecast: Forecast
    trained: Interval | None = None


class History(Record, frozen=True):
    """The tunings of one task on one machine, the oldest first."""

    outcomes: tuple[Outcome, ...] = ()
