"""Statistics of the activations that the graph behind the loss holds, over the sampled steps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hasten.base.records.dynamics import ActivationTrack
from hasten.base.units import finite
from hasten.diagnosis.dynamics.graph_reading import Activation

WINDOW = 8
"""Samples over which a unit must have been silent to be called dead: one batch may just not have it."""
_MOST = 1 << 16  # entries of one activation that are looked at, in whole rows
_TIMES = 2  # that one layer is used in a forward pass; a recurrent one is used in each position
_FLAT = 0.1  # of the steepest slope


@dataclass
class _Track:
    kind: str
    leaf: Tensor | None
    order: int
    hidden: bool
    number_format: str
    units: int = 0
    rows: int = 0
    active_at: Tensor | None = None  # sample in which each unit was last not zero
    seen: dict[int, tuple[float, float, float | None, float | None]] = field(default_factory=dict)


class Activations:
    """Keeps the statistics by the place of the activation in the forward pass."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, int, int], _Track] = {}
        self._samples = 0
        self._newest = 0

    def add(self, step: int, activations: Sequence[Activation]) -> None:
        """Take the activations of a backward pass of a step; only the first pass that has one counts."""
        if step != self._newest:
            self._newest = step
            self._samples += 1
        times: dict[tuple[str, int], int] = {}
        for one in activations:
            key = (one.kind, id(one.leaf) if one.leaf is not None else 0)
            times[key] = times.get(key, 0) + 1
            if times[key] > _TIMES:
                continue
            made = _Track(one.kind, one.leaf, one.order, one.hidden, str(one.values.dtype).removeprefix("torch."))
            track = self._tracks.setdefault((*key, times[key]), made)
            if step not in track.seen:
                track.seen[step] = self._measured(track, one)

    def _measured(self, track: _Track, one: Activation) -> tuple[float, float, float | None, float | None]:
        rows = _rows(one)
        track.rows, track.units = rows.shape
        values = rows.float()
        numbers = [values.square().mean().sqrt(), values.abs().max()]
        dead = saturated = None
        if one.kind == "relu":
            active = (rows != 0).any(0)
            if track.active_at is None or track.active_at.shape != active.shape:
                track.active_at = torch.zeros(active.shape, dtype=torch.long, device=active.device)
            track.active_at[active] = self._samples
            dead = (track.active_at <= max(0, self._samples - WINDOW)).float().mean()
            numbers.append(dead)
        elif one.kind in ("sigmoid", "tanh"):
            slope = 4 * values * (1 - values) if one.kind == "sigmoid" else 1 - values.square()
            saturated = (slope.mean(0) < _FLAT).float().mean()
            numbers.append(saturated)
        rms, largest, *share = torch.stack(numbers).tolist()
        return rms, largest, share[0] if dead is not None else None, share[0] if saturated is not None else None

    def tracks(self, steps: Sequence[int], named: Mapping[int, tuple[str, str]]) -> tuple[ActivationTrack, ...]:
        """Return what was seen, in the order of the forward pass.

        Args:
            steps: the samples.
            named: id of a parameter -> its name and the class of its module.
        """
        ordered = sorted((one for one in self._tracks.values() if one.units), key=lambda one: one.order)
        return tuple(self._track(one, depth, steps, named) for depth, one in enumerate(ordered))

    def _track(
        self, one: _Track, depth: int, steps: Sequence[int], named: Mapping[int, tuple[str, str]]
    ) -> ActivationTrack:
        columns = list(zip(*(one.seen.get(step, (None,) * 4) for step in steps), strict=True)) or [(), (), (), ()]
        rms, largest, dead, saturated = (
            tuple(None if value is None else finite(value) for value in column) for column in columns
        )
        return ActivationTrack(
            name=named.get(id(one.leaf), ("", ""))[0],
            kind=one.kind,
            depth=depth,
            hidden=one.hidden,
            units=one.units,
            rows=one.rows,
            number_format=one.number_format,
            rms=rms,
            largest=largest,
            dead=dead,
            saturated=saturated,
        )


def _rows(one: Activation) -> Tensor:
    """Return some of the activation as (rows, units)."""
    values = one.values
    keep = max(1, min(len(values), _MOST * len(values) // max(1, values.numel())))
    values = values[:: -(-len(values) // keep)]
    return values.movedim(one.unit_dim, -1).reshape(-1, values.shape[one.unit_dim])
