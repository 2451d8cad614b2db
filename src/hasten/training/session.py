"""A built recipe: the model, its optimizer and its data, ready to make the next step."""

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn, optim

from hasten.base.errors import BadInput
from hasten.base.object_state import ObjectState
from hasten.base.seeds import random_state, set_random_state
from hasten.data.augmentation.draws import Draws, augmented
from hasten.data.batch import Batch, changed_in_turn, to_device, until
from hasten.data.loading.ahead import made_ahead
from hasten.data.loading.loaders import Fetch, Fetched
from hasten.data.loading.streams import Stream
from hasten.training.balance import Pace
from hasten.training.contexts import Contexts
from hasten.training.kept import Kept, state_of
from hasten.training.loss import Count, Loss, LossFunction
from hasten.training.loss_scale import LossScale
from hasten.training.metrics import NamedQuality, Quality
from hasten.training.position import Position, StopState
from hasten.training.processes import NOTHING, Processes
from hasten.training.recipe import Recipe, training_of
from hasten.training.replayed_schedule import ReplayedSchedule
from hasten.training.rollback import Rollbacks
from hasten.training.sampling import Sampling, position_after
from hasten.training.schedule import Plateau, RateFactor
from hasten.training.several_optimizers import by_name
from hasten.training.sharding import load_weights, part_of
from hasten.training.source import ByIds, Source
from hasten.training.step import ForwardBackward, Step
from hasten.training.transforms import Attached, GradientTransform, Parameters, PostStep, StepInfo
from hasten.training.validation import Validation, ValidationByIds, spread

EPOCH_END: Fetched = (torch.empty(0, dtype=torch.int64), None)

"""What `Session.fetched` yields where an epoch of a stream has ended, which only its iteration tells."""


@dataclass
class Session:
    """A built recipe and its position. The loop moves it; nothing else does."""

    recipe: Recipe
    seed: int
    model: nn.Module
    named_parameters: Parameters  # those that are trained
    parameters: Sequence[nn.Parameter]  # the same without names
    optimizer: optim.Optimizer
    predict: Callable[[Batch], Any]
    loss: Callable[[Any, Batch], Loss]
    loss_function: LossFunction  # what `loss` calls, inside of what the recipe puts around it
    contexts: Contexts
    step: Step
    forward_backward: ForwardBackward
    gradient: Sequence[Attached[GradientTransform]]
    post_step: Sequence[Attached[PostStep]]
    quality: Quality | NamedQuality
    samples: int | None  # of an epoch; None where only iterating tells
    source: Source
    train_fetch: Fetch | None  # reads training samples by their ids; None for a stream
    validation: Validation | None  # its batches; None where `Task.validate` alone judges
    base_lrs: Sequence[float]  # learning rate of each parameter group before the schedule
    options: Sequence[Mapping[str, Any]]  # of each parameter group before the first step
    factor: RateFactor | None
    replayed: ReplayedSchedule | None
    plateau: Plateau | None
    untouched: bool  # training batches are used as they are fetched
    around: Sequence[Callable[[], Callable[[], None]]] = ()  # puts wrappers around calls in a step of the task's own
    scale: LossScale | None = None
    sampling: Sampling | None = None
    kept: Kept | None = None  # by each process, see `hasten.training.kept`
    objects: ObjectState = field(default_factory=lambda: ObjectState({}))  # what else of the person's own has a state
    processes: Processes | None = None  # those of the recipe, with the shares of the next step
    pace: Pace = field(default_factory=Pace)
    position: Position = field(default_factory=Position)
    stop_state: StopState = field(default_factory=StopState)
    rollbacks: Rollbacks = field(default_factory=Rollbacks)
    on_gradients: Callable[[Parameters], None] | None = None  # looks at them in the step under way, see `observers`
    interrupted_by: int | None = None  # signal number; set by a signal handler, read between steps
    _used_positions: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))  # in the epoch's order
    _grad_seeds: dict[tuple[float, torch.dtype], Tensor] = field(
        default_factory=dict[tuple[float, torch.dtype], Tensor]
    )

    @property
    def shares_validation(self) -> bool:
        """Whether this process judges only its part of the validation data."""
        return isinstance(self.validation, ValidationByIds) and self.validation.shared

    @property
    def optimizers(self) -> Mapping[str, optim.Optimizer]:
        """Name -> optimizer, as `Update.optimizer` made them; one alone is named "optimizer"."""
        return by_name(self.optimizer)

    def batches(self) -> Iterator[Fetched]:
        """Yield ids and batches from the current position on, on the device and prepared; see `fetched`."""
        return ((ids, self.training_batch(ids, batch)) for ids, batch in self.fetched())

    def fetched(self, *, ends: bool = False) -> Generator[Fetched]:
        """Yield ids and batches from the current position on, epoch after epoch, as the loader gives them.

        Where batches are made ahead they are finished but for the curriculum; `training_batch` does the rest.

        Args:
            ends: yield `EPOCH_END`, too, where an epoch of a stream has ended, after it is noted in the position.

        Raises:
            BadInput: if the loader gives fewer samples than an epoch has, or a stream no batch.
        """
        try:
            while True:
                processes = self.processes
                if processes is not None:
                    self._read_share_of(processes)
                fetched = self.source.epoch(self.position, self._sampled)
                if self.recipe.input.ahead:
                    make = partial(self._made, epoch=self.position.epoch, processes=processes)
                    fetched = made_ahead(
                        iter(fetched), make, depth=self.recipe.input.ahead, device=self.recipe.parallel.device
                    )
                if self.recipe.parallel.balance is None:
                    yield from fetched
                else:
                    yield from self._while_shares_last(fetched, processes)
                if self.position.offset == 0 or self.processes is not processes:
                    continue
                if self.samples is not None or self.recipe.task.data.steps_per_epoch is not None:
                    raise BadInput(
                        f"an epoch of {self.recipe.task.name!r} must have {self.samples} samples; the loader ended "
                        f"after {self.position.offset}, in epoch {self.position.epoch}. Check its sampler."
                    )
                self._end_epoch()
                if ends:
                    yield EPOCH_END
        finally:
            self.source.close()

    def _while_shares_last(self, fetched: Iterable[Fetched], processes: Processes | None) -> Generator[Fetched]:
        """Yield batches until the processes get other shares: the rest of the epoch is then read anew."""
        reading = iter(fetched)
        try:
            for one in reading:
                yield one
                if self.processes is not processes:
                    return
        finally:
            if isinstance(reading, Generator):
                reading.close()

    def _read_share_of(self, processes: Processes) -> None:
        """Let the source read this process's share, where that has changed."""
        source, train, size = self.source, training_of(self.recipe.task), self.recipe.input.batch_size
        assert isinstance(source, ByIds) and not isinstance(train, Stream), "streams are not shared"  # noqa: PT018
        if source.processes is not processes:
            source.close()
            self.train_fetch = self.recipe.input.loader(train.dataset, processes.own_size(size))
            source.share(self.train_fetch, processes)

    def _sampled(self, order: Tensor) -> Tensor:
        """Return which samples of an epoch's order are still to be used."""
        if self.sampling is None:
            return order[self.position.offset :]
        if self.position.offset == 0:
            self.sampling.begin(seed=self.seed, epoch=self.position.epoch, progress=self.progress())
        self._used_positions = self.sampling.kept()[order].nonzero().flatten()
        return order[self._used_positions[self._used_positions >= self.position.offset]]

    def advance(self, num_samples: int, elapsed_s: float) -> None:
        """Note that one update on so many samples has been made."""
        position = self.position
        position.step += 1
        position.elapsed_s = elapsed_s
        if self.samples is None:
            position.offset, position.batch = position.offset + num_samples, position.batch + 1
            position.epoch_batch += 1
            if position.epoch_batch == self.recipe.task.data.steps_per_epoch:
                self._end_epoch()
            return
        if self.sampling is None:
            position.offset += num_samples
        else:
            position.offset = position_after(self._used_positions, position.offset, num_samples, end=self.samples)
        if position.offset >= self.samples:  # as `_end_epoch`: a call less in each step of a full batch
            position.samples += position.offset
            position.epoch, position.offset = position.epoch + 1, 0

    def _end_epoch(self) -> None:
        """Note that an epoch of a stream has ended."""
        position = self.position
        position.samples += position.offset
        position.epoch, position.offset, position.epoch_batch = position.epoch + 1, 0, 0
        if self.recipe.task.data.steps_per_epoch is None:  # the next epoch is another pass
            position.batch = 0

    def evaluation_due(self) -> bool:
        """Return whether the step just made is one after which the model is judged."""
        every = self.recipe.task.stop.evaluate_every
        return self.position.offset == 0 if every is None else self.position.step % every == 0

    def validation_batches(self) -> Iterator[Batch]:
        """Yield the validation data in their own order, on the device and prepared."""
        return map(self.delivered, self.validation() if self.validation is not None else ())

    def held_out(self, most: int) -> Iterator[Batch]:
        """Yield validation batches with about `most` samples, spread over the data where they are read by ids."""
        batches = spread(self.validation, most) if self.validation is not None else ()
        yield from until(map(self.delivered, batches), most)

    def delivered(self, batch: Batch) -> Batch:
        """Return the batch on the device and prepared."""
        return changed_in_turn(self._moved(batch), self.recipe.input.batch_transforms)

    def training_batch(self, ids: Tensor, batch: Batch) -> Batch:
        """Return what was fetched for `ids` on the device, augmented, prepared, and as the run's curriculum has it."""
        if self.untouched or batch is NOTHING:
            return batch
        if self.sampling is not None:
            self.sampling.expect(ids)
        if not self.recipe.input.ahead:
            batch = self._made((ids, batch), epoch=self.position.epoch, processes=self.processes)
        for change in self.recipe.input.curriculum:
            batch = change(batch, self.progress())
        return batch

    def _made(self, fetched: Fetched, *, epoch: int, processes: Processes | None) -> Batch:
        """Return a training batch but for its curriculum; depends on nothing that a step changes."""
        ids, batch = fetched
        ours = self.recipe.input
        if batch is NOTHING:
            return batch
        if processes is not None:
            ids = processes.own(ids, ours.batch_size)
        return changed_in_turn(
            augmented(self._moved(batch), ours.augment, Draws(self.seed, epoch, ids)), ours.batch_transforms
        )

    def _moved(self, batch: Batch) -> Batch:
        device = self.recipe.device
        return batch if device.is_host else to_device(batch, device.name, non_blocking=True)

    def progress(self) -> float:
        """Return the share of the run that is done, from 0 to 1; a run without a length counts its seconds."""
        total, seconds = self.recipe.subject.planned_steps, self.recipe.task.stop.seconds
        if total is not None:
            return min(1.0, self.scheduled_step() / total)
        return min(1.0, self.position.elapsed_s / seconds) if seconds else 0.0

    def scheduled_step(self) -> int:
        """Return how many updates the run would have made so far if its sampling passed over nothing."""
        if self.sampling is None:
            return self.position.step
        per_epoch, batch_size = self.recipe.subject.steps_per_epoch, self.recipe.input.batch_size
        assert per_epoch is not None, "a sampling needs training data with a length"
        return self.position.epoch * per_epoch + self.position.offset // batch_size

    def step_info(self) -> StepInfo:
        """Return where the run stands, for transforms of gradients and parameters."""
        return StepInfo(step=self.position.step, progress=self.progress())

    def grad_seed(self, count: Count, dtype: torch.dtype, terms: float = 1) -> Tensor:
        """Return the gradient that a backward pass starts from: terms / count, times the loss scale.

        It is 0 where a count on the device is 0.

        Args:
            count: what the mean of the whole batch divides by.
            dtype: of the loss.
            terms: 1 for a summed loss; for the mean of a part of the batch, what that divides by.
        """
        if isinstance(count, Tensor):
            share = (terms / count.to(dtype)).nan_to_num(posinf=0.0)
        elif (share := self._grad_seeds.get((terms / count, dtype))) is None:
            share = torch.tensor(terms / count, dtype=dtype, device=self.recipe.parallel.device)
            if isinstance(count, int):
                self._grad_seeds[terms / count, dtype] = share
        return share if self.scale is None else share * self.scale.value

    def set_learning_rate(self) -> None:
        """Put the learning rate of the coming step into the optimizer."""
        if self.replayed is not None:
            for group, settings in zip(
                self.optimizer.param_groups, self.replayed.settings(self._schedule_moves()), strict=True
            ):
                group.update(settings)
            return
        if self.factor is None and self.plateau is None:
            return
        factor = (self.factor(self._schedule_moves(), self.position.elapsed_s) if self.factor else 1.0) * (
            self.plateau.scale if self.plateau else 1.0
        )
        for group, rate in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = rate * factor

    def _schedule_moves(self) -> int:
        """Return how often the schedule has moved so far."""
        return self.position.epoch if self.recipe.update.schedule.per == "epoch" else self.scheduled_step()

    def state(self) -> dict[str, Any]:
        """Return everything that the next step depends on, as tensors and plain values (not copied).

        Tensors that are divided over processes stay so. Of processes that make steps on their own: right after a
        synchronization. A collective where each process keeps something of its own.
        """
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "position": asdict(self.position),
            "stop_state": asdict(self.stop_state),
            "rollbacks": asdict(self.rollbacks),
            "plateau": asdict(self.plateau) if self.plateau else None,
            "scale": asdict(self.scale) if self.scale else None,
            "data": self.source.state(self.position),
            "sampling": self.sampling.state() if self.sampling else None,
            "gradient": [one.state for one in self.gradient],
            "post_step": [one.state for one in self.post_step],
            "gradients": self._left_gradients(),
            "shares": None if self.processes is None else self.processes.shares,
            "objects": self.objects.state(),
            "processes": self._kept_state(),
            "random": random_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from a state of a session with the same recipe; the state itself is copied and stays as it is."""
        load_weights(self.model, state["model"])
        # a copy, since it would train on the tensors that it is given
        self.optimizer.load_state_dict(part_of(deepcopy(state["optimizer"]), self.optimizer))
        self.position = Position(**state["position"])
        self.stop_state = StopState(**state["stop_state"])
        self.rollbacks = Rollbacks(**state.get("rollbacks", {}))
        if self.plateau is not None and state["plateau"] is not None:
            self.plateau = Plateau(**state["plateau"])
        if self.scale is not None:
            self.scale = LossScale(**state["scale"])
        if self.sampling is not None and state["sampling"] is not None:
            self.sampling.load_state(deepcopy(state["sampling"]))
        for name, attached in (("gradient", self.gradient), ("post_step", self.post_step)):
            for one, saved in zip(attached, state[name], strict=True):
                one.load_state(saved, self.recipe.parallel.device)
        for name, parameter in self.named_parameters.items() if self.recipe.task_step is not None else ():
            kept = state["gradients"].get(name)
            parameter.grad = None if kept is None else kept.to(parameter.device, copy=True)
        shares = state.get("shares")
        if self.recipe.parallel.balance is not None and self.processes is not None and shares is not None:
            known = len(shares) == self.processes.size  # else they are other processes
            self.processes = replace(self.processes, shares=shares) if known else self.processes
        self.pace = Pace()
        self.objects.load_state(state["objects"])
        if self.kept is not None:
            assert self.recipe.parallel.processes is not None, "only processes that train together keep anything"
            joint = state["processes"]
            self.kept.load_state(joint["common"], joint["of_each"], self.recipe.parallel.processes)
        self.source.load_state(state["data"])
        set_random_state(state["random"])

    def _kept_state(self) -> dict[str, Any] | None:
        """Return what processes keep from step to step beside what one process would. A collective."""
        ours = self.recipe.parallel
        if self.kept is None or ours.processes is None:
            return None
        return state_of(self.kept, ours.processes, ours.device)

    def _left_gradients(self) -> dict[str, Tensor]:
        """Return the gradients that a step of the task's own leaves to the next, where it accumulates them."""
        if self.recipe.task_step is None:
            return {}
        return {name: one.grad for name, one in self.named_parameters.items() if one.grad is not None}
