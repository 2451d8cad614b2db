"""What values are fit to, and whether an actor raises or lowers them: Q-learning, actors and critics."""

from collections.abc import Sequence
from math import isfinite
from typing import Any

import torch
from torch import Tensor, optim
from torch.autograd.graph import GradientEdge

from hasten.base.records.wiring import Critic
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.diagnosis.watching.loss_graph import Term, name_of, nodes, saved, terms
from hasten.diagnosis.watching.stack import numbers, variables, words
from hasten.diagnosis.wiring.bootstrapping import next_values, returns_of
from hasten.diagnosis.wiring.layers import PRODUCTS, weight_of
from hasten.measurement.tensors import tensors_in

PASSES = 24
"""Backward passes of values, and of other losses on them, that are looked at."""
MOST = 200
"""Passes of all kinds that are looked at."""
FEWEST = 8
"""Samples of a batch."""
_MOST = 400  # nodes between a loss and the last layers
_NEAR = 15  # nodes from the loss
_CALLS = 6  # of a step that are kept
_REGRESSION = ("mse", "l1", "smooth_l1", "huber")
_REWARDS = frozenset(("reward", "rewards", "rew", "rews"))
_SHORT = frozenset(("r", "rs", "br", "rb"))
"""Short names of rewards; they tell a sign only in a program that names them in full, too."""
# fmt: off
_ENDS = frozenset((
    "done", "dones", "terminal", "terminals", "terminated", "terminates", "notdone", "nonterminal", "nonterminals",
    "ended", "died", "dead",
))
# fmt: on
"""Words of what tells, with 0 and 1, which samples end an episode."""
_SHORT_ENDS = frozenset(("d", "ds", "bd", "db"))
"""Short names of it, where no full one has as many numbers."""
_CUT = frozenset(("truncated", "trunc", "timeout", "timeouts", "limit"))
"""Words of ends after which there would be a next state."""
_COSTS = frozenset(("cost", "costs", "regret"))
_GROWS = 0.05  # correlation
_PART = 1e-3  # of the largest value of a next state, below which one is 0


class CriticCollector(Collector):
    """Reads the graphs of losses that fit values, and of those of other optimizers that use them."""

    def __init__(self) -> None:
        self._passes = self._fits = self._uses = 0
        self._weights: dict[int, Tensor] = {}  # last layers that were fit to targets
        self._calls: list[tuple[Tensor, Tensor, bool]] = []  # input, output, with gradients; since the last update
        self._used: dict[int, bool] = {}  # last layers whose values the newest loss lowers (True) or raises
        self._lowered = self._raised = 0
        self._growing: dict[str, list[float]] = {}  # name of rewards -> correlation of targets with them
        self._costs = False
        self._names = False  # the program names rewards or ends of episodes, as many as there are targets
        self._compared = self._bootstrapped = 0
        self._ends = ""

    def next_step(self, step: int, spent_s: float) -> int:
        """Return the next step while values that an actor uses, or the ends of episodes, are looked at."""
        return step + 1 if 0 < self._fits < PASSES and self._growing else NEVER

    def unwatched(self, steps: int, schedules: Any) -> None:
        """Forget what waits for an update that was not watched."""
        self._calls, self._used = [], {}

    def call_ended(self, call: Call, output: Any) -> None:
        """Keep what models gave in this step: the values of next states may be among it."""
        if self._fits >= PASSES or (self._passes and not self._names):
            return
        given = next((one.detach() for one in tensors_in(call.args)), None)
        made = next((one.detach() for one in tensors_in(output) if one.is_floating_point()), None)
        if given is not None and made is not None and made.ndim in (1, 2) and len(made) >= FEWEST:
            self._calls = [*self._calls, (given, made, call.grad)][-_CALLS:]

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Look at a value that is fit to targets, or at a loss made of one."""
        self._passes += 1
        over = self._passes > MOST or min(self._fits, self._uses) >= PASSES
        if over or len(losses) != 1 or losses[0].numel() != 1:
            return
        fitted = [one for one in terms(losses) if one.kind in _REGRESSION]
        tops = last_layers(losses[0])
        if not fitted:
            used = [node for node in tops if id(weight_of(node)) in self._weights]
            if used and self._uses < PASSES:
                self._uses += 1
                self._used = _directions(losses[0], used)
            return
        if self._fits < PASSES:
            self._fits += 1
            self._weights |= {id(weight): weight for node in tops if (weight := weight_of(node)) is not None}
            for one in fitted:
                self._compare(one, _taken(losses[0]))

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Count what the update does to a value that another optimizer fits."""
        held = {id(one) for group in optimizer.param_groups for one in group["params"]}
        for weight, lowers in self._used.items():
            if weight not in held:
                self._lowered += lowers
                self._raised += not lowers
        self._used, self._calls = {}, []

    def critic(self) -> Critic | None:
        """Return what was seen; None where no value was fit to targets."""
        if not self._fits:
            return None
        name, grows = max(self._growing.items(), key=lambda one: len(one[1]), default=("", []))
        return Critic(
            like=name,
            rewarded=bool(grows) and min(grows) > _GROWS,
            costs=self._costs,
            lowered=self._lowered,
            raised=self._raised,
            compared=self._compared,
            bootstrapped=self._bootstrapped,
            ends=self._ends,
        )

    def _of_other_inputs(self) -> list[Tensor]:
        """Return what models gave for other inputs than those of the last call with gradients: for next states."""
        last = next((given for given, _, grad in reversed(self._calls) if grad), None)
        return [made for given, made, _ in self._calls if last is not None and not _equal(given, last)]

    def _compare(self, term: Term, taken: Sequence[Tensor]) -> None:
        """Compare targets with the rewards, and with the ends of episodes, that the program holds."""
        target = None if term.target is None else term.target.detach().reshape(-1).double().cpu()
        if target is None or len(target) < FEWEST:
            return
        named = variables()
        self._costs = self._costs or any(words(name) & _COSTS for name, _ in named)
        rewards = {
            name: given
            for name, value in named
            if words(name) & (_REWARDS | _SHORT) and (given := numbers(value, len(target))) is not None
        }
        full = any(words(name) & _REWARDS for name, _ in named)
        for name, given in rewards.items() if full else ():
            if (likeness := _correlation(target, given)) is not None:
                self._growing.setdefault(name, []).append(likeness)
        ends = _ends(named, len(target), taken)
        self._names = self._names or bool(rewards or ends)
        if not ends:
            return
        found = returns_of(target, list(rewards.values()), next_values(self._of_other_inputs(), len(target)))
        if found is None:
            return
        self._compared += 1
        for name, given in ends:
            last = given == (0 if words(name) & {"not", "non", "notdone", "nonterminal", "nonterminals"} else 1)
            count = int((found[last].abs() > _PART * found.abs().max()).sum())
            if count > self._bootstrapped:
                self._bootstrapped, self._ends = count, name


def last_layers(loss: Tensor) -> list[Any]:
    """Return the nodes of layers with a weight that come first behind a loss."""
    waiting, found = [loss.grad_fn], list[Any]()
    seen = set(waiting)
    while waiting and len(seen) < _MOST:
        node = waiting.pop()
        if node is None:
            continue
        if name_of(node) in PRODUCTS and weight_of(node) is not None:
            found.append(node)
            continue
        for following, _ in node.next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return found


def _ends(named: Sequence[tuple[str, Any]], count: int, taken: Sequence[Tensor]) -> list[tuple[str, Tensor]]:
    """Return what tells with 0 and 1 which samples end an episode, with its name; both numbers are there.

    Args:
        named: variables.
        count: samples.
        taken: indices of the loss, such as actions, which are no ends.
    """
    found = [
        (name, given)
        for kind in (_ENDS, _SHORT_ENDS)
        for name, value in named
        if words(name) & kind and not words(name) & _CUT and (given := numbers(value, count)) is not None
    ]
    full = any(words(name) & _ENDS for name, _ in found)
    return [
        (name, given)
        for name, given in found
        if (words(name) & _ENDS or not full)
        and bool(((given == 0) | (given == 1)).all())
        and 0 < float(given.mean()) < 1
        and not any(torch.equal(given, one) for one in taken)
    ]


def _taken(loss: Tensor) -> list[Tensor]:
    """Return what picks outputs of a model in the loss, one number per sample."""
    picks = [node for node, distance in nodes([loss]) if distance < _NEAR and name_of(node) == "Gather"]
    found = [index for node in picks if (index := saved(node, "index")) is not None]
    return [one.reshape(-1).double().cpu() for one in found]


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.equal(one, other)


def _correlation(one: Tensor, other: Tensor) -> float | None:
    """Return the correlation of two lists of numbers; None where one has a single value."""
    found = float(torch.corrcoef(torch.stack([one, other]))[0, 1])
    return found if isfinite(found) else None


def _directions(loss: Tensor, layers: Sequence[Any]) -> dict[int, bool]:
    """Return the weights of layers, and whether a step down the loss lowers what they give; none where it does both."""
    with torch.enable_grad():
        edges = [GradientEdge(node, 0) for node in layers]
        computed = torch.autograd.grad([loss], edges, retain_graph=True, allow_unused=True)
        gradients = list[Tensor | None](computed)
    found = dict[int, bool]()
    for node, gradient in zip(layers, gradients, strict=True):
        if gradient is not None and gradient.numel() >= FEWEST and bool((gradient != 0).any()):
            if bool((gradient >= 0).all()):
                found[id(weight_of(node))] = True
            elif bool((gradient <= 0).all()):
                found[id(weight_of(node))] = False
    return found
