"""W46: a training is resumed without the state of its optimizer.

Signal: files that `torch.load` reads, and whether an optimizer and a scheduler load what they hold.
Threshold: the new optimizer trains as many tensors as the saved one, after a model loaded the weights of the file, and
begins at the learning rate that the saved one began with. Or: the optimizer loads a state, and its scheduler is not
past half of the file's steps when the training goes on, where the file holds 3 and more. A scheduler that is stepped
to its place before the next update is not meant.
Why: momentum and the second moments begin at 0 again, and a schedule begins anew: the loss jumps up, and the learning
rate is that of the start.
Example: `model.load_state_dict(checkpoint["model"])` without `optimizer.load_state_dict(checkpoint["optimizer"])` and
`scheduler.load_state_dict(checkpoint["scheduler"])`.
Wrong when: another training begins from these weights on purpose, at the same learning rate.
Source: torch's tutorial on saving and loading a general checkpoint.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where an optimizer begins anew beside its saved state."""
    wiring = health.wiring
    if wiring is None or not wiring.loadings:
        return Abstained(symptom="resumed_without_state", reason="no state dict was loaded")
    if (seen := wiring.resumed) is not None:
        return _found(
            f"A file with the state of {seen.name} was read for the weights only: the optimizer begins anew, at a "
            f"learning rate of {seen.rate:.3g} (saved: {seen.saved_rate:.3g}).",
            value=seen.rate,
            threshold=seen.saved_rate,
            where=seen.name,
            advice="optimizer.load_state_dict(checkpoint['optimizer']), and the same for the scheduler and the scaler",
            check=health.command,
        )
    if (schedule := wiring.restarted) is not None:
        return _found(
            f"The optimizer goes on from a file, but {schedule.name} begins anew: at step {schedule.step}, in the file "
            f"{schedule.saved_step}.",
            value=schedule.step,
            threshold=schedule.saved_step,
            where=schedule.name,
            advice="scheduler.load_state_dict(checkpoint['scheduler'])",
            check=health.command,
        )
    return None


def _found(sentence: str, *, value: float, threshold: float, where: str, advice: str, check: str) -> Finding:
    return Finding(
        symptom="resumed_without_state",
        severity=Severity.WARNING,
        sentence=sentence,
        value=value,
        threshold=threshold,
        bound=None,
        where=where,
        advice=advice,
        check=check,
        explains=(
            "optimizer_recreated",
            "schedule_wrong",
            "loss_spikes",
            "update_too_large",
            "diverging",
            "edge_of_stability",
            "loss_oscillates",
            "direction_zigzag",
            "plateau",
        ),
    )
