"""The commands that need no training, on the real catalog; and that the command line starts without torch."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from hasten.base.records.record import save
from hasten.cli.main import app
from hasten.machine import facts
from hasten.report.wording import ratio
from hasten.techniques.registry import own_techniques

from sample_evidence import make_evidence


def test_the_catalog_lists_every_technique_under_its_stage() -> None:
    output = CliRunner().invoke(app, ["techniques"]).output
    lines = output.splitlines()
    for kind in own_techniques():
        line = next(number for number, words in enumerate(lines) if words.startswith(f"  {kind.card.name} "))
        assert kind.card.guarantee in lines[line]
        headings = [words for words in lines[:line] if words and not words.startswith(" ")]
        assert headings[-1].strip() == kind.card.stage
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("name", ["bf16", "micro_batch"])
def test_a_technique_is_explained_with_its_knobs(name: str) -> None:
    output = CliRunner().invoke(app, ["techniques", name]).output
    for words in ("What it does", "Why it helps", "When it hurts", "Numerics", "Known problems", "Source", "guarantee"):
        assert words in output
    assert ("samples per part" in output) == (name == "micro_batch")


def kept(runs: Path, **changes: Any) -> None:
    """Leave the evidence of a run on this machine in a folder of runs."""
    folder = runs / str(changes.pop("folder", "digits-20260101-120000"))
    folder.mkdir(parents=True)
    save(make_evidence(**{"machine": facts(), **changes}), folder / "evidence.json")


def told(*words: str) -> str:
    return " ".join(CliRunner().invoke(app, ["techniques", *words]).output.split())


def test_what_each_technique_gave_here_is_told_and_which_were_never_tried(tmp_path: Path) -> None:
    kept(tmp_path)
    evidence = make_evidence()
    output = told("--runs", str(tmp_path))
    for trial in evidence.tuning.trials:
        if trial.speedup is not None and trial.technique in {kind.card.name for kind in own_techniques()}:
            numbers = ratio(trial.speedup, "pair")
            assert f"{trial.technique} {evidence.task.name} {trial.verdict.value} {numbers}" in output
    never = output.split("Never tried here: ")[1]
    assert "soap" in never
    assert "bf16" not in never.replace(",", " ").split()


def test_a_technique_tells_every_run_newest_first(tmp_path: Path) -> None:
    kept(tmp_path, folder="a", made_at="2026-01-01T10:00:00")
    kept(tmp_path, folder="b", made_at="2026-02-01T10:00:00")
    output = told("bf16", "--runs", str(tmp_path))
    assert output.index("b, 2026-02-01") < output.index("a, 2026-01-01")
    assert output.count("kept; 1.21x [1.15, 1.27], n = 24 pairs") == 2
    assert "tried soap" in told("soap", "--runs", str(tmp_path))


def test_evidence_of_other_machines_and_damaged_files_is_not_used_and_that_is_said(tmp_path: Path) -> None:
    assert "No results" in told("--runs", str(tmp_path / "absent"))
    kept(tmp_path, folder="other", machine=msgspec.structs.replace(facts(), cpu="another"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "evidence.json").write_text("{}")
    output = told("bf16", "--runs", str(tmp_path))
    assert "tried bf16" in output
    assert "1 of the runs" in output
    assert "must hold a Evidence" in output


def test_an_unknown_technique_is_told_with_the_nearest() -> None:
    result = CliRunner().invoke(app, ["techniques", "bf61"])
    assert result.exit_code == 2
    assert "unknown technique 'bf61'. Did you mean bf16" in result.stderr


def test_the_command_line_starts_without_torch() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from hasten.cli.main import app; "
        "result = CliRunner().invoke(app, ['run', '--help']); "
        "sys.exit(result.exit_code or sum(name in sys.modules for name in ('torch', 'numpy', 'scipy', 'sklearn')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
