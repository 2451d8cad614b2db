import json
from pathlib import Path

from hasten.measurement.clock import Marks
from hasten.profiling.chrome_trace import trace_events, write_trace


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
