"""The proof of a plan that is faster: the gate of its guarantee, and which of its techniques break it."""

from collections.abc import Mapping, Sequence

import msgspec

from hasten.base.records.trial import Gate, Trial, Verdict
from hasten.base.units import seconds
from hasten.techniques.applying import knobs_of
from hasten.training.technique import Technique
from hasten.tuning.budget import now_s
from hasten.tuning.context import Laboratory, Plan, least_confirmation_s, proof_s, recipe_with
from hasten.tuning.gates import judge, loosest
from hasten.tuning.reference_step import NoReference
from hasten.tuning.search.search import USUAL_PROOF
from hasten.tuning.trials import blank, names, told


def unproven(
    lab: Laboratory, plan: Sequence[Technique], gains: Mapping[Technique, str], company: Mapping[Technique, Plan]
) -> tuple[dict[Technique, Trial], Trial | None]:
    """Return the trials of techniques that cannot be kept, since a gate does not pass, or else the plan's own trial.

    The plan is tried as a whole first. If it fails, those beyond the largest plan that is proven are to blame: the
    one, or those that fail without the others, or else the last one.

    Args:
        lab: where the gates are asked.
        plan: techniques that are faster together, the most useful first.
        gains: technique -> what it gains, in words.
        company: technique -> what it needs.
    """
    shown = next((one for one in plan if one.card.name in lab.accept), plan[-1])
    whole = _asked(lab, tuple(plan), shown, gains)
    if whole.verdict is Verdict.KEPT:
        return {}, whole
    trusted = max((one for one in lab.proven if one < frozenset(plan)), key=len, default=frozenset[Technique]())
    suspects = [one for one in plan if one not in trusted]
    if len(suspects) == 1 or (trusted and whole.verdict is Verdict.INCONCLUSIVE):
        return {one: _of(one, whole, plan) for one in suspects}, None
    alone = {one: _asked(lab, (*(c for c in company[one] if c != one), one), one, gains) for one in suspects}
    broken = {one: trial for one, trial in alone.items() if trial.verdict is not Verdict.KEPT}
    return broken or {suspects[-1]: _of(suspects[-1], whole, plan)}, None


def _of(one: Technique, whole: Trial, plan: Sequence[Technique]) -> Trial:
    """Return the trial of a whole plan as that of the technique that is to blame."""
    base = names(tuple(other for other in plan if other != one))
    guarantee, knobs = one.card.guarantee, knobs_of(one)
    return msgspec.structs.replace(whole, technique=one.card.name, guarantee=guarantee, knobs=knobs, base=base)


def _asked(lab: Laboratory, plan: Plan, one: Technique, gains: Mapping[Technique, str]) -> Trial:
    base = tuple(other for other in plan if other != one)
    faster = blank(one, Verdict.KEPT, gains[one], base)
    if frozenset(plan) in lab.proven:
        return msgspec.structs.replace(faster, gate=lab.proven[frozenset(plan)])
    until_s = lab.budget.hard_stop_s - least_confirmation_s(lab, plan)
    return told(one, base, lambda: proven(lab, plan, faster), until_s=until_s)


def proven(lab: Laboratory, plan: Plan, trial: Trial) -> Trial:
    """Return the trial of a faster plan with its gate: kept if the plan keeps its guarantee.

    Techniques that were accepted are kept without that proof; the rest of the plan is proven without them.
    """
    accepted = tuple(one for one in plan if one.card.name in lab.accept)
    checked = _gated(lab, plan, trial)
    if checked.verdict is Verdict.KEPT or not accepted:
        return checked
    rest = tuple(one for one in plan if one not in accepted)
    alone = _gated(lab, rest, trial) if rest and frozenset(rest) not in lab.proven else trial
    if alone.verdict is not Verdict.KEPT:
        return alone
    lab.proven[frozenset(plan)] = None
    if trial.technique not in names(accepted):
        return alone
    why = f"{trial.reason}; accepted without proof: {checked.gate.detail if checked.gate else checked.reason}"
    return msgspec.structs.replace(trial, reason=why, gate=checked.gate, accepted=True)


def _gated(lab: Laboratory, plan: Plan, trial: Trial) -> Trial:
    guarantee = loosest(one.card.guarantee for one in plan)
    assert guarantee is not None, "techniques that no gate can prove are judged by whole trainings"
    cost_s = proof_s(lab, guarantee)
    if not lab.budget.holds(USUAL_PROOF * cost_s + least_confirmation_s(lab, plan)):
        why = f"budget: likely faster ({trial.reason}), but its proof needs about {seconds(cost_s)}"
        return msgspec.structs.replace(trial, verdict=Verdict.INCONCLUSIVE, reason=why)
    began = now_s()
    try:
        gate = judge(recipe_with(lab, plan), guarantee, lab.reference)
        lab.gate_s[guarantee] = max(now_s() - began, lab.gate_s.get(guarantee, 0.0))
    except NoReference as error:
        why = f"faster ({trial.reason}), but {error}"
        return msgspec.structs.replace(trial, verdict=Verdict.INCONCLUSIVE, reason=why)
    if gate.passed:
        lab.proven[frozenset(plan)] = gate
        return msgspec.structs.replace(trial, gate=gate)
    return broken(trial, gate)


def broken(trial: Trial, gate: Gate) -> Trial:
    """Return the trial of a plan that is faster but does not keep its guarantee."""
    why = f"faster ({trial.reason}), but not {gate.guarantee}: {gate.detail}"
    return msgspec.structs.replace(trial, verdict=Verdict.INACCURATE, reason=why, gate=gate)
