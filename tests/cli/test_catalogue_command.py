"""The commands that need no training, on the real catalogue; and that the command line starts without torch."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from hasten.cli.main import app
from hasten.techniques.registry import OWN


def test_the_catalogue_lists_every_technique_under_its_stage() -> None:
    output = CliRunner().invoke(app, ["techniques"]).output
    lines = output.splitlines()
    for kind in OWN:
        line = next(number for number, words in enumerate(lines) if words.strip().startswith(f"{kind.card.name} "))
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
