"""The report as a page, as text and as data: three forms of the same values, none of them large."""

import re
from pathlib import Path

import msgspec

from hasten.base.records.evidence import Evidence
from hasten.base.records.record import load
from hasten.report.contents import Report, contents
from hasten.report.files import write_report
from hasten.report.html import LONGEST_SCRIPT, page
from hasten.report.markdown import text

from sample_evidence import CHOSEN, make_evidence, make_run, make_trials, make_whole_evidence

MOST_BYTES = 300_000


def large_evidence() -> Evidence:
    """Return evidence of five seeds, long trainings, all techniques, and a long script."""
    trials = tuple(
        msgspec.structs.replace(one, technique=f"{one.technique}_{number}", reason="why " * 30)
        for number in range(12)
        for one in make_trials()
    )

    def long(seed: int, plan: tuple[str, ...], pace: float) -> object:
        run = make_run(seed, plan, pace=pace)
        one = run.evaluations[-1]
        evaluations = tuple(
            msgspec.structs.replace(one, step=23 * at, elapsed_s=pace * at, metric=0.9 + at / 1e5) for at in range(3000)
        )
        return msgspec.structs.replace(run, evaluations=evaluations)

    whole = make_whole_evidence(script="x = 1  # a line of code\n" * (LONGEST_SCRIPT // 24))
    return msgspec.structs.replace(
        whole,
        tuning=msgspec.structs.replace(whole.tuning, trials=trials),
        plan_runs=tuple(long(seed, CHOSEN, 0.013) for seed in range(5)),
        baseline_runs=tuple(long(seed, (), 0.03) for seed in range(5)),
        history=whole.history * 16,
    )


def test_a_report_has_three_forms_that_hold_the_same_numbers(tmp_path: Path) -> None:
    evidence = make_whole_evidence()
    write_report(evidence, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "report.md", "report.json"}
    said = load(Report, tmp_path / "report.json")
    assert said == contents(evidence)
    html, plain = ((tmp_path / name).read_text() for name in ("report.html", "report.md"))
    flat = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))
    for number in said.numbers:
        for words in (number.name, number.words, number.interval, number.baseline, number.plan):
            assert words in flat
            assert words in plain
    values = [
        *(one.words for one in said.gains),
        *(one.baseline for one in said.parts),
        *(one.plan for one in said.parts),
    ]
    values += [words for one in said.past for words in one.words] + [one.rate for one in said.peaks]
    values += [said.left_over, said.past_sentence, said.kept, *said.method, *(one.words for one in said.tried)]
    for words in values:
        assert words in flat, words
        assert words in plain, words


def test_every_table_of_the_text_has_as_many_cells_in_each_line() -> None:
    hostile = make_whole_evidence()
    trial = msgspec.structs.replace(hostile.tuning.trials[0], reason="a | b\nnext line")
    tuning = msgspec.structs.replace(hostile.tuning, trials=(trial, *hostile.tuning.trials[1:]))
    written = text(contents(msgspec.structs.replace(hostile, tuning=tuning)))
    outside = re.sub(r"^```.*?^```$", "", written, flags=re.S | re.M)
    cells = 0
    for line in outside.splitlines():
        if not line.startswith("|"):
            cells = 0
            continue
        found = len(re.findall(r"(?<!\\)\|", line))
        assert cells in (0, found), line
        cells = found


def test_a_script_with_a_fence_of_its_own_does_not_end_the_code() -> None:
    written = text(contents(make_whole_evidence(script='"""\n```\ncode\n```\n"""\n')))
    assert "````python" in written


def test_the_text_of_a_bare_run_has_no_empty_sections() -> None:
    written = text(contents(make_evidence(plan_runs=(), baseline_runs=())))
    headings = re.findall(r"^## .*$", written, flags=re.M)
    assert "## Both sides" not in headings
    assert "## Expected and measured" not in headings
    assert not re.search(r"^## .*\n+(?=##|\Z)", written, flags=re.M)


def test_the_largest_report_is_small() -> None:
    evidence = large_evidence()
    html = page(contents(evidence), evidence.profile)
    assert len(html.encode()) < MOST_BYTES
    assert evidence.script.splitlines()[0] in html


def test_a_script_that_is_too_long_is_left_to_its_file() -> None:
    evidence = make_whole_evidence(script="x = 1\n" * LONGEST_SCRIPT)
    html = page(contents(evidence), evidence.profile)
    assert "x = 1" not in html
    assert "train.py" in html
