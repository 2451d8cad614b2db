"""With aligned sizes: the slowest misaligned matmuls against the same ones padded."""

from functools import partial

import torch

from hasten.base.device import Device
from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.base.records.signals import Operator
from hasten.profiling.ablations.running import Measured, timed
from hasten.profiling.ablations.saving import step_without
from hasten.training.session import Session

_PRODUCTS = 3
_MULTIPLE = 16
_SHARE = 0.02


def measure(run: Session, profile: Profile, machine: Machine, *, budget_s: float) -> Measured | None:
    """Return how many times faster the step would be with padded products; None where all fit, or none matters."""
    total_s = sum(part.seconds for part in profile.parts)
    slowest = [
        one
        for one in profile.operators or ()
        if one.misaligned and one.seconds >= _SHARE * total_s and _sides(one) is not None
    ][:_PRODUCTS]
    if not slowest:
        return None
    found = [_padded(one, run.recipe.parallel.device, budget_s / len(slowest)) for one in slowest]
    shares = [one.seconds / total_s for one in slowest]
    sides = _sides(slowest[0])
    return Measured(
        ratio=step_without(shares, [one.ratio for one in found]),
        step_s=profile.step_s.value,
        detail=" x ".join(map(str, sides or ())),
    )


def _padded(operator: Operator, device: str, budget_s: float) -> Measured:
    sides = _sides(operator)
    assert sides is not None, "only products with known sides are measured"
    dtype = getattr(torch, operator.number_format)
    return timed(
        partial(_multiply, _matrices(sides, dtype, device)),
        partial(_multiply, _matrices(tuple(-(-side // _MULTIPLE) * _MULTIPLE for side in sides), dtype, device)),
        step_s=operator.seconds / operator.calls,
        budget_s=budget_s,
    )


def _sides(operator: Operator) -> tuple[int, int, int] | None:
    """Return rows, inner side and columns of a product of two matrices, or None if that is not what it is."""
    matrices = [shape for shape in operator.shapes if len(shape) == 2]
    if len(matrices) < 2 or matrices[-2][1] != matrices[-1][0]:
        return None
    (rows, inner), (_, columns) = matrices[-2:]
    return rows, inner, columns


def _matrices(sides: tuple[int, ...], dtype: torch.dtype, device: str) -> tuple[torch.Tensor, torch.Tensor]:
    rows, inner, columns = sides
    return torch.ones(rows, inner, dtype=dtype, device=device), torch.ones(inner, columns, dtype=dtype, device=device)


def _multiply(matrices: tuple[torch.Tensor, torch.Tensor], count: int) -> None:
    for _ in range(count):
        torch.mm(*matrices)
    Device(matrices[0].device.type).synchronize()
