"""The vital signs of a training as table rows: what was found, and what is usual; and its layers."""

from dataclasses import dataclass

from hasten.base.records.dynamics import Dynamics, Series
from hasten.base.records.health import Health
from hasten.base.units import count, digits3, percent, plural
from hasten.diagnosis.dynamics.judging import (
    across,
    known,
    mean,
    median,
    ratios,
    read_losses,
    relative_gradients,
    tail,
    weights,
)
from hasten.diagnosis.dynamics.noise_scale import noise_scales
from hasten.report.charts.scale import tick_words
from hasten.report.health_figures import USUAL_RATIO, layers, norms

LAYER_HEADS = ("layer", "shape", "gradient first", "last", "update / weight", "dead or saturated")
_MOST_LAYERS = 100


@dataclass(frozen=True)
class Sign:
    """One line: what it is, what was found, and what is usual."""

    name: str
    found: str
    usual: str


def vital_signs(dynamics: Dynamics) -> list[Sign]:
    """Return the signs that were seen; the second half of the training counts where a sign is one number."""
    found = [
        _loss(dynamics),
        _depth(dynamics),
        _update(dynamics),
        _cosine(dynamics),
        _noise(dynamics),
        _clipped(dynamics),
        _units(dynamics),
    ]
    return [one for one in found if one is not None]


def _loss(dynamics: Dynamics) -> Sign | None:
    losses = known(dynamics.losses)
    if not losses:
        return None
    size = max(1, len(losses) // 10)
    words = f"{digits3(median(losses[:size]))} at first, {digits3(median(tail(dynamics.losses, 10)))} at last"
    looked_at = read_losses(dynamics)
    broken = len(looked_at) - len(losses)
    missed = len(dynamics.losses) - len(looked_at)
    chance = dynamics.criterion.chance if dynamics.criterion is not None else None
    usual = f"below {digits3(chance)}, the loss of the best constant output" if chance is not None else "falls"
    words += f"; {plural(broken, 'step')} without a finite loss" if broken else ""
    words += f"; read in {len(looked_at):,} of {plural(len(dynamics.losses), 'step')}" if missed else ""
    return Sign("loss", words, usual)


def _depth(dynamics: Dynamics) -> Sign | None:
    tracks = [one for one in weights(dynamics) if one.depth is not None and known(one.gradient)]
    if len(tracks) < 2:
        return None
    first, last = (median(known(_late(relative_gradients(one)))) for one in (tracks[0], tracks[-1]))
    if not last > 0:
        return None
    return Sign("gradient times weight, first layer over last", digits3(first / last), "0.05 to 10")


def _update(dynamics: Dynamics) -> Sign | None:
    values = across([_late(ratios(one)) for one in weights(dynamics)])
    usual = " to ".join(map(tick_words, USUAL_RATIO))
    return Sign("update over weight, median layer", digits3(median(values)), usual) if values else None


def _cosine(dynamics: Dynamics) -> Sign | None:
    values = known(_late(dynamics.gradient_cosines))
    usual = "above 0; near 1 steps could be larger, below 0 they are too large"
    return Sign("cosine of consecutive gradients", digits3(mean(values)), usual) if values else None


def _noise(dynamics: Dynamics) -> Sign | None:
    values = known(_late(noise_scales(dynamics)))
    if not values or dynamics.batch_rows is None:
        return None
    rows = dynamics.batch_rows * dynamics.passes
    found = f"{plural(round(median(values)), 'sample')}"
    return Sign("gradient noise scale", found, f"batch: {rows:,}; far above it, larger batches save steps")


def _clipped(dynamics: Dynamics) -> Sign | None:
    values, limit = known(dynamics.clip_norms), dynamics.clip_limit
    if not values or limit is None:
        return None
    share = sum(value > limit for value in values) / len(values)
    return Sign("clipped steps", f"{percent(share)} at a limit of {digits3(limit)}", "about 10 %")


def _units(dynamics: Dynamics) -> Sign | None:
    hidden = [one for one in dynamics.activations if one.hidden]
    worst = max((_off(known(one.dead) or known(one.saturated)) for one in hidden), default=-1.0)
    return Sign("dead or saturated units, worst layer", percent(worst), "below 50 %") if worst >= 0 else None


def _off(values: list[float]) -> float:
    return median(values[-5:]) if values else -1.0


def _late(series: Series) -> Series:
    return series[len(series) // 2 :]


def layer_rows(dynamics: Dynamics) -> tuple[list[tuple[str, ...]], int]:
    """Return the cells of each layer in the order of `LAYER_HEADS`, and how many layers are left out."""
    units = {one.name: known(one.dead) or known(one.saturated) for one in dynamics.activations}
    found = layers(dynamics)
    rows: list[tuple[str, ...]] = []
    for name, track in found[:_MOST_LAYERS]:
        gradient, ratio = known(norms(track)), known(ratios(track))
        off = units.get(track.name)
        rows.append(
            (
                name,
                " x ".join(map(str, track.shape)),
                digits3(gradient[0]),
                digits3(gradient[-1]),
                digits3(median(ratio)) if ratio else "",
                percent(_off(off)) if off else "",
            )
        )
    return rows, len(found) - len(rows)


def training_line(health: Health) -> str:
    """Return what was trained and how it was looked at, in one line."""
    dynamics = health.dynamics
    parts = [plural(health.steps, "step") + ("" if health.complete else ", not the whole training")]
    if dynamics is not None:
        parameters = sum(_size(one.shape) for one in dynamics.parameters)
        rate = known(dynamics.rates)
        parts.append(f"{count(parameters)} parameters in {plural(len(dynamics.parameters), 'tensor')}")
        parts += [f"{name}, learning rate {rate[0]:.3g}" if rate else name for name in dynamics.optimizers[:1]]
        parts += [plural(len(dynamics.optimizers) - 1, "more optimizer")] if len(dynamics.optimizers) > 1 else []
        if dynamics.batch_rows is not None:
            more = f" x {dynamics.passes} backward passes" if dynamics.passes > 1 else ""
            parts.append(f"batch size {dynamics.batch_rows:,}{more}")
        if dynamics.criterion is not None:
            parts.append(f"loss {dynamics.criterion.name.removesuffix('Backward0')}")
    return "; ".join(parts)


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for one in shape:
        size *= one
    return size
