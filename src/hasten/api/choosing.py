"""The verbs that choose a number for a training: its learning rate, its batch size, its layout on devices."""

import shlex
from collections.abc import Sequence

from hasten.api.given import baseline_shown, budget_given, check_trainable, silent
from hasten.base.errors import BadInput
from hasten.base.records.batch_choice import BatchChoice
from hasten.base.records.layout import LayoutPlan, LayoutTuning, Links, Nodes
from hasten.base.records.notices import Activity
from hasten.base.records.rate_choice import RateChoice
from hasten.machine import facts, load_cached
from hasten.techniques.registry import technique
from hasten.training.recipe import baseline
from hasten.training.running import Show
from hasten.training.task import Task
from hasten.tuning.layouts.counting import counted_step, tried
from hasten.tuning.layouts.measure import Launch, measure_layouts
from hasten.tuning.layouts.predict import devices_that_fit, predict, predict_counted
from hasten.tuning.rate.choose import choose_rate
from hasten.tuning.rate.choose_batch import choose_batch_size


def find_lr(task: Task, *, budget: str | None = None, show: Show = silent) -> RateChoice:
    """Choose the learning rate of a task by short trainings, and say what it is worth against the task's own.

    Sweeps find the rate at which training stops working. Branches of some steps below it, each with a cool-down of the
    rate, or whole trainings where the budget allows, are compared by held-out loss over three initializations and data
    orders, and the best rate is compared with the task's own on five to twelve others. All parameter groups are scaled
    alike; the schedule stays. Global generators, settings and data are as before when it returns.

    Args:
        task: to look at.
        budget: seconds to spend, "2m", or a share of the planned training, "5%"; None for 5 %, but at
            least 30 s and what a search takes (by whole trainings, if that is a minute at most), and else at most 10
            minutes.
        show: called with what it will cost before it starts.

    Raises:
        BadInput: if the task cannot be trained, or the budget is too small.
    """
    allowed = budget_given(budget)
    check_trainable(task, show)
    return choose_rate(baseline_shown(task, facts(), show), budget=allowed, show=show)


def find_batch_size(task: Task, *, budget: str | None = None, show: Show = silent) -> BatchChoice:
    """Choose the batch size that reaches the held-out loss of the task's own one soonest, of those that were run.

    The speed of each size that fits is measured, and the gradient noise scale predicts how many updates it needs. The
    two best other sizes are confirmed by branches of equal time, with the learning rate rescaled (linearly for SGD, by
    the square root for adaptive optimizers) and three rates tried; the best is proven on other starts. Global
    generators, settings and data are as before when it returns.

    Args:
        task: to look at.
        budget: see `find_lr`.
        show: called with what it will cost before it starts.

    Raises:
        BadInput: if the task cannot be trained, or the budget is too small.
    """
    allowed = budget_given(budget)
    check_trainable(task, show)
    machine = facts()
    return choose_batch_size(baseline_shown(task, machine, show), machine, budget=allowed, show=show)


def find_layout(
    task: Task,
    *,
    devices: int,
    memory_limit: int | None = None,
    links: Links | None = None,
    nodes: Nodes | None = None,
    show: Show = silent,
) -> LayoutPlan:
    """Predict the memory and the time of a step for at most ten ways to share a training among devices.

    The devices need not be there. Two micro-batches are timed and watched in this process, the optimizer's state is
    counted after a real step, and the links are measured where the devices are in this machine. Takes seconds.

    First a step is counted on tensors without memory. Where its model, or two samples of a batch, do not fit into this
    machine, nothing is measured but the machine's peaks: memory is as counted, times have a wide band
    (`LayoutPlan.counted_steps`), and each layout makes a step without its devices.

    Args:
        task: to train.
        devices: that may be used.
        memory_limit: bytes of each; None for what a device of this machine has. 90 % of it may be used.
        links: between two devices, of one node where there are several; None to measure them here, or to assume 100
            Gbit/s and 20 microseconds.
        nodes: that the devices are in, and the link between two of them; None where all links are alike.
        show: called with what it does.

    Raises:
        BadInput: if the task cannot be trained, or neither fits into this machine nor can be counted; if the devices do
            not fill several nodes.
        Unstable: if the devices are here and cannot talk to each other, or the machine's peaks cannot be measured.
    """
    if nodes is not None and (devices <= nodes.devices or devices % nodes.devices):
        raise BadInput(f"{devices} devices must fill several nodes of {nodes.devices} devices each.")
    machine = facts()
    show(Activity(text="counting a step on tensors without memory"))
    step = counted_step(task, machine, devices)
    plain = baseline(task, device="cuda" if machine.gpu is not None else "cpu")
    measured_for = devices_that_fit(step, plain, machine, devices)
    if measured_for is None:
        show(Activity(text="trying layouts on tensors without memory, and measuring the machine"))
        seen = tried(task, machine, devices, None if nodes is None else nodes.devices)
        measured = load_cached(quick=True)
        return predict_counted(
            plain, measured, step, seen, devices=devices, memory_limit=memory_limit, links=links, nodes=nodes
        )
    check_trainable(task, show)
    recipe = baseline_shown(task, machine, show)
    show(Activity(text="timing two micro-batches and the links"))
    return predict(
        recipe,
        machine,
        devices=devices,
        memory_limit=memory_limit,
        links=links,
        nodes=nodes,
        measured_for=measured_for,
    )


def tune_layouts(
    task: Task,
    *,
    processes: int,
    launch: Launch,
    only: Sequence[str] = (),
    budget_s: float | None = None,
    show: Show = silent,
) -> LayoutTuning:
    """Run the three layouts that are predicted to be the fastest against one process, each trial in new processes.

    The first gradient of each must be that of one process, up to rounding. One process is kept unless another layout is
    surely faster. Takes about a minute: five rounds of up to four trials.

    Args:
        task: that a command names (`load_task`), since each process loads it anew.
        processes: of this machine.
        launch: starts `hasten` in processes: (words, processes) -> exit code.
        only: names of techniques, one of which makes each layout that is run; none for the fastest of all.
        budget_s: seconds for the rounds, of which there are at least three; None for five rounds.
        show: called with what is under way, and with the prediction.

    Raises:
        BadInput: if the task cannot be trained, no command names it, or no layout of `only` can be used.
    """
    for name in only:
        technique(name)  # an unknown name is an error
    if not task.command:
        raise BadInput("each process loads the task anew: give one that a command names (a built-in one, or a file).")
    check_trainable(task, show)
    machine = facts()
    show(Activity(text="timing two micro-batches and the links"))
    found = predict(baseline_shown(task, machine, show), machine, devices=processes, here=True)
    show(found)
    return measure_layouts(
        found, shlex.split(task.command), launch, only=only, budget_s=budget_s, seed=task.seed, show=show
    )
