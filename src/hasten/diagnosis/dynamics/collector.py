"""How the training moves: losses of its steps, and statistics of gradients, activations and updates of some."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from weakref import ref

import torch
from torch import Tensor, nn, optim
from torch.optim.lr_scheduler import LRScheduler

from hasten.base.records.dynamics import Dynamics, Evaluation, Nonfinite
from hasten.base.units import finite as finite_or_none
from hasten.diagnosis.dynamics.activations import Activations
from hasten.diagnosis.dynamics.chance import Chance
from hasten.diagnosis.dynamics.graph_reading import by_hand, read
from hasten.diagnosis.dynamics.parameters import Parameters
from hasten.diagnosis.dynamics.replay import detached, finite, first_broken
from hasten.diagnosis.dynamics.sampling import Sampling
from hasten.diagnosis.watching.events import Call, Collector
from hasten.measurement.tensors import tensors_in

_READ = 3  # graphs read in one sampled step; accumulation makes more, all alike
_CALLS = 8  # forward passes of one step that are kept for a replay
_WAITING = 4096  # losses that are not added up yet


class DynamicsCollector(Collector):
    """Keeps the loss of every step that is noted, samples some steps, and finds where a number stops being finite."""

    def __init__(self) -> None:
        self._sampling = Sampling()
        self._parameters = Parameters()
        self._activations = Activations()
        self._chance = Chance()
        self._models: list[nn.Module] = []
        self._step, self._sampled = 0, False
        self._losses: list[float] = []  # of each step; NaN where there was none
        self._thinned: list[tuple[int, int]] = []  # step -> distance of the steps of which one is read from there on
        self._missed: list[int] = []  # steps of which a part was missed
        self._finite = 0  # last step whose loss was read and finite
        self._parts: list[tuple[int, float | Tensor]] = []  # of the newest steps: the step, and a loss of it
        self._passes: list[int] = []
        self._samples: list[int] = []
        self._calls: list[tuple[Call, torch.dtype | None]] = []
        self._outputs: list[tuple[Tensor, int | None]] = []  # of the newest calls, and the numbers of their nodes
        self._updating = False
        self._unscaled: dict[int, tuple[ref[Tensor], Tensor]] = {}  # id of a scaled or summed loss -> it, and the loss
        self._averages = False  # whether backward passes divide sums by their counts
        self._scaled, self._skips = False, list[int]()
        self._loaded: list[int] = []  # steps after which a model loaded weights
        self._clip_norms: list[float | Tensor] = []
        self._clip_limit: float | None = None
        self._clips_values = False
        self._clipping: tuple[Sequence[Tensor], float] | None = None  # what is clipped, and its norm before
        self._evaluates = False
        self._evaluations: list[tuple[int, list[float]]] = []
        self._nonfinite: Nonfinite | None = None
        self._rows: int | None = None

    def step_begins(self, step: int) -> None:
        """Decide whether the step is sampled."""
        self._step = step
        self._passes.append(0)
        self._calls, self._outputs = [], []
        self._unscaled = {}
        self._sampled = self._sampling.due(step)
        if self._sampled:
            self._samples.append(step)
            self._samples = self._sampling.thinned(self._samples)
            self._parameters.keep(self._samples)
        self._parameters.begin(step, sampled=self._sampled)

    def loaded(self, module: nn.Module, state: Mapping[str, Any]) -> None:
        """Note that the next losses are of other weights than the last update left."""
        if self._loaded[-1:] != [self._step]:
            self._loaded.append(self._step)

    def next_step(self, step: int, spent_s: float) -> int:
        """Return the next step to be sampled, or the one after a sample, for its direction."""
        following = self._sampling.next_step(step, spent_s)
        return step + 1 if self._sampled else following

    def unwatched(self, steps: int, schedules: Mapping[LRScheduler, int]) -> None:
        """Count steps, and add up their losses."""
        self._step += steps
        self._sampled = False
        self._add_up()

    def thinned(self, first: int, distance: int) -> None:
        """Note that not all losses are read any more, or all of them again."""
        self._thinned.append((first, distance))

    def missed(self, step: int) -> None:
        """Note that what is read of a step may be a part of its loss."""
        self._missed.append(step)

    def unwatched_loss(self, step: int, loss: Tensor, calls: Sequence[tuple[nn.Module, Any, Any]]) -> None:
        """Keep the loss of a step that is not watched. Cost: 1 us, or 5 us and no wait on a device."""
        if self._unscaled:
            key, loss = id(loss), self._plain(loss)
            self._unscaled.pop(key, None)
        if not loss.is_cpu:
            self._parts.append((step, loss.detach().clone()))
            if len(self._parts) > _WAITING:
                self._add_up()
            return
        if self._parts:
            self._add_up()
        value = loss.item()
        if len(self._losses) == step - 1:
            self._losses.append(value)
        else:
            self._place(step, value)
        if -math.inf < value < math.inf:
            self._finite = step
        elif self._nonfinite is None:
            self._step = step
            self._calls = [(Call(*call, True, True), _autocast(call[1])) for call in calls]
            self._nonfinite = self._found("loss")

    def call_begins(self, call: Call) -> None:
        """Note the models that train, and the newest batch."""
        self._evaluates = not (call.training and call.grad)
        if self._evaluates or self._updating:
            return
        if not any(call.module is one for one in self._models):
            self._models.append(call.module)
            self._rows = self._rows or next(
                (len(one) for one in call.args if isinstance(one, Tensor) and one.dim()), None
            )
        if len(self._calls) < _CALLS and self._nonfinite is None:
            kept = Call(call.module, detached(call.args), detached(dict(call.kwargs)), call.training, call.grad)
            self._calls.append((kept, _autocast(call.args)))

    def call_ended(self, call: Call, output: Any) -> None:
        """Keep what a model gave, of a sampled step: a loss written by hand does not keep it."""
        if self._sampled and call.grad and not self._updating:
            made = [one for one in tensors_in(output) if one.grad_fn is not None]
            numbered = [(one.detach(), one.grad_fn._sequence_nr()) for one in made if one.grad_fn is not None]
            self._outputs = [*self._outputs, *numbered][-_CALLS:]

    def loss_scaled(self, losses: Sequence[Tensor], products: Sequence[Tensor]) -> None:
        """Note which loss a scaled one is of."""
        self._scaled = True
        for loss, product in zip(losses, products, strict=True):
            self._unscaled[id(product)] = ref(product), loss.detach()

    def scale_updated(self, skipped: bool, step: int) -> None:
        """Note that an update was left out since a scaled gradient was infinite."""
        self._scaled = True
        if skipped:
            self._skips.append(step)
            self._parameters.skipped()
            self._parts = [one for one in self._parts if one[0] != step]  # the next batch tries the same step again
            del self._losses[step - 1 :]

    def backward_weighted(self, losses: Sequence[Tensor], weights: Sequence[Tensor]) -> None:
        """Take the weighted losses for the losses, as a sum that is divided by its count."""
        for loss, weight in zip(losses, weights, strict=True):
            if loss.numel() == weight.numel() == 1 and self._plain(loss) is loss:
                self._unscaled[id(loss)] = ref(loss), loss.detach() * weight
                self._averages = self._averages or not bool(weight == 1)

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Keep the loss; of a sampled step, read the graph behind it."""
        if not self._passes:
            return
        self._passes[-1] += 1
        if self._updating and self._parts and self._parts[-1][0] == self._step:
            return  # LBFGS: the first evaluation is the loss of the step
        for loss in losses:
            if loss.numel() == 1:
                self._keep(self._plain(loss))
        if self._sampled and self._passes[-1] <= _READ:
            with self._sampling.paid():
                reading = read(losses)
                self._parameters.placed(reading.order)
                self._activations.add(self._step, reading.activations)
                found = reading.criterion or by_hand(losses, self._outputs)
                if found is not None and self._averages and found.reduction == "sum":
                    found = replace(found, reduction="mean")
                self._chance.add(found, self._step)

    def _plain(self, loss: Tensor) -> Tensor:
        """Return the loss that a scaled or weighted one is of; itself where it is none, whatever had its address."""
        scaled, plain = self._unscaled.get(id(loss), (None, loss))
        return plain if scaled is not None and scaled() is loss else loss

    def _keep(self, loss: Tensor) -> None:
        if not loss.is_cpu and not self._sampled:
            self._parts.append((self._step, loss.detach().clone()))  # read later, so that no device is waited for
            return
        value = float(loss)
        self._parts.append((self._step, value))
        if math.isfinite(value):
            self._finite = self._step
        elif self._nonfinite is None:
            self._nonfinite = self._found("loss")

    def _add_up(self) -> None:
        """Add the losses up by step. Cost: one wait for the device."""
        waiting = [one.float().reshape(()) for _, one in self._parts if isinstance(one, Tensor)]
        read = iter(torch.stack([one.to(waiting[0].device) for one in waiting]).tolist() if waiting else [])
        for step, part in self._parts:
            value = next(read) if isinstance(part, Tensor) else part
            self._place(step, value)
            if math.isfinite(value):
                self._finite = max(self._finite, step)
            elif self._nonfinite is None:  # on a device that was not waited for
                self._nonfinite = Nonfinite(step=step, what="loss", earliest=self._earliest(step - 1))
        self._parts = []
        self._losses += [math.nan] * (self._step - 1 - len(self._losses))

    def _place(self, step: int, value: float) -> None:
        """Add to the loss of a step; steps before it that have none get NaN."""
        self._losses += [math.nan] * (step - 1 - len(self._losses))
        if len(self._losses) < step:
            self._losses.append(value)
        else:
            self._losses[step - 1] += value

    def _found(self, what: str) -> Nonfinite:
        """Return where it began: in a parameter, in a layer of the newest batch, or in the loss function."""
        broken = self._parameters.broken(self._models)
        if broken is not None:
            return self._broken(broken, max(1, self._step - 1))
        found = first_broken(self._calls)
        layer, operation, inputs_finite = found or ("", "", None)
        return Nonfinite(step=self._step, what=what, layer=layer, operation=operation, inputs_finite=inputs_finite)

    def _broken(self, parameter: str, step: int) -> Nonfinite:
        """Return that a parameter broke in a step, or in those before it that were not looked at."""
        return Nonfinite(step=step, what="parameter", layer=parameter, earliest=self._earliest(step))

    def _earliest(self, step: int) -> int | None:
        """Return the first of the updates up to one after which no loss was finite; None where that is the only one."""
        return self._finite if 0 < self._finite < step else None

    def ended(self) -> None:
        """Look at the parameters, where the losses of the last steps were not read."""
        self._add_up()
        if self._thinned and self._nonfinite is None and self._finite < self._step:
            broken = self._parameters.broken(self._models)
            if broken is not None:
                self._nonfinite = self._broken(broken, self._step)

    def clip_begins(self, parameters: Sequence[Tensor], limit: float) -> None:
        """Look at the gradients before they are clipped."""
        if self._parameters.looks:
            with self._sampling.paid():
                self._parameters.gradients(parameters)
                self._clipping = parameters, _norm(parameters)

    def clip_ended(self, limit: float, norm: Tensor | None) -> None:
        """Note the norm that was clipped."""
        if norm is not None:
            self._clip_limit = limit
            self._clip_norms.append(float(norm) if norm.is_cpu else norm.detach())
        elif self._clipping is not None:  # by value
            self._clips_values, self._clip_limit = True, limit
            parameters, before = self._clipping
            after = _norm(parameters)
            self._clip_norms.append(limit * before / after if after else limit)
        self._clipping = None

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Look at the gradients as the optimizer gets them, and copy some entries of the parameters."""
        self._updating, self._outputs = True, []
        with self._sampling.paid():
            self._parameters.update_begins(optimizer)

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Look at what the update changed."""
        self._updating = False
        if self._parameters.looks:
            with self._sampling.paid():
                broken = self._parameters.update_ended(optimizer)
            if broken is not None and self._nonfinite is None:
                name = self._parameters.nearest_to_the_loss(broken, self._models)
                self._nonfinite = Nonfinite(
                    step=self._step,
                    what="gradient",
                    layer=name,
                    inputs_finite=finite([(call.args, dict(call.kwargs)) for call, _ in self._calls])
                    if self._calls
                    else None,
                )

    def loss_computed(self, loss: Tensor, given: Sequence[Tensor]) -> None:
        """Keep a loss of an evaluation."""
        if not self._evaluates or loss.numel() != 1:
            return
        if not self._evaluations or self._evaluations[-1][0] != self._step:
            self._evaluations.append((self._step, []))
        self._evaluations[-1][1].append(float(loss))

    @property
    def newest_sample(self) -> int:
        """The step that was sampled last; 0 before the first."""
        return self._samples[-1] if self._samples else 0

    def dynamics(self) -> Dynamics:
        """Return what was seen."""
        self._add_up()
        losses = self._losses + [math.nan] * (self._step - len(self._losses))
        for step in self._missed:
            losses[step - 1 : step] = [math.nan] * len(losses[step - 1 : step])
        named = self._parameters.named(self._models)
        steps = tuple(self._samples)
        return Dynamics(
            losses=tuple(finite_or_none(loss) for loss in losses),
            thinned=tuple(self._thinned),
            samples=steps,
            rates=self._parameters.rates(steps),
            norms=self._parameters.norms(steps),
            gradient_cosines=self._parameters.cosines(steps, "gradient"),
            update_cosines=self._parameters.cosines(steps, "update"),
            overshoots=self._parameters.overshoots(steps),
            clip_norms=tuple(finite_or_none(float(norm)) for norm in self._clip_norms),
            clip_limit=self._clip_limit,
            clips_values=self._clips_values,
            parameters=self._parameters.tracks(steps, named),
            activations=self._activations.tracks(steps, named),
            criterion=self._chance.criterion(),
            evaluations=tuple(
                Evaluation(step=step, loss=finite_or_none(sum(values) / len(values)), batches=len(values))
                for step, values in self._evaluations
            ),
            optimizers=self._parameters.optimizers,
            batch_rows=self._rows,
            passes=sorted(self._passes)[len(self._passes) // 2] if self._passes else 1,
            loaded=tuple(self._loaded),
            skips=tuple(self._skips),
            scaled=self._scaled,
            nonfinite=self._nonfinite,
            cost_share=self._sampling.spent_s / max(self._sampling.elapsed_s, 1e-9),
            **self._parameters.settings(),
        )


def _autocast(args: Sequence[Any]) -> torch.dtype | None:
    """Return the type that autocast computes in on the device of arguments; None where it is off."""
    device = next((one.device.type for one in args if isinstance(one, Tensor)), "cpu")
    return torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else None


def _norm(parameters: Sequence[Tensor]) -> float:
    """Return the norm of the gradients of parameters."""
    found = [one.grad.norm() for one in parameters if one.grad is not None and not one.grad.is_sparse]
    return float(torch.stack(found).norm()) if found else 0.0
