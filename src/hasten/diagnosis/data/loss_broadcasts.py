"""E5: output and target have shapes that broadcast to a table of all pairs.

Signal: the shape in which the criterion compares, against the shapes of the output and of the target before it; in the
    graph of the first losses, products with weights of samples, also with weights that are differences of all pairs,
    log-probabilities picked by labels, and the larger of two multiples of one difference.
Threshold: more numbers are compared than either of them has; or the output has a row and a column for each target; or
    (N,) meets (N, 1); or an output of (N, 1) is compared with a target of (N, K).
Why: every output is compared with every target of the batch, so all outputs learn the mean of the targets.
Example: `F.mse_loss(model(x), y)` with an output of (64, 1) and targets of (64,): 4096 differences instead of 64;
    `log_probs[:, actions]`; a ratio of (64, 1) times advantages of (64,); a quantile loss of (64,) less (64, 1);
    `returns - values` of (64,) and (64, 1) as advantages.
Wrong when: all pairs are compared on purpose, with a target that needs no gradient.
Source: the UserWarning of torch.nn.functional.mse_loss ("likely lead to incorrect results due to broadcasting").
"""

from hasten.base.records.data_facts import Criterion
from hasten.base.records.finding import Finding
from hasten.base.records.health import Health
from hasten.diagnosis.data.said import CONSEQUENCES, REGRESSION, call, each_criterion, elements, wrong
from hasten.diagnosis.rule import Outcome


def find(health: Health) -> Outcome:
    """Fire where a criterion compares all pairs, or weights of samples meet all of them."""
    structure = None if health.wiring is None else health.wiring.structure
    if structure is None or not structure.pairs:
        return each_criterion(health, "loss_broadcasts", _judged)
    return wrong(
        "loss_broadcasts",
        f"Near the loss each of {structure.pairs} samples meets the weight, label or target of each other one, too.",
        value=structure.pairs**2,
        threshold=structure.pairs,
        advice="log_probs[torch.arange(len(actions)), actions]; or make the shapes equal: x.squeeze(-1) * weights",
        check=health.command,
        explains=_EXPLAINS,
    )


def _judged(one: Criterion, command: str) -> Finding | None:
    if one.kind not in REGRESSION or not one.given or not one.compared:
        return None
    compared, given = elements(one.compared), elements(one.given)
    target = elements(one.target_shape) if one.target_shape is not None else compared // max(1, given)
    pairs = one.given == one.compared == (target, target) and target > 1  # made by the model itself
    pairs = pairs or _is_spread(one)
    if not pairs and (given < 2 or compared <= max(given, target) or target < 2):
        return None
    shape = one.target_shape if one.target_shape is not None else one.compared[-1:]
    return wrong(
        "loss_broadcasts",
        f"An output of {_shape(one.given)} and a target of {_shape(shape)} are compared as {_shape(one.compared)}.",
        value=compared,
        threshold=max(given, target),
        advice="one number for each sample: sum the target over its columns, or give the model as many outputs"
        if _is_spread(one)
        else "make the shapes equal: model(x).squeeze(-1), or target.unsqueeze(1)",
        check=command,
        where=call(one),
        explains=_EXPLAINS,
    )


_EXPLAINS = ("output_ignores_input", "samples_mixed", "loss_ignores_target", *CONSEQUENCES)


def _is_spread(one: Criterion) -> bool:
    """Return whether the single output of a sample is compared with several targets of that sample."""
    shape = one.target_shape
    if shape is None or len(shape) != 2 or min(shape) < 2:
        return False
    return one.compared == shape and one.given == (shape[0], 1)


def _shape(shape: tuple[int, ...]) -> str:
    return "(" + " x ".join(map(str, shape)) + ")"
