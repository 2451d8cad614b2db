"""Nodes of the graph behind a loss that are layers: products with a weight."""

from typing import Any

from torch import Tensor

from hasten.diagnosis.watching.loss_graph import name_of

PRODUCTS = {"Addmm": (1, 2), "Mm": (0, 1), "Linear": (0, 1), "Convolution": (0, 1)}
"""Product with the weight of a layer -> places of its input and of its weight among the next nodes."""


def weight_of(node: Any) -> Tensor | None:
    """Return the weight of a layer, perhaps transposed on the way."""
    places = PRODUCTS[name_of(node)]
    below = node.next_functions[places[1]][0] if len(node.next_functions) > places[1] else None
    for _ in range(3):
        if below is None or hasattr(below, "variable"):
            break
        below = below.next_functions[0][0] if name_of(below) in ("T", "Transpose", "ToCopy") else None
    return None if below is None else below.variable
