import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from hasten.machine.facts import facts
from hasten.measurement.clock import Marks
from hasten.profiling.chrome_trace import trace_events, write_trace
from hasten.profiling.profile import profile
from hasten.training.recipe import baseline
from hasten.training.task import Task

MakeTask = Callable[..., Task]


def test_parts_and_steps_are_spans_of_their_rows(tmp_path: Path) -> None:
    now = 0

    def clock() -> int:
        return now

    marks = Marks(clock)
    for part, spent_ns in ((0, 2000), (1, 5000), (2, 1000), (0, 3000), (2, 0)):
        now += spent_ns
        marks.mark(part)
    events = [one for one in trace_events(marks, ("input", "forward", "other"), name="t") if one["ph"] == "X"]
    told = [(one["name"], one["ts"], one["dur"]) for one in events]
    assert told == [
        ("input", 0, 2),
        ("forward", 2, 5),
        ("other", 7, 1),
        ("step 1", 0, 8),
        ("input", 8, 3),
        ("step 2", 8, 3),
    ]
    write_trace(marks, ("input", "forward", "other"), tmp_path / "trace.json", name="t")
    content = json.loads((tmp_path / "trace.json").read_text())
    assert len(content["traceEvents"]) == len(told) + 3


def test_every_event_is_as_the_format_wants_it_and_parts_lie_in_their_steps(
    make_task: MakeTask, tmp_path: Path
) -> None:
    path = tmp_path / "trace.json"
    profile(baseline(make_task()), facts(), steps=20, trace=path)
    events = json.loads(path.read_text())["traceEvents"]
    assert all({"name", "ph", "pid", "tid"} <= set(one) for one in events)
    named = {(one["name"], one["args"]["name"]) for one in events if one["ph"] == "M"}
    assert named == {("process_name", "small"), ("thread_name", "steps"), ("thread_name", "parts")}
    spans = [one for one in events if one["ph"] == "X"]
    assert len(spans) + 3 == len(events)
    assert all(one["ts"] >= 0 and one["dur"] > 0 for one in spans)
    steps = [(one["ts"], one["ts"] + one["dur"]) for one in spans if one["cat"] == "step"]
    parts = [one for one in spans if one["cat"] == "part"]
    assert len(steps) == 20
    assert {"input", "forward", "loss", "backward", "update"} <= {one["name"] for one in parts}
    for (_, end), (begin, _) in pairwise(steps):
        assert begin == pytest.approx(end, abs=1e-3)
    for begin, end in steps:
        inside = sum(one["dur"] for one in parts if begin - 1e-3 <= one["ts"] < end - 1e-3)
        assert inside == pytest.approx(end - begin, abs=1e-2)
