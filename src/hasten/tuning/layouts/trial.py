"""One trial of a layout: this process is one of those that were started for it, and makes some steps with them."""

from pathlib import Path
from time import perf_counter

import psutil
from safetensors.torch import save_file
from torch import Tensor

from hasten.base.device import Device
from hasten.base.records.layout import LayoutTrial
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Plan
from hasten.base.records.record import save
from hasten.profiling.stepping import next_step
from hasten.techniques.applying import apply_all, make
from hasten.training.building import build
from hasten.training.data_parallel import among, in_processes
from hasten.training.processes import together
from hasten.training.recipe import Recipe
from hasten.training.session import Session
from hasten.training.sharding import whole
from hasten.training.step import step
from hasten.training.transforms import Attached, Parameters, Stateless
from hasten.tuning.reference_step import without_dropout

UNTIMED = 5
"""Steps before the first one that is timed."""
TIMES, GRADIENT = "trial.json", "gradient.safetensors"


def try_layout(recipe: Recipe, plan: Plan, machine: Machine, *, steps: int, folder: Path) -> None:
    """Make some steps as one of the processes that were started together; the first writes what it found.

    The first gradient is computed without dropout, whose masks differ between processes, on a model of its own.

    Args:
        recipe: the training in one process.
        plan: with the techniques of the layout.
        machine: what it runs on.
        steps: to time, after some that are not.
        folder: gets the times and the gradient.
    """
    with together(recipe.parallel.device) as processes:
        chosen = [make(one.technique, one.knobs) for one in plan.choices]
        if processes is None:
            shared = apply_all(chosen, recipe, machine)
        else:
            shared = in_processes(apply_all(chosen, among(recipe, processes), machine))
        gradient = first_gradient(without_dropout(shared))
        run = build(shared)
        times = _timed(run, steps)
        if processes is None or processes.rank == 0:
            save_file(gradient, folder / GRADIENT)
            save(LayoutTrial(step_s=tuple(times), peak_bytes=_peak_bytes(recipe.device)), folder / TIMES)


def first_gradient(recipe: Recipe) -> dict[str, Tensor]:
    """Return the gradient of the first batch, whole in every process. A collective where the model is sharded."""
    run, found = build(recipe), dict[str, Tensor]()

    def catch(parameters: Parameters) -> bool:
        for name, parameter in parameters.items():
            if parameter.grad is not None:
                found[name] = whole(parameter.grad.detach()).to_dense().cpu().clone()
        return False

    run.gradient = (*run.gradient, Attached(Stateless(catch)))
    with run.contexts:
        step(run, next(run.batches())[1])
    return found


def _timed(run: Session, steps: int) -> list[float]:
    """Return the seconds of steps as the loop makes them."""
    times, batches = list[float](), run.batches()
    with run.contexts:
        for _ in range(UNTIMED + steps):
            begin = perf_counter()
            next_step(run, batches)
            run.recipe.device.synchronize()
            times.append(perf_counter() - begin)
    return times[UNTIMED:]


def _peak_bytes(device: Device) -> int:
    if not device.is_host:
        return device.peak_allocated_bytes()
    return psutil.Process().memory_info().rss
