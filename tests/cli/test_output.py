"""Standard output that is closed early or has no width, and the `next:` line that ends every command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

HASTEN = (sys.executable, "-m", "hasten")


def shell(command: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "XDG_CACHE_HOME": str(folder)} | variables
    command = f"set -o pipefail; {command.replace('hasten ', f'{sys.executable} -m hasten ')}"
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_a_training_whose_output_is_closed_is_saved(tmp_path: Path) -> None:
    done = shell("hasten train linear --runs runs | head -n 1", tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (weights,) = tmp_path.glob("runs/*/checkpoints/model.safetensors")
    assert weights.stat().st_size


@pytest.mark.parametrize("command", ["hasten techniques", "hasten profile linear --json", "hasten --help"])
def test_a_closed_pipe_is_no_traceback(command: str, tmp_path: Path) -> None:
    done = shell(f"{command} | true", tmp_path)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize("columns", ["0", "-1", "", "abc", "3"])
def test_an_unusable_width_is_that_of_a_usual_terminal(columns: str, tmp_path: Path) -> None:
    done = shell("hasten techniques bf16", tmp_path, COLUMNS=columns)
    assert done.returncode == 0, done.stderr
    assert "bfloat16" in done.stdout
    assert max(map(len, done.stdout.splitlines())) > 20
    assert "Usage" in shell("hasten --help", tmp_path, COLUMNS=columns).stdout


@pytest.mark.parametrize("command", ["hasten techniques", "hasten techniques bf16", "hasten train linear --runs runs"])
def test_a_command_ends_with_the_one_to_type_next(command: str, tmp_path: Path) -> None:
    done = shell(command, tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.rstrip().splitlines()
    assert lines[-1].startswith("next: hasten ")
    assert sum(line.startswith("next: ") for line in lines) == 1
