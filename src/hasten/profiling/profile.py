"""The profile of a recipe: run its real loop for a while and measure where time and memory go."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import perf_counter

import msgspec

from hasten.base.records.complexity import Complexity
from hasten.base.records.machine import Machine
from hasten.base.records.profile import MemoryAccount, Profile, Roofline
from hasten.base.seeds import preserved
from hasten.profiling.ablations.registry import ABLATIONS
from hasten.profiling.ablations.running import Kind, run_ablation
from hasten.profiling.anatomy import anatomy, warm
from hasten.profiling.best_effort import attempted
from hasten.profiling.chrome_trace import write_trace
from hasten.profiling.growth import growths
from hasten.profiling.loader_alone import loader_alone
from hasten.profiling.memory import memory_account, step_peak_bytes
from hasten.profiling.operators import operator_times
from hasten.profiling.parts import first_verdict, part_times, time_between
from hasten.profiling.stepping import batches_in_turn, one_batch, why_one_size
from hasten.profiling.structure import product_formats, structure_of
from hasten.profiling.timed import TimedSteps, timed_steps
from hasten.profiling.timeout import TimeLimit, time_limit
from hasten.profiling.work import count_work, roofline
from hasten.training.building import build
from hasten.training.marks import PARTS
from hasten.training.recipe import Recipe
from hasten.training.session import Session

BUDGET_S = 10.0
DEPTH_BUDGET_S = 30.0
TIMEOUT_S = 120.0

_LOADER_S = 0.5
_LARGEST_STEP_S = 2.0


@dataclass(frozen=True)
class Profiled:
    """What is being profiled."""

    run: Session
    recipe: Recipe  # as it was given: the session's own has other stop rules
    machine: Machine
    limit: TimeLimit
    build_s: float
    remarks: list[str] = field(default_factory=list[str])


def profile(
    recipe: Recipe,
    machine: Machine,
    *,
    plan: Sequence[str] = (),
    steps: int | None = None,
    budget_s: float = BUDGET_S,
    timeout_s: float = TIMEOUT_S,
    trace: Path | None = None,
) -> Profile:
    """Return where the time and the memory of a recipe's step go.

    The model is built anew and trained by the real loop for a while; nothing of it is kept, and the global random
    generators are left as they were found. Evaluation and checkpoint are timed once and spread over their steps.

    Args:
        recipe: what to profile.
        machine: what it runs on; with measured peaks the roofline is known, too.
        plan: names of the techniques in the recipe, for the record.
        steps: at most so many, those that warm up included; None for as many as the budget allows.
        budget_s: seconds of timed training; the rest (evaluation, memory, operators) adds some steps to it.
        timeout_s: seconds after which a step, or an evaluation, counts as hanging.
        trace: where to write the timed steps as a Chrome trace.

    Raises:
        BadInput: if the model has nothing to train, or a step hangs. An error of the task's own is passed on.
    """
    begin = perf_counter()
    with profiled_run(recipe, machine, timeout_s) as profiled:
        found = _look(profiled, steps=steps, budget_s=budget_s, trace=trace)
    return msgspec.structs.replace(found, plan=tuple(plan), spent_s=perf_counter() - begin)


def profile_in_depth(
    recipe: Recipe,
    machine: Machine,
    *,
    plan: Sequence[str] = (),
    budget_s: float = DEPTH_BUDGET_S,
    timeout_s: float = TIMEOUT_S,
    trace: Path | None = None,
    ablations: Sequence[Kind] = ABLATIONS,
) -> Profile:
    """Return a full profile: also how costs grow, and by ablations what could be gained.

    A third of the budget times the steps, a third measures growth, and the ablations share the last. The arguments are
    those of `profile`.
    """
    begin = perf_counter()
    with profiled_run(recipe, machine, timeout_s) as profiled:
        found = _look(profiled, steps=None, budget_s=budget_s / 3, trace=trace)
        if found.operators is not None:
            profiled.limit.restart("measuring growth")
            one_size = bool(found.one_size)
            grown = growths(profiled.run, budget_s=budget_s / 3, remarks=profiled.remarks, one_size=one_size)
            found = msgspec.structs.replace(found, growth=grown)
        for kind in ablations:
            profiled.limit.restart(f"the ablation {kind.name}")
            ablation = run_ablation(kind, profiled.run, found, machine, budget_s=budget_s / 3 / len(ablations))
            found = msgspec.structs.replace(found, ablations=(*found.ablations, *([ablation] if ablation else [])))
    return msgspec.structs.replace(
        found, plan=tuple(plan), remarks=tuple(profiled.remarks), spent_s=perf_counter() - begin
    )


@contextmanager
def profiled_run(recipe: Recipe, machine: Machine, timeout_s: float) -> Generator[Profiled]:
    """Build what is profiled, with its switches on, and leave the process as it was found."""
    with preserved(), time_limit(timeout_s, f"building {recipe.task.name!r}") as limit:
        begin = perf_counter()
        run = build(recipe)
        with run.contexts:
            yield Profiled(run, recipe, machine, limit, perf_counter() - begin)


def _look(profiled: Profiled, *, steps: int | None, budget_s: float, trace: Path | None) -> Profile:
    timed, basic = times_of(profiled, steps=steps, budget_s=budget_s, trace=trace)
    return _with_signals(basic, profiled, timed)


def times_of(
    profiled: Profiled, *, steps: int | None, budget_s: float, trace: Path | None
) -> tuple[TimedSteps, Profile]:
    """Run the loop for a while; return what was seen, and the profile with the times alone."""
    run, recipe, limit = profiled.run, profiled.recipe, profiled.limit
    timed = timed_steps(run, steps=steps, budget_s=budget_s, limit=limit)
    if timed.remark:
        profiled.remarks.append(timed.remark)
    if trace is not None:
        write_trace(timed.clock, PARTS, trace, name=recipe.task.name)
    found = anatomy(warm(timed.times))
    limit.restart("the evaluation")
    between = time_between(run, recipe.task.stop)
    parts = part_times(found, between)
    return timed, Profile(
        task=recipe.task.name,
        command=recipe.task.command,
        plan=(),
        steps=found.steps,
        step_s=found.step_s,
        samples_per_s=recipe.input.batch_size / found.step_s.value,
        parts=parts,
        parameters=sum(parameter.numel() for parameter in run.model.parameters()),
        peak_bytes=0,
        verdict=first_verdict(found.step_s.value, parts),
        batch_size=recipe.input.batch_size,
        device=recipe.parallel.device,
        planned_steps=recipe.subject.planned_steps,
        build_s=profiled.build_s,
        first_step_s=float(timed.times[0].sum()),
        evaluation_s=between.evaluation_s,
        steps_per_evaluation=between.steps_per_evaluation or 0,
        checkpoint_s=between.checkpoint_s,
        spread=timed.spread,
        load=timed.load,
    )


def _with_signals(basic: Profile, profiled: Profiled, timed: TimedSteps) -> Profile:
    """Add the signals of the diagnosis rules; what cannot be measured is left out, with a remark."""
    run, remarks, limit = profiled.run, profiled.remarks, profiled.limit
    batch = one_batch(run)
    watched = complexity = one_size = None
    limit.restart("a step with its operators watched")
    if timed.compiled:
        remarks.append("operators, FLOPs and memory by kind are not measured: the model is compiled")
    else:
        three = list(islice(batches_in_turn(run), 3))
        watched = attempted("operators", lambda: operator_times(run, three), remarks)
        complexity = attempted("operations", lambda: count_work(run, batch), remarks)
        if (one_size := why_one_size(profiled.recipe)) is not None:
            remarks.append(f"growth with the batch size and the largest that fits are not measured: {one_size}")
    operators = watched.operators if watched is not None else None
    layer_s = watched.layer_s if watched is not None else {}
    structure = attempted(
        "structure", lambda: structure_of(run, operators, recompilations=timed.recompilations), remarks
    )
    limit.restart("measuring memory")
    memory = _memory(basic, profiled, complexity, one_size=one_size is not None)
    peak_bytes = step_peak_bytes(run, batch, compiled=timed.compiled)
    limit.restart("the loader alone")
    loading = attempted("the loader", lambda: loader_alone(run, budget_s=_LOADER_S), remarks)
    found = msgspec.structs.replace(
        basic,
        peak_bytes=peak_bytes,
        one_size=one_size or "",
        operators=operators,
        complexity=complexity,
        structure=structure,
        layer_s=layer_s,
        memory=memory,
        loading=loading,
    )
    bound = _roofline(found, profiled)
    return msgspec.structs.replace(found, roofline=bound, remarks=tuple(remarks))


def _memory(
    basic: Profile, profiled: Profiled, complexity: Complexity | None, *, one_size: bool
) -> MemoryAccount | None:
    if complexity is None:
        return None

    def measure() -> MemoryAccount:
        return memory_account(
            profiled.run,
            profiled.machine,
            activation_bytes=complexity.activation_bytes,
            step_s=basic.step_s.value,
            budget_s=_LARGEST_STEP_S,
            one_size=one_size,
        )

    return attempted("memory", measure, profiled.remarks)


def _roofline(found: Profile, profiled: Profiled) -> Roofline | None:
    if found.complexity is None or found.structure is None:
        return None
    bound = roofline(
        found.complexity,
        profiled.machine,
        number_formats=product_formats(found.operators or ()) | {"": found.structure.number_format},
        measured_s=found.seconds("forward", "loss", "backward"),
        device=found.device,
        layer_s=found.layer_s or None,
    )
    if bound is None:
        profiled.remarks.append(
            "no roofline: peaks of this machine are missing or too noisy (hasten machine --refresh)"
        )
    return bound
