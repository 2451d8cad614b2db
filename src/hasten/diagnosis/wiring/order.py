"""The order of the calls around an update: zero_grad, backward, unscale_, clipping, step, scheduler."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any
from weakref import ref

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.amp.grad_scaler import GradScaler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from hasten.base.records.wiring import Accumulation, Clipping, Optimizing, Schedule, Watched
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.diagnosis.watching.loss_graph import leaves
from hasten.diagnosis.wiring.anew import Beginnings
from hasten.diagnosis.wiring.live import held
from hasten.diagnosis.wiring.loop_code import can_end_early
from hasten.diagnosis.wiring.parameters import ParameterCollector
from hasten.diagnosis.wiring.scale import factors, is_mean, last_functions
from hasten.diagnosis.wiring.severed import leaves_of_terms
from hasten.measurement.state_order import misplaced
from hasten.measurement.tensors import tensors_in

GAPS = 6
"""Gaps between updates of each optimizer that are looked at."""
STEPS = 12
"""Updates in which the clipping is looked at."""
LONGEST = 120
"""Watched updates one after another in which gaps of an optimizer are waited for."""
OPTIMIZERS = 16
"""Optimizers that are looked at; one that makes a new one in every step is known long before."""
FEWEST_PARTS = 3
"""Inputs of one update that are taken for micro-batches where no loader gave them."""
PART = 0.5
"""Share of the updated tensors below which clipping is partial."""
_WATCHED = 1000
"""Numbers given to a scheduler that are kept."""
_FINISHED = 1e-3
"""Share of the highest learning rate below which training has ended in effect."""


@dataclass
class _Seen:
    """What was seen of an optimizer."""

    weak: "ref[optim.Optimizer]"  # its state is large, and a training may make many
    name: str
    tensors: frozenset[int]
    updates: int = 0
    gaps: int = 0
    uncleared: int = 0
    emptied: int = 0
    attempts: int = 0
    attempted: int = 0  # of them, before the last update
    still_scaled: int = 0
    starved: int = 0
    rates: list[float] = field(default_factory=list)
    full: set[int] = field(default_factory=set)  # tensors whose gradient was not cleared since the last update
    passes: int = 0  # backward passes since then
    seen_passes: int = 0  # backward passes since its first update, while gaps are looked at
    discarded: int = 0  # of them, whose gradients were cleared before an update
    judged: int = 0  # updates that follow losses of their own
    unmet: int = 0  # of them, whose losses reach none of its tensors
    touched: bool = False  # some loss reaches its tensors
    stray: set[int] = field(default_factory=set)  # leaves of terms before its last update that reach none of its own
    strays: int = 0  # updates after which the gradients of those were cleared
    serves: bool = False  # another optimizer used them
    unused: int = 0  # backward passes since the last update or clearing
    versions: int = 0  # of its tensors at the last of them
    repeats: bool = False  # its tensors were trained by others, and it has no state
    newest: bool = False  # made an update in the steps that were watched last

    def held(self) -> Iterator[Tensor]:
        """Yield its tensors; none where it is gone."""
        optimizer = self.weak()
        return iter(()) if optimizer is None else held(optimizer)


@dataclass(frozen=True)
class _Pass:
    """A backward pass since the last update."""

    scale: float  # of its loss
    mean: bool | None  # its reduction
    functions: tuple[str, ...]  # that made it at last


@dataclass
class _Clip:
    """A call of clipping, until the next backward pass tells whether it had an effect."""

    tensors: set[int]
    empty: bool
    late: bool
    scaled: bool


class OrderCollector(Collector):
    """Looks at the first gaps between updates, and counts the rest."""

    def __init__(self, parameters: ParameterCollector) -> None:
        self._parameters = parameters
        self._all: list[_Seen] = []
        self._trained: set[int] = set()  # tensors of optimizers that made an update
        self._beginnings = Beginnings()
        self._lost_states: dict[tuple[Any, ...], int] = {}
        self._accumulations: list[Accumulation] = []
        self._passes: list[_Pass] = []  # since the last update
        self._batches: Counter[int] = Counter()  # fetched since then, of each data set
        self._given: list[Tensor] = []  # inputs of the model since then, as far as they differ
        self._after_backward: float | None = None  # size of the gradients after the last backward pass
        self._updates = 0
        self._watched = 0  # updates since the last step that was not watched
        self._clips: list[_Clip] = []
        self._counts = {"calls": 0, "empty": 0, "late": 0, "scaled": 0, "foreign": 0, "partial": 0}
        self._fresh: set[int] = set()  # tensors updated since the last backward pass
        self._scaler: GradScaler | None = None
        self._scaled = False  # a loss was scaled since the last update
        self._scaled_leaves: set[int] = set()  # of such losses, where several optimizers train
        self._unscaled: set[int] = set()  # optimizers whose gradients were unscaled since then
        self._schedules: dict[int, tuple[LRScheduler, int, int]] = {}  # itself, its steps, those before an update
        self._watched_by: dict[int, list[Watched]] = {}  # scheduler -> numbers that it was given
        self._left_early: dict[int, bool] = {}  # scheduler -> whether the loops that step it may end early
        self._ends_early = False  # whether the loops that update may
        self._epochs: Counter[int] = Counter()  # data set -> iterators over it, of which a batch trained
        self._iterator: ref[Any] | None = None  # that gave the last batch; it may have processes that must end
        self._trained_by: ref[Any] | None = None  # that gave the last batch for training
        self._last: ref[optim.Optimizer] | None = None  # that made the last update
        self._between = 0  # backward passes since then
        self._losses = 0  # the same, also before the first update
        self._reached: set[int] | None = set()  # leaves of those losses; None where one is hidden
        self.alternations = 0  # updates by another optimizer than the last one, with a backward pass between them
        self.autocast = {"outside": 0, "inside": 0, "calls": 0}  # entered, and calls of models under it
        self._zeroed = False  # zero_grad since the last backward pass
        self._terms = list[set[int]]()  # leaves of each term of the losses since the last update

    def next_step(self, step: int, spent_s: float) -> int:
        """Return the next step while gaps between updates, or clipping, are looked at."""
        few = self._updates <= STEPS or any(one.newest and one.gaps < GAPS for one in self._all)
        return step + 1 if few and self._watched < LONGEST else NEVER

    def unwatched(self, steps: int, schedules: Mapping[LRScheduler, int]) -> None:
        """Count the updates, with learning rates between those before and after, and steps of schedulers."""
        for one in self._all:
            optimizer = one.weak()
            if one.newest and optimizer is not None:
                one.updates += steps
                now = max(float(group["lr"]) for group in optimizer.param_groups)
                one.rates += np.linspace(one.rates[-1] if one.rates else now, now, steps + 1)[1:].tolist()
            one.newest, one.passes, one.full = False, 0, set()
        for scheduler, number in schedules.items():
            _, before, early = self._schedules.get(id(scheduler), (scheduler, 0, 0))
            self._schedules[id(scheduler)] = (scheduler, before + number, early)
        self._updates, self._watched = self._updates + steps, 0
        self._passes, self._clips, self._fresh, self._unscaled = [], [], set(), set()
        self._last, self._between, self._after_backward = None, 0, None
        self._scaled, self._scaled_leaves = False, set()
        self._batches.clear()
        self._given.clear()

    def fetched(self, batch: Any, loader: Any) -> None:
        """Count the batches of an update."""
        self._batches[id(getattr(loader, "_dataset", None))] += 1
        self._iterator = None if loader is None else ref(loader)

    def autocast_begins(self, inside: bool) -> None:
        """Count the contexts."""
        self.autocast["inside" if inside else "outside"] += 1

    def call_begins(self, call: Call) -> None:
        """Note from which loader the training takes its batches."""
        self.autocast["calls"] += call.autocast
        if call.grad and call.training and self._looks_at_accumulation() and not self._batches:
            self._note_given(call)
        iterator = self._iterator() if self._iterator is not None else None
        if not call.grad or not call.training or iterator is None:
            return
        if self._trained_by is None or self._trained_by() is not iterator:
            self._trained_by = self._iterator
            self._epochs[id(getattr(iterator, "_dataset", None))] += 1

    def zeroed(self, owner: optim.Optimizer | nn.Module) -> None:
        """Note what was cleared."""
        self._zeroed = True
        self._note_cleared()
        for one in self._all:
            if one.unused and not any(_is_full(each.grad) for each in one.held()):
                one.discarded += one.unused if one.versions == _versions(one.held()) else 0
                one.unused = 0
            holders = [other for other in self._all if other.tensors & one.stray]
            if holders and not any(_is_full(each.grad) for other in holders for each in other.held()):
                one.strays, one.stray = one.strays + 1, set()

    def scaled(self, scaler: GradScaler) -> None:
        """Note the scaler."""
        self._scaler, self._scaled = scaler, True

    def unscaled(self, optimizer: optim.Optimizer) -> None:
        """Note whose gradients have their own size again."""
        self._unscaled.add(id(optimizer))

    def scaled_update(self, optimizer: optim.Optimizer) -> None:
        """Count the attempts to update."""
        self._of(optimizer).attempts += 1

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Note whether the gradients were cleared, and how the loss is scaled."""
        self._note_cleared()
        self._judge_clips()
        self._fresh, self._unscaled, self._zeroed = set(), set(), False
        self._between += 1
        for one in self._all:
            one.passes += 1
            one.seen_passes += one.gaps < GAPS
        if len(self._all) != 1 and self._updates < STEPS:
            found = {id(one) for one in leaves(losses)}
            self._scaled_leaves |= found if self._are_scaled(losses) else set()
            self._reached = None if self._reached is None or not found else self._reached | found
            self._terms += leaves_of_terms(losses)
            for one in self._all:
                one.touched = one.touched or bool(one.tensors & found)
        self._losses += 1
        if self._looks_at_accumulation() and len(losses) == 1:
            scale = 1.0
            for number in self._own_factors(losses[0]):
                scale *= number
            self._passes.append(_Pass(scale, is_mean(losses[0]), last_functions(losses[0])))

    def backward_ended(self, losses: Sequence[Tensor]) -> None:
        """Note the size of the gradients, to see whether they are divided before the update."""
        for one in self._all:
            if one.gaps < GAPS:
                one.unused, one.versions = one.unused + 1, _versions(one.held())
        if self._looks_at_accumulation() and self._all:
            self._after_backward = _size(self._all[0].held())

    def clip_begins(self, parameters: Sequence[Tensor], limit: float) -> None:
        """Note what is clipped, and when."""
        if self._updates >= STEPS:
            return
        tensors = {id(one) for one in parameters if one.grad is not None}
        self._note_accumulation()
        self._clips.append(
            _Clip(
                tensors=tensors,
                empty=not tensors,
                late=bool(tensors) and tensors <= self._fresh,
                scaled=self._scaled and self._is_scaled(tensors),
            )
        )

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Note what the optimizer gets."""
        seen = self._of(optimizer)
        tensors = {id(one) for one in held(optimizer)}
        seen.unused = 0
        if self._scaled and self._scaler is not None and self._scaler.get_scale() != 1:
            unscaled = id(optimizer) in self._unscaled or seen.attempts > seen.attempted
            seen.still_scaled += not unscaled and (len(self._all) == 1 or bool(tensors & self._scaled_leaves))
        seen.attempted = seen.attempts
        if self._losses and self._reached and self._updates < STEPS:
            seen.judged += 1
            seen.unmet += not tensors & self._reached
        for one in self._all:
            one.serves = one.serves or bool(tensors & one.stray)
        seen.stray = _stray(self._terms, tensors) & set[int]().union(*(one.tensors for one in self._all))
        goes_on = not seen.updates and not self._beginnings.begins_anew(list(held(optimizer)))
        seen.repeats = goes_on and not optimizer.state and bool(tensors & self._trained)
        for one in self._all:
            if one is not seen and not one.updates and any(self._parameters.is_reached(each) for each in one.held()):
                one.starved += 1
        if seen.gaps < GAPS and seen.passes and self._zeroed:
            seen.emptied += not any(_is_full(one.grad) for one in held(optimizer))
        self._note_accumulation()
        if len(seen.rates) < 1_000_000:
            seen.rates.append(max(float(group["lr"]) for group in optimizer.param_groups))

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Note whether the gradients were cleared since the last update, also within this one by its closure."""
        seen = self._of(optimizer)
        if seen.repeats and any(value is not None for state in optimizer.state.values() for value in state.values()):
            kind = (type(optimizer).__name__, frozenset(id(one) for one in held(optimizer)))
            self._lost_states[kind] = self._lost_states.get(kind, 0) + 1
        tensors = {id(one) for one in held(optimizer)}
        self._trained |= tensors
        self._beginnings.updated(list(held(optimizer)))
        self._fresh |= {id(one) for one in held(optimizer) if one.grad is not None}
        self._unscaled.discard(id(optimizer))
        if seen.gaps < GAPS:
            if seen.updates and seen.passes:
                seen.gaps += 1
                seen.uncleared += bool(seen.full)
            seen.full = {id(one) for one in held(optimizer) if one.grad is not None and _is_full(one.grad)}
        self.alternations += bool(self._between and self._last is not None and self._last() is not optimizer)
        self._last, self._between = ref(optimizer), 0
        seen.updates += 1
        seen.newest = True
        seen.passes = 0
        self._updates += 1
        self._watched += 1
        if self._updates == 1:
            self._ends_early = can_end_early()
        self._passes, self._scaled, self._after_backward = [], False, None
        self._scaled_leaves = set()
        self._losses, self._reached, self._terms = 0, set(), []
        self._batches.clear()
        self._given.clear()
        if self._updates == 2:
            self._look_around()

    def schedule_stepped(self, scheduler: LRScheduler) -> None:
        """Count the steps of a scheduler, and those before the first update."""
        _, steps, early = self._schedules.get(id(scheduler), (scheduler, 0, 0))
        if not steps:
            self._left_early[id(scheduler)] = can_end_early()
        early += not self._of(self._stepped_by(scheduler)).updates
        self._schedules[id(scheduler)] = (scheduler, steps + 1, early)

    def plateau_stepped(self, scheduler: ReduceLROnPlateau, metric: float, step: int) -> None:
        """Keep what the scheduler is given."""
        seen = self._watched_by.setdefault(id(scheduler), [])
        if len(seen) < _WATCHED and isfinite(metric):
            rate = max(float(group["lr"]) for group in scheduler.optimizer.param_groups)
            seen.append(Watched(step=step, value=metric, rate=rate))

    def ended(self) -> None:
        """Read what is alive at the end: optimizers and schedulers that did nothing."""
        self._judge_clips()
        self._look_around()

    def optimizers(self) -> tuple[Optimizing, ...]:
        """Return what was seen of each optimizer."""
        return tuple(
            Optimizing(
                name=one.name,
                updates=one.updates,
                tensors=len(one.tensors),
                gaps=one.gaps,
                uncleared=one.uncleared,
                emptied=one.emptied,
                attempts=one.attempts,
                still_scaled=one.still_scaled,
                starved=one.starved,
                replaced=one.tensors <= self._trained,
                passes=one.seen_passes,
                discarded=one.discarded,
                judged=one.judged,
                unmet=one.unmet if one.touched else 0,
                strays=0 if one.serves else one.strays,
                misplaced=_misplaced(one.weak()),
            )
            for one in self._all
        )

    def lost_states(self) -> int:
        """Return how often an optimizer began anew with tensors that one of its kind had trained."""
        return max(self._lost_states.values(), default=0)

    def accumulations(self) -> tuple[Accumulation, ...]:
        """Return the first updates after several backward passes."""
        return tuple(self._accumulations)

    def clipping(self) -> Clipping | None:
        """Return what was seen of the clipping; None where nothing is clipped."""
        return Clipping(**self._counts) if self._counts["calls"] else None

    def schedules(self) -> tuple[Schedule, ...]:
        """Return what was seen of each scheduler."""
        return tuple(self._schedule(*seen) for seen in self._schedules.values())

    def _of(self, optimizer: optim.Optimizer) -> _Seen:
        found = next((one for one in self._all if one.weak() is optimizer), None)
        if found is None:
            found = _Seen(ref(optimizer), type(optimizer).__name__, frozenset(id(one) for one in held(optimizer)))
            if len(self._all) < OPTIMIZERS:
                self._all.append(found)
        return found

    def _stepped_by(self, scheduler: LRScheduler) -> optim.Optimizer:
        """Return the optimizer of a scheduler; of one that a trainer wraps, the one inside, which makes the updates."""
        groups = scheduler.optimizer.param_groups
        inner = (one.weak() for one in self._all)
        return next((one for one in inner if one is not None and one.param_groups is groups), scheduler.optimizer)

    def _note_cleared(self) -> None:
        """Forget of every optimizer the tensors whose gradients are cleared, by `zero_grad` or by hand."""
        for seen in self._all:
            if seen.full:
                tensors = {id(one): one for one in seen.held()}
                seen.full = {key for key in seen.full if key in tensors and _is_full(tensors[key].grad)}

    def _judge_clips(self) -> None:
        """Count the clipping since the last backward pass, now that it is known which tensors were updated."""
        covered = {key for clip in self._clips for key in clip.tensors} & self._fresh
        for clip in self._clips:
            self._counts["calls"] += 1
            self._counts["partial"] += 0 < len(covered) < PART * len(self._fresh)
            self._counts["empty"] += clip.empty
            self._counts["late"] += clip.late
            self._counts["scaled"] += clip.scaled
            self._counts["foreign"] += bool(self._fresh) and not clip.tensors & self._fresh and not clip.empty
        self._clips = []

    def _is_scaled(self, tensors: set[int]) -> bool:
        """Return whether gradients still have the scale of the scaler."""
        owners = [one for one in self._all if tensors & {id(each) for each in one.held()}]
        return bool(owners) and not any(id(one.weak()) in self._unscaled for one in owners)

    def _are_scaled(self, losses: Sequence[Tensor]) -> bool:
        """Return whether losses are multiplied with the scale of the scaler."""
        if not self._scaled or self._scaler is None:
            return False
        scale = self._scaler.get_scale()
        return any(scale in factors(loss) for loss in losses)

    def _own_factors(self, loss: Tensor) -> list[float]:
        """Return the factors of a loss without the scale of the scaler."""
        found = factors(loss)
        if found and self._scaled and self._scaler is not None and found[0] == self._scaler.get_scale():
            return found[1:]
        return found

    def _looks_at_accumulation(self) -> bool:
        return len(self._all) < 2 and self._updates < GAPS

    def _note_accumulation(self) -> None:
        """Note several backward passes before the gradients are clipped, or before the update."""
        if not self._looks_at_accumulation() or len(self._passes) < 2:
            return
        size = _size(self._all[0].held()) if self._after_backward and not self._scaled else None
        known = size and self._after_backward and isfinite(size / self._after_backward)
        self._accumulations.append(
            Accumulation(
                passes=len(self._passes),
                batches=max(self._batches.values(), default=self._parts()),
                scales=tuple(one.scale for one in self._passes),
                mean=all(one.mean is True for one in self._passes),
                alike=len({one.functions for one in self._passes}) == 1,
                divided=size / self._after_backward if size and self._after_backward and known else 1.0,
            )
        )
        self._passes = []

    def _note_given(self, call: Call) -> None:
        """Note an input that no loader gave, if the model did not get the same one since the last update."""
        first = next((one for one in tensors_in(call.args) if one.ndim), None)
        if first is not None and not any(torch.equal(one, first) for one in self._given):
            self._given.append(first.detach())

    def _parts(self) -> int:
        """Return how many inputs a loop cut itself for an update; 0 for two, which may be two kinds of input."""
        alike = len({one.shape[1:] for one in self._given}) == 1
        return len(self._given) if alike and len(self._given) >= FEWEST_PARTS else 0

    def _look_around(self) -> None:
        """Find the optimizers and schedulers that did nothing so far."""
        alive = self._parameters.taken_alive()
        for optimizer in alive.optimizers:
            if any(self._parameters.is_reached(one) for one in held(optimizer)):  # not of another training
                self._of(optimizer)
        inside = {id(part) for one in alive.schedulers for part in vars(one).get("_schedulers", ())}
        for scheduler in alive.schedulers:
            trained = any(one.updates and one.weak() is self._stepped_by(scheduler) for one in self._all)
            if id(scheduler) not in inside and trained:
                self._schedules.setdefault(id(scheduler), (scheduler, 0, 0))

    def _schedule(self, scheduler: LRScheduler, steps: int, early: int) -> Schedule:
        rates = self._of(self._stepped_by(scheduler)).rates
        top = max(rates, default=0.0)
        after = rates[rates.index(top) :] if rates else []
        return Schedule(
            name=type(scheduler).__name__,
            steps=steps,
            updates=len(rates),
            reached=int(scheduler.last_epoch),
            early=early,
            attached=bool(rates),
            beside=sum(
                steps
                for other, steps, _ in self._schedules.values()
                if other is not scheduler and self._stepped_by(other) is self._stepped_by(scheduler)
            ),
            length=next((vars(scheduler)[name] for name in ("T_max", "total_steps") if name in vars(scheduler)), None),
            finished=sum(rate < _FINISHED * top for rate in after),
            highest=top,
            base=float(scheduler.base_lrs[0]) if getattr(scheduler, "base_lrs", None) else 0.0,
            last=rates[-1] if rates else 0.0,
            rises=_rises(rates),
            scaled=self._scaler is not None,
            epochs=max(self._epochs.values(), default=0),
            leaves_early=self._left_early.get(id(scheduler), self._ends_early),
            mode=scheduler.mode if isinstance(scheduler, ReduceLROnPlateau) else "",
            watched=tuple(self._watched_by.get(id(scheduler), ())),
        )


def _rises(rates: Sequence[float]) -> bool:
    """Return whether numbers rise from near 0 to their last one in a straight line."""
    if len(rates) < 2 or rates[0] > 0.2 * rates[-1]:
        return False
    line = np.linspace(rates[0], rates[-1], len(rates))
    return rates[-1] > 0 and float(np.abs(np.array(rates) - line).max()) < 0.05 * rates[-1]


def _is_full(gradient: Tensor | None) -> bool:
    """Return whether a gradient is there and not zero."""
    if gradient is None:
        return False
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    return bool(torch.any(values != 0))


def _stray(terms: Sequence[set[int]], tensors: set[int]) -> set[int]:
    """Return the leaves of terms that reach none of the tensors of an update, nor what other terms share with them."""
    own = set[int]().union(*(one for one in terms if one & tensors))
    stray = set[int]().union(*(one for one in terms if not one & tensors))
    return stray if own and not own & stray else set()


def _versions(tensors: Iterator[Tensor]) -> int:
    """Return a number that changes whenever one of the tensors is changed in place."""
    return sum(one._version for one in tensors)


def _size(tensors: Any) -> float:
    """Return the root of the sum of squares of the gradients."""
    total = 0.0
    for one in tensors:
        if one.grad is not None:
            values = one.grad.coalesce().values() if one.grad.is_sparse else one.grad
            total += float(values.detach().double().square().sum()) if not values.is_complex() else 0.0
    return total**0.5


def _misplaced(optimizer: optim.Optimizer | None) -> int:
    """Return how many tensors of a fused optimizer's state lie in memory in another order than their parameters."""
    if optimizer is None:
        return 0
    fused = {id(one) for group in optimizer.param_groups if group.get("fused") for one in group["params"]}
    return sum(id(parameter) in fused for parameter, _ in misplaced(optimizer)) if fused else 0
