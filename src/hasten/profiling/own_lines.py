"""Which line of a person's own code takes the time: samples of the stack of the thread that trains."""

import linecache
import sys
import sysconfig
import threading
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from time import perf_counter_ns
from types import FrameType
from typing import TypeAlias

import numpy as np

from hasten.base.units import percent
from hasten.measurement.clock import Nanoseconds

PERIOD_S = 0.005
MOST = 6000
"""Samples; then sampling ends. A sample takes some 10 microseconds."""
FEWEST = 5
"""Samples of a part of the step below which none of its lines is named."""
MOSTLY = 0.5
WORTH = 0.1
"""Share of the time of a part below which a line is not worth to be named."""
_LONGEST = 60
_NOT_OWN = (str(Path(__file__).parents[1]), sysconfig.get_path("stdlib"), "<")
_INSTALLED = ("site-packages", "dist-packages")
_Line: TypeAlias = tuple[str, int]


class OwnLines:
    """Notes every 5 ms, from a thread of its own, which line of the code that is not installed is running.

    Args:
        thread: that is looked at.
    """

    def __init__(self, thread: int) -> None:
        self._thread = thread
        self._notes: list[tuple[int, tuple[_Line, ...]]] = []
        self._own: dict[str, bool] = {}
        self._ended = threading.Event()

    def start(self) -> None:
        """Begin to note."""
        threading.Thread(target=self._run, name="hasten", daemon=True).start()

    def stop(self) -> None:
        """Note nothing more."""
        self._ended.set()

    def hottest(self, moments_ns: Nanoseconds, parts: Nanoseconds, wanted: Collection[int]) -> str | None:
        """Return in which line the time of some parts is spent, with what it calls: "mostly train.py:12: x = ...".

        It is the innermost line that takes at least half; else the one that takes most, with its share; else None.

        Args:
            moments_ns: the start and then the moment of every mark, (marks + 1).
            parts: the part of every mark, (marks).
            wanted: parts.
        """
        notes = self._notes[:]
        places = np.searchsorted(moments_ns, np.array([moment for moment, _ in notes], dtype=np.int64)) - 1
        inside = [
            lines
            for place, (_, lines) in zip(places.tolist(), notes, strict=True)
            if 0 <= place < len(parts) and parts[place] in wanted
        ]
        if len(inside) < FEWEST:
            return None
        counts = Counter(line for lines in inside for line in set(lines))
        depth = {line: place for lines in inside for place, line in enumerate(lines)}
        most = max(counts.values(), default=0)
        least = min(MOSTLY * len(inside), most)
        if least < WORTH * len(inside):
            return None
        line = max((line for line, count in counts.items() if count >= least), key=lambda line: depth[line])
        share = counts[line] / len(inside)
        return f"mostly {_told(line)}" if share >= MOSTLY else f"{percent(share)} of it {_told(line)}"

    def _run(self) -> None:
        while not self._ended.wait(PERIOD_S) and len(self._notes) < MOST:
            frame = sys._current_frames().get(self._thread)
            if frame is not None:
                self._notes.append((perf_counter_ns(), self._lines(frame)))

    def _lines(self, frame: FrameType) -> tuple[_Line, ...]:
        """Return file and line of every frame of own code, the outermost first."""
        lines: list[_Line] = []
        found: FrameType | None = frame
        while found is not None:
            file = found.f_code.co_filename
            if file not in self._own:
                self._own[file] = not file.startswith(_NOT_OWN) and not any(name in file for name in _INSTALLED)
            if self._own[file]:
                lines.append((file, found.f_lineno))
            found = found.f_back
        return tuple(reversed(lines))


def _told(line: _Line) -> str:
    """Return a line as a person finds it: train.py:12: x = ..."""
    file, number = line
    text = linecache.getline(file, number).strip()
    text = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    return f"{Path(file).name}:{number}: {text}"
