"""Profile a training script as it is, in a process of its own."""

from collections.abc import Sequence
from pathlib import Path

from hasten.base.records.profile import Profile
from hasten.base.records.record import Record
from hasten.scripts.running import ScriptRun, run_script


class Seen(Record, frozen=True):
    """What was seen of a script's training: the anatomy of its steps, its data loader and its optimizer."""

    profile: Profile
    own: dict[str, str] = {}  # "other", "loss" or "gradient" -> what the person's own code takes of a step
    trainer: str = ""  # "transformers" or "lightning"; empty for a loop of one's own
    workers: int | None = None  # of the data loader; None where there is none
    optimizer: str = ""  # its class
    fused: bool | None = None  # None where the optimizer does not tell


def profile_script(
    script: Path,
    arguments: Sequence[str] = (),
    *,
    module: bool = False,
    steps: int | None = None,
    tell_every_s: float | None = None,
    output_to_stderr: bool = False,
) -> ScriptRun[Seen]:
    """Run a script with its own arguments and return the anatomy of its training; see `run_script`.

    Args:
        script: the file, or the name of a module.
        arguments: the script's own.
        module: run it as `python -m` would.
        steps: end the script after so many training steps, as `sys.exit(0)` would; None to let it end by itself.
        tell_every_s: seconds between two lines about the steps on standard error; None for no lines.
        output_to_stderr: send the script's standard output to standard error.

    Raises:
        BadInput: if the file cannot be read.
    """
    return run_script(
        script,
        arguments,
        module=module,
        watch="hasten.profiling.script_watch:ScriptWatch",
        options={"name": str(script) if module else script.stem, "steps": steps, "tell_every_s": tell_every_s},
        kind=Seen,
        output_to_stderr=output_to_stderr,
    )
