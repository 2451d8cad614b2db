"""The anatomy of a step on the terminal: its parts as bars, and one sentence."""

from rich.console import RenderableType
from rich.text import Text

from hasten.base.records.profile import PartTime, Profile
from hasten.base.units import count, nbytes, percent, seconds
from hasten.report.depths import profile_sentences
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.wording import whole

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_TEXT_WIDTH = 42  # of everything beside the bars
_WIDEST_BAR = 60
_SMALLEST_SHARE = 0.005


def anatomy_view(profile: Profile, *, width: int) -> RenderableType:
    """Return the parts of the step with bars, in `width` columns, and the verdict if there is no diagnosis."""
    step = profile.step_s
    note = f"{profile.task}, {', '.join(profile.plan) if profile.plan else 'baseline'}"
    facts = (
        f"{seconds(step.value)} [{seconds(step.low)}, {seconds(step.high)}], n = {step.n} blocks, "
        f"{whole(profile.steps)} steps in all"
        f"{f'; {count(profile.samples_per_s)} samples/s' if profile.batch_size else ''}"
        f"{f'; {_peak(profile)}' if profile.peak_bytes and profile.memory is None else ''}"
    )
    widest = max(1, min(_WIDEST_BAR, width - _TEXT_WIDTH))
    parts = [part for part in profile.parts if part.share >= _SMALLEST_SHARE]
    small = [part.name for part in profile.parts if 0 < part.share < _SMALLEST_SHARE]
    largest = max(part.share for part in parts)
    rows = [_row(part, widest * part.share / largest) for part in parts]
    if profile.process_s:
        rows.insert(0, tuple(map(quiet, ("", "process 0", "", "worst process", ""))))
    remarks = [Text(f"! {remark}", style="yellow") for remark in profile.remarks]
    return section(
        "Anatomy of a step",
        quiet(facts),
        grid(rows, right=frozenset({1, 2, 3} if profile.process_s else {1, 2})),
        *([quiet(f"below 0.5 %: {', '.join(small)}")] if small else []),
        *map(quiet, profile_sentences(profile)),
        *remarks,
        *([] if profile.diagnosis is not None else [Text(f"→ {profile.verdict}", style="bold")]),
        note=note,
    )


def bar(length: float) -> str:
    """Return a bar of that many columns, to an eighth of a column."""
    full, rest = divmod(round(8 * length), 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def _peak(profile: Profile) -> str:
    return f"peak memory of {profile.peak_of} {nbytes(profile.peak_bytes)}"


def _row(part: PartTime, length: float) -> tuple[Text, ...]:
    cells = Text(part.name), Text(seconds(part.seconds)), quiet(percent(part.share))
    worst = () if part.worst_s is None else (Text(f"{seconds(part.worst_s)} in {part.worst}"),)
    return (*cells, *worst, Text(bar(length), style="blue"))
