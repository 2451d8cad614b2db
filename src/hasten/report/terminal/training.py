"""A training on the terminal: one line while it runs, one line when it has ended."""

import math
from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from hasten.base.records.run import Evaluation, Progress, RunResult, Started, StopReason
from hasten.base.units import count, seconds
from hasten.report.terminal.layout import indented
from hasten.report.wording import joined, loss_value, metric_value, whole

_SHORTEST_BAR = 10
_LONGEST_BAR = 40
_WELL = frozenset({StopReason.TARGET, StopReason.STEPS, StopReason.EPOCHS, StopReason.TIME, StopReason.PATIENCE})


class TrainingLine:
    """How far a training has come, as one line of text."""

    def __init__(self, started: Started) -> None:
        self._started = started
        self._progress: Progress | None = None
        self._metric = ""

    def see(self, event: Progress | Evaluation) -> None:
        """Take an event into account."""
        if isinstance(event, Progress):
            self._progress = event
        else:
            self._metric = f"{self._started.metric_name} {metric_value(self._started.metric_name, event.metric)}"

    def text(self, width: int) -> Text:
        """Return the line with a bar, in at most `width` columns: the rate, then the bar go where room is short."""
        parts = self._parts()
        for names in (parts, parts[:-2] + parts[-1:]):
            words = "  ".join(word for word in names if word)
            room = width - len(words) - 2
            if room >= _SHORTEST_BAR:
                return self._bar(min(room, _LONGEST_BAR)).append(f"  {words}")
        line = Text(words)
        line.truncate(width, overflow="ellipsis")
        return line

    def plain(self) -> str:
        """Return the line without a bar, for where nothing can be drawn over."""
        return ", ".join(word for word in (side(self._started.plan), *self._parts()) if word)

    def _parts(self) -> list[str]:
        """Return step, loss, metric, rate and time left; what is not known yet is empty."""
        progress, total = self._progress, self._started.total_steps
        if progress is None:
            return [f"step {whole(self._started.step)}", "", "", "", ""]
        step = f"{whole(progress.step)}/{whole(total)}" if total is not None else f"step {whole(progress.step)}"
        return [
            step,
            f"loss {loss_value(_mean(progress.losses))}",
            self._metric,
            f"{count(progress.samples_per_s)}/s",
            self._left(progress),
        ]

    def _left(self, progress: Progress) -> str:
        total = self._started.total_steps
        if total is None or progress.step == 0:
            return ""
        left_s = math.ceil(progress.elapsed_s * (total - progress.step) / progress.step)
        return f"{left_s // 60}:{left_s % 60:02d} left"

    def _bar(self, width: int) -> Text:
        total = self._started.total_steps
        if total is None or self._progress is None:
            return Text("╌" * width, style="dim")
        done = min(width, width * self._progress.step // total)
        return Text.assemble(("━" * done, "blue"), ("━" * (width - done), "dim"))


def result_view(result: RunResult) -> RenderableType:
    """Return one line on a training that has ended."""
    good = result.reason in _WELL
    metric = f"{result.metric_name} {metric_value(result.metric_name, result.best_metric)}"
    return indented(
        Text.assemble(
            (f"{side(result.plan):<8}", "bold" if result.plan else ""),
            (f"  seed {result.seed:<4}", "dim"),
            f"  {metric}",
            f"  {seconds(result.elapsed_s)}",
            (f"  {whole(result.steps)} steps", "dim"),
            (f"  {result.reason.value}", "dim" if good else "red"),
        )
    )


def side(plan: Sequence[str]) -> str:
    """Return which side of the comparison a training belongs to."""
    return "plan" if plan else "baseline"


def training_note(plan: Sequence[str]) -> str:
    """Return what is trained with, for a heading."""
    return f"with {joined(plan)}" if plan else "plain"


def _mean(losses: Sequence[float | None]) -> float | None:
    known = [loss for loss in losses if loss is not None]
    return sum(known) / len(known) if len(known) == len(losses) and known else None
