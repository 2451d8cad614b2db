"""Attributes that were to freeze parameters, or to unfreeze them, and do not."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from torch import nn

_NAME, _ALIKE = "requires_grad", 0.85


def vain_freeze(models: Sequence[nn.Module], *, wanted: bool = False) -> tuple[str, str] | None:
    """Return the first module or parameter with such an attribute, by its name, and the attribute; None without one.

    Args:
        models: that train.
        wanted: what the attribute says that the parameters need: no gradient, or one.
    """
    for model in models:
        for name, module in model.named_modules():
            needs = {one.requires_grad for one in module.parameters()}
            if vars(module).get(_NAME) is wanted and _contradicts(needs, wanted):
                return name or type(module).__name__, _NAME
        for name, parameter in model.named_parameters():
            for attribute, value in vars(parameter).items():
                if value is wanted and parameter.requires_grad is not wanted and _is_like(attribute):
                    return name, attribute
    return None


def _contradicts(needs: set[bool], wanted: bool) -> bool:
    """Return whether some parameters of a module still need a gradient, or none of them does."""
    return needs == {False} if wanted else True in needs


def _is_like(attribute: str) -> bool:
    one, other = (each.lower().replace("_", "") for each in (attribute, _NAME))
    return SequenceMatcher(None, one, other).ratio() >= _ALIKE
