"""Does the first remedy cure? `--fix` on the planted faults, and how often the remedy tried first cures.

python -m benchmarks.doctor.cures --room DIR [--part 1/4] [--only double_softmax,mlp_digits] [--sample | --fresh 46]
python -m benchmarks.doctor.cures --room DIR --score

Faults are diagnosed from kept runs (`python -m benchmarks.doctor run`). Remedies of the finding told first are tried as
`hasten diagnose --fix` tries them: five pairs of trainings from the same seeds, and the finding is looked for again.
The trainings are made in this process; `--processes` makes them as `--fix` does for a script. Beside them the program
without the fault is trained from the same five seeds: where it is not better than the faulty one in all five, nothing
can be shown to cure the fault. Where no remedy can be tried, that program is the line to change.
"""

import argparse
import math
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from benchmarks.doctor.cases import Case, chosen, digest
from benchmarks.doctor.faults.catalog import FAULTS
from benchmarks.doctor.hurting import counts
from benchmarks.doctor.keeping import keep, kept_at
from benchmarks.doctor.programs import trained
from benchmarks.doctor.running import Run, health_of, kept, run, written
from benchmarks.doctor.scoring import share
from benchmarks.recording import record
from hasten.base.errors import BadInput
from hasten.base.files import write_atomically
from hasten.base.records.finding import Diagnosis
from hasten.base.records.fix import Fix, Outcome
from hasten.base.records.health import Health
from hasten.base.records.record import Record
from hasten.diagnosis.remedies.catalog import REMEDIES, remedies_of
from hasten.diagnosis.remedies.remedied_watch import RemediedWatch
from hasten.diagnosis.remedies.trial_watch import TrialWatch
from hasten.pipeline.diagnosing import judged_quietly
from hasten.pipeline.fixing import PAIRS, Subject, better, fix, of_script, quality

QUICKEST = ("mlp_spirals", "tabular_cancer", "tabular_friedman", "autoencoder_digits", "mlp_digits")
"""Programs that a sample of one run for each kind takes first."""
LOOKED_AT = ("head_learns_much_faster-rnn_signal-3000-0", "head_learns_much_faster-transformer_order-3000-0")
"""Cases that the seed drew, but that remedies were mended by as well."""
SEED = 1
"""Of the order in which faults are taken."""


class Cure(Record, frozen=True):
    """What `--fix` showed of one fault."""

    digest: int  # of the program
    named: tuple[str, ...]  # symptoms of the findings, in order
    remedies: tuple[str, ...]  # against the first one, as the catalog had them
    fix: Fix
    faulty: tuple[float | None, ...]  # loss of each pair, faulty and without the fault; None where it is not finite
    fixed: tuple[float | None, ...]
    gone: bool  # whether the finding is not there without the fault

    @property
    def tried(self) -> list[tuple[str, Outcome]]:
        """The remedies that could be tried, in order, with what the pairs say."""
        return [(one.remedy, one.outcome) for one in self.fix.tried if one.outcome is not Outcome.NOT_TRIED]

    @property
    def curable(self) -> bool:
        """Whether the program without the fault is better in all pairs."""
        pairs = [(_wide(bad), _wide(good)) for bad, good in zip(self.faulty, self.fixed, strict=True)]
        return len(pairs) == PAIRS and all(better(good, bad) for bad, good in pairs)


def subject(program: Path) -> Subject:
    """Return a program as a subject that is trained in this process."""

    def trained_once(pair: int, remedy: str, whole: bool) -> Health | str:
        watch = (RemediedWatch if whole else TrialWatch)(name=program.stem, pair=pair, remedy=remedy)
        why = ""
        try:
            with watch:
                trained(program, 0)
        except Exception:  # noqa: BLE001  (a faulty program may fail; what was seen before counts)
            why = traceback.format_exc()
        try:
            return watch.seen()
        except BadInput as none_seen:
            return why or str(none_seen)

    return Subject(trained_once)


def cure(case: Case, room: Path, *, processes: bool = False) -> Cure:
    """Try the remedies of the first finding on a fault, and keep what they show."""
    said = _diagnosis(kept(case, room) or run(case, room))
    named = tuple(one.symptom for one in said.findings)
    program = written(case, room)
    of_fault = of_script(program, (), steps=None) if processes else subject(program)
    measured = [REMEDIES[one].measured_by for one in _remedies(said) if one in REMEDIES]
    shown = next(iter(measured), "")  # a loss that both sides have
    faulty = without_remedy(case, room, of_fault, shown)
    evaluated = (
        isinstance(faulty[0], Health) and faulty[0].dynamics is not None and bool(faulty[0].dynamics.evaluations)
    )

    def once(pair: int, remedy: str, whole: bool) -> Health | str:
        kept_one = remedy == shown and pair <= PAIRS
        return faulty[pair - 1] if kept_one else of_fault.run(pair, remedy, whole)

    plain = case.without_fault
    found = Cure(
        digest=digest(case),
        named=named,
        remedies=_remedies(said),
        fix=fix(Subject(once), msgspec.structs.replace(said, findings=said.findings[:1]), show=lambda told: None),
        faulty=tuple(_loss(one, evaluated) for one in faulty),
        fixed=tuple(_loss(one, evaluated) for one in without_remedy(plain, room, subject(written(plain, room)))),
        gone=bool(named)
        and named[0] not in {one.symptom for one in _diagnosis(kept(plain, room) or run(plain, room)).findings},
    )
    keep(found, _path(case, room))
    return found


def without_remedy(case: Case, room: Path, trained_as: Subject, shown: str = "") -> list[Health | str]:
    """Return the trainings of a program without a remedy, one for each pair, from kept ones where there are.

    Args:
        case: whose program is trained.
        room: that keeps them.
        trained_as: the subject that trains it.
        shown: remedy that only shows another loss.
    """
    path = room / "pairs" / f"{case.name}-{shown or 'plain'}-{digest(case)}.msgpack"
    if path.exists():
        return msgspec.msgpack.decode(path.read_bytes(), type=list[Health | str])
    made = [trained_as.run(pair, shown, False) for pair in range(1, PAIRS + 1)]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(msgspec.msgpack.encode(made)))
    return made


def kept_cure(case: Case, room: Path) -> Cure | None:
    """Return what is kept of a fault; None where its program, its first finding or the remedies are others now."""
    found = kept_at(_path(case, room), Cure)
    if found is None or found.digest != digest(case):
        return None
    said = None if (ran := kept(case, room)) is None else _diagnosis(ran)
    if said is None or tuple(one.symptom for one in said.findings[:1]) != found.named[:1]:
        return None
    return found if found.remedies == _remedies(said) else None


def _diagnosis(ran: Run) -> Diagnosis:
    """Return what today's rules say of a kept run; nothing where the doctor saw no step."""
    health = health_of(ran)
    return Diagnosis(verdict="", findings=()) if health is None else judged_quietly(health)


def _remedies(said: Diagnosis) -> tuple[str, ...]:
    return remedies_of(said.findings[0]) if said.findings else ()


def _loss(ran: Health | str, evaluated: bool) -> float | None:
    found = math.inf if isinstance(ran, str) else quality(ran, evaluated=evaluated)
    return found if math.isfinite(found) else None


def _wide(loss: float | None) -> float:
    return math.inf if loss is None else loss


def _path(case: Case, room: Path) -> Path:
    return room / "cures" / f"{case.name}.json"


def summary(cures: dict[Case, Cure], seen: Collection[Case] = ()) -> dict[str, Any]:
    """Return how often the first remedy cures, and what was shown of each fault.

    Args:
        cures: of the faults.
        seen: faults whose trials were looked at while remedies were mended; all others are fresh.
    """
    by_hand = {case: one for case, one in cures.items() if not one.tried}
    curable = {case: one for case, one in cures.items() if one.tried and one.curable}
    return {
        "faults": len(cures),
        "kinds": len({case.kind for case in cures}),
        "root_named_first": sum(_root_first(case, one) for case, one in cures.items()),
        "a_remedy_was_tried": len(cures) - len(by_hand),
        **_shares(cures),
        "first_remedy_cures_where_the_root_is_named_first": _shares(
            {case: one for case, one in cures.items() if _root_first(case, one)}
        )["first_remedy_cures"],
        "seen_while_mending": _shares({case: one for case, one in cures.items() if case in seen}),
        "fresh": _shares({case: one for case, one in cures.items() if case not in seen}),
        "the_line_to_change": {
            "faults": len(by_hand),
            "better_in_all_pairs_and_finding_gone": sum(one.curable and one.gone for one in by_hand.values()),
            "finding_gone": sum(one.gone for one in by_hand.values()),
        },
        "by_kind": {
            kind: {
                "first_remedy_cures": sum(_first(one) for case, one in curable.items() if case.kind == kind),
                "curable": sum(case.kind == kind for case in curable),
                "remedies": Counter(one.tried[0][0] for case, one in curable.items() if case.kind == kind),
            }
            for kind in sorted({case.kind for case in curable})
        },
        "faults_told": {
            case.name: _told(one) | {"seen_while_mending": case in seen}
            for case, one in sorted(cures.items(), key=lambda pair: pair[0].name)
        },
    }


def _shares(cures: dict[Case, Cure]) -> dict[str, Any]:
    """Return how many of the faults are curable, and of how many the first or any remedy cures."""
    curable = {case: one for case, one in cures.items() if one.tried and one.curable}
    some = sum(any(outcome is Outcome.CURES for _, outcome in one.tried) for one in curable.values())
    return {
        "curable": len(curable),
        "kinds_curable": len({case.kind for case in curable}),
        "first_remedy_cures": share(sum(map(_first, curable.values())), len(curable)),
        "some_remedy_cures": share(some, len(curable)),
    }


def _first(one: Cure) -> bool:
    return one.tried[0][1] is Outcome.CURES


def _root_first(case: Case, one: Cure) -> bool:
    return bool(one.named) and one.named[0] in FAULTS[case.kind].root


def _told(one: Cure) -> dict[str, Any]:
    return {
        "named": one.named[:1],
        "judged_by": one.fix.judged_by,
        "curable": one.curable,
        "tried": [
            {
                "remedy": each.remedy,
                "outcome": each.outcome,
                "ratio": None if each.ratio is None else [each.ratio.value, each.ratio.low, each.ratio.high],
                "pairs": len(each.plain),
            }
            for each in one.fix.tried
        ],
    }


def in_turn(cases: Sequence[Case]) -> list[Case]:
    """Return cases in an order drawn by a seed, with one of each kind before a second of any."""
    drawn = sorted(cases, key=lambda case: zlib.crc32(f"{SEED} {case.name}".encode()))
    rounds: Counter[str] = Counter()
    rank: dict[Case, int] = {}
    for case in drawn:
        rank[case] = rounds[case.kind]
        rounds[case.kind] += 1
    return sorted(drawn, key=lambda case: rank[case])


def sample(cases: Sequence[Case]) -> list[Case]:
    """Return one case of each kind: the strongest dose in a quick program. Remedies were mended by what it showed."""

    def cost(case: Case) -> tuple[int, int]:
        quick = QUICKEST.index(case.program) if case.program in QUICKEST else len(QUICKEST)
        return quick, -FAULTS[case.kind].doses.index(case.dose)

    best: dict[str, Case] = {}
    for case in cases:
        if case.kind not in best or cost(case) < cost(best[case.kind]):
            best[case.kind] = case
    return list(best.values())


def main() -> None:
    """Try remedies of a part of the faults, and record what they show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--room", type=Path, required=True, help="folder that keeps the runs")
    parser.add_argument("--part", default="1/1", help="number of the part, and of how many")
    parser.add_argument("--only", default="", help="kinds of faults and programs, separated by commas")
    parser.add_argument("--sample", action="store_true", help="the runs that remedies were mended by: one of each kind")
    parser.add_argument("--fresh", type=int, help="so many runs that no sample has, one of each kind before a second")
    parser.add_argument("--processes", action="store_true", help="train in processes, as for a script")
    parser.add_argument("--score", action="store_true", help="train nothing; count and record what is kept")
    given = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    number, parts = (int(one) for one in given.part.split("/"))
    every = [one for one in chosen() if not one.healthy]
    of_part = set(chosen([one for one in given.only.split(",") if one], (number, parts)))
    seen = {*sample(every), *(one for one in every if one.name in LOOKED_AT)}
    cases = in_turn([one for one in every if one in of_part and _has_remedy(one, given.room)])
    if given.sample:
        cases = [one for one in cases if one in seen]
    elif given.fresh is not None:
        cases = in_turn([one for one in cases if one not in seen])[: given.fresh]
    made: dict[Case, Cure] = {}
    for place, case in enumerate(cases, 1):
        one = kept_cure(case, given.room)
        if one is None and not given.score:
            one = cure(case, given.room, processes=given.processes)
            said = ", ".join(f"{remedy} {outcome}" for remedy, outcome in one.tried) or "nothing tried"
            can = "curable" if one.curable else "not curable"
            print(f"{place}/{len(cases)} {case.name}  {can}  {one.named[0]}: {said}", flush=True)
        if one is not None:
            made[case] = one
    if given.score:
        found = summary(made, seen)
        for name in ("faults", "curable", "first_remedy_cures", "seen_while_mending", "fresh", "the_line_to_change"):
            print(name, found[name])
        for kind, told in found["by_kind"].items():
            print(f"  {kind:34} {told['first_remedy_cures']}/{told['curable']}  {dict(told['remedies'])}")
        print(record("doctor_cures", found))


def _has_remedy(case: Case, room: Path) -> bool:
    """Return whether a case counts and the first finding of its kept run has a remedy."""
    ran = kept(case, room)
    return ran is not None and bool(counts(case, room)) and bool(_remedies(_diagnosis(ran)))


if __name__ == "__main__":
    main()
