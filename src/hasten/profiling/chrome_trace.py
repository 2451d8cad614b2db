"""The timed steps as a Chrome trace, to be opened in chrome://tracing or ui.perfetto.dev."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from hasten.base.files import write_atomically
from hasten.measurement.clock import StepClock

_MOST_MARKS = 200_000
_STEPS_ROW, _PARTS_ROW = 1, 2


def write_trace(clock: StepClock, parts: Sequence[str], path: Path, *, name: str) -> None:
    """Write the marks of a run as trace events: one row of steps, one of their parts.

    Args:
        clock: the marks; the last part of `parts` ends a step.
        parts: names of the parts.
        path: the file to write, atomically; "trace.json", say.
        name: what was run.

    Source: Trace Event Format (Chromium project); complete events, microseconds.
    """
    content = msgspec.json.encode({"traceEvents": trace_events(clock, parts, name=name), "displayTimeUnit": "ms"})
    write_atomically(path, lambda file: file.write(content))


def trace_events(clock: StepClock, parts: Sequence[str], *, name: str) -> list[dict[str, object]]:
    """Return the events of at most the first 200,000 marks, those of length zero left out."""
    moments: list[float] = (clock.moments_ns()[: _MOST_MARKS + 1] * 1e-3).tolist()
    marks: list[int] = clock.parts()[:_MOST_MARKS].tolist()
    events = [
        _named("process_name", 0, name),
        _named("thread_name", _STEPS_ROW, "steps"),
        _named("thread_name", _PARTS_ROW, "parts"),
    ]
    first, number = moments[0], 0
    for index, part in enumerate(marks):
        begin, end = moments[index], moments[index + 1]
        if end > begin:
            events.append(_span(parts[part], "part", begin - moments[0], end - begin, _PARTS_ROW))
        if part == len(parts) - 1:
            number += 1
            events.append(_span(f"step {number}", "step", first - moments[0], end - first, _STEPS_ROW))
            first = end
    return events


def _span(name: str, category: str, begin_us: float, duration_us: float, row: int) -> dict[str, object]:
    return {"name": name, "cat": category, "ph": "X", "ts": begin_us, "dur": duration_us, "pid": 0, "tid": row}


def _named(what: str, row: int, name: str) -> dict[str, object]:
    return {"name": what, "ph": "M", "pid": 0, "tid": row, "args": {"name": name}}
