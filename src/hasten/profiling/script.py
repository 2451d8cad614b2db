"""Profile a training script as it is, in a process of its own."""

import ast
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hasten.base.errors import BadInput
from hasten.base.records.profile import Profile
from hasten.base.records.record import Record, load


class Seen(Record, frozen=True):
    """What was seen of a script's training: the anatomy of its steps, its data loader and its optimizer."""

    profile: Profile
    own: dict[str, str] = {}  # "other", "loss" or "gradient" -> what the person's own code takes of a step
    trainer: str = ""  # "transformers" or "lightning"; empty for a loop of one's own
    workers: int | None = None  # of the data loader; None where there is none
    optimizer: str = ""  # its class
    fused: bool | None = None  # None where the optimizer does not tell


@dataclass(frozen=True)
class ScriptRun:
    """How a script ended, and what was seen of its training, or the reason why nothing was."""

    exit_code: int
    seen: Seen | None
    reason: str = ""


def is_script(name: str) -> bool:
    """Return whether this is a Python file that defines no `task`, so that it is run and not asked for one."""
    tree = parsed(Path(name))
    return tree is not None and not defines_task(tree)


def parsed(path: Path) -> ast.Module | None:
    """Return the syntax tree of a Python file; None for anything else, also for a file that is not valid Python."""
    if path.suffix != ".py" or not path.is_file():
        return None
    try:
        return ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return None


def defines_task(tree: ast.Module) -> bool:
    """Return whether a file binds the name `task` at its top."""
    return any("task" in _names(node) for node in tree.body)


def _names(node: ast.stmt) -> set[str]:
    """Return the names that a statement defines."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name for alias in node.names}
    if isinstance(node, ast.Assign | ast.AnnAssign):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return {target.id for target in targets if isinstance(target, ast.Name)}
    return set()


def profile_script(
    script: Path,
    arguments: Sequence[str] = (),
    *,
    steps: int | None = None,
    tell_every_s: float | None = None,
    output_to_stderr: bool = False,
) -> ScriptRun:
    """Run a script with its own arguments, in the same Python, and return the anatomy of its training.

    The script's output, exit code, files and parameters are what they would be without: it runs as `__main__` in a
    process of its own, with hooks on torch that only take the time. An interrupt reaches the script.

    Args:
        script: the file.
        arguments: the script's own.
        steps: end the script after so many training steps, as `sys.exit(0)` would; None to let it end by itself.
        tell_every_s: seconds between two lines about the steps on standard error; None for no lines.
        output_to_stderr: send the script's standard output to standard error.

    Raises:
        BadInput: if the file cannot be read.
    """
    if not script.is_file():
        raise BadInput(f"no script {script}.")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "profile.json"
        command = [
            sys.executable, *subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]
            "-m", "hasten.profiling.script_child",
            str(result), str(steps or "-"), str(tell_every_s or "-"), str(script), *arguments,
        ]  # fmt: skip
        with subprocess.Popen(command, stdout=sys.stderr if output_to_stderr else None) as process:
            code = _waited(process)
        reason = result.with_suffix(".reason")
        if result.exists():
            return ScriptRun(code, load(Seen, result))
        if reason.exists():
            return ScriptRun(code, None, reason.read_text())
    return ScriptRun(code, None, "the script ended before it imported torch, or without running its exit handlers.")


def _waited(process: "subprocess.Popen[bytes]") -> int:
    """Wait for the process and return its exit code as a shell has it; an interrupt is the script's to handle."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return code if code >= 0 else 128 - code
