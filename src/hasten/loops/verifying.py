"""Whether techniques keep their guarantee in a loop: the first steps on copies of its objects, with and without them.

Both sides make the steps as most loops do: `loss(model(inputs), target)`, backward, `optimizer.step()`. EXACT must have
the same bits in every loss, gradient and parameter. For the others each step of the candidate begins from the plain
side's parameters and is updated with the plain side's gradients, so that errors do not add up: ROUNDING is judged as
`hasten.tune` judges it, by its distance from float64, and PRECISION by the share of the gradients that is wrong.
"""

import copy
import math
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn, optim
from torch.utils._pytree import tree_map_only

from hasten.base.errors import BadInput, HastenWarning, error_text
from hasten.base.object_state import ObjectState, Tensors
from hasten.base.seeds import seed_all
from hasten.base.stages import FREE, Guarantee
from hasten.data.batch import Batch, arguments_of, target_of, to_device
from hasten.loops.given import Given
from hasten.training.inspection import silence_dropout
from hasten.training.output import loss_among
from hasten.training.technique import Technique
from hasten.tuning.float64 import batch_to_double, double_by_default, to_double
from hasten.tuning.gates import loosest
from hasten.tuning.reference_step import NoReference, real_numbers
from hasten.tuning.rounding import Errors, error_ratios
from hasten.tuning.state import untouched
from hasten.tuning.tolerances import ERROR_OF_A_LAYER, ERROR_SHARE, LEAST_LAYER

STEPS = 5
"""Steps where their number is not given."""
Apply: TypeAlias = Callable[[Sequence[Technique], Given], AbstractContextManager[Any]]
"""(techniques, objects of a loop) -> the objects with the techniques applied."""


@dataclass(frozen=True)
class Step:
    """What one step found and did, by name: the loss alone has the name "loss"."""

    state: dict[str, Tensor]  # of the model, before it
    gradients: dict[str, Tensor]
    values: dict[str, Tensor]  # loss, gradients, and what the update changed


class Verification:
    """The first steps of a loop, with and without techniques, on copies of its objects.

    Args:
        given: the objects of the loop, which stay as they are.
        steps: how many; each keeps three times the memory of the parameters.
        apply: returns the objects with techniques applied, for a `with` statement.

    Raises:
        BadInput: if the loop has no batches that can be read more than once.
    """

    def __init__(self, given: Given, steps: int, apply: Apply) -> None:
        if isinstance(given.loader, Iterator) or (given.loader is None and given.example is None):
            found = "an iterator" if given.loader is not None else "neither a loader nor an example"
            raise BadInput(
                f"verify= and tune= need batches that can be read more than once; found {found}. "
                "Pass loader= (what makes the iterator) or example=, or leave them out."
            )
        self._given, self._count, self._apply = given, steps, apply

    def why_wrong(self, chosen: Sequence[Technique]) -> str | None:
        """Return how techniques together break the guarantee that they have together, or None.

        Raises:
            BadInput: if the plain steps fail.
            NoReference: if they cannot be made in float64, which ROUNDING is compared with.
        """
        guarantee = loosest(one.card.guarantee for one in chosen)
        exact = guarantee is Guarantee.EXACT
        plain = self._exact if exact else self._quiet
        double = self._double if guarantee is Guarantee.ROUNDING else []
        try:
            found = self._candidate(chosen, None if exact else plain)
        except Exception as error:  # noqa: BLE001  (techniques and models are anybody's code)
            return f"a step with it failed: {error_text(error)}"
        if len(found) != len(plain):
            return f"its loader has {len(found)} batches in the place of {len(plain)}"
        for number, (one, other) in enumerate(zip(plain, found, strict=True), start=1):
            if one.values.keys() != other.values.keys():
                name = min(one.values.keys() ^ other.values.keys())
                return f"in step {number} only one side has the {name}"
        if exact:
            return _other_bits(plain, found)
        return _imprecise(plain, found) if guarantee is Guarantee.PRECISION else _misrounded(plain, double, found)

    @cached_property
    def _exact(self) -> list[Step]:
        return self._plain()

    @cached_property
    def _quiet(self) -> list[Step]:
        """Without dropout: two ways to compute the same may draw its masks in another order."""
        return self._plain(change=silence_dropout)

    @cached_property
    def _double(self) -> list[Step]:
        model, optimizer, loss = _copies(self._given)
        _widen(silence_dropout(model), optimizer, loss)
        try:
            with _as_found(self._given.loader), double_by_default():
                batches = map(batch_to_double, self._batches(self._given.loader))
                return list(_steps(model, optimizer, loss, batches, self._quiet))
        except Exception as error:  # the model is anybody's code
            raise NoReference(f"the loop cannot be computed in float64: {error_text(error)}") from error

    def _plain(self, change: Callable[[nn.Module], object] = lambda model: None) -> list[Step]:
        try:
            model, optimizer, loss = _copies(self._given)
            change(model)
            with _as_found(self._given.loader):
                return list(_steps(model, optimizer, loss, self._batches(self._given.loader), None))
        except Exception as error:
            raise BadInput(
                "verify= and tune= make steps of their own, loss(model(inputs), target), on copies of the objects of "
                f"{self._given.name!r}; that failed: {error_text(error)}. Leave them out, or use hasten.tune_loop."
            ) from error

    def _candidate(self, chosen: Sequence[Technique], follow: list[Step] | None) -> list[Step]:
        model, optimizer, loss = _copies(self._given)
        if follow is not None:
            silence_dropout(model)
        given = replace(self._given, model=model, optimizer=optimizer, loss=loss, scheduler=None)
        with _as_found(self._given.loader), self._apply(chosen, given) as fast:
            return list(_steps(fast.model, fast.optimizer, fast.loss, self._batches(fast.loader), follow))

    def _batches(self, loader: Any) -> Iterator[Batch]:
        """Yield the first batches, the same in every call."""
        seed_all(0)
        for batch in islice([self._given.example] * self._count if loader is None else loader, self._count):
            yield to_device(batch, self._given.device)


@contextmanager
def _as_found(loader: Any) -> Generator[None]:
    """Leave process, generators and loader as they were found."""
    objects = ObjectState({"loader": (loader, Tensors.NONE)})
    state = copy.deepcopy(objects.state())
    with untouched():
        warnings.simplefilter("ignore", HastenWarning)  # what a technique says is said when it is really applied
        try:
            yield
        finally:
            objects.load_state(state)


def judged(
    chosen: Sequence[Technique], given: Given, steps: int, apply: Apply
) -> tuple[dict[str, str], dict[str, str]]:
    """Return technique -> why it breaks its guarantee, and technique -> what was verified.

    All are tried together; only if they fail, one after the other beside those that passed.

    Args:
        chosen: techniques that the loop can use, in order.
        given: the objects of the loop.
        steps: to make.
        apply: see `Verification`.

    Raises:
        BadInput: see `Verification`.
    """
    on_purpose = "not verified: it changes the training on purpose"
    said = {one.card.name: on_purpose for one in chosen if one.card.guarantee not in FREE}
    free = [one for one in chosen if one.card.guarantee in FREE]
    if not free:
        return {}, said
    reference, wrong = Verification(given, steps, apply), dict[str, str]()
    try:
        if reference.why_wrong(free) is None:
            return {}, said | {one.card.name: f"{one.card.guarantee.value} in {steps} steps" for one in free}
        passed: list[Technique] = []
        for one in free:
            why = reference.why_wrong([*passed, one])
            if why is None:
                passed.append(one)
            else:
                wrong[one.card.name] = f"it breaks its guarantee ({one.card.guarantee.value}): {why}"
    except NoReference as error:
        return {}, said | {one.card.name: f"not verified: {error}" for one in free}
    return wrong, said | {one.card.name: f"{one.card.guarantee.value} in {steps} steps" for one in passed}


def _copies(given: Given) -> tuple[nn.Module, optim.Optimizer, Any]:
    """Return copies of model, optimizer and loss that belong together."""
    return copy.deepcopy((given.model, given.optimizer, given.loss))


def _widen(model: nn.Module, optimizer: optim.Optimizer, loss: Any) -> None:
    to_double(model)
    if isinstance(loss, nn.Module):
        to_double(loss)
    for state in optimizer.state.values():
        state.update(tree_map_only(Tensor, lambda value: value.double() if value.ndim else value, dict(state)))


def _steps(
    model: nn.Module, optimizer: optim.Optimizer, loss: Any, batches: Iterator[Batch], follow: list[Step] | None
) -> Iterator[Step]:
    """Yield what each step did; with `follow` each begins from its parameters and updates with its gradients."""
    optimizer.zero_grad()
    if not model.training:  # parts in evaluation mode stay so
        model.train()
    for number, batch in enumerate(batches):
        if follow is not None:
            model.load_state_dict(follow[number].state)
        before = {name: value.detach().clone() for name, value in model.state_dict().items()}
        seed_all(number + 1)
        args, named = arguments_of(batch, whole=loss is None)
        output = model(*args, **named)
        value = loss_among(output) if loss is None else loss(output, target_of(batch))
        value.backward()
        held = {name: one.grad for name, one in model.named_parameters() if one.grad is not None}
        gradients = {name: gradient.detach().to_dense().clone() for name, gradient in held.items()}
        given = {} if follow is None else follow[number].gradients
        for name in given.keys() & held.keys():
            if not held[name].is_sparse:
                held[name].copy_(given[name])
        optimizer.step()
        optimizer.zero_grad()
        after = {name: value for name, value in model.state_dict().items() if _is_number(value)}
        values = {"loss": value.detach().clone()}
        values |= {f"gradient of {name}": one for name, one in gradients.items()}
        values |= {f"update of {name}": _doubled(one) - _doubled(before[name]) for name, one in after.items()}
        yield Step(before, gradients, values)


def _other_bits(plain: list[Step], found: list[Step]) -> str | None:
    for number, (one, other) in enumerate(zip(plain, found, strict=True), start=1):
        for name, value in one.values.items():
            if not torch.equal(value, other.values[name]):
                off = float((_doubled(other.values[name]) - _doubled(value)).abs().max())
                return f"the {name} of step {number} has other bits, by up to {off:.1e}"
    return None


def _imprecise(plain: list[Step], found: list[Step]) -> str | None:
    wrong, size = dict[str, float](), dict[str, float]()
    for one, other in zip(plain, found, strict=True):
        for name, value in one.gradients.items():
            wrong[name] = wrong.get(name, 0.0) + _squares(other.gradients[name] - value)
            size[name] = size.get(name, 0.0) + _squares(value)
    total = sum(size.values())
    share = _root(sum(wrong.values()), total)
    if not share <= ERROR_SHARE:
        return f"{share:.2g} of the gradient is wrong (bound {ERROR_SHARE})"
    for name, error in wrong.items():
        share = _root(error, max(size[name], LEAST_LAYER**2 * total))
        if not share <= ERROR_OF_A_LAYER:
            return f"{share:.2g} of the gradient of {name} is wrong (bound {ERROR_OF_A_LAYER})"
    return None


def _misrounded(plain: list[Step], exact: list[Step], found: list[Step]) -> str | None:
    errors: dict[str, Errors] = {}
    for one, wide, other in zip(plain, exact, found, strict=True):
        for name, value in wide.values.items():
            kept = errors.setdefault(name, Errors(value.numel()))
            kept.baseline += _squares(one.values[name] - value)
            kept.candidate += _squares(other.values[name] - value)
            kept.size += _squares(value)
    name, (ratio, bound) = max(error_ratios(errors).items(), key=lambda item: item[1][0] / item[1][1])
    if ratio <= bound:
        return None
    return f"the {name} is off by {ratio:.2g} times the plain loop's own error against float64 (bound {bound:g})"


def _is_number(value: Tensor) -> bool:
    return value.is_floating_point() or value.is_complex()


def _doubled(value: Tensor) -> Tensor:
    return real_numbers(value.detach()).double()


def _squares(value: Tensor) -> float:
    return float(_doubled(value).square().sum())


def _root(wrong: float, size: float) -> float:
    if wrong == 0:
        return 0.0
    return math.sqrt(wrong / size) if size > 0 else math.inf
