"""Attributes that were to freeze parameters and do not."""

from collections.abc import Sequence
from difflib import SequenceMatcher

from torch import nn

_NAME, _ALIKE = "requires_grad", 0.85


def vain_freeze(models: Sequence[nn.Module]) -> tuple[str, str] | None:
    """Return the first module or parameter with such an attribute, by its name, and the attribute; None without one."""
    for model in models:
        for name, module in model.named_modules():
            own = vars(module).get(_NAME)
            if own is False and any(one.requires_grad for one in module.parameters()):
                return name or type(module).__name__, _NAME
        for name, parameter in model.named_parameters():
            for attribute, value in vars(parameter).items():
                if value is False and parameter.requires_grad and _is_like(attribute):
                    return name, attribute
    return None


def _is_like(attribute: str) -> bool:
    one, other = (each.lower().replace("_", "") for each in (attribute, _NAME))
    return SequenceMatcher(None, one, other).ratio() >= _ALIKE
