"""Pieces of profiles for the tests of rules."""

from hasten.base.records.profile import PartTime
from hasten.base.records.record import Interval
from hasten.base.records.signals import Ablation, Operator

GB = 10**9
SHARES = {
    "input": 0.01,
    "transfer": 0.0,
    "forward": 0.28,
    "loss": 0.03,
    "backward": 0.60,
    "gradient": 0.0,
    "update": 0.05,
    "evaluation": 0.02,
    "checkpoint": 0.0,
    "other": 0.01,
    "hiccups": 0.0,
}


def ratio(value: float, *, width: float = 0.02) -> Interval:
    return Interval(value=value, low=value * (1 - width / 2), high=value * (1 + width / 2), n=20)


def ablation(name: str, value: float, *, detail: str = "", width: float = 0.02) -> Ablation:
    return Ablation(name=name, removes=name, ratio=ratio(value, width=width), step_s=0.1, detail=detail)


def parts(**seconds: float) -> tuple[PartTime, ...]:
    """Return the parts of a step of 0.1 s in which some parts take other times than in a healthy one."""
    times = {name: 0.1 * share for name, share in SHARES.items()} | seconds
    total = sum(times.values())
    return tuple(PartTime(name=name, seconds=value, share=value / total) for name, value in times.items())


def operator(
    name: str,
    seconds: float,
    *,
    calls: float = 10,
    phase: str = "forward",
    form: str = "float32",
    shapes: tuple[tuple[int, ...], ...] = ((64, 64), (64, 64)),
) -> Operator:
    return Operator(name=name, phase=phase, shapes=shapes, number_format=form, calls=calls, seconds=seconds)
