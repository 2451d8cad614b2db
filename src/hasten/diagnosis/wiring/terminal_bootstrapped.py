"""W53: the target of a value goes on beyond the end of the episode.

Signal: the targets of the first values that are fit, taken apart: r + c v, where r is what the program names rewards, v
what a model gave for other inputs than those of the values, and c the same in all samples; what the program names the
ends of episodes (`done`, `terminated`).
Threshold: exact to 1e-4 of the largest target in all samples of a batch, 2 and more of which end an episode and have a
v that is not 0.
Why: after the end nothing more is gained. With the value of a state that is none, to fall costs nothing.
Example: `target = reward + gamma * target_net(next_state).max(1).values` without `* (1 - done)`.
Wrong when: episodes end by a limit of time alone; what is named `truncated` or `timeout` is not looked at.
Source: Sutton and Barto 2018, section 6.5; Mnih et al. 2015, algorithm 1; Pardo et al. 2018, arXiv:1712.00378.
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome

_FEWEST = 2


def find(health: Health) -> Outcome:
    """Fire where ends of episodes are known and do not reach the target."""
    seen = None if health.wiring is None else health.wiring.critic
    if seen is None or not seen.compared:
        return Abstained(
            symptom="terminal_bootstrapped", reason="no target that is made of rewards and next values was seen"
        )
    if seen.bootstrapped < _FEWEST:
        return None
    return Finding(
        symptom="terminal_bootstrapped",
        severity=Severity.WARNING,
        sentence=f"The targets of {seen.bootstrapped} samples that end an episode (`{seen.ends}`) go on with the value "
        "of the next state.",
        value=seen.bootstrapped,
        threshold=_FEWEST,
        bound=None,
        advice="target = reward + gamma * (1 - done) * next_value",
        check=health.command,
        explains=("not_learning", "plateau", "slow_convergence", "loss_oscillates", "diverging", "weight_growth"),
    )
