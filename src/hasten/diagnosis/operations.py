"""Kinds of operators, by torch's names."""

from hasten.base.records.signals import Operator

PRODUCTS = frozenset(
    f"aten.{name}"
    for name in (
        "mm",
        "addmm",
        "bmm",
        "baddbmm",
        "mv",
        "addmv",
        "_addmm_activation",
        "convolution",
        "convolution_backward",
        "mkldnn_convolution",
    )
)
"""Operators that multiply matrices, convolutions included."""


def is_product(operator: Operator) -> bool:
    """Return whether this operator multiplies matrices."""
    return operator.name in PRODUCTS
