"""Run a person's script in a process of its own, with a watch on its training."""

import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from hasten.base.errors import BadInput
from hasten.base.records.record import Record, load_exact
from hasten.scripts.files import called

Seen = TypeVar("Seen", bound=Record)


@dataclass(frozen=True)
class ScriptRun(Generic[Seen]):
    """How a script ended, and what was seen of its training, or the reason why nothing was."""

    exit_code: int
    seen: Seen | None
    reason: str = ""

    @property
    def why_nothing(self) -> str:
        """Why nothing was seen, beginning with a failure of the script itself."""
        return f"the script ended with exit code {self.exit_code}. {self.reason}" if self.exit_code else self.reason


def run_script(
    script: Path,
    arguments: Sequence[str],
    *,
    module: bool = False,
    watch: str,
    options: Mapping[str, object],
    kind: type[Seen],
    output_to_stderr: bool = False,
    quiet: bool = False,
) -> ScriptRun[Seen]:
    """Run a script with its own arguments, in the same Python, and return what a watch saw of its training.

    The script's output, exit code, files and parameters are what they would be without: it runs as `__main__` in a
    process of its own. An interrupt reaches the script.

    Args:
        script: the file, or the name of a module.
        arguments: the script's own.
        module: run it as `python -m` would.
        watch: "module:class" of a `hasten.scripts.watch.Watch`, which is imported after torch.
        options: keywords of that class.
        kind: of the record that it returns.
        output_to_stderr: send the script's standard output to standard error.
        quiet: show neither its standard output nor its standard error.

    Raises:
        BadInput: if the file cannot be read.
    """
    if not module and not script.is_file():
        raise BadInput(f"no script {script}.")
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "seen.msgpack"
        command = [
            sys.executable, *subprocess._args_from_interpreter_flags(),  # type: ignore[attr-defined]
            "-m", "hasten.scripts.child", str(result), watch, json.dumps(options),
            *called(script, module=module), *arguments,
        ]  # fmt: skip
        shown = subprocess.DEVNULL if quiet else sys.stderr if output_to_stderr else None
        with subprocess.Popen(command, stdout=shown, stderr=subprocess.DEVNULL if quiet else None) as process:
            code = _waited(process)
        reason = result.with_suffix(".reason")
        if result.exists():
            return ScriptRun(code, load_exact(kind, result))
        if reason.exists():
            return ScriptRun(code, None, reason.read_text())
    return ScriptRun(code, None, "the script ended before it imported torch, or without running its exit handlers.")


def _waited(process: "subprocess.Popen[bytes]") -> int:
    """Wait for the process and return its exit code as a shell has it.

    An interrupt reaches the script by itself and is the script's to handle; a termination is handed on to it.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    ended = signal.signal(signal.SIGTERM, lambda number, frame: process.send_signal(number))
    try:
        code = process.wait()
    finally:
        signal.signal(signal.SIGINT, before)
        signal.signal(signal.SIGTERM, ended)
    return code if code >= 0 else 128 - code
