"""A finding of the doctor in the parts that the page shows: name, expected, found, why, what to do, and its proof."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from hasten.base.records.finding import Diagnosis, Finding
from hasten.base.records.fix import Fix, Outcome
from hasten.base.units import digits3
from hasten.diagnosis.pages import page
from hasten.diagnosis.registry import IDENTIFIERS
from hasten.report.findings import gain
from hasten.report.tried import tried_words
from hasten.report.wording import joined

_SEEN_IN = {
    "depth": ("vanishing_gradient exploding_gradient dead_units saturated poor_init overflow_risk adam_eps_bound"),
    "updates": "update_too_large update_too_small layer_imbalance weight_growth parameter_unchanged frozen_changed",
    "direction": "direction_zigzag direction_consistent edge_of_stability noise_dominated slow_convergence",
    "loss": (
        "nonfinite diverging loss_spikes loss_oscillates not_learning plateau overfit clip_dominated scaler_skips "
        "initial_loss_off gradient_scale schedule_mismatch"
    ),
}
"""Section of the page -> symptoms whose signal it shows."""
_LARGE = 1e6  # whole numbers below it are shown as they are
SECTION_OF = {symptom: section for section, symptoms in _SEEN_IN.items() for symptom in symptoms.split()}


@dataclass(frozen=True)
class FindingView:
    """One finding as text; what is empty is left out."""

    finding: Finding
    title: str  # what it means, in a few words
    expected: str
    found: str
    why: str
    to_do: str
    proof: str  # "proven by": what the paired trainings of a remedy showed
    not_tried: str  # why there is no proof
    failed: tuple[str, ...]  # what other remedies showed
    change: str  # of the person's file
    section: str  # of the page, that shows the signal
    rule: Mapping[str, str]  # heading -> text of the page of the rule


def finding_views(diagnosis: Diagnosis, *, command: str) -> list[FindingView]:
    """Return each finding as text.

    Args:
        diagnosis: with what trying the remedies showed, where they were tried.
        command: that diagnoses the training again; empty where there is none.
    """
    return [_view(one, diagnosis.fix, command) for one in diagnosis.findings]


def _view(finding: Finding, fix: Fix | None, command: str) -> FindingView:
    rule = page(finding.symptom) if finding.symptom in IDENTIFIERS else None
    sections = rule.sections if rule is not None else {}
    tried = [one for one in fix.tried if one.symptom == finding.symptom] if fix is not None else []
    proof = next((one for best in (Outcome.CURES, Outcome.HELPS) for one in tried if one.outcome is best), None)
    return FindingView(
        finding=finding,
        title=rule.title if rule is not None else "",
        expected=_expected(finding),
        found=f"{finding.sentence}{gain(finding)}",
        why=_sentence(sections.get("Why", "")),
        to_do=_to_do(finding),
        proof=tried_words(proof) if proof is not None else "",
        not_tried=_why_not(finding, fix, command) if not tried else "",
        failed=tuple(f"{one.outcome.value}: {tried_words(one)}" for one in tried if one is not proof),
        change=(proof.diff or proof.line) if proof is not None else "",
        section=SECTION_OF.get(finding.symptom, ""),
        rule={
            heading: sections[heading]
            for heading in ("Signal", "Threshold", "Example", "Wrong when", "Source")
            if heading in sections
        },
    )


def _expected(finding: Finding) -> str:
    """Return the value that a healthy training has, from the side of the threshold on which the finding is not."""
    value, threshold = finding.value, finding.threshold
    if not math.isfinite(threshold) or value == threshold:
        return ""
    side = "at least" if value < threshold else "at most"
    return f"{side} {_number(threshold)} (found: {_number(value)})"


def _number(value: float) -> str:
    whole = math.isfinite(value) and value == int(value) and abs(value) < _LARGE
    return f"{int(value):,}" if whole else digits3(value)


def _to_do(finding: Finding) -> str:
    """Return what to do; the advice stays as it is, since it may be a line of code."""
    if not finding.techniques:
        return finding.advice
    return f"try {joined(list(finding.techniques))}{f'; {finding.advice}' if finding.advice else ''}"


def _why_not(finding: Finding, fix: Fix | None, command: str) -> str:
    if fix is None:
        more = command.replace("hasten diagnose", "hasten diagnose --fix", 1)
        return f"remedies are tried on request: {more or 'hasten diagnose --fix with a script or a task'}"
    if finding.symptom in fix.not_tried:
        return "only a change of the code can treat it"
    return "the first findings are treated first; diagnose again when they are fixed"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}" if text else ""
