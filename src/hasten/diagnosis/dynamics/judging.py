"""What the rules of tier D share: weights that count, ratios of update to weight, the course of the loss."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from hasten.base.records.dynamics import ActivationTrack, Dynamics, ParameterTrack, Series
from hasten.base.records.finding import Abstained
from hasten.base.records.health import Health
from hasten.base.units import digits3

STEPS = 60
"""Losses below which no rule judges the course of the loss."""
_LOOKUPS = ("Embedding", "EmbeddingBag")


def abstain(symptom: str, health: Health, *, samples: int = 8, steps: int = 0) -> Abstained | None:
    """Return why a rule cannot judge: dynamics missing, too few samples, or too few losses."""
    dynamics = health.dynamics
    if dynamics is None or len(dynamics.samples) < samples:
        return Abstained(symptom=symptom, reason=f"fewer than {samples} steps were sampled")
    if len(known(dynamics.losses)) < steps:
        return Abstained(symptom=symptom, reason=f"fewer than {steps} losses were seen")
    return None


def read_losses(dynamics: Dynamics) -> Series:
    """Return the losses of the steps that were looked at; None where one was not finite or there was none."""
    parts = pairwise([(1, 1), *dynamics.thinned, (len(dynamics.losses) + 1, 1)])
    return tuple(
        loss
        for (first, distance), (end, _) in parts
        for step, loss in enumerate(dynamics.losses[first - 1 : end - 1], first)
        if loss is not None or step % distance == 0
    )


def known(series: Iterable[float | None]) -> list[float]:
    """Return the numbers of a series that were seen."""
    return [value for value in series if value is not None]


def tail(losses: Sequence[float | None], parts: int, *, least: int = 1) -> list[float]:
    """Return the losses that were seen in the last of so many parts of equally many steps, and `least` in any case."""
    places = [place for place, loss in enumerate(losses) if loss is not None]
    if not places:
        return []
    start = places[-1] + 1 - (places[-1] + 1 - places[0]) // parts
    return known(losses[min(start, places[-min(least, len(places))]) :])


def median(values: Sequence[float]) -> float:
    """Return the median; NaN of nothing."""
    return float(np.median(values)) if len(values) else math.nan


def mean(values: Sequence[float]) -> float:
    """Return the mean; NaN of nothing."""
    return float(np.mean(values)) if len(values) else math.nan


def upper(values: Sequence[float], share: float = 0.9) -> float:
    """Return the value that a share of the values does not exceed; NaN of nothing."""
    return float(np.quantile(values, share)) if len(values) else math.nan


def weights(dynamics: Dynamics) -> list[ParameterTrack]:
    """Return the matrices and filters that do not start at zero, in the order of the forward pass.

    Left out are biases and gains, embeddings, of which a batch moves some rows, and what starts at zero on purpose.
    """
    return [
        one
        for one in dynamics.parameters
        if len(one.shape) >= 2 and one.start > 0 and one.kind not in _LOOKUPS and min(one.shape) > 0
    ]


def ratios(track: ParameterTrack) -> Series:
    """Return the rms of the update over that of the weight, for each sample."""
    return tuple(
        update / weight if update is not None and weight else None
        for update, weight in zip(track.update, track.weight, strict=True)
    )


def relative_gradients(track: ParameterTrack) -> Series:
    """Return the norm of the gradient times that of the weight, for each sample.

    That is how much the loss changes by a relative change of the weight: it is equal over the depth of a network of
    layers that pass their size on, whatever their widths are.
    """
    return tuple(
        gradient * weight * math.prod(track.shape) if gradient is not None and weight else None
        for gradient, weight in zip(track.gradient, track.weight, strict=True)
    )


def across(rows: Sequence[Series]) -> list[float]:
    """Return the median over the tracks for each sample that any of them has."""
    columns = [known(column) for column in zip(*rows, strict=True)]
    return [median(column) for column in columns if column]


@dataclass(frozen=True)
class Group:
    """Weights of one optimizer with one learning rate."""

    name: str  # "" where there is no other
    rate: float
    tracks: tuple[ParameterTrack, ...]

    def change(self, verb: str, factor: float) -> str:
        """Return the advice to multiply the learning rate, with the name of what has it."""
        place = f"{self.name}: " if self.name else ""
        return f"{place}{verb} the learning rate from {digits3(self.rate)} to about {self.rate * factor:.0e}"


def groups(dynamics: Dynamics) -> list[Group]:
    """Return the weights by optimizer and learning rate, without those whose rate is 0 or was not seen."""
    found: dict[tuple[int, float], list[ParameterTrack]] = {}
    for one in weights(dynamics):
        rate = max(known(dynamics.rates), default=0.0) if one.rate is None else one.rate
        if rate > 0:
            found.setdefault((one.optimizer, rate), []).append(one)
    of_optimizer = Counter(number for number, _ in found)
    return [
        Group(_named(dynamics, number, tracks[0], of_optimizer), rate, tuple(tracks))
        for (number, rate), tracks in found.items()
    ]


def _named(dynamics: Dynamics, number: int, first: ParameterTrack, of_optimizer: Counter[int]) -> str:
    """Return the class of an optimizer, with a weight of the group where that does not tell which it is."""
    if of_optimizer.total() < 2:
        return ""
    classes = [dynamics.optimizers[one] for one in of_optimizer]
    name = dynamics.optimizers[number]
    return name if of_optimizer[number] == classes.count(name) == 1 else f"{name} of {first.name or 'a weight'}"


def faster(dynamics: Dynamics) -> str:
    """Return the advice to raise the learning rate of the slowest weights, to change them by 1e-3 of their size."""
    slow = [(upper(across([ratios(one) for one in group.tracks])), group) for group in groups(dynamics)]
    value, group = min(slow, key=lambda one: one[0], default=(0.0, None))
    return group.change("raise", min(1e4, 1e-3 / value) if value > 0 else 1e3) if group else ""


def slower(dynamics: Dynamics, persistent: int) -> str:
    """Return the advice to lower the learning rate of the fastest weights, by so many of their samples."""
    fast = [(sorted(across([ratios(one) for one in group.tracks]))[-persistent:], group) for group in groups(dynamics)]
    (value, *_), group = max((one for one in fast if one[0]), key=lambda one: one[0][0], default=([0.0], None))
    return group.change("lower", 3e-3 / value) if group and value > 0 else ""


@dataclass(frozen=True)
class Course:
    """The losses in blocks of equally many steps: medians, and what one block is uncertain by."""

    blocks: tuple[float, ...]
    noise: float  # robust standard deviation of single losses around their block
    size: int  # losses in a block of the last fifth, where fewer may have been read

    @property
    def first(self) -> float:
        """The first block."""
        return self.blocks[0]

    @property
    def best(self) -> float:
        """The lowest level: medians of three blocks, since the lowest of many noisy ones is low by chance."""
        if len(self.blocks) < 4:
            return min(self.blocks)
        return min(median(self.blocks[at : at + 3]) for at in range(len(self.blocks) - 2))

    @property
    def last(self) -> float:
        """The median of the last fifth."""
        return median(self.blocks[-max(1, len(self.blocks) // 5) :])

    @property
    def error(self) -> float:
        """Standard error of the median of a block."""
        return 1.25 * self.noise / math.sqrt(self.size)

    @property
    def falls(self) -> bool:
        """Whether the loss fell by more than the noise, and by 2 % of the first block."""
        return self.first - self.last > max(4 * self.error, 0.02 * abs(self.first))


def course(losses: Sequence[float | None], blocks: int = 20) -> Course | None:
    """Return the course of the finite losses; None where there are fewer than ten."""
    places = [place for place, loss in enumerate(losses) if loss is not None]
    if len(places) < 10:
        return None
    values, at = np.array(known(losses)), np.array(places)
    steps = max(1, (places[-1] + 1 - places[0]) // blocks)
    ends = np.searchsorted(at, np.arange(places[0], places[-1] + 2, steps))
    parts = [values[start:end] for start, end in pairwise(ends) if end > start]
    middles = [float(np.median(part)) for part in parts]
    spread = np.concatenate([np.abs(part - middle) for part, middle in zip(parts, middles, strict=True)])
    size = int(np.median([len(part) for part in parts[-max(1, len(parts) // 5) :]]))
    changes = np.abs(np.diff(values))  # of blocks of a single loss, from one loss to the next
    noise = 1.4826 * float(np.median(spread)) if size > 2 else 1.05 * float(np.median(changes))
    return Course(tuple(middles), noise, size)


def single(dynamics: Dynamics) -> bool:
    """Whether the loss must fall for the training to be well.

    Not so with several optimizers, whose losses play against each other, nor where a loss of one's own is negative at
    times, as that of a policy.
    """
    own = dynamics.criterion is None and min(known(dynamics.losses), default=0.0) < 0
    return len(dynamics.optimizers) == 1 and not own


def chases(health: Health) -> bool:
    """Whether the targets of the loss move: another network gives them, or they are returns of a policy that trains.

    A policy that gets better has larger returns, and a value that is fit to them has a larger error.
    """
    wiring = health.wiring
    if wiring is None:
        return False
    returns = wiring.policy is not None and bool(wiring.policy.ratios or wiring.policy.like)
    return returns or any(one.moves_targets for one in wiring.twins)


def at_chance(dynamics: Dynamics) -> bool:
    """Whether the last third of the losses is not below that of the best constant output, beyond the noise."""
    criterion = dynamics.criterion
    if criterion is None or criterion.replaced or criterion.chance is None:
        return False
    if criterion.chance <= 0 or criterion.rows < _TARGETS:
        return False
    losses = tail(dynamics.losses, 3, least=10)
    error = float(np.std(losses)) / math.sqrt(len(losses))
    return float(np.mean(losses)) - 2 * error > _CHANCE * criterion.chance


_DEEP = 8
DEAD = 0.9
"""Share of the units of a layer from which on its being dead needs no further sign of harm."""
_CHANCE = 0.985
_TARGETS = 100  # that the chance level is estimated from


def harmed(health: Health) -> tuple[str, bool]:
    """Return how the training fails, "" if it does not, and whether something that was there was destroyed."""
    dynamics, moves = health.dynamics, chases(health)
    if dynamics is None:
        return "", False
    if dynamics.nonfinite is not None:
        return f"{dynamics.nonfinite.what} not finite at step {dynamics.nonfinite.step}", True
    died = next((one for one in dynamics.activations if one.kind == "relu" and one.hidden and _died(one)), None)
    if died is not None:
        return f"units of {died.name or 'a layer'} died", True
    found = course(dynamics.losses)
    if found is None or not single(dynamics):
        return "", False
    if not moves and rises(dynamics, found):
        return f"the loss rose from {found.best:.3g} to {found.last:.3g}", True
    return ("the loss stays that of a constant output", False) if at_chance(dynamics) else ("", False)


def rises(dynamics: Dynamics, found: Course) -> float:
    """Return the loss that the last fifth of the course exceeds, 0 where it does not rise.

    That is: it lost half of what it had gained, four standard errors, and 10 % of the lowest block.
    """
    start = dynamics.losses[0] if dynamics.losses[0] is not None else found.first
    needed = max(0.5 * (max(start, found.first) - found.best), 4 * found.error, 0.1 * abs(found.best))
    return found.best + needed if found.last - found.best > needed else 0.0


def deep(dynamics: Dynamics) -> bool:
    """Whether there are eight layers and more, of which not even every second one has a normalization."""
    norms = sum("Norm" in one.kind and one.name.endswith("weight") for one in dynamics.parameters)
    return len(weights(dynamics)) >= max(_DEEP, 2 * norms + 1)


def dead_at_start(dynamics: Dynamics) -> bool:
    """Whether nearly all units of a hidden ReLU layer were 0 before the first update, as a start leaves them."""
    first = (known(one.dead[:1]) for one in dynamics.activations if one.kind == "relu" and one.hidden)
    return any(share[0] > DEAD for share in first if share)


def _died(one: ActivationTrack) -> bool:
    """Whether most units of a layer that were active in the first sample are dead in the last ones."""
    shares = known(one.dead)
    return len(shares) > 10 and shares[0] < 0.3 and median(shares[-5:]) > 0.7


def creeps(dynamics: Dynamics) -> tuple[float, float]:
    """Return by which share a loss fell that falls steadily by less than 30 %, else 0; and second over first half.

    Steadily: in the second half by at least half as much as in the first, at a learning rate that hardly changes.
    """
    found, rates = course(dynamics.losses), known(dynamics.rates)
    if found is None or found.best <= 0 or not rates or not single(dynamics) or min(rates) < 0.5 * max(rates):
        return 0.0, 0.0
    middle = median(found.blocks[len(found.blocks) // 2 - 1 : len(found.blocks) // 2 + 2])
    early, late = found.first - middle, middle - found.last
    steady = found.falls and late > 2 * found.error and late >= 0.5 * early
    fell = 1 - found.last / found.first if steady and found.last > 0.7 * found.first else 0.0
    return fell, late / early if early > 0 else 1.0
