"""W26: dropout drops so much, or at such a place, that the model cannot learn.

Signal: the masks of dropout in the graph of the first losses.
Threshold: dropout of the outputs that the loss compares; 90 % dropped in one layer; dropouts one after the other that
    each drop half or more, and that no residual connection goes around, keep 10 % together while the loss stays at
    chance, or 2.5 % whatever it does.
Why: what is dropped gives no gradient, and what is kept is multiplied by 1 / (1 - p): noise of p / (1 - p) times the
    signal's square.
Example: `nn.Dropout(0.95)`, meant as the share that is kept; `return self.dropout(self.head(x))`.
Wrong when: most inputs are hidden on purpose, by a dropout of the inputs.
Source: Srivastava et al. 2014 (0.2 for inputs, 0.5 for hidden layers); torch.nn.Dropout (p is dropped, not kept).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import percent
from hasten.diagnosis.dynamics.judging import at_chance
from hasten.diagnosis.rule import Outcome

DROPPED, KEPT, LEFT = 0.9, 0.1, 0.025
_MILD = 0.3  # share of the outputs whose loss harms little
_EXPLAINS = (
    "initial_loss_off",
    "update_too_large",
    "update_too_small",
    "noise_dominated",
    "dead_units",
    "direction_zigzag",
    "exploding_gradient",
    "vanishing_gradient",
    "loss_oscillates",
    "loss_spikes",
    "slow_convergence",
    "plateau",
    "not_learning",
    "diverging",
    "weight_growth",
)


def find(health: Health) -> Outcome:
    """Fire where dropout is at the outputs, or leaves too little."""
    wiring = health.wiring
    if wiring is None or not (wiring.criteria or wiring.structure):
        return Abstained(symptom="dropout_too_strong", reason="no graph of a loss was seen")
    most = max((one.drops for one in wiring.criteria), default=0.0)
    kept = 1.0 if wiring.structure is None else wiring.structure.keeps
    if any(one.dropped for one in wiring.criteria):
        sentence = f"Dropout of up to {percent(most)} is applied to the outputs that the loss compares."
        value, threshold, advice = most, 0.0, "leave out the dropout after the last layer"
    elif most >= DROPPED:
        sentence = f"Dropout drops {percent(most)} of the units of a layer."
        value, threshold = most, DROPPED
        advice = f"nn.Dropout({1 - most:.2g})  # p is the share that is dropped, not kept"
    elif kept <= KEPT and health.dynamics is not None and at_chance(health.dynamics):
        sentence = f"Dropout layers one after the other keep {percent(kept)}, and the loss stays that of a constant."
        value, threshold, advice = kept, KEPT, "nn.Dropout(0.2), or dropout in the last hidden layer only"
    elif kept <= LEFT:
        sentence = f"Dropout layers one after the other keep {percent(kept)} of what they get."
        value, threshold, advice = kept, LEFT, "nn.Dropout(0.2)  # p is the share that is dropped, not kept"
    else:
        return None
    return Finding(
        symptom="dropout_too_strong",
        severity=Severity.WARNING if value < _MILD and not threshold else Severity.CRITICAL,
        sentence=sentence,
        value=value,
        threshold=threshold,
        bound=None,
        advice=advice,
        check=health.command,
        explains=_EXPLAINS,
    )
