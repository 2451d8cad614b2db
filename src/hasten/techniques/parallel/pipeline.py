"""The stages of a model, computed one after the other by several processes (`pipeline_parallel`).

torch's schedules say which micro-batch is computed when, and send activations and their gradients. Micro-batches have
equal numbers of rows, since torch's stages receive into buffers of one shape; what a division leaves over is one more
micro-batch in a run of its own, so that no row is padded. The loss of each starts from 1 / count of the whole batch.
While a stage runs, its modules hold plain tensors.

A module of its own, since torch's takes a second to import, and the cards of all techniques are read in every tuning.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from itertools import count as numbers_from
from typing import TYPE_CHECKING, Any, TypeAlias

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.pipelining import (
    PipelineStage,
    Schedule1F1B,
    ScheduleGPipe,
    ScheduleInterleaved1F1B,
    ScheduleLoopedBFS,
)

from hasten.base.seeds import derive, preserved, seed_all
from hasten.data.batch import Batch, map_tensors, size_of, split_batch, tensors_of
from hasten.techniques.parallel.mesh import DATA
from hasten.techniques.parallel.stage_pass import Skipped, exchanged, nothing, places_of, run_stage, unknown
from hasten.techniques.parallel.stages import Staging, owner_of
from hasten.training.counting import Count
from hasten.training.loss import Loss, joined
from hasten.training.marks import BACKWARD, FORWARD, LOSS, Mark
from hasten.training.processes import Processes
from hasten.training.sharding import STAGES, from_part, own_part
from hasten.training.step import start_of_part

if TYPE_CHECKING:
    from hasten.training.session import Session

Schedule: TypeAlias = ScheduleGPipe | Schedule1F1B | ScheduleLoopedBFS | ScheduleInterleaved1F1B


_KEPT = 4
"""Schedules that are kept, each with buffers for its micro-batches: data of many lengths would make many."""


@dataclass(frozen=True)
class Order:
    """How a share of a batch goes through the stages.

    Args:
        micro_batches: into how many a share of the usual size is divided.
        one_forward_one_backward: go back as soon as a stage can (1F1B), or after all forward passes (GPipe).
    """

    micro_batches: int
    one_forward_one_backward: bool


@dataclass(frozen=True)
class _Sent:
    """What one stage sends to the next for a micro-batch."""

    shape: torch.Size
    dtype: torch.dtype

    def empty(self, device: torch.device) -> Tensor:
        return torch.empty(self.shape, dtype=self.dtype, device=device)


@dataclass
class _Step:
    """The step under way: its micro-batches, and the losses of those that the last stage has computed."""

    run: "Session"
    mark: Mark
    share: int  # its number
    parts: Sequence[Batch]
    count: Count  # of the whole batch
    numbers: Sequence[Iterator[int]]  # of the next micro-batch of each stage
    done: list[Loss]


class Pipeline:
    """The stages of a model, of which this process has some.

    Args:
        model: its parameters are held by the processes that use them (`_Hold`).
        staging: its stages.
        mesh: of the processes, (data, stages).
        order: of the micro-batches.
    """

    def __init__(self, model: nn.Module, staging: Staging, mesh: DeviceMesh, order: Order) -> None:
        self.model, self.staging, self.order = model, staging, order
        self.group, self.shares = mesh[STAGES].get_group(), mesh[DATA].get_group()
        self.rank, self.size = mesh[STAGES].get_local_rank(), mesh[STAGES].size()
        self.device, self.last = torch.device(mesh.device_type), len(staging.stages) - 1
        self.own = range(self.rank, len(staging.stages), self.size)
        self.skipped = [Skipped() for _ in staging.stages]
        self.sent: dict[Any, dict[int, tuple[_Sent | None, _Sent | None]]] = {}
        self.schedules: dict[Any, Schedule] = {}
        self.step: _Step | None = None
        self.under_way: Callable[[Callable[[], Any]], Any] | None = None  # the stage of a step, not of an evaluation
        self._places, self._parameters = places_of(model), dict(model.named_parameters())
        self._trained = {name: one for name, one in self._parameters.items() if one.requires_grad}
        self._owner = {name: owner_of(one, staging.used[name], self.size) for name, one in self._parameters.items()}
        self._plain = {name: self._plain_of(name, one) for name, one in self._parameters.items()}

    def _plain_of(self, name: str, parameter: nn.Parameter) -> nn.Parameter:
        """Return the tensor of this process that modules compute with; NaN where other stages use the parameter."""
        if not any(stage in self.own for stage in self.staging.used[name]):
            return nn.Parameter(unknown(parameter.shape, parameter.dtype, self.device), requires_grad=False)
        return nn.Parameter(own_part(parameter.detach()), requires_grad=parameter.requires_grad)

    def exchanged(self) -> AbstractContextManager[None]:
        """Let modules hold the plain tensors of this process for the body."""
        return exchanged(self._places, self._plain)

    def run(
        self, stage: int, received: Tensor | None, call: Callable[[], Any], begins: Callable[[], None] = nothing
    ) -> Any:
        """Return what one of this process's stages computes."""
        return run_stage(self.model, self.staging.stages[stage], call, received, self.skipped[stage], begins)

    @torch.no_grad()
    def through(self, call: Callable[[], Any], key: Any) -> Any:
        """Return what `call`, of the model, returns, computed by one stage after the other. A collective of the group.

        Args:
            call: the same in all processes.
            key: of the shapes that the model is called with; what stages send then is noted under it.
        """
        output: Any = None
        noted = dict[int, tuple[_Sent | None, _Sent | None]]()
        with self.exchanged():
            for stage in self.own:
                takes, received = (None, None) if stage == 0 else self._receive((stage - 1) % self.size)
                output, gives = self.run(stage, received, call), None
                if stage != self.last:
                    gives = self._send(output, (stage + 1) % self.size)
                noted[stage] = takes, gives
        self.sent[key] = noted
        return self._of_last(output)

    def _send(self, output: Tensor, peer: int) -> _Sent:
        sent = _Sent(output.shape, output.dtype)
        dist.send_object_list([sent], group=self.group, group_dst=peer)
        dist.send(output, group=self.group, group_dst=peer)
        return sent

    def _receive(self, peer: int) -> tuple[_Sent, Tensor]:
        objects: list[Any] = [None]
        dist.recv_object_list(objects, group=self.group, group_src=peer)
        received = objects[0].empty(self.device)
        dist.recv(received, group=self.group, group_src=peer)
        return objects[0], received

    def _of_last(self, output: Any) -> Any:
        """Return the output of the last stage in all processes of the group."""
        owner = self.last % self.size
        objects = [map_tensors(output, lambda one: one.to("meta")) if self.rank == owner else None]
        dist.broadcast_object_list(objects, group=self.group, group_src=owner)

        def filled(one: Tensor) -> Tensor:
            tensor = one.contiguous() if self.rank == owner else torch.empty_like(one, device=self.device)
            dist.broadcast(tensor, group=self.group, group_src=owner)
            return tensor

        return map_tensors(output if self.rank == owner else objects[0], filled)

    def compute(self, run: "Session", share: int, batch: Batch, mark: Mark, count: Count, rows: int) -> Loss:
        """Compute forward and backward pass of a share by the schedule; leave gradients in the plain tensors.

        Args:
            run: the session.
            share: the number of the share.
            batch: its samples.
            mark: called after each part.
            count: what the mean of the whole batch divides by.
            rows: samples of a micro-batch.

        Returns:
            The loss of the share, in all processes of the group.
        """
        parts = split_batch(batch, rows)
        full = size_of(batch) // rows
        self.step = _Step(run, mark, share, parts, count, [numbers_from() for _ in self.staging.stages], [])
        with preserved(), self.exchanged():
            for alike in (parts[:full], parts[full:]):
                if alike:
                    self._run_schedule(run, alike)
        done, self.step = self.step.done, None
        mark(BACKWARD)
        return self._loss_of_last(done)

    def _run_schedule(self, run: "Session", parts: Sequence[Batch]) -> None:
        """Compute micro-batches of one shape."""
        key = (len(parts), shapes_of(run.model, parts[0]))
        schedule = self.schedules.pop(key, None) or self._schedule(run, parts)
        self.schedules[key] = schedule
        if len(self.schedules) > _KEPT:
            del self.schedules[next(iter(self.schedules))]
        try:
            schedule.step(target=torch.zeros(len(parts)), return_outputs=False)
        except RuntimeError as error:
            raise error.__cause__ or error from None  # torch wraps whatever a stage raises in one of its own

    def _schedule(self, run: "Session", parts: Sequence[Batch]) -> Schedule:
        """Return the schedule of micro-batches of one shape, of which this process has made no step before."""
        shapes = shapes_of(run.model, parts[0])
        if shapes not in self.sent:
            run.predict(parts[0])  # through all stages, which notes what they send
        stages = [
            PipelineStage(
                _Stage(partial(self._of_micro_batch, stage)),
                stage,
                len(self.staging.stages),
                self.device,
                input_args=self._buffers(takes),
                output_args=self._buffers(gives) or (torch.empty((), device=self.device),),
                group=self.group,
            )
            for stage, (takes, gives) in self.sent[shapes].items()
        ]
        return _schedule_of(stages, len(parts), self.size, self.order)

    def _buffers(self, sent: _Sent | None) -> tuple[Tensor, ...]:
        return () if sent is None else (sent.empty(self.device).requires_grad_(),)

    def _of_micro_batch(self, stage: int, *received: Tensor) -> Tensor:
        """Return what a stage computes of its next micro-batch: of the last one, where the backward pass starts."""
        step = self.step
        assert step is not None, "schedules run inside of steps"
        number, run = next(step.numbers[stage]), step.run
        step.mark(BACKWARD)  # of a micro-batch before this one, and what it has waited for other stages
        own = derive(run.seed, "stage", run.position.step, step.share, stage, number)
        self.under_way = partial(self.run, stage, received[0] if received else None, begins=partial(seed_all, own))
        try:
            output = run.predict(step.parts[number])
        finally:
            self.under_way = None
        step.mark(FORWARD)
        if stage != self.last:
            step.mark(LOSS)
            return output
        loss = run.loss(output, step.parts[number])
        step.mark(LOSS)
        start = start_of_part(run, loss, step.count)
        step.done.append(loss.detached() if start is not None else loss.detached().without_terms())
        if start is None:  # not by a factor of 0: the gradient of a mean over nothing is NaN
            none = torch.zeros((), device=self.device, requires_grad=True)
            return received[0].flatten()[:0].sum() if received else none
        value, seed = start
        return value * seed

    def _loss_of_last(self, done: Sequence[Loss]) -> Loss:
        """Return the loss of all micro-batches, which the last stage knows, in all processes of the group."""
        objects: list[Any] = [None]
        if self.last in self.own:
            whole = joined(done, sum(float(one.count) for one in done) or 1.0)
            parts = {name: float(term) for name, term in (whole.parts or {}).items()}
            objects = [(float(whole.sum), sum(float(one.count) for one in done), parts)]
        dist.broadcast_object_list(objects, group=self.group, group_src=self.last % self.size)
        total, count, terms = objects[0]
        parts = {name: torch.tensor(term, dtype=torch.float64) for name, term in terms.items()}
        return Loss(torch.tensor(total, dtype=torch.float64), count, parts=parts or None)

    def collect_gradients(self, processes: Processes) -> None:
        """Put the sums over all shares, and over the stages that use it, in place of each parameter's gradient.

        A parameter that has a gradient in some process has one in all: without rows, where it is held elsewhere.
        """
        for name, parameter in self._trained.items():
            plain = self._plain[name]
            parameter.grad = None if plain.grad is None else from_part(parameter, plain.grad)
            plain.grad = None
        held = {name: one for name, one in self._trained.items() if self._owner[name] is not None}
        here = [one for name, one in held.items() if self._owner[name] == self.rank]
        shared = [one for name, one in self._trained.items() if self._owner[name] is None]
        if processes.num_shares > 1 and here:
            processes.sum_gradients(here, group=self.shares)
        if shared:
            processes.sum_gradients(shared)
        has = torch.tensor([float(one.grad is not None) for one in held.values()], device=self.device)
        dist.all_reduce(has, group=self.group)
        for (name, parameter), anywhere in zip(held.items(), has.tolist(), strict=True):
            if anywhere and self._owner[name] != self.rank:
                parameter.grad = from_part(parameter, torch.empty_like(own_part(parameter.detach())))


class _Stage(nn.Module):
    """What torch's stages call: a function in the form of a module."""

    def __init__(self, compute: Callable[..., Tensor]) -> None:
        super().__init__()
        self.compute = compute

    def forward(self, *received: Tensor) -> Tensor:
        return self.compute(*received)


def shapes_of(model: nn.Module, batch: Batch) -> Any:
    """Return what decides the shapes of all that is computed of a batch."""
    return model.training, tuple((one.shape, one.dtype) for one in tensors_of(batch))


def _seeded(start: Tensor, target: Tensor) -> Tensor:
    """Return the loss of a micro-batch, which its last stage has computed."""
    return start


def _schedule_of(stages: list[PipelineStage], count: int, size: int, order: Order) -> Schedule:
    """Return torch's schedule; all forward passes come first where too few micro-batches are left for another order."""
    options: dict[str, Any] = {"loss_fn": _seeded, "scale_grads": False}  # losses are divided by the whole count
    several, forward_first = len(stages) > 1, not order.one_forward_one_backward
    if several and (forward_first or count % max(1, count // size)):
        return ScheduleLoopedBFS(stages, count, **options)  # type: ignore[arg-type]  (lists of a subclass)
    if several:
        return ScheduleInterleaved1F1B(stages, count, **options)  # type: ignore[arg-type]
    if forward_first or count < size:
        return ScheduleGPipe(stages[0], count, **options)
    return Schedule1F1B(stages[0], count, **options)
