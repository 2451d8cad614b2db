"""Standard output that is closed early or has no width, and the `next:` line that ends every command."""

import os
import shlex
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from hasten.cli.main import main

from forked import Forked


def shell(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "XDG_CACHE_HOME": str(folder)} | variables
    command = f"set -o pipefail; {command.replace('hasten ', f'{sys.executable} -m hasten ')}"
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_training_whose_output_is_closed_is_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", shlex.split("hasten train linear --runs runs"))
    with Forked(main) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.wait() == 0
        assert process.stderr.read() == ""
    (weights,) = tmp_path.glob("runs/*/checkpoints/model.safetensors")
    assert weights.stat().st_size


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("hasten techniques", marks=pytest.mark.slow),
        pytest.param("hasten inspect table.csv --json", marks=pytest.mark.slow),
        "hasten --help",
    ],
)
def test_a_closed_pipe_is_no_traceback(command: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("a,b\n1,2\n3,4\n")
    done = shell(f"{command} | true", tmp_path)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.fixture
def printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Callable[[str], str]:
    """Type a command that succeeds, here and not in a process of its own; return its standard output."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # `main` sets its own

    def printed_by(command: str) -> str:
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        assert not ended.value.code, output.err
        return output.out

    return printed_by


@pytest.mark.parametrize("columns", ["0", "-1", "", "abc", "3"])
def test_an_unusable_width_is_that_of_a_usual_terminal(
    columns: str, printed: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = printed("hasten techniques bf16")
    assert "bfloat16" in shown
    assert max(map(len, shown.splitlines())) > 20
    monkeypatch.setenv("COLUMNS", columns)
    assert "Usage" in printed("hasten --help")


@pytest.mark.parametrize("command", ["hasten techniques", "hasten techniques bf16", "hasten train linear --runs runs"])
def test_a_command_ends_with_the_one_to_type_next(command: str, printed: Callable[[str], str]) -> None:
    lines = printed(command).rstrip().splitlines()
    assert lines[-1].startswith("next: hasten ")
    assert sum(line.startswith("next: ") for line in lines) == 1
