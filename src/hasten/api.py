"""The verbs: what a person calls from Python, and what every command of the command line calls."""

import math
import shlex
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from hasten.attribution.attribute import attribute as explain
from hasten.base.errors import BadInput
from hasten.base.records.attribution import Attribution, Method
from hasten.base.records.batch_choice import BatchChoice
from hasten.base.records.export import Exported, Format
from hasten.base.records.finding import Diagnosis
from hasten.base.records.layout import LayoutPlan, LayoutTuning, Links
from hasten.base.records.machine import Machine
from hasten.base.records.notices import Activity, Note
from hasten.base.records.plan import Plan
from hasten.base.records.profile import Profile
from hasten.base.records.rate_choice import RateChoice
from hasten.base.records.record import save
from hasten.base.records.reproof import Reproof
from hasten.base.records.side_by_side import SideBySide
from hasten.base.records.task_check import TaskCheck
from hasten.base.records.trial import Tuning
from hasten.base.stages import FREE, Guarantee
from hasten.base.units import seconds
from hasten.diagnosis.registry import Tier
from hasten.machine import facts, load_cached
from hasten.pipeline.autotuning import Together, going_on, tuning_inside
from hasten.pipeline.budget import SHORTEST_S, planned_s, tuning_budget_s
from hasten.pipeline.diagnosing import health_of_recipe
from hasten.pipeline.diagnosing import judged as judged_health
from hasten.pipeline.eject.difference import difference
from hasten.pipeline.eject.ejecting import Ejected
from hasten.pipeline.eject.ejecting import eject as write_script
from hasten.pipeline.eject.keeping import keep_script
from hasten.pipeline.examining import examine, judged
from hasten.pipeline.exporting import export_model
from hasten.pipeline.fixing import fixed, of_recipe
from hasten.pipeline.job import Job, Options, remember, run_tuning
from hasten.pipeline.job import run as run_job
from hasten.pipeline.less_memory import train_in_memory
from hasten.pipeline.loggers.logging import Logging
from hasten.pipeline.plan_check import PLAN_CHECK, check_plan
from hasten.pipeline.proving import changed_since, prove_again
from hasten.pipeline.run_watch import RunWatch
from hasten.pipeline.seeing import Views
from hasten.pipeline.side_by_side import SEEDS, Side, side_by_side
from hasten.pipeline.trained_run import trained_session
from hasten.profiling.profile import BUDGET_S, DEPTH_BUDGET_S, TIMEOUT_S
from hasten.profiling.profile import profile as profile_recipe
from hasten.profiling.together import profile_together
from hasten.report.attribution_page import write_attribution
from hasten.techniques.applying import apply_plan, chosen_technique, plan_of
from hasten.techniques.baseline import baseline_of, notes_on_uses
from hasten.techniques.old_names import current_name
from hasten.techniques.plan_file import read_plan, write_plan
from hasten.techniques.registry import technique
from hasten.training.check import check as check_task
from hasten.training.check.understanding import understood
from hasten.training.data_parallel import among, in_processes
from hasten.training.processes import rank_here, together
from hasten.training.recipe import Recipe
from hasten.training.restarts import begun_run, note_starter
from hasten.training.run_folder import MACHINE, PLAN, make_run_folder
from hasten.training.running import Show, Trained, Watch, run_training
from hasten.training.task import Task
from hasten.training.technique import Technique
from hasten.tuning.layouts.measure import Launch, measure_layouts
from hasten.tuning.layouts.predict import predict
from hasten.tuning.rate.choose import choose_rate
from hasten.tuning.rate.choose_batch import choose_batch_size

RUNS = Path("runs")
Chosen: TypeAlias = Technique | type[Technique] | str
"""A technique by its name, its class, or an instance with its knobs set."""


def silent(record: object) -> None:
    """Show nothing."""


def check(task: Task, *, show: Show = silent) -> TaskCheck:
    """Say what was understood of a task: its batch, target, loss, data, optimizer, and what a plan may replace.

    It makes one training step on a model of its own. Cost: seconds at most, but for a very large model or batch.

    Args:
        task: to look at.
        show: called with the record, and with a note for each thing to know.

    Raises:
        BadInput: if the task cannot be understood: what was found in its batch, what was expected, what to change.
    """
    notes = check_task(task)
    found = understood(_baseline(task, facts(), show), notes)
    show(found)
    for note in found.notes:
        show(Note(text=note))
    return found


def run(
    task: Task,
    *,
    budget: str | None = None,
    allow: Iterable[Guarantee | str] = (),
    only: Iterable[Chosen] | None = None,
    exclude: Iterable[str] = (),
    accept: Iterable[str] = (),
    seeds: int | None = None,
    fresh: bool = False,
    command: str = "",
    runs: Path = RUNS,
    show: Show = silent,
) -> Job:
    """Do the main job: measure, profile, tune, train with the plan, compare with the baseline, report.

    Args:
        task: what to train.
        budget: of tuning, "2m" or "5%"; None for 5 % of the planned training, at least 30 s, at most 10 minutes.
        allow: guarantees beyond the free ones that tuning may use: "trajectory", "model".
        only: the techniques to try: names, classes, or instances with knobs set; None for all. A class that hasten
            does not know is registered for this process.
        exclude: names of techniques not to try.
        accept: names of techniques that tuning keeps if they are faster, although their guarantee is not proven.
        seeds: pairs of trainings to compare; None for as many as fit into 25 s.
        fresh: ignore what earlier tunings of the same training found; else that is taken up, and its time counts.
        command: that repeats this job, for its report.
        runs: where the run's folder is made.
        show: called with every record as it is known.

    Returns:
        The run's folder and its evidence.

    Raises:
        BadInput: if the task cannot be trained; the message says what must be changed.
    """
    options = _options(budget, allow, only, exclude, accept, seeds, fresh=fresh, command=command)
    _check(task, show)
    folder = make_run_folder(runs, task.name, datetime.now())
    show(machine := load_cached(quick=True))
    return run_job(_baseline(task, machine, show), machine, folder=folder, options=options, show=show)


def train(
    task: Task,
    plan: Plan | Path | Iterable[Chosen] | None = None,
    *,
    accept: Iterable[str] = (),
    runs: Path | None = RUNS,
    resume: Path | None = None,
    diagnose: bool = False,
    autotune: bool = False,
    log: Sequence[str] = (),
    show: Show = silent,
) -> Trained:
    """Train a task, with or without a plan, and return the result and the plain model.

    Processes that were started together (`torchrun`, `hasten train --processes`) train one model: each computes its
    share of every batch, and losses, metrics and weights are those of one process, but for rounding. The first one
    shows and writes what there is.

    A plan is checked by the numerical gates of its techniques once before it trains, in seconds; where that would take
    longer, it is not, and the record `PlanCheck` that is shown says so.

    Args:
        task: what to train.
        plan: which techniques to use: a plan, its file, or techniques as in `only` of `run`. None with `resume` means
            the plan of that run.
        accept: names of techniques of the plan that are used although they break their guarantee.
        runs: where the run's folder is made; None to keep nothing.
        resume: the folder of a run to go on from.
        diagnose: watch the wiring and the dynamics, show each finding (`Found`) when it is made, and keep what was seen
            in the run's folder. The parameters are the same bit for bit.
        autotune: try techniques in blocks of the training's own steps and go on with those that are faster. Only those
            that change the forward pass alone and pass their numerical gate take part. A run that is resumed goes on
            with what it has found.
        log: trackers to tell of the losses and metrics: "tensorboard", "mlflow" or "wandb", each with a place after a
            colon if it is not the usual one: "mlflow:sqlite:///runs.db".
        show: called with every record as it is known.

    Raises:
        BadInput: if the task, the plan or the checkpoint cannot be used.
        Refused: if a technique of the plan cannot be used here, or breaks its guarantee.
    """
    show = _of_first(show)
    if autotune and plan is not None:
        raise BadInput("a training with a plan is not tuned inside: leave the plan out, or --autotune.")
    _check(task, show)
    if plan is None and resume is not None:
        plan = _plan_of_run(resume, task)
    chosen = _plan(plan, task)
    machine = facts()
    plain = _baseline(task, machine, show)
    if changed := changed_since(chosen, machine):
        again = f"hasten tune {task.command or 'TASK'} --verify PLAN"
        show(Note(text=f"the plan was proven {changed}: {again} proves it again"))
    with together(plain.parallel.device) as processes:
        recipe = apply_plan(chosen, plain if processes is None else among(plain, processes), machine)
        if processes is not None:
            recipe = in_processes(recipe)
            _check_together(recipe, autotune=autotune, diagnose=diagnose)
            if resume is None and runs is not None:  # started again after one of them failed
                begun = processes.of_first(str(begun_run(runs) or ""), recipe.parallel.device)
                resume = Path(begun) if begun else None
            if processes.rank:
                return run_training(recipe, chosen, show=show, folder=resume, resume=resume is not None)
        checked = check_plan(chosen, plain, machine, accept=frozenset(accept), folder=resume)
        folder = resume
        if folder is None and runs is not None:
            folder = _new_run(runs, plain, chosen, machine, show)
        if checked is not None:
            show(checked)
            if folder is not None:
                save(checked, folder / PLAN_CHECK)
        watches: list[Watch] = []
        if autotune:
            inside = tuning_inside(recipe, machine, folder=folder, show=show)
        else:
            inside = going_on(resume, machine) if resume is not None else None
        if inside is not None:
            watches.append(inside)
        if diagnose:
            watches.append(RunWatch(name=task.name, command=_checked_by(task), folder=folder))
        watch = Together(watches) if watches else None
        name = folder.name if folder is not None else f"{task.name}-{datetime.now():%Y%m%d-%H%M%S}"
        with Logging(log, name, show) as shown:

            def trained(recipe: Recipe, resume: bool) -> Trained:
                return run_training(recipe, chosen, show=shown, folder=folder, resume=resume, watch=watch)

            return train_in_memory(
                recipe, chosen, plain, machine, train=trained, folder=folder, resume=resume is not None, show=shown
            )


def _of_first(show: Show) -> Show:
    """Return what shows, which of processes that were started together only the first does."""
    return show if rank_here() == 0 else silent


def _check_together(recipe: Recipe, *, autotune: bool, diagnose: bool) -> None:
    """Raise `BadInput` where the training of several processes cannot be tuned or watched as is asked."""
    if autotune:
        raise BadInput("several processes are not tuned inside the training: tune before, with hasten tune.")
    if diagnose and recipe.parallel.sharded:
        raise BadInput(
            "--diagnose reads whole parameters and gradients; leave what divides the model (fsdp, tensor_parallel) out "
            "of the plan."
        )
    if diagnose and recipe.parallel.keeps:
        raise BadInput(
            "--diagnose looks at the first process alone, and saving takes all of them where each keeps something of "
            "its own; leave powersgd, local_sgd and diloco out of the plan."
        )


def _new_run(runs: Path, plain: Recipe, plan: Plan, machine: Machine, show: Show) -> Path:
    """Make the folder of a run, with its plan, its machine and the script that leaves hasten; return it."""
    folder = make_run_folder(runs, plain.task.name, datetime.now())
    note_starter(folder)
    write_plan(plan, folder / PLAN)
    save(machine, folder / MACHINE)
    keep_script(plain, plan, folder, show)
    return folder


def eject(task: Task, plan: Plan | Path | Iterable[Chosen] | None = None, *, out: Path, force: bool = False) -> Ejected:
    """Write a task with its plan as one plain PyTorch script that needs no hasten.

    The script trains with the same losses, bit for bit where the plan is exact. Techniques that have no form outside of
    hasten are left out and named. Where the samples take much of hasten's code to read, they are saved beside the
    script.

    Args:
        task: what the script trains.
        plan: see `train`; None for the plain training.
        out: the file of the script.
        force: replace a file that exists.

    Returns:
        The script, what it lacks, and what that costs.

    Raises:
        BadInput: if the plan cannot be used, or `out` exists and `force` is False.
        Refused: if a technique cannot be used here, or a part of the task cannot be written as source.
    """
    ejected = write_script(task, _plan(plan, task), facts())
    ejected.write(out, force=force)
    return ejected


def export(run: Path, task: Task, *, to: Format | str, out: Path, show: Show = silent) -> Exported:
    """Export the model of a run to a file, and compare it with the model: outputs, metric, size and time.

    The model stands in the file as the task calls it, in evaluation mode, with the weights that the run ended with. The
    file is loaded back and run on validation data; it takes some seconds, ten and more for ONNX.

    Args:
        run: folder of a finished run.
        task: that was trained.
        to: "pt2" (`torch.export`), "onnx" (for ONNX Runtime and others), or "int8": ONNX with int8 products.
        out: the file, replaced whole if it exists.
        show: called with what is under way.

    Raises:
        BadInput: if the run has no weights of the task's model, the model cannot be exported, or a package is missing.
        GuaranteeBroken: if outputs of the exported model differ by more than rounding; then no file is written.
    """
    _check(task, show)
    show(Activity(text=f"exporting to {Format(to).value}"))
    return export_model(trained_session(run, task), Format(to), out)


def eject_diff(
    task: Task, plan: Plan | Path | Iterable[Chosen] | None = None, *, script: Path
) -> tuple[str, tuple[str, ...]]:
    """Return what a plan changes in a training script of one's own, as a unified diff, and what it cannot change there.

    Args:
        task: the same training, as a task.
        plan: see `train`.
        script: with one optimizer of `torch.optim`, one backward pass and one step.

    Raises:
        BadInput: if the plan or the script cannot be read.
        Refused: if the script is not that simple; with the reason.
    """
    ejected = write_script(task, _plan(plan, task), facts())
    text, rest = difference(script, ejected.parts)
    return text, (*(f"not in the diff: {one}" for one in rest), *ejected.left_out_notes)


def profile(
    task: Task,
    plan: Plan | Path | Iterable[Chosen] | None = None,
    *,
    timeout_s: float = TIMEOUT_S,
    trace: Path | None = None,
    show: Show = silent,
) -> Profile:
    """Measure where the time and the memory of a task's step go, and say what stands out and what to try.

    Of processes that were started together (see `train`) the times of each are measured, and nothing else.

    Args:
        task: whose step is looked at.
        plan: see `train`.
        timeout_s: seconds after which a step, or an evaluation, counts as hanging.
        trace: where to write the timed steps as a Chrome trace.
        show: called with every record as it is known.

    Raises:
        BadInput: if the task or the plan cannot be used, or a step hangs.
    """
    show = _of_first(show)
    _check(task, show)
    show(machine := load_cached(quick=True) if rank_here() == 0 else facts())
    recipe, chosen = _baseline(task, machine, show), _plan(plan, task)
    with together(recipe.parallel.device) as processes:
        recipe = recipe if processes is None else among(recipe, processes)
        if chosen.choices:
            recipe = apply_plan(chosen, recipe, machine)
        show(Activity(text=f"profiling the step, about {seconds(DEPTH_BUDGET_S if processes is None else BUDGET_S)}"))
        if processes is None:
            found = examine(recipe, machine, plan=chosen.names, timeout_s=timeout_s, trace=trace)
        else:
            mine = None if processes.rank else trace
            shared = in_processes(recipe)
            found = profile_together(shared, machine, processes, plan=chosen.names, timeout_s=timeout_s, trace=mine)
    show(found)
    return found


def diagnose(
    task: Task,
    plan: Plan | Path | Iterable[Chosen] | None = None,
    *,
    steps: int | None = None,
    only: Collection[Tier] = tuple(Tier),
    fix: bool = False,
    html: Path | None = None,
    tensorboard: Path | None = None,
    show: Show = silent,
) -> Diagnosis:
    """Train a task for some steps on a model of its own, and say what is wrong with its training.

    Args:
        task: to look at.
        plan: with which techniques; None for the training as it is today.
        steps: at most so many; None for up to 200, as fit into 15 s, at least 24.
        only: the tiers of rules that judge: wiring, data, dynamics, transformers.
        fix: try the remedies of what is found in paired short trainings.
        html: file to write a page with the findings and charts to.
        tensorboard: folder to write scalars and histograms to, for TensorBoard.
        show: called with what it takes before it starts, with the diagnosis, and with what each remedy did.

    Raises:
        BadInput: if the task cannot be trained, a file cannot be written, or tensorboard is not installed.
        Refused: if a technique of the plan cannot be used here.
    """
    views = Views(html, tensorboard)
    _check(task, silent)
    machine = facts()
    recipe = apply_plan(_plan(plan, task), _baseline(task, machine, silent), machine)
    histograms = tensorboard is not None
    health = health_of_recipe(recipe, steps=steps, command=_checked_by(task), histograms=histograms, show=show)
    found = judged_health(health, only)
    show(found)
    if fix and found.findings:
        found = fixed(of_recipe(recipe, steps=health.steps), found, show=show)
    views.write(health, found)
    return found


def tune(
    task: Task,
    *,
    budget: str | None = None,
    allow: Iterable[Guarantee | str] = (),
    only: Iterable[Chosen] | None = None,
    exclude: Iterable[str] = (),
    accept: Iterable[str] = (),
    fresh: bool = False,
    show: Show = silent,
) -> Tuning:
    """Try techniques on a task in paired experiments, and return every trial and the plan that they prove.

    Args:
        task: what to tune.
        budget: see `run`.
        allow: see `run`.
        only: see `run`.
        exclude: see `run`.
        accept: see `run`.
        fresh: see `run`.
        show: called with every record as it is known.

    Raises:
        BadInput: if the task cannot be trained, or a name is unknown.
    """
    _check(task, show)
    options = _options(budget, allow, only, exclude, accept, fresh=fresh)
    show(machine := load_cached(quick=True))
    recipe = _baseline(task, machine, show)
    show(anatomy := judged(profile_recipe(recipe, machine), recipe, machine))
    tuning = run_tuning(recipe, machine, anatomy, options, show=show)
    remember(recipe, machine, tuning, show=show)
    return tuning


def verify_plan(
    task: Task, plan: Plan | Path | Iterable[Chosen], *, budget: str | None = None, show: Show = silent
) -> Reproof:
    """Prove a plan again: its numerical gates, and one paired measurement against the baseline.

    Args:
        task: what it is for.
        plan: see `train`.
        budget: seconds to spend, "2m", or a share of the planned training, "5%"; None for 30 s.
        show: called with every record as it is known.

    Raises:
        BadInput: if the task or the plan cannot be used, or the plan is empty.
        Refused: if a technique of the plan cannot be used here, or breaks its guarantee.
    """
    allowed = _budget(budget)
    _check(task, show)
    chosen, machine = _plan(plan, task), facts()
    if not chosen.choices:
        raise BadInput("there is nothing to prove: the plan has no technique.")
    recipe = _baseline(task, machine, show)
    anatomy = profile_recipe(recipe, machine) if budget is not None and "%" in budget else None
    planned = math.inf if anatomy is None else planned_s(recipe, anatomy)
    if (checked := check_plan(chosen, recipe, machine)) is not None:
        show(checked)
    show(found := prove_again(chosen, recipe, machine, budget_s=allowed(planned) or SHORTEST_S))
    return found


def compare(
    task: Task,
    a: Plan | Path | Iterable[Chosen] | None,
    b: Plan | Path | Iterable[Chosen] | None,
    *,
    names: tuple[str, str] = ("a", "b"),
    pythons: tuple[Path | None, Path | None] = (None, None),
    seeds: int = SEEDS,
    words: Iterable[str] = (),
    show: Show = silent,
) -> SideBySide:
    """Train a task with two plans from the same seeds, and say which one reaches equal quality sooner.

    Args:
        task: what to train.
        a: what `b` is compared with: see `train`; None for the plain training.
        b: the other plan.
        names: what the sides are called.
        pythons: the interpreter of each side, with its own versions of hasten and of libraries; None for this process.
            If one side has another one, both are trained in processes of their own.
        seeds: pairs of trainings, at least 2.
        words: the task as it is typed after `hasten train`, where an interpreter is given.
        show: called with every record as it is known.

    Raises:
        BadInput: if the task or a plan cannot be used.
        Refused: if a technique cannot be used here.
        TrainingFailed: if a training fails.
    """
    if seeds < 2:
        raise BadInput(f"a comparison needs at least 2 seeds for an interval; found {seeds}.")
    _check(task, show)
    machine = facts()
    sides = [Side(name, _plan(plan, task), python) for name, plan, python in zip(names, (a, b), pythons, strict=True)]
    recipe = _baseline(task, machine, show)
    return side_by_side(recipe, machine, sides[0], sides[1], seeds=seeds, words=tuple(words), show=show)


def find_lr(task: Task, *, budget: str | None = None, show: Show = silent) -> RateChoice:
    """Choose the learning rate of a task by short trainings, and say what it is worth against the task's own.

    Sweeps find the rate at which training stops working. Branches of some steps below it, each with a cool-down of the
    rate, are compared by held-out loss over three initializations and data orders, and the best rate is compared with
    the task's own on three others. All parameter groups are scaled alike; the schedule stays. Global generators,
    settings and data are as before when it returns.

    Args:
        task: to look at.
        budget: seconds to spend, "2m", or a share of the planned training, "5%"; None for 5 %, or what a search takes
            at least.
        show: called with what it will cost before it starts.

    Raises:
        BadInput: if the task cannot be trained, or the budget is too small.
    """
    allowed = _budget(budget)
    _check(task, show)
    return choose_rate(_baseline(task, facts(), show), budget=allowed, show=show)


def attribute(
    run: Path,
    task: Task,
    *,
    method: Method | str = Method.INTEGRATED_GRADIENTS,
    samples: int = 3,
    seed: int = 0,
    html: Path | None = None,
    show: Show = silent,
) -> Attribution:
    """Explain predictions of a trained model: which pixels, tokens or columns they come from, with two checks.

    The samples are validation data: the most confident of those that are wrong, the least certain, and some that are
    right; for numbers, the largest errors and some others. Weights, modes and random generators are as before when it
    returns. It needs captum.

    Args:
        run: folder of a finished run.
        task: that was trained.
        method: "integrated-gradients", "gradient-x-input" or "saliency".
        samples: of each kind.
        seed: of what is chosen at random.
        html: where to write the page; None for none.
        show: called with what is under way.

    Raises:
        BadInput: if the run has no weights of the task's model, the predictions cannot be explained, or captum is not
            installed.
    """
    _check(task, show)
    show(Activity(text="explaining predictions"))
    session = trained_session(run, task, device="cpu" if facts().gpu is None else "cuda")
    found = explain(session, of=str(run), method=Method(method), samples=samples, seed=seed)
    if html is not None:
        write_attribution(found, html)
    return found


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
    allowed = _budget(budget)
    _check(task, show)
    machine = facts()
    return choose_batch_size(_baseline(task, machine, show), machine, budget=allowed, show=show)


def find_layout(
    task: Task,
    *,
    devices: int,
    memory_limit: int | None = None,
    links: Links | None = None,
    show: Show = silent,
) -> LayoutPlan:
    """Predict the memory and the time of a step for at most ten ways to share a training among devices.

    The devices need not be there. Two micro-batches are timed and watched in this process, the optimizer's state is
    counted after a real step, and the links are measured where the devices are in this machine. Takes seconds.

    Args:
        task: to train.
        devices: that may be used.
        memory_limit: bytes of each; None for what a device of this machine has. 90 % of it may be used.
        links: between two devices; None to measure them here, or to assume 100 Gbit/s and 20 microseconds.
        show: called with what it does.

    Raises:
        BadInput: if the task cannot be trained.
        Unstable: if the devices are here and cannot talk to each other.
    """
    _check(task, show)
    machine = facts()
    recipe = _baseline(task, machine, show)
    show(Activity(text="timing two micro-batches and the links"))
    return predict(recipe, machine, devices=devices, memory_limit=memory_limit, links=links)


def tune_layouts(
    task: Task, *, processes: int, launch: Launch, budget_s: float | None = None, show: Show = silent
) -> LayoutTuning:
    """Run the three layouts that are predicted to be the fastest against one process, each trial in new processes.

    The first gradient of each must be that of one process, up to rounding. One process is kept unless another layout is
    surely faster. Takes about a minute: five rounds of up to four trials.

    Args:
        task: that a command names (`load_task`), since each process loads it anew.
        processes: of this machine.
        launch: starts `hasten` in processes: (words, processes) -> exit code.
        budget_s: seconds for the rounds, of which there are at least three; None for five rounds.
        show: called with what is under way, and with the prediction.

    Raises:
        BadInput: if the task cannot be trained, or no command names it.
    """
    if not task.command:
        raise BadInput("each process loads the task anew: give one that a command names (a built-in one, or a file).")
    _check(task, show)
    machine = facts()
    show(Activity(text="timing two micro-batches and the links"))
    found = predict(_baseline(task, machine, show), machine, devices=processes, here=True)
    show(found)
    return measure_layouts(found, shlex.split(task.command), launch, budget_s=budget_s, seed=task.seed, show=show)


def _budget(text: str | None) -> Callable[[float], float | None]:
    """Return seconds of the planned training -> seconds to spend, None by default; what cannot be read raises here."""
    if text is not None:
        tuning_budget_s(text, planned=1.0)
    return lambda planned_s: None if text is None else tuning_budget_s(text, planned_s)


def load_plan(path: Path | str) -> Plan:
    """Return the plan of a TOML file; old names of techniques are read with a warning.

    Raises:
        BadInput: if the file cannot be read or names an unknown technique or knob; with the line.
    """
    return read_plan(Path(path))


def save_plan(plan: Plan, path: Path | str) -> None:
    """Write a plan as a TOML file, atomically."""
    write_plan(plan, Path(path))


def _plan(plan: Plan | Path | Iterable[Chosen] | None, task: Task) -> Plan:
    if isinstance(plan, Plan):
        return plan
    if isinstance(plan, Path):
        return read_plan(plan)
    if isinstance(plan, str):
        raise BadInput(f"a plan must be a Plan, a Path or a list of techniques; found the text {plan!r}.")
    return plan_of(task.name, plan or ())


def _options(
    budget: str | None,
    allow: Iterable[Guarantee | str],
    only: Iterable[Chosen] | None,
    exclude: Iterable[str],
    accept: Iterable[str],
    seeds: int | None = None,
    *,
    fresh: bool = False,
    command: str = "",
) -> Options:
    return Options(
        budget=budget,
        allow=FREE | {Guarantee(one) for one in allow},
        only=None if only is None else tuple(chosen_technique(one) for one in only),
        exclude=frozenset(technique(current_name(name)).card.name for name in exclude),
        accept=frozenset(accept),
        seeds=seeds,
        fresh=fresh,
        command=command,
    )


def _baseline(task: Task, machine: Machine, show: Show) -> Recipe:
    """Return the training as it is today, and show the techniques that it uses."""
    recipe = baseline_of(task, machine)
    for note in notes_on_uses(recipe, machine):
        show(Note(text=note))
    return recipe


def _checked_by(task: Task) -> str:
    """Return the command that looks at the health of a task again; nothing where no command names it."""
    return f"hasten diagnose {task.command}" if task.command else ""


def _plan_of_run(folder: Path, task: Task) -> Plan:
    plan = read_plan(folder / PLAN)
    if plan.task != task.name:
        raise BadInput(
            f"{folder} must be a run of the task {task.name!r} to go on with it; found a run of {plan.task!r}. "
            "Nothing was changed. Resume with that task, or start anew without --resume."
        )
    return plan


def _check(task: Task, show: Show) -> None:
    """Raise an error if the task cannot be trained, and show what to know about it."""
    for note in check_task(task):
        show(Note(text=note))
