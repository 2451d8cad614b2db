"""A profile in depth with its diagnosis, and the techniques that are named for each finding."""

from pathlib import Path

import msgspec
import pytest

import hasten
from hasten.base.records.finding import Finding, Severity
from hasten.base.records.notices import Activity
from hasten.base.records.profile import Profile
from hasten.base.records.record import load, save
from hasten.base.stages import Guarantee
from hasten.diagnosis.registry import RULES
from hasten.machine.facts import facts
from hasten.pipeline.examining import examine, usable_cards, with_remedies
from hasten.techniques.registry import techniques
from hasten.training.recipe import baseline

from tiny_tasks import mlp_task


def test_a_profile_is_judged_by_every_rule(tmp_path: Path) -> None:
    found = examine(baseline(mlp_task()), facts(), plan=("sdpa",), budget_s=1.5, trace=tmp_path / "trace.json")
    said = found.diagnosis
    assert said is not None
    told = {one.symptom for one in said.findings} | {one.symptom for one in said.abstained} | set(said.silent)
    assert told == set(RULES)
    assert found.verdict == said.verdict
    assert found.plan == ("sdpa",)
    assert found.growth or any(one.startswith("growth over batch size") for one in found.remarks)  # a busy machine
    assert found.ablations
    assert (tmp_path / "trace.json").exists()
    save(found, tmp_path / "profile.json")
    assert load(Profile, tmp_path / "profile.json") == found


def test_usable_techniques_change_least_first_and_do_not_refuse() -> None:
    recipe, machine = baseline(mlp_task()), facts()
    usable = usable_cards(recipe, machine, against=RULES, without=("batched_gather",))
    names = [card.name for card in usable]
    assert "batched_gather" not in names
    assert "batched_gather" in [card.name for card in usable_cards(recipe, machine, against=RULES, without=())]
    assert "tf32" not in names  # there is no GPU in this recipe
    order = [list(Guarantee).index(card.guarantee) for card in usable]
    assert order == sorted(order)


def test_a_finding_names_what_treats_it() -> None:
    finding = Finding(symptom="input_bound", severity=Severity.NOTE, sentence="s", value=1.0, threshold=0.5, bound=None)
    cards = [techniques()[name].card for name in ("onednn_fp32", "resident", "batched_gather")]
    expected = tuple(card.name for card in cards if "input_bound" in card.treats)
    assert expected
    assert with_remedies(finding, cards).techniques == expected
    assert with_remedies(msgspec.structs.replace(finding, symptom="nobody_treats_it"), cards).techniques == ()


@pytest.mark.slow
def test_the_verb_shows_the_machine_and_the_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shown: list[object] = []
    found = hasten.profile(mlp_task(), trace=tmp_path / "trace.json", show=shown.append)
    assert [type(one).__name__ for one in shown] == ["Machine", "Activity", "Profile"]
    assert isinstance(shown[1], Activity)
    assert shown[2] is found
    assert found.diagnosis is not None
