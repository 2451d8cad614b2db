"""The health of a training, judged: of a task, of a script, of a loop of one's own.

with hasten.diagnosing() as doctor:
    for inputs, targets in loader:
        ...
print(doctor.diagnosis().verdict)
"""

import math
import shlex
import warnings
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from time import perf_counter

import msgspec
from torch import Tensor

from hasten.base.errors import HastenWarning
from hasten.base.records.finding import Diagnosis
from hasten.base.records.health import Health
from hasten.base.records.notices import Note
from hasten.base.records.run import StopReason
from hasten.base.seeds import preserved
from hasten.base.units import plural
from hasten.data.batch import Batch
from hasten.data.loading.sample_randomness import restored
from hasten.diagnosis.diagnose import diagnose_health
from hasten.diagnosis.health_watch import HealthWatch
from hasten.diagnosis.registry import HEALTH_RULES, Tier, tier_of
from hasten.diagnosis.remedies.trial_watch import TrialWatch
from hasten.diagnosis.watching.hooks import TrainingWatch
from hasten.pipeline.examining import with_remedies
from hasten.pipeline.tensorboard_log import write_tensorboard
from hasten.report.health_page import write_health_page
from hasten.scripts.files import called
from hasten.scripts.running import ScriptRun, run_script
from hasten.techniques.registry import techniques
from hasten.training.building import build
from hasten.training.evaluation import evaluate
from hasten.training.recipe import Recipe
from hasten.training.running import Show
from hasten.training.session import Session
from hasten.training.step import step
from hasten.training.stopping import limit_reached

WHOLE = frozenset({StopReason.STEPS, StopReason.EPOCHS})
"""Ends of a training that made all the steps it was planned for; the others come when a rule or a person stops it."""
STEPS, SECONDS, LEAST = 200, 15.0, 24
"""What a look at a task takes where nothing else is asked for: as many steps as fit into the seconds, within bounds."""


def health_of_script(
    script: Path,
    arguments: Sequence[str] = (),
    *,
    module: bool = False,
    steps: int | None = None,
    histograms: bool = False,
    output_to_stderr: bool = False,
) -> ScriptRun[Health]:
    """Run a script with its own arguments and return the health of its training; see `run_script`.

    Args:
        script: the file, or the name of a module.
        arguments: the script's own.
        module: run it as `python -m` would.
        steps: end the script after so many training steps, as `sys.exit(0)` would; None to let it end by itself.
        histograms: keep those of parameters and gradients.
        output_to_stderr: send the script's standard output to standard error.

    Raises:
        BadInput: if the file cannot be read.
    """
    return run_script(
        script,
        arguments,
        module=module,
        watch="hasten.diagnosis.health_watch:HealthWatch",
        options={
            "name": str(script) if module else script.stem,
            "steps": steps,
            "histograms": histograms,
            "command": shlex.join(["hasten", "diagnose", *called(script, module=module), *arguments]),
        },
        kind=Health,
        output_to_stderr=output_to_stderr,
    )


def health_of_recipe(
    recipe: Recipe, *, steps: int | None, command: str = "", histograms: bool = False, show: Show
) -> Health:
    """Train a recipe for some steps on a session of its own and return its health.

    The global random generators stay as they are.

    Args:
        recipe: to train.
        steps: at most so many, fewer where its training ends before; None for up to 200, as fit into 15 s, at least 24.
        command: that checks it again.
        histograms: keep those of parameters and gradients.
        show: told what it takes before it starts, and of steps that were left out.
    """
    watch = HealthWatch(name=recipe.task.name, command=command, histograms=histograms)
    if steps is not None:
        show(Note(text=f"training for {plural(steps, 'step')}, on a model of its own"))
        return watched_training(recipe, watch, steps=steps)
    most = f"{STEPS} steps, or as many as fit into {SECONDS:.0f} s (at least {LEAST})"
    show(Note(text=f"training for {most}, on a model of its own"))
    health = watched_training(recipe, watch, steps=STEPS, seconds=SECONDS)
    if health.steps < STEPS and not health.complete:
        show(Note(text=f"{SECONDS:.0f} s were enough for {health.steps} steps; to look at more: --steps {STEPS}"))
    return health


def watched_training(
    recipe: Recipe,
    watch: HealthWatch | TrialWatch,
    *,
    steps: int,
    seconds: float = math.inf,
    seed: int | None = None,
) -> Health:
    """Train a recipe for some steps on a session of its own under a watch; see `health_of_recipe`.

    Args:
        recipe: to train.
        watch: not entered yet.
        steps: at most so many.
        seconds: after which it ends, but not before `LEAST` steps.
        seed: in place of the task's.
    """
    data = recipe.task.data
    with preserved(), restored(data.train, data.valid):
        run = build(recipe, seed=seed)
        with run.contexts, closing(run.fetched()) as fetched, watched(run, watch):
            begin = perf_counter()
            for ids, batch in fetched:
                _make_step(run, ids, batch)
                step_made = run.position.step
                late = step_made >= LEAST and perf_counter() - begin > seconds
                ends = step_made >= steps or late or limit_reached(run) is not None
                if ends or run.evaluation_due():
                    evaluate(run)
                if ends:
                    break
        watch.complete = limit_reached(run) in WHOLE
    return watch.seen()


@contextmanager
def watched(run: Session, watch: TrainingWatch) -> Generator[None]:
    """Enter a watch and tell it of the batches of a session, until the context ends."""
    deliver, validation = run.training_batch, run.validation

    def training_batch(ids: Tensor, batch: Batch) -> Batch:
        delivered = deliver(ids, batch)
        watch.fetched(delivered)
        return delivered

    def told() -> Iterator[Batch]:
        for batch in validation() if validation is not None else ():
            watch.fetched(batch, training=False)
            yield batch

    watch.loss_scale = lambda: 1.0 if run.scale is None else run.scale.value
    run.training_batch = training_batch
    run.validation = None if validation is None else told
    try:
        with watch:
            yield
    finally:
        run.training_batch, run.validation = deliver, validation


def _make_step(run: Session, ids: Tensor, fetched: Batch) -> None:
    batch = run.training_batch(ids, fetched)
    run.set_learning_rate()
    step(run, batch)
    run.advance(ids.numel(), 0.0)


def judged(health: Health, tiers: Collection[Tier] = tuple(Tier)) -> Diagnosis:
    """Return what the rules of some tiers say of a training, with the techniques that treat each finding.

    Warns of each collector that failed, since the rules that need it abstain.
    """
    for name, trace in health.failed.items():
        last = trace.strip().splitlines()[-1]
        warnings.warn(f"{name} failed and saw no more of the training: {last}", HastenWarning, stacklevel=2)
    return judged_quietly(health, tiers)


def judged_quietly(health: Health, tiers: Collection[Tier] = tuple(Tier)) -> Diagnosis:
    """Return what `judged` does, without a warning."""
    rules = {name: rule for name, rule in HEALTH_RULES.items() if tier_of(name) in tiers}
    said = diagnose_health(health, rules=rules)
    cards = [kind.card for kind in techniques().values()]
    return msgspec.structs.replace(said, findings=tuple(with_remedies(one, cards) for one in said.findings))


def diagnosing(name: str = "loop", *, steps: int | None = None, histograms: bool = False) -> "Diagnosing":
    """Return what watches the health of a training, for a `with` statement around its loop, which stays as it is.

    Args:
        name: of the training.
        steps: end the loop with `StopScript`, a `SystemExit`, after so many steps; None to let it end by itself.
        histograms: keep those of parameters and gradients, for TensorBoard.
    """
    return Diagnosing(name=name, steps=steps, histograms=histograms)


class Diagnosing(HealthWatch):
    """Watches the training of this process from entering to leaving; nothing that is computed changes."""

    def diagnosis(self, only: Collection[Tier] = tuple(Tier)) -> Diagnosis:
        """Return what is wrong with the training so far.

        Args:
            only: the tiers of rules that judge.

        Raises:
            BadInput: if no training step was seen.
        """
        return judged(self.seen(), only)

    def write_html(self, path: Path) -> None:
        """Write the page of the diagnosis of the training so far.

        Raises:
            BadInput: if no training step was seen, or the file cannot be written.
        """
        write_health_page(health := self.seen(), judged(health), path)

    def write_tensorboard(self, folder: Path) -> None:
        """Write what was seen so far for TensorBoard; with histograms if the watch was made with `histograms=True`.

        Raises:
            BadInput: if no training step was seen, tensorboard is not installed, or the folder cannot be written.
        """
        write_tensorboard(health := self.seen(), judged(health), folder)
