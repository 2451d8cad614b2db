"""The gate of ROUNDING: the candidate is as near to float64 as the baseline is, or nearly so."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from hasten.base.records.trial import Gate
from hasten.base.stages import Guarantee
from hasten.data.batch import Batch
from hasten.profiling.stepping import batches_in_turn
from hasten.training.building import build
from hasten.training.recipe import Recipe
from hasten.training.session import Session
from hasten.tuning.branch import branch, displacement_of_the_model
from hasten.tuning.float64 import in_float64
from hasten.tuning.layer_names import parameter_name
from hasten.tuning.reference_step import (
    NoReference,
    Observation,
    State,
    batches_from,
    common_start,
    observe,
    put,
    real_numbers,
    state_of,
    without_dropout,
)
from hasten.tuning.tolerances import (
    ROUNDING_BATCHES,
    ROUNDING_FLOOR,
    ROUNDING_FLOOR_OF_ALL,
    ROUNDING_STEPS,
    TRAINED_STEPS,
    bounded,
    rounding_factor,
)


@dataclass
class Errors:
    """Squared errors against float64, summed over batches, of one tensor."""

    elements: int
    baseline: float = 0.0
    candidate: float = 0.0
    size: float = 0.0  # of the exact values, squared


def states_of(recipe: Recipe) -> list[State]:
    """Return the state at the start and the one after `TRAINED_STEPS` updates of the baseline."""
    run = build(recipe)
    found = [state_of(run)]
    for number, batch in enumerate(batches_in_turn(run)):
        if number == TRAINED_STEPS:
            break
        observe(run, batch, seed=number)
    return [*found, state_of(run)]


def rounding_gate(candidate: Recipe, recipe: Recipe, states: list[State]) -> Gate:
    """Compare loss, every gradient and the update of a candidate with the baseline's, both against float64.

    For each tensor the root mean square of the error over 3 batches must be at most m times the baseline's, plus a
    floor of a few units in the last place; m is 2, and more for tensors of less than 1000 elements
    (`hasten.tuning.tolerances`). Then both make a few steps one after another, which must move the model as far.

    Args:
        candidate: what is judged.
        recipe: the baseline, in float32.
        states: where to look; see `states_of`.

    Raises:
        NoReference: if the baseline cannot be computed in float64, or is not finite.
    """
    plain, exact, other = (without_dropout(one) for one in (recipe, in_float64(recipe), candidate))
    runs = build(plain), _exact_session(exact), build(other)
    worst = (-math.inf, 0.0, 0.0, "")
    for state in states:
        when = f"after {state.position.step} steps" if state.position.step else "at the start"
        for name, (measured, bound) in error_ratios(_errors(runs, state)).items():
            worst = max(worst, (measured / bound, measured, bound, f"the {_shown(name, runs[0])} {when}"))
    share, measured, bound, where = worst
    detail = f"worst is {where}: {measured:.3g} times the baseline's own error against float64, allowed {bound:g}"
    if share <= 1:  # steps from one state each: what is left out in some steps shows only in several
        begin = common_start(runs[2], states[-1])
        plain_way, way = (branch(run, begin, steps=ROUNDING_STEPS) for run in (runs[0], runs[2]))
        off, allowed, text = displacement_of_the_model(way, plain_way)
        if not off <= allowed:
            measured, bound, share, detail = off, allowed, math.inf, text
    return Gate(guarantee=Guarantee.ROUNDING, passed=share <= 1, measured=bounded(measured), bound=bound, detail=detail)


def _shown(tensor: str, run: Session) -> str:
    """Return the name of a tensor of `_tensors` with the class of its layer."""
    kind, of, parameter = tensor.partition(" of ")
    return f"{kind}{of}{parameter_name(run.model, parameter)}" if of else tensor


def _exact_session(recipe: Recipe) -> Session:
    """Build the float64 session and try it once, so that a model that insists on float32 is told as that."""
    run = build(recipe)
    state = state_of(run)
    try:
        observe(run, batches_from(run, run.position, 1)[0], seed=0)
    except Exception as error:  # the model is the user's: anything may be raised
        raise NoReference(f"the model cannot be computed in float64 to compare with ({error})") from error
    put(run, state)
    return run


def _errors(runs: tuple[Session, Session, Session], state: State) -> dict[str, Errors]:
    """Return the errors of baseline and candidate over the batches that follow a state.

    All three update with the baseline's gradients: the gradients are judged already, and Adam's first update, which is
    little more than their sign, would turn a last bit of one that is nearly zero into a whole step.
    """
    found: dict[str, Errors] = {}
    streams = list[list[Batch]]()
    for run in runs:
        put(run, state)
        streams.append(batches_from(run, state.position, ROUNDING_BATCHES))
    for number, batches in enumerate(zip(*streams, strict=True)):
        seen: list[Observation] = []
        for run, batch in zip(runs, batches, strict=True):
            put(run, state)
            seen.append(observe(run, batch, seed=number, given=seen[0].gradients if seen else None))
        plain, exact, other = (dict(_tensors(one)) for one in seen)
        if not all(value.isfinite().all() for value in plain.values()):
            raise NoReference("the plain training is not finite, so no error against it can be told")
        updates_inside = not seen[-1].gradients  # of the backward pass: judged by its loss and its update alone
        for name in (name for name in exact if name in other or not updates_inside):
            errors = found.setdefault(name, Errors(exact[name].numel()))
            errors.baseline += _squares(plain[name], exact[name])
            errors.candidate += _squares(other[name], exact[name]) if name in other else math.inf  # it is missing
            errors.size += float(exact[name].square().sum())
    return found


def _tensors(seen: Observation) -> Iterator[tuple[str, Tensor]]:
    yield "loss", torch.tensor(seen.loss, dtype=torch.float64)
    yield from ((f"gradient of {name}", real_numbers(value).double()) for name, value in seen.gradients.items())
    yield from ((f"update of {name}", value) for name, value in seen.changes.items())


def _squares(value: Tensor, exact: Tensor) -> float:
    return float((value - exact).square().sum())


def error_ratios(errors: dict[str, Errors]) -> dict[str, tuple[float, float]]:
    """Return name -> (candidate's error over the baseline's, the ratio that is allowed)."""
    kinds = {name: name.split(" of ")[0] for name in errors}
    typical = {
        kind: math.sqrt(
            sum(one.size for name, one in errors.items() if kinds[name] == kind)
            / sum(one.elements for name, one in errors.items() if kinds[name] == kind)
        )
        for kind in set(kinds.values())
    }
    found: dict[str, tuple[float, float]] = {}
    for name, one in errors.items():
        own = math.sqrt(one.size / one.elements)
        floor = ROUNDING_FLOOR * own + ROUNDING_FLOOR_OF_ALL * typical[kinds[name]]
        baseline, candidate = (math.sqrt(total / one.elements) for total in (one.baseline, one.candidate))
        allowed = baseline + floor
        ratio = candidate / allowed if allowed > 0 else (0.0 if candidate == 0 else math.inf)
        found[name] = (ratio if not math.isnan(ratio) else math.inf, rounding_factor(one.elements))
    return found
