"""A function of the mean of a loss, where the loss of each sample is meant, by the graph of a loss."""

from collections.abc import Sequence

from torch import Tensor

from hasten.diagnosis.watching.loss_graph import beyond_shapes, name_of, nodes, shape_of

_CRITERIA = ("NllLoss", "NllLoss2D", "BinaryCrossEntropyWithLogits", "BinaryCrossEntropy")
"""Whose value of each sample is the logarithm of a probability; torch gives one number unless it is told otherwise."""
_NEAR = 12  # nodes from the loss


def mean_within(losses: Sequence[Tensor]) -> str:
    """Return "exp" where a loss takes the exponential of the mean of log-probabilities over a batch; else ""."""
    for node, distance in nodes(losses):
        if distance > _NEAR:
            break
        if name_of(node) != "Exp" or shape_of(node) != ():
            continue
        below = beyond_shapes(node.next_functions[0][0])
        if below is not None and name_of(below) in ("Neg", "Mul"):
            below = beyond_shapes(next((one for one, _ in below.next_functions if one is not None), None))
        if below is not None and name_of(below) in _CRITERIA and shape_of(below) == ():
            return "exp"
    return ""
