"""The verbs that hand a training or its model back: eject, eject_diff, export."""

from collections.abc import Iterable
from pathlib import Path

from hasten.api.given import Chosen, check_trainable, plan_given, silent
from hasten.base.records.export import Exported, Format
from hasten.base.records.notices import Activity
from hasten.base.records.plan import Plan
from hasten.machine import facts
from hasten.pipeline.eject.difference import difference
from hasten.pipeline.eject.ejecting import Ejected
from hasten.pipeline.eject.ejecting import eject as write_script
from hasten.pipeline.exporting import export_model
from hasten.pipeline.trained_run import trained_session
from hasten.training.running import Show
from hasten.training.task import Task


def eject(task: Task, plan: Plan | Path | Iterable[Chosen] | None = None, *, out: Path, force: bool = False) -> Ejected:
    """Write a task with its plan as one plain PyTorch script that needs no hasten.

    The script trains with the same losses, bit for bit where the plan is exact. Techniques that have no form outside of
    hasten are left out and named. Where the samples take much of hasten's code to read, they are saved beside the
    script.

    Args:
        task: what the script trains.
        plan: see `train`; None for the plain training.
        out: the file of the script.
        force: replace a file that exists.

    Returns:
        The script, what it lacks, and what that costs.

    Raises:
        BadInput: if the plan cannot be used, or `out` exists and `force` is False.
        Refused: if a technique cannot be used here, or a part of the task cannot be written as source.
    """
    ejected = write_script(task, plan_given(plan, task), facts())
    ejected.write(out, force=force)
    return ejected


def eject_diff(
    task: Task, plan: Plan | Path | Iterable[Chosen] | None = None, *, script: Path
) -> tuple[str, tuple[str, ...]]:
    """Return what a plan changes in a training script of one's own, as a unified diff, and what it cannot change there.

    Args:
        task: the same training, as a task.
        plan: see `train`.
        script: with one optimizer of `torch.optim`, one backward pass and one step.

    Raises:
        BadInput: if the plan or the script cannot be read.
        Refused: if the script is not that simple; with the reason.
    """
    ejected = write_script(task, plan_given(plan, task), facts())
    text, rest = difference(script, ejected.parts)
    return text, (*(f"not in the diff: {one}" for one in rest), *ejected.left_out_notes)


def export(run: Path, task: Task, *, to: Format | str, out: Path, show: Show = silent) -> Exported:
    """Export the model of a run to a file, and compare it with the model: outputs, metric, size and time.

    The model stands in the file as the task calls it, in evaluation mode, with the weights that the run ended with. The
    file is loaded back and run on validation data; it takes some seconds, ten and more for ONNX.

    Args:
        run: folder of a finished run.
        task: that was trained.
        to: "pt2" (`torch.export`), "onnx" (for ONNX Runtime and others), or "int8": ONNX with int8 products.
        out: the file, replaced whole if it exists.
        show: called with what is under way.

    Raises:
        BadInput: if the run has no weights of the task's model, the model cannot be exported, or a package is missing.
        GuaranteeBroken: if outputs of the exported model differ by more than rounding; then no file is written.
    """
    check_trainable(task, show)
    show(Activity(text=f"exporting to {Format(to).value}"))
    return export_model(trained_session(run, task), Format(to), out)
