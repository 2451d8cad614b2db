"""The screen: one function `show` that dispatches on the kind of record."""

from collections.abc import Callable, Sequence
from time import perf_counter
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from hasten.base.records.attribution import Attribution
from hasten.base.records.batch_choice import BatchChoice
from hasten.base.records.comparison import Comparison
from hasten.base.records.evidence import Evidence, Reported
from hasten.base.records.export import Exported
from hasten.base.records.finding import Diagnosis, Found
from hasten.base.records.fix import Fix, Tried
from hasten.base.records.layout import LayoutPlan, LayoutTuning
from hasten.base.records.machine import Machine
from hasten.base.records.notices import Activity, Note
from hasten.base.records.profile import Profile
from hasten.base.records.rate_choice import RateChoice
from hasten.base.records.reproof import Reproof
from hasten.base.records.run import (
    Evaluation,
    Finished,
    Progress,
    RolledBack,
    RunResult,
    SharesChanged,
    Started,
    TaskFacts,
)
from hasten.base.records.side_by_side import SideBySide, Turn
from hasten.base.records.task_check import TaskCheck
from hasten.base.records.trial import PlanCheck, Trial, Tuning, Verdict
from hasten.report.terminal.attribution import attribution_view
from hasten.report.terminal.batch import batch_view
from hasten.report.terminal.export import export_view
from hasten.report.terminal.fix import fix_view, tried_view
from hasten.report.terminal.health import found_view, health_view
from hasten.report.terminal.layout import indented, quiet, section
from hasten.report.terminal.layouts import layout_plan_view, layout_tuning_view
from hasten.report.terminal.machine import machine_view
from hasten.report.terminal.output import standard_output
from hasten.report.terminal.profile import profile_view
from hasten.report.terminal.progress import PLAIN_EVERY_S, REDRAW_EVERY_S, REDRAW_SHARE
from hasten.report.terminal.rate import rate_view
from hasten.report.terminal.side_by_side import side_by_side_view
from hasten.report.terminal.task import task_view
from hasten.report.terminal.task_check import task_check_view
from hasten.report.terminal.training import TrainingLine, result_view, rollback_text, shares_text, side, training_note
from hasten.report.terminal.trials import reproof_view, trial_view, tuning_view
from hasten.report.terminal.verdict import comparison_view, verdict_view
from hasten.report.trials import out_of_budget


class Screen:
    """Shows records on a terminal as they come; use it as a context manager, so that the cursor comes back.

    On a terminal the last line shows the activity in progress. Elsewhere (a file, a pipe) everything is plain lines.
    Nothing runs in the background: the screen changes only within `show`.

    Args:
        console: where to print; standard output by default.
        clock: seconds since some moment.
        all_trials: also show the techniques that do not apply, one by one; else they are counted.
    """

    def __init__(
        self,
        console: Console | None = None,
        *,
        clock: Callable[[], float] = perf_counter,
        all_trials: bool = False,
    ) -> None:
        self.console = console or standard_output()
        self._clock = clock
        self._all_trials = all_trials
        self._live: Live | None = None
        self._line: TrainingLine | None = None
        self._turn: Turn | None = None  # of two sides that are compared
        self._findings: list[RenderableType] = []  # of the training under way, drawn below its line
        self._drawn_at = -float("inf")
        self._redraw_every_s = REDRAW_EVERY_S
        self._open_section = ""
        self._views: dict[type, Callable[[Any], None]] = {
            Machine: lambda record: self.print(machine_view(record)),
            TaskFacts: lambda record: self.print(task_view(record)),
            TaskCheck: lambda record: self.print(task_check_view(record)),
            Profile: lambda record: self.print(profile_view(record, width=self.console.width)),
            Diagnosis: lambda record: self.print(health_view(record)),
            Found: self._found,
            Tried: self._tried,
            Fix: lambda record: self.print(fix_view(record)),
            Trial: self._trial,
            Tuning: lambda record: self.print(tuning_view(record, all_trials=self._all_trials)),
            Comparison: lambda record: self.print(comparison_view(record)),
            Exported: lambda record: self.print(export_view(record)),
            Attribution: lambda record: self.print(attribution_view(record)),
            BatchChoice: lambda record: self.print(batch_view(record)),
            LayoutPlan: lambda record: self.print(layout_plan_view(record)),
            LayoutTuning: lambda record: self.print(layout_tuning_view(record)),
            RateChoice: lambda record: self.print(rate_view(record)),
            Activity: self._activity,
            Note: lambda note: self.say(f"note: {note.text}"),
            Turn: self._turns,
            SideBySide: lambda record: self.print(side_by_side_view(record)),
            Reproof: lambda record: self.print(reproof_view(record)),
            PlanCheck: lambda record: self.print(indented(quiet(record.text))),
            Started: self._started,
            Progress: self._moved,
            Evaluation: self._moved,
            SharesChanged: lambda record: self.say(f"note: {shares_text(record)}"),
            RolledBack: lambda record: self.say(f"note: {rollback_text(record)}"),
            Finished: self._finished,
            RunResult: self._result,
            Evidence: lambda record: self.print(verdict_view(record)),
            Reported: self._reported,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._keep_findings()

    def show(self, record: object) -> None:
        """Show a record.

        Raises:
            TypeError: if it is of a kind that has no view.
        """
        view = self._views.get(type(record))
        if view is None:
            raise TypeError(f"no view for records of type {type(record).__name__}.")
        view(record)

    def say(self, text: str) -> None:
        """Print one line, such as where something was written; a long path is not broken."""
        self._clear()
        self.console.print(text, soft_wrap=True, markup=False)

    def print(self, view: RenderableType) -> None:
        """Print a view."""
        self._clear()
        self.console.print(view)

    def next(self, command: str) -> None:
        """Print the command to type next, the last line of every command."""
        self.say(f"next: {command}")

    def _section(self, name: str, title: str, note: str) -> None:
        if self._open_section != name:
            self._open_section = name
            self.print(section(title, note=note))

    def _activity(self, activity: Activity) -> None:
        if self.console.is_terminal:
            self._draw(indented(quiet(f"… {activity.text}")))

    def _trial(self, trial: Trial) -> None:
        self._section("trials", "Techniques", "95 % confidence interval in brackets")
        counted_later = trial.verdict is Verdict.NOT_APPLICABLE or bool(out_of_budget([trial]))
        if trial.verdict is not Verdict.NOT_ALLOWED and (self._all_trials or not counted_later):
            self.print(trial_view(trial))

    def _tried(self, tried: Tried) -> None:
        self._section("remedies", "Remedies", "5 pairs of trainings from the same seeds")
        self.print(tried_view(tried))

    def _found(self, found: Found) -> None:
        view = indented(found_view(found))
        if self._line is None or not self.console.is_terminal:
            self.print(view)
            return
        self._findings.append(view)
        self._draw_training()

    def _started(self, started: Started) -> None:
        turn = self._turn
        note = training_note(started.plan) if turn is None else " and ".join(turn.sides)
        self._section("training", "Training", f"{started.task}, {note}")
        self._line = TrainingLine(self._side(started.plan), started, self.console, self._clock)
        self._drawn_at = self._clock()

    def _moved(self, event: Progress | Evaluation) -> None:
        if self._line is None:
            return
        self._line.see(event)
        terminal = self.console.is_terminal
        now = self._clock()
        if now - self._drawn_at < (self._redraw_every_s if terminal else PLAIN_EVERY_S):
            return
        self._drawn_at = now
        if terminal:
            self._draw_training()
            self._redraw_every_s = max(REDRAW_EVERY_S, (self._clock() - now) / REDRAW_SHARE)
        else:
            self.print(indented(Text(self._line.plain())))

    def _finished(self, finished: Finished) -> None:
        self._line = None
        self._keep_findings()
        if finished.detail:
            self.print(indented(Text(finished.detail, style="yellow")))

    def _reported(self, reported: Reported) -> None:
        self.say(f"report: {reported.path}")

    def _result(self, result: RunResult) -> None:
        self._section("training", "Training", result.task)
        self.print(result_view(self._side(result.plan), result))

    def _turns(self, turn: Turn) -> None:
        self._turn = turn

    def _side(self, plan: Sequence[str]) -> str:
        """Return what a training is called, as wide as the longer name of two sides."""
        if self._turn is None:
            return f"{side(plan):<8}"
        return self._turn.name.ljust(max(map(len, self._turn.sides)))

    def _draw_training(self) -> None:
        if self._line is not None:
            self._draw(Group(indented(self._line.view()), *self._findings))

    def _keep_findings(self) -> None:
        """Print the findings in the place of the moving line with those below it."""
        self._clear()
        for view in self._findings:
            self.console.print(view)
        self._findings = []

    def _draw(self, view: RenderableType) -> None:
        """Replace the moving last line."""
        if self._live is None:
            self._live = Live(view, console=self.console, auto_refresh=False, transient=True)
            self._live.start(refresh=True)
        else:
            self._live.update(view, refresh=True)

    def _clear(self) -> None:
        """Erase the moving last line."""
        if self._live is not None:
            self._live.stop()
            self._live = None
