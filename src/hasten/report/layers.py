"""The layers of a model as table rows: counted cost, measured time, and share of the roofline."""

from collections.abc import Mapping, Sequence

from hasten.base.records.complexity import LayerCost
from hasten.base.records.profile import LayerBound, Profile
from hasten.base.records.record import Record
from hasten.base.units import count, nbytes, percent, seconds

HEADS = ("layer", "time", "of limit", "FLOP forward", "backward", "kept", "moved", "parameters")
"""What the cells of a row are; "kept" are activations for the backward pass."""


class LayerRow(Record, frozen=True):
    """One row: its cells in the order of `HEADS`, in words."""

    cells: tuple[str, ...]


def layer_rows(profile: Profile, *, most: int) -> list[LayerRow]:
    """Return the layers that take longest, the others together, and the total; none where nothing was counted.

    Args:
        profile: whose complexity and roofline are shown.
        most: rows of single layers at most.
    """
    if profile.complexity is None:
        return []
    layers = [one for one in profile.complexity.layers if one.flops_forward or one.bytes_forward or one.bytes_backward]
    bounds = {one.name: one for one in profile.roofline.layers} if profile.roofline is not None else {}
    ordered = sorted(layers, key=lambda one: (-profile.layer_s.get(one.name, 0.0), -one.flops_forward))
    shown, others = ordered[:most], ordered[most:]
    rows = [_row(f"{one.name or '(model)'} {one.kind}", [one], profile.layer_s, bounds) for one in shown]
    if others:
        rows.append(_row(f"{len(others)} others", others, profile.layer_s, bounds))
    return [*rows, _row("total", layers, profile.layer_s, bounds)] if len(layers) > 1 else rows


def _row(
    name: str, layers: Sequence[LayerCost], layer_s: Mapping[str, float], bounds: Mapping[str, LayerBound]
) -> LayerRow:
    measured_s = sum(layer_s.get(one.name, 0.0) for one in layers)
    bound_s = sum(bounds[one.name].seconds for one in layers if one.name in bounds)
    return LayerRow(
        cells=(
            name,
            seconds(measured_s) if measured_s else "",
            percent(min(bound_s / measured_s, 1.0)) if measured_s and bound_s else "",
            count(sum(one.flops_forward for one in layers)),
            count(sum(one.flops_backward for one in layers)),
            nbytes(sum(one.activation_bytes for one in layers)),
            nbytes(sum(one.bytes_forward + one.bytes_backward for one in layers)),
            count(sum(one.parameters for one in layers)),
        )
    )
