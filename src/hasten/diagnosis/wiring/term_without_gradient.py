"""W45: a part of the loss has no gradient.

Signal: functions in the graph of the first losses whose derivative is 0 everywhere and behind which trained parameters
are; calls of `torch.autograd.grad` without `create_graph` for inputs (for weights, an inner loop makes them), and loss
functions of torch that got nothing with a gradient, beside a loss that adds a constant. One whose number the program
only reads, as by `.item()`, is no term.
Of several optimizers: terms that reach nothing of what the next one updates, and whose gradients are cleared before
another one uses them, while no other term reaches both.
Threshold: none, of several optimizers 3 updates. What also goes around such a function, as in `x - x.floor()`, does not
count.
Why: the loss counts this part, and nothing can make it smaller.
Example: a loss of distillation that compares the teacher with itself; `torch.sign(output)` in a loss; activations that
are rounded without a straight-through estimator; a gradient penalty without `create_graph=True`;
`discriminator(fake.detach())` in the loss of a generator.
Wrong when: the part is there to be shown only.
Source: Bengio et al. 2013, arXiv:1308.3432 (straight-through estimator); Gulrajani et al. 2017, arXiv:1704.00028
(gradient penalty).
"""

from hasten.base.records.finding import Abstained, Finding, Severity
from hasten.base.records.health import Health
from hasten.base.records.wiring import Structure
from hasten.diagnosis.rule import Outcome

_GRAD = "autograd.grad()"
_UPDATES = 3


def find(health: Health) -> Outcome:
    """Fire where a function in the loss has a derivative of 0, or gradients in it have no graph."""
    seen = None if health.wiring is None else health.wiring.structure
    if seen is None:
        return Abstained(symptom="term_without_gradient", reason="no graph of a loss was seen")
    said = _of_the_graph(seen) or _of_another(health)
    if said is None:
        return None
    sentence, where, advice = said
    return Finding(
        symptom="term_without_gradient",
        severity=Severity.CRITICAL,
        sentence=sentence,
        value=1,
        threshold=0,
        bound=None,
        where=where,
        advice=advice,
        check=health.command,
        explains=(
            "parameter_unreached",
            "gradient_zero",
            "vanishing_gradient",
            "layer_imbalance",
            "not_learning",
            "plateau",
            "slow_convergence",
            "loss_oscillates",
            "diverging",
            "loss_spikes",
            "weight_growth",
            "exploding_gradient",
        ),
    )


def _of_the_graph(seen: Structure) -> tuple[str, str, str] | None:
    """Return what to say of a function without gradient, where it is, and what to do."""
    if seen.severed == _GRAD:
        return (
            "Gradients that are added to the loss were computed without a graph: that part of it changes nothing.",
            seen.severed,
            "torch.autograd.grad(..., create_graph=True)",
        )
    if seen.severed:
        return (
            f"A part of the loss goes through {seen.severed}, whose derivative is 0: nothing learns from it.",
            seen.severed,
            "x + (x.round() - x).detach() lets the gradient through; tanh(k * x) in place of sign(x)",
        )
    if seen.constant:
        return (
            f"A term of the loss is a constant: {seen.constant} compares tensors of which none has a gradient.",
            seen.constant,
            "give it the output of the model that trains, without detach(), numpy() or no_grad()",
        )
    return None


def _of_another(health: Health) -> tuple[str, str, str] | None:
    """Return what to say of a term that only reaches what another optimizer holds."""
    optimizers = (None if health.wiring is None else health.wiring.optimizers) or ()
    found = [one for one in optimizers if one.strays]
    if len(found) != 1 or found[0].strays < _UPDATES:  # two that take turns at one loss leave a part each
        return None
    name = found[0].name
    return (
        f"A part of the loss reaches nothing that {name} updates next, and its gradients are cleared unused.",
        name,
        "give this part the output of the model that trains, without detach() or no_grad()",
    )
