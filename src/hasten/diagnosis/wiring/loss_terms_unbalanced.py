"""W58: one term of a loss outweighs the others, which nothing then learns.

Signal: of variational autoencoders: the weight of a latent number's divergence from its prior against that of an
    output's error, by the graph of the first losses; the divergence of a sample at the end.
Threshold: 8 times (1 is the bound on the likelihood), while a sample diverges by less than 0.5 nats: the latent numbers
    say nothing of it.
Why: the error is averaged over all outputs, and the divergence is summed, so that it alone is made small: the posterior
    collapses to the prior.
Example: `F.mse_loss(made, inputs) - 0.5 * torch.sum(1 + v - m ** 2 - v.exp())`.
Wrong when: the data are noise, of which nothing is worth a latent number.
Source: Kingma and Welling 2014, arXiv:1312.6114, equation 10; Bowman et al. 2016, arXiv:1511.06349 (collapse).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.units import digits3
from hasten.diagnosis.rule import Outcome

_WEIGHT, _NOTHING = 8.0, 0.5


def find(health: Health) -> Outcome:
    """Fire where a divergence is weighted so much that the latent numbers tell nothing."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None or seen.latent_weight is None or seen.latent_divergence is None:
        return Abstained(symptom="loss_terms_unbalanced", reason="no divergence of latent numbers was seen in a loss")
    if seen.latent_weight < _WEIGHT or seen.latent_divergence >= _NOTHING:
        return None
    return Finding(
        symptom="loss_terms_unbalanced",
        severity=Severity.CRITICAL,
        sentence=f"A latent number counts {digits3(seen.latent_weight)} times as much as an output; the posterior "
        f"collapsed: {digits3(seen.latent_divergence)} nats a sample.",
        value=seen.latent_weight,
        threshold=_WEIGHT,
        bound=None,
        advice='reduction="sum" of the error, and both divided by the batch size; or a small weight that grows',
        check=health.command,
        explains=("not_learning", "plateau", "slow_convergence", "overfit", "vanishing_gradient", "update_too_large"),
    )
