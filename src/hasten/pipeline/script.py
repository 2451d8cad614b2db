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
from hasten.profiling.script import Seen, profile_script
from hasten.scripts.files import called
from hasten.scripts.running import ScriptRun

_MOST_WORKERS = 8
_TUNE = {
    "": "hasten.tune_loop(step, model=..., optimizer=..., loader=...)  # docs/apply.md",
    "lightning": "hasten.tune_loop makes a plan, hasten.lightning_apply uses it  # docs/apply.md",
    "transformers": "hasten.tune_loop makes a plan, hasten.transformers_apply uses it  # docs/apply.md",
}
"""Trainer -> how to try techniques on its loop."""


@dataclass(frozen=True)
class Examined:
    """The profile with its diagnosis, the lines to add to the script, and what to do next."""

    profile: Profile
    lines: tuple[str, ...]
    next: str


def examine_script(
    script: Path,
    arguments: Sequence[str],
    *,
    module: bool = False,
    steps: int | None = None,
    tell_every_s: float | None = None,
    output_to_stderr: bool = False,
) -> tuple[ScriptRun[Seen], Examined | None]:
    """Run a script and say what its training spends its time on; the arguments are those of `profile_script`."""
    run = profile_script(
        script, arguments, module=module, steps=steps, tell_every_s=tell_every_s, output_to_stderr=output_to_stderr
    )
    if run.seen is None:
        return run, None
    command = shlex.join(["hasten", "profile", *called(script, module=module), *arguments])
    return run, examined(run.seen, command)


def examined(seen: Seen, command: str) -> Examined:
    """Return the profile of a script with its diagnosis, the lines to add and what to do next.

    Where own code takes more of a step than any finding could give back, the verdict names that code.
    """
    found = msgspec.structs.replace(seen.profile, command=command)
    diagnosis = diagnose(found, facts())
    lines = tuple(lines_for(seen, {finding.symptom for finding in diagnosis.findings}))
    gain = max((finding.recoverable for finding in diagnosis.findings), default=0.0)
    own = max(seen.own, key=found.share, default=None)
    if own is not None and found.share(own) > gain:
        diagnosis = msgspec.structs.replace(diagnosis, verdict=seen.own[own])
        what = f"make that code cheaper, or run it every few steps; then: {command}"
    elif lines:
        what = f"add {'this line' if len(lines) == 1 else 'these lines'}, then: {command}"
    else:
        what = _TUNE[seen.trainer]
    remarks = tuple(remark for remark in found.remarks if remark != diagnosis.verdict)
    profile = msgspec.structs.replace(found, diagnosis=diagnosis, verdict=diagnosis.verdict, remarks=remarks)
    return Examined(profile, lines, what)


def lines_for(seen: Seen, symptoms: set[str]) -> Iterator[str]:
    """Yield the lines that treat what was found, with what the script has today."""
    if "input_bound" in symptoms and seen.workers is not None:
        workers = max(1, min(_MOST_WORKERS, (os.cpu_count() or 2) - 1))
        if seen.workers < workers:
            yield f"{_workers_line(seen, workers)}  # now {seen.workers}"
    if "optimizer_heavy" in symptoms and seen.fused is False:
        yield f"torch.optim.{seen.optimizer}(..., fused=True)  # one call for all parameters"
    if "eval_ckpt_overhead" in symptoms:
        yield "if epoch % 5 == 0: validate(model)  # validate less often"


def _workers_line(seen: Seen, workers: int) -> str:
    if seen.trainer == "transformers":
        return f"TrainingArguments(..., dataloader_num_workers={workers}, dataloader_persistent_workers=True)"
    more = ", pin_memory=True" if not seen.profile.on_host else ""
    return f"DataLoader(..., num_workers={workers}, persistent_workers=True{more})"
