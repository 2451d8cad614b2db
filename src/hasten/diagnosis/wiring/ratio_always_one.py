"""W51: the ratio of new to old probabilities is 1 in all epochs of PPO.

Signal: in the graphs of the first losses, exp(log p - log q) of actions: its values, whether log q has a gradient, and
whether the same advantages come again, with the same tensor of inputs.
Threshold: every ratio is 1 (to 1e-6) in 3 passes and more, while log q has a gradient, or while 2 of them weigh what a
pass before did.
Why: old log-probabilities that are computed anew, or not detached, are those of the policy under way: there is nothing
to clip, and without `detach()` the two gradients cancel.
Example: `old_log_probs = policy(states).log_prob(actions)` inside the loop over epochs.
Wrong when: a buffer of inputs is filled anew and gives the same advantages. One update for each batch is no fault and
not told.
Source: Schulman et al. 2017, arXiv:1707.06347; github.com/higgsfield-ai/higgsfield/issues/20.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome

_FEWEST, _AGAIN = 3, 2


def find(health: Health) -> Outcome:
    """Fire where a ratio cannot become anything but 1."""
    seen = None if health.wiring is None else health.wiring.policy
    if seen is None or not seen.ratios:
        return Abstained(symptom="ratio_always_one", reason="no ratio of probabilities of actions was seen")
    if not seen.ratios_are_one or seen.ratios < _FEWEST or not (seen.old_attached or seen.repeated >= _AGAIN):
        return None
    why = "the old log-probabilities have a gradient" if seen.old_attached else "they are computed in every epoch"
    return Finding(
        symptom="ratio_always_one",
        severity=Severity.CRITICAL,
        sentence=f"The ratio of new to old probabilities is 1 in all {seen.ratios} passes: {why}.",
        value=1,
        threshold=1,
        bound=None,
        advice="store log_prob(action).detach() when the action is taken, before the first update",
        check=health.command,
        explains=("not_learning", "plateau", "slow_convergence", "gradient_zero", "vanishing_gradient"),
    )
