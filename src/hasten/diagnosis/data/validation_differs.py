"""E14: training and evaluation data are prepared differently.

Signal: mean, spread and range of what the model gets, by channel of pictures and column of tables, in both; mean and
spread of the targets of a regression.
Threshold: targets of a regression whose spread differs 5 times, or whose mean by 5 of its standard deviations; mean
pictures that fit the training's 5 times better when they are mirrored or turned;
the spread differs 2.5 times, 10 times for windows of a series, which swings as it will; the means of whole samples
differ by 3 times their spread; 90 % of the columns of a table are shifted by half a standard deviation; swapped color
channels fit the training 3 times better; each part has a mean of exactly 0 and a standard deviation of exactly 1 in
all columns, which happens when each is scaled by itself, or fills the range of 0 to 1, or -1 to 1, exactly; or the
model does better than a constant by 0.15 on samples that it has not seen yet in the first pass, and by less than a
quarter of that on the evaluation at the end, while the loss of the training has fallen and stays low. Inputs whose
spread or mean differs, but on which the loss is at most 3 times that at the end of the training and a fifth of that
at its start, are no fault. Those of points of at most 4 numbers without targets, where a function may be drawn, are not
compared, nor any where the model gets further inputs in a step that no loader gives.
Why: the model is judged on inputs that it was never trained for.
Example: `x / 255` in training only; `scaler.fit_transform` of the validation data; BGR in one part and RGB in the
other.
Wrong when: the data themselves change, as a series does that is split by time.
Source: Breck et al. 2019, Data Validation for Machine Learning (training-serving skew).
"""

import math

from hasten.base.records.data_facts import DataFacts, Part
from hasten.base.records.finding import Abstained
from hasten.base.records.health import Health
from hasten.diagnosis.data.mean_picture import TURNED, apart, as_picture
from hasten.diagnosis.data.said import REGRESSION, facts_of, may_be_drawn, wrong
from hasten.diagnosis.dynamics.judging import course, rises
from hasten.diagnosis.rule import Outcome

SPREAD, SHIFT, COLUMNS, COLUMN_SHIFT, SWAPPED = 2.5, 3.0, 0.9, 0.5, 3.0
TARGETS, APART, FIT, SERIES = 5.0, 15.0, 5.0, 10.0
ENOUGH, FEWEST = 32, 8
"""Samples of each part; the fewest where numbers must be exact, which chance does not make them."""


def find(health: Health) -> Outcome:
    """Fire where an evaluation gets inputs of another scale, position or order of channels."""
    facts = facts_of(health)
    training = facts.training
    told = _targets(facts)
    if told is not None:
        sentence, value = told
        return wrong(
            "validation_differs",
            sentence,
            value=value,
            threshold=TARGETS,
            advice="scale the targets of both parts by the mean and standard deviation of the training's",
            check=health.command,
            explains=("overfit",),
        )
    if training is None:
        return Abstained(symptom="validation_differs", reason="no samples of a training were seen")
    learns, loses = _learns(health), not _is_predicted(health)
    told = [
        inputs_differ(
            training,
            part,
            loses=loses and not (training.several or may_be_drawn(part, facts.evaluations) or _is_explained(part)),
        )
        or (_unpredicted(training, part) if learns and _lasts(part, facts) else None)
        for part in facts.evaluations
        if not part.later
    ]
    said = next(filter(None, told), None)
    if said is None:
        if any(min(training.described, part.described) >= ENOUGH for part in facts.evaluations):
            return None
        return Abstained(symptom="validation_differs", reason="no inputs of numbers were seen in both")
    sentence, value, threshold = said
    return wrong(
        "validation_differs",
        sentence,
        value=value,
        threshold=threshold,
        advice="prepare both parts by the same function, with numbers (mean, range, words) of the training data",
        check=health.command,
        explains=("overfit",),
    )


def _is_explained(part: Part) -> bool:
    """Return whether the numbers of an evaluation are predicted well at the end, whatever its inputs are like."""
    return part.learned is not None and not part.learned.classes and part.learned.score >= _EXPLAINED


def _lasts(part: Part, facts: DataFacts) -> bool:
    """Return whether an evaluation is of the end: samples that are drawn for one evaluation are followed by others."""
    once = part.size is not None and part.samples <= part.size
    return not once or part is facts.evaluations[-1]


def _learns(health: Health) -> bool:
    """Return whether the training still does what it learned at first, as far as its losses tell."""
    found = None if health.dynamics is None else course(health.dynamics.losses)
    if health.dynamics is None or found is None:
        return True
    return found.falls and not rises(health.dynamics, found)


def _unpredicted(training: Part, part: Part) -> tuple[str, float, float] | None:
    """Return what to say where new samples of the training were predicted, and those of an evaluation are not."""
    here, there = training.learned, part.learned
    if here is None or there is None or here.classes != there.classes or part.same_set or part.overlap > _SHARED:
        return None
    if min(here.samples, there.samples) < 2 * ENOUGH:
        return None
    known, unknown = here.score - here.chance, there.score - there.chance
    error = math.sqrt(0.25 / here.samples + 0.25 / there.samples)
    if known < _KNOWN or unknown > _LEFT * known or known - unknown < _ERRORS * error:
        return None
    what = "right" if here.classes else "explained"
    return (
        f"New samples of the training were {here.score:.0%} {what} in the first pass, those of the evaluation are "
        f"{there.score:.0%} at the end: inputs or targets of both parts are made differently.",
        unknown / known,
        _LEFT,
    )


_KNOWN, _LEFT, _ERRORS, _EXPLAINED = 0.15, 0.25, 4.0, 0.95
_SHARED = 0.5  # of an evaluation that was trained on


def _targets(facts: DataFacts) -> tuple[str, float] | None:
    """Return what to say where the targets of an evaluation are on another scale."""
    here = next(
        (one.target for one in facts.criteria if one.kind in REGRESSION and one.target and one.from_batch != 0), None
    )
    if here is None or here.numbers < ENOUGH or here.std <= 0:
        return None
    for part in facts.evaluations:
        there = part.targets
        if there is None or there.numbers < ENOUGH or there.std <= 0:
            continue
        ratio, shift = there.std / here.std, abs(there.mean - here.mean) / here.std
        if max(ratio, 1 / ratio) >= TARGETS or shift >= TARGETS:
            means = f"{there.mean:.3g} +- {there.std:.3g}", f"{here.mean:.3g} +- {here.std:.3g}"
            return f"The evaluation's targets are {means[0]}, the training's {means[1]}.", max(ratio, 1 / ratio, shift)
    return None


def _is_predicted(health: Health) -> bool:
    """Return whether the last evaluation has a loss that the training fell far to reach, and is near to at its end."""
    dynamics = health.dynamics
    found = None if dynamics is None else course(dynamics.losses)
    if dynamics is None or found is None or not dynamics.evaluations:
        return False
    last = dynamics.evaluations[-1].step
    losses = [one.loss for one in dynamics.evaluations if one.step == last and one.loss is not None]
    loss = max(losses, default=math.inf)
    return loss <= _NEAR * found.last and loss <= _FALLEN * max(found.first, dynamics.losses[0] or 0.0)


_NEAR, _FALLEN = 3.0, 0.2
"""Loss of the last evaluation over that of the training at its end, and over that at its start."""


def inputs_differ(training: Part, part: Part, *, loses: bool = True) -> tuple[str, float, float] | None:
    """Return sentence, value and threshold where the inputs of an evaluation are unlike those of the training.

    Args:
        training: its samples.
        part: those of the evaluation.
        loses: the evaluation is worse than the training. Else other values are no fault, as of a series that grows.
    """
    here, there = training.inputs, part.inputs
    if here is None or there is None or min(training.described, part.described) < FEWEST:
        return None
    alike = len(part.channels) == len(training.channels)
    if alike and not training.pictures and (said := _scaled_alone(training, part)) is not None:
        return said
    if min(training.described, part.described) < ENOUGH:
        return None
    if loses and min(here.std, there.std) > 0:
        ratio = there.std / here.std
        if max(ratio, 1 / ratio) >= (SERIES if training.smooth else SPREAD):
            return (
                f"The evaluation's inputs spread {ratio:.3g} times as much as the training's.",
                ratio,
                SPREAD,
            )
    spread = max(training.sample_spread, part.sample_spread)
    shift = abs(part.sample_mean - training.sample_mean)
    if loses and spread > 0 and shift >= max(SHIFT * spread, COLUMN_SHIFT * here.std):
        return (
            f"The evaluation's inputs are shifted by {shift / here.std:.2g} standard deviations of the training's.",
            shift / spread,
            SHIFT,
        )
    if not alike:
        return None
    if training.pictures:
        return _swapped(training, part) or _turned(training, part)
    return _columns(training, part) if loses else None


def _turned(training: Part, part: Part) -> tuple[str, float, float] | None:
    """Return what to say where pictures of the evaluation are mirrored or turned."""
    if not training.picture or not part.picture:
        return None
    here = as_picture(training.picture), as_picture(training.picture_errors)
    there = as_picture(part.picture), as_picture(part.picture_errors)
    straight = apart(here, there)
    how, best = min(
        ((name, apart(here, (turn(there[0]), turn(there[1])))) for name, turn in TURNED.items()),
        key=lambda pair: pair[1],
    )
    if straight < APART or straight < FIT * best:
        return None
    return f"Pictures of the evaluation lie {how}, compared with those of the training.", straight / best, FIT


def _swapped(training: Part, part: Part) -> tuple[str, float, float] | None:
    if len(training.channels) != 3:
        return None
    errors = [max((a * a + b * b) ** 0.5, 1e-9) for a, b in zip(training.errors, part.errors, strict=True)]
    straight = [abs(a - b) / e for a, b, e in zip(training.channels, part.channels, errors, strict=True)]
    swapped = [abs(a - b) / e for a, b, e in zip(training.channels, part.channels[::-1], errors, strict=True)]
    if max(straight) < 5 or max(straight) < SWAPPED * max(swapped):
        return None
    return (
        "The color channels of the evaluation fit the training's only in reverse order: RGB against BGR.",
        max(straight) / max(max(swapped), 1e-9),
        SWAPPED,
    )


def _columns(training: Part, part: Part) -> tuple[str, float, float] | None:
    columns = [
        (there - here) / spread
        for here, there, spread in zip(training.channels, part.channels, training.spreads, strict=True)
        if spread > 0
    ]
    if len(columns) < 4:
        return None
    up = sum(one >= COLUMN_SHIFT for one in columns) / len(columns)
    down = sum(one <= -COLUMN_SHIFT for one in columns) / len(columns)
    if max(up, down) >= COLUMNS and not training.smooth:
        return (
            f"{max(up, down):.0%} of the columns are shifted in the evaluation, all the same way.",
            max(up, down),
            COLUMNS,
        )
    return None


def _scaled_alone(training: Part, part: Part) -> tuple[str, float, float] | None:
    """Return what to say where each part was scaled by numbers of its own, and both to exactly the same range.

    An evaluation of the training data has their range, of course.
    """
    if part.same_set or part.overlap > _SHARED:
        return None
    if _standardized(training) and _standardized(part):
        return (
            "Training and evaluation are each scaled to a mean of 0 and a standard deviation of 1 by themselves.",
            1,
            COLUMNS,
        )
    ranges = {_range(training), _range(part)}
    if len(ranges) == 1 and None not in ranges:
        return f"Training and evaluation are each scaled to {ranges.pop()} by themselves.", 1, COLUMNS
    return None


def _range(part: Part) -> str | None:
    """Return the range that every column fills exactly, of numbers of which hardly any two are equal."""
    if part.size is None or part.described < max(part.size, ENOUGH) or not part.continuous or part.inputs is None:
        return None
    if part.inputs.zeros > _ENDS / part.described:
        return None
    varying = [(low, high) for low, high in zip(part.lows, part.highs, strict=True) if high > low]
    for name, ends in _RANGES.items():
        near = [abs(low - ends[0]) + abs(high - ends[1]) < _EXACT for low, high in varying]
        if near and sum(near) >= COLUMNS * len(near):
            return name
    return None


_RANGES = {"0 to 1": (0.0, 1.0), "-1 to 1": (-1.0, 1.0)}
_EXACT = 1e-5
_ENDS = 5  # numbers in each column that may lie at its lower end


def _standardized(part: Part) -> bool:
    """Return whether all columns have been standardized by their own numbers, as chance cannot make them."""
    if part.size is None or part.described < part.size or part.distinct < part.size * 0.9:
        return False
    varying = [(mean, spread) for mean, spread in zip(part.channels, part.spreads, strict=True) if spread > 0]
    near = [abs(mean) < 1e-4 and abs(spread - 1) < 2 / part.size + 1e-4 for mean, spread in varying]
    return len(near) >= 2 and sum(near) >= 0.9 * len(near)
