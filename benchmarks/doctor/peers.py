"""What guardtower and gradsnitch say of the same programs, faulty and healthy, beside the doctor.

python -m benchmarks.doctor.peers --room DIR, in an environment that has both beside hasten (they need no CUDA). Each is
called as its documentation says: guardtower audits the first training step, gradsnitch logs every one. Only the hosts
are run, for the calls are edits of the source, and hard negatives do not share the hosts' names. `score` must have
judged the same room: the runs that count are the same.
"""

import argparse
import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import torch

from benchmarks.doctor.cases import Case, chosen, digest, source
from benchmarks.doctor.faults.catalog import FAULTS
from benchmarks.doctor.faults.edits import MADE, UPDATE, after, before, replace
from benchmarks.doctor.hurting import counts
from benchmarks.doctor.programs import HOSTS, run_program
from benchmarks.doctor.scoring import Judgment, shares
from benchmarks.recording import record

NOT_ASKED = {
    "traincheck 0.2.0": "infers invariants from traces of healthy reference runs of the same program, which nobody has "
    "whose program is faulty",
    "defaultplusplus 0.4.1": "its trained classifiers take features of Hugging Face encoders and decoders; no program "
    "here is one",
    "lightning": "its finders choose a learning rate and a batch size of a LightningModule, and name no fault",
}
"""What installs and is not asked, and why."""

NAMES = {
    "LOSS-001": ("loss_detached",),
    "loss is": ("nonfinite",),
    "INPUT-001": ("output_ignores_input",),
    "GRAD-001": ("parameter_unreached", "unregistered_parameter"),
    "all-zero gradient": ("parameter_unreached", "vanishing_gradient", "dead_units"),
    "OPT-001": ("not_in_optimizer",),
    "frozen parameter": ("frozen_changed",),
    "large gradient norm": ("exploding_gradient", "initial_loss_off", "inputs_unscaled", "gradient_scale", "poor_init"),
    "gradient norm is tiny": ("vanishing_gradient",),
    "NaN/Inf": ("nonfinite",),
    "dead": ("dead_units",),
    "eval() mode": ("eval_mode_in_training",),
    "GS001": ("nonfinite",),
    "GS002": ("nonfinite", "exploding_gradient"),
    "GS003": ("exploding_gradient", "loss_spikes"),
    "GS004": ("overfit",),
    "GS005": ("not_learning", "plateau", "slow_convergence"),
    "GS006": ("diverging",),
    "GS007": ("vanishing_gradient",),
    "too high": ("update_too_large",),
    "too low": ("update_too_small",),
    "GS009": ("loss_oscillates",),
    "GS010": ("schedule_mismatch", "schedule_wrong"),
}
"""What they say -> the symptoms that it may mean here; the kindest reading counts."""
_STEP = re.compile(
    r"^( +)(output = model\(x.*\)\n(?:\1.*\n)*?)(?=\1(?:optimizer\.|\(?-?loss\)?\.(?:detach|backward)))", re.MULTILINE
)


def instrumented(text: str) -> str:
    """Return a program that asks both about its own training; `AUDITS` and `MONITORS` hold what they say."""
    found = _STEP.search(text)
    if found is None:
        raise ValueError("the program has no training step that these edits know")
    indent, step = found[1], found[1] + found[2]
    audit = (
        f"{indent}if not AUDITS:\n\n{indent}    def audited():\n"
        + "".join(f"        {line}\n" for line in step.splitlines())
        + f"{indent}        return loss\n\n"
        f"{indent}    AUDITS.append(guardtower.audit(model, audited, optimizer=optimizer, inputs=x))\n"
        f"{indent}    optimizer.zero_grad()\n"
    )
    text = text[: found.start()] + audit + text[found.start() :]
    text = after(MADE, "MONITORS.append(gradsnitch.watch(model, optimizer))")(text, 1) or text
    text = before(UPDATE, "MONITORS[0].log(len(MONITORS[0].rows), loss.item())")(text, 1) or text
    text = (
        replace(r"^( +)(valid_loss|error) = (evaluate.*)$", r"\1\2 = \3\n\1MONITORS[0].rows[-1]['val_loss'] = \2")(
            text, 1
        )
        or text
    )
    return re.sub(
        r'^(""".*?"""\n)', r"\1import gradsnitch\nimport guardtower\n\nAUDITS, MONITORS = [], []\n", text, count=1
    )


def said(case: Case, room: Path) -> dict[str, list[str]]:
    """Return what each says of a case, in the words of `NAMES`; kept in the room."""
    path = room / "peers" / f"{case.name}-{digest(case)}.json"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        program = room / "peers" / f"{case.name.replace('-', '_').replace('.', '_')}.py"
        program.write_text(instrumented(source(case) or ""))
        names: dict[str, Any] = run_program(program, case.seed)
        audits, monitors = names["main"].__globals__["AUDITS"], names["main"].__globals__["MONITORS"]
        told = {
            "guardtower": [f"{one.catalog_id} {one.message}" for one in _serious(audits)],
            "gradsnitch": [
                f"{one.code} {one.name}" for monitor in monitors if monitor.rows for one in monitor.report()
            ],
        }
        path.write_bytes(msgspec.json.encode(told))
    return msgspec.json.decode(path.read_bytes())


def _serious(audits: Sequence[Any]) -> list[Any]:
    return [one for audit in audits for one in (*audit.errors, *audit.warnings)]


def named(case: Case, told: Sequence[str]) -> tuple[str, ...]:
    """Return one symptom for each finding: the right one where it can be read so, else the first that it may mean."""
    fault = None if case.healthy else FAULTS[case.kind]
    symptoms: list[str] = []
    for finding in told:
        meant = next((some for words, some in NAMES.items() if words in finding), (finding,))
        good = () if fault is None else fault.root + fault.right + fault.true
        symptoms.append(min(meant, key=lambda one: good.index(one) if one in good else len(good)))
    return tuple(symptoms)


def main() -> None:
    """Ask both about every run that counts, and record their scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--room", type=Path, required=True)
    parser.add_argument("--part", default="1/1")
    given = parser.parse_args()
    for name in ("guardtower", "gradsnitch"):
        importlib.import_module(name)  # each failure below would count as nothing found
    torch.set_num_threads(1)
    number, parts = (int(one) for one in given.part.split("/"))
    judgments: dict[str, list[Judgment]] = {"guardtower": [], "gradsnitch": []}
    failed: dict[str, str] = {}
    for case in chosen(part=(number, parts)):
        if case.program not in HOSTS or not counts(case, given.room):
            continue
        try:
            told = said(case, given.room)
        except Exception as error:  # noqa: BLE001  (a faulty program may fail, and a peer with it; both are recorded)
            failed[case.name] = f"{type(error).__name__}: {error}"
            told = {"guardtower": [], "gradsnitch": []}
        for name, some in judgments.items():
            some.append(Judgment(case, named(case, told[name]), True))
    scores = {name: shares(some) | {"in_scope": shares(_in_scope(some, name))} for name, some in judgments.items()}
    for name, score in scores.items():
        print(name, {key: (one.get("right"), one.get("n"), one.get("share")) for key, one in score.items()})
        print(name, "of kinds it has a rule for", score["in_scope"]["recall"])
    print(record("doctor_peers", {"scores": scores, "failed": failed, "part": given.part, "not_asked": NOT_ASKED}))


def _in_scope(judgments: Sequence[Judgment], name: str) -> list[Judgment]:
    """Return the runs whose fault one of its rules could name."""
    theirs = {
        one
        for words, some in NAMES.items()
        if (words[:2] == "GS" or "too" in words) == (name == "gradsnitch")
        for one in some
    }
    return [
        one
        for one in judgments
        if one.case.healthy or theirs & {*FAULTS[one.case.kind].root, *FAULTS[one.case.kind].right}
    ]


if __name__ == "__main__":
    main()
