"""W11: the model gives other outputs for the same batch in evaluation mode.

Signal: two calls of copies of the model in evaluation mode with other seeds, and whether dropout is computed in them.
Threshold: none: any difference while dropout is computed, unless the training calls the model five times and more for
    the same inputs without an update between: then dropout is there to be averaged (Monte Carlo dropout). Noise that
    a model draws by design, as a variational autoencoder does, is not reported.
Why: metrics and predictions change from call to call, and the model is worse than it could be.
Example: `F.dropout(h, 0.5)` without `training=self.training`, or attention with `dropout_p=0.1` at all times.
Wrong when: dropout at evaluation is meant, and is averaged elsewhere, or over rows of one batch that are repeated.
Source: torch's documentation of `F.dropout` and `scaled_dot_product_attention` (dropout applies always).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.diagnosis.rule import Outcome
from hasten.diagnosis.wiring.facts import name_of_model, probed

_SAMPLES = 5


def find(health: Health) -> Outcome:
    """Fire where dropout changes the outputs in evaluation mode."""
    probes = probed(health, "evaluation_not_deterministic")
    if isinstance(probes, Abstained):
        return probes
    models = () if health.wiring is None else health.wiring.models or ()
    averaged = {index for index, one in enumerate(models) if one.sampled >= _SAMPLES}
    found = next((one for one in probes if one.drops and one.model not in averaged), None)
    if found is None or health.wiring is None:
        return None
    return Finding(
        symptom="evaluation_not_deterministic",
        severity=Severity.CRITICAL,
        sentence="Dropout is active in evaluation mode: two calls with the same batch give different outputs.",
        value=1,
        threshold=0,
        bound=None,
        where=name_of_model(health.wiring, found.model),
        advice="F.dropout(h, p, training=self.training)  # or nn.Dropout, which model.eval() turns off",
        check=health.command,
        explains=("validation_differs",),
    )
