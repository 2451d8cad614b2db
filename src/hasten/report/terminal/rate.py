"""The choice of a learning rate on the terminal."""

from statistics import fmean

from rich.console import RenderableType
from rich.text import Text

from hasten.base.records.rate_choice import RateChoice, RateTried, RateVerdict
from hasten.base.units import digits3, percent, seconds
from hasten.report.terminal.layout import grid, quiet, section

STYLES = {
    RateVerdict.BETTER: "green",
    RateVerdict.NO_DIFFERENCE: "blue",
    RateVerdict.OWN_DIVERGES: "green",
    RateVerdict.NONE_STABLE: "red",
}


def rate_view(found: RateChoice) -> RenderableType:
    """Return the result, what was tried, how well the rate is known, and what it took."""
    content: list[RenderableType] = [Text(f"→ {found.sentence}", style=f"bold {STYLES[found.verdict]}")]
    if found.rate is not None:
        content.append(quiet(f"best rate {found.rate}, 95 % CI over {found.repeats} initializations and data orders"))
    if found.factor != 1 and len(found.own_rates) > 1:
        rates = ", ".join(digits3(rate) for rate in found.rates)
        content.append(
            Text(f"rates of the {len(found.rates)} parameter groups: {rates} (all x{digits3(found.factor)})")
        )
    head = tuple(map(quiet, ("rate", "branch at", "steps", "held-out loss", "")))
    best = min((_loss(one) for one in found.tried if one.steps == found.branch_steps and not one.proof), default=0.0)
    content.append(grid([head, *(_row(one, best) for one in found.tried)], right=frozenset({0, 1, 2})))
    if found.horizon < 1:
        content.append(
            quiet(
                f"A branch at rate r stands for {found.planned_steps:,} steps at {digits3(found.horizon)} r: the best "
                "rate of a longer training is lower."
            )
        )
    share = f", {percent(found.steps / found.planned_steps)} of the planned training" if found.planned_steps else ""
    edge = f"loss rises above {digits3(found.edge.value)} in a sweep; " if found.edge is not None else ""
    content.append(quiet(f"{edge}{found.steps:,} updates in {seconds(found.spent_s)}{share}"))
    return section("Learning rate", *content, note=found.task)


def _row(one: RateTried, best: float) -> tuple[Text, ...]:
    diverged = sum(loss is None for loss in one.losses)
    loss = "diverged" if diverged else f"{_loss(one):.4g}"
    loss = f"diverged in {diverged} of {len(one.losses)}" if 0 < diverged < len(one.losses) else loss
    note = "other starts" if one.proof else "lowest" if not diverged and _loss(one) == best else ""
    style = "bold" if note == "lowest" else ""
    return (
        Text(digits3(one.rate), style=style),
        quiet(digits3(one.branch_rate)),
        quiet(f"{one.steps}"),
        Text(loss, style="red" if diverged else style),
        quiet(note),
    )


def _loss(one: RateTried) -> float:
    """Return the mean over the repeats, infinite where one diverged."""
    return fmean(float("inf") if loss is None else loss for loss in one.losses)
