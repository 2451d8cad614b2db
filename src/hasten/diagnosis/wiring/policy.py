"""What the first losses do with the log-probabilities of actions: policy gradients."""

from collections import Counter
from collections.abc import Sequence
from math import inf
from typing import Any

import torch
from torch import Tensor

from hasten.base.records.wiring import Policy
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.diagnosis.watching.loss_graph import saved
from hasten.diagnosis.watching.stack import numbers, variables, words
from hasten.diagnosis.wiring.actions import (
    Weighed,
    coefficients,
    leads_to,
    softmax_twice,
    source_of_logarithms,
    value_below,
    weighed,
)
from hasten.diagnosis.wiring.returns import order_of
from hasten.measurement.tensors import tensors_in

PASSES = 12
"""Backward passes that are looked at, of which losses weigh log-probabilities."""
OTHERS = 100
"""Passes that may come before the first of them."""
FEWEST = 4
"""Actions of a pass; of fewer, weights are like anything by chance."""
_KEPT = 2
"""Passes whose weights are kept."""

# fmt: off
_GAINS = frozenset((
    "reward", "rewards", "rew", "rews", "return", "returns", "ret", "rets", "advantage", "advantages", "adv", "advs",
    "gae", "rtg", "rtgs",
))
# fmt: on
"""Words of what a policy shall make large."""
_AMBIGUOUS = frozenset(("adv", "advs"))
"""Which name adversarial samples, too: a classifier may be meant to become certain."""
_REWARDS = frozenset(("reward", "rewards", "rew", "rews"))
_COSTS = frozenset(("cost", "costs", "regret"))
"""Words of what it shall make small."""
_OTHERS = _COSTS | {"penalty", "penalties", "neg", "minus", "negative", "loss", "losses"}
"""Words of what has another sign than its rewards."""
_LIKE, _SOME = 0.99, 0.1
"""Correlations: of weights with what they are made of, and with what contradicts that."""
_ONE = 1e-6


class PolicyCollector(Collector):
    """Reads the graphs of the first losses that weigh log-probabilities by numbers that differ."""

    def __init__(self) -> None:
        self._passes = self._others = 0
        self._likeness: dict[str, list[float]] = {}  # name -> correlation of its numbers with the weights
        self._orders: Counter[str] = Counter()
        self._falls = 0  # passes whose entropies a step makes smaller
        self._twice = False
        self._attached = 0  # passes in which an advantage has a gradient
        self._ratios: list[tuple[bool, bool]] = []  # of each pass: all are 1; old log-probabilities have a gradient
        self._given: Tensor | None = None  # what the last model got
        self._seen: list[tuple[Tensor, Tensor | None]] = []  # weights of the last passes, sorted, and what it got then
        self._again = 0  # passes that weigh what one before did
        self._costs = self._gains = False

    def next_step(self, step: int, spent_s: float) -> int:
        """Return the next step while losses that weigh log-probabilities are looked at."""
        return step + 1 if 0 < self._passes < PASSES else NEVER

    @property
    def _over(self) -> bool:
        return self._passes >= PASSES or (not self._passes and self._others >= OTHERS)

    def call_begins(self, call: Call) -> None:
        """Note what a model gets."""
        if call.grad and not self._over:
            self._given = next((one.detach() for one in tensors_in(call.args)), None)

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Read the graph."""
        if self._over:
            self._given, self._seen = None, []
            return
        if any(loss.numel() != 1 for loss in losses):
            return
        found = weighed(losses)
        self._twice = self._twice or any(_is_twice(node) for node, _ in found.picked)
        self._add_ratios(found)
        weights = coefficients(losses, found.picked) if found.picked else None
        if weights is None or not bool(torch.isfinite(weights).all()) or not _differ(weights):
            self._others += 1
            return
        self._passes += 1
        self._falls += _makes_smaller(losses, found.entropies)
        self._attached += _has_gradient(found)
        self._add_weights(weights)
        self._add_names(weights, in_time=len(found.picked) == 1 or len(found.picked) in found.listed)

    def _add_ratios(self, found: Weighed) -> None:
        for node in found.ratios:
            result = saved(node, "result")
            if result is None:
                continue
            below = node.next_functions[0][0]
            old = below.next_functions[1][0] if len(below.next_functions) > 1 else None
            self._ratios.append((bool(((result - 1).abs() < _ONE).all()), old is not None))

    def _add_weights(self, weights: Tensor) -> None:
        ordered = weights.sort().values
        if len(ordered.unique()) >= FEWEST:
            self._again += any(
                len(one) == len(ordered) and torch.allclose(one, ordered) and _is_same(given, self._given)
                for one, given in self._seen
            )
            self._seen = [*self._seen, (ordered, self._given)][-_KEPT:]

    def _add_names(self, weights: Tensor, *, in_time: bool) -> None:
        """Compare the weights with the numbers of the same count that the program calls rewards or alike."""
        counted = weights != 0
        orders = set[str]()
        for name, value in variables():
            inside = words(name)
            self._costs = self._costs or bool(inside & _COSTS)
            if not inside & _GAINS or inside & _OTHERS:
                continue
            self._gains = self._gains or not inside <= _AMBIGUOUS
            given = numbers(value, len(weights)) if len(weights) >= FEWEST else None
            if given is None:
                continue
            self._likeness.setdefault(name, []).append(_correlation(weights[counted], given[counted]))
            if inside & _REWARDS and in_time:
                orders.add(order_of(weights, given))
        self._orders.update({"backward"} & orders or orders - {""})

    def policy(self) -> Policy | None:
        """Return what was seen; None where no loss weighs log-probabilities."""
        if not (self._passes or self._twice or self._ratios):
            return None
        name, alike = self._most_alike()
        ones = bool(self._ratios) and all(one for one, _ in self._ratios)
        return Policy(
            passes=self._passes,
            like=name,
            likeness=tuple(alike),
            costs=self._costs,
            orders=dict(self._orders),
            entropy_falls=self._falls if self._gains else 0,
            logits_are_shares=self._twice,
            attached=self._attached,
            ratios=len(self._ratios),
            ratios_are_one=ones,
            old_attached=ones and all(old for _, old in self._ratios),
            repeated=self._again,
        )

    def _most_alike(self) -> tuple[str, list[float]]:
        """Return the name whose numbers the weights are like in most passes; none where another one contradicts it."""
        alike = {name: found for name, found in self._likeness.items() if min(map(abs, found)) >= _LIKE}
        if not alike:
            return "", []
        name = max(alike, key=lambda one: len(alike[one]))
        sign = 1 if sum(alike[name]) > 0 else -1
        sums = [found for other, found in self._likeness.items() if words(other) & _GAINS - _REWARDS]
        against = any(sign * sum(found) < -_SOME * len(found) for found in sums)
        return ("", []) if against else (name, alike[name])


def _differ(weights: Tensor) -> bool:
    """Return whether weights differ by more than rounding; one alone, whether it is another than 1."""
    largest = float(weights.abs().max())
    spread = float(weights.max() - weights.min()) if len(weights) > 1 else abs(largest - 1)
    return spread > 1e-3 * largest


def _makes_smaller(losses: Sequence[Tensor], entropies: Sequence[Any]) -> bool:
    """Return whether a step down the losses makes all entropies smaller."""
    found = coefficients(losses, [(node, 1) for node in entropies]) if entropies else None
    return found is not None and float(found.min()) >= 0 and float(found.max()) > 0


def _has_gradient(found: Weighed) -> bool:
    """Return whether log-probabilities are multiplied with a return less a value that has a gradient."""
    picked = [node for node, _ in found.picked]
    return any(
        leads_to(one, picked) and value_below(other) is not None
        for pair in found.products
        for one, other in (pair, pair[::-1])
    )


def _is_same(one: Tensor | None, other: Tensor | None) -> bool:
    """Return whether two tensors are the same place in memory."""
    return one is not None and other is not None and one.data_ptr() == other.data_ptr() and one.shape == other.shape


def _is_twice(node: Any) -> bool:
    source = source_of_logarithms(node)
    return source is not None and softmax_twice(source)


def _correlation(one: Tensor, other: Tensor) -> float:
    """Return the correlation of two lists of numbers; 0 where one has a single value."""
    if len(one) < FEWEST:
        return 0.0
    one, other = one - one.mean(), other - other.mean()
    sizes = float(one.norm() * other.norm())
    return float(one @ other) / sizes if 0 < sizes < inf else 0.0
