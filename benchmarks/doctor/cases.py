"""The runs of the benchmark: each fault in each host it applies to at each dose, and the healthy programs."""

import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import cache

from benchmarks.doctor.faults.catalog import FAULTS
from benchmarks.doctor.programs import HARD_NEGATIVES, HOSTS, source_of

HEALTHY = "healthy"
HEALTHY_SEEDS = 4
HOSTS_OF_HALF = 2
"""Hosts of each half that a kind of fault is planted in; kinds begin at different hosts."""
EVERY_DOSE_IN = ("mlp_digits", "tabular_friedman")
"""Quick hosts, one of each half, that get every dose; the others get the strongest only."""


@dataclass(frozen=True)
class Case:
    """One run: a program with a fault of some dose, or with what mends it, or healthy."""

    kind: str  # of the fault, or HEALTHY
    program: str
    dose: float = 1.0
    seed: int = 0
    mended: bool = False  # does right what the fault does wrong

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.kind}-{self.program}-{self.dose:g}-{self.seed}{'-mended' if self.mended else ''}"

    @property
    def without_fault(self) -> "Case":
        """The program that it is compared with."""
        mended = not self.healthy and FAULTS[self.kind].mended is not None
        return replace(self, mended=True) if mended else Case(HEALTHY, self.program)

    @property
    def seen(self) -> bool:
        """Whether thresholds may be fitted on its program; hard negatives count as seen."""
        return self.program not in HOSTS or HOSTS[self.program].seen

    @property
    def healthy(self) -> bool:
        """Whether nothing is wrong with it."""
        return self.kind == HEALTHY


@cache
def source(case: Case) -> str | None:
    """Return the text of the program that a case runs; None where its fault does not apply."""
    plain = source_of(case.program)
    if case.healthy:
        return plain
    edit = FAULTS[case.kind].mended if case.mended else FAULTS[case.kind].edit
    return None if edit is None else edit(plain, case.dose)


def digest(case: Case) -> int:
    """Return a number that changes with the text of the program that a case runs."""
    return zlib.crc32((source(case) or "").encode())


def faulty() -> Iterator[Case]:
    """Yield the cases with a fault."""
    for kind in FAULTS:
        for seen in (True, False):
            places = [host for host in hosts_of(kind) if HOSTS[host].seen is seen]
            for host in places[:HOSTS_OF_HALF]:
                yield from doses_in(kind, host)


def hosts_of(kind: str) -> list[str]:
    """Return the hosts that a kind of fault applies to; those that get every dose first, where there is one."""
    names = list(HOSTS)
    begin = zlib.crc32(kind.encode()) % len(names)
    names = names[begin:] + names[:begin]
    if len(FAULTS[kind].doses) > 1:
        names.sort(key=lambda name: name not in EVERY_DOSE_IN)
    return [name for name in names if any(True for _ in doses_in(kind, name))]


def doses_in(kind: str, host: str) -> Iterator[Case]:
    """Yield the cases of a kind of fault in a host; none where it does not apply."""
    for dose in FAULTS[kind].doses if host in EVERY_DOSE_IN else FAULTS[kind].doses[-1:]:
        case = Case(kind, host, dose)
        if source(case) is not None:
            yield case


def healthy() -> Iterator[Case]:
    """Yield the healthy cases: hosts and hard negatives, of several seeds."""
    for seed in range(HEALTHY_SEEDS):
        for program in (*HOSTS, *HARD_NEGATIVES):
            yield Case(HEALTHY, program, seed=seed)


def chosen(only: Collection[str] = (), part: tuple[int, int] = (1, 1)) -> list[Case]:
    """Return a part of the cases: the healthy first, then the faulty mixed, so that any beginning is a fair sample.

    Args:
        only: kinds, `healthy`, `faulty`, and programs; a case must be of one of the kinds, if there are any, and of one
            of the programs.
        part: (number from 1, of how many).
    """
    kinds = {name for name in only if name in FAULTS or name == HEALTHY} | (set(FAULTS) if "faulty" in only else set())
    programs = set(only) - kinds - {"faulty"}
    cases = [
        one
        for one in (*healthy(), *sorted(faulty(), key=lambda case: zlib.crc32(case.name.encode())))
        if (not kinds or one.kind in kinds) and (not programs or one.program in programs)
    ]
    number, parts = part
    return cases[number - 1 :: parts]
