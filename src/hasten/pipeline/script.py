"""A training script as it is: its anatomy, the diagnosis, and the lines that would help it."""

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hasten.base.records.profile import Profile
from hasten.diagnosis.diagnose import diagnose
from hasten.machine import facts
from hasten.profiling.loop_marks import MUCH
from hasten.profiling.script import ScriptRun, Seen, profile_script

_MOST_WORKERS = 8
_HEAVY_UPDATE = "optimizer_heavy"


@dataclass(frozen=True)
class Examined:
    """The profile with its diagnosis, the lines to add to the script, and the command to run next."""

    profile: Profile
    lines: tuple[str, ...]
    next: str


def examine_script(
    script: Path,
    arguments: Sequence[str],
    *,
    steps: int | None = None,
    tell_every_s: float | None = None,
    output_to_stderr: bool = False,
) -> tuple[ScriptRun, Examined | None]:
    """Run a script and say what its training spends its time on; the arguments are those of `profile_script`."""
    run = profile_script(script, arguments, steps=steps, tell_every_s=tell_every_s, output_to_stderr=output_to_stderr)
    if run.seen is None:
        return run, None
    command = shlex.join(["hasten", "profile", str(script), *arguments])
    found = msgspec.structs.replace(run.seen.profile, command=command)
    diagnosis = diagnose(found, facts())
    lines = tuple(lines_for(run.seen, {finding.symptom for finding in diagnosis.findings}))
    if found.share("other") > max((finding.recoverable for finding in diagnosis.findings), default=MUCH):
        diagnosis = msgspec.structs.replace(diagnosis, verdict=found.remarks[0])
    profile = msgspec.structs.replace(found, diagnosis=diagnosis, verdict=diagnosis.verdict)
    return run, Examined(profile, lines, command if lines else "python -c 'import hasten; help(hasten.watch)'")


def lines_for(seen: Seen, symptoms: set[str]) -> Iterator[str]:
    """Yield the lines of plain PyTorch that treat what was found, with what the script has today."""
    if "input_bound" in symptoms and seen.workers is not None:
        workers = max(1, min(_MOST_WORKERS, (os.cpu_count() or 2) - 1))
        if seen.workers < workers:
            more = ", pin_memory=True" if not seen.profile.on_host else ""
            yield (
                f"DataLoader(..., num_workers={workers}, persistent_workers=True{more})  "
                f"# num_workers={seen.workers} now"
            )
    if _HEAVY_UPDATE in symptoms and seen.fused is False:
        yield f"torch.optim.{seen.optimizer}(..., fused=True)  # one call for all parameters; not fused now"
    if "eval_ckpt_overhead" in symptoms:
        yield "if epoch % 5 == 0: validate(model)  # validate less often"
