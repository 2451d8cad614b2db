"""One watched step: the loss, the gradients as the optimizer gets them, and what the update changed."""

from collections.abc import Callable, Generator, Mapping
from copy import copy, deepcopy
from dataclasses import asdict, dataclass, replace
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from hasten.base.errors import HastenError
from hasten.base.object_state import ObjectState, Tensors
from hasten.base.seeds import derive, preserved, random_state, seed_all, set_random_state
from hasten.data.batch import Batch
from hasten.profiling.stepping import batches_in_turn
from hasten.training.inspection import silence_dropout
from hasten.training.loss import Loss
from hasten.training.position import Position
from hasten.training.recipe import Recipe
from hasten.training.schedule import Plateau
from hasten.training.session import Session
from hasten.training.step import step
from hasten.training.transforms import Attached, Parameters, Stateless
from hasten.tuning.budget import check_time


class NoReference(HastenError):  # noqa: N818
    """What a gate compares with cannot be computed for this task, so nothing can be proven."""


@dataclass(frozen=True)
class State:
    """Where a session stood: copies of its model and optimizer, and its position.

    `counters` are the entries of each parameter group that steps have changed: some optimizers count there.
    """

    model: dict[str, Tensor]
    optimizer_kind: type
    optimizer: dict[str, Any]
    counters: list[dict[str, Any]]
    transforms: list[tuple[type, dict[str, Any]]]
    position: Position
    data: dict[str, Any] | None = None  # what the rest of the epoch depends on beside the position
    plateau: Plateau | None = None  # what a schedule remembers that follows the validation loss


@dataclass(frozen=True)
class Observation:
    """What one step did. `changes` holds the difference of every floating-point number of the model's state."""

    loss: float
    gradients: dict[str, Tensor]
    changes: dict[str, Tensor]


def state_of(run: Session) -> State:
    """Return copies of everything that the next step depends on but the global generators."""
    return State(
        model=deepcopy(run.model.state_dict()),
        optimizer_kind=type(run.optimizer),
        optimizer=deepcopy(run.optimizer.state_dict()["state"]),
        counters=_counters(run),
        transforms=[(type(one.transform), deepcopy(one.state)) for one in (*run.gradient, *run.post_step)],
        position=Position(**asdict(run.position)),
        data=deepcopy(run.source.state(run.position)),
        plateau=copy(run.plateau),
    )


def put(run: Session, state: State) -> None:
    """Put a session of the same task where another one stood.

    The optimizer takes the state over, with what it counts in its groups, but keeps its own options (`fused`, say).
    One of another kind starts afresh, for it could not read that state; a subclass can. So do transforms of gradients
    and post-steps, unless both sessions have the same ones, whose state then gets the formats of the model.
    """
    run.model.load_state_dict(state.model)
    reads = reads_optimizer(run, state)
    kept = deepcopy(state.optimizer) if reads else {}
    counters = deepcopy(state.counters) if reads else [dict[str, Any]() for _ in run.options]
    saved = run.optimizer.state_dict()["param_groups"]
    groups = [
        {"params": own["params"], **deepcopy(dict(options)), **counted}
        for own, options, counted in zip(saved, run.options, counters, strict=True)
    ]
    run.optimizer.load_state_dict({"state": kept, "param_groups": groups})
    for parameter, values in run.optimizer.state.items():  # torch adapts the format of real numbers only
        if parameter.is_complex():
            complex_ones = {key: one for key, one in values.items() if isinstance(one, Tensor) and one.is_complex()}
            values.update({key: one.to(parameter.dtype) for key, one in complex_ones.items()})
    run.optimizer.zero_grad()
    attached = [*run.gradient, *run.post_step]
    same = [type(one.transform) for one in attached] == [kind for kind, _ in state.transforms]
    mine = run.model.state_dict()
    formats = {saved.dtype: mine[name].dtype for name, saved in state.model.items() if isinstance(saved, Tensor)}

    def as_the_model(value: Tensor) -> Tensor:
        return value.to(formats.get(value.dtype, value.dtype))

    for number, one in enumerate(attached):
        kept_state = tree_map_only(Tensor, as_the_model, deepcopy(state.transforms[number][1])) if same else None
        one.state = one.transform.init(run.named_parameters) if kept_state is None else kept_state
    run.source.load_state(deepcopy(state.data))
    run.position = Position(**asdict(state.position))
    if run.plateau is not None and state.plateau is not None:
        run.plateau = copy(state.plateau)


def reads_optimizer(run: Session, state: State) -> bool:
    """Return whether the optimizer of a session can take over the optimizer's state."""
    return isinstance(run.optimizer, state.optimizer_kind) and len(state.counters) == len(run.options)


def common_start(run: Session, state: State) -> State:
    """Return the state, without that of its optimizer where a session cannot take it over: both then start anew."""
    return state if reads_optimizer(run, state) else without_optimizer(state)


def without_optimizer(state: State) -> State:
    """Return the state with an optimizer that has not made a step."""
    return replace(state, optimizer={}, counters=[{} for _ in state.counters])


def _counters(run: Session) -> list[dict[str, Any]]:
    """Return the entries of each parameter group that are not as they were built; rates follow from the position."""

    def moved(group: dict[str, Any], built: Mapping[str, Any]) -> dict[str, Any]:
        entries = {key: value for key, value in group.items() if key not in ("params", "lr")}
        return {key: deepcopy(value) for key, value in entries.items() if key not in built or built[key] != value}

    return [moved(group, built) for group, built in zip(run.optimizer.param_groups, run.options, strict=True)]


def batches_from(run: Session, position: Position, count: int) -> list[Batch]:
    """Return the next `count` batches from a position on, as the session's own loader and preparation deliver them."""
    before, run.position = run.position, Position(**asdict(position))
    found = list(islice(same_batches(run), count))
    run.position = before
    return found


def same_batches(run: Session) -> Generator[Batch]:
    """Yield batches as `batches_in_turn` does, the same for every session that stands at the same place.

    An order, a sampler and an augmentation of the person's own draw from the global generators or from their own, as
    the steps do, and as another session does that is asked in turn. Here the data draw from a state of their own.
    """
    mine = _DataState(run)
    mine.set(seed=derive(run.seed, "reference data", run.position.step))
    batches = batches_in_turn(run)
    try:
        while True:
            with mine:
                batch = next(batches)
            yield batch
    finally:
        with mine:
            batches.close()


class _DataState:
    """The random state that the data of a session draw from: in place inside the `with` statement."""

    def __init__(self, run: Session) -> None:
        data = run.recipe.subject.stream.source if run.recipe.subject.stream is not None else None
        own = {"given": run.recipe.subject.given, "train": run.recipe.subject.train, "stream": data}
        self._objects = ObjectState({name: (one, Tensors.NONE) for name, one in own.items() if one is not None})
        self._mine = self._now()
        self._others = self._mine

    def set(self, *, seed: int) -> None:
        """Let the data draw from the global generators as they are after this seed."""
        with preserved():
            seed_all(seed)
            self._mine = random_state(), self._mine[1]

    def __enter__(self) -> None:
        self._others = self._now()
        self._put(self._mine)

    def __exit__(self, *error: object) -> None:
        self._mine = self._now()
        self._put(self._others)

    def _now(self) -> tuple[dict[str, Any], dict[str, Any]]:
        return random_state(), deepcopy(self._objects.state())

    def _put(self, state: tuple[dict[str, Any], dict[str, Any]]) -> None:
        set_random_state(state[0])
        self._objects.load_state(deepcopy(state[1]))


def make_step(run: Session, batch: Batch, *, seed: int) -> float:
    """Make one step as the loop does and return its mean loss."""
    check_time()
    seed_all(derive(seed, "reference step"))
    run.set_learning_rate()
    with run.contexts:
        loss = step(run, batch)
    return _mean(loss)


def gradients_of(run: Session, batch: Batch, *, seed: int | None) -> tuple[float, dict[str, Tensor]]:
    """Return the mean loss and the gradients of a step on `batch` that is not made; see `observe`."""

    def refuse(caught: dict[str, Tensor]) -> bool:
        return False

    return _caught(run, batch, seed=seed, then=refuse)


def step_with_gradients(run: Session, batch: Batch, *, seed: int | None) -> tuple[float, dict[str, Tensor]]:
    """Make one step; return its mean loss and the gradients that the update used; see `observe`."""

    def accept(caught: dict[str, Tensor]) -> bool:
        return True

    return _caught(run, batch, seed=seed, then=accept)


def observe(run: Session, batch: Batch, *, seed: int | None, given: dict[str, Tensor] | None = None) -> Observation:
    """Make one step and return what it did.

    Args:
        run: moved by one update; its position stays.
        batch: as the session delivers it.
        seed: of the global generators, so that two sessions draw the same random numbers; None to let them run on.
        given: gradients that the update uses in place of the step's own, so that updates can be compared alone.
    """
    before = {name: value.clone() for name, value in _floats(run.model)}

    def replace_gradients(caught: dict[str, Tensor]) -> bool:
        for name, parameter in run.model.named_parameters():
            if given is None or name not in caught or name not in given or parameter.grad is None:
                continue
            if parameter.grad.is_sparse:  # the rows that it has not are zero in the given one, too
                with torch.sparse.check_sparse_tensor_invariants():
                    parameter.grad = given[name].to(parameter.grad.dtype).sparse_mask(parameter.grad.coalesce())
            else:
                parameter.grad.copy_(given[name])
        return True

    loss, gradients = _caught(run, batch, seed=seed, then=replace_gradients)
    changes = {name: value.double() - before[name].double() for name, value in _floats(run.model)}
    return Observation(loss=loss, gradients=gradients, changes=changes)


def without_dropout(recipe: Recipe) -> Recipe:
    """Return the recipe with every dropout off.

    Two ways to compute the same thing may draw their masks in different order; that is no error of either.
    """
    return recipe.with_surgery(silence_dropout)


def _mean(loss: Loss) -> float:
    """Return the mean loss, 0 where no term counts."""
    count = float(loss.count)
    return float(loss.sum) / count if count else 0.0


def real_numbers(values: Tensor) -> Tensor:
    """Return the numbers of a tensor; of a complex one (...) its real and imaginary parts (..., 2)."""
    return torch.view_as_real(values.resolve_conj()) if values.is_complex() else values


def _floats(model: nn.Module) -> list[tuple[str, Tensor]]:
    found = ((name, real_numbers(value)) for name, value in model.state_dict().items())
    return [(name, value) for name, value in found if value.is_floating_point()]


def _caught(
    run: Session, batch: Batch, *, seed: int | None, then: Callable[[dict[str, Tensor]], bool]
) -> tuple[float, dict[str, Tensor]]:
    """Run the loop's own step with one more gradient step at the end: it copies, and `then` says whether to update."""
    check_time()
    gradients: dict[str, Tensor] = {}

    def catch(parameters: Parameters) -> bool:
        for name, parameter in parameters.items():
            if parameter.grad is not None:
                gradients[name] = parameter.grad.detach().to_dense().clone()
        return then(gradients)

    if seed is not None:
        seed_all(derive(seed, "reference step"))
    run.set_learning_rate()
    own = run.gradient
    run.gradient = (*own, Attached(Stateless(catch)))
    try:
        with run.contexts:
            loss = step(run, batch)
    finally:
        run.gradient = own
    return _mean(loss), gradients
