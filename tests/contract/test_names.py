"""What the core knows of a technique is on its card, and what cards treat is what rules find."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import hasten
from hasten.base.stages import FREE
from hasten.diagnosis.registry import HEALTH, SYMPTOMS
from hasten.techniques.applying import make
from hasten.techniques.registry import BUILT_IN, own_techniques

ROOMS = ("tuning", "machine", "diagnosis", "pipeline", "report", "profiling")
TERMS = {
    **dict.fromkeys(("bf16", "fp16", "fp8", "tf32"), "a number format, measured and shown whether used or not"),
    "channels_last": "torch's name of the memory format",
    "batch_size": "a field of a task",
    "schedule": "a field of a task's update",
    "one_cycle": "a kind of schedule that a task may have",
}
"""Names of techniques that are terms of torch too, with what else they mean; the machine is measured in them."""
ALLOWED = (
    {("machine", name) for name in ("bf16", "fp16", "fp8", "tf32", "channels_last")}
    | {("pipeline", name) for name in ("batch_size", "schedule", "one_cycle")}
    | {("diagnosis", name) for name in ("tf32", "clip_value")}
)


def _named(source: str) -> Iterator[tuple[str, int]]:
    """Yield each name of a technique that a string is equal to, or that it shows in backticks, with its line."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for name in BUILT_IN:
                if node.value == name or f"`{name}`" in node.value:
                    yield name, node.lineno


@pytest.mark.parametrize("room", ROOMS)
def test_the_core_knows_no_technique_by_name(room: str) -> None:
    folder = Path(hasten.__file__).parent / room
    files = sorted(folder.rglob("*.py"))
    assert files
    found = [(file.name, line, name) for file in files for name, line in _named(file.read_text())]
    assert [one for one in found if (room, one[2]) not in ALLOWED] == []
    assert {name for there, name in ALLOWED if there == room} == {name for _, _, name in found}


def test_a_name_is_found_as_a_value_and_in_a_sentence() -> None:
    source = 'KNOWN = {"prefetch": 1}\nf"try `compile` at {rate}"\nword = "prefetching"'
    assert list(_named(source)) == [("prefetch", 1), ("compile", 2)]


def test_what_cards_treat_is_what_rules_find() -> None:
    treated = {symptom for kind in own_techniques() for symptom in kind.card.treats}
    assert treated <= {*SYMPTOMS, *HEALTH.values()}


@pytest.mark.parametrize("symptom", SYMPTOMS)
def test_a_symptom_is_treated_by_a_card_or_its_rule_says_why_not(symptom: str) -> None:
    treated = any(symptom in kind.card.treats for kind in own_techniques())
    reason = getattr(import_module(f"hasten.diagnosis.speed.{symptom}"), "UNTREATED", "")
    assert treated != bool(reason)


@pytest.mark.parametrize("name", BUILT_IN)
def test_what_tuning_tries_is_in_the_range_of_the_knobs(name: str) -> None:
    card = make(name).card
    assert card.search
    for knobs in card.search:
        make(name, knobs)


def test_what_protects_or_saves_memory_claims_no_time() -> None:
    """A free technique that treats only memory or safety must say so, or tuning would spend time on it."""
    others = {"near_memory_limit", "memory_hog", "exploding_gradient"}
    for kind in own_techniques():
        card = kind.card
        if card.treats and card.guarantee in FREE:
            assert card.saves_time == (not set(card.treats) <= others), card.name
