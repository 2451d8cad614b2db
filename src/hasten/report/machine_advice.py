"""Advice on a machine with the techniques that follow it."""

from hasten.base.records.machine import Machine
from hasten.machine.advice import advice
from hasten.techniques.registry import techniques


def advice_lines(machine: Machine) -> tuple[str, ...]:
    """Return advice on this machine with the techniques to try, the most useful first."""
    return tuple(_line(one.text, one.feature) for one in advice(machine))


def _line(text: str, feature: str) -> str:
    names = [f"`{name}`" for name, kind in techniques().items() if feature and feature in kind.card.exploits]
    return f"{text}: try {' or '.join(names)}" if names else text
