"""A training on the terminal: one line while it runs, one line when it has ended."""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any

from rich.console import Console, RenderableType
from rich.text import Text

from hasten.base.records.run import Evaluation, Progress, RolledBack, RunResult, SharesChanged, Started, StopReason
from hasten.base.units import count, digits3, seconds
from hasten.report.terminal.layout import indented
from hasten.report.terminal.progress import field, progress_of, time_left
from hasten.report.wording import joined, loss_value, metric_name, metric_value, whole

_FOR_THE_RATE = 78  # columns; below, the rate is left out
_SHORTEST_BAR, _LONGEST_BAR, _WORDS = 6, 40, 70  # columns
_WELL = frozenset({StopReason.TARGET, StopReason.STEPS, StopReason.EPOCHS, StopReason.TIME, StopReason.PATIENCE})


class TrainingLine:
    """The progress of a training as one line: step, training loss, metric, rate and time left.

    Args:
        name: what the training is called.
        started: the event with which the training began.
        console: on which it is drawn.
        clock: seconds since some moment.
    """

    def __init__(
        self, name: str, started: Started, console: Console, clock: Callable[[], float] = perf_counter
    ) -> None:
        self._name, self._started = name, started
        self._fields: dict[str, Any] = {"step": f"step {whole(started.step)}", "loss": "", "metric": "", "rate": ""}
        shown = [name for name in self._fields if name != "rate" or console.width >= _FOR_THE_RATE]
        bar = max(_SHORTEST_BAR, min(_LONGEST_BAR, console.width - _WORDS))
        self._progress = progress_of(console, *map(field, shown), clock=clock, bar=bar)
        task = self._progress.add_task("", total=started.total_steps, completed=started.step, **self._fields)
        self._task = self._progress.tasks[task]
        self._moved: Progress | None = None
        self._judged: Evaluation | None = None

    def see(self, event: Progress | Evaluation) -> None:
        """Take an event into account; it is put into words where the line is drawn, which most are not."""
        if isinstance(event, Progress):
            self._moved = event
            self._progress.update(self._task.id, completed=event.step)  # whose pace gives the time left
        else:
            self._judged = event

    def view(self) -> RenderableType:
        """Return the line with its bar."""
        self._update()
        return self._progress.get_renderable()

    def _update(self) -> None:
        """Put the newest events into the fields."""
        fields, moved, judged = self._fields, self._moved, self._judged
        if judged is not None:
            name = self._started.metric_name
            short = "val loss" if name == "loss" else name
            fields["metric"] = f"{short} {metric_value(name, judged.metric)}"
        if moved is not None:
            total = self._started.total_steps
            fields["step"] = f"{whole(moved.step)}/{whole(total)}" if total is not None else f"step {whole(moved.step)}"
            fields["loss"] = f"train loss {loss_value(_mean(moved.losses))}"
            fields["rate"] = f"{count(moved.samples_per_s)}/s"
        self._progress.update(self._task.id, **fields)

    def plain(self) -> str:
        """Return the line without a bar, for output that is not a terminal."""
        self._update()
        words = (self._name.strip(), *self._fields.values(), time_left(self._task))
        return ", ".join(word for word in words if word)


def result_view(name: str, result: RunResult) -> RenderableType:
    """Return one line on a training that has ended: its best metric, and the last one where it is another."""
    good = result.reason in _WELL
    return indented(
        Text.assemble(
            (name, "bold" if result.plan else ""),
            (f"  seed {result.seed:<4}", "dim"),
            f"  {_metric(result)}",
            f"  {seconds(result.elapsed_s)}",
            (f"  {whole(result.steps)} steps", "dim"),
            (f"  {result.reason.value}", "dim" if good else "red"),
        )
    )


def _metric(result: RunResult) -> str:
    """Return the metric of the best evaluation; what the last one was, or that the best weights are returned."""
    metric = f"{metric_name(result.metric_name)} {best_metric(result)}"
    if result.best_metric is None or result.best_metric == result.final_metric:
        return metric
    if result.best_step is not None and result.weights_step == result.best_step:
        return f"{metric} with the weights of step {whole(result.best_step)}"
    last = "not finite" if result.final_metric is None else metric_value(result.metric_name, result.final_metric)
    return f"best {metric}, last {last}"


def best_metric(result: RunResult) -> str:
    """Return the best value of the metric, or that it was never evaluated."""
    return metric_value(result.metric_name, result.best_metric) if result.evaluations else "not evaluated yet"


def side(plan: Sequence[str]) -> str:
    """Return which side of the comparison a training belongs to."""
    return "plan" if plan else "baseline"


def training_note(plan: Sequence[str]) -> str:
    """Return the plan, for a heading."""
    return f"with {joined(plan)}" if plan else "baseline"


def _mean(losses: Sequence[float | None]) -> float | None:
    known = [loss for loss in losses if loss is not None]
    return sum(known) / len(known) if len(known) == len(losses) and known else None


def shares_text(changed: SharesChanged) -> str:
    """Return in one sentence which process is slow, and how many samples each computes from now on."""
    slow, fast = (changed.sample_s.index(pick(changed.sample_s)) for pick in (max, min))
    ratio = changed.sample_s[slow] / changed.sample_s[fast]
    samples = ", ".join(map(str, changed.samples))
    return (
        f"process {slow} takes {digits3(ratio)} times as long for a sample as process {fast}; after step "
        f"{changed.step} processes 0 to {len(changed.samples) - 1} compute {samples} samples of each batch."
    )


def rollback_text(back: RolledBack) -> str:
    """Return in one sentence why a training goes back, to where, and what it does there."""
    which = f"rollback {back.made} of {back.limit}"
    if back.skipped is None:
        return (
            f"{back.detail}. Going back to the checkpoint of step {back.step}, to look for the batch that did it "
            f"({which})."
        )
    first, last = back.skipped
    batches = f"the batch of step {first} is" if first == last else f"the batches of steps {first} to {last} are"
    return f"{back.detail}: {batches} left out. Going on from the checkpoint of step {back.step} ({which})."
