"""W47: the target of a value, which is made of the value of the next state, has a gradient.

Signal: differences in the graph of the first losses, one side of which is r + c f(x'), the other one f(x), where f is
the same network, called twice; beside a policy gradient also two steps of one output. In a policy gradient: products of
the log-probability of an action and a return less a value, both with a gradient, where one optimizer trains all.
Threshold: none; the products in 3 passes.
Why: the update changes the target, too: values are moved towards each other in place of the value towards its target.
Such residual gradients learn slowly, or something else. An advantage with a gradient lets the loss of the policy change
the value, too.
Example: `target = reward + gamma * q(next_state).max(1).values` without `torch.no_grad()`;
`-log_prob * (returns - value)` without `value.detach()`.
Wrong when: residual gradients are meant.
Source: Baird 1995, Residual algorithms; Sutton and Barto 2018, section 11.5 (semi-gradients); Mnih et al. 2015.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome

_FEWEST = 3


def find(health: Health) -> Outcome:
    """Fire where a gradient reaches the network through the target."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None:
        return Abstained(symptom="target_not_detached", reason="no graph of a loss was seen")
    wiring = health.wiring
    policy = None if wiring is None else wiring.policy
    acts = policy is not None and policy.passes > 0
    trained = 0 if wiring is None else sum(one.updates > 0 for one in wiring.optimizers or ())
    if policy is not None and policy.attached >= _FEWEST and trained == 1:
        return _finding(
            health,
            "The advantage in the policy loss has a gradient: that loss trains the value network, too.",
            "advantage = (returns - value).detach()",
        )
    if not seen.bootstraps and not (seen.bootstraps_in_time and acts):
        return None
    return _finding(
        health,
        "The target is made of the network's own value of another state, and has a gradient.",
        "with torch.no_grad(): target = reward + gamma * value(next_state)",
    )


def _finding(health: Health, sentence: str, advice: str) -> Finding:
    return Finding(
        symptom="target_not_detached",
        severity=Severity.WARNING,
        sentence=sentence,
        value=1,
        threshold=0,
        bound=None,
        advice=advice,
        check=health.command,
        explains=("not_learning", "plateau", "slow_convergence", "loss_oscillates", "diverging", "direction_zigzag"),
    )
