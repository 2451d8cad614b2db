"""The report as Markdown, which is read on a terminal and by programs that take text: the same values as the page."""

from collections.abc import Iterable, Sequence

from hasten.report.contents import Report
from hasten.report.layers import HEADS
from hasten.report.numbers import Number
from hasten.report.summary import SummaryRow
from hasten.report.wording import ratio


def text(said: Report) -> str:
    """Return the report as Markdown: every section of the page, with tables in place of its charts."""
    parts = [
        f"# {said.task}: {said.sentence}",
        _numbers(said.numbers),
        said.kept,
        *said.details,
        *(f"**Note:** {remark}" for remark in said.remarks),
        *_sides(said.sides),
        *_section(
            "What each technique adds",
            _table(("technique", "times faster"), [(one.name, one.words) for one in said.gains]),
            said.left_over,
        ),
        *_section("What was tried", *_tried(said)),
        *_section("Where a step goes", *_step(said)),
        *_section(
            "Findings",
            _table(
                ("symptom", "found", "number", "what to do", "tried"),
                [(one.symptom, one.found, one.limit, one.remedy, one.tried) for one in said.findings],
            ),
        ),
        *_section(
            "Expected and measured",
            _table(
                ("tuning", "plan", "expected", "measured afresh", "in trainings"),
                [(one.made_at, one.plan, *one.words) for one in said.past],
            ),
            said.past_sentence,
        ),
        *_section(
            "Where the numbers come from",
            _table(("", ""), [(one.name, one.words) for one in said.facts]),
            _table(
                ("peak", "", "rate", "spread", "size"),
                [(one.kind, one.how, one.rate, one.spread, one.size) for one in said.peaks],
            ),
            *(f"**Note:** {remark}" for remark in said.machine_remarks),
            *said.method,
        ),
        *_section("The plan", _fenced(said.plan, "toml"), f"Train with this plan: `{said.next_command}`"),
        *_section("The run as plain PyTorch", _fenced(said.script, "python")),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _numbers(numbers: Sequence[Number]) -> str:
    """Return the three numbers of the verdict; where there is no plan, of the baseline alone."""
    if not any(one.plan for one in numbers):
        return _table(("", "baseline", ""), [(one.name, one.baseline, one.interval) for one in numbers])
    rows = [(one.name, one.baseline, one.plan, one.words, one.interval) for one in numbers]
    return _table(("", "baseline", "plan", "difference", ""), rows)


def _sides(rows: Sequence[SummaryRow]) -> Iterable[str]:
    """Return the section with what the trainings took and reached; where there is no plan, the baseline's alone."""
    if not any(row.plan for row in rows):
        return _section("The baseline", _table(("", "baseline"), [(row.name, row.baseline) for row in rows]))
    return _section(
        "Both sides", _table(("", "baseline", "plan"), [(row.name, row.baseline, row.plan) for row in rows])
    )


def _tried(said: Report) -> Iterable[str]:
    rows = [
        (
            one.technique,
            one.verdict,
            ". ".join(filter(None, (one.words, one.beside, one.knobs, one.proof, one.proof_detail))),
        )
        for one in said.tried
    ]
    yield _table(("technique", "verdict", "finding"), rows) or "None was measured."
    if said.noise is not None:
        yield f"The baseline against itself: {ratio(said.noise, 'pair')}."
    if said.refused:
        yield f"Not applicable here ({len(said.refused)}):"
        yield _table(("technique", "reason"), [(one.technique, one.reason) for one in said.refused])
    yield from said.not_allowed
    if said.tuning_remark:
        yield f"**Note:** {said.tuning_remark}"


def _step(said: Report) -> Iterable[str]:
    yield said.verdict_of_step
    yield "\n".join(f"- {one.side}: {one.words}" for one in said.steps)
    yield _table(("part", "baseline", "plan"), [(one.name, one.baseline, one.plan) for one in said.parts])
    yield from said.inside
    yield _table(HEADS, [one.cells for one in said.layers])
    yield from (f"**Note:** {remark}" for remark in said.step_remarks)


def _section(title: str, *content: str) -> list[str]:
    """Return the content under a heading, or nothing where there is none."""
    found = [one for one in content if one]
    return [f"## {title}", *found] if found else []


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table; nothing without rows."""
    if not rows:
        return ""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(words: str) -> str:
    return " ".join(words.split()).replace("|", "\\|")


def _fenced(words: str, language: str) -> str:
    """Return words as code; the fence is longer than any within."""
    fence = "```"
    while fence in words:
        fence += "`"
    return f"{fence}{language}\n{words.rstrip()}\n{fence}" if words.strip() else ""
