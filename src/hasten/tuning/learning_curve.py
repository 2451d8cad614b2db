"""One whole training, seen as quality over time."""

from dataclasses import dataclass

from hasten.base.records.run import Evaluation, Finished, StopReason
from hasten.base.units import as_good_as
from hasten.training.building import build
from hasten.training.loop import train
from hasten.training.recipe import Recipe
from hasten.tuning.budget import check_time, now_s
from hasten.tuning.screening.forks import Forks

EVALUATIONS = 10
"""In a training that is cut short: enough to see when it reached what."""


@dataclass(frozen=True)
class Course:
    """When a training had which metric.

    `ended` is false where it was given up at its time limit. A training whose loss became infinite or NaN has reached
    nothing: its earlier metrics belong to a model that nobody gets.
    """

    points: tuple[tuple[float, float], ...]  # (seconds, metric) at each evaluation, in order
    higher_is_better: bool
    elapsed_s: float
    ended: bool
    finite: bool = True

    def time_to(self, target: float) -> float | None:
        """Return the seconds until the metric was as good as `target`, or None if it never was."""
        for seconds, metric in self.points if self.finite else ():
            if as_good_as(metric, target, higher_is_better=self.higher_is_better):
                return seconds
        return None


def run_course(recipe: Recipe, *, seed: int, limit_s: float, forks: Forks | None = None) -> Course:
    """Train a recipe until its stop rules or the time limit end it.

    Args:
        recipe: what is trained.
        seed: of initialization, data order and dropout.
        limit_s: seconds after which it is given up.
        forks: keeps states of the training; the time for that does not count.
    """
    run = build(recipe, seed=seed)
    begin, points, ended, finite = now_s(), list[tuple[float, float]](), True, True
    events = train(run)
    for event in events:
        check_time()
        elapsed_s = now_s() - begin
        if forks is not None:
            forks.see(run)
            begin = now_s() - elapsed_s
        if isinstance(event, Evaluation) and event.metric is not None:
            points.append((elapsed_s, event.metric))
        if isinstance(event, Finished):
            finite = event.reason is not StopReason.NON_FINITE
        if elapsed_s > limit_s:
            events.close()
            ended = False
            break
    return Course(tuple(points), run.quality.higher_is_better, now_s() - begin, ended, finite)


def shortened(recipe: Recipe, share: float) -> Recipe:
    """Return the recipe with its training cut to a share of its steps (or seconds), and without a target.

    Schedules that depend on the length see the short one, so that they still come to their end.
    """
    steps = recipe.subject.planned_steps
    if steps is None:
        limit_s = recipe.task.stop.seconds
        assert limit_s is not None, "a task has steps, epochs or seconds"
        return recipe.with_stop(seconds=share * limit_s, target=None)
    steps = max(1, round(share * steps))
    every = max(1, steps // EVALUATIONS)
    return recipe.with_stop(epochs=None, steps=steps, target=None, evaluate_every=every)
