"""W47: the target of a value, which is made of the value of the next state, has a gradient.

Signal: differences in the graph of the first losses, one side of which is r + c f(x'), the other one f(x), where f is
the same network, called twice.
Threshold: none.
Why: the update changes the target, too: values are moved towards each other in place of the value towards its target.
Such residual gradients learn slowly, or something else.
Example: `target = reward + gamma * q(next_state).max(1).values` without `torch.no_grad()`.
Wrong when: residual gradients are meant.
Source: Baird 1995, Residual algorithms; Sutton and Barto 2018, section 11.5 (semi-gradients); Mnih et al. 2015.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where a gradient reaches the network through the target."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None:
        return Abstained(symptom="target_not_detached", reason="no graph of a loss was seen")
    if not seen.bootstraps:
        return None
    return Finding(
        symptom="target_not_detached",
        severity=Severity.WARNING,
        sentence="The target is made of the network's own value of another state, and has a gradient.",
        value=1,
        threshold=0,
        bound=None,
        advice="with torch.no_grad(): target = reward + gamma * value(next_state)",
        check=health.command,
        explains=("not_learning", "plateau", "slow_convergence", "loss_oscillates", "diverging", "direction_zigzag"),
    )
