"""W21: backward passes without updates.

Signal: backward passes and steps of all optimizers; optimizers whose tensors get gradients and that never step;
    attempts of a `GradScaler` that led to no update.
Threshold: none: 5 backward passes without any update, or none of an optimizer by the end of the training.
Why: without `step()` nothing learns, however good the gradients are.
Example: `loss.backward()` without `optimizer.step()`, or a GAN of which one optimizer is never stepped.
Wrong when: an optimizer begins to step later than the training was watched.
Source: NeuraLint (no main loop); TrainCheck (Jiang et al. 2025, arXiv 2506.14813).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import plural
from hasten.diagnosis.rule import Outcome

_FEW = 5
_STARVED = 3


def find(health: Health) -> Outcome:
    """Fire where gradients are computed and no update is made."""
    wiring = health.wiring
    if wiring is None or wiring.optimizers is None:
        return Abstained(symptom="update_missing", reason="no backward pass was seen")
    skipped = next((one for one in wiring.optimizers if one.attempts >= _FEW and not one.updates), None)
    if skipped is not None:
        return _finding(
            health,
            f"The scaler skipped all {skipped.attempts} updates of {skipped.name}: gradients are never finite.",
            "torch.amp.GradScaler(init_scale=2.0**10)  # or bfloat16, which needs no scaler",
            skipped.name,
            ("nonfinite", "scaler_skips", "not_learning", "overflow_risk"),
        )
    if not wiring.updates:
        if wiring.by_hand:
            return Abstained(symptom="update_missing", reason="parameters are updated without an optimizer of torch")
        if wiring.backwards < _FEW:
            return None
        return _finding(
            health,
            f"{plural(wiring.backwards, 'backward pass')}, but no optimizer made an update.".replace("passs", "passes"),
            "optimizer.step()  # after loss.backward()",
            "",
            (
                "not_learning",
                "plateau",
                "parameter_unchanged",
                "schedule_wrong",
                "gradients_not_cleared",
                "gradients_discarded",
            ),
        )
    idle = [one for one in wiring.optimizers if not one.updates and not one.replaced and one.starved >= _STARVED]
    if not idle or not health.complete:
        return None
    return _finding(
        health,
        f"{idle[0].name} never made an update of its {plural(idle[0].tensors, 'tensor')}, "
        f"though the losses reach them.",
        "optimizer.step()  # of this optimizer, too",
        idle[0].name,
        ("not_learning", "parameter_unchanged"),
    )


def _finding(health: Health, sentence: str, advice: str, where: str, explains: tuple[str, ...]) -> Finding:
    return Finding(
        symptom="update_missing",
        severity=Severity.CRITICAL,
        sentence=sentence,
        value=0,
        threshold=1,
        bound=None,
        where=where,
        advice=advice,
        check=health.command,
        explains=explains,
    )
