"""Measured values as text: the same words on the terminal and in the report."""

from collections.abc import Sequence

from hasten.base.records.machine import Machine
from hasten.base.records.plan import Knob
from hasten.base.records.record import Interval
from hasten.base.records.run import TaskFacts
from hasten.base.units import count, digits3, nbytes, plural

_SHARES = frozenset({"accuracy"})
_TOO_WIDE = 10.0
"""An interval whose ends differ by more than this factor says nothing."""


def times(value: float) -> str:
    """Return a ratio as a factor: `times(2.3) == "2.30x"`."""
    return f"{value:.2f}x" if value < 10 else f"{value:.1f}x"


def bounds(interval: Interval) -> str:
    """Return the ends of a ratio's interval: "[2.10, 2.50]"."""
    return f"[{times(interval.low)[:-1]}, {times(interval.high)[:-1]}]"


def is_known(interval: Interval) -> bool:
    """Return whether a ratio has an interval from two observations or more that is narrow enough to report."""
    return interval.n >= 2 and interval.high <= _TOO_WIDE * max(interval.low, 1e-9)


def ratio(interval: Interval, counted: str) -> str:
    """Return a ratio with its interval and n: "2.30x [2.10, 2.50], n = 3 seeds"; `counted` says what n counts."""
    return _with_interval(interval, counted, "")


def faster(interval: Interval, counted: str, *, where: str = "") -> str:
    """Return a speed-up as "2.30x faster [2.10, 2.50] to accuracy 97 %, n = 3 seeds"; not proven: "1.02x as fast"."""
    return _with_interval(interval, counted, " faster" if interval.low > 1 else " as fast", where)


def _with_interval(interval: Interval, counted: str, kind: str, where: str = "") -> str:
    """Return a ratio with its interval and n, or why it has none: one observation has no interval."""
    n = plural(interval.n, counted)
    if interval.n < 2:
        return f"not measured ({n})"
    if not is_known(interval):
        return f"interval too wide to report, n = {n}"
    return f"{times(interval.value)}{kind} {bounds(interval)}{where}, n = {n}"


def level(interval: Interval) -> str:
    """Return the confidence level: "95 % confidence interval"."""
    return f"{100 * interval.level:.0f} % confidence interval"


def metric_value(name: str, value: float | None) -> str:
    """Return a metric's value: accuracies as percentages, anything else with three digits."""
    if value is None:
        return "not finite"
    return f"{100 * value:.1f} %" if name in _SHARES else digits3(value)


def is_share(name: str) -> bool:
    """Return whether a metric is a share of one, shown as a percentage."""
    return name in _SHARES


def signed(value: float) -> str:
    """Return a difference with its sign and three digits: "+0.12"."""
    return f"{'-' if value < 0 else '+'}{digits3(abs(value))}"


def metric_name(name: str) -> str:
    """Return what a metric is called beside the training loss: the metric "loss" is the validation loss."""
    return "validation loss" if name == "loss" else name


def goal(name: str, target: float) -> str:
    """Return a target as a noun: "accuracy 97 %", "loss 1.5"."""
    return f"{name} {f'{100 * target:.4g} %' if name in _SHARES else f'{target:.6g}'}"


def loss_value(value: float | None) -> str:
    """Return a loss with four decimals, or four digits and an exponent, in a width that hardly changes."""
    if value is None:
        return "not finite"
    return f"{value:.4f}" if 0.01 <= abs(value) < 1000 else f"{value:.3e}"


def whole(number: int) -> str:
    """Return an integer with thousands set apart: `whole(12345) == "12,345"`."""
    return f"{number:,}"


def knobs(values: dict[str, Knob]) -> str:
    """Return knobs as "size = 16, share = 0.5"; empty where there are none."""
    return ", ".join(f"{name} = {value}" for name, value in values.items())


def joined(names: Sequence[str], *, none: str = "none") -> str:
    """Return names as "a, b and c"."""
    if len(names) < 2:
        return names[0] if names else none
    return f"{', '.join(names[:-1])} and {names[-1]}"


def machine_line(machine: Machine) -> str:
    """Return what the machine is, in one line."""
    gpu = f", {machine.gpu.name} with {nbytes(machine.gpu.memory_bytes)}" if machine.gpu else ""
    cores = f"{plural(machine.cores, 'core')}, {plural(machine.threads, 'thread')}"
    return f"{machine.cpu}, {cores}, {nbytes(machine.memory_bytes)}{gpu}"


def data_line(task: TaskFacts) -> str:
    """Return the size of the data and of the model, in one line."""
    known = {"training": task.train_samples, "validation": task.valid_samples}
    samples = f"{' and '.join(f'{_number(size)} {part}' for part, size in known.items())} samples"
    return f"{samples}, {task.sample_shape}; {count(task.parameters)} parameters"


def _number(size: int | None) -> str:
    return "an unknown number of" if size is None else whole(size) if size else "no"


def training_line(task: TaskFacts) -> str:
    """Return how the baseline trains the task, in one line."""
    rate = f", learning rate {task.learning_rate:.4g}" if task.learning_rate is not None else ""
    schedule = "constant" if task.schedule == "fixed" else task.schedule
    length = [plural(number, noun) for number, noun in ((task.epochs, "epoch"), (task.steps, "step")) if number]
    target = goal(task.metric, task.target) if task.target is not None else f"none ({task.metric} is measured)"
    uses = f"; uses {joined(task.uses)}" if task.uses else ""
    ends = f"at most {' or '.join(length)}; " if length else ""
    return f"batch size {task.batch_size}; {task.optimizer}{rate}, {schedule}{uses}; {ends}target: {target}"
