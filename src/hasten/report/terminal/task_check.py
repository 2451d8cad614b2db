"""What was understood of a task, on the terminal."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from hasten.base.records.task_check import TaskCheck
from hasten.base.units import plural, seconds
from hasten.report.terminal.layout import grid, quiet, section
from hasten.report.wording import whole

_MOST = 12  # leaves of a batch
_NAMED = 4  # parameters


def task_check_view(found: TaskCheck) -> RenderableType:
    """Return the batch as a tree, how it is trained, what a plan may change, and what stands out."""
    parts = [
        section("Batch", grid(_leaves(found)), note=f"{whole(found.batch_size)} samples, {found.batch_kind}"),
        section("Training", grid([(quiet(name), Text(words)) for name, words in _training(found)]), note=found.task),
    ]
    plan = [("may replace", one) for one in found.replaceable] + [("keeps", one) for one in found.kept]
    if plan:
        parts.append(section("A plan", grid([(quiet(name), Text(words)) for name, words in plan])))
    if wrong := _stands_out(found):
        parts.append(section("What stands out", *(Text(f"! {one}", style="yellow") for one in wrong)))
    return Group(*parts)


def _leaves(found: TaskCheck) -> list[tuple[RenderableType, ...]]:
    shown = found.batch if len(found.batch) <= _MOST else found.batch[: _MOST - 1]
    rows: list[tuple[RenderableType, ...]] = [
        (Text(leaf.path), Text(leaf.what), Text("target" if leaf.target else "", style="bold")) for leaf in shown
    ]
    if len(shown) < len(found.batch):
        rows.append((quiet(f"and {len(found.batch) - len(shown)} more"), Text(""), Text("")))
    return rows


def _training(found: TaskCheck) -> list[tuple[str, str]]:
    frozen = f", {whole(found.frozen)} of them frozen" if found.frozen else ""
    loss = "not finite" if found.first_loss is None else f"loss {found.first_loss:.4g}"
    samples = "" if found.train_samples is None else f"{whole(found.train_samples)} samples, "
    steps = "steps known only by iterating" if found.steps_per_epoch is None else plural(found.steps_per_epoch, "step")
    valid = "" if found.valid_samples is None else f"{whole(found.valid_samples)} samples, "
    rows = [
        ("model", f"{found.model}, {whole(found.parameters)} parameters{frozen}"),
        ("call", found.call),
        ("output", found.output),
        ("loss", f"{found.loss}, {_divisor(found)}"),
        ("first step", f"{loss} in {seconds(found.first_step_s)}"),
        ("data", f"{found.train}"),
        ("epoch", f"{samples}{steps}"),
        ("optimizer", found.optimizer),
        ("lr schedule", found.schedule),
        ("validation", f"{valid}{found.valid}"),
        ("metric", found.metric),
        ("stops after", found.stop),
    ]
    return [(name, words) for name, words in rows if words]


def _divisor(found: TaskCheck) -> str:
    if found.divides_by is not None:
        return f"divides by {found.divides_by}"
    return f"a mean whose divisor was not found{f': {found.not_additive}' if found.not_additive else ''}"


def _stands_out(found: TaskCheck) -> list[str]:
    lines = []
    if found.without_gradient:
        lines.append(
            f"{_count(found.without_gradient)} no gradient in the first step: {_named(found.without_gradient)}. "
            "Does the output depend on them?"
        )
    if found.not_in_optimizer:
        lines.append(
            f"the optimizer does not hold {_named(found.not_in_optimizer)}: not trained. "
            "Add them, or set requires_grad=False."
        )
    if found.not_in_model:
        lines.append(
            f"the optimizer holds {_named(found.not_in_model)} that the model does not have: they are not saved with "
            "it. Make them parameters of the model."
        )
    if found.first_loss is None:
        lines.append("the loss of the first step is not finite.")
    return lines


def _count(names: Sequence[str]) -> str:
    return "1 trained parameter got" if len(names) == 1 else f"{len(names)} trained parameters got"


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
