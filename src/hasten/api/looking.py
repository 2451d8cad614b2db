"""The verbs that look at a training: check, profile, diagnose, attribute."""

from collections.abc import Collection, Iterable
from pathlib import Path

from hasten.api.given import Chosen, baseline_shown, check_trainable, diagnose_command, of_first, plan_given, silent
from hasten.attribution.attribute import attribute as explain
from hasten.base.records.attribution import Attribution, Method
from hasten.base.records.finding import Diagnosis
from hasten.base.records.notices import Activity, Note
from hasten.base.records.plan import Plan
from hasten.base.records.profile import Profile
from hasten.base.records.task_check import TaskCheck
from hasten.base.units import seconds
from hasten.diagnosis.registry import Tier
from hasten.machine import facts, load_cached
from hasten.pipeline.diagnosing import health_of_recipe
from hasten.pipeline.diagnosing import judged as judged_health
from hasten.pipeline.examining import examine
from hasten.pipeline.fixing import fixed, of_recipe
from hasten.pipeline.seeing import Views
from hasten.pipeline.trained_run import trained_session
from hasten.profiling.profile import BUDGET_S, DEPTH_BUDGET_S, TIMEOUT_S
from hasten.profiling.together import profile_together
from hasten.report.attribution_page import write_attribution
from hasten.techniques.applying import apply_plan
from hasten.training.check import check as check_task
from hasten.training.check.understanding import understood
from hasten.training.data_parallel import among, in_processes
from hasten.training.processes import rank_here, together
from hasten.training.running import Show
from hasten.training.task import Task


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
    found = understood(baseline_shown(task, facts(), show), notes)
    show(found)
    for note in found.notes:
        show(Note(text=note))
    return found


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
    show = of_first(show)
    check_trainable(task, show)
    show(machine := load_cached(quick=True) if rank_here() == 0 else facts())
    recipe, chosen = baseline_shown(task, machine, show), plan_given(plan, task)
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
    check_trainable(task, silent)
    machine = facts()
    recipe = apply_plan(plan_given(plan, task), baseline_shown(task, machine, silent), machine)
    histograms = tensorboard is not None
    health = health_of_recipe(recipe, steps=steps, command=diagnose_command(task), histograms=histograms, show=show)
    found = judged_health(health, only)
    show(found)
    if fix and found.findings:
        found = fixed(of_recipe(recipe, steps=health.steps), found, show=show)
    views.write(health, found)
    return found


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
    check_trainable(task, show)
    show(Activity(text="explaining predictions"))
    session = trained_session(run, task, device="cpu" if facts().gpu is None else "cuda")
    found = explain(session, of=str(run), method=Method(method), samples=samples, seed=seed)
    if html is not None:
        write_attribution(found, html)
    return found
