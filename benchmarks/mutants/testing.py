"""Run the tests of a room: which lines each test runs, and whether one of them fails with a planted bug."""

import hashlib
import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import msgspec
from coverage import CoverageData

from benchmarks.mutants import NOT_PATCHED
from benchmarks.mutants.planting import PACKAGE, ROOT, Mutant, planted

CACHE = ROOT / ".mutants"
"""Which lines each test file runs, kept until the file or the room's code changes."""
CPU_FACTOR, LEAST_CPU_S = 10.0, 60.0
"""Times the processor time of the tests without the bug; a loop without end takes more, a busy machine does not."""
LONGEST_FILE_S = 60.0
"""Processor time of the tests of one file while lines are noted; a file that takes more is not used."""
QUICK_START = ("-p", "no:xdist", "-p", "no:cov")
_CLOCKS = re.compile(r"perf_counter|monotonic|time\.time|sleep|timeit|\.wait\(|timeout")
MOST_TEST_S = 60.0
"""Seconds of tests that one mutant is tried on; what only a later one would find counts as a survivor."""
WALL_FACTOR, LEAST_WALL_S = 20.0, 60.0
"""The same of one test by the wall clock, for those that wait without end."""


class Server:
    """Runs pytest in forks of one process; see `forking`.

    Args:
        tests: are imported before the forks, with the package.
    """

    def __init__(self, tests: Sequence[Path] = ()) -> None:
        command = [sys.executable, "-m", "benchmarks.mutants.forking", str(PACKAGE.parent), *map(str, tests)]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(PACKAGE.parent)}
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate()

    def pytest(
        self,
        options: Sequence[str],
        report: Path,
        source: Path,
        *,
        cpu_s: float,
        patch: dict[str, str] | None = None,
        **variables: str,
    ) -> int:
        """Run pytest on the package in `source`, or in the process with a `patch`, and write its `report`.

        Returns:
            Its exit code, negative for a signal.
        """
        fixed = ["-q", "--no-header", "-p", "no:cacheprovider", "--randomly-seed=0", "--randomly-dont-reorganize"]
        environment = {
            "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(report.parent / "hypothesis"), **variables,
        }  # fmt: skip
        call = {
            "options": [*fixed, f"--junitxml={report}", *options], "environment": environment, "source": str(source),
            "cpu_s": int(cpu_s), "patch": patch or {},
        }  # fmt: skip
        assert self._process.stdin is not None, "it was opened with pipes"
        assert self._process.stdout is not None, "it was opened with pipes"
        print(json.dumps(call), file=self._process.stdin, flush=True)
        return int(self._process.stdout.readline())


@dataclass
class Coverage:
    """Which tests of a room run which lines, and how long each takes.

    Attributes:
        seconds: test -> seconds; only tests that pass.
        lines: file of the package -> line -> tests that run it.
    """

    seconds: dict[str, float] = field(default_factory=dict[str, float])
    lines: dict[str, dict[int, list[str]]] = field(default_factory=dict[str, dict[int, list[str]]])

    def tests_of(self, mutant: Mutant) -> list[str]:
        """Return the tests that run the lines of a mutant, as many as take `MOST_TEST_S` together.

        Those of the test file that is named after the module come first, then the quickest. What runs at import may
        show in any test of the room; after those of its test file come those that run other lines of the module.
        """
        own, by_line = f"/test_{Path(mutant.file).stem}.py::", self.lines.get(mutant.file, {})
        near = {test for line in mutant.lines or by_line for test in by_line.get(line, ())}
        every = near if mutant.lines else self.seconds.keys()
        found, spent_s = list[str](), 0.0
        for test in sorted(every, key=lambda one: (own not in one, one not in near, self.seconds[one], one)):
            spent_s += self.seconds[test]
            if found and spent_s > MOST_TEST_S:
                break
            found.append(test)
        return found


def tests_of_room(room: str) -> list[Path]:
    """Return the test files of a room; of a part of one those that name it; and those named after a module of it."""
    top, dotted = room.split("/")[0], f"hasten.{room.replace('/', '.')}"
    modules = {f"test_{module.stem}" for module in (PACKAGE / room).rglob("*.py")}

    def belongs(file: Path) -> bool:
        of_room = file.parent == ROOT / "tests" / top
        return (of_room and top == room) or ((of_room or file.stem in modules) and dotted in file.read_text())

    return [file for file in sorted((ROOT / "tests").rglob("test_*.py")) if belongs(file)]


def coverage_of(room: str, server: Server) -> Coverage:
    """Return the coverage of a room by its tests; runs what is not known yet."""
    found, lines = Coverage(), defaultdict[str, defaultdict[int, list[str]]](lambda: defaultdict(list))
    sources = b"".join(file.read_bytes() for file in sorted((PACKAGE / room).rglob("*.py")))
    for tests in tests_of_room(room):
        one = _coverage_of(tests, room, server, hashlib.sha256(sources + tests.read_bytes()).hexdigest()[:16])
        found.seconds |= one.seconds
        for file, by_line in one.lines.items():
            for line, names in by_line.items():
                lines[file][line] += names
    found.lines = {file: dict(by_line) for file, by_line in lines.items()}
    return found


def _coverage_of(tests: Path, room: str, server: Server, key: str) -> Coverage:
    kept = CACHE / f"{room.replace('/', '.')}.{tests.stem}.{key}.json"
    if kept.exists():
        return msgspec.json.decode(kept.read_bytes(), type=Coverage)
    CACHE.mkdir(exist_ok=True)
    data, report = kept.with_suffix(".coverage"), kept.with_suffix(".xml")
    options = [f"--cov={PACKAGE / room}", "--cov-context=test", "--cov-report=", "--cov-branch"]
    server.pytest([str(tests), *options], report, PACKAGE.parent, cpu_s=LONGEST_FILE_S, COVERAGE_FILE=str(data))
    if not report.exists():
        print(f"{tests.relative_to(ROOT)} takes more than {LONGEST_FILE_S:g} s: it is not used", flush=True)
        kept.write_bytes(msgspec.json.encode(Coverage()))
        return Coverage()
    found = Coverage(seconds={name: seconds for name, seconds, passed in _results(report) if passed})
    measured = CoverageData(str(data))
    measured.read()
    for file in measured.measured_files():
        relative = str(Path(file).relative_to(PACKAGE))
        for line, contexts in measured.contexts_by_lineno(file).items():
            names = {context.partition("|")[0] for context in contexts}
            if passed := sorted(names & found.seconds.keys()):
                found.lines.setdefault(relative, {})[line] = passed
    kept.write_bytes(msgspec.json.encode(found))
    data.unlink()
    report.unlink()
    return found


@dataclass
class Room:
    """What the mutants of a room are tried with.

    Attributes:
        coverage: which tests run which lines.
        warm: has imported the package and the tests of the room.
        cold: has imported neither.
        package: the folder of a copy of the package.
    """

    coverage: Coverage
    warm: Server
    cold: Server
    package: Path

    def killer(self, mutant: Mutant) -> str | None:
        """Return the test that fails with the bug, None if all pass.

        A bug in a function is put into the functions that are imported already. For one in what runs at import, or that
        does not fit them, the module is imported anew. A failure of a test that looks at a clock counts if it fails
        again, and passes without the bug: on a busy machine such tests fail by themselves.
        """
        text, left = planted(mutant), self.coverage.tests_of(mutant)
        while left:
            failed = self._first_failure(left, mutant, text)
            if failed is None or not failed or not _looks_at_a_clock(failed):
                return "processor time" if failed == "" else failed
            if self._first_failure([failed], mutant, text) and not self._first_failure([failed], mutant, None):
                return failed
            print(f"        {failed} fails by itself now and then: not counted", flush=True)
            left.remove(failed)
        return None

    def _first_failure(self, tests: Sequence[str], mutant: Mutant, bug: str | None) -> str | None:
        """Return the first test that fails, "" where they took too much processor time, None where all pass."""
        report, target = self.package / "report.xml", self.package / "hasten" / mutant.file
        report.unlink(missing_ok=True)
        seconds = [self.coverage.seconds[one] for one in tests]
        options = [*tests, "-x", f"--timeout={max(LEAST_WALL_S, WALL_FACTOR * max(seconds)):.0f}", *QUICK_START]
        cpu_s = max(LEAST_CPU_S, CPU_FACTOR * sum(seconds))
        code = NOT_PATCHED
        if bug is not None and mutant.lines:
            module = "hasten." + mutant.file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            code = self.warm.pytest(options, report, self.package, cpu_s=cpu_s, patch={module: bug})
        if code == NOT_PATCHED:
            whole = target.read_text()
            target.write_text(bug or whole)
            code = self.cold.pytest(options, report, self.package, cpu_s=cpu_s)
            target.write_text(whole)
        if code == 0:
            return None
        if not report.exists():
            return "" if code < 0 else tests[0]
        return next((name for name, _, passed in _results(report) if not passed and name in tests), tests[0])


def _looks_at_a_clock(test: str) -> bool:
    return bool(_CLOCKS.search((ROOT / test.partition("::")[0]).read_text()))


def _results(report: Path) -> Iterator[tuple[str, float, bool]]:
    """Yield name, seconds and whether it passed (or was skipped) of every test of a report."""
    for case in ET.parse(report).iter("testcase"):
        name = f"{case.get('classname', '').replace('.', '/')}.py::{case.get('name')}"
        failed: Collection[object] = [*case.findall("failure"), *case.findall("error")]
        yield name, float(case.get("time", 0)), not failed
