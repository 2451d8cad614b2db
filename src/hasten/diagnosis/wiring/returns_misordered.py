"""W52: the returns that weigh the log-probabilities of actions are in the wrong order.

Signal: the weights of the log-probabilities of an episode, and the list of its rewards that the program holds: whether
each weight is the one before, or the one after, times a discount, plus its reward.
Threshold: exact to 1e-4 of their spread in 3 episodes and more, of 8 and more rewards, and in none the right way round.
Why: a return adds up the rewards that follow an action. Added up from the first reward on, or appended in reverse, it
credits actions with what was before them.
Example: `for r in reversed(rewards): g = r + gamma * g; returns.append(g)` without reversing `returns`.
Wrong when: the list of rewards itself is in the reverse order.
Source: Williams 1992; Sutton and Barto 2018, section 13.3.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import plural
from hasten.diagnosis.rule import Outcome

_FEWEST = 3


def find(health: Health) -> Outcome:
    """Fire where weights are returns in another order than the rewards."""
    seen = None if health.wiring is None else health.wiring.policy
    if seen is None or not seen.orders:
        return Abstained(
            symptom="returns_misordered", reason="no weights of actions were seen that follow from rewards"
        )
    wrong = {name: count for name, count in seen.orders.items() if name != "backward"}
    if sum(wrong.values()) < _FEWEST or "backward" in seen.orders:
        return None
    episodes = plural(sum(wrong.values()), "episode")
    what = (
        "The returns add up the rewards before each action, not those after it"
        if max(wrong, key=wrong.__getitem__) == "forward"
        else "The returns are reversed: the first action has the return of the last"
    )
    return Finding(
        symptom="returns_misordered",
        severity=Severity.CRITICAL,
        sentence=f"{what}, in {episodes}.",
        value=sum(wrong.values()),
        threshold=_FEWEST,
        bound=None,
        advice="for r in reversed(rewards): g = r + gamma * g; returns.insert(0, g)",
        check=health.command,
        explains=("not_learning", "plateau", "slow_convergence", "noise_dominated", "loss_oscillates"),
    )
