"""The benchmark of the doctor plants what it says, and counts right."""

import ast
import math
from pathlib import Path

import pytest

from benchmarks.doctor import hurting, running
from benchmarks.doctor.cases import HEALTHY, Case, chosen, doses_in, faulty, source
from benchmarks.doctor.cures import Cure, in_turn, without_remedy
from benchmarks.doctor.cures import summary as cures_summary
from benchmarks.doctor.faults.catalog import FAULTS
from benchmarks.doctor.faults.edits import after, delete, replace, scaled
from benchmarks.doctor.hurting import Hurt, counts, sign_flip_p
from benchmarks.doctor.own_scripts import SCRIPTS, WANTED, both, roots
from benchmarks.doctor.programs import HOSTS, trained
from benchmarks.doctor.scoring import Judgment, share, shares, summary
from hasten.base.records.fix import Fix, Outcome, Tried
from hasten.diagnosis.registry import HEALTH
from hasten.pipeline.fixing import PAIRS, Subject


def test_five_worse_pairs_are_the_least_that_shows_a_fault() -> None:
    assert sign_flip_p([1.0, 2.0, 0.5, 1.0, 3.0]) == 1 / 32
    assert sign_flip_p([1.0, 2.0, -0.1, 1.0, 3.0]) == 2 / 32
    assert sign_flip_p([0.0] * 5) == 1.0
    assert sign_flip_p([math.inf] * 5) == 1 / 32


def test_an_edit_changes_its_place_only_and_says_where_it_has_none() -> None:
    text = "    loss.backward()\n    optimizer.step()\n"
    assert delete(r"optimizer\.step\(\)")(text, 1) == "    loss.backward()\n"
    assert (
        after(r"loss\.backward\(\)", "a()\nb()")(text, 1)
        == "    loss.backward()\n    a()\n    b()\n    optimizer.step()\n"
    )
    assert scaled(r"lr=([\d.]+)")("SGD(p, lr=0.5)", 10) == "SGD(p, lr=5.0)"
    assert replace("loss", "loss / DOSE")("loss", 4) == "loss / 4"
    assert delete("scheduler")(text, 1) is None


@pytest.mark.parametrize("host", sorted(HOSTS))
def test_every_fault_makes_another_program_that_python_reads(host: str) -> None:
    cases = [case for kind in FAULTS for case in doses_in(kind, host)]
    assert len(cases) > 30
    for case in cases:
        made = source(case)
        assert made is not None
        assert made != HOSTS[host].source, case.name
        if case.dose == FAULTS[case.kind].doses[-1]:
            ast.parse(made)


def test_every_fault_applies_to_a_host_and_names_its_root() -> None:
    assert {case.kind for case in faulty()} == set(FAULTS)
    assert all(fault.root and fault.doses for fault in FAULTS.values())


def test_the_parts_are_the_whole_once() -> None:
    parts = [case for number in (1, 2, 3) for case in chosen(part=(number, 3))]
    assert sorted(case.name for case in parts) == sorted(case.name for case in chosen())
    assert len({case.name for case in parts}) == len(parts)


def test_half_of_the_programs_of_each_family_is_held_out() -> None:
    for family in {host.family for host in HOSTS.values()}:
        assert {host.seen for host in HOSTS.values() if host.family == family} == {True, False}


SHUFFLED = Case("targets_shuffled", "mlp_digits")


def judgment(*named: str, case: Case = SHUFFLED, counts: bool | None = True) -> Judgment:
    return Judgment(case, named, counts)


def test_a_consequence_is_neither_right_nor_wrong() -> None:
    found = judgment("targets_shuffled", "plateau", "dead_units")
    assert (found.found, found.first, found.wrong) == (True, True, ("dead_units",))
    only_consequence = judgment("plateau")
    assert (only_consequence.found, only_consequence.wrong) == (False, ())
    assert shares([found, only_consequence])["precision"]["n"] == 2


def test_everything_named_in_a_healthy_run_is_a_false_alarm() -> None:
    told = shares(
        [judgment("plateau", case=Case(HEALTHY, "mlp_digits")), judgment(case=Case(HEALTHY, "mlp_digits", seed=1))]
    )
    assert (told["false_alarms"]["right"], told["false_alarms"]["n"]) == (1, 2)
    assert told["precision"]["n"] == 1


def test_a_fault_that_does_not_hurt_is_not_counted() -> None:
    told = summary([judgment(counts=True), judgment(counts=False), judgment(counts=None)])
    assert (told["faulty_runs"], told["harmless_runs"], told["not_known_to_hurt"]) == (1, 1, 1)


def test_an_interval_is_exact() -> None:
    assert share(59, 59)["clopper_pearson"] == [0.9394, 1.0]
    assert share(0, 0) == {"right": 0, "n": 0}


TINY = """
import torch

def main(seed=0):
    torch.manual_seed(seed)
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        model(torch.randn(4, 2)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    return QUALITY
"""


def test_a_kept_run_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "source", lambda case: TINY.replace("QUALITY", "0.5"))
    case = Case(HEALTHY, "mlp_digits")
    assert running.kept(case, tmp_path) is None
    made = running.run(case, tmp_path)
    found = running.kept(case, tmp_path)
    assert found is not None
    assert (found.quality, found.case) == (0.5, case)
    health = running.health_of(found)
    assert health is not None
    assert health == running.health_of(made)
    assert health.steps == 3


def test_a_program_that_fails_is_kept_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "source", lambda case: TINY.replace("QUALITY", "1 / 0"))
    made = running.run(SHUFFLED, tmp_path)
    assert made.quality is None
    assert "ZeroDivisionError" in made.error
    assert running.health_of(made) is not None


def test_a_quality_that_is_not_finite_is_the_worst(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("def main(seed=0):\n    return float('nan')\n")
    assert trained(program, 0) == -math.inf


def cure_of(*tried: tuple[str, Outcome], better: int = PAIRS, named: str = "inputs_unscaled") -> Cure:
    made = tuple(Tried(symptom=named, remedy=name, what="", outcome=outcome) for name, outcome in tried)
    fixed = tuple(1.0 if pair < better else 3.0 for pair in range(PAIRS))
    return Cure(
        digest=0, named=(named,), remedies=(), fix=Fix(tried=made), faulty=(2.0,) * PAIRS, fixed=fixed, gone=True
    )


def test_only_the_first_remedy_that_could_be_tried_on_a_curable_fault_counts() -> None:
    kinds = ("inputs_unscaled", "dead_units", "double_softmax", "learning_rate_large", "deep_sigmoids")
    told = cures_summary(
        dict(
            zip(
                [Case(kind, "mlp_digits") for kind in kinds],
                [
                    cure_of(("a", Outcome.NOT_TRIED), ("b", Outcome.CURES)),
                    cure_of(("a", Outcome.HELPS), ("b", Outcome.CURES)),
                    cure_of(("a", Outcome.NOT_TRIED)),  # the line to change
                    cure_of(("a", Outcome.CURES), better=4),  # the program without the fault is not better
                    cure_of(("a", Outcome.NO_HELP)),
                ],
                strict=True,
            )
        )
    )
    first, some = told["first_remedy_cures"], told["some_remedy_cures"]
    assert (first["right"], some["right"], first["n"]) == (1, 2, 3)
    assert told["the_line_to_change"]["faults"] == 1


def test_faults_that_were_looked_at_while_mending_are_counted_apart() -> None:
    seen, fresh = Case("inputs_unscaled", "mlp_digits"), Case("dead_units", "mlp_digits")
    told = cures_summary({seen: cure_of(("a", Outcome.CURES)), fresh: cure_of(("a", Outcome.NO_HELP))}, {seen})
    assert told["seen_while_mending"]["first_remedy_cures"]["share"] == 1.0
    assert told["fresh"]["first_remedy_cures"]["share"] == 0.0
    assert told["faults_told"][seen.name]["seen_while_mending"]
    assert not told["faults_told"][fresh.name]["seen_while_mending"]


def test_a_seed_draws_one_of_each_kind_before_a_second() -> None:
    cases = list(faulty())
    drawn = in_turn(cases)
    kinds = len({case.kind for case in cases})
    assert len({case.kind for case in drawn[:kinds]}) == kinds
    assert sorted(drawn, key=repr) == sorted(cases, key=repr)
    assert in_turn(cases[::-1]) == drawn


@pytest.mark.parametrize("program", ["tabular_friedman", "tabular_cancer"])
def test_a_frozen_layer_that_decays_is_compared_with_one_that_is_left_alone(program: str) -> None:
    case = Case("frozen_layer_decays", program)
    wrong, right = source(case), source(case.without_fault)
    assert wrong is not None
    assert right is not None
    left_alone = "model.first.weight.grad = None"
    assert [line for line in right.splitlines() if left_alone not in line] == wrong.splitlines()
    assert left_alone in right
    assert Case("double_softmax", "mlp_digits").without_fault == Case(HEALTHY, "mlp_digits")


def test_trainings_without_a_remedy_are_kept(tmp_path: Path) -> None:
    case, made = Case(HEALTHY, "mlp_digits"), list[int]()

    def run(pair: int, remedy: str, whole: bool) -> str:
        made.append(pair)
        return f"pair {pair}"

    told = [without_remedy(case, tmp_path, Subject(run)) for _ in range(2)]
    assert told[0] == told[1] == [f"pair {pair}" for pair in range(1, PAIRS + 1)]
    assert made == [*range(1, PAIRS + 1)]


def test_marks_make_two_scripts_of_one() -> None:
    text = "#= gradients_not_cleared, other\nstart()\nclear()  #@\nrate(1)  #@ rate(2)\n    #+ extra()\n"
    assert both(text) == ("start()\nclear()\nrate(1)\n", "start()\nrate(2)\n    extra()\n")
    assert roots(text) == ("gradients_not_cleared", "other")


def test_every_script_has_a_fault_that_is_named() -> None:
    known = set(HEALTH.values()) | WANTED
    for script in SCRIPTS.glob("*.py"):
        text = script.read_text()
        fixed, faulty = both(text)
        assert fixed != faulty, script
        assert not {"#@", "#+"} & set((fixed + faulty).split()), script
        ast.parse(fixed, script.name)
        ast.parse(faulty, script.name)
        assert set(roots(text)) <= known, script


def test_pairs_that_are_recorded_are_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("learning_rate_large", "mlp_digits", 1000.0)
    pairs = Hurt(digests=hurting._digests(case), fixed=(1.0,) * 5, faulty=(0.0,) * 5, p=1 / 32)
    monkeypatch.setattr(hurting, "_recorded", lambda: {hurting._name(case): pairs})
    assert counts(case, tmp_path) is True
    monkeypatch.setattr(hurting, "_recorded", lambda: {hurting._name(case): Hurt((0, 0), (), (), 1.0)})
    assert counts(case, tmp_path) is None  # of another text of the programs
